"""A pool of sandbox workers: confined processes that look at media files.

FFmpeg's libraries and Pillow are C, and a file of unknown origin may exploit them: within a
megabyte it can ask for gigabytes of memory or minutes of time. So a worker process looks at it. It
gets one open file and no path, no environment, and no more memory and CPU time than an honest file
needs; `confinement` takes everything else away from it, and `answers` checks what it sends back. If
it dies, the file is to blame. If it only gets no turn, on a busy machine or from a slow disk, the
file is not: the kernel counts the time that it computes, not the time that passes.

All that threads need is imported with this module: a fork, while another thread imports, keeps the
lock of that import for good.
`SandboxPool` keeps workers for many files: starting one takes some 70 ms, asking it about a file
0.1 ms more than looking at the file here. The functions use a pool of this process. Workers run
`audiostore.media.sandbox.worker`.
"""

import atexit
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from audiostore.errors import (
    InspectionLimitError,
    InvalidImageError,
    UnplayableAudioError,
)
from audiostore.localfiles import open_regular
from audiostore.media import ffmpeg
from audiostore.media.info import (
    IMAGE_MEMORY_BYTES,
    MAX_PREVIEW_S,
    PREVIEW_HEAD_BYTES,
    AnalysedAudio,
    AudioInfo,
    DecodedInfo,
    PreviewTarget,
)
from audiostore.media.partial import PartialFile
from audiostore.media.sandbox import answers
from audiostore.media.sandbox.early import take_early
from audiostore.media.sandbox.output import OutputFile
from audiostore.media.sandbox.process import (
    InvalidAnswerError,
    LimitReachedError,
    NotStartedError,
    Response,
    TooLongError,
    WorkerFailedError,
    WorkerProcess,
)
from audiostore.media.sandbox.remembered import RememberedResults
from audiostore.media.sandbox.worker import Request


class Limits(NamedTuple):
    """What a worker may take for a file."""

    cpu_s: float
    memory_bytes: int
    """Beyond what it has after its imports (resident then: some 60 MB)."""
    up_to_bytes: int = 1 << 62
    """A larger file may take more time in proportion: some are read from start to end."""

    def cpu_s_for(self, size_bytes: int) -> float:
        """Return what a worker may take for a file of this size."""
        return self.cpu_s * max(1.0, size_bytes / self.up_to_bytes)


LIMITS: Final = {
    "probe": Limits(2.0, 128 << 20, up_to_bytes=64 << 20),
    "decode": Limits(600.0, 256 << 20, up_to_bytes=256 << 20),
    "analyse": Limits(3600.0, 256 << 20, up_to_bytes=256 << 20),
    "image": Limits(30.0, IMAGE_MEMORY_BYTES),
}
_SHORT: Final = "probe"
"""For this task, many files wait in a worker's queue, unless they are large; for others, a worker
has one at a time."""
_INSTEAD: Final = {
    "probe": f"; {ffmpeg.UNEXAMINED}",
    "decode": '; check="quick" does not decode it',
    "analyse": "",  # an upload does without, as its warning says
    "image": "; store a smaller one",
}
"""What can be done about a file that is beyond a limit, by task."""

_PREVIEW_CPU_FACTOR = 4
"""How much longer analysing a file may take if it is encoded, too: for a day of sound."""
_TIMEOUT_FACTOR = 10
"""How much longer, by the clock, a worker may take than it may compute, plus a minute."""
_MAX_QUEUED = 32
"""Files that may wait in a worker's queue: few enough that the last one does not time out, even if
all before it take all the CPU time that they may."""
_QUEUED_BEFORE_NEXT = 4
"""Start another worker, up to the limit, once each has this many files queued."""
_MAX_RESTARTS = 100
_MAX_REMEMBERED = 64
_MAX_REMEMBERED_BYTES = 32 << 20


