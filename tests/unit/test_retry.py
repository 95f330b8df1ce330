"""When to try again, and how long to wait: counted, never slept."""

import asyncio
import logging
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from google.api_core import exceptions as google

from audiostore.errors import (
    AudioStoreError,
    CredentialsError,
    IntegrityError,
    SourceNotFoundError,
    StoreConnectionError,
    StoreTimeoutError,
)
from audiostore.retry import (
    AGGRESSIVE_CONFIG,
    CONSERVATIVE_CONFIG,
    DEADLINE_CONFIG,
    PATIENT_CONFIG,
    Budget,
    Retry,
    RetryConfig,
    is_overload,
    retry_after_s,
    retry_operation,
    with_retry,
)
from tests.timing import SimulatedTime

STEADY = RetryConfig(max_attempts=4, initial_delay=1, max_delay=8, jitter=False)
AT_ONCE = RetryConfig(max_attempts=3, initial_delay=0, max_delay=0)


class Operation:
    """Fails with the given errors, one after the other; then gives "done"."""

    def __init__(self, *errors: BaseException) -> None:
        self.calls = 0
        self._errors = errors

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= len(self._errors):
            raise self._errors[self.calls - 1]
        return "done"


class Answer:
    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers


def asks_to_wait(value: str, name: str = "Retry-After") -> google.GoogleAPICallError:
    return google.ServiceUnavailable("busy", response=Answer({name: value}))


# -- configuration -----------------------------------------------------------------------------


def test_the_presets_are_as_documented() -> None:
    def values(config: RetryConfig) -> tuple[int, float, float, float, bool]:
        return (
            config.max_attempts,
            config.initial_delay,
            config.exponential_base,
            config.max_delay,
            config.jitter,
        )

    assert values(CONSERVATIVE_CONFIG) == (3, 1.0, 2.0, 16.0, True)
    assert values(AGGRESSIVE_CONFIG) == (5, 0.5, 1.5, 8.0, True)
    assert values(PATIENT_CONFIG) == (4, 2.0, 2.5, 60.0, True)
    assert values(DEADLINE_CONFIG) == (sys.maxsize, 1.0, 2.0, 8.0, True)
    deadlines = {
        config.deadline_s for config in (CONSERVATIVE_CONFIG, AGGRESSIVE_CONFIG, PATIENT_CONFIG)
    }
    assert (deadlines, DEADLINE_CONFIG.deadline_s) == ({None}, 120)


def test_delays_grow_up_to_their_limit() -> None:
    config = RetryConfig(initial_delay=0.5, exponential_base=3, max_delay=10, jitter=False)
    assert [config.calculate_delay(n) for n in range(5)] == [0.5, 1.5, 4.5, 10, 10]
    assert config.calculate_delay(100_000) == 10


def test_no_delay_stays_none() -> None:
    config = RetryConfig(initial_delay=0, max_delay=10, jitter=False)
    assert config.calculate_delay(100_000) == 0


