"""The process pool: each scenario runs in a process of its own, which may be forked."""

import ctypes
import logging
import mmap
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from multiprocessing import Value
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from audiostore import AudioStorageManager
from audiostore.bulk.executors import Batch, Ended, InputReader, Job, RunOptions, Task, execute, run
from audiostore.bulk.executors.limits import MAX_CONCURRENCY
from audiostore.bulk.executors.process_pool import ProcessPool
from audiostore.bulk.executors.tasks import Interleaver
from audiostore.bulk.executors.worker_process import worker_count
from audiostore.bulk.items import BulkItem
from audiostore.errors import ProcessDiedError, StoreConnectionError
from audiostore.events import Begun, BulkBegun, Event, Progress, Retried, Stored
from audiostore.forking import may_rest
from audiostore.notify import Notifier
from tests.assets import MP3
from tests.timing import PATIENCE_S, wait_until, within

T = Callable[[int], "Result"]


def alone(scenario: Callable[[], None]) -> Callable[[], None]:
    """Run a test in a process with a single thread."""

    @pytest.mark.slow
    @wraps(scenario)
    def test() -> None:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", __name__, scenario.__name__],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr

    return test


@dataclass(frozen=True)
class Result:
    index: int
    error: Exception | None = None
    size_bytes: int = 0
    pid: int = 0


class Numbers:
    def __init__(self, count: int, *, size_bytes: int = 0) -> None:
        self._input = InputReader(range(count))
        self._size_bytes = size_bytes
        self.recorded: list[int] = []
        self.released: list[int] = []
        self.taken = 0

    def take(self, limit: int) -> Batch[int, Result] | None:
        taken = self._input.take(limit)
        self.taken += len(taken)
        return Batch([Task(n, self._size_bytes) for _, n in taken]) if taken else None

    def record(self, outcomes: Sequence[Result]) -> None:
        self.recorded += [outcome.index for outcome in outcomes]

    def release(self, tasks: Sequence[int]) -> None:
        self.released += tasks


