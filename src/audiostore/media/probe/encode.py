"""The frames of an audio file, encoded as MP3: what every browser plays.

FFmpeg's muxer writes the first bytes of an MP3 file last: how many frames there are, and what was
added before and after the sound (Xing and LAME tags). So the beginning is kept until the end, and
everything else is handed on as it comes.
"""

import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer

from audiostore.media.info import MAX_PREVIEW_S, PREVIEW_HEAD_BYTES, PreviewInfo
from audiostore.media.probe.filters import Converter, Filters, Kind

SAMPLES_PER_FRAME: Final = 1152
"""ISO/IEC 11172-3, 2.4.2.1: of layer III at 32,000 Hz and more (MPEG-1)."""
_RATES_HZ: Final = (44_100, 48_000)
_FAMILY_HZ: Final = 11_025
"""Rates that 44,100 Hz is a multiple of, or that are one of it, are resampled to it; others to
48,000 Hz."""
_QUALITY: Final = "5"
"""LAME's own choice. 7 takes 0.6 of the time, and makes a tenth more audible noise."""
_PIECE_BYTES: Final = 64 << 10
_TAGS: Final = (
    *("title", "artist", "album", "album_artist", "date", "genre", "composer", "performer"),
    *("copyright", "publisher", "isrc", "compilation"),
)
"""Common names of tags that FFmpeg writes under their own ID3 frames."""
_NUMBERS: Final = {"track": "track_total", "disc": "disc_total"}
_ERRORS = (av.error.FFmpegError, MemoryError, ValueError)


class Encoder:
    """Encodes the frames of a file as MP3, at a constant bit rate (a `FrameListener`).

    Mono stays mono, and gets half of the bit rate; more than two channels are mixed down to stereo,
    so that none is clipped.

    Args:
        write: gets the file from its byte `PREVIEW_HEAD_BYTES` on, in pieces.
        stereo_bps: the bit rate of stereo: one of MPEG-1 layer III whose half is one, too.
        tags: by their common names; those that ID3 has frames for are kept.
    """

    def __init__(
        self, write: Callable[[bytes], None], *, stereo_bps: int, tags: Mapping[str, str]
    ) -> None:
        self._write = write
        self._stereo_bps = stereo_bps
        self._tags = tags
        self._file: _Mp3File | None = None
        self._converter: Converter | None = None
        self._seconds = 0.0
        self.problem = ""
        """Why it could not go on; "" if it could."""

    def add(self, frame: AudioFrame) -> None:
        """Encode the next frame; after a problem, no more."""
        if self.problem:
            return
        try:
            self._add(frame)
        except _ERRORS as error:
            self._note(error)

    def finish(self) -> tuple[PreviewInfo, bytes] | None:
        """Return what was encoded, and the beginning of the file: all that `write` did not get.

        None after a problem, or without any frame.
        """
        if self.problem or self._file is None:
            return None
        try:
            self._end_conversion()
            head = self._file.finish()
        except _ERRORS as error:
            self._note(error)
            return None
        target = self._file.kind
        encoded = PreviewInfo(
            self._seconds, target.rate_hz, target.channels, self._file.bitrate_bps
        )
        return encoded, head

    def _note(self, error: Exception) -> None:
        self.problem = "too little memory" if isinstance(error, MemoryError) else str(error)
        self._file = self._converter = None

    def _add(self, frame: AudioFrame) -> None:
        kind = Kind.of(frame)
        self._seconds += frame.samples / kind.rate_hz
        if self._seconds > MAX_PREVIEW_S:
            raise ValueError(f"it lasts longer than {MAX_PREVIEW_S // 3600} hours")
        if self._file is None:
            self._file = _Mp3File(_target(kind), self._write, self._stereo_bps, self._tags)
        if self._converter is not None and self._converter.kind != kind:
            self._end_conversion()
        if self._converter is None:
            self._converter = Converter(kind, self._file.kind)
        for converted in self._converter.convert(frame):
            self._file.add(converted)

    def _end_conversion(self) -> None:
        if self._converter is not None and self._file is not None:
            for converted in self._converter.convert(None):
                self._file.add(converted)
        self._converter = None