@pytest.mark.parametrize(("drawn", "factor"), [(0.0, 0.5), (0.25, 0.75), (0.999, 1.499)])
def test_jitter_is_a_factor_from_a_half_to_one_and_a_half(
    monkeypatch: pytest.MonkeyPatch, drawn: float, factor: float
) -> None:
    monkeypatch.setattr(random, "random", lambda: drawn)
    config = RetryConfig(initial_delay=2, max_delay=3)
    assert config.calculate_delay(0) == pytest.approx(2 * factor)
    assert config.calculate_delay(9) == pytest.approx(3 * factor)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"initial_delay": -1.0}, "initial_delay"),
        ({"initial_delay": 5.0, "max_delay": 4.0}, "max_delay"),
        ({"exponential_base": 0.9}, "exponential_base"),
        ({"deadline_s": -1.0}, "deadline_s"),
        ({"deadline_s": float("nan")}, "deadline_s"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RetryConfig(**values)  # type: ignore[arg-type]


# -- what is tried again -----------------------------------------------------------------------


class Coded(Exception):  # noqa: N818
    def __init__(self, code: object) -> None:
        super().__init__(code)
        self.code = code


@pytest.mark.parametrize(
    "error",
    [Coded(code) for code in (408, 429, 500, 502, 503, 504)]
    + [
        google.TooManyRequests("x"),
        google.InternalServerError("x"),
        google.BadGateway("x"),
        google.ServiceUnavailable("x"),
        google.GatewayTimeout("x"),
        google.DeadlineExceeded("x"),
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        StoreConnectionError(),
        StoreTimeoutError(),
        AudioStoreError("busy", status=503),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception, slept: list[float]) -> None:
    operation = Operation(error)
    assert retry_operation(operation, STEADY, sleep=slept.append) == "done"
    assert operation.calls == 2
    assert len(slept) == 1


@pytest.mark.parametrize(
    "error",
    [Coded(code) for code in (200, 400, 401, 403, 404, 409, 410, 412, 416, 501, 505, "503", None)]
    + [
        google.Forbidden("x"),
        google.NotFound("x"),
        google.PreconditionFailed("x"),
        google.BadRequest("x"),
        FileNotFoundError(),
        PermissionError(),
        OSError(28, "No space left on device"),
        ValueError(),
        SourceNotFoundError(),
        CredentialsError(),
        IntegrityError(),
        AudioStoreError("refused", status=403),
        KeyboardInterrupt(),
        SystemExit(503),
        asyncio.CancelledError(),
    ],
)
def test_what_will_not_pass_fails_at_once(error: BaseException, slept: list[float]) -> None:
    operation = Operation(error)
    with pytest.raises(type(error)) as caught:
        retry_operation(operation, STEADY, sleep=slept.append)
    assert caught.value is error
    assert operation.calls == 1
    assert slept == []


def test_any_kind_of_code_is_looked_at_without_an_error_of_ours(slept: list[float]) -> None:
    error = Coded([503])
    with pytest.raises(Coded):
        retry_operation(Operation(error), STEADY, sleep=slept.append)


@pytest.mark.parametrize("status", [429, 503])
def test_overload_is_recognised_by_the_status_of_any_stores_error(status: int) -> None:
    assert is_overload(Coded(status))
    assert is_overload(AudioStoreError("busy", status=status))


@pytest.mark.parametrize("error", [Coded(500), Coded("503"), TimeoutError(), AudioStoreError()])
def test_other_failures_are_not_overload(error: Exception) -> None:
    assert not is_overload(error)


def test_the_caller_chooses_the_retryable_errors(slept: list[float]) -> None:
    config = RetryConfig(retryable_exceptions=(KeyError,))
    assert retry_operation(Operation(KeyError()), config, sleep=slept.append) == "done"
    with pytest.raises(ConnectionError):
        retry_operation(Operation(ConnectionError()), config, sleep=slept.append)


# -- how often ---------------------------------------------------------------------------------


def test_attempts_count_the_first_one(slept: list[float]) -> None:
    operation = Operation(*[ConnectionError(str(n)) for n in range(10)])
    with pytest.raises(ConnectionError, match="3"):
        retry_operation(operation, STEADY, sleep=slept.append)
    assert operation.calls == 4
    assert slept == [1, 2, 4]


def test_a_single_attempt_is_not_retried(slept: list[float]) -> None:
    operation = Operation(ConnectionError())
    with pytest.raises(ConnectionError):
        retry_operation(operation, RetryConfig(max_attempts=1), sleep=slept.append)
    assert (operation.calls, slept) == (1, [])


def test_the_last_error_is_raised_itself_with_a_note(slept: list[float]) -> None:
    errors = [ConnectionError(str(n)) for n in range(4)]
    with pytest.raises(ConnectionError) as caught:
        retry_operation(Operation(*errors), STEADY, "store x", sleep=slept.append)
    assert caught.value is errors[-1]
    assert caught.value.__cause__ is None
    assert caught.value.__notes__ == ["while: store x (attempt 4)"]
    assert not hasattr(errors[0], "__notes__")


def test_the_default_is_conservative(slept: list[float]) -> None:
    operation = Operation(*[ConnectionError()] * 9)
    with pytest.raises(ConnectionError):
        retry_operation(operation, sleep=slept.append)
    assert operation.calls == 3
    assert len(slept) == 2


def test_progress_gives_all_attempts_back(slept: list[float]) -> None:
    budget = Budget(STEADY)
    calls = 0

    def operation() -> None:
        nonlocal calls
        calls += 1
        if calls in (3, 6):
            budget.renew()
        raise ConnectionError

    with pytest.raises(ConnectionError) as caught:
        retry_operation(operation, STEADY, budget=budget, sleep=slept.append)
    assert calls == 9
    assert slept == [1, 2, 1, 2, 4, 1, 2, 4]
    assert "(attempt 4)" in caught.value.__notes__[0]


def test_each_call_has_its_own_budget(slept: list[float]) -> None:
    for _ in range(2):
        operation = Operation(*[ConnectionError()] * 3)
        assert retry_operation(operation, STEADY, sleep=slept.append) == "done"
    assert slept == [1, 2, 4] * 2


# -- how long ----------------------------------------------------------------------------------

DEADLINE = RetryConfig(max_attempts=1000, initial_delay=1, max_delay=8, jitter=False, deadline_s=30)


def run_until_given_up(
    config: RetryConfig, time: SimulatedTime, operation: Callable[[], object] | None = None
) -> list[Retry]:
    reported: list[Retry] = []
    with pytest.raises(ConnectionError):
        retry_operation(
            operation or Operation(*[ConnectionError()] * 999),
            config,
            budget=Budget(config, clock=time.clock),
            on_retry=reported.append,
            sleep=time.sleep,
        )
    return reported


def test_the_last_attempt_is_made_at_the_deadline() -> None:
    time = SimulatedTime()
    reported = run_until_given_up(DEADLINE, time)
    assert time.slept == [1, 2, 4, 8, 8, 7]
    assert [retry.left_s for retry in reported] == [30, 29, 27, 23, 15, 7]


def test_attempts_and_deadline_both_limit() -> None:
    time = SimulatedTime()
    run_until_given_up(replace(DEADLINE, max_attempts=3), time)
    assert time.slept == [1, 2]


@pytest.mark.parametrize("deadline_s", [0, 0.5])
def test_a_deadline_before_the_first_wait_is_over(deadline_s: float) -> None:
    time = SimulatedTime()
    run_until_given_up(replace(DEADLINE, deadline_s=deadline_s), time)
    assert time.slept == ([deadline_s] if deadline_s else [])


def test_the_time_counts_from_the_first_failure_since_the_last_progress() -> None:
    time = SimulatedTime()
    budget = Budget(DEADLINE, clock=time.clock)
    calls = 0

    def operation() -> None:
        nonlocal calls
        calls += 1
        time.sleep(20)  # each attempt takes its time
        if calls == 2:
            budget.renew()
        raise ConnectionError

    with pytest.raises(ConnectionError):
        retry_operation(operation, DEADLINE, budget=budget, sleep=time.sleep)
    # First failure at 20 s; progress at 41 s, failure then; at 62 s 21 s of 30 s have passed.
    assert time.slept == [20, 1, 20, 1, 20, 2, 20]


# -- Retry-After -------------------------------------------------------------------------------


def test_retry_after_is_a_lower_bound(slept: list[float]) -> None:
    errors = [asks_to_wait("5"), asks_to_wait("1"), asks_to_wait("60", "retry-after")]
    assert retry_operation(Operation(*errors), STEADY, sleep=slept.append) == "done"
    assert slept == [5, 2, 60]


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 85 < retry_after_s(asks_to_wait(later)) <= 90
    assert retry_after_s(asks_to_wait("Wed, 21 Oct 2015 07:28:00 GMT")) == 0


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "Wed, 99 Foo 2015", "\0", "21 Oct"])
def test_an_unreadable_retry_after_is_ignored(value: str) -> None:
    assert retry_after_s(asks_to_wait(value)) == 0


