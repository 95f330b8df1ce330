"""One worker process, as its parent sees it: spawn, run a request, reap."""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from audiostore.media.sandbox.output import HEAD_PART, NEXT_PART, OutputFile
from audiostore.media.sandbox.worker import READY, RESPONSE_PREFIX, Request

_START_TIMEOUT_S: Final = 60.0
_EXIT_TIMEOUT_S: Final = 10.0
"""A worker whose socket is closed ends at once; on a busy machine, it may take seconds."""
_CPU_SLACK_S: Final = 1.0
_MAX_JSON_BYTES = 6 << 20
_MAX_PICTURE_BYTES = 32 << 20
_RECEIVED_AT_ONCE_BYTES = 64 << 10
_CODE = """
import gc, os, sys
gc.disable()  # until all is imported
sys.path[:] = map(os.fsdecode, {path!r})
from {module} import serve
serve({fd})
"""
_FLAGS = ("-I", "-S", "-X", "utf8")
"""Neither the environment, nor the working directory, nor files next to its modules choose what a
worker imports: it gets the parent's search path."""
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All that a worker gets of the environment: an interpreter may not start without them."""

Response = tuple[dict[str, Any], bytes]
"""Fields as JSON types, and the bytes of a picture."""


class NotStartedError(Exception):
    """The worker exited before it looked at the file, or was ended for another: not its fault."""


class WorkerFailedError(Exception):
    """The file takes too much, kills the worker, or makes it break the protocol: says which."""


class LimitReachedError(WorkerFailedError):
    """The file takes more time or memory than a worker may take, or the machine has: says which."""


class InvalidAnswerError(Exception):
    """An honest worker does not answer this."""


class TooLongError(LimitReachedError):
    """The file takes more CPU time than a worker may take."""


class _EndOfResponseError(Exception):
    """The response ends too early."""


class _ComputesTooLongError(Exception):
    """The worker computes for longer than it may."""


class WorkerProcess:
    """A worker process.

    Args:
        programs: what it can look at files with: "FFmpeg", "Pillow".
        memory_bytes: what it may take at most, beyond what it has after its imports.

    Raises:
        OSError: it cannot be started.
    """

    _MODULE = "audiostore.media.sandbox.worker"

    def __init__(self, programs: Collection[str], memory_bytes: int) -> None:
        self.programs = frozenset(programs)
        self.queued = 0
        """How many files it is looking at or are waiting for it; the pool's lock guards it."""
        self.is_used = False
        """Whether it has looked at a file."""
        self.is_reaped = False
        self._is_ended = False
        self._owner = os.getpid()
        self._requests, theirs = socket.socketpair()
        try:
            # Ours last: an editable installation may be in no folder that is searched.
            path = [*filter(None, sys.path), str(Path(__file__).parents[3])]
            encoded = [os.fsencode(os.path.abspath(each)) for each in path]  # noqa: PTH100 (bytes)
            code = _CODE.format(path=encoded, module=self._MODULE, fd=theirs.fileno())
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
                [sys.executable, *_FLAGS, "-c", code, str(memory_bytes), *sorted(programs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # the parent handles the terminal's Ctrl-C
            )
        except BaseException:
            self._requests.close()
            raise
        finally:
            theirs.close()

    def wait_until_ready(self) -> None:
        """Wait until the worker has imported all that it needs; called before the first request.

        Raises:
            RuntimeError: it cannot be started.
        """
        try:
            self._requests.settimeout(_START_TIMEOUT_S)
            is_ready = self._requests.recv(1) == READY
            self._requests.settimeout(None)
        except TimeoutError:
            is_ready = False
        except BaseException:
            self.reap()
            raise
        if not is_ready:
            self.reap()
            raise RuntimeError(f"{sys.executable} cannot start the sandbox for media files")

    def run(
        self,
        request: Request,
        descriptor: int,
        timeout_s: float,
        output: OutputFile | None = None,
    ) -> Response:
        """Let the worker look at an open file.

        If this call is interrupted while the worker is at it, the worker ends.

        Args:
            request: what to do with it.
            descriptor: the file.
            timeout_s: by the clock.
            output: what it makes of the file is written to this.

        Raises:
            OSError: `output` cannot be written to.
            WorkerFailedError: the worker died of the file, or its response is none.
            NotStartedError: the worker died before it looked at the file.
            TimeoutError: no response in time.
        """
        ours, theirs = socket.socketpair()
        with ours:
            try:
                self._end_with(theirs)
                # The kernel takes a message this small in one piece: many threads may send.
                descriptors = [descriptor, theirs.fileno()]
                socket.send_fds(self._requests, [request.pack()], descriptors)
            except (ConnectionError, ProcessLookupError) as error:  # it is gone
                raise NotStartedError from error
            finally:
                theirs.close()  # if the worker dies, no writer is left
            return self._receive(ours, request, timeout_s, output)

    def end(self) -> None:
        """Kill the worker, if it has not died by itself: what it looks at is not to blame."""
        self._is_ended = self._is_ended or self._process.poll() is None
        self.reap()

    def reap(self) -> None:
        """Kill the worker, and wait for its end; in a fork of its parent, only let go of it."""
        self.is_reaped = True
        self._requests.close()
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()

    def _end_with(self, theirs: socket.socket) -> None:
        """Have the kernel kill the worker if our end hangs up while it looks at the file.

        So it ends at once when this process gives up or is killed, even within C code. The worker
        says when (O_ASYNC), but not what happens: that it could turn against us.
        """
        if sys.platform == "linux":
            fcntl.fcntl(theirs, fcntl.F_SETOWN, self._process.pid)
            fcntl.fcntl(theirs, fcntl.F_SETSIG, signal.SIGKILL)

    def _receive(
        self,
        ours: socket.socket,
        request: Request,
        timeout_s: float,
        output: OutputFile | None,
    ) -> Response:
        limits = _Limits(self._process.pid, request.cpu_s * max(1, self.queued), timeout_s)
        # One system call in all: sleep until the response is there, not only the mark before it.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, RESPONSE_PREFIX.size)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(limits.next_look_s))
        data = bytearray()
        try:
            _receive_into(data, ours, RESPONSE_PREFIX.size, limits)
            _, json_bytes, picture_bytes = RESPONSE_PREFIX.unpack_from(data)
            while json_bytes in (NEXT_PART, HEAD_PART) and output is not None:
                _receive_part(data, ours, output, limits)
                _, json_bytes, picture_bytes = RESPONSE_PREFIX.unpack_from(data)
            end = _end_of_json(json_bytes, picture_bytes)
            _receive_into(data, ours, end + picture_bytes, limits)
            fields = _fields(data[RESPONSE_PREFIX.size : end])
        except _ComputesTooLongError as error:
            self.end()
            raise TooLongError(_too_long(request)) from error
        except (ValueError, TypeError, RecursionError) as error:
            raise WorkerFailedError(f"{request.program} returns invalid results for it") from error
        except (_EndOfResponseError, ConnectionError) as error:
            if not data or self._is_ended:
                raise NotStartedError from error
            raise self._exit_error(request) from error
        return fields, bytes(data[end : end + picture_bytes])

    def _exit_error(self, request: Request) -> WorkerFailedError:
        program = request.program
        try:
            status = self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return WorkerFailedError(f"{program} returns invalid results for it")
        if status == -signal.SIGPROF:
            return TooLongError(_too_long(request))
        if status == -signal.SIGKILL:
            return LimitReachedError(
                f"{program} was killed: this machine has too little memory for it"
            )
        if status < 0:
            return WorkerFailedError(f"it crashes {program} (signal {-status})")
        return WorkerFailedError(f"it makes {program} exit")


def _too_long(request: Request) -> str:
    return f"{request.program} takes more than {request.cpu_s:g} s of CPU time for it"


class _Limits:
    """How long a worker may take for a file, by the clock and by what it computes."""

    def __init__(self, pid: int, cpu_s: float, timeout_s: float) -> None:
        self._pid = pid
        self._deadline = time.monotonic() + timeout_s
        self._most_computed_s = _computed_s(pid) + cpu_s + _CPU_SLACK_S
        self.next_look_s = min(timeout_s, cpu_s + _CPU_SLACK_S)

    def check(self) -> None:
        """Raise an error if it takes longer."""
        # Its own timer ends it sooner, unless the file has made it switch that off.
        if _computed_s(self._pid) > self._most_computed_s:
            raise _ComputesTooLongError
        if time.monotonic() > self._deadline:
            raise TimeoutError


def _computed_s(pid: int) -> float:
    """Return how much CPU time a process has used; 0 where that cannot be asked."""
    if sys.platform != "linux":
        return 0.0
    try:
        return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3): CPUCLOCK_SCHED
    except OSError:  # it is gone
        return 0.0


