"""Makes a waveform of samples that come piece by piece, in little memory for any length."""

from typing import Final

from audiostore.analysis.keys import MAX_WAVEFORM_POINTS as MAX_POINTS
from audiostore.analysis.waveform import Waveform

MAX_POINTS_PER_S: Final = 93.75
"""512 samples at 48 kHz: the finest step of peaks.js, by default."""
_SIGNED = bytes(value ^ 0x80 for value in range(256))
"""The signed byte (two's complement) of each byte that counts from -128."""
_ALL = bytes(range(256))


def samples_per_point(rate_hz: int) -> int:
    """Return how many samples a point of short audio has: a power of two.

    So there are from 47 to 94 points in a second: 86 at 44.1 kHz.
    """
    samples = 1
    while samples * MAX_POINTS_PER_S < rate_hz:
        samples *= 2
    return samples


class WaveformBuilder:
    """Takes samples piece by piece; wherever there are `MAX_POINTS`, every two become one.

    Args:
        rate_hz: the sample rate.
        channels: how many samples belong together.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz = rate_hz
        self._channels = channels
        self._samples = samples_per_point(rate_hz)
        self._rest = b""
        self._minima, self._maxima = bytearray(), bytearray()

    def add(self, samples: bytes | bytearray) -> None:
        """Add samples of all channels in turn, a byte each, which counts from -128."""
        data = self._rest + samples
        start, size = 0, self._samples * self._channels
        without = _ALL.translate
        while len(data) - start >= size:
            if len(self._minima) == MAX_POINTS:
                self._halve()
                size *= 2
                continue
            # The distinct values of a point in order, without a loop in Python over its samples:
            # all bytes but those that are left of all bytes when the point's are deleted.
            present = without(None, without(None, data[start : start + size]))
            self._minima.append(present[0])
            self._maxima.append(present[-1])
            start += size
        self._rest = data[start:]

    def finish(self) -> Waveform:
        """Return the waveform of all samples; its last point may have fewer."""
        if self._rest:
            if len(self._minima) == MAX_POINTS:
                self._halve()
            self._minima.append(min(self._rest))
            self._maxima.append(max(self._rest))
            self._rest = b""
        return Waveform(
            self._rate_hz,
            self._samples,
            bytes(self._minima.translate(_SIGNED)),
            bytes(self._maxima.translate(_SIGNED)),
        )

    def _halve(self) -> None:
        self._minima = bytearray(map(min, self._minima[0::2], self._minima[1::2]))
        self._maxima = bytearray(map(max, self._maxima[0::2], self._maxima[1::2]))
        self._samples *= 2
