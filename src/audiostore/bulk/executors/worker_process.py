"""Worker processes as their parent sees them: how many, forking one, waiting for its end.

Workers are forked: they have everything that this process has, its store and its settings. They
are forked before anything else happens, and only from a process with a single thread: what another
thread holds at that moment, a lock or half a line of output, would be held in the copy for ever.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic

from audiostore.bulk.executors.channel import Channel
from audiostore.bulk.executors.limits import MAX_CONCURRENCY
from audiostore.bulk.executors.messages import Cancel, Run
from audiostore.bulk.executors.tasks import T, Task
from audiostore.forking import end_idle_threads

_MAX_WORKERS = 4
_LOOK_AGAIN_S = 0.001
_LOOKS = 1000


def worker_count(concurrency: int | None, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Return how many worker processes to use; below 2: use threads instead."""
    if sys.platform != "linux":
        return 0
    count = min(_MAX_WORKERS, len(os.sched_getaffinity(0)), concurrency or MAX_CONCURRENCY)
    if count < 2:
        return count
    ended = end_idle_threads()  # such as that of a store that was listed before
    for _ in range(_LOOKS):
        try:
            threads = {int(task.name) for task in Path("/proc/self/task").iterdir()}
        except OSError:  # not known: assume there are others
            return 0
        if len(threads) == 1:
            return count
        if not threads & ended:
            break
        # It has left Python, but not C: OpenSSL cleans up after a thread, and holds a lock.
        sleep(_LOOK_AGAIN_S)
    return 0


class WorkerProcess(Generic[T]):
    """A worker, and what it was sent."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.channel = channel
        self.tasks: dict[int, Task[T]] = {}
        """What it has not finished, by number."""
        self.limit = 0
        """How many tasks it may run at once."""
        self.cpu_s = 0.0
        """The processor time that it had used when it last finished a task."""
        self.is_cancelling = False
        self.cancelled: list[int] = []
        self._pid = pid

    def send(self, message: Run | Cancel) -> None:
        """Send a message; if the worker has died, receiving from it shows that."""
        with suppress(OSError):
            self.channel.send(message)

    def reap(self, *, kill: bool) -> str:
        """Let the process exit, or kill it; wait for its end, and return its exit reason."""
        self.channel.shut_down()
        if kill:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        try:
            _, status = os.waitpid(self._pid, 0)
        except ChildProcessError:  # the program reaps all children by itself
            return "died"
        code = os.waitstatus_to_exitcode(status)
        return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"


def spawn(serve: Callable[[Channel], object]) -> "WorkerProcess[Any]":
    """Fork a worker, which calls `serve` and then exits."""
    parents_end, workers_end = socket.socketpair()
    # A signal between the fork and the worker's own handlers must not be handled as in the parent.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        pid = os.fork()
        if not pid:
            try:
                parents_end.close()
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
                serve(Channel(workers_end))
            finally:
                os._exit(1)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    workers_end.close()
    return WorkerProcess(pid, Channel(parents_end))
