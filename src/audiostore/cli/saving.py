"""Where commands write files: none is overwritten that was not named, none is seen half."""

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from audiostore.cli import places
from audiostore.cli.failures import UsageError
from audiostore.cli.output import escape
from audiostore.cli.stdout import binary_output
from audiostore.files import whole_file

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)

Fetch = Callable[[Path], object]
"""Downloads to a path, replacing what is there."""


def is_stream(path: Path) -> bool:
    """Say whether a path is a device, a pipe or a socket, which writing must not replace."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def whole_output(name: str) -> Iterator[IO[bytes]]:
    """Yield what to write to: a file appears, or is replaced, only once it is complete.

    Args:
        name: of the file; "-" for standard output.
    """
    if name == "-":
        with binary_output() as stream:
            yield stream
        return
    path = Path(name)
    places.remember(path.parent, "the directory", "give another file with -o PATH")
    if is_stream(path):
        with path.open("wb") as stream:
            yield stream
        return
    if path.is_dir():
        raise UsageError(f"{name!r} is a directory: name a file")
    if not path.parent.is_dir():
        raise UsageError(f"no directory {str(path.parent)!r}: create it first")
    with whole_file(path) as file, os.fdopen(file.descriptor, "wb", closefd=False) as stream:
        yield stream


def save_new(fetch: Fetch, path: Path) -> None:
    """Download into a new file, which appears only once it is complete.

    Raises:
        FileExistsError: the name is taken; nothing was changed.
    """
    if os.path.lexists(path):
        raise _exists(path)
    with tempfile.TemporaryDirectory(prefix=".audiostore-", dir=path.parent) as folder:
        fetched = Path(folder) / "fetched"
        fetch(fetched)
        try:
            os.link(fetched, path)
        except FileExistsError:
            raise _exists(path) from None
        except OSError as error:
            if error.errno not in _NO_LINKS or os.path.lexists(path):
                raise
            fetched.rename(path)  # a file system without links, such as FAT


def save_to_stream(fetch: Fetch, write: Callable[[memoryview], object]) -> None:
    """Download and verify all of it, and only then write it out."""
    with tempfile.TemporaryDirectory(prefix="audiostore-") as folder:
        fetched = Path(folder) / "fetched"
        fetch(fetched)
        with fetched.open("rb") as stream:
            while piece := stream.read(1 << 20):
                write(memoryview(piece))


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(
        f"{escape(str(path))!r} already exists and was not changed: give another name with -o PATH "
        "(-o replaces an existing file)"
    )