def test_without_a_response_no_wait_is_requested() -> None:
    assert retry_after_s(ConnectionError()) == 0
    assert retry_after_s(google.ServiceUnavailable("x")) == 0


@pytest.mark.parametrize(
    ("config", "waits"),
    [(DEADLINE, {30: True, 31: False, 86400: False}), (STEADY, {300: True, 301: False})],
    ids=["with a deadline", "without"],
)
def test_a_wait_beyond_the_deadline_is_not_slept(
    config: RetryConfig, waits: dict[int, bool]
) -> None:
    for seconds, is_waited in waits.items():
        time = SimulatedTime()
        error = asks_to_wait(str(seconds))
        operation = Operation(error)
        budget = Budget(config, clock=time.clock)
        if is_waited:
            retry_operation(operation, config, budget=budget, sleep=time.sleep)
            assert time.slept == [seconds]
            continue
        with pytest.raises(google.ServiceUnavailable) as caught:
            retry_operation(operation, config, "store x", budget=budget, sleep=time.sleep)
        assert (operation.calls, time.slept) == (1, [])
        assert caught.value.__notes__ == [
            "while: store x (attempt 1)",
            f"the server asks to wait {seconds} s: try again after that",
        ]


def test_a_wait_of_any_length_is_understood() -> None:
    with pytest.raises(google.ServiceUnavailable):
        retry_operation(Operation(asks_to_wait("9" * 400)), STEADY)


