"""An audio file opened by FFmpeg, which can reach nothing but this file.

The demuxer is the one that *our* recognition names, never FFmpeg's guess. FFmpeg gets no path but a
view of the one file that is open already, and whatever else it wants to open (a playlist's entry, a
QuickTime data reference) is refused by `_refuse_to_open`. Only audio decoders that a format names
can be chosen: embedded pictures and video are never decoded here.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import NoReturn

import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from audiostore.dataclass import dataclass
from audiostore.errors import UnplayableAudioError
from audiostore.media.facts.describe import choose_view
from audiostore.media.formats import AUDIO_FORMATS
from audiostore.media.kinds import Format, Recognised, View
from audiostore.media.parsing.reading import BudgetSpentError, Reader, Seekable
from audiostore.media.recognition import recognise

_READS, _BYTES, _PIECE = 5_000, 4 << 20, 64 << 10
"""What may be read besides all of a file, and the least that each read of all of it takes."""
_PROBED = {"probesize": "131072"}
"""How many bytes of sound FFmpeg reads to identify it: a few packets are enough."""


@dataclass(slots=True)
class OpenAudio:
    """An open file, and its first stream of sound."""

    container: InputContainer
    audio: AudioStream
    view: "FileView"
    """The format's own data, which are all that FFmpeg sees."""
    stream: Seekable
    size: int
    """The size of the whole file."""
    recognised: Recognised
    is_read: bool = False
    """Whether packets were read: to decode from the first one, it must be opened again."""

    def reader(self) -> Reader:
        """Return a reader of the whole file, with a budget to read all of it once."""
        reads, total = _READS + self.size // _PIECE, _BYTES + self.size
        return Reader(self.stream, self.size, reads=reads, total=total, window=4 << 10)


@contextmanager
def open_audio(
    stream: Seekable,
    kind: Format,
    options: Mapping[str, str] | None = None,
    *,
    part: View | None = None,
    found: Recognised | None = None,
) -> Iterator[OpenAudio]:
    """Open an audio file with the demuxer of its format.

    Args:
        stream: the file, seekable and unbuffered.
        kind: what it was recognised as.
        options: for the demuxer, besides those that the format always needs.
        part: all that FFmpeg shall see; otherwise, the format decides.
        found: how another process recognised it; else it is recognised again.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded, or broken.
    """
    # PyAV prints nothing by itself: its log level is None unless the program sets one.
    size = stream.seek(0, os.SEEK_END)
    found = found or recognise(stream)
    found = found if found and found.format is kind else Recognised(kind)
    shown = part or _view_within_budget(stream, size, found)
    view = FileView(stream, shown.start, shown.end, shown.header)
    with ffmpeg_errors():
        container = av.open(
            view,
            "r",
            format=kind.demuxer,
            options={
                "codec_whitelist": _whitelist(),
                **_PROBED,
                **dict(kind.demuxer_options),
                **(options or {}),
            },
            metadata_errors="replace",
            io_open=_refuse_to_open,
        )
    with container:
        yield OpenAudio(container, _audio_stream(container), view, stream, size, found)


def _view_within_budget(stream: Seekable, size: int, found: Recognised) -> View:
    """Return what FFmpeg shall see: all, if it is not found within a budget where tags end."""
    reader = Reader(stream, size, reads=_READS, total=_BYTES, window=4 << 10)
    try:
        return choose_view(reader, found)
    except BudgetSpentError:
        return View(found.offset, size)


class FileView:
    """A part of the file as FFmpeg sees it: without a name, and with a header in front."""

    def __init__(self, stream: Seekable, start: int, end: int, header: bytes = b"") -> None:
        self._stream = stream
        self._header = header
        self._start = start - len(header)
        self._position = 0
        self.size = len(header) + end - start

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes from the position on."""
        if self._position >= self.size:
            return b""
        piece = self._header[self._position : self._position + size]
        if not piece:
            self._stream.seek(self._start + self._position)
            piece = self._stream.read(min(size, self.size - self._position))
        self._position += len(piece)
        return piece

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, which a broken file may put anywhere; negative: FFmpeg's error."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:  # how FFmpeg asks for the size, again and again
            offset += self.size
        if offset < 0:
            return -errno.EINVAL
        self._position = offset
        return offset


class _OtherFileError(OSError):
    """FFmpeg wanted to open something besides the file that it was given."""


def _refuse_to_open(url: str, flags: int, options: object) -> NoReturn:
    raise _OtherFileError(f"it refers to another file or address: {url[:200]!r}")


@contextmanager
def ffmpeg_errors() -> Iterator[None]:
    """Raise `UnplayableAudioError` for what FFmpeg raises."""
    try:
        yield
    except _OtherFileError as error:
        raise UnplayableAudioError(str(error)) from error
    except MemoryError:  # PyAV's ENOMEM is one, too; the worker says how much there was
        raise
    except av.error.FFmpegError as error:
        raise UnplayableAudioError(f"FFmpeg cannot read it: {error.strerror or error}") from error


_DECODERS = frozenset(decoder for each in AUDIO_FORMATS for decoder in each.decoders)


def _is_decoded(decoder: str) -> bool:
    return decoder.startswith("pcm_") or decoder in _DECODERS


@cache
def _whitelist() -> str:
    return ",".join(sorted(c for c in av.codecs_available if _is_decoded(c)))


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        if any(not is_picture(s.disposition) for s in container.streams.video):
            raise UnplayableAudioError("it holds video and no sound")
        raise UnplayableAudioError("it holds no sound")
    audio = container.streams.audio[0]
    if audio.codec_context is None:
        raise UnplayableAudioError("its sound is in an unknown codec")
    if not _is_decoded(audio.codec_context.name):
        name = audio.codec_context.codec.canonical_name
        raise UnplayableAudioError(f"its sound is encoded as {name}, which is not supported")
    return audio


def is_picture(disposition: Disposition) -> bool:
    """Say whether a stream of video is an embedded picture."""
    return bool(disposition & Disposition.attached_pic)
