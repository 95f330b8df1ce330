"""Audio files examined in a process of their own, which a crafted file can harm, and only that.

FFmpeg's libraries are C, and a file of unknown origin is what the next exploit looks like: within
a megabyte it can ask for gigabytes of memory or minutes of time. So a child process looks at it,
which is handed one open file and no path, and which the kernel allows little more memory than it
starts with, no further open file or socket, and a few seconds of computing. What it answers is
JSON, so that a child that was taken over cannot reach further either. If it dies, the file is to
blame. If it only gets no turn, on a busy machine or from a slow disk, the file is not: the kernel
counts the time that it computes, not the time that passes.

`Examiner` keeps children for many files: starting one takes some 70 ms, asking it about a file
0.1 ms more than looking at the file here. `probe_apart` uses a few for the whole process;
`decode_audio` starts one for the file. What a child runs is `audiostore.media.sandbox.worker`.
"""

import atexit
import errno
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

from audiostore.errors import UnplayableAudioError
from audiostore.media.info import Artwork, AudioInfo, Chapter, DecodedInfo, ImageInfo
from audiostore.media.sandbox.worker import ANSWER_PREFIX, READY, REQUEST
from audiostore.sources import open_regular

PROBE_CPU_S: Final = 2.0
PROBE_MEMORY_BYTES: Final = 128 << 20
"""What a child may take beyond what it has after its imports (resident then: some 60 MB)."""
DECODE_CPU_S: Final = 600.0
DECODE_MEMORY_BYTES: Final = 256 << 20

_START_TIMEOUT_S = 60.0
_PATIENCE = 10
"""How much longer, by the clock, a child may take than it may compute, beside a minute."""
_QUEUED_MOST = 32
"""So many files may wait in a child's queue: few enough that the last is not given up (below),
even if all before it take all the computing that they may."""
_QUEUED_BEFORE_MORE = 4
"""Another child is started, where there may be more, when each has so many."""
_INNOCENT_MOST = 100
_MAX_JSON_BYTES = 64 << 20
_RECEIVED_AT_ONCE_BYTES = 64 << 10
_MAX_ARTWORK_BYTES = 32 << 20
_CHILD = """
import gc, sys
gc.disable()  # until all is imported
sys.path[:] = {path!r}
from audiostore.media.sandbox.worker import serve
serve({fd})
"""
_FLAGS = ("-I", "-S")
"""Neither the environment, nor the working directory, nor files beside its modules choose what it
imports: it is told where those are."""


def probe_apart(
    path: Path, format_name: str, descriptor: int | None = None, *, artwork: bool = True
) -> AudioInfo:
    """As `audiostore.media.probe.read_audio`, in one of this process's few long-lived children.

    Thread-safe. The first call starts a child, further ones more if it is busy; they end with this
    process.

    Args:
        path: the file.
        format_name: what our recognition found it to be.
        descriptor: the file, if it is open; its position changes.
        artwork: whether embedded pictures are looked at; else it is as if there were none.

    Raises:
        UnplayableAudioError: also for a file that takes too much computing or memory, or that
            brings the child down.
        SourceNotFoundError, InvalidSourceError, OSError: as `open_regular`.
        TimeoutError: no answer for long, though little was computed.
    """
    return _shared().probe(path, format_name, descriptor, artwork=artwork)


def prepare_children(most: int | None = None) -> None:
    """Have a child started meanwhile, so that it is there when the first file comes.

    Args:
        most: how many children this process may have, if it has examined nothing yet; one of many
            processes that share the work needs no more than one. None: a few.
    """
    examiner = _shared(_SHARED_CHILDREN if most is None else most)
    threading.Thread(target=examiner.prepare, name="audiostore-examiner", daemon=True).start()


def decode_audio(
    path: Path,
    format_name: str,
    *,
    cpu_s: float = DECODE_CPU_S,
    memory_bytes: int = DECODE_MEMORY_BYTES,
) -> DecodedInfo:
    """Decode an audio file from its first frame to its last, in a child process.

    Args:
        path: the file.
        format_name: what our recognition found it to be.
        cpu_s: how long the child may compute; the kernel then ends it.
        memory_bytes: what the child may take beyond what it starts with.

    Raises:
        UnplayableAudioError: frames that do not decode, sound that is missing, another duration
            than the file states (each with the second where), too much computing or memory.
        SourceNotFoundError, InvalidSourceError, OSError: as `open_regular`.
        TimeoutError: no answer for long, though little was computed.
    """
    with Examiner(cpu_s=cpu_s, memory_bytes=memory_bytes) as examiner:
        return examiner.decode(path, format_name)


