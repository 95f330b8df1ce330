"""One worker process, as its parent sees it: spawn, run a request, reap."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from audiostore.errors import UnplayableAudioError
from audiostore.media.sandbox.worker import READY, RESPONSE_PREFIX

_START_TIMEOUT_S: Final = 60.0
_EXIT_TIMEOUT_S: Final = 10.0
"""A worker whose socket is closed ends at once; on a busy machine, it may take seconds."""
_MAX_JSON_BYTES = 64 << 20
_MAX_ARTWORK_BYTES = 32 << 20
_RECEIVED_AT_ONCE_BYTES = 64 << 10
_CODE = """
import gc, sys
gc.disable()  # until all is imported
sys.path[:] = {path!r}
from audiostore.media.sandbox.worker import serve
serve({fd})
"""
_FLAGS = ("-I", "-S")
"""Neither the environment, nor the working directory, nor files next to its modules choose what a
worker imports: it gets the parent's search path."""

Response = tuple[dict[str, Any], bytes]
"""Fields as JSON types, and the bytes of the artwork."""


class NotStartedError(Exception):
    """The worker exited before it inspected the file, so another worker can."""


class _WorkerExitedError(Exception):
    """The worker exited, or no longer follows the protocol."""


class WorkerProcess:
    """A worker process.

    Args:
        memory_bytes: what it may take beyond what it has after its imports.

    Raises:
        RuntimeError, OSError: it cannot be started.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.queued = 0
        """How many files it is looking at or are waiting for it; the pool's lock guards it."""
        self._owner = os.getpid()
        self._requests, theirs = socket.socketpair()
        try:
            # Ours last: an editable installation may be in no folder that is searched.
            path = [*filter(None, sys.path), str(Path(__file__).parents[3])]
            code = _CODE.format(path=path, fd=theirs.fileno())
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
                [sys.executable, *_FLAGS, "-c", code, str(memory_bytes)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # the parent handles the terminal's Ctrl-C
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
            self.reap()
            raise
        if not is_ready:
            self.reap()
            raise RuntimeError(f"{sys.executable} cannot start the sandbox for audio files")

    def run(self, request: bytes, descriptor: int, cpu_s: float, timeout_s: float) -> Response:
        """Let the worker inspect an open file.

        Raises:
            UnplayableAudioError: the worker died of the file.
            NotStartedError: the worker died before it looked at the file.
            TimeoutError: no response in time.
        """
        ours, theirs = socket.socketpair()
        with ours:
            try:
                # The kernel takes a message this small in one piece: many threads may send.
                socket.send_fds(self._requests, [request], [descriptor, theirs.fileno()])
            except ConnectionError as error:
                raise NotStartedError from error
            finally:
                theirs.close()  # if the worker dies, no writer is left
            return self._receive(ours, cpu_s, timeout_s)

    def reap(self) -> None:
        """Kill the worker, and wait for its end; in a fork of its parent, only let go of it."""
        self._requests.close()
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()

    def _exit_reason(self, cpu_s: float) -> str:
        try:
            status = self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "FFmpeg gives invalid results for it"
        if status == -signal.SIGPROF:
            return f"FFmpeg takes more than {cpu_s:g} s of CPU time for it"
        if status < 0:
            return f"it crashes FFmpeg (signal {-status})"
        return "it makes FFmpeg exit"

    def _receive(self, ours: socket.socket, cpu_s: float, timeout_s: float) -> Response:
        deadline = time.monotonic() + timeout_s
        # One system call in all: sleep until the response is there, not only the mark before it.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, RESPONSE_PREFIX.size)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(timeout_s))
        data = bytearray()
        try:
            _receive_into(data, ours, RESPONSE_PREFIX.size, deadline)
            _, json_bytes, artwork_bytes = RESPONSE_PREFIX.unpack_from(data)
            end = _end_of_json(json_bytes, artwork_bytes)
            _receive_into(data, ours, end + artwork_bytes, deadline)
            fields: dict[str, Any] = json.loads(data[RESPONSE_PREFIX.size : end].decode())
        except (_WorkerExitedError, ConnectionError, ValueError) as error:
            if not data:
                raise NotStartedError from error
            raise UnplayableAudioError(self._exit_reason(cpu_s)) from error
        return fields, bytes(data[end : end + artwork_bytes])


def _end_of_json(json_bytes: int, artwork_bytes: int) -> int:
    if json_bytes > _MAX_JSON_BYTES or artwork_bytes > _MAX_ARTWORK_BYTES:
        raise _WorkerExitedError
    return RESPONSE_PREFIX.size + json_bytes


def _receive_into(data: bytearray, ours: socket.socket, size: int, deadline: float) -> None:
    while len(data) < size:
        try:
            piece = ours.recv(_RECEIVED_AT_ONCE_BYTES)
        except BlockingIOError as error:
            raise TimeoutError from error
        if not piece:
            raise _WorkerExitedError
        if time.monotonic() > deadline:  # it sends, but never gets to the end
            raise TimeoutError
        data += piece


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
