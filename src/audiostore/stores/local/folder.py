"""The folders of a store: opened one by one below its root, following no symbolic link.

Whoever may write in a store could otherwise lead its owner out of it: a link in place of a folder
makes a deletion delete elsewhere. So every name is looked up in an open folder (``dir_fd``, which
Linux and macOS have), and what is a link, a pipe or a device is not opened.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar

from audiostore.dataclass import dataclass
from audiostore.files import make_folder, sync_folder
from audiostore.stores.local.denials import explain

T = TypeVar("T")

NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ELOOP)
"""Missing, a file in place of a folder, a socket, a link."""
_OF_ONE_ENTRY = (*NO_FILE, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG, errno.ESTALE)
_IN_USE = (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NotRegularError(OSError):
    """Something else than a regular file is in its place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder."""

    name: str
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder. Its methods take names in it; errors have the whole path."""

    path: str
    descriptor: int
    above: "Folder | None" = None
    is_new: bool = False

    def enter(self, name: str, *, is_new: bool = False) -> "Folder":
        """Open a folder in this one; the caller closes it.

        Raises:
            FileNotFoundError: it does not exist.
            NotADirectoryError: it is something else, or a symbolic link.
        """
        descriptor = self._do(name, lambda: os.open(name, _FOLDER, dir_fd=self.descriptor))
        return Folder(f"{self.path}/{name}", descriptor, self, is_new)

    def make(self, name: str) -> None:
        """Create a folder in this one, unless it exists. It is not synced."""
        try:
            os.mkdir(name, dir_fd=self.descriptor)
        except FileExistsError:
            pass
        except OSError as error:
            self._fail(error, name)

    def make_safe(self) -> None:
        """Wait until the name of this folder is on the disk, if that is not certain.

        Its maker may have been killed just before, or another thread is making it. Nothing
        is created in a folder that is empty before this: what has a name in it, has been made safe.
        """
        if self.is_new:
            return
        if self.above is not None:
            self.above.sync()
            return
        with suppress(PermissionError):  # the root; without access to its parent, others made it
            sync_folder(Path(self.path).parent)

    def sync(self) -> None:
        """Wait until the names in it are on the disk."""
        self._do("", lambda: os.fsync(self.descriptor))

    def entries(self) -> list[Entry]:
        """Return its names; a link is not a folder."""

        def read() -> list[Entry]:
            with os.scandir(self.descriptor) as entries:
                return [Entry(e.name, e.is_dir(follow_symlinks=False)) for e in entries]

        return self._do("", read)

    def is_empty(self) -> bool:
        """Say whether it has no names."""
        if os.fstat(self.descriptor).st_nlink > 2:  # folders in it, which many systems count
            return False
        with os.scandir(self.descriptor) as entries:
            return next(entries, None) is None

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of a name (of a link itself); None if it does not exist."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._fail(error, name)

    def create(self, name: str) -> int:
        """Create a file and open it; the caller closes it.

        Raises:
            FileExistsError: something has that name.
        """
        return self._do(name, lambda: os.open(name, _NEW_FILE, 0o666, dir_fd=self.descriptor))

    def open_with(self, name: str, flags: int) -> int:
        """Open a file as the flags say, for this user alone if it is new; the caller closes it."""
        return self._do(name, lambda: os.open(name, flags, 0o600, dir_fd=self.descriptor))

    def open(self, name: str) -> tuple[int, os.stat_result]:
        """Open a regular file for reading, without waiting; the caller closes it.

        Raises:
            NotRegularError: it is something else.
            OSError: it cannot be opened (`NO_FILE`: there is no file).
        """
        descriptor = self._do(name, lambda: os.open(name, _FILE, dir_fd=self.descriptor))
        try:
            return descriptor, regular(descriptor, f"{self.path}/{name}")
        except BaseException:
            os.close(descriptor)
            raise

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the content of a small regular file.

        Raises:
            ValueError: it is larger.
            OSError: see `open`.
        """
        descriptor, status = self.open(name)
        try:
            if status.st_size > most_bytes:
                raise ValueError(f"it has {status.st_size} bytes, more than {most_bytes}")
            return self._do(name, lambda: os.read(descriptor, most_bytes))
        finally:
            os.close(descriptor)

    def link(self, name: str, target: "Folder", target_name: str) -> None:
        """Give a file another name, which must be free."""
        try:
            os.link(
                name,
                target_name,
                src_dir_fd=self.descriptor,
                dst_dir_fd=target.descriptor,
                follow_symlinks=False,
            )
        except PermissionError as error:
            if error.errno == errno.EPERM:  # it is another user's, whose permission is needed
                self._fail(error, name)
            target._fail(error, target_name)
        except OSError as error:
            target._fail(error, target_name)

    def rename(self, name: str, target: "Folder", target_name: str) -> None:
        """Move a file to a name; what has that name loses it in the same step."""
        target._do(
            target_name,
            lambda: os.rename(
                name, target_name, src_dir_fd=self.descriptor, dst_dir_fd=target.descriptor
            ),
        )

    def unlink(self, name: str, *, missing_ok: bool = False) -> None:
        """Remove the name of a file, or of a link itself."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError as error:
            if not missing_ok:
                self._fail(error, name)
        except OSError as error:
            self._fail(error, name)

    def remove_if_empty(self, name: str) -> bool:
        """Remove a folder in this one if it is empty; say whether it is gone."""
        try:
            os.rmdir(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in _IN_USE:
                return False
            self._fail(error, name)
        return True

    def _do(self, name: str, step: Callable[[], T]) -> T:
        try:
            return step()
        except OSError as error:
            self._fail(error, name)

    def _fail(self, error: OSError, name: str) -> NoReturn:
        error.filename = f"{self.path}/{name}" if name else self.path
        del error.filename2  # None would be printed, and could not be pickled
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and self._is_link(name):
            what = "a symbolic link, which a store does not follow"
            raise NotADirectoryError(errno.ENOTDIR, what, error.filename) from None
        explain(error, self.descriptor, self.path, name)
        raise error

    def _is_link(self, name: str) -> bool:
        status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False) if name else None
        return status is not None and stat.S_ISLNK(status.st_mode)