class Shelf:
    """An interleaver: a task that has begun ends after some turns, or is left to a thread."""

    is_resting = False

    def __init__(
        self,
        begin: Callable[[int], None] = lambda _: None,
        *,
        leaves: Callable[[int], bool] = lambda _: False,
        outcome: Callable[[int], Result] = Result,
        accepts: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.accepts = accepts
        self._begin = begin
        self._leaves = leaves
        self._outcome = outcome
        self._begun: list[tuple[int, int, int]] = []
        self._poll = select.poll()

    @property
    def active(self) -> int:
        return len(self._begun)

    def watch(self, descriptor: int) -> None:
        self._poll.register(descriptor, select.POLLIN)

    def begin(self, number: int, task: int) -> None:
        self._begin(task)
        self._begun.append((number, task, 3))

    def turn(self, timeout_s: float) -> list[Ended[int, Result]]:
        self._poll.poll(0 if self._begun else timeout_s * 1000)
        time.sleep(0.001)
        begun, self._begun = self._begun, []
        self._begun = [(number, task, turns - 1) for number, task, turns in begun if turns]
        return [
            Ended(number, task, None if self._leaves(task) else self._outcome(task))
            for number, task, turns in begun
            if not turns
        ]


def pool(
    perform: T,
    *notifiers: Notifier,
    workers: int = 2,
    concurrency: int | None = None,
    interleaver: Interleaver[int, Result] | None = None,
) -> ProcessPool[int, Result]:
    return ProcessPool(
        perform,
        Result,
        notifiers,
        prepare=lambda: None,
        workers=workers,
        interleaver=interleaver,
        concurrency=concurrency,
    )


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@alone
def test_everything_is_done_once_and_recorded_before_it_is_reported() -> None:
    source = Numbers(3000)
    seen, pids = [], set()
    for outcome in run(source, pool(lambda n: Result(n, pid=os.getpid()))):
        assert outcome.index in source.recorded
        seen.append(outcome.index)
        pids.add(outcome.pid)
    assert sorted(seen) == sorted(source.recorded) == list(range(3000))
    assert source.released == []
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert all(map(has_ended, pids))


@alone
def test_outcomes_come_in_input_order_if_asked() -> None:
    def work(number: int) -> Result:
        time.sleep(0.002 * (number % 7 == 0))
        return Result(number)

    outcomes = run(Numbers(500), pool(work), in_order=True)
    assert [outcome.index for outcome in outcomes] == list(range(500))


@alone
def test_no_more_tasks_than_allowed_run_at_once() -> None:
    for limit in (2, 3, 5):
        active, most = Value(ctypes.c_int, 0), Value(ctypes.c_int, 0)

        def work(number: int, active=active, most=most) -> Result:  # type: ignore[no-untyped-def]
            with active.get_lock():
                active.value += 1
                most.value = max(most.value, active.value)
            time.sleep(0.001)
            with active.get_lock():
                active.value -= 1
            return Result(number)

        list(run(Numbers(600), pool(work, concurrency=limit)))
        assert most.value == limit


@alone
def test_few_large_tasks_run_at_once() -> None:
    active, most = Value(ctypes.c_int, 0), Value(ctypes.c_int, 0)

    def work(number: int) -> Result:
        with active.get_lock():
            active.value += 1
            most.value = max(most.value, active.value)
        time.sleep(0.003)
        with active.get_lock():
            active.value -= 1
        return Result(number)

    list(run(Numbers(200, size_bytes=1 << 30), pool(work)))
    assert most.value <= 4


@alone
def test_an_error_arrives_with_its_class_notes_and_traceback() -> None:
    def work(number: int) -> Result:
        try:
            _refuse(number)
        except StoreConnectionError as error:
            error.add_note("while: trying")
            return Result(number, error)
        return Result(number)

    outcomes = list(run(Numbers(20), pool(work)))
    assert len(outcomes) == 20
    for outcome in outcomes:
        error = outcome.error
        assert type(error) is StoreConnectionError
        assert str(error) == f"no way to {outcome.index}"
        assert error.__notes__ == ["while: trying"]
        assert "in _refuse" in str(error.__cause__)


def _refuse(number: int) -> None:
    raise StoreConnectionError(f"no way to {number}")


class _Odd(Exception):  # noqa: N818
    def __init__(self, what: str, *, why: str) -> None:
        super().__init__(f"{what} because {why}")
        self.lock = threading.Lock()


@alone
def test_an_error_that_cannot_be_pickled_arrives_as_text() -> None:
    def work(number: int) -> Result:
        return Result(number, _Odd("broken", why="so it goes"))

    (outcome,) = run(Numbers(1), pool(work))
    assert type(outcome.error) is RuntimeError
    assert str(outcome.error) == "_Odd: broken because so it goes"


@alone
def test_events_are_reported_in_the_parent_only() -> None:
    here = os.getpid()
    told: list[tuple[int, Event]] = []
    elsewhere = mmap.mmap(-1, 1)

    def listen(event: Event) -> None:
        told.append((os.getpid(), event))
        if os.getpid() != here:
            elsewhere[0] = 1

    first, second = Notifier(listen), Notifier()

    def work(number: int) -> Result:
        first(Begun(str(number), Path("x")))
        first(Retried("store", 1, 0.1, OSError(5, "broken")))
        second(Progress("x", 1, 2))
        return Result(number)

    with second.listening(listen):
        list(run(Numbers(50), pool(work, first, second)))
    assert elsewhere[0] == 0
    assert sorted(e.audio_id for _, e in told if isinstance(e, Begun)) == sorted(
        map(str, range(50))
    )
    assert any(event == Progress("x", 1, 2) for _, event in told)
    errors = [event.error for _, event in told if isinstance(event, Retried)]
    assert [str(error) for error in errors] == ["[Errno 5] broken"] * 50


@alone
def test_log_records_are_handled_in_the_parent() -> None:
    here, records = os.getpid(), []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append((os.getpid(), record.getMessage(), record.exc_text or ""))

    log = logging.getLogger("audiostore")
    log.addHandler(Handler())

    def work(number: int) -> Result:
        try:
            _refuse(number)
        except StoreConnectionError:
            log.exception("it was %d", number)
        return Result(number)

    list(run(Numbers(3), pool(work)))
    assert sorted(message for _, message, _ in records) == ["it was 0", "it was 1", "it was 2"]
    assert {pid for pid, _, _ in records} == {here}
    assert all("no way to" in text for _, _, text in records)


@alone
def test_a_worker_that_is_killed_fails_its_own_tasks_and_no_others() -> None:
    def work(number: int) -> Result:
        if number == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.0005)
        return Result(number, pid=os.getpid())

    source = Numbers(1000)
    outcomes = list(run(source, pool(work)))
    assert sorted(outcome.index for outcome in outcomes) == list(range(1000))
    failed = [outcome for outcome in outcomes if outcome.error]
    assert 100 in [outcome.index for outcome in failed]
    assert len(failed) <= MAX_CONCURRENCY  # what it had been sent
    assert all("killed by signal 9" in str(outcome.error) for outcome in failed)
    assert all(isinstance(outcome.error, ProcessDiedError) for outcome in failed)
    assert len({outcome.pid for outcome in outcomes if outcome.index > 900}) == 1


