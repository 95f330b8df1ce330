"""The lock of the writers of all processes, which those that create objects may share.

Threads that create objects share it for a moment, and so do their processes: each syncs its own
files, in its own order, and because they do so at the same time, the file system writes what they
wait for together. Everything else has the lock for itself. A writer takes the queue first,
and has that until it has the lock: so new creators do not overtake a writer that waits for the
others to leave.

The file of the lock says who holds it, since when, and the store's own time. That is what the
expiry of deleted objects is measured by: it advances with the writer's clock, but between two
writes by a day at most, and never back. So a clock that jumps, by years, makes nothing expire;
and a store that is rarely written to keeps its trash for longer.
"""

import fcntl
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from audiostore.dataclass import dataclass
from audiostore.errors import StoreLockedError
from audiostore.stores.local.folder import Folder, Tree, regular

_LOCK_WAIT_S = 30.0
_LONGEST_PAUSE_S = 0.002
_SHARED_FOR_S = 0.05
"""A shorter time makes smaller groups; a longer one delays a writer that needs the lock alone."""
_RECORD_BYTES = 256
_LONGEST_STEP = timedelta(days=1)
_LOCK = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, or was the last to hold it."""

    pid: int
    host: str
    since: datetime
    time: datetime
    """The store's own time then."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(slots=True)
class _Turn:
    """What one thread has for itself (no names), or threads of this process that create share."""

    descriptor: int
    time: datetime
    ends: float
    """When nobody joins any more, on the clock of the lock."""
    names: set[str]
    """Of the objects that are being created."""