def _target(kind: Kind) -> Kind:
    is_family = kind.rate_hz % _FAMILY_HZ == 0
    rate_hz = _RATES_HZ[0] if is_family else _RATES_HZ[1]
    # To samples of integers, libswresample mixes channels down so that their sum is not clipped.
    return Kind(rate_hz, "s16p", "mono" if kind.channels == 1 else "stereo")


class _Mp3File:
    """An MP3 file as it is written, of frames of one kind."""

    def __init__(
        self,
        kind: Kind,
        write: Callable[[bytes], None],
        stereo_bps: int,
        tags: Mapping[str, str],
    ) -> None:
        self.kind = kind
        self.bitrate_bps = stereo_bps if kind.channels == 2 else stereo_bps // 2
        self._output = _HeadLast(write)
        options = {"id3v2_version": "3", "write_id3v1": "0", "write_xing": "1"}
        self._container: OutputContainer = av.open(self._output, "w", format="mp3", options=options)
        self._container.metadata.update(_id3_tags(tags))
        self._stream: AudioStream = self._container.add_stream(
            "libmp3lame", rate=kind.rate_hz, layout=kind.layout, format=kind.sample_format
        )
        context = self._stream.codec_context
        context.bit_rate = self.bitrate_bps
        context.options = {"compression_level": _QUALITY}
        context.thread_count = 1
        self._container.start_encoding()
        self._frames = Filters(kind, ("asetnsamples", f"n={SAMPLES_PER_FRAME}:p=0"))
        self._samples = 0

    def add(self, frame: AudioFrame | None) -> None:
        """Encode samples; None: the last ones."""
        for each in self._frames.run(frame):
            each.pts, each.time_base = self._samples, Fraction(1, self.kind.rate_hz)
            self._samples += each.samples
            self._container.mux(self._stream.encode(each))
        self._output.hand_on()

    def finish(self) -> bytes:
        """Return the beginning of the file, when the rest was handed on."""
        self.add(None)
        self._container.mux([last for last in self._stream.encode(None) if last.size])
        self._container.close()
        return self._output.finish()


def _id3_tags(tags: Mapping[str, str]) -> dict[str, str]:
    kept = {name: tags[name] for name in _TAGS if name in tags}
    for name, total in _NUMBERS.items():
        if number := tags.get(name):
            kept[name] = f"{number}/{tags[total]}" if total in tags else number
    return kept


class _HeadLast:
    """A file to write: its beginning is kept, where a writer may go back to; the rest is not."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._head = bytearray()
        self._waiting = bytearray()
        self._position = 0
        self._size = 0

    def write(self, data: bytes) -> int:
        """Write at the position: into the beginning, or at the end."""
        in_head = bytes(data[: max(0, PREVIEW_HEAD_BYTES - self._position)])
        if in_head:
            self._head[self._position : self._position + len(in_head)] = in_head
        after = data[len(in_head) :]
        if after and self._position + len(in_head) != max(self._size, PREVIEW_HEAD_BYTES):
            raise ValueError("the writer went back to what was handed on")
        self._waiting += after
        self._position += len(data)
        self._size = max(self._size, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = starts[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def hand_on(self) -> None:
        """Hand on what has come, if it is a piece."""
        while len(self._waiting) >= _PIECE_BYTES:
            self._write(bytes(self._waiting[:_PIECE_BYTES]))
            del self._waiting[:_PIECE_BYTES]

    def finish(self) -> bytes:
        """Hand on the rest; return the beginning."""
        self.hand_on()
        if self._waiting:
            self._write(bytes(self._waiting))
            self._waiting.clear()
        return bytes(self._head)
