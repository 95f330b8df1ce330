"""What the codecs in Ogg say in their first packets, and how long their other packets are."""

from collections.abc import Sequence
from typing import Final

from audiostore.dataclass import dataclass
from audiostore.media.parsing.flac import FRAME_HEADER_MAX, STREAMINFO_SIZE, StreamInfo, parse_frame
from audiostore.media.parsing.reading import little

SETUP_TAIL: Final = 400
"""How many bytes of its last header packet a codec is given."""


@dataclass(slots=True)
class Codec:
    """A stream of sound by its first packet."""

    rate_hz: int
    """Of its positions; 0: its packets cannot be counted."""
    headers: int
    """How many packets come before the sound."""
    head_size: int
    """How many of its first bytes tell the length of a packet."""
    skipped: int = 0
    """How many samples at the start are not played."""
    promised: int = 0
    """How many samples it says there are; 0 if it does not."""
    trims_start: bool = False
    """Whether a first position that is too low means that the start is not played."""
    trims_end: bool = True
    """Whether a last position that is too low means that the end is not played."""
    usual: int = 0
    """How many samples a packet had on average when they were counted."""

    def is_plausible(self, packets: int, samples: int) -> bool:
        """Say whether so many packets are likely to have so many samples."""
        return 0 < samples == packets * self.usual

    def set_up(self, tail: bytes) -> None:
        """Take the end of the last header packet."""

    def count(self, heads: Sequence[bytes]) -> int:
        """Return the samples of the next packets, by their first bytes."""
        samples = sum(map(self._samples, heads))
        self.usual = samples // len(heads) if heads else 0
        return samples

    def _samples(self, head: bytes) -> int:
        raise NotImplementedError


class _Opus(Codec):
    """RFC 7845 section 5.1; how long a packet is: RFC 6716 section 3.1."""

    def _samples(self, head: bytes) -> int:
        return opus_samples(head)


def opus_samples(head: bytes) -> int:
    """Return how many samples at 48 kHz a packet of Opus has, by its first two bytes."""
    if not head:
        return 0
    config, frames = head[0] >> 3, (1, 2, 2, 0)[head[0] & 3]
    if config < 12:  # 10, 20, 40 or 60 ms of SILK
        samples = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:  # 10 or 20 ms of both
        samples = (480, 960)[config & 1]
    else:  # 2.5 to 20 ms of CELT
        samples = 120 << (config & 3)
    return samples * (frames or little(head, 1, 1) & 63)


class _Vorbis(Codec):
    """Vorbis I sections 4.2 and 4.3: a packet gives a quarter of its block and of the last one."""

    __slots__ = ("_blocks", "_last", "_sizes")

    def __init__(self, packet: bytes) -> None:
        super().__init__(little(packet, 12), headers=3, head_size=1, trims_start=True)
        sizes = little(packet, 28, 1)
        self._sizes = (1 << (sizes & 15), 1 << (sizes >> 4))
        self._blocks: dict[bytes, int] = {}
        self._last = 0

    def set_up(self, tail: bytes) -> None:
        is_long = vorbis_modes(tail)
        if not is_long:
            self.rate_hz = 0
        mask = (1 << (len(is_long) - 1).bit_length()) - 1
        for first in range(0, 256, 2):  # an odd byte begins no packet of sound
            mode = first >> 1 & mask
            if mode < len(is_long):
                self._blocks[bytes([first])] = self._sizes[is_long[mode]]

    def is_plausible(self, packets: int, samples: int) -> bool:
        short, long = self._sizes
        if not 0 < packets * short <= 2 * samples <= packets * long:
            return False
        self._last = long  # probably: these packets are not looked at
        return True

    def count(self, heads: Sequence[bytes]) -> int:
        blocks = [block for block in map(self._blocks.get, heads) if block]
        if not blocks:
            return 0
        # Of one and the next, a quarter each: half of all but the last, and of the one before.
        total = 2 * sum(blocks) - blocks[-1] + self._last
        if not self._last:
            total -= blocks[0]
        self._last = blocks[-1]
        return total >> 2


def vorbis_modes(tail: bytes) -> list[bool]:
    """Return whether each mode has the long block, from the end of the setup packet.

    Vorbis I section 4.2.4: 6 bits with the number of modes - 1; for each, 1 bit for the block,
    16 and 16 that are 0, and 8 for the mapping, of which there are 64 at most; then 1 that is set.
    Whoever does not parse the codebooks before goes backwards as long as these values are possible.
    """
    bits = int.from_bytes(tail, "little")
    at = bits.bit_length() - 1
    modes: list[bool] = []
    found: list[bool] = []
    while at >= 47 and len(modes) < 64:
        at -= 41
        mode = bits >> at & (1 << 41) - 1
        if mode >> 1 & 0xFFFFFFFF or mode >> 33 > 63:
            break
        modes.insert(0, bool(mode & 1))
        if (bits >> at - 6 & 63) + 1 == len(modes):
            found = modes[:]
    return found


FLAC_MAPPING: Final = 9 + 4 + 4
"""Bytes before STREAMINFO: those of the mapping, FLAC's own marker, the header of the block."""


class _Flac(Codec):
    """RFC 9639 section 10.1: packets are metadata blocks, then frames, which alone begin so."""

    def _samples(self, head: bytes) -> int:
        frame = parse_frame(head)
        return frame.samples if frame else 0


class _Speex(Codec):
    """The Speex manual, section "Ogg file format": packets are all of one length."""

    __slots__ = ("_each",)

    def __init__(self, packet: bytes) -> None:
        super().__init__(
            little(packet, 36), headers=2 + little(packet, 68), head_size=1, trims_start=True
        )
        self._each = little(packet, 56) * max(1, little(packet, 64))

    def _samples(self, head: bytes) -> int:
        return self._each


def codec_of(packet: bytes) -> Codec | None:
    """Return the codec that begins with this packet; None if its packets cannot be counted."""
    if packet.startswith(b"OpusHead"):
        return _Opus(48_000, headers=2, head_size=2, skipped=little(packet, 10, 2))
    if packet.startswith(b"\x01vorbis"):
        return _Vorbis(packet)
    if packet.startswith(b"\x7fFLAC"):
        info = StreamInfo.parse(packet[FLAC_MAPPING : FLAC_MAPPING + STREAMINFO_SIZE])
        return _Flac(
            info.rate_hz,
            headers=0,
            head_size=FRAME_HEADER_MAX,
            promised=info.samples,
            trims_end=False,
        )
    if packet.startswith(b"Speex   "):
        return _Speex(packet)
    return None
