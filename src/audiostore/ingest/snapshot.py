"""The snapshot of a local file, taken while the file is inspected."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from audiostore.localfiles import LocalFile, changed_while_read, is_unchanged

_FRESH_NS: Final = 2_000_000_000
"""Times of files come in steps: of some milliseconds, on some file systems of two seconds."""
_LARGE_BYTES: Final = 32 << 20
"""What takes some 10 ms to read: a thread costs a hundredth of that."""

OnPiece = Callable[[bytes, int, int], None]
"""Takes what the file holds, piece by piece (see `LocalFile.of_open`)."""


class Inspection:
    """Takes a snapshot of an open file, and finds out whether it changes while it is inspected.

    A context manager: once it is left, nothing reads the file.

    Args:
        path: where the file is, for errors.
        descriptor: the file.
        is_ours: whether nobody else can write to it, as it has no name.
        now_ns: the clock of the file system.
    """

    def __init__(
        self,
        path: Path,
        descriptor: int,
        *,
        is_ours: bool = False,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path
        self._descriptor = descriptor
        self._before = os.fstat(descriptor)
        self._first: LocalFile | None = None
        self._on_piece: OnPiece | None = None
        self._reading: _Reading | None = None
        if not is_ours and self._before.st_ctime_ns > now_ns() - _FRESH_NS:
            # Another change may come within the same step of its time: compare the bytes.
            self._first = LocalFile.of_open(path, descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._reading is not None:
            self._reading.stop()

    def begin(self, on_piece: OnPiece | None) -> None:
        """Begin to take the snapshot; a large file is read by a thread while it is inspected.

        Args:
            on_piece: called with what the file holds, perhaps in the thread.
        """
        self._on_piece = on_piece
        # What may change unnoticed is read once it has been inspected, to be compared.
        if self._first is None and self._before.st_size >= _LARGE_BYTES:
            self._reading = _Reading(self._path, self._descriptor, on_piece)
            self._reading.start()

    def finish(self) -> LocalFile:
        """Return the snapshot of the file, which has not changed since.

        Raises:
            SourceChangedError: it has.
            OSError: it cannot be read.
        """
        if self._reading is not None:
            file = self._reading.result()
        else:
            file = LocalFile.of_open(self._path, self._descriptor, self._on_piece)
        if not self._is_unchanged() or (self._first and self._first.crc32c != file.crc32c):
            raise changed_while_read(self._path)
        return file

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Raise `SourceChangedError` for an error in the block if the file has changed."""
        try:
            yield
        except Exception as error:
            if not self._is_unchanged():
                raise changed_while_read(self._path) from error
            raise

    def _is_unchanged(self) -> bool:
        return is_unchanged(self._before, os.fstat(self._descriptor))


class _StoppedError(Exception):
    """Nobody waits for the snapshot any more."""


class _Reading:
    """A thread that takes a snapshot of an open file."""

    def __init__(self, path: Path, descriptor: int, on_piece: OnPiece | None) -> None:
        self._path = path
        self._descriptor = descriptor
        self._on_piece = on_piece
        self._is_stopped = False
        self._outcome: LocalFile | BaseException = _StoppedError()
        self._thread = threading.Thread(target=self._run, name="audiostore-checksum", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def result(self) -> LocalFile:
        """Wait for the snapshot, and return it.

        Raises:
            SourceChangedError: the file changed while it was read.
            OSError: it cannot be read.
        """
        self._thread.join()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def stop(self) -> None:
        """Stop after the piece that is being read, and wait for that."""
        self._is_stopped = True
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._outcome = LocalFile.of_open(self._path, self._descriptor, self._take)
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._outcome = error

    def _take(self, piece: bytes, before: int, after: int) -> None:
        if self._is_stopped:
            raise _StoppedError
        if self._on_piece is not None:
            self._on_piece(piece, before, after)
