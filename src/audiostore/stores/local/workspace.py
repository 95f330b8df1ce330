"""The hidden folder of a store: the lock of the writers, and the files being written.

The file of the lock says who holds it, since when, and the store's own time. That is what the
expiry of deleted objects is measured by: it advances with the clock of whoever writes, but between
two writes by a day at most, and never back. So a clock that jumps, by years, makes nothing expire;
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
from audiostore.log import logger
from audiostore.stores.local.files import Temporary
from audiostore.stores.local.folder import Folder, NotRegularError, Tree, regular

NAME = ".audiostore"
_TEMPORARY = f"{NAME}/tmp"  # noqa: S108  (in the store)
_ABANDONED_AFTER_S = 3600.0
_LOCK_WAIT_S = 30.0
_LONGEST_PAUSE_S = 0.005
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


class Workspace:
    """``.audiostore`` below the root; created when it is first needed."""

    def __init__(
        self,
        tree: Tree,
        now: Callable[[], datetime],
        *,
        oldest_day: Callable[[], datetime | None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Describe a workspace.

        Args:
            tree: the directory of the store.
            now: the wall clock.
            oldest_day: returns when the next objects in the trash expire, in the store's own time.
            clock: in seconds, from any moment.
            sleep: waits that many seconds.
        """
        self._tree = tree
        self._now = now
        self._oldest_day = oldest_day
        self._clock = clock
        self._sleep = sleep
        self._swept = False
        self._turn = threading.Lock()
        self._turn_pid = os.getpid()
        self._turns = 0

    @contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[datetime]:
        """Hold the lock of the writers of all processes; yield the store's own time.

        Raises:
            StoreLockedError: another process holds it: for half a minute, or at all if not `wait`.
        """
        with self._tree.folder(NAME, make=True) as folder:
            descriptor = _open_lock(folder)
        try:
            with self._own_turn(descriptor, wait=wait):
                self._lock(descriptor, wait=wait)
                try:
                    yield self._sign(descriptor)
                finally:
                    # A process that was forked meanwhile has the descriptor too.
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def last_holder(self) -> Holder | None:
        """Return who holds the lock, or was the last; None if that is not known."""
        try:
            with self._tree.folder(NAME) as folder:
                return _holder(folder.read("lock", _RECORD_BYTES))
        except (OSError, ValueError):  # no store, no lock, or not ours to read
            return None

    @contextmanager
    def temporary(self) -> Iterator[Temporary]:
        """Yield a new file to write, which is deleted at the end unless it was renamed."""
        with self._tree.folder(_TEMPORARY, make=True) as folder:
            self._sweep(folder)
            name = os.urandom(16).hex()
            descriptor = folder.create(name)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # shows that the writer lives, see _sweep
                yield Temporary(folder, name, descriptor)
            finally:
                os.close(descriptor)
                folder.unlink(name, missing_ok=True)

    @contextmanager
    def _own_turn(self, descriptor: int, *, wait: bool) -> Iterator[None]:
        """Have the threads of this process take turns, without asking for the lock again."""
        if self._turn_pid != os.getpid():  # forked, perhaps while another thread had its turn
            self._turn, self._turn_pid = threading.Lock(), os.getpid()
        turn, turns = self._turn, self._turns
        while not turn.acquire(timeout=_LOCK_WAIT_S if wait else 0):
            if not wait or turns == self._turns:
                raise self._locked(descriptor)
            turns = self._turns
        try:
            self._turns += 1
            yield
        finally:
            turn.release()

    def _lock(self, descriptor: int, *, wait: bool) -> None:
        """Lock the file; give up when the same process has held it for too long."""
        pause_s, seen, deadline = 0.0005, b"", 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                record = os.pread(descriptor, _RECORD_BYTES, 0)
                if not deadline or record != seen:
                    seen, deadline = record, self._clock() + _LOCK_WAIT_S
                if not wait or self._clock() >= deadline:
                    raise self._locked(descriptor) from None
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

    def _locked(self, descriptor: int) -> StoreLockedError:
        holder = _holder(os.pread(descriptor, _RECORD_BYTES, 0))
        who = f"{holder}" if holder and _lives(holder) else "a process that does not say who it is"
        return StoreLockedError(
            f"the store in {self._tree.root} is locked by another writer ({who}): try again when "
            "it has finished, or end it",
            path=self._tree.root,
        )

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


def _open_lock(folder: Folder) -> int:
    """Open the file of the lock, which is created if it does not exist.

    Only who may write in the store may open it: a lock on a file that anyone can read is one that
    anyone can hold.
    """
    try:
        descriptor = folder.open_with("lock", _LOCK)
    except FileNotFoundError:
        descriptor = folder.open_with("lock", _LOCK | os.O_CREAT)
    try:
        status = regular(descriptor, f"{folder.path}/lock")
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
