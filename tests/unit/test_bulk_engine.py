"""The engine: one outcome each, as many at once as it pays, nothing lost when it is stopped."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from audiostore.bulk.executors.engine import Input, Job, Limits, Taken, run, work_off
from audiostore.bulk.executors.limits import FIRST, Level, Pace, is_push_back
from audiostore.bulk.executors.threads import Task, Workers
from audiostore.errors import StoreConnectionError
from audiostore.events import BulkBegun, Event, Progress, Retried
from audiostore.notify import Notifier


@dataclass(frozen=True)
class Result:
    index: int
    error: Exception | None = None
    size_bytes: int = 0


@dataclass
class Numbers:
    """Brings numbers, and remembers what it was told."""

    items: Iterable[int]
    size_bytes: int = 0
    settled: list[int] = field(default_factory=list)
    given_back: list[int] = field(default_factory=list)
    taken: int = 0

    def __post_init__(self) -> None:
        self._input = Input(self.items)

    def take(self, most: int) -> Taken[int, Result] | None:
        taken = self._input.take(most)
        self.taken += len(taken)
        return Taken([Task(n, self.size_bytes) for _, n in taken]) if taken else None

    def settle(self, outcomes: Sequence[Result]) -> None:
        self.settled += [outcome.index for outcome in outcomes]

    def give_back(self, tasks: Sequence[int]) -> None:
        self.given_back += tasks


class Crowd:
    """Work that notes how many do it at once, and waits for a word."""

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
        self.go.wait(10)
        time.sleep(self._takes_s)
        with self._lock:
            self.active -= 1
        return Result(number)


def test_everything_is_done_once_and_settled_before_it_is_told() -> None:
    feed = Numbers(range(1000))
    seen = []
    for outcome in run(feed, Workers(Result)):
        assert outcome.index in feed.settled
        seen.append(outcome.index)
    assert sorted(seen) == list(range(1000))
    assert sorted(feed.settled) == list(range(1000))
    assert feed.given_back == []


def test_outcomes_come_in_the_order_of_the_input_if_asked() -> None:
    def work(number: int) -> Result:
        if number % 7 == 0:
            time.sleep(0.002)
        return Result(number)

    outcomes = run(Numbers(range(500)), Workers(work), in_order=True)
    assert [outcome.index for outcome in outcomes] == list(range(500))


def test_outcomes_come_as_they_are_ready_otherwise() -> None:
    slow = threading.Event()

    def work(number: int) -> Result:
        if number == 0:
            slow.wait(10)
        return Result(number)

    outcomes = run(Numbers(range(50)), Workers(work))
    first = [next(outcomes).index for _ in range(49)]
    slow.set()
    assert 0 not in first
    assert [outcome.index for outcome in outcomes] == [0]


@pytest.mark.parametrize("in_order", [False, True])
def test_the_input_is_read_only_as_far_as_it_is_needed(*, in_order: bool) -> None:
    feed = Numbers(iter(range(10**9)))
    outcomes = run(feed, Workers(Result), in_order=in_order)
    for _ in range(20_000):
        next(outcomes)
    assert feed.taken < 20_000 + 2_000
    outcomes.close()  # type: ignore[attr-defined]


def test_a_slow_first_item_does_not_let_the_others_pile_up() -> None:
    slow = threading.Event()

    def work(number: int) -> Result:
        if number == 0:
            slow.wait(10)
        return Result(number)

    feed = Numbers(iter(range(10**9)))
    outcomes = run(feed, Workers(work), in_order=True)
    timer = threading.Timer(0.5, slow.set)
    timer.start()
    assert next(outcomes).index == 0
    assert feed.taken <= 1024
    outcomes.close()  # type: ignore[attr-defined]
    timer.join()


def test_closing_cancels_what_was_not_begun_and_waits_for_what_was() -> None:
    crowd = Crowd()
    feed = Numbers(iter(range(10**9)))
    outcomes = run(feed, Workers(crowd, concurrency=3))
    for _ in range(10):
        next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    begun = len(crowd.begun)
    assert crowd.active == 0
    assert sorted(feed.settled) == sorted(crowd.begun)
    assert sorted(feed.settled + feed.given_back) == list(range(feed.taken))
    time.sleep(0.01)
    assert len(crowd.begun) == begun
    assert not [t for t in threading.enumerate() if t.name == "audiostore-worker"]


def test_ctrl_c_does_not_wait_for_what_is_under_way() -> None:
    crowd = Crowd(held=True)

    def press() -> None:
        while not crowd.begun:
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    feed = Numbers(range(100))
    threading.Thread(target=press).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(run(feed, Workers(crowd)))
    assert time.monotonic() - started < 5
    assert sorted(feed.given_back + crowd.begun) == list(range(feed.taken))
    crowd.go.set()


def test_a_failure_does_not_stop_the_others() -> None:
    def work(number: int) -> Result:
        return Result(number, ValueError("no") if number % 2 else None)

    outcomes = list(run(Numbers(range(100)), Workers(work)))
    assert len(outcomes) == 100
    assert sum(outcome.error is not None for outcome in outcomes) == 50


@pytest.mark.parametrize("in_order", [False, True])
def test_fail_fast_begins_nothing_more_and_tells_what_was_under_way(*, in_order: bool) -> None:
    begun = []

    def work(number: int) -> Result:
        begun.append(number)
        return Result(number, ValueError("no") if number == 20 else None)

    feed = Numbers(iter(range(10**9)))
    outcomes = list(run(feed, Workers(work), in_order=in_order, fail_fast=True))
    assert 20 in [outcome.index for outcome in outcomes]
    assert sorted(outcome.index for outcome in outcomes) == sorted(begun)
    assert sorted(begun + feed.given_back) == list(range(feed.taken))
    assert feed.taken < 2000


def test_what_the_input_raises_comes_behind_all_that_it_gave() -> None:
    def items() -> Iterator[int]:
        yield from range(25)
        raise OSError("the manifest cannot be read on")

    outcomes = run(Numbers(items()), Workers(Result))
    assert sorted(next(outcomes).index for _ in range(25)) == list(range(25))
    with pytest.raises(OSError, match="cannot be read on"):
        next(outcomes)


def test_what_settling_raises_ends_the_run() -> None:
    class Full(Numbers):
        def settle(self, outcomes: Sequence[Result]) -> None:
            if outcomes:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(run(Full(range(100)), Workers(Result)))


def test_items_that_others_are_busy_with_are_asked_for_again() -> None:
    @dataclass
    class Shared(Numbers):
        polls: int = 0

        def take(self, most: int) -> Taken[int, Result] | None:
            taken = super().take(most) if most else Taken(())
            if taken is None:
                self.polls += 1
                if self.polls < 4:
                    return Taken((), deferred=1)
                return Taken((), [Result(10)]) if self.polls == 4 else None
            return Taken(taken.tasks, deferred=1)

    outcomes = list(run(Shared(range(10)), Workers(Result), in_order=True))
    assert [outcome.index for outcome in outcomes] == list(range(11))


def test_what_others_have_finished_is_told_while_ours_is_under_way() -> None:
    slow = threading.Event()

    @dataclass
    class Shared(Numbers):
        polls: int = 0

        def take(self, most: int) -> Taken[int, Result] | None:
            self.polls += 1
            if self.polls == 1:
                return super().take(most)
            if self.polls < 4:
                return Taken((), deferred=1)
            return Taken((), [Result(10)]) if self.polls == 4 else None

    def work(number: int) -> Result:
        slow.wait(10)
        return Result(number)

    outcomes = run(Shared(range(1)), Workers(work))
    assert next(outcomes).index == 10
    slow.set()
    assert [outcome.index for outcome in outcomes] == [0]


def test_fewer_are_under_way_after_the_store_pushed_back() -> None:
    now = [0.0]
    crowd = Crowd(takes_s=0.001)
    workers = Workers(crowd, clock=lambda: now[0])
    outcomes = run(Numbers(range(200)), workers)
    for _ in range(50):
        next(outcomes)
    assert crowd.most == FIRST
    for _ in range(4):
        now[0] += 10
        workers.pushed_back()
    for _ in range(50):
        next(outcomes)
    crowd.most = 0
    assert len(list(outcomes)) == 100
    assert crowd.most == 1


def test_no_more_are_under_way_than_allowed() -> None:
    crowd = Crowd(takes_s=0.001)
    list(run(Numbers(range(300)), Workers(crowd, concurrency=5)))
    assert 1 < crowd.most <= 5


def test_few_large_ones_are_under_way_at_once() -> None:
    def most_at_once(size_bytes: int) -> int:
        crowd = Crowd(takes_s=0.005)
        list(run(Numbers(range(600), size_bytes), Workers(crowd, concurrency=32)))
        return crowd.most

    assert most_at_once(1 << 30) <= 4
    assert most_at_once(20 << 20) <= 6
    assert most_at_once(20 << 10) > 8


def test_a_store_that_pushes_back_gets_less() -> None:
    workers = Workers(Result)
    notifier = Notifier()
    overloaded = Retried("store", 1, 0.1, _overloaded(503))
    pushes = iter([overloaded] * 3)

    def work(number: int) -> Result:
        for event in pushes:
            notifier(event)
        return Result(number)

    list(work_off(Numbers(range(10)), Job(work, _failed, [notifier]), Limits()))
    notifier(overloaded)  # nobody listens any more
    before = workers.level
    workers.pushed_back()
    assert workers.level == before // 2


def _failed(number: int, error: Exception) -> Result:
    return Result(number, error)


@pytest.mark.parametrize(("code", "expected"), [(503, True), (429, True), (500, False)])
def test_pushing_back_is_what_says_so(code: int, *, expected: bool) -> None:
    assert is_push_back(Retried("store", 1, 0.1, _overloaded(code))) == expected
    assert not is_push_back(Retried("store", 1, 0.1, StoreConnectionError("broke")))
    assert not is_push_back(Progress("a", 1, 2))


def _overloaded(code: int) -> Exception:
    error = RuntimeError("busy")
    error.code = code  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"concurrency": 0}, "concurrency is 0"),
        ({"max_rate_bytes_s": 0}, "max_rate_bytes_s is 0"),
        ({"max_rate_bytes_s": float("nan")}, "max_rate_bytes_s is nan"),
    ],
)
def test_limits_that_allow_nothing_are_refused(limits: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limits(**limits)


# -- the level ---------------------------------------------------------------------------------


class World:
    """A store of which it is known how fast it is with so many at once; time is made."""

    def __init__(self, speed: Callable[[int], float], *, limit: int = 64) -> None:
        self.now = 0.0
        self._speed = speed
        self.level = Level(limit, clock=lambda: self.now)
        self.seen: list[int] = []

    def work(self, seconds: float, size_bytes: int = 20_000) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 1 / self._speed(self.level.value)
            self.level.finished(size_bytes)
            self.seen.append(self.level.value)


def test_the_level_climbs_to_the_limit_over_a_long_wire() -> None:
    world = World(lambda n: n / 0.060)  # each asset takes 60 ms, however many there are
    world.work(1.5)
    assert world.level.value == 64


def test_the_level_leaps_where_each_step_pays_in_full() -> None:
    world = World(lambda n: n / 0.060, limit=256)
    world.work(0.25)
    assert world.level.value == 8 * FIRST


def test_a_slow_start_is_not_taken_for_the_speed() -> None:
    done: list[int] = []
    world = World(lambda _: 50.0 if len(done) < FIRST else 1000.0)
    for _ in range(2000):
        world.work(0.0005)
        done.append(1)
    assert max(world.seen) <= 2 * FIRST


def test_the_level_stays_low_where_more_gain_nothing() -> None:
    world = World(lambda _: 1000.0)
    world.work(10)
    assert world.level.value <= FIRST
    assert max(world.seen) <= 2 * FIRST


def test_the_level_finds_the_knee() -> None:
    world = World(lambda n: min(n, 24) / 0.030)
    world.work(60)
    assert 16 <= world.level.value <= 36


def test_the_level_stays_within_the_limit() -> None:
    world = World(lambda n: n / 0.060, limit=3)
    world.work(20)
    assert max(world.seen) <= 3


def test_the_level_falls_when_pushed_back_once_for_many_answers_and_rises_again() -> None:
    world = World(lambda n: n / 0.060)
    world.work(2)
    for _ in range(20):
        world.level.pushed_back()
    assert world.level.value == 32
    world.work(20)
    assert world.level.value > 48


# -- the rate ----------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_bytes_of_all_transfers_together_keep_to_the_rate() -> None:
    clock = Clock()
    pace = Pace(1_000_000, clock=clock, sleep=clock.sleep)
    for done in range(100_000, 5_000_001, 100_000):
        for name in ("a", "b"):
            pace.moved(Progress(name, done, 5_000_000))
    pace.wait()
    assert clock.now == pytest.approx(10.0, rel=0.01)


def test_bytes_that_are_told_twice_count_once() -> None:
    clock = Clock()
    pace = Pace(1_000_000, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        pace.moved(Progress("a", 1_000_000, 1_000_000))
    pace.wait()
    assert clock.now == pytest.approx(1.0, rel=0.01)


def test_no_thread_is_held_up_for_long_and_the_next_transfer_waits_for_all() -> None:
    clock = Clock()
    pace = Pace(1_000_000, clock=clock, sleep=clock.sleep)
    pace.moved(Progress("a", 5_000_000, 5_000_000))
    assert clock.now <= 0.25
    pace.wait()
    assert clock.now == pytest.approx(5.0, rel=0.01)


def test_listening_reaches_the_pace() -> None:
    notifier = Notifier()

    def work(number: int) -> Result:
        notifier(Progress(str(number), 30_000, 30_000))
        return Result(number)

    started = time.monotonic()
    list(work_off(Numbers(range(2)), Job(work, _failed, [notifier]), Limits(1, 300_000.0)))
    assert time.monotonic() - started > 0.09


def test_many_small_ones_at_once_are_held_up_one_by_one() -> None:
    clock = Clock()
    pace = Pace(1000.0, clock=clock, sleep=clock.sleep)
    slept: list[float] = []
    holding = threading.Lock()

    def sleep(seconds: float) -> None:
        assert holding.acquire(blocking=False)
        slept.append(seconds)
        time.sleep(0.005)
        holding.release()

    pace._sleep = sleep
    threads = [
        threading.Thread(target=pace.moved, args=(Progress(str(number), 1000, 1000),))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slept) == 6


def test_it_is_told_that_work_has_begun() -> None:
    told: list[Event] = []
    list(work_off(Numbers(range(2)), Job(Result, _failed, [Notifier(told.append)]), Limits()))
    assert told == [BulkBegun()]