@alone
def test_when_all_workers_have_died_the_run_ends_and_the_rest_is_free() -> None:
    def work(number: int) -> Result:
        os._exit(7)

    source = Numbers(300)
    outcomes: list[Result] = []
    try:
        for outcome in run(source, pool(work)):
            outcomes.append(outcome)  # noqa: PERF402  (they count even if it raises)
    except ProcessDiedError as error:
        assert "all worker processes" in str(error)  # noqa: PT017
    else:
        raise AssertionError("the run went on without workers")
    # Those that a worker had have failed; the others are recorded or given back.
    assert all(isinstance(outcome.error, ProcessDiedError) for outcome in outcomes)
    assert sorted(source.recorded + source.released) == list(range(source.taken))


@alone
def test_closing_cancels_what_was_not_started_and_waits_for_what_was() -> None:
    begun = mmap.mmap(-1, 100_000)

    def work(number: int) -> Result:
        begun[number] = 1
        time.sleep(0.002 if number < 45 else 3.0)  # the rest is not done before closing begins
        return Result(number, pid=os.getpid())

    source = Numbers(100_000)
    outcomes = run(source, pool(work, concurrency=3))
    pids = {next(outcomes).pid for _ in range(40)}
    outcomes.close()
    done = [number for number in range(100_000) if begun[number]]
    assert sorted(source.recorded) == done
    assert sorted(source.recorded + source.released) == list(range(source.taken))
    assert len(done) < source.taken
    assert all(map(has_ended, pids))


@alone
def test_fail_fast_starts_nothing_more() -> None:
    def work(number: int) -> Result:
        time.sleep(0.001)
        return Result(number, ValueError("no") if number == 20 else None)

    source = Numbers(100_000)
    outcomes = list(run(source, pool(work), fail_fast=True))
    assert 20 in [outcome.index for outcome in outcomes]
    assert sorted([o.index for o in outcomes] + source.released) == list(range(source.taken))
    assert source.taken < 2000


@alone
def test_ctrl_c_does_not_wait_for_running_tasks() -> None:
    pids = mmap.mmap(-1, 8 * 10)

    def work(number: int) -> Result:
        pids[8 * number : 8 * number + 8] = os.getpid().to_bytes(8)
        if number == 0:
            time.sleep(0.2)  # until the others have started
            os.kill(os.getppid(), signal.SIGINT)
        time.sleep(60)
        return Result(number)

    source = Numbers(10)
    with within(10, busy_limit_s=50), pytest.raises(KeyboardInterrupt):
        list(run(source, pool(work)))
    found = {int.from_bytes(pids[8 * n : 8 * n + 8]) for n in range(10)} - {0}
    assert found
    assert all(map(has_ended, found))


@alone
def test_workers_ignore_a_terminals_ctrl_c() -> None:
    def work(number: int) -> Result:
        os.kill(os.getpid(), signal.SIGINT)
        return Result(number)

    assert len(list(run(Numbers(50), pool(work)))) == 50


@alone
def test_workers_exit_with_their_parent() -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:

        def work(number: int) -> Result:
            os.write(writer, os.getpid().to_bytes(8))
            time.sleep(60)
            return Result(number)

        list(run(Numbers(10), pool(work)))
        os._exit(0)
    os.close(writer)
    found = {int.from_bytes(os.read(reader, 8)) for _ in range(2)}
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while os.read(reader, 8):  # to its end: no writer is left
        pass
    assert found
    wait_until(lambda: all(map(_is_gone, found)))


@alone
def test_a_process_with_many_open_files_can_have_workers() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    outcomes = list(run(Numbers(100), pool(Result)))
    assert [outcome.error for outcome in outcomes] == [None] * 100
    for descriptor in files:
        os.close(descriptor)