def _end_of_json(json_bytes: int, picture_bytes: int) -> int:
    if json_bytes > _MAX_JSON_BYTES or picture_bytes > _MAX_PICTURE_BYTES:
        raise ValueError("too long a response")
    return RESPONSE_PREFIX.size + json_bytes


def _fields(text: bytearray) -> dict[str, Any]:
    fields = json.loads(text.decode())
    if not isinstance(fields, dict):
        raise TypeError("not an object")
    return fields


def _receive_into(data: bytearray, ours: socket.socket, size: int, limits: _Limits) -> None:
    while len(data) < size:
        try:
            piece = ours.recv(_RECEIVED_AT_ONCE_BYTES)
        except BlockingIOError:
            limits.check()
            continue
        if not piece:
            raise _EndOfResponseError
        data += piece
        if len(data) < size:  # it sends, but may never get to the end
            limits.check()


def _receive_part(
    data: bytearray, ours: socket.socket, output: OutputFile, limits: _Limits
) -> None:
    """Receive a part of the output, and the prefix of what follows it instead of its own."""
    _, part, size_bytes = RESPONSE_PREFIX.unpack_from(data)
    output.check(part, size_bytes)
    end = RESPONSE_PREFIX.size + size_bytes
    _receive_into(data, ours, end, limits)
    output.take(part, data[RESPONSE_PREFIX.size : end])
    del data[1:end]  # the mark stays
    _receive_into(data, ours, RESPONSE_PREFIX.size, limits)


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