def probe_audio(
    path: Path,
    format_name: str,
    descriptor: int | None = None,
    *,
    offset: int = -1,
    artwork: bool = True,
    images_follow: bool = False,
    partial: PartialFile | None = None,
) -> AudioInfo:
    """Return what is inside an audio file, without decoding it; by this process's shared workers.

    Thread-safe. The first call starts a worker, later calls start more if it is busy; they exit
    with this process.

    Args:
        path: the file.
        format_name: the name of the format that it was recognised as.
        descriptor: the file, if it is open.
        offset: where the format's own data begin, if the file is what was recognised; -1: unknown.
        artwork: whether to look at embedded pictures; else none are found.
        images_follow: whether `decode_image` will be called: a worker started now can do both.
        partial: the file, if it is fetched as it is read.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded, broken, or it crashes the worker.
        InspectionLimitError: it takes too much CPU time or memory.
        SourceNotFoundError, InvalidSourceError, OSError: the file cannot be opened or read.
        TimeoutError: no response for long, though little was computed.
    """
    pool = _shared()
    if images_follow:
        pool.expect_images()
    if partial is not None:
        return pool.probe_partial(path, format_name, partial, offset=offset, artwork=artwork)
    return pool.probe(path, format_name, descriptor, offset=offset, artwork=artwork)


def decode_audio(path: Path, format_name: str, descriptor: int | None = None) -> DecodedInfo:
    """Decode an audio file from its first frame to its last, by this process's shared workers.

    Args:
        path: the file.
        format_name: the name of the format that it was recognised as.
        descriptor: the file, if it is open.

    Raises:
        UnplayableAudioError: frames that do not decode, sound that is missing, another duration
            than the file states (each with the second where).
        InspectionLimitError: it takes too much CPU time or memory.
        SourceNotFoundError, InvalidSourceError, OSError: the file cannot be opened or read.
        TimeoutError: no response for long, though little was computed.
    """
    return _shared().decode(path, format_name, descriptor)


def check_audio(
    path: Path,
    format_name: str,
    descriptor: int | None = None,
    *,
    offset: int = -1,
    artwork: bool = True,
) -> tuple[AudioInfo, DecodedInfo]:
    """Return what is inside an audio file, and decode it, by this process's shared workers.

    Both are done by workers that have the file for themselves: where all files are decoded, no
    others are started for short tasks.

    Args:
        path: the file.
        format_name: the name of the format that it was recognised as.
        descriptor: the file, if it is open.
        offset: where the format's own data begin, if the file is what was recognised; -1: unknown.
        artwork: whether to look at embedded pictures; else none are found.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded, frames that do not decode, sound
            that is missing, another duration than the file states; or it crashes the worker.
        InspectionLimitError: it takes too much CPU time or memory.
        SourceNotFoundError, InvalidSourceError, OSError: the file cannot be opened or read.
        TimeoutError: no response for long, though little was computed.
    """
    pool = _shared()
    pool.expect_images()  # who checks that all plays checks that all can be shown
    return pool.check(path, format_name, descriptor, offset=offset, artwork=artwork)


def analyse_audio(
    path: Path,
    format_name: str,
    descriptor: int | None = None,
    *,
    true_peak: bool = False,
    preview: PreviewTarget | None = None,
) -> AnalysedAudio:
    """Decode an audio file and measure it meanwhile, by this process's shared workers.

    Args:
        path: the file.
        format_name: the name of the format that it was recognised as.
        descriptor: the file, if it is open.
        true_peak: whether to find the true peak, which takes twice as long.
        preview: where to write a version that every browser plays; None: nowhere. Whatever the
            result says, it is as foreign as the file.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded, or it crashes the worker. Of
            sound that is damaged, all that decodes is measured.
        InspectionLimitError: it takes too much CPU time or memory.
        SourceNotFoundError, InvalidSourceError, OSError: the file cannot be opened or read, or the
            preview cannot be written.
        TimeoutError: no response for long, though little was computed.
    """
    return _shared().analyse(path, format_name, descriptor, true_peak=true_peak, preview=preview)