@alone
def test_other_forked_processes_do_not_keep_workers_alive() -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if not parent:
        outcomes = run(Numbers(2000), pool(lambda n: Result(n, pid=os.getpid())))
        pids = {next(outcomes).pid for _ in range(200)}
        other = os.fork()  # it inherits this end of the workers' sockets
        if not other:
            time.sleep(60)
            os._exit(0)
        list(outcomes)  # to the end, while that process lives on
        assert all(map(has_ended, pids))

        def work(number: int) -> Result:
            os.write(writer, os.getpid().to_bytes(8))
            time.sleep(60)
            return Result(number)

        pool(work).submit([Task(0, 0), Task(1, 0)])
        another = os.fork()
        if not another:
            time.sleep(60)
            os._exit(0)
        os.write(writer, b"".join(pid.to_bytes(8) for pid in (0, other, another)))
        time.sleep(60)
    told: list[int] = []
    while len(told) < 5:
        told.append(int.from_bytes(os.read(reader, 8)))
    at = told.index(0)
    others = told[at + 1 : at + 3]
    workers = set(told) - {0, *others}
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    wait_until(lambda: all(map(_is_gone, workers)))
    for pid in others:
        os.kill(pid, signal.SIGKILL)


def _is_gone(pid: int) -> bool:
    """Return whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@alone
def test_an_overloaded_store_gets_fewer_requests_from_all_workers() -> None:
    active, before, after = (Value(ctypes.c_int, 0) for _ in range(3))
    notifier = Notifier()

    def work(number: int) -> Result:
        with active.get_lock():
            active.value += 1
            most = before if number < 900 else after
            if number < 900 or number > 960:
                most.value = max(most.value, active.value)
        if number == 900:
            notifier(Retried("store", 1, 0.1, StoreOverloadedError("busy")))
        time.sleep(0.01)
        with active.get_lock():
            active.value -= 1
        return Result(number)

    job = Job(work, Result, [notifier], may_fork=True)
    list(execute(Numbers(1060), job, RunOptions(concurrency=16)))
    assert after.value <= before.value // 2 + 1


class StoreOverloadedError(Exception):
    code = 503


@alone
def test_a_process_with_another_thread_is_not_forked() -> None:
    assert worker_count(None) == min(4, len(os.sched_getaffinity(0)))
    assert worker_count(1) == 1
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    assert worker_count(None) == 0
    notifier = Notifier()
    job = Job(lambda n: Result(n, pid=os.getpid()), Result, [notifier], may_fork=True)
    outcomes = list(execute(Numbers(50), job, RunOptions()))
    assert {outcome.pid for outcome in outcomes} == {os.getpid()}
    go.set()
    thread.join()


@alone
def test_no_process_is_forked_while_c_ends_a_thread() -> None:
    # OpenSSL cleans up after a thread that Python has left, and a copy would find its lock held.
    libc = ctypes.CDLL(None)
    key = ctypes.c_uint()
    assert libc.pthread_key_create(ctypes.byref(key), libc.usleep) == 0  # called as a thread ends

    class Resting:
        def rest(self) -> int | None:
            microseconds = ctypes.c_void_p(200_000)
            thread = threading.Thread(target=libc.pthread_setspecific, args=(key, microseconds))
            thread.start()
            thread.join()
            return thread.native_id

    member = Resting()
    may_rest(member)
    assert worker_count(None) == min(4, len(os.sched_getaffinity(0)))
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    libc.pthread_key_delete(key)


@alone
def test_a_rate_limit_is_kept_by_one_process() -> None:
    job = Job(lambda n: Result(n, pid=os.getpid()), Result, [Notifier()], may_fork=True)
    outcomes = list(execute(Numbers(5), job, RunOptions(max_rate_bytes_s=1e9)))
    assert {outcome.pid for outcome in outcomes} == {os.getpid()}


class Counter:
    """How many tasks run at once in all processes, and the most that did."""

    def __init__(self) -> None:
        self._active, self._most = Value(ctypes.c_int, 0), Value(ctypes.c_int, 0)

    def add(self, change: int) -> None:
        with self._active.get_lock():
            self._active.value += change
            self._most.value = max(self._most.value, self._active.value)

    @property
    def most(self) -> int:
        return self._most.value


@alone
def test_what_is_interleaved_and_what_is_left_to_threads_is_done_once() -> None:
    def work(number: int) -> Result:
        return Result(number, pid=-os.getpid())

    shelf = Shelf(
        leaves=lambda number: number % 3 == 0,
        accepts=lambda number: number % 5 != 0,
        outcome=lambda number: Result(number, pid=os.getpid()),
    )
    source = Numbers(2000)
    outcomes = list(run(source, pool(work, interleaver=shelf)))
    assert sorted(each.index for each in outcomes) == sorted(source.recorded) == list(range(2000))
    for each in outcomes:
        assert (each.pid < 0) == (each.index % 3 == 0 or each.index % 5 == 0)


@alone
def test_no_more_than_allowed_are_interleaved_and_run_by_threads_at_once() -> None:
    for limit in (2, 5):
        counter = Counter()

        def work(number: int, counter: Counter = counter) -> Result:
            counter.add(1)
            time.sleep(0.002)
            counter.add(-1)
            return Result(number)

        def ended(number: int, counter: Counter = counter) -> Result:
            counter.add(-1)
            return Result(number)

        shelf = Shelf(
            lambda _, counter=counter: counter.add(1),  # type: ignore[misc]
            outcome=ended,
            accepts=lambda number: number % 2 == 0,
        )
        outcomes = list(run(Numbers(300), pool(work, interleaver=shelf, concurrency=limit)))
        assert len(outcomes) == 300
        assert counter.most == limit


@alone
def test_what_was_begun_is_not_released_when_a_run_ends_early() -> None:
    begun = mmap.mmap(-1, 400)

    def begin(number: int) -> None:
        begun[number] = 1

    def work(number: int) -> Result:
        time.sleep(0.01)
        return Result(number)

    source = Numbers(400)
    outcomes = run(source, pool(work, interleaver=Shelf(begin, leaves=lambda n: n > 10)))
    next(outcomes)
    outcomes.close()
    assert source.released
    assert not [number for number in source.released if begun[number]]
    assert sorted(source.released + source.recorded) == list(range(source.taken))


@alone
def test_a_parent_that_is_slow_and_outcomes_that_are_large_do_not_block_each_other() -> None:
    class Large(Numbers):
        def take(self, limit: int) -> Batch[Any, Result] | None:
            batch = super().take(limit)
            return batch and Batch([Task((n.payload, "x" * 60_000), 0) for n in batch.tasks])

    def outcome(task: Any) -> Any:
        return Result(task[0], ValueError("y" * 20_000))

    shelf: Any = Shelf(outcome=outcome)
    outcomes = []
    for each in run(Large(600), pool(outcome, interleaver=shelf)):
        outcomes.append(each)
        if len(outcomes) < 20:
            time.sleep(0.05)  # meanwhile everything that can be sent is
    assert len(outcomes) == 600


@alone
def test_an_interrupt_does_not_wait_for_a_file_that_hangs() -> None:
    def begin(number: int) -> None:
        if number == 20:
            time.sleep(PATIENCE_S)

    outcomes = run(Numbers(60), pool(Result, interleaver=Shelf(begin)))
    for _ in range(10):
        next(outcomes)
    before = time.monotonic()
    try:
        outcomes.throw(KeyboardInterrupt)
    except KeyboardInterrupt:
        assert time.monotonic() - before < PATIENCE_S / 2
        return
    raise AssertionError("not interrupted")


def _tracks(folder: Path, count: int) -> Iterator[BulkItem]:
    for number in range(count):
        path = folder / f"{number}.mp3"
        path.write_bytes(MP3.read_bytes())
        yield BulkItem(path)


@alone
def test_assets_are_uploaded_and_downloaded_by_several_processes() -> None:
    if worker_count(None) < 2:
        return  # one core
    with TemporaryDirectory() as place:
        root = Path(place)
        (root / "in").mkdir()
        items = list(_tracks(root / "in", 40))
        items.insert(7, BulkItem(root / "in" / "missing.mp3"))
        told: list[Event] = []
        with AudioStorageManager(f"file://{root}/store", on_event=told.append) as manager:
            outcomes = list(
                manager.bulk.upload(items, journal=root / "journal", cleanup=True, in_order=True)
            )
            assert [outcome.index for outcome in outcomes] == list(range(41))
            assert [o.index for o in outcomes if o.error] == [7]
            assert isinstance(outcomes[7].error, FileNotFoundError)
            stored = {o.result.audio_id for o in outcomes if o.result}
            assert {asset.audio_id for asset in manager.list()} == stored
            assert list((root / "in").iterdir()) == []
            assert told[0] == BulkBegun()
            assert {e.audio_id for e in told if isinstance(e, Stored)} == stored
            fetched = list(manager.bulk.download(stored, root / "out"))
            assert all(each.error is None for each in fetched)
        assert sorted(path.stem for path in (root / "out").iterdir()) == sorted(stored)
        assert threading.active_count() == 1  # the workers did all of it


if __name__ == "__main__":
    globals()[sys.argv[1]].__wrapped__()
