"""The bytes to store, and snapshots of local files that detect any later change."""

import base64
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol, Self

import google_crc32c

from audiostore.errors import InvalidSourceError, SourceChangedError, SourceNotFoundError

_PIECE_BYTES = 1 << 17  # each thread keeps memory for one; larger ones are not faster


class SourceReader(Protocol):
    """The bytes of a source, in order, verified while they are read."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        The last bytes are returned only if all bytes together have the checksum of the source.

        Raises:
            SourceChangedError: the content has changed since the snapshot.
        """
        ...

    def seek(self, offset: int) -> None:
        """Continue at `offset`."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


class Source(Protocol):
    """Bytes of known size and checksum that can be read more than once."""

    @property
    def size_bytes(self) -> int:
        """The number of bytes."""
        ...

    @property
    def crc32c(self) -> str:
        """Their CRC-32C: base64 of the big-endian value."""
        ...

    def open(self) -> SourceReader:
        """Start reading at the first byte."""
        ...


def encode_crc32c(value: int) -> str:
    """Return a CRC-32C as Google Cloud Storage writes it: base64 of the big-endian value."""
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


@dataclass(frozen=True, slots=True)
class BytesSource:
    """A source held in memory."""

    data: bytes = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """The number of bytes."""
        return len(self.data)

    @property
    def crc32c(self) -> str:
        """Their CRC-32C."""
        return encode_crc32c(google_crc32c.value(self.data))

    def open(self) -> SourceReader:
        """Start reading at the first byte."""
        return _BytesReader(self.data)


class _BytesReader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, size: int) -> bytes:
        piece = self._data[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def seek(self, offset: int) -> None:
        self._position = offset

    def close(self) -> None:
        self._data = b""


@dataclass(frozen=True, slots=True)
class FileState:
    """What shows, without reading it, that a file was replaced or changed."""

    size_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the state in the result of `stat`."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A snapshot of a local file: its identity, size and checksum."""

    path: Path
    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    crc32c: str

    @classmethod
    def snapshot(cls, path: Path) -> Self:
        """Read the file once, front to back, and return what identifies it.

        A symbolic link is followed.

        Raises:
            SourceNotFoundError: no file is at the path.
            InvalidSourceError: it is empty, or not a regular file.
            SourceChangedError: it changed while it was read.
            OSError: it cannot be read.
        """
        with open_regular(path) as descriptor:
            return cls.of_open(path, descriptor)

    @classmethod
    def of_open(cls, path: Path, descriptor: int) -> Self:
        """Take a snapshot of an open file; its position does not change.

        Raises:
            SourceChangedError: it changed while it was read.
            OSError: it cannot be read.
        """
        before = os.fstat(descriptor)
        crc = offset = 0
        while piece := os.pread(descriptor, _PIECE_BYTES, offset):
            crc = google_crc32c.extend(crc, piece)
            offset += len(piece)
        after = os.fstat(descriptor)
        if _identity(before) != _identity(after):
            raise SourceChangedError(
                f"{str(path)!r} changed while it was read: try again once nothing writes to it",
                path=path,
            )
        return cls(path, *_identity(before), encode_crc32c(crc))

    def open(self) -> "SourceReader":
        """Start reading at the first byte.

        Raises:
            SourceChangedError: the file was changed, replaced or deleted.
        """
        return _LocalReader(self)

    def remove(self) -> bool:
        """Delete the path if it still leads to the file and the bytes of the snapshot.

        The file is first moved aside, then read again and only then deleted: a file that another
        process puts in its place meanwhile is never touched. Of a symbolic link, only the link is
        removed, not the file it leads to.

        Returns:
            False if the file no longer exists.

        Raises:
            SourceChangedError: the file was changed or replaced; it was kept.
            OSError: it cannot be deleted.
        """
        aside = _aside(self.path)
        try:
            if _identity(self.path.stat()) != self._identity:
                self._changed()
            if os.path.lexists(aside):
                raise FileExistsError(
                    f"{str(aside)!r} is in the way: an earlier run was killed while it deleted "
                    f"{str(self.path)!r}. Inspect the file, then delete it"
                )
            self.path.rename(aside)
        except FileNotFoundError:
            return False
        try:
            try:
                found = type(self).snapshot(aside)
            except InvalidSourceError:
                self._changed()
            if found._content != self._content:
                self._changed()
            aside.unlink()
        except BaseException:
            _put_back(aside, self.path)
            raise
        return True

    def is_same(self, status: os.stat_result) -> bool:
        """Say whether this is the `stat` of the same file, apparently unchanged."""
        return _identity(status) == self._identity

    @property
    def state(self) -> FileState:
        """The state to compare with that of the path at a later time."""
        return FileState(self.size_bytes, self.mtime_ns, self.inode)

    def _changed(self) -> NoReturn:
        raise SourceChangedError(
            f"{str(self.path)!r} changed since it was read: it was kept, and its new content was "
            "not stored",
            path=self.path,
        )

    @property
    def _identity(self) -> tuple[int, int, int, int]:
        return (self.device, self.inode, self.size_bytes, self.mtime_ns)

    @property
    def _content(self) -> tuple[int, int, int, int, str]:
        return (*self._identity, self.crc32c)


