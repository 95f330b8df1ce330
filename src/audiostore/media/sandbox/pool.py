"""A pool of sandbox workers: confined processes that inspect audio files.

FFmpeg's libraries are C, and a file of unknown origin may exploit them: within a megabyte it can
ask for gigabytes of memory or minutes of time. So a worker process inspects it. It gets one open
file and no path, and the kernel allows it little more memory than it starts with, no further open
file or socket, and a few seconds of CPU time. It responds in JSON, so that a worker under an
attacker's control cannot reach further either. If it dies, the file is to blame. If it only gets no
turn, on a busy machine or from a slow disk, the file is not: the kernel counts the time that it
computes, not the time that passes.

`SandboxPool` keeps workers for many files: starting one takes some 70 ms, asking it about a file
0.1 ms more than looking at the file here. `probe_audio` uses a pool of this process;
`decode_audio` starts a worker for the file. Workers run `audiostore.media.sandbox.worker`.
"""

import atexit
import errno
import os
import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from audiostore.errors import UnplayableAudioError
from audiostore.media.info import AudioInfo, DecodedInfo
from audiostore.media.sandbox.process import NotStartedError, Response, WorkerProcess
from audiostore.media.sandbox.worker import REQUEST
from audiostore.sources import open_regular

PROBE_CPU_S: Final = 2.0
PROBE_MEMORY_BYTES: Final = 128 << 20
"""What a worker may take beyond what it has after its imports (resident then: some 60 MB)."""
DECODE_CPU_S: Final = 600.0
DECODE_MEMORY_BYTES: Final = 256 << 20

_TIMEOUT_FACTOR = 10
"""How much longer, by the clock, a worker may take than it may compute, plus a minute."""
_MAX_QUEUED = 32
"""Files that may wait in a worker's queue: few enough that the last one does not time out, even if
all before it take all the CPU time that they may."""
_QUEUED_BEFORE_NEXT = 4
"""Start another worker, up to the limit, once each has this many files queued."""
_MAX_RESTARTS = 100


def probe_audio(
    path: Path, format_name: str, descriptor: int | None = None, *, artwork: bool = True
) -> AudioInfo:
    """Return what is inside an audio file, without decoding it; by this process's shared workers.

    Thread-safe. The first call starts a worker, later calls start more if it is busy; they exit
    with this process.

    Args:
        path: the file.
        format_name: the name of the format that it was recognised as.
        descriptor: the file, if it is open; its position changes.
        artwork: whether to look at embedded pictures; else none are found.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded, broken, or it takes too much CPU
            time or memory, or crashes the worker.
        SourceNotFoundError, InvalidSourceError, OSError: the file cannot be opened or read.
        TimeoutError: no response for long, though little was computed.
    """
    return _shared().probe(path, format_name, descriptor, artwork=artwork)


def start_workers(limit: int | None = None) -> None:
    """Start a worker in the background, so that it is ready when the first file comes.

    Args:
        limit: how many workers this process may have, if it has none yet; one of many processes
            that share the work needs no more than one. None: a few.
    """
    pool = _shared(_SHARED_WORKERS if limit is None else limit)
    threading.Thread(target=pool.start, name="audiostore-sandbox", daemon=True).start()


def decode_audio(
    path: Path,
    format_name: str,
    descriptor: int | None = None,
    *,
    cpu_s: float = DECODE_CPU_S,
    memory_bytes: int = DECODE_MEMORY_BYTES,
) -> DecodedInfo:
    """Decode an audio file from its first frame to its last, in a worker of its own.

    Args:
        path: the file.
        format_name: the name of the format that it was recognised as.
        descriptor: the file, if it is open; its position changes.
        cpu_s: how long the worker may compute; the kernel then ends it.
        memory_bytes: what the worker may take beyond what it starts with.

    Raises:
        UnplayableAudioError: frames that do not decode, sound that is missing, another duration
            than the file states (each with the second where), too much CPU time or memory.
        SourceNotFoundError, InvalidSourceError, OSError: the file cannot be opened or read.
        TimeoutError: no response for long, though little was computed.
    """
    with SandboxPool(cpu_s=cpu_s, memory_bytes=memory_bytes) as pool:
        return pool.decode(path, format_name, descriptor)


