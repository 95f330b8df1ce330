"""Where `get` writes a download: no file is overwritten that was not named."""

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from audiostore.cli.output import escape

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
