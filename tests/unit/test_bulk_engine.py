"""The engine and the thread pool: one outcome each, nothing lost when a run is stopped."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from audiostore.bulk.executors import (
    Batch,
    InputReader,
    Job,
    RunOptions,
    Task,
    ThreadPool,
    execute,
    run,
)
from audiostore.bulk.executors.limits import (
    INITIAL_LIMIT,
    AdaptiveLimit,
    RateLimiter,
    objects_written,
    signals_overload,
)
from audiostore.errors import StoreConnectionError, affecting_all
from audiostore.events import BulkBegun, Event, Progress, Retried
from audiostore.notify import Notifier
from tests.timing import PATIENCE_S, within


@dataclass(frozen=True)
class Result:
    index: int
    error: Exception | None = None
    size_bytes: int = 0


@dataclass
class Numbers:
    """A source of numbers; it notes its calls."""

    items: Iterable[int]
    size_bytes: int = 0
    recorded: list[int] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    taken: int = 0

    def __post_init__(self) -> None:
        self._input = InputReader(self.items)

    def take(self, limit: int) -> Batch[int, Result] | None:
        taken = self._input.take(limit)
        self.taken += len(taken)
        return Batch([Task(n, self.size_bytes) for _, n in taken]) if taken else None

    def record(self, outcomes: Sequence[Result]) -> None:
        self.recorded += [outcome.index for outcome in outcomes]

    def release(self, tasks: Sequence[int]) -> None:
        self.released += tasks


class Tracked:
    """A task that notes how many of it run at once, and waits for `go`."""

    def __init__(self, *, held: bool = False, takes_s: float = 0.0) -> None:
        self._takes_s = takes_s
        self._lock = threading.Lock()
        self.active = self.most = 0
        self.begun: list[int] = []
        self.go = threading.Event()
        if not held:
            self.go.set()

    def __call__(self, number: int) -> Result:
        with self._lock:
            self.active += 1
            self.most = max(self.most, self.active)
            self.begun.append(number)
        self.go.wait(PATIENCE_S)
        time.sleep(self._takes_s)
        with self._lock:
            self.active -= 1
        return Result(number)


def test_everything_is_done_once_and_recorded_before_it_is_reported() -> None:
    source = Numbers(range(1000))
    seen = []
    for outcome in run(source, ThreadPool(Result)):
        assert outcome.index in source.recorded
        seen.append(outcome.index)
    assert sorted(seen) == list(range(1000))
    assert sorted(source.recorded) == list(range(1000))
    assert source.released == []


def test_outcomes_come_in_input_order_if_asked() -> None:
    def work(number: int) -> Result:
        if number % 7 == 0:
            time.sleep(0.002)
        return Result(number)

    outcomes = run(Numbers(range(500)), ThreadPool(work), in_order=True)
    assert [outcome.index for outcome in outcomes] == list(range(500))


def test_outcomes_come_in_completion_order_otherwise() -> None:
    slow = threading.Event()

    def work(number: int) -> Result:
        if number == 0:
            slow.wait(PATIENCE_S)
        return Result(number)

    outcomes = run(Numbers(range(50)), ThreadPool(work))
    first = [next(outcomes).index for _ in range(49)]
    slow.set()
    assert 0 not in first
    assert [outcome.index for outcome in outcomes] == [0]


@pytest.mark.slow
@pytest.mark.parametrize("in_order", [False, True])
def test_the_input_is_read_only_as_far_as_needed(*, in_order: bool) -> None:
    source = Numbers(iter(range(10**9)))
    outcomes = run(source, ThreadPool(Result), in_order=in_order)
    for _ in range(20_000):
        next(outcomes)
    assert source.taken < 20_000 + 2_000
    outcomes.close()


@pytest.mark.slow
def test_a_slow_first_item_does_not_let_outcomes_pile_up() -> None:
    slow = threading.Event()

    def work(number: int) -> Result:
        if number == 0:
            slow.wait(PATIENCE_S)
        return Result(number)

    source = Numbers(iter(range(10**9)))
    outcomes = run(source, ThreadPool(work), in_order=True)
    timer = threading.Timer(0.5, slow.set)
    timer.start()
    assert next(outcomes).index == 0
    assert source.taken <= 1024
    outcomes.close()
    timer.join()


def test_closing_cancels_what_was_not_started_and_waits_for_what_was() -> None:
    tracked = Tracked()
    source = Numbers(iter(range(10**9)))
    outcomes = run(source, ThreadPool(tracked, concurrency=3))
    for _ in range(10):
        next(outcomes)
    outcomes.close()
    begun = len(tracked.begun)
    assert tracked.active == 0
    assert sorted(source.recorded) == sorted(tracked.begun)
    assert sorted(source.recorded + source.released) == list(range(source.taken))
    time.sleep(0.01)
    assert len(tracked.begun) == begun
    assert not [t for t in threading.enumerate() if t.name == "audiostore-worker"]


def test_ctrl_c_does_not_wait_for_running_tasks() -> None:
    tracked = Tracked(held=True)

    def press() -> None:
        while not tracked.begun:
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    source = Numbers(range(100))
    threading.Thread(target=press).start()
    with within(5), pytest.raises(KeyboardInterrupt):
        list(run(source, ThreadPool(tracked)))
    assert sorted(source.released + tracked.begun) == list(range(source.taken))
    tracked.go.set()


def test_a_failure_does_not_stop_the_others() -> None:
    def work(number: int) -> Result:
        return Result(number, ValueError("no") if number % 2 else None)

    outcomes = list(run(Numbers(range(100)), ThreadPool(work)))
    assert len(outcomes) == 100
    assert sum(outcome.error is not None for outcome in outcomes) == 50


@pytest.mark.parametrize("in_order", [False, True])
def test_fail_fast_starts_nothing_more_and_reports_what_was_running(*, in_order: bool) -> None:
    begun = []

    def work(number: int) -> Result:
        begun.append(number)
        return Result(number, ValueError("no") if number == 20 else None)

    source = Numbers(iter(range(10**9)))
    outcomes = list(run(source, ThreadPool(work), in_order=in_order, fail_fast=True))
    assert 20 in [outcome.index for outcome in outcomes]
    assert sorted(outcome.index for outcome in outcomes) == sorted(begun)
    assert sorted(begun + source.released) == list(range(source.taken))
    assert source.taken < 2000


def test_an_error_of_one_item_is_reported_though_one_of_all_comes_with_it() -> None:
    class Together(ThreadPool[int, Result]):
        def collect(self, *, low: int, timeout_s: float | None = None) -> list[Result]:
            found: list[Result] = []
            while self.pending:
                found += super().collect(low=low, timeout_s=timeout_s)
            return found

    errors = [OSError("of one"), affecting_all(OSError("of all"))]
    outcomes = run(Numbers(range(2)), Together(lambda number: Result(number, errors[number])))
    assert next(outcomes).error is errors[0]
    with pytest.raises(OSError, match="of all"):
        next(outcomes)


def test_nothing_more_is_started_after_an_error_of_all() -> None:
    error = affecting_all(OSError("of all"))
    pool = ThreadPool[int, Result](lambda number: Result(number, error), concurrency=1)
    pool.submit([Task(number, 0) for number in range(10)])
    assert [outcome.index for outcome in pool.collect(low=0)] == [0]
    assert pool.collect(low=0, timeout_s=0.02) == []
    assert pool.cancel() == list(range(1, 10))
    pool.shutdown(wait=True)


def test_an_error_of_the_input_comes_after_the_outcomes_of_its_items() -> None:
    def items() -> Iterator[int]:
        yield from range(25)
        raise OSError("the manifest cannot be read on")

    outcomes = run(Numbers(items()), ThreadPool(Result))
    assert sorted(next(outcomes).index for _ in range(25)) == list(range(25))
    with pytest.raises(OSError, match="cannot be read on"):
        next(outcomes)


def test_an_error_while_recording_ends_the_run() -> None:
    class Full(Numbers):
        def record(self, outcomes: Sequence[Result]) -> None:
            if outcomes:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(run(Full(range(100)), ThreadPool(Result)))


def test_busy_items_are_tried_again() -> None:
    @dataclass
    class Shared(Numbers):
        polls: int = 0

        def take(self, limit: int) -> Batch[int, Result] | None:
            taken = super().take(limit) if limit else Batch(())
            if taken is None:
                self.polls += 1
                if self.polls < 4:
                    return Batch((), busy=1)
                return Batch((), [Result(10)]) if self.polls == 4 else None
            return Batch(taken.tasks, busy=1)

    outcomes = list(run(Shared(range(10)), ThreadPool(Result), in_order=True))
    assert [outcome.index for outcome in outcomes] == list(range(11))


def test_items_finished_by_another_run_are_reported_while_ours_are_running() -> None:
    slow = threading.Event()

    @dataclass
    class Shared(Numbers):
        polls: int = 0

        def take(self, limit: int) -> Batch[int, Result] | None:
            self.polls += 1
            if self.polls == 1:
                return super().take(limit)
            if self.polls < 4:
                return Batch((), busy=1)
            return Batch((), [Result(10)]) if self.polls == 4 else None

    def work(number: int) -> Result:
        slow.wait(PATIENCE_S)
        return Result(number)

    outcomes = run(Shared(range(1)), ThreadPool(work))
    assert next(outcomes).index == 10
    slow.set()
    assert [outcome.index for outcome in outcomes] == [0]


def test_fewer_tasks_run_after_the_store_was_overloaded() -> None:
    now = [0.0]
    tracked = Tracked(takes_s=0.001)
    pool = ThreadPool(tracked, clock=lambda: now[0])
    outcomes = run(Numbers(range(200)), pool)
    for _ in range(50):
        next(outcomes)
    assert tracked.most == INITIAL_LIMIT
    for _ in range(4):
        now[0] += 10
        pool.throttle()
    for _ in range(50):
        next(outcomes)
    tracked.most = 0
    assert len(list(outcomes)) == 100
    assert tracked.most == 1


def test_no_more_tasks_than_allowed_run_at_once() -> None:
    tracked = Tracked(takes_s=0.001)
    list(run(Numbers(range(300)), ThreadPool(tracked, concurrency=5)))
    assert 1 < tracked.most <= 5


@pytest.mark.slow
def test_few_large_tasks_run_at_once() -> None:
    def most_at_once(size_bytes: int) -> int:
        tracked = Tracked(takes_s=0.005)
        list(run(Numbers(range(600), size_bytes), ThreadPool(tracked, concurrency=32)))
        return tracked.most

    assert most_at_once(1 << 30) <= 4
    assert most_at_once(20 << 20) <= 6
    assert most_at_once(20 << 10) > 8


def test_an_overloaded_store_gets_fewer_requests() -> None:
    pool = ThreadPool(Result)
    notifier = Notifier()
    overloaded = Retried("store", 1, 0.1, _overloaded(503))
    pushes = iter([overloaded] * 3)

    def work(number: int) -> Result:
        for event in pushes:
            notifier(event)
        return Result(number)

    list(execute(Numbers(range(10)), Job(work, _failed, [notifier]), RunOptions()))
    notifier(overloaded)  # nothing listens any more
    before = pool.limit
    pool.throttle()
    assert pool.limit == before // 2


def _failed(number: int, error: Exception) -> Result:
    return Result(number, error)


@pytest.mark.parametrize(("code", "expected"), [(503, True), (429, True), (500, False)])
def test_an_overload_is_recognized_by_its_status(code: int, *, expected: bool) -> None:
    assert signals_overload(Retried("store", 1, 0.1, _overloaded(code))) == expected
    assert not signals_overload(Retried("store", 1, 0.1, StoreConnectionError("broke")))
    assert not signals_overload(Progress("a", 1, 2))


def _overloaded(code: int) -> Exception:
    error = RuntimeError("busy")
    error.code = code  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency is 0"),
        ({"max_rate_bytes_s": 0}, "max_rate_bytes_s is 0"),
        ({"max_rate_bytes_s": float("nan")}, "max_rate_bytes_s is nan"),
        ({"max_writes_per_s": -1}, "max_writes_per_s is -1"),
    ],
)
def test_options_that_allow_nothing_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RunOptions(**options)  # type: ignore[arg-type]


# -- the adaptive limit ------------------------------------------------------------------------


class World:
    """A store whose speed depends on how many tasks run at once; time is simulated."""

    def __init__(
        self, speed: Callable[[int], float], *, maximum: int = 256, cpu_s: float = 0.001
    ) -> None:
        self.now = 0.0
        self._speed = speed
        self._cpu_s = cpu_s
        """What an asset takes of a processor; all that have begun have taken it."""
        self._begun = 0
        self.limit = AdaptiveLimit(
            maximum, cpu_s=lambda: self._begun * self._cpu_s, clock=lambda: self.now
        )
        self.limit.begun()
        self.seen: list[int] = []

    def work(self, seconds: float, size_bytes: int = 20_000) -> None:
        end = self.now + seconds
        while self.now < end:
            if not self.seen:  # the first ones end at about the same time
                self.now += self.limit.value / self._speed(self.limit.value)
                self._begun = self.limit.value
            else:
                self.now += 1 / self._speed(self.limit.value)
                self._begun += 1
            self.limit.finished(size_bytes)
            self.seen.append(self.limit.value)


def distant(answer_s: float, *, cpu_s: float = 0.001) -> Callable[[int], float]:
    """Each asset waits for answers; a processor has no time for more than so many."""
    return lambda n: min(n / (answer_s + cpu_s), 1 / cpu_s)


@pytest.mark.parametrize("answer_s", [0.06, 0.2])
def test_the_first_outcome_shows_how_many_keep_a_processor_busy(answer_s: float) -> None:
    world = World(distant(answer_s))
    world.work(answer_s)
    assert world.limit.value == pytest.approx(answer_s / 0.001, rel=0.1)
    world.work(5)
    assert 0.6 * answer_s / 0.001 < world.limit.value < 1.6 * answer_s / 0.001


def test_the_limit_rises_to_its_maximum_for_a_very_distant_store() -> None:
    world = World(distant(0.5))
    world.work(1.5)
    assert world.limit.value == 256


def test_the_limit_stays_where_the_processor_has_no_time_for_more() -> None:
    world = World(lambda _: 1000.0)
    world.work(3)
    assert set(world.seen) == {INITIAL_LIMIT}
    world.work(10)
    assert world.limit.value <= INITIAL_LIMIT
    assert max(world.seen) <= 2 * INITIAL_LIMIT


def test_the_limit_returns_where_more_gain_nothing_though_the_processor_is_idle() -> None:
    world = World(lambda _: 100.0)  # a slow line
    world.work(60)
    assert world.limit.value <= 2 * INITIAL_LIMIT


def test_the_limit_finds_the_knee() -> None:
    world = World(lambda n: min(n, 24) / 0.030, cpu_s=0.0)
    world.work(60)
    assert 16 <= world.limit.value <= 36


def test_the_limit_stays_within_its_maximum() -> None:
    world = World(distant(0.06), maximum=3)
    world.work(20)
    assert max(world.seen) <= 3


def test_the_first_outcome_after_an_overload_raises_nothing() -> None:
    world = World(distant(0.2))
    world.limit.throttle()
    world.work(0.2)
    assert max(world.seen) == INITIAL_LIMIT // 2


def test_the_limit_falls_once_for_many_overload_responses_and_rises_again() -> None:
    world = World(distant(0.06))
    world.work(2)
    before = world.limit.value
    for _ in range(20):
        world.limit.throttle()
    assert world.limit.value == before // 2
    world.work(20)
    assert world.limit.value > 0.75 * before


# -- the rate ----------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_bytes_of_all_transfers_together_keep_the_rate() -> None:
    clock = Clock()
    rate = RateLimiter(1_000_000, clock=clock, sleep=clock.sleep)
    for done in range(100_000, 5_000_001, 100_000):
        for name in ("a", "b"):
            rate.on_progress(Progress(name, done, 5_000_000))
    rate.wait()
    assert clock.now == pytest.approx(10.0, rel=0.01)


def test_objects_keep_a_rate_however_large_they_are() -> None:
    clock = Clock()
    rate = RateLimiter(100, objects_written, clock=clock, sleep=clock.sleep)
    for number in range(500):
        for done in (100_000, 200_000):
            rate.on_progress(Progress(str(number), done, 200_000))
    rate.wait()
    assert clock.now == pytest.approx(5.0, rel=0.01)


def test_bytes_reported_twice_count_once() -> None:
    clock = Clock()
    rate = RateLimiter(1_000_000, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        rate.on_progress(Progress("a", 1_000_000, 1_000_000))
    rate.wait()
    assert clock.now == pytest.approx(1.0, rel=0.01)


def test_no_thread_is_delayed_for_long_and_the_next_transfer_waits() -> None:
    clock = Clock()
    rate = RateLimiter(1_000_000, clock=clock, sleep=clock.sleep)
    rate.on_progress(Progress("a", 5_000_000, 5_000_000))
    assert clock.now <= 0.25
    rate.wait()
    assert clock.now == pytest.approx(5.0, rel=0.01)


def test_progress_events_reach_the_rate_limiter() -> None:
    notifier = Notifier()

    def work(number: int) -> Result:
        notifier(Progress(str(number), 30_000, 30_000))
        return Result(number)

    started = time.monotonic()
    list(
        execute(
            Numbers(range(2)),
            Job(work, _failed, [notifier]),
            RunOptions(concurrency=1, max_rate_bytes_s=300_000.0),
        )
    )
    assert time.monotonic() - started > 0.09


@pytest.mark.parametrize("bytes_s", [None, 1e9])
def test_no_event_of_a_run_fails_in_its_listener(
    caplog: pytest.LogCaptureFixture, bytes_s: float | None
) -> None:
    notifier = Notifier()

    def work(number: int) -> Result:
        for event in (Progress("a", 1, 1), Retried("store", 1, 0.1, OSError("broke"))):
            notifier(event)
        return Result(number)

    list(
        execute(
            Numbers(range(2)),
            Job(work, _failed, [notifier]),
            RunOptions(concurrency=1, max_rate_bytes_s=bytes_s),
        )
    )
    assert caplog.records == []


def test_many_small_transfers_at_once_are_delayed_one_by_one() -> None:
    clock = Clock()
    rate = RateLimiter(1000.0, clock=clock, sleep=clock.sleep)
    slept: list[float] = []
    holding = threading.Lock()

    def sleep(seconds: float) -> None:
        assert holding.acquire(blocking=False)
        slept.append(seconds)
        time.sleep(0.005)
        holding.release()

    rate._sleep = sleep
    threads = [
        threading.Thread(target=rate.on_progress, args=(Progress(str(number), 1000, 1000),))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slept) == 6


def test_the_start_of_work_is_reported() -> None:
    told: list[Event] = []
    list(execute(Numbers(range(2)), Job(Result, _failed, [Notifier(told.append)]), RunOptions()))
    assert told == [BulkBegun()]
