"""Small private files that outlive the process: one per operation in progress.

They are in the user's state directory, readable by the user alone (0600), and expire after a week,
as long as Google Cloud Storage keeps an upload session. A file is named by a hash of the operation
and locked by the process that uses it. Without the file, the operation cannot be resumed, but it
works: errors are logged and ignored.
"""

import fcntl
import hashlib
import json
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from audiostore.dataclass import dataclass
from audiostore.files import write_all
from audiostore.log import logger

_MOST_BYTES = 1 << 16
_LIFETIME_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class StateFile:
    """A file that is locked by this process."""

    path: Path
    descriptor: int

    def read(self) -> str:
        """Return its text; "" if it is empty, expired, or damaged by a power failure."""
        if _is_expired(os.fstat(self.descriptor)):
            return ""
        data = os.pread(self.descriptor, _MOST_BYTES, 0)
        digest, _, text = data.decode("ascii", "replace").partition(" ")
        return text if digest == hash_of(text) else ""

    def write(self, text: str) -> None:
        """Replace its text, which is ASCII."""
        try:
            os.ftruncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            if text:
                write_all(self.descriptor, f"{hash_of(text)} {text}".encode("ascii"))
        except OSError as error:
            _log(error)

    def remove(self) -> None:
        """Delete the file; the descriptor stays locked until it is closed."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            _log(error)


def claim(folder: Path, identity: object, stack: ExitStack) -> StateFile | None:
    """Return the locked file of an operation, created if it does not exist.

    Args:
        folder: the folder of the files.
        identity: what identifies the operation; ready for JSON.
        stack: closes, and so unlocks, the file.

    Returns:
        None if another process uses it, or it cannot be opened.
    """
    path = folder / hash_of(identity)
    try:
        _prepare(folder)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return StateFile(path, descriptor)
            # Its last owner removed it between the two calls.
    except BlockingIOError:
        return None
    except OSError as error:
        _log(error)
        return None


def hash_of(value: object) -> str:
    """Return a hash of a value that is ready for JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _prepare(folder: Path) -> None:
    """Create a folder for the user alone, and remove expired files from it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if _is_expired(path.stat()):
                path.unlink()


def _is_expired(status: os.stat_result) -> bool:
    return time.time() - status.st_mtime > _LIFETIME_S


def _log(error: OSError) -> None:
    logger.info("if this upload is interrupted, it cannot be resumed: %s", error)