@dataclass(frozen=True, slots=True)
class Tree:
    """The directory of a store."""

    root: Path

    @contextmanager
    def folder(self, place: str = "", *, make: bool = False) -> Iterator[Folder]:
        """Open a folder.

        Args:
            place: its path below the root; "" for the root, which may be a link itself.
            make: whether to create it, and its parents, each of them safe on the disk.

        Raises:
            FileNotFoundError: it does not exist.
            NotADirectoryError: a file, or a symbolic link, is in its place or on the way.
        """
        here = self._opened(make=make)
        opened = [here]
        try:
            for part in place.split("/") if place else ():
                try:
                    here = here.enter(part)
                except FileNotFoundError:
                    if not make:
                        raise
                    if here.is_empty():
                        here.make_safe()
                    here.make(part)
                    here.sync()
                    here = here.enter(part, is_new=True)
                opened.append(here)
            yield here
        finally:
            for folder in opened:
                os.close(folder.descriptor)

    def _opened(self, *, make: bool) -> Folder:
        flags, is_new = _FOLDER & ~os.O_NOFOLLOW, False
        try:
            descriptor = os.open(self.root, flags)
        except FileNotFoundError:
            if not make:
                raise
            is_new = make_folder(self.root)
            descriptor = os.open(self.root, flags)
        return Folder(str(self.root), descriptor, is_new=is_new)


def regular(descriptor: int, path: str) -> os.stat_result:
    """Return the status of an open file, which must be a regular one.

    Raises:
        NotRegularError: it is something else.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError(errno.ENXIO, "not a regular file", path)
    return status


def is_of_one_entry(error: OSError) -> bool:
    """Say whether only one file or folder is bad: what walks a store goes on with the next."""
    return error.errno in _OF_ONE_ENTRY
