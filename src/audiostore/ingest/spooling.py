"""Bytes, file objects and streams as sources: written once to a file without a name.

From there they go the way of local files: inspection seeks, FFmpeg's sandbox needs a descriptor,
and a request that fails is sent again.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOBase
from typing import BinaryIO, Final, Protocol, cast, runtime_checkable

import google_crc32c

from audiostore.errors import InvalidSourceError, shown
from audiostore.files import explained, write_all
from audiostore.localfiles import FetchedFile
from audiostore.sources import encode_crc32c
from audiostore.values import PathLike

_PIECE_BYTES: Final = 256 << 10


@runtime_checkable
class ReadableStream(Protocol):
    """A binary file object, of which only `read` is used."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; b"" at the end."""
        ...


AudioInput = PathLike | bytes | bytearray | memoryview | ReadableStream | Iterable[bytes]
"""What a file may come from: a path; its bytes; a binary file object, which is read from its
position to its end and not closed; or an iterable of its pieces."""


class Spool:
    """Takes the pieces of a source, and writes them to a file without a name.

    Args:
        stream: the file.
        folder: where it is, for errors.
        what: the source, for errors.
        size_bytes: how many bytes there must be; None if that is unknown.
        max_bytes: how many there may be.
    """

    def __init__(
        self, stream: BinaryIO, folder: str, what: str, *, size_bytes: int | None, max_bytes: int
    ) -> None:
        self._stream = stream
        self._folder = folder
        self._what = what
        self._stated = size_bytes
        self._max_bytes = max_bytes
        self._size_bytes = self._crc = 0
        if size_bytes is not None and size_bytes > max_bytes:
            raise self._too_large(f"has {size_bytes:,} bytes")

    def add(self, piece: object) -> None:
        """Append a piece.

        Raises:
            InvalidSourceError: it is not bytes, or there are more than there may be.
            OSError: the disk is full, or cannot be written to.
        """
        if not isinstance(piece, bytes | bytearray | memoryview):
            hint = ": open the file in binary mode ('rb')" if isinstance(piece, str) else ""
            raise InvalidSourceError(f"{self._what} gives {type(piece).__name__}, not bytes{hint}")
        data = bytes(piece)
        self._size_bytes += len(data)
        if self._stated is not None and self._size_bytes > self._stated:
            raise InvalidSourceError(
                f"{self._what} has more than the {self._stated:,} bytes that were announced"
            )
        if self._size_bytes > self._max_bytes:
            raise self._too_large("has more")
        self._crc = google_crc32c.extend(self._crc, data)
        with explained(self._folder):
            write_all(self._stream.fileno(), data)

    def finish(self, name: str, *, is_named: bool) -> FetchedFile:
        """Return the file, complete.

        Raises:
            InvalidSourceError: it is empty, or has fewer bytes than were announced.
        """
        if self._stated is not None and self._size_bytes < self._stated:
            raise InvalidSourceError(
                f"{self._what} ended after {self._size_bytes:,} of {self._stated:,} bytes"
            )
        if not self._size_bytes:
            raise InvalidSourceError(
                f"{self._what} is empty: there is nothing to store. If it is a file object that "
                "was read before, call seek(0) first"
            )
        os.lseek(self._stream.fileno(), 0, os.SEEK_SET)
        return FetchedFile(name, self._stream, encode_crc32c(self._crc), is_named)

    def _too_large(self, found: str) -> InvalidSourceError:
        return InvalidSourceError(
            f"{self._what} {found}: the limit is {self._max_bytes:,} bytes; pass a larger "
            "max_size_bytes to store it"
        )


@contextmanager
def spooled(
    source: AudioInput,
    part: str,
    *,
    filename: str | None = None,
    size_bytes: int | None = None,
    max_bytes: int,
    cleanup: bool = False,
) -> Iterator[PathLike]:
    """Yield a source as a file that can be stored; a path is yielded as it is.

    What is not a path is written to the directory for temporary files. That file has no name, so
    that nothing is left of it after the block, or after a kill.

    Args:
        source: the bytes.
        part: the part that they become, such as "audio": names a source without a file name.
        filename: the user's name for the file; None: its format is that of its content.
        size_bytes: how many bytes a source has that is not a path, if that is known.
        max_bytes: how many it may have.
        cleanup: whether the local file is to be deleted, once it is stored.

    Raises:
        InvalidSourceError: it is not a source; it is empty, too large, or of another size.
        ValueError: `filename` is not the name of a file; or `cleanup` is for a path, and
            `size_bytes` for everything else.
        OSError: the directory is full, or cannot be written to.
    """
    if isinstance(source, str | os.PathLike) and not isinstance(source, FetchedFile):
        require_filename(filename)
        if size_bytes is not None:
            raise ValueError(f"size_bytes is {size_bytes}: it is for sources other than paths")
        yield source
        return
    require_streamable(part, filename, cleanup=cleanup)
    if isinstance(source, FetchedFile):
        yield source
        return
    what = f"the {part}" if filename is None else shown(filename)
    pieces = pieces_of(source, what)
    import tempfile  # noqa: PLC0415  (imports compression; only such sources need it)

    with ExitStack() as stack:
        with explained(folder := tempfile.gettempdir()):
            file = stack.enter_context(tempfile.TemporaryFile(prefix="audiostore-", dir=folder))
        stream = cast("BinaryIO", file)
        spool = Spool(stream, folder, what, size_bytes=size_bytes, max_bytes=max_bytes)
        for piece in pieces:
            spool.add(piece)
        yield spool.finish(filename or part, is_named=filename is not None)


def require_streamable(part: str, filename: str | None, *, cleanup: bool) -> None:
    """Require arguments that make sense for a source that is not a path.

    Raises:
        ValueError: `filename` is not the name of a file, or a local file is to be deleted.
    """
    require_filename(filename)
    if cleanup:
        raise ValueError(f"cleanup deletes local files, but the {part} was not given as a path")


def require_filename(filename: str | None) -> None:
    """Require the name of a file, or none.

    Raises:
        ValueError: it is neither.
    """
    if filename is not None and (not filename or "/" in filename or "\0" in filename):
        raise ValueError(f"filename is {shown(filename)}: give a name without a folder, or None")


def pieces_of(source: object, what: str) -> Iterable[object]:
    """Return the pieces of a source that is not a path; each should be bytes.

    Args:
        source: bytes, a binary file object, or an iterable.
        what: the source, for errors.

    Raises:
        InvalidSourceError: it is nothing of these; or, while it is read, a file object that does
            not block.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return [source]
    if isinstance(source, TextIOBase):  # reading it may fail before there is a piece to look at
        raise InvalidSourceError(f"{what} is open as text: open the file in binary mode ('rb')")
    if isinstance(source, ReadableStream):
        return _read(source, what)
    if isinstance(source, Iterable):
        return source
    raise InvalidSourceError(
        f"{what} is {shown(source)}: give a path, bytes, a binary file object, or an iterable of "
        "bytes"
    )


def _read(stream: ReadableStream, what: str) -> Iterator[object]:
    while True:
        piece: object = stream.read(_PIECE_BYTES)
        if piece is None:
            raise InvalidSourceError(f"{what} is non-blocking, and has nothing to read yet")
        if not isinstance(piece, bytes | bytearray | memoryview) or piece:
            yield piece
        else:
            return