def decode_image(data: bytes, format_name: str, max_px: int | None = None) -> bytes | None:
    """Decode an image, by this process's shared workers; scale it, if asked to.

    The same image is decoded once: the last few results are remembered, by the image's SHA-256.

    Args:
        data: the image, as `identify_image` accepts it.
        format_name: the name of the format that it was recognised as.
        max_px: scale it down to this many pixels on its longer side; None: only decode it.

    Returns:
        The scaled image, in the same format; None if it fits, or is not to be scaled.

    Raises:
        InvalidImageError: it does not decode, takes too much CPU time or memory, or crashes the
            worker.
        TimeoutError: no response for long, though little was computed.
    """
    return _shared().decode_image(data, format_name, max_px)


def limit_workers(limit: int | None = None) -> None:
    """Set how many workers this process may start as files need them, if it has none yet.

    Args:
        limit: one of many processes that share the work needs no more than one. None: one a core.
    """
    _shared(_SHARED_WORKERS if limit is None else limit)


def start_workers(limit: int | None = None) -> None:
    """Start a worker in the background that decodes images, too: it is ready for the first file.

    Args:
        limit: how many workers this process may have, as for `limit_workers`.
    """
    pool = _shared(_SHARED_WORKERS if limit is None else limit)
    pool.expect_images()
    threading.Thread(target=pool.start, name="audiostore-sandbox", daemon=True).start()