# -- reports ----------------------------------------------------------------------------------


def test_every_retry_is_logged_with_operation_attempt_and_delay(
    slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[Retry] = []
    errors = [ConnectionError("first"), TimeoutError("second")]
    retry_operation(
        Operation(*errors), STEADY, "store gs://b/x", on_retry=reported.append, sleep=slept.append
    )
    assert [(r.name, r.levelno, r.getMessage()) for r in caplog.records] == [
        (
            "audiostore",
            logging.WARNING,
            "store gs://b/x failed on attempt 1 of 4, next in 1.00 s: first",
        ),
        (
            "audiostore",
            logging.WARNING,
            "store gs://b/x failed on attempt 2 of 4, next in 2.00 s: second",
        ),
    ]
    assert reported == [
        Retry("store gs://b/x", 1, 1, errors[0]),
        Retry("store gs://b/x", 2, 2, errors[1]),
    ]


def test_the_last_failure_is_not_reported_as_a_retry(slept: list[float]) -> None:
    reported: list[Retry] = []
    with pytest.raises(ConnectionError):
        retry_operation(
            Operation(*[ConnectionError()] * 9),
            STEADY,
            on_retry=reported.append,
            sleep=slept.append,
        )
    assert [retry.attempt for retry in reported] == [1, 2, 3]


# -- the decorator -----------------------------------------------------------------------------


def test_a_decorated_function_is_retried_and_keeps_its_face() -> None:
    seen: list[tuple[int, str]] = []

    @with_retry(AT_ONCE)
    def fetch(number: int, *, text: str) -> str:
        """Fetch."""
        seen.append((number, text))
        if len(seen) < 3:
            raise ConnectionError
        return f"{number}{text}"

    assert fetch(1, text="x") == "1x"
    assert seen == [(1, "x")] * 3
    assert (fetch.__name__, fetch.__doc__) == ("fetch", "Fetch.")


def test_a_decorated_function_raises_its_last_error(caplog: pytest.LogCaptureFixture) -> None:
    errors = [ConnectionError(str(n)) for n in range(3)]
    operation = Operation(*errors)

    @with_retry(AT_ONCE, "fetching")
    def fetch() -> str:
        return operation()

    with pytest.raises(ConnectionError) as caught:
        fetch()
    assert caught.value is errors[2]
    assert operation.calls == 3
    assert "fetching failed on attempt 1 of 3" in caplog.text


def test_a_decorated_coroutine_function_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    operation = Operation(ConnectionError(), ConnectionError())

    @with_retry(AT_ONCE)
    async def fetch(text: str) -> str:
        await asyncio.sleep(0)
        return text + operation()

    assert asyncio.iscoroutinefunction(fetch)
    assert asyncio.run(fetch("all ")) == "all done"
    assert operation.calls == 3
    assert "fetch failed on attempt 2 of 3" in caplog.text


def test_a_decorated_coroutine_function_raises_its_last_error() -> None:
    errors = [ConnectionError(str(n)) for n in range(3)]
    operation = Operation(*errors)

    @with_retry(AT_ONCE)
    async def fetch() -> str:
        return operation()

    with pytest.raises(ConnectionError) as caught:
        asyncio.run(fetch())
    assert caught.value is errors[2]
    assert operation.calls == 3


def test_a_cancelled_coroutine_is_not_retried() -> None:
    operation = Operation(asyncio.CancelledError())

    @with_retry(AT_ONCE)
    async def fetch() -> str:
        return operation()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(fetch())
    assert operation.calls == 1


def test_concurrent_calls_do_not_share_their_attempts() -> None:
    failed: dict[int, int] = {}

    @with_retry(AT_ONCE)
    async def fetch(number: int) -> int:
        await asyncio.sleep(0)
        failed[number] = failed.get(number, 0) + 1
        if failed[number] < 3:
            raise ConnectionError
        return number

    async def all_at_once() -> list[int]:
        return list(await asyncio.gather(*(fetch(n) for n in range(10))))

    assert asyncio.run(all_at_once()) == list(range(10))
