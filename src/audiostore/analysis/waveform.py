"""The zoomable waveform, in the format of BBC audiowaveform: 8 bit, version 2, one channel.

Of github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md: a header of six little-endian 32-bit
fields (version, flags, sample rate, samples per pixel, length, channels), then a signed minimum and
maximum for each pixel. peaks.js and waveform-data read it, and wavesurfer.js reads its JSON.
"""

import struct
from itertools import chain

from audiostore.analysis.keys import MAX_WAVEFORM_POINTS
from audiostore.dataclass import dataclass, field

_HEADER = struct.Struct("<iIiiIi")
_VERSION, _EIGHT_BIT, _CHANNELS = 2, 1, 1
_MAGNITUDE = bytes(min(value, 256 - value) for value in range(256))
"""The absolute value of a signed byte."""


class InvalidWaveformError(ValueError):
    """The bytes are not a waveform in the format that audiostore stores."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """The smallest and the largest sample of each short time, of all channels together."""

    sample_rate_hz: int
    samples_per_point: int
    minima: bytes = field(repr=False)
    """Signed bytes: -128 is full scale."""
    maxima: bytes = field(repr=False)

    @property
    def length(self) -> int:
        """How many points it has."""
        return len(self.minima)

    @property
    def duration_s(self) -> float:
        """How long it lasts, up to the end of its last point."""
        return self.length * self.samples_per_point / self.sample_rate_hz

    @property
    def peaks(self) -> bytes:
        """The largest absolute value of each point, from 0 to 128."""
        low, high = self.minima.translate(_MAGNITUDE), self.maxima.translate(_MAGNITUDE)
        return bytes(map(max, low, high))

    @property
    def points(self) -> list[tuple[int, int]]:
        """The minimum and the maximum of each point, from -128 to 127."""
        signed = f"{self.length}b"
        return list(
            zip(struct.unpack(signed, self.minima), struct.unpack(signed, self.maxima), strict=True)
        )

    def to_dat(self) -> bytes:
        """Return it as a ``.dat`` file."""
        header = _HEADER.pack(
            _VERSION,
            _EIGHT_BIT,
            self.sample_rate_hz,
            self.samples_per_point,
            self.length,
            _CHANNELS,
        )
        data = bytearray(2 * self.length)
        data[0::2], data[1::2] = self.minima, self.maxima
        return header + data

    def to_dict(self) -> dict[str, object]:
        """Return it as audiowaveform's JSON."""
        return {
            "version": _VERSION,
            "channels": _CHANNELS,
            "sample_rate": self.sample_rate_hz,
            "samples_per_pixel": self.samples_per_point,
            "bits": 8,
            "length": self.length,
            "data": list(chain.from_iterable(self.points)),
        }

    @classmethod
    def from_dat(cls, data: bytes) -> "Waveform":
        """Return the waveform in a ``.dat`` file.

        Raises:
            InvalidWaveformError: it is not 8 bit, of one channel and version 2, or it is cut short.
        """
        if len(data) < _HEADER.size:
            raise InvalidWaveformError(f"a waveform of {len(data)} bytes has no header")
        version, flags, rate, samples, length, channels = _HEADER.unpack_from(data)
        if (version, flags, channels) != (_VERSION, _EIGHT_BIT, _CHANNELS):
            raise InvalidWaveformError(
                f"a waveform of version {version}, flags {flags} and {channels} channels: only "
                f"version {_VERSION} with 8 bit (flags {_EIGHT_BIT}) and one channel is supported"
            )
        if rate < 1 or samples < 1 or length > MAX_WAVEFORM_POINTS:
            raise InvalidWaveformError(
                f"a waveform of {length} points of {samples} samples at {rate} Hz"
            )
        pairs = data[_HEADER.size :]
        if len(pairs) != 2 * length:
            raise InvalidWaveformError(
                f"a waveform of {length} points has {len(pairs)} bytes after its header, not "
                f"{2 * length}"
            )
        return cls(rate, samples, pairs[0::2], pairs[1::2])
