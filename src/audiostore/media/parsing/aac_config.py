"""AAC's AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1), and how a frame begins."""

from typing import Final, NamedTuple

RATES_HZ: Final = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000,
                   11_025, 8_000, 7_350)  # fmt: skip
"""By the sampling frequency index (table 1.18)."""
_LC, _SBR, _PS = 2, 5, 29
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)
_SBR_FOLLOWS, _PS_FOLLOWS = 0x2B7, 0x548
_MOST_BYTES = 32
_MOST_CORE_HZ = 24_000
"""The highest rate to which encoders add spectral band replication without saying so."""
_SCE, _CPE, _DSE, _FIL = 0, 1, 4, 6
_MOST_ELEMENTS = 8


class AacConfig(NamedTuple):
    """What is heard of a stream of AAC-LC, or of HE-AAC that says so."""

    rate_hz: int
    channels: int
    layout: int
    """The channel configuration of the core (table 1.19)."""


class _Bits:
    """Bits, the highest first; after the last one, zeros."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "big")
        self.left = 8 * len(data)

    def peek(self, count: int) -> int:
        after = self.left - count
        shifted = self._number >> after if after >= 0 else self._number << -after
        return shifted & (1 << count) - 1

    def take(self, count: int) -> int:
        value = self.peek(count)
        self.left -= count
        return value

    def rate_hz(self) -> int:
        index = self.take(4)
        return RATES_HZ[index] if index < len(RATES_HZ) else -1


class _Extension(NamedTuple):
    """Spectral band replication (SBR) and parametric stereo (PS)."""

    rate_hz: int | None
    """With SBR; 0: there is none; None: only the frames tell."""
    has_stereo: bool
    """Whether PS makes two channels of one; as players do, unless it is denied."""


def parse_config(data: bytes) -> AacConfig | None:
    """Parse a configuration; None if it is not of AAC-LC with frames of 1,024 samples.

    None also where only the frames can tell what is heard: in HE-AAC that does not say so, whose
    core has 24 kHz at most.
    """
    bits = _Bits(data[:_MOST_BYTES])
    kind, rate, layout = bits.take(5), bits.rate_hz(), bits.take(4)
    extension: _Extension | None = None
    if kind in (_SBR, _PS):
        extension = _Extension(bits.rate_hz(), True)
        kind = bits.take(5)
    # Then: frames of 960 samples, a core coder, an extension.
    is_plain = kind == _LC and bits.left >= 3 and bits.peek(3) == 0
    if not (is_plain and rate > 0 and 0 < layout < len(_CHANNELS)):
        return None
    extension = extension or _find_extension(bits)
    channels, extended = _CHANNELS[layout], extension.rate_hz
    if extended is None and rate > _MOST_CORE_HZ:
        extended = 0
    if extended == 0:
        return AacConfig(rate, channels, layout)
    if extended is None or extended != 2 * rate:
        return None
    return AacConfig(extended, 2 if layout == 1 and extension.has_stereo else channels, layout)


def _find_extension(bits: _Bits) -> _Extension:
    """Look for what may follow a configuration (section 1.6.6), as FFmpeg does: at every bit."""
    while bits.left > 15:
        if bits.peek(11) != _SBR_FOLLOWS:
            bits.take(1)
            continue
        bits.take(11)
        if bits.take(5) != _SBR:
            break
        if not bits.take(1):
            return _Extension(0, False)
        rate = bits.rate_hz()
        is_said = bits.left > 11 and bits.take(11) == _PS_FOLLOWS
        return _Extension(rate, not is_said or bits.take(1) == 1)
    return _Extension(None, False)


def begins_as_stated(frame: bytes, layout: int) -> bool:
    """Say whether a frame begins with the element of its channel configuration (table 1.19).

    If there are two channels where one is stated, or one where two are, players play these.

    Args:
        frame: a raw data block (section 4.4.2.1), or the first bytes of it.
        layout: the channel configuration.
    """
    bits = _Bits(frame)
    for _ in range(_MOST_ELEMENTS):
        kind, count = bits.take(3), bits.take(4)
        if kind in (_SCE, _CPE):
            return bits.left > 0 and kind == (_CPE if layout == 2 else _SCE)
        if kind == _FIL:
            count += bits.take(8) - 1 if count == 15 else 0
        elif kind == _DSE:
            is_aligned, count = bits.take(1), bits.take(8)
            count += bits.take(8) if count == 255 else 0
            bits.take(bits.left % 8 if is_aligned else 0)
        else:
            return False
        bits.take(8 * count)
    return False