class WriterLock:
    """``.audiostore/lock``, and the ``queue`` for it; created when they are first needed."""

    def __init__(
        self,
        tree: Tree,
        place: str,
        now: Callable[[], datetime],
        *,
        oldest_day: Callable[[], datetime | None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Describe a lock.

        Args:
            tree: the directory of the store.
            place: the folder in it that has the file of the lock.
            now: the wall clock.
            oldest_day: returns when the next objects in the trash expire, in the store's own time.
            clock: in seconds, from any moment.
            sleep: waits that many seconds.
        """
        self._tree = tree
        self._place = place
        self._now = now
        self._oldest_day = oldest_day
        self._clock = clock
        self._sleep = sleep
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._turn: _Turn | None = None
        self._is_taking = False
        """Whether a thread is waiting for other processes."""
        self._turns = 0
        self._waiting_alone = 0

    @contextmanager
    def held(
        self,
        name: str | None = None,
        *,
        prepare: Callable[[datetime, bool], None] = lambda *_: None,
        is_due: Callable[[datetime], bool] = lambda _: False,
        wait: bool = True,
    ) -> Iterator[datetime]:
        """Hold the lock; yield the store's own time.

        Args:
            name: of an object that is created meanwhile, and nothing else is changed: threads of
                this process that create other objects, and other processes that create any, may
                hold the lock at the same time. None: nobody may.
            prepare: called first, by one thread while no other of this process holds it, with that
                time, and whether no other process holds it either.
            is_due: returns whether `prepare` has something to do while no other process holds it.
            wait: whether to wait for others.

        Raises:
            StoreLockedError: another process holds it: for half a minute, or at all if not `wait`.
        """
        if self._pid != os.getpid():  # forked, perhaps while another thread held it
            self._start()
        turn = self._joined(name, wait=wait) or self._taken(name, prepare, is_due, wait=wait)
        try:
            yield turn.time
        finally:
            self._leave(turn, name)

    def last_holder(self) -> Holder | None:
        """Return who holds the lock, or was the last; None if that is not known."""
        try:
            with self._tree.folder(self._place) as folder:
                return _holder(folder.read("lock", _RECORD_BYTES))
        except (OSError, ValueError):  # no store, no lock, or not ours to read
            return None

    def _joined(self, name: str | None, *, wait: bool) -> _Turn | None:
        """Wait for the other threads; return the turn that is shared, or None if it is taken now.

        Then `_is_taking` is set.
        """
        with self._changed:
            self._waiting_alone += name is None
            try:
                while not self._is_next(name):
                    if not (wait and self._wait(name)):
                        raise self._locked()
            finally:
                self._waiting_alone -= name is None
            if self._turn is not None and name is not None:
                self._turn.names.add(name)
                return self._turn
            self._is_taking = True
            return None

    def _wait(self, name: str | None) -> bool:
        """Wait until it is this thread's turn, or that of others begins; False if none begins."""
        turns = self._turns
        return self._changed.wait_for(
            lambda: self._is_next(name) or self._turns != turns, _LOCK_WAIT_S
        )

    def _is_next(self, name: str | None) -> bool:
        if self._is_taking or (name is not None and self._waiting_alone):
            return False
        turn = self._turn
        if turn is None or name is None:
            return turn is None
        return bool(turn.names) and name not in turn.names and self._clock() < turn.ends

    def _taken(
        self,
        name: str | None,
        prepare: Callable[[datetime, bool], None],
        is_due: Callable[[datetime], bool],
        *,
        wait: bool,
    ) -> _Turn:
        """Lock the file, and begin a turn."""
        turn: _Turn | None = None
        try:
            descriptor, queue = self._opened()
            try:
                try:
                    time, is_alone = self._lock(
                        descriptor, queue, is_due, alone=name is None, wait=wait
                    )
                finally:
                    _unlock(queue)
                prepare(time, is_alone)
                names = set() if name is None else {name}
                turn = begun = _Turn(descriptor, time, self._clock() + _SHARED_FOR_S, names)
            finally:
                if turn is None:
                    _unlock(descriptor)
        finally:
            with self._changed:
                self._is_taking, self._turn = False, turn
                self._turns += 1
                self._changed.notify_all()
        return begun

    def _opened(self) -> tuple[int, int]:
        """Open the files of the lock, and of the queue for it."""
        with self._tree.folder(self._place, make=True) as folder:
            descriptor = _open_lock(folder, "lock")
            try:
                return descriptor, _open_lock(folder, "queue")
            except BaseException:
                os.close(descriptor)
                raise

    def _leave(self, turn: _Turn, name: str | None) -> None:
        with self._changed:
            if name is not None:
                turn.names.discard(name)
            if turn.names:
                return
            self._turn = None
            _unlock(turn.descriptor)
            self._changed.notify_all()

    def _lock(
        self,
        descriptor: int,
        queue: int,
        is_due: Callable[[datetime], bool],
        *,
        alone: bool,
        wait: bool,
    ) -> tuple[datetime, bool]:
        """Lock the file, through the queue; return the store's own time, and if no other has it."""
        self._wait_for(queue, fcntl.LOCK_EX, descriptor, wait=wait)
        how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        self._wait_for(descriptor, how, descriptor, wait=wait)
        time = self._sign(descriptor)  # nobody else does at the same time: one has the queue
        if not alone and is_due(time):
            self._wait_for(descriptor, fcntl.LOCK_EX, descriptor, wait=wait)
            alone = True
        return time, alone

    def _wait_for(self, descriptor: int, how: int, signed: int, *, wait: bool) -> None:
        """Lock a file; give up when the same process has signed the lock for too long."""
        pause_s, seen, deadline = 0.0005, b"", 0.0
        while True:
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            except BlockingIOError:
                record = os.pread(signed, _RECORD_BYTES, 0)
                if not deadline or record != seen:
                    seen, deadline = record, self._clock() + _LOCK_WAIT_S
                if not wait or self._clock() >= deadline:
                    raise self._locked() from None
            else:
                return
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _sign(self, descriptor: int) -> datetime:
        """Write who holds the lock; return the store's own time."""
        now = self._now()
        last = _holder(os.pread(descriptor, _RECORD_BYTES, 0))
        if last is not None:
            time = last.time + min(max(now - last.since, timedelta()), _LONGEST_STEP)
        else:  # as after a loss of the record: what is in the trash is not known to have expired
            time = min(now, self._oldest_day() or now)
        record = {
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "since": now.astimezone(UTC).isoformat(),
            "time": time.astimezone(UTC).isoformat(),
        }
        if os.fstat(descriptor).st_nlink == 1:  # never into a file that is somebody's elsewhere
            with suppress(OSError):  # a full disk must still let go of what is deleted
                os.pwrite(descriptor, json.dumps(record).encode().ljust(_RECORD_BYTES), 0)
        return time

    def _locked(self) -> StoreLockedError:
        holder = self.last_holder()
        who = f"{holder}" if holder and _lives(holder) else "an unknown process"
        return StoreLockedError(
            f"the store in {self._tree.root} is locked by another writer ({who}): try again when "
            f"it has finished, or stop it",
            path=self._tree.root,
        )


def _unlock(descriptor: int) -> None:
    try:
        # A process that was forked meanwhile has the descriptor too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _open_lock(folder: Folder, name: str) -> int:
    """Open a file to lock, which is created if it does not exist.

    Only who may write in the store may open it: a lock on a file that anyone can read is one that
    anyone can hold.
    """
    try:
        descriptor = folder.open_with(name, _LOCK)
    except FileNotFoundError:
        descriptor = folder.open_with(name, _LOCK | os.O_CREAT)
    try:
        status = regular(descriptor, f"{folder.path}/{name}")
        writers = os.fstat(folder.descriptor).st_mode & 0o222 | stat.S_IWUSR
        mode = writers | writers << 1
        is_ours = status.st_uid == os.geteuid() and status.st_nlink == 1
        if is_ours and status.st_mode & 0o777 != mode:
            os.fchmod(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _holder(record: bytes) -> Holder | None:
    try:
        fields = json.loads(record)
        host = "".join(filter(str.isprintable, fields["host"]))
        since, time = (
            datetime.fromisoformat(fields[key]).astimezone(UTC) for key in ("since", "time")
        )
        return Holder(int(fields["pid"]), host, since, time)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _lives(holder: Holder) -> bool:
    """Say whether a process exists, or is on another machine."""
    if holder.host != os.uname().nodename:
        return True
    try:
        os.kill(max(1, holder.pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return True
