"""Local files to store: opened once, described by a snapshot that any later change contradicts.

What was inspected is what is stored: both read one descriptor. A path may lead to another file at
any time; it is looked at again only to delete what it led to.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final, NoReturn, Self

import google_crc32c

from audiostore.dataclass import dataclass
from audiostore.errors import InvalidSourceError, SourceChangedError, SourceNotFoundError
from audiostore.sources import SourceReader, encode_crc32c

MAX_OBJECT_BYTES: Final = 5 << 40
"""The largest object that a bucket stores (cloud.google.com/storage/quotas#objects)."""
_PIECE_BYTES = 1 << 17  # each thread keeps memory for one; larger ones are not faster
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", 0)


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
    ctime_ns: int | None
    """Unlike the modification time, no program can set it. None for a file with several names, or
    none: it changes whenever one comes or goes."""
    crc32c: str

    @classmethod
    def snapshot(cls, path: Path, *, max_bytes: int = MAX_OBJECT_BYTES) -> Self:
        """Read the file once, front to back, and return what identifies it.

        A symbolic link is followed.

        Raises:
            SourceNotFoundError: no file is at the path.
            InvalidSourceError: it is empty, larger than `max_bytes`, or not a regular file.
            SourceChangedError: it changed while it was read.
            OSError: it cannot be read.
        """
        with open_regular(path, max_bytes=max_bytes) as descriptor:
            return cls.of_open(path, descriptor)

    @classmethod
    def of_open(
        cls, path: Path, descriptor: int, on_piece: Callable[[bytes, int, int], None] | None = None
    ) -> Self:
        """Take a snapshot of an open file; its position does not change.

        Args:
            path: where the file is.
            descriptor: the file.
            on_piece: called with each piece, in order, and the CRC-32C of all before it, and of
                all with it.

        Raises:
            SourceChangedError: it changed while it was read.
            OSError: it cannot be read.
        """
        status = os.fstat(descriptor)
        crc = offset = 0
        # Not to its end: a file of the system may have none.
        while piece := os.pread(descriptor, min(_PIECE_BYTES, status.st_size - offset), offset):
            before, crc = crc, google_crc32c.extend(crc, piece)
            if on_piece is not None:
                on_piece(piece, before, crc)
            offset += len(piece)
        if offset < status.st_size or not is_unchanged(status, os.fstat(descriptor)):
            raise changed_while_read(path)
        ctime_ns = status.st_ctime_ns if status.st_nlink == 1 else None
        return cls(path, *_identity(status), ctime_ns, encode_crc32c(crc))

    def open(self) -> SourceReader:
        """Start reading at the first byte of the file that the path leads to now.

        Raises:
            SourceChangedError: the file was changed, replaced or deleted.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _changed_while_stored(self.path, "was deleted") from error
        return _LocalReader(self, FileIO(descriptor), closes=True)

    def remove(self) -> bool:
        """Delete the path if it still leads to the file and the bytes of the snapshot.

        The file is first moved aside, then read again and only then deleted: a file that another
        process puts in its place meanwhile is never touched. Of a symbolic link, only the link is
        removed, not the file it leads to. All of it happens in the folder that the path led to at
        first.

        Returns:
            False if the file no longer exists.

        Raises:
            SourceChangedError: the file was changed or replaced; it was kept.
            OSError: it cannot be deleted.
        """
        try:
            folder = os.open(self.path.parent, _FOLDER)
        except FileNotFoundError:
            return False
        try:
            return self._remove_from(folder)
        finally:
            os.close(folder)

    def _remove_from(self, folder: int) -> bool:
        name, aside = self.path.name, aside_name(self.path)
        try:
            if not self.is_same(os.stat(name, dir_fd=folder)):
                self._changed()
            if _exists(aside, folder):
                raise FileExistsError(
                    f"{str(self.path.with_name(aside))!r} is in the way: an earlier run was killed "
                    f"while it deleted {str(self.path)!r}. Inspect the file, then delete it"
                )
            os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
        except FileNotFoundError:
            return False
        try:
            if not self._is_at(aside, folder):
                self._changed()
            os.unlink(aside, dir_fd=folder)
        except BaseException:
            _put_back(self.path, folder)
            raise
        return True

    def _is_at(self, name: str, folder: int) -> bool:
        """Say whether a name in a folder leads to this file, with these bytes.

        Renaming has changed its ctime.
        """
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
        try:
            if _identity(os.fstat(descriptor)) != self._identity:
                return False
            return self.of_open(self.path, descriptor)._content == self._content
        finally:
            os.close(descriptor)

    def is_same(self, status: os.stat_result) -> bool:
        """Say whether this is the `stat` of the same file, apparently unchanged."""
        return _identity(status) == self._identity and (
            self.ctime_ns in (None, status.st_ctime_ns) or status.st_nlink != 1
        )

    def require_same(self, descriptor: int) -> None:
        """Read an open file again.

        Raises:
            SourceChangedError: it is not the file and the bytes of the snapshot.
        """
        again = self.of_open(self.path, descriptor)
        if again._content != self._content or not self.is_same(os.fstat(descriptor)):
            raise changed_while_read(self.path)

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


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A source: an open file, whatever its path leads to; until `stream` is closed."""

    file: LocalFile
    stream: BinaryIO

    @property
    def size_bytes(self) -> int:
        """The number of bytes."""
        return self.file.size_bytes

    @property
    def crc32c(self) -> str:
        """Their CRC-32C."""
        return self.file.crc32c

    def open(self) -> SourceReader:
        """Start reading at the first byte.

        Raises:
            SourceChangedError: the file was changed.
        """
        return _LocalReader(self.file, self.stream, closes=False)


@dataclass(frozen=True, slots=True)
class FetchedFile(os.PathLike[str]):
    """A file whose bytes were written to a local one without a name; as a path, its own name."""

    name: str
    stream: BinaryIO
    crc32c: str | None = None
    """Of what was written, if that is known."""
    is_named: bool = True
    """Whether the name is the file's own; if not, its extension is that of its content."""

    def __fspath__(self) -> str:
        return self.name


class _LocalReader:
    def __init__(self, file: LocalFile, stream: BinaryIO, *, closes: bool) -> None:
        self._file = file
        self._stream = stream
        self._closes = closes
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
        piece = self._next(min(size, remaining))
        if self._position == self._file.size_bytes:
            self._check_identity()
            if encode_crc32c(self._crc) != self._file.crc32c:
                raise self._changed("changed")
        return piece

    def seek(self, offset: int) -> None:
        # The checksum at the end covers all bytes, including those before the offset.
        if offset == self._position:
            return
        self._position = self._crc = 0
        while self._position < offset:
            self._next(min(_PIECE_BYTES, offset - self._position))

    def close(self) -> None:
        if self._closes:
            self._stream.close()

    def _next(self, size: int) -> bytes:
        piece = os.pread(self._stream.fileno(), size, self._position)
        if not piece:
            raise self._changed("became shorter")
        self._crc = google_crc32c.extend(self._crc, piece)
        self._position += len(piece)
        return piece

    def _check_identity(self) -> None:
        if not self._file.is_same(os.fstat(self._stream.fileno())):
            raise self._changed("changed")

    def _changed(self, how: str) -> SourceChangedError:
        return _changed_while_stored(self._file.path, how)


@contextmanager
def open_regular(
    path: Path, *, max_bytes: int = MAX_OBJECT_BYTES, remedy: str = "store a smaller one"
) -> Iterator[int]:
    """Open a regular, non-empty file for reading; yield its descriptor.

    Args:
        path: the file.
        max_bytes: how large it may be.
        remedy: what to do with a larger one, for the error.

    Raises:
        SourceNotFoundError: no file is at the path.
        InvalidSourceError: it is empty, larger than `max_bytes`, or not a regular file.
        OSError: it cannot be opened.
    """
    try:
        # Looked at first: opening a device may do something, such as rewind a tape.
        _require_regular(path, path.stat(), max_bytes, remedy)
        # O_NONBLOCK: opening a FIFO must not wait for a writer; it has no effect on regular files.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(f"no file at {str(path)!r}{_alike(path)}", path=path) from error
    except InvalidSourceError:
        raise
    except ValueError as error:  # a NUL, or characters that cannot be encoded in a file name
        raise InvalidSourceError(f"{str(path)!r} cannot be a path: {error}", path=path) from error
    try:
        _require_regular(path, os.fstat(descriptor), max_bytes, remedy)
        yield descriptor
    finally:
        os.close(descriptor)


def _alike(path: Path) -> str:
    if str(path).isascii():
        return ""
    from audiostore.pathforms import look_alikes  # noqa: PLC0415  (only for this message)

    names = ", ".join(map(ascii, look_alikes(str(path))))
    return f", but {names} differs only in the Unicode form of its accents" if names else ""


def _require_regular(path: Path, status: os.stat_result, max_bytes: int, remedy: str) -> None:
    size = status.st_size
    if stat.S_ISDIR(status.st_mode):
        reason = "is a directory: give the path of a file"
    elif not stat.S_ISREG(status.st_mode):
        reason = "is not a regular file (a pipe, a device?)"
    elif size == 0:
        reason = "is empty: there is nothing to store"
    elif size > max_bytes:
        reason = f"has {size:,} bytes: the limit is {max_bytes:,}; {remedy}"
    else:
        return
    raise InvalidSourceError(f"{str(path)!r} {reason}", path=path)


def restore(path: Path) -> bool:
    """Put back a file that a killed `remove` had moved aside.

    Returns:
        False if no such file exists.

    Raises:
        OSError: it cannot be moved.
    """
    try:
        folder = os.open(path.parent, _FOLDER)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    try:
        if not _exists(aside_name(path), folder):
            return False
        _put_back(path, folder)
    finally:
        os.close(folder)
    return True


def aside_name(path: Path) -> str:
    """Return the name that `remove` gives a file while it looks at it.

    One for each path, so that it can be found again; short, as file names have up to 255 bytes
    already.
    """
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return f".{digest}.audiostore-cleanup"


def changed_while_read(path: Path) -> SourceChangedError:
    """Return the error of a file that changed while it was inspected."""
    return SourceChangedError(
        f"{str(path)!r} changed while it was read: try again once nothing writes to it",
        path=path,
    )


def _changed_while_stored(path: Path, how: str) -> SourceChangedError:
    return SourceChangedError(
        f"{str(path)!r} {how} while it was being stored: nothing was committed; "
        "try again once nothing writes to it",
        path=path,
    )


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    """Say whether a file has apparently not changed between one `stat` and another."""
    is_dated = before.st_nlink == after.st_nlink == 1
    return _identity(before) == _identity(after) and (
        not is_dated or before.st_ctime_ns == after.st_ctime_ns
    )


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _put_back(path: Path, folder: int) -> None:
    # link() does not replace a newer file at the path; both are kept then.
    aside = aside_name(path)
    try:
        os.link(aside, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        error.add_note(f"the file that was inspected is kept at {str(path.with_name(aside))!r}")
        raise
    os.unlink(aside, dir_fd=folder)