class _LocalReader:
    def __init__(self, file: LocalFile) -> None:
        self._file = file
        try:
            self._descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._changed("was deleted") from error
        self._position = 0
        self._crc = 0
        try:
            self._check_identity()
        except BaseException:
            self.close()
            raise

    def read(self, size: int) -> bytes:
        remaining = self._file.size_bytes - self._position
        if remaining == 0:
            return b""
        piece = os.read(self._descriptor, min(size, remaining))
        if not piece:
            raise self._changed("became shorter")
        self._crc = google_crc32c.extend(self._crc, piece)
        self._position += len(piece)
        if self._position == self._file.size_bytes:
            self._check_identity()
            if encode_crc32c(self._crc) != self._file.crc32c:
                raise self._changed("changed")
        return piece

    def seek(self, offset: int) -> None:
        # The checksum at the end covers all bytes, including those before the offset.
        if offset == self._position:
            return
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._position = self._crc = 0
        while self._position < offset:
            piece = os.read(self._descriptor, min(_PIECE_BYTES, offset - self._position))
            if not piece:
                raise self._changed("became shorter")
            self._crc = google_crc32c.extend(self._crc, piece)
            self._position += len(piece)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _check_identity(self) -> None:
        if _identity(os.fstat(self._descriptor)) != self._file._identity:
            raise self._changed("changed")

    def _changed(self, how: str) -> SourceChangedError:
        return SourceChangedError(
            f"{str(self._file.path)!r} {how} while it was being stored: nothing was committed; "
            "try again once nothing writes to it",
            path=self._file.path,
        )


@contextmanager
def open_regular(path: Path) -> Iterator[int]:
    """Open a regular, non-empty file for reading; yield its descriptor.

    Raises:
        SourceNotFoundError: no file is at the path.
        InvalidSourceError: it is empty, or not a regular file.
        OSError: it cannot be opened.
    """
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer; it has no effect on regular files.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(f"no file at {str(path)!r}", path=path) from error
    except ValueError as error:  # a NUL, or characters that cannot be encoded in a file name
        raise InvalidSourceError(f"{str(path)!r} cannot be a path: {error}", path=path) from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise InvalidSourceError(
                f"{str(path)!r} is a directory: give the path of a file", path=path
            )
        if not stat.S_ISREG(status.st_mode):
            raise InvalidSourceError(
                f"{str(path)!r} is not a regular file (a pipe, a device?)", path=path
            )
        if status.st_size == 0:
            raise InvalidSourceError(
                f"{str(path)!r} is empty: there is nothing to store", path=path
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def restore(path: Path) -> bool:
    """Put back a file that a killed `remove` had moved aside.

    Returns:
        False if no such file exists.

    Raises:
        OSError: it cannot be moved.
    """
    aside = _aside(path)
    if not os.path.lexists(aside):
        return False
    _put_back(aside, path)
    return True


def _aside(path: Path) -> Path:
    # One name for each path, so that it can be found again; short, as file names have up to 255
    # bytes already.
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.with_name(f".{digest}.audiostore-cleanup")


def _put_back(aside: Path, path: Path) -> None:
    # link() does not replace a newer file at the path; both are kept then.
    try:
        os.link(aside, path, follow_symlinks=False)
    except OSError as error:
        error.add_note(f"the file that was inspected is kept at {str(aside)!r}")
        raise
    aside.unlink()