class SandboxPool:
    """Workers that look at files, each at one after the other, until they die.

    Thread-safe; a context manager. Files wait in a worker's own queue, each with a socket of its
    own for the response, so that no thread has to wake for another to be served. After a fork, the
    copy starts workers of its own.

    Args:
        cpu_s: how long a worker may compute for a file.
        memory_bytes: what it may take beyond what it starts with.
        timeout_s: by the clock; the worker is then killed. None: a minute more than ten times
            `cpu_s`, which only a worker that hangs exceeds.
        limit: how many workers there may be.
    """

    def __init__(
        self,
        *,
        cpu_s: float = PROBE_CPU_S,
        memory_bytes: int = PROBE_MEMORY_BYTES,
        timeout_s: float | None = None,
        limit: int = 1,
    ) -> None:
        self._cpu_s = cpu_s
        self._timeout_s = 60 + _TIMEOUT_FACTOR * cpu_s if timeout_s is None else timeout_s
        self._memory_bytes = memory_bytes
        self._limit = limit
        self._queue_slots = threading.BoundedSemaphore(limit * _MAX_QUEUED)
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._workers: list[WorkerProcess] = []
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def probe(
        self, path: Path, format_name: str, descriptor: int | None = None, *, artwork: bool = True
    ) -> AudioInfo:
        """Return what is inside an audio file; with the contract of `probe_audio`."""
        with _opened(path, descriptor) as opened:
            request = self._request("probe", format_name, artwork=artwork)
            return AudioInfo.from_dict(*self._run(request, path, opened))

    def decode(self, path: Path, format_name: str, descriptor: int | None = None) -> DecodedInfo:
        """Decode an audio file; with the contract of `decode_audio`."""
        with _opened(path, descriptor) as opened:
            fields, _ = self._run(self._request("decode", format_name), path, opened)
            return DecodedInfo(**fields)

    def start(self) -> None:
        """Start a worker, if there is none; if that fails, the first file reports it."""
        with suppress(RuntimeError, OSError):
            self._release(self._acquire())

    def close(self) -> None:
        """End the workers; one that is busy ends after its response."""
        with self._lock:
            self._is_closed = True
            idle = [worker for worker in self._workers if not worker.queued]
            self._workers = [worker for worker in self._workers if worker.queued]
        for worker in idle:
            worker.reap()

    def _request(self, task: str, format_name: str, *, artwork: bool = False) -> bytes:
        return REQUEST.pack(task.encode(), format_name.encode(), artwork, self._cpu_s)

    def _run(self, request: bytes, path: Path, descriptor: int) -> Response:
        with self._queue_slots:
            fields, artwork = self._respond(request, path, descriptor)
        if (reason := fields.get("unplayable")) is not None:
            raise UnplayableAudioError(str(reason), path=path)
        if (number := fields.get("errno")) is not None:
            raise OSError(number, os.strerror(number), str(path))
        return fields, artwork

    def _respond(self, request: bytes, path: Path, descriptor: int) -> Response:
        for _ in range(_MAX_RESTARTS):
            worker = self._acquire()
            try:
                return worker.run(request, descriptor, self._cpu_s, self._timeout_s)
            except NotStartedError:
                self._drop(worker)
            except UnplayableAudioError as error:
                self._drop(worker)
                error.path = path
                raise
            except TimeoutError as error:
                self._drop(worker)
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"the sandbox gave no response for {self._timeout_s:g} s: the disk is too slow,"
                    " or the machine too busy; try again later",
                    str(path),
                ) from error
            finally:
                self._release(worker)
        raise RuntimeError(
            f"no sandbox worker lives long enough to look at {str(path)!r}:"
            f" gave up after {_MAX_RESTARTS} restarts"
        )

    def _acquire(self) -> WorkerProcess:
        """Return the worker with the shortest queue, or a new one, with one more file queued."""
        while True:
            with self._lock:
                least = min(self._workers, key=lambda worker: worker.queued, default=None)
                is_full = len(self._workers) >= self._limit
                if least and (is_full or least.queued < _QUEUED_BEFORE_NEXT):
                    least.queued += 1
                    return least
            with self._starting:
                with self._lock:
                    if len(self._workers) >= self._limit:
                        continue  # another thread has just started it
                worker = WorkerProcess(self._memory_bytes)
                with self._lock:
                    self._workers.append(worker)

    def _drop(self, worker: WorkerProcess) -> None:
        with self._lock:
            if worker in self._workers:
                self._workers.remove(worker)
        worker.reap()

    def _release(self, worker: WorkerProcess) -> None:
        with self._lock:
            worker.queued -= 1
            is_over = self._is_closed and not worker.queued
        if is_over:
            self._drop(worker)


def _opened(path: Path, descriptor: int | None) -> AbstractContextManager[int]:
    return open_regular(path) if descriptor is None else nullcontext(descriptor)


_SHARED_WORKERS = min(4, os.cpu_count() or 1)
_shared_pools: dict[int, SandboxPool] = {}
"""By process id, and without a lock: a fork copies pools, and locks of threads that it does not
copy. What one process put here, no other touches."""


def _shared(limit: int = _SHARED_WORKERS) -> SandboxPool:
    if (pool := _shared_pools.get(os.getpid())) is None:
        fresh = SandboxPool(limit=limit)
        pool = _shared_pools.setdefault(os.getpid(), fresh)  # atomic, if threads race
        if pool is fresh:
            atexit.register(_close_shared)
    return pool


def _close_shared() -> None:
    # A forked process that exits runs its parent's handlers, too.
    if (pool := _shared_pools.get(os.getpid())) is not None:
        pool.close()