class SandboxPool:
    """Workers that look at files, each at one after the other, until they die.

    Thread-safe; a context manager. Audio files to probe wait in a worker's own queue, each with a
    socket of its own for the response, so that no thread has to wake for another to be served. What
    takes longer gets a worker for itself, an idle one if there is one. A file that kills a worker
    which has looked at others before, or is beyond its memory, gets a second chance in a fresh one:
    they may be to blame. After a fork, the copy starts workers of its own.

    Args:
        cpu_s: how long a worker may compute for a file; None: as `LIMITS` says.
        memory_bytes: what it may take beyond what it starts with; None: as `LIMITS` says.
        timeout_s: by the clock; the worker is then killed. None: a minute more than ten times
            `cpu_s`, which only a worker that hangs exceeds.
        limit: how many workers there may be that files are queued for, and as many for themselves.
    """

    def __init__(
        self,
        *,
        cpu_s: float | None = None,
        memory_bytes: int | None = None,
        timeout_s: float | None = None,
        limit: int = 1,
    ) -> None:
        self._limits = {
            task: Limits(
                usual.cpu_s if cpu_s is None else cpu_s,
                usual.memory_bytes if memory_bytes is None else memory_bytes,
                *([usual.up_to_bytes] if cpu_s is None else []),
            )
            for task, usual in LIMITS.items()
        }
        self._timeout_s = timeout_s
        self._limit = limit
        self._queue_slots = threading.BoundedSemaphore(limit * _MAX_QUEUED)
        self._long_slots = threading.BoundedSemaphore(limit)
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._workers: list[WorkerProcess] = []
        """Those that may be given a file."""
        self._alone: set[WorkerProcess] = set()
        """Those that have a file for themselves: they get no other meanwhile."""
        self._expected: set[str] = set()
        self._images = RememberedResults(_MAX_REMEMBERED, _MAX_REMEMBERED_BYTES)
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
        self,
        path: Path,
        format_name: str,
        descriptor: int | None = None,
        *,
        offset: int = -1,
        artwork: bool = True,
    ) -> AudioInfo:
        """Return what is inside an audio file; with the contract of `probe_audio`."""
        with _opened(path, descriptor) as opened:
            size_bytes = os.fstat(opened).st_size
            request = self._request(
                "probe", format_name, size_bytes, artwork=artwork, offset=offset
            )
            with _blaming(request, path):
                fields, picture = self._run(request, opened, path)
                return answers.audio_info(fields, picture, format_name)

    def probe_partial(
        self,
        path: Path,
        format_name: str,
        file: PartialFile,
        *,
        offset: int = -1,
        artwork: bool = True,
    ) -> AudioInfo:
        """Return what is inside an audio file that is fetched as it is read (see `probe`)."""
        with _opened(path, file.fileno()) as opened:
            request = self._request(
                "probe", format_name, file.size_bytes, artwork=artwork, offset=offset
            )._replace(size_bytes=file.size_bytes)
            with _blaming(request, path):
                while True:
                    fields, picture = self._run(request, opened, path)
                    if (missing := fields.get("missing")) is None:
                        return answers.audio_info(fields, picture, format_name)
                    if type(missing) is not int or not file.fetch(missing):
                        raise InvalidAnswerError

    def decode(self, path: Path, format_name: str, descriptor: int | None = None) -> DecodedInfo:
        """Decode an audio file; with the contract of `decode_audio`."""
        with _opened(path, descriptor) as opened:
            request = self._request("decode", format_name, os.fstat(opened).st_size)
            with _blaming(request, path):
                fields, _ = self._run(request, opened, path)
                return answers.decoded_info(fields)

    def check(
        self,
        path: Path,
        format_name: str,
        descriptor: int | None = None,
        *,
        offset: int = -1,
        artwork: bool = True,
    ) -> tuple[AudioInfo, DecodedInfo]:
        """Return what is inside an audio file, and decode it (see `check_audio`)."""
        with _opened(path, descriptor) as opened:
            size_bytes = os.fstat(opened).st_size
            probe = self._request("probe", format_name, size_bytes, artwork=artwork, offset=offset)
            with _blaming(probe, path):
                fields, picture = self._run(probe, opened, path, alone=True)
                info = answers.audio_info(fields, picture, format_name)
            os.lseek(opened, 0, os.SEEK_SET)  # the worker has moved it
            decode = self._request("decode", format_name, size_bytes)
            with _blaming(decode, path):
                fields, _ = self._run(decode, opened, path)
                return info, answers.decoded_info(fields)

    def analyse(
        self,
        path: Path,
        format_name: str,
        descriptor: int | None = None,
        *,
        true_peak: bool = False,
        preview: PreviewTarget | None = None,
    ) -> AnalysedAudio:
        """Decode and measure an audio file; with the contract of `analyse_audio`."""
        with _opened(path, descriptor) as opened:
            size_bytes = os.fstat(opened).st_size
            request = self._request("analyse", format_name, size_bytes)
            request = request._replace(true_peak=true_peak)
            output = None
            if preview is not None:
                output = _output(preview)
                cpu_s = request.cpu_s * _PREVIEW_CPU_FACTOR
                request = request._replace(preview_kbps=preview.stereo_kbps, cpu_s=cpu_s)
            with _blaming(request, path):
                fields, picture = self._run(request, opened, path, output)
                analysed = answers.analysed_audio(fields, picture)
                if output and output.is_complete != (analysed.preview is not None):
                    raise InvalidAnswerError
                return analysed

    def decode_image(
        self, data: bytes, format_name: str, max_px: int | None = None
    ) -> bytes | None:
        """Decode an image; with the contract of `decode_image`."""
        import hashlib  # noqa: PLC0415  (OpenSSL)

        def result() -> bytes | InvalidImageError | None:
            try:
                return self._decode_image(data, format_name, max_px)
            except InvalidImageError as error:
                return error

        found = self._images.get((hashlib.sha256(data).digest(), max_px), result)
        if isinstance(found, Exception):
            raise InvalidImageError(str(found))
        return found

    def expect_images(self) -> None:
        """Have workers that start from now on load Pillow, too."""
        self._expected.add("Pillow")

    def start(self) -> None:
        """Start a worker, if there is none; if that fails, the first file reports it."""
        task = _SHORT if ffmpeg.is_installed() else "image"
        with suppress(RuntimeError, OSError):
            self._release(self._acquire(self._request(task, ""), is_short=task == _SHORT))

    def close(self) -> None:
        """End the workers; one that is busy ends after its response."""
        with self._lock:
            self._is_closed = True
            idle = [worker for worker in self._workers if not worker.queued]
            self._workers = [worker for worker in self._workers if worker.queued]
        for worker in idle:
            worker.reap()

    def _decode_image(self, data: bytes, format_name: str, max_px: int | None) -> bytes | None:
        request = self._request("image", format_name, max_px=max_px or 0)
        with _file_of(data) as opened, _blaming(request, None):
            _, picture = self._run(request, opened, None)
            if not picture or max_px is None:
                return None
            return answers.scaled_image(picture, format_name, max_px)

    def _request(
        self,
        task: str,
        format_name: str,
        size_bytes: int = 0,
        *,
        max_px: int = 0,
        artwork: bool = False,
        offset: int = -1,
    ) -> Request:
        limits = self._limits[task]
        cpu_s = limits.cpu_s_for(size_bytes)
        return Request(task, format_name, limits.memory_bytes, cpu_s, max_px, artwork, offset)

    def _is_short(self, request: Request) -> bool:
        return request.task == _SHORT and request.cpu_s <= self._limits[_SHORT].cpu_s

    def _run(
        self,
        request: Request,
        descriptor: int,
        path: Path | None,
        output: OutputFile | None = None,
        *,
        alone: bool = False,
    ) -> Response:
        is_short = not alone and self._is_short(request)
        with self._queue_slots if is_short else self._long_slots:
            fields, picture = self._respond(request, descriptor, path, output, is_short=is_short)
        if (reason := fields.get("refused")) is not None:
            raise _RefusedError(answers.text_of(reason))
        if (number := fields.get("errno")) is not None:
            code = answers.error_number(number)
            raise OSError(code, os.strerror(code), *([] if path is None else [str(path)]))
        return fields, picture

    def _respond(
        self,
        request: Request,
        descriptor: int,
        path: Path | None,
        output: OutputFile | None,
        *,
        is_short: bool,
    ) -> Response:
        timeout_s = self._timeout_s
        if timeout_s is None:
            timeout_s = 60 + _TIMEOUT_FACTOR * request.cpu_s
        what = "an image" if path is None else repr(str(path))
        needs_fresh = False
        for _ in range(_MAX_RESTARTS):
            worker = self._acquire(request, is_short=is_short, needs_fresh=needs_fresh)
            was_used, worker.is_used = worker.is_used, True
            try:
                return _respond_by(worker, request, descriptor, timeout_s, output)
            except NotStartedError:
                self._drop(worker)
            except (WorkerFailedError, InvalidAnswerError) as error:
                self._end(worker)
                if not was_used or isinstance(error, TooLongError):
                    raise
                needs_fresh = True  # a file before this one may be to blame
            except TimeoutError as error:
                self._end(worker)
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"the sandbox did not respond for {timeout_s:g} s: the disk is too slow,"
                    " or the machine too busy; try again later",
                    what,
                ) from error
            except BaseException:  # such as Ctrl-C
                self._end(worker)
                raise
            finally:
                self._release(worker)
        raise RuntimeError(
            f"no sandbox worker lived long enough to inspect {what}: gave up after "
            f"{_MAX_RESTARTS} restarts"
        )

    def _acquire(
        self, request: Request, *, is_short: bool, needs_fresh: bool = False
    ) -> WorkerProcess:
        """Return a worker with one more file queued, a new one if need be.

        For a short task, the one with the shortest queue; for others one that has nothing to do,
        and which gets nothing else until it is released.

        Short tasks queue for the first workers alone, so that others find an idle one: there are
        never more than twice as many as the limit.
        """
        while not needs_fresh:
            with self._lock:
                able = self._able(request)
                if not is_short:
                    idle = next((worker for worker in reversed(able) if not worker.queued), None)
                    if idle is None:
                        break
                    self._workers.remove(idle)
                    self._alone.add(idle)
                    idle.queued += 1
                    return idle
                least = min(able[: self._limit], key=lambda worker: worker.queued, default=None)
                if least and (self._is_full(able) or least.queued < _QUEUED_BEFORE_NEXT):
                    least.queued += 1
                    return least
            with self._starting:
                with self._lock:
                    if self._is_full(self._able(request)):
                        continue  # another thread has just started it
                worker = self._start_one(request)
                with self._lock:
                    self._workers.append(worker)
        worker = self._start_one(request)
        worker.queued += 1
        with self._lock:
            self._alone.add(worker)
        return worker

    def _able(self, request: Request) -> list[WorkerProcess]:
        return [worker for worker in self._workers if request.program in worker.programs]

    def _is_full(self, able: list[WorkerProcess]) -> bool:
        """Say whether there are enough workers for short tasks: more would share the cores."""
        return bool(able) and len(able) + len(self._alone) >= self._limit

    def _start_one(self, request: Request) -> WorkerProcess:
        if request.program == "FFmpeg" and not ffmpeg.is_installed():
            raise (
                ffmpeg.missing_to_read() if request.task == _SHORT else ffmpeg.missing_to_decode()
            )
        most_bytes = max(limits.memory_bytes for limits in self._limits.values())
        programs = {request.program, *self._expected}
        worker = take_early(programs, most_bytes) or WorkerProcess(programs, most_bytes)
        worker.wait_until_ready()
        return worker

    def _drop(self, worker: WorkerProcess) -> None:
        with self._lock:
            if worker in self._workers:
                self._workers.remove(worker)
        worker.reap()

    def _end(self, worker: WorkerProcess) -> None:
        worker.end()
        self._drop(worker)

    def _release(self, worker: WorkerProcess) -> None:
        with self._lock:
            worker.queued -= 1
            self._alone.discard(worker)
            is_over = self._is_closed and not worker.queued
            if not (is_over or worker.is_reaped or worker in self._workers):
                self._workers.append(worker)  # it had a long task
        if is_over:
            self._drop(worker)


