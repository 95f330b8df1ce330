"""The hidden folder of a store: the lock of the writers, and the files being written."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from audiostore.files import NewFile, make_folder, new_file
from audiostore.log import logger

_ABANDONED_AFTER_S = 3600.0


class Workspace:
    """``.audiostore`` below the root; created when it is first needed."""

    def __init__(self, root: Path, now: Callable[[], datetime]) -> None:
        self.folder = root / ".audiostore"
        self._now = now
        self._swept = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the writers of all processes."""
        make_folder(self.folder)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def temporary(self) -> Iterator[NewFile]:
        """Yield a new file to write, which is deleted at the end unless it was renamed."""
        folder = self.folder / "tmp"
        make_folder(folder)
        self._sweep(folder)
        with new_file(folder / os.urandom(16).hex()) as file:
            fcntl.flock(file.descriptor, fcntl.LOCK_SH)  # shows that the writer lives, see _sweep
            yield file

    def _sweep(self, folder: Path) -> None:
        """Delete the temporary files of writers that were killed."""
        if self._swept:
            return
        self._swept = True
        for path in folder.iterdir():
            with suppress(FileNotFoundError, BlockingIOError):
                if self._now().timestamp() - path.stat().st_ctime < _ABANDONED_AFTER_S:
                    continue
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    logger.debug("removed the abandoned temporary file %s", path)
                finally:
                    os.close(descriptor)