class Examiner:
    """Child processes that look at files, each at one after the other, until they die.

    Thread-safe; a context manager. Files wait in a child's own queue, each with a socket of its own
    for the answer: so no thread has to be woken for another to be served. After a fork, the copy
    starts children of its own.

    Args:
        cpu_s: how long a child may compute for a file.
        memory_bytes: what it may take beyond what it starts with.
        timeout_s: by the clock; the child is then killed. None: a minute more than ten times
            `cpu_s`, so that none but a child that hangs gets there.
        most: how many children there may be.
    """

    def __init__(
        self,
        *,
        cpu_s: float = PROBE_CPU_S,
        memory_bytes: int = PROBE_MEMORY_BYTES,
        timeout_s: float | None = None,
        most: int = 1,
    ) -> None:
        self._cpu_s = cpu_s
        self._timeout_s = 60 + _PATIENCE * cpu_s if timeout_s is None else timeout_s
        self._memory_bytes = memory_bytes
        self._most = most
        self._places = threading.BoundedSemaphore(most * _QUEUED_MOST)
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._children: list[_Child] = []
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
        """As `probe_apart`, in these children."""
        if descriptor is None:
            with open_regular(path) as opened:
                return self.probe(path, format_name, opened, artwork=artwork)
        request = self._request("probe", format_name, artwork=artwork)
        return _audio_info(*self._ask(request, path, descriptor))

    def decode(self, path: Path, format_name: str) -> DecodedInfo:
        """As `decode_audio`, in these children."""
        with open_regular(path) as descriptor:
            answer, _ = self._ask(self._request("decode", format_name), path, descriptor)
        return DecodedInfo(**answer)

    def prepare(self) -> None:
        """Start a child, if there is none; if that fails, whoever needs one is told."""
        with suppress(RuntimeError, OSError):
            self._give_back(self._take())

    def close(self) -> None:
        """End the children; one that is busy ends when it has answered."""
        with self._lock:
            self._is_closed = True
            idle = [child for child in self._children if not child.asked]
            self._children = [child for child in self._children if child.asked]
        for child in idle:
            child.end()

    def _request(self, what: str, format_name: str, *, artwork: bool = False) -> bytes:
        return REQUEST.pack(what.encode(), format_name.encode(), artwork, self._cpu_s)

    def _ask(self, request: bytes, path: Path, descriptor: int) -> tuple[dict[str, Any], bytes]:
        with self._places:
            answer, artwork = self._answer(request, path, descriptor)
        if (refusal := answer.get("unplayable")) is not None:
            raise UnplayableAudioError(str(refusal))
        if (number := answer.get("errno")) is not None:
            raise OSError(number, os.strerror(number), str(path))
        return answer, artwork

    def _answer(self, request: bytes, path: Path, descriptor: int) -> tuple[dict[str, Any], bytes]:
        for _ in range(_INNOCENT_MOST):
            child = self._take()
            try:
                return child.ask(request, descriptor, self._cpu_s, self._timeout_s)
            except _OtherFileError:
                self._drop(child)
            except UnplayableAudioError:
                self._drop(child)
                raise
            except TimeoutError as error:
                self._drop(child)
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"looking into it gave no answer for {self._timeout_s:g} s: the disk is too "
                    "slow, or the machine too busy; try again later",
                    str(path),
                ) from error
            finally:
                self._give_back(child)
        raise RuntimeError(f"no process that examines audio files lives to see {str(path)!r}")

    def _take(self) -> "_Child":
        """Return the child with the least to do, or a new one; it is asked something."""
        while True:
            with self._lock:
                least = min(self._children, key=lambda child: child.asked, default=None)
                is_enough = len(self._children) >= self._most
                if least and (is_enough or least.asked < _QUEUED_BEFORE_MORE):
                    least.asked += 1
                    return least
            with self._starting:
                with self._lock:
                    if len(self._children) >= self._most:
                        continue  # whoever was before us here has started it
                child = _Child(self._memory_bytes)
                with self._lock:
                    self._children.append(child)

    def _drop(self, child: "_Child") -> None:
        with self._lock:
            if child in self._children:
                self._children.remove(child)
        child.end()

    def _give_back(self, child: "_Child") -> None:
        with self._lock:
            child.asked -= 1
            is_over = self._is_closed and not child.asked
        if is_over:
            self._drop(child)


