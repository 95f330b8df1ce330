"""Where `get` writes downloads: safe names, and no file overwritten that was not named."""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from audiostore.asset import AUDIO, PartName
from audiostore.cli.output import escape
from audiostore.errors import is_safe
from audiostore.values import StorageResult

MAX_NAME_BYTES = 255
# Devices on Windows, whatever follows after a dot: a folder may be shared with one
# (learn.microsoft.com/windows/win32/fileio/naming-a-file).
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|(COM|LPT)[0-9¹²³])", re.IGNORECASE)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)

Fetch = Callable[[Path], object]
"""Downloads to a path, replacing what is there."""


def file_name(asset: StorageResult, part: PartName) -> str:
    """Return a name for a part of an asset: its original one as far as that is safe.

    The store is not trusted: the name is one visible path component without control characters,
    and ends in the extension of the stored object. Every part is named after the audio.
    """
    blob = asset.parts.get(part)
    extension = PurePosixPath(blob.name).suffix if blob else ""
    named_after = asset.audio or asset.thumbnail
    original = named_after.metadata.get("original_filename", "") if named_after else ""
    component = original.replace("\\", "/").rpartition("/")[2].strip()
    name = "".join(c if is_safe(c) else "_" for c in component)
    if name.startswith("-"):
        name = f"_{name[1:]}"  # it must not look like an option
    if _RESERVED.fullmatch(name.partition(".")[0]):
        name = f"_{name}"
    if part != AUDIO.name:
        name = PurePosixPath(name).stem
    if not name.lower().endswith(extension):
        name += extension
    hidden = name.startswith(".")
    too_long = len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES
    return f"{asset.audio_id}{extension}" if hidden or too_long else name


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