def _respond_by(
    worker: WorkerProcess,
    request: Request,
    descriptor: int,
    timeout_s: float,
    output: OutputFile | None,
) -> Response:
    if output is not None:
        output.restart()
    fields, picture = worker.run(request, descriptor, timeout_s, output)
    if (reason := fields.get("limit")) is not None:
        from audiostore.media.sandbox import answers  # noqa: PLC0415  (parsers: as above)

        raise LimitReachedError(answers.text_of(reason))
    return fields, picture


def _output(preview: PreviewTarget) -> OutputFile:
    """Return the file for a preview, which holds no more than the longest takes."""
    sound_bytes = (MAX_PREVIEW_S + 60) * preview.stereo_kbps * 1000 // 8
    return OutputFile(preview.descriptor, PREVIEW_HEAD_BYTES + sound_bytes)


class _RefusedError(Exception):
    """The worker refuses the file; the message says why."""


@contextmanager
def _blaming(request: Request, path: Path | None) -> Iterator[None]:
    """Raise the error of the public contract if the file is to blame."""
    kind = InvalidImageError if request.task == "image" else UnplayableAudioError
    about = f"the {request.format_name} image cannot be decoded: " if path is None else ""
    try:
        yield
    except _RefusedError as error:
        raise kind(str(error), path=path) from None
    except LimitReachedError as error:
        limited = kind if kind is InvalidImageError else InspectionLimitError
        raise limited(
            f"{about}{error}: that is a limit, not a sign of damage{_INSTEAD[request.task]}",
            path=path,
        ) from error
    except WorkerFailedError as error:
        raise kind(f"{about}{error}", path=path) from error
    except InvalidAnswerError as error:
        raise kind(f"{about}{request.program} returns invalid results for it", path=path) from error


@contextmanager
def _opened(path: Path, descriptor: int | None) -> Iterator[int]:
    """Yield the file, opened anew: the worker cannot move the position of the caller's."""
    if descriptor is None:
        with open_regular(path) as opened:
            yield opened
        return
    try:
        opened = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:  # no /proc, or not ours to open any more
        opened = os.dup(descriptor)
    try:
        yield opened
    finally:
        os.close(opened)


@contextmanager
def _file_of(data: bytes) -> Iterator[int]:
    """Yield a file without a name that holds these bytes."""
    try:
        descriptor = os.memfd_create("image")
    except (AttributeError, OSError):
        import tempfile  # noqa: PLC0415  (where there is nothing else)

        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(data)
            yield file.fileno()
        return
    try:
        os.write(descriptor, data)
        yield descriptor
    finally:
        os.close(descriptor)


_SHARED_WORKERS = os.cpu_count() or 1
"""Started as they are needed: to keep all cores busy with decoding."""
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
