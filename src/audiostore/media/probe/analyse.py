"""Loudness and waveform of an audio file, of the frames that one decode of it gives."""

from collections.abc import Mapping
from math import isfinite, log10
from typing import Final

import av.error
from av.audio.frame import AudioFrame

from audiostore.analysis import Loudness, Waveform, WaveformBuilder
from audiostore.dataclass import dataclass
from audiostore.media.probe.filters import Converter, Filters, Kind

_WEIGHED_FROM_HZ, _WEIGHED_UP_TO_HZ = 32_000, 768_000
"""At other sample rates, the sound is resampled before its loudness is measured: at low ones, the
weighing filters are bent (0.2 LU off at 8 kHz), at high ones, three seconds of samples are many."""
_RATE_HZ: Final = 48_000
"""BS.1770-4 gives the weighing filters for it."""
_LOWEST_RATE_HZ: Final = 10
"""FFmpeg's filter counts in tenths of a second."""
_TRUE_PEAK_FROM_HZ: Final = 1_000
"""Up to 200 Hz, FFmpeg's filter has been seen to take a true peak from memory that nobody wrote."""
_META = "lavfi.r128."
_SILENCE_LUFS = -70.0
"""BS.1770-4: the absolute gate. The filter says so of what has no block above it."""
_RANGE_FROM_S = 10
"""EBU Tech 3342: the range is that of the loudness of 3 s, from its tenth to its 95th percentile.
Of less, the filter has too few values, and takes its gate for the lower one."""
_ERRORS = (av.error.FFmpegError, MemoryError, ValueError)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured."""

    loudness: Loudness
    waveform: Waveform


class Analyser:
    """Measures the frames of a file (a `FrameListener`).

    FFmpeg's filter ebur128 measures the loudness, at any sample rate; each channel weighs as
    BS.1770-4 says, where the layout of the channels is known. Frames whose rate, channels or format
    are not those of the first are converted to these.

    Args:
        true_peak: whether to find the true peak, which takes twice as long; not below 1 kHz.
    """

    def __init__(self, *, true_peak: bool = False) -> None:
        self._true_peak = true_peak
        self._meter: _Meter | None = None
        self._converter: Converter | None = None
        self.problem = ""
        """Why it could not go on; "" if it could."""

    def add(self, frame: AudioFrame) -> None:
        """Measure the next frame; after a problem, no more."""
        if self.problem:
            return
        try:
            self._add(frame)
        except _ERRORS as error:
            self._note(error)

    def finish(self) -> Measured | None:
        """Return what was measured; None after a problem, or without any frame."""
        if self.problem or self._meter is None:
            return None
        try:
            self._end_conversion()
            return self._meter.finish()
        except _ERRORS as error:
            self._note(error)
            return None

    def _note(self, error: Exception) -> None:
        self.problem = "too little memory" if isinstance(error, MemoryError) else str(error)
        self._meter = self._converter = None

    def _add(self, frame: AudioFrame) -> None:
        meter = self._meter
        here = (frame.sample_rate, frame.format.name, frame.layout.name)
        if meter is not None and self._converter is None and here == meter.kind:  # as nearly always
            meter.add(frame)
            return
        kind = Kind(*here)
        if self._meter is None:
            self._meter = _Meter(kind, true_peak=self._true_peak)
        if self._converter is not None and self._converter.kind != kind:
            self._end_conversion()
        if kind == self._meter.kind:
            self._meter.add(frame)
            return
        if self._converter is None:
            self._converter = Converter(kind, self._meter.kind)
        for converted in self._converter.convert(frame):
            self._meter.add(converted)

    def _end_conversion(self) -> None:
        if self._converter is not None and self._meter is not None:
            for converted in self._converter.convert(None):
                self._meter.add(converted)
        self._converter = None


class _Meter:
    """Measures frames of one kind: their loudness, and their samples in 8 bit."""

    def __init__(self, kind: Kind, *, true_peak: bool) -> None:
        if kind.rate_hz < _LOWEST_RATE_HZ:
            raise ValueError(f"its sample rate is {kind.rate_hz} Hz")
        self.kind = kind
        self._channels = kind.channels
        # Else the channel for low frequencies would count, and those behind would count for less.
        named = [("aformat", f"channel_layouts={kind.usual_layout}")]
        named = named if kind.usual_layout != kind.layout else []
        has_true_peak = true_peak and kind.rate_hz >= _TRUE_PEAK_FROM_HZ
        peak = "true+sample" if has_true_peak else "sample"
        self._filters = Filters(
            kind, *named, ("ebur128", f"metadata=1:peak={peak}"), ("aformat", "sample_fmts=u8")
        )
        self._found: Mapping[str, str] = {}
        self._weighing: Filters | None = None
        """Measures the loudness, where `_filters` cannot."""
        self._weighed: Mapping[str, str] = {}
        if not _WEIGHED_FROM_HZ <= kind.rate_hz <= _WEIGHED_UP_TO_HZ:
            resampled = ("aformat", f"sample_rates={_RATE_HZ}")
            self._weighing = Filters(kind, *named, resampled, ("ebur128", "metadata=1"))
        self._waveform = WaveformBuilder(kind.rate_hz, self._channels)
        self._samples = self._left = self._waiting = 0

    def add(self, frame: AudioFrame) -> None:
        """Measure a frame, together with others that make up a second."""
        samples = frame.samples
        self._samples += samples
        self._left += samples
        self._waiting += samples
        self._filters.push(frame)
        if self._weighing is not None:
            self._weighing.push(frame)
        if self._waiting >= self.kind.rate_hz:
            self._measure()

    def finish(self) -> Measured:
        """Return what was measured."""
        if self._weighing is not None:
            self._weighing.push(None)
        self._measure()
        # The filter measures tenths of a second. Silence fills the last one up, and brings what its
        # own resampler has kept. That counts for the peaks alone: of loudness, BS.1770-4 leaves out
        # the last block unless all of it is there.
        weighed = self._found if self._weighing is None else self._weighed
        self._weighing = None
        for _ in range(2):
            self._filters.push(self._silence())
        self._filters.push(None)
        self._measure()
        return Measured(
            _loudness(weighed, self._found, self._samples / self.kind.rate_hz),
            self._waveform.finish(),
        )

    def _measure(self) -> None:
        self._waiting = 0
        for measured in self._filters.pull():
            self._found = measured.metadata or self._found
            samples = min(measured.samples, self._left)
            self._left -= samples
            if samples:
                data = memoryview(measured.planes[0])[: samples * self._channels]
                self._waveform.add(bytes(data))
        if self._weighing is not None:
            for weighed in self._weighing.pull():
                self._weighed = weighed.metadata or self._weighed

    def _silence(self) -> AudioFrame:
        rate_hz, sample_format, layout = self.kind
        frame = AudioFrame(sample_format, layout, rate_hz // 10)
        frame.sample_rate = rate_hz
        middle = b"\x80" if sample_format.startswith("u8") else b"\0"
        for plane in frame.planes:
            plane.update(middle * plane.buffer_size)
        return frame


def _loudness(weighed: Mapping[str, str], peaks: Mapping[str, str], seconds: float) -> Loudness:
    integrated_lufs = _figure(weighed, "I", _SILENCE_LUFS)
    is_silent = integrated_lufs <= _SILENCE_LUFS
    has_range = not is_silent and seconds >= _RANGE_FROM_S
    sample_peak = _figure(peaks, "sample_peak", 0.0)
    true_peak = _figure(peaks, "true_peak", 0.0)
    return Loudness(
        integrated_lufs=None if is_silent else integrated_lufs,
        range_lu=_figure(weighed, "LRA", 0.0) if has_range else None,
        sample_peak_dbfs=_decibels(sample_peak),
        # The resampler that finds it rounds the beginning and the end.
        true_peak_dbtp=_decibels(max(true_peak, sample_peak)) if true_peak else None,
    )


def _figure(measured: Mapping[str, str], name: str, otherwise: float) -> float:
    figure = float(measured.get(_META + name, otherwise))
    if not isfinite(figure):
        raise ValueError("it has samples that are not numbers")
    return figure


def _decibels(peak: float) -> float | None:
    return 20 * log10(peak) if peak > 0 else None