class _Child:
    def __init__(self, memory_bytes: int) -> None:
        self.asked = 0
        """How many files are being looked at, or wait for that; whoever counts has a lock."""
        self._owner = os.getpid()
        self._requests, theirs = socket.socketpair()
        try:
            # Ours last: an editable installation may be in no folder that is searched.
            path = [*filter(None, sys.path), str(Path(__file__).parents[3])]
            code = _CHILD.format(path=path, fd=theirs.fileno())
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
                [sys.executable, *_FLAGS, "-c", code, str(memory_bytes)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # the terminal's Ctrl-C is ours to handle
            )
        except BaseException:
            self._requests.close()
            raise
        finally:
            theirs.close()
        try:
            self._requests.settimeout(_START_TIMEOUT_S)
            is_ready = self._requests.recv(1) == READY
            self._requests.settimeout(None)
        except TimeoutError:
            is_ready = False
        except BaseException:
            self.end()
            raise
        if not is_ready:
            self.end()
            raise RuntimeError(
                f"{sys.executable} cannot start the process that examines audio files"
            )

    def ask(
        self, request: bytes, descriptor: int, cpu_s: float, timeout_s: float
    ) -> tuple[dict[str, Any], bytes]:
        """Have it look at a file.

        Raises:
            UnplayableAudioError: it died of it.
            _OtherFileError: it died before it looked at it.
            TimeoutError: it gave no answer.
        """
        ours, theirs = socket.socketpair()
        with ours:
            try:
                # The kernel takes so little in one piece: many threads may send.
                socket.send_fds(self._requests, [request], [descriptor, theirs.fileno()])
            except ConnectionError as error:
                raise _OtherFileError from error
            finally:
                theirs.close()  # if the child dies, there is nobody left to write
            return self._receive(ours, cpu_s, timeout_s)

    def end(self) -> None:
        self._requests.close()
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()

    def _obituary(self, cpu_s: float) -> str:
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it confuses what reads it"
        if status == -signal.SIGPROF:
            return f"looking into it took more than {cpu_s:g} s of computing: it was given up"
        if status < 0:
            return f"it crashes (signal {-status}) what reads it"
        return "it stops what reads it"

    def _receive(
        self, ours: socket.socket, cpu_s: float, timeout_s: float
    ) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + timeout_s
        # One system call in all: sleep until there is an answer, not only the mark before it.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, ANSWER_PREFIX.size)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(timeout_s))
        data = bytearray()
        try:
            _receive_into(data, ours, ANSWER_PREFIX.size, deadline)
            _, json_bytes, artwork_bytes = ANSWER_PREFIX.unpack_from(data)
            end = _checked_end(json_bytes, artwork_bytes)
            _receive_into(data, ours, end + artwork_bytes, deadline)
            answer: dict[str, Any] = json.loads(data[ANSWER_PREFIX.size : end].decode())
        except (_ChildGoneError, ConnectionError, ValueError) as error:
            if not data:
                raise _OtherFileError from error
            raise UnplayableAudioError(self._obituary(cpu_s)) from error
        return answer, bytes(data[end : end + artwork_bytes])


def _checked_end(json_bytes: int, artwork_bytes: int) -> int:
    """Return where the JSON ends."""
    if json_bytes > _MAX_JSON_BYTES or artwork_bytes > _MAX_ARTWORK_BYTES:
        raise _ChildGoneError
    return ANSWER_PREFIX.size + json_bytes


def _receive_into(data: bytearray, ours: socket.socket, size: int, deadline: float) -> None:
    while len(data) < size:
        try:
            piece = ours.recv(_RECEIVED_AT_ONCE_BYTES)
        except BlockingIOError as error:
            raise TimeoutError from error
        if not piece:
            raise _ChildGoneError
        if time.monotonic() > deadline:  # it sends, but never gets to the end
            raise TimeoutError
        data += piece


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))


class _ChildGoneError(Exception):
    """The child ended, or does not speak our language any more."""


class _OtherFileError(Exception):
    """The child ended, or had, before it looked at this file."""


_SHARED_CHILDREN = min(4, os.cpu_count() or 1)
_shared_examiners: dict[int, Examiner] = {}
"""By process id, and without a lock: a fork copies examiners and locks of threads that it does not
copy. What one process put here, no other touches."""


def _shared(most: int = _SHARED_CHILDREN) -> Examiner:
    if (examiner := _shared_examiners.get(os.getpid())) is None:
        fresh = Examiner(most=most)
        examiner = _shared_examiners.setdefault(os.getpid(), fresh)  # atomic, if threads race
        if examiner is fresh:
            atexit.register(_close_shared)
    return examiner


def _close_shared() -> None:
    # A forked process that ends runs its parent's handlers, too.
    if (examiner := _shared_examiners.get(os.getpid())) is not None:
        examiner.close()


def _audio_info(answer: Mapping[str, Any], artwork: bytes) -> AudioInfo:
    image = answer["artwork"]
    return AudioInfo(
        container=answer["container"],
        codec=answer["codec"],
        duration_s=answer["duration_s"],
        duration_is_exact=answer["duration_is_exact"],
        sample_rate_hz=answer["sample_rate_hz"],
        channels=answer["channels"],
        bits_per_sample=answer["bits_per_sample"],
        bitrate_bps=answer["bitrate_bps"],
        tags=MappingProxyType(answer["tags"]),
        chapters=tuple(Chapter(**chapter) for chapter in answer["chapters"]),
        artwork=Artwork(
            artwork,
            ImageInfo(
                image["format"],
                image["content_type"],
                image["width"],
                image["height"],
                image["size_bytes"],
            ),
        )
        if image
        else None,
        artwork_problem=answer["artwork_problem"],
    )
