"""The files that are being written: ``.audiostore/tmp``, on the file system of the store."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from audiostore.log import logger
from audiostore.stores.local.files import Temporary
from audiostore.stores.local.folder import Folder, NotRegularError, Tree

_ABANDONED_AFTER_S = 3600.0


class Workspace:
    """A folder for temporary files; created when it is first needed."""

    def __init__(self, tree: Tree, place: str, now: Callable[[], datetime]) -> None:
        self._tree = tree
        self._place = place
        self._now = now
        self._swept = False

    @contextmanager
    def temporary(self) -> Iterator[Temporary]:
        """Yield a new file to write, which is deleted at the end unless it was renamed."""
        with self._tree.folder(self._place, make=True) as folder:
            self._sweep(folder)
            name = os.urandom(16).hex()
            descriptor = folder.create(name)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # shows that the writer lives, see _sweep
                yield Temporary(folder, name, descriptor)
            finally:
                os.close(descriptor)
                folder.unlink(name, missing_ok=True)

    def _sweep(self, folder: Folder) -> None:
        """Delete the temporary files of writers that were killed."""
        if self._swept:
            return
        self._swept = True
        for entry in folder.entries():
            status = None if entry.is_folder else folder.status(entry.name)
            if status is None or not stat.S_ISREG(status.st_mode):
                continue
            if self._now().timestamp() - status.st_ctime < _ABANDONED_AFTER_S:
                continue
            with suppress(FileNotFoundError, PermissionError, BlockingIOError, NotRegularError):
                descriptor, _ = folder.open(entry.name)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    folder.unlink(entry.name)
                    logger.debug("removed the abandoned temporary file %s", entry.name)
                finally:
                    os.close(descriptor)
