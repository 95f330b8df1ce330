"""Retries: the only place that decides which failures are transient, and how long to wait.

Built on tenacity, which is imported with the first failure.
"""

import math
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from audiostore.dataclass import dataclass
from audiostore.forking import imports
from audiostore.log import logger

if TYPE_CHECKING:
    from tenacity import RetryCallState

P = ParamSpec("P")
T = TypeVar("T")


RETRYABLE_STATUS_CODES = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses of transient failures (cloud.google.com/storage/docs/retry-strategy)."""

OVERLOAD_STATUS_CODES = frozenset({429, 503})
"""HTTP statuses by which a server asks for fewer requests."""

_LONGEST_RETRY_AFTER_S = 300.0
"""A server that asks for a longer wait is not waited for, whatever the configuration."""


def status_of(error: object) -> int | None:
    """Return an error's HTTP status: `status` of ours, `code` of `google.api_core.exceptions`."""
    codes = (getattr(error, name, None) for name in ("status", "code"))
    return next((code for code in codes if isinstance(code, int)), None)


def is_overload(error: BaseException) -> bool:
    """Say whether a store failed because it is overloaded: send fewer requests at once."""
    return status_of(error) in OVERLOAD_STATUS_CODES


class _RetryableStatusMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return status_of(instance) in RETRYABLE_STATUS_CODES


class RetryableStatus(Exception, metaclass=_RetryableStatusMeta):  # noqa: N818
    """In `RetryConfig.retryable_exceptions`, stands for any error with a retryable HTTP status.

    The status is the error's `status` (of an `AudioStoreError`) or `code` (of the classes of
    `google.api_core.exceptions`, which need not be imported for this).
    """


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """How often to try, how long to wait between attempts, and which exceptions to retry.

    Raises:
        ValueError: a value is out of its range.
    """

    max_attempts: int = 3
    """The total number of attempts, including the first."""
    initial_delay: float = 1.0
    """Seconds."""
    max_delay: float = 32.0
    """Seconds."""
    exponential_base: float = 2.0
    jitter: bool = True
    retryable_exceptions: tuple[type[BaseException], ...] = (
        RetryableStatus,
        ConnectionError,
        TimeoutError,
    )
    deadline_s: float | None = None
    """No attempt starts later than so many seconds after the first failure since the last progress;
    None: only `max_attempts` counts."""

    def __post_init__(self) -> None:
        if self.deadline_s is not None and not self.deadline_s >= 0:
            raise ValueError(f"deadline_s is {self.deadline_s}: it must not be negative")
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is {self.max_attempts}: it must be at least 1")
        if self.initial_delay < 0:
            raise ValueError(f"initial_delay is {self.initial_delay}: it must not be negative")
        if self.max_delay < self.initial_delay:
            raise ValueError(
                f"max_delay is {self.max_delay}: it must not be below initial_delay "
                f"({self.initial_delay})"
            )
        if self.exponential_base < 1:
            raise ValueError(f"exponential_base is {self.exponential_base}: it must be at least 1")

    def calculate_delay(self, attempt: int) -> float:
        """Return the seconds to wait after failed attempt number `attempt`, counted from 0.

        min(initial_delay * exponential_base ** attempt, max_delay), with jitter times a random
        factor in [0.5, 1.5).
        """
        import random  # noqa: PLC0415  (only after a failure)

        try:
            delay = min(self.initial_delay * self.exponential_base**attempt, self.max_delay)
        except OverflowError:
            delay = self.max_delay if self.initial_delay else 0.0
        return delay * (0.5 + random.random()) if self.jitter else delay  # noqa: S311

    def is_retryable(self, error: BaseException) -> bool:
        """Say whether the error is transient."""
        return isinstance(error, Exception) and isinstance(error, self.retryable_exceptions)


CONSERVATIVE_CONFIG = RetryConfig(
    max_attempts=3, initial_delay=1.0, max_delay=16.0, exponential_base=2.0
)
AGGRESSIVE_CONFIG = RetryConfig(
    max_attempts=5, initial_delay=0.5, max_delay=8.0, exponential_base=1.5
)
PATIENT_CONFIG = RetryConfig(
    max_attempts=4, initial_delay=2.0, max_delay=60.0, exponential_base=2.5
)
DEADLINE_CONFIG = RetryConfig(
    max_attempts=sys.maxsize,
    initial_delay=1.0,
    max_delay=8.0,
    exponential_base=2.0,
    deadline_s=120.0,
)
"""For work that is to outlast an outage: retries for two minutes, as Google's own client does.

Attempts are at most 12 seconds apart, so that the end of the outage is soon noticed.
"""


@dataclass(frozen=True, slots=True)
class Retry:
    """A failed attempt that is about to be repeated."""

    operation: str
    attempt: int
    """Number of the attempt that failed, from 1, since the last progress."""
    delay_s: float
    error: Exception
    left_s: float | None = None
    """Seconds until the deadline; None: there is none."""


class Budget:
    """The attempts and the time that one operation has left; progress restores them."""

    def __init__(
        self,
        config: RetryConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
        outage_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Start with all attempts and all the time.

        Args:
            config: says how many attempts, and how much time.
            clock: in seconds.
            outage_s: returns for how many seconds the same has failed for others, too.
        """
        self._config = config
        self._clock = clock
        self._outage_s = outage_s
        self._failed = 0
        self._failing_since = 0.0

    def renew(self) -> None:
        """Restore all attempts and the time: the operation made progress."""
        self._failed = 0

    def spend(self) -> int:
        """Count one failed attempt; return how many there are since the last progress."""
        if not self._failed:
            self._failing_since = self._clock()
        self._failed += 1
        return self._failed

    @property
    def failed(self) -> int:
        """Failed attempts since the last progress."""
        return self._failed

    @property
    def left_s(self) -> float | None:
        """Seconds until the deadline; None: there is none."""
        deadline_s = self._config.deadline_s
        if deadline_s is None or not self._failed:
            return deadline_s
        failing_s = max(self._clock() - self._failing_since, self._outage_s())
        return max(0.0, deadline_s - failing_s)

    @property
    def exhausted(self) -> bool:
        """Whether no attempt, or no time, is left."""
        return self._failed >= self._config.max_attempts or self.left_s == 0


def retry_after_s(error: BaseException) -> float:
    """Return the seconds to wait that the response of an error asks for (RFC 9110, 10.2.3); or 0.

    A number too large to be a float is infinite.
    """
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    value = headers.get("Retry-After") or headers.get("retry-after")
    if not isinstance(value, str):
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  (hardly any server sends a date)

    try:
        seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return 0.0
    return max(0.0, seconds)


def retry_operation(
    operation: Callable[[], T],
    config: RetryConfig | None = None,
    operation_name: str = "operation",
    *,
    budget: Budget | None = None,
    on_retry: Callable[[Retry], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call `operation` until it succeeds, fails permanently, or no attempt or no time is left.

    A wait that the server asks for (`Retry-After`) is at least that long. If it reaches beyond the
    deadline, or is longer than five minutes, the error is raised at once.

    Args:
        operation: called without arguments.
        config: `CONSERVATIVE_CONFIG` if None.
        operation_name: for the log.
        budget: renewed by the operation itself when it makes progress.
        on_retry: called before each repetition.
        sleep: waits that many seconds.

    Raises:
        Exception: the last one itself, with a note of how many attempts were made.
    """
    failure: Exception | None = None
    try:
        return operation()  # of many thousands of requests, nearly all return here
    except Exception as error:  # noqa: BLE001  (judged below, as the first attempt)
        failure = error

    with imports:
        from tenacity import (  # noqa: PLC0415  (only after a failure)
            Retrying,
            retry_if_exception,
        )

    def attempt() -> T:
        nonlocal failure
        if failure is not None:
            error, failure = failure, None
            raise error
        return operation()

    policy = _Policy(config or CONSERVATIVE_CONFIG, operation_name, budget, on_retry)
    retrying = Retrying(
        retry=retry_if_exception(policy.retryable),
        stop=policy.stop,
        wait=policy.wait,
        before_sleep=policy.before_sleep,
        sleep=sleep,
        reraise=True,
    )
    return retrying(attempt)


def with_retry(
    config: RetryConfig | None = None, operation_name: str | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function, or a coroutine function, so that its calls are retried.

    Example::

        @with_retry(PATIENT_CONFIG)
        def fetch() -> bytes: ...
    """
    from inspect import iscoroutinefunction  # noqa: PLC0415  (imports a lot)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        name = operation_name or str(getattr(function, "__qualname__", "operation"))
        if iscoroutinefunction(function):
            return cast("Callable[P, T]", _retried_coroutine(function, config, name))

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return retry_operation(lambda: function(*args, **kwargs), config, name)

        return call

    return decorate


def _retried_coroutine(
    function: Callable[P, Awaitable[T]], config: RetryConfig | None, name: str
) -> Callable[P, Awaitable[T]]:
    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        from tenacity import AsyncRetrying, retry_if_exception  # noqa: PLC0415  (asyncio)

        policy = _Policy(config or CONSERVATIVE_CONFIG, name)
        retrying = AsyncRetrying(
            retry=retry_if_exception(policy.retryable),
            stop=policy.stop,
            wait=policy.wait,
            before_sleep=policy.before_sleep,
            reraise=True,
        )
        return await retrying(function, *args, **kwargs)

    return call


class _Policy:
    """A RetryConfig in the form that tenacity needs."""

    def __init__(
        self,
        config: RetryConfig,
        operation: str,
        budget: Budget | None = None,
        on_retry: Callable[[Retry], None] | None = None,
    ) -> None:
        self._config = config
        self._operation = operation
        self._budget = budget or Budget(config)
        self._on_retry = on_retry

    # tenacity calls these after each failed attempt, in this order.

    def retryable(self, error: BaseException) -> bool:
        failed = self._budget.spend()
        if self._config.is_retryable(error):
            return True
        if isinstance(error, Exception):
            _note(error, self._operation, failed)
        return False

    def wait(self, state: "RetryCallState") -> float:
        delay = self._config.calculate_delay(self._budget.failed - 1)
        left_s = self._budget.left_s
        if left_s is not None:
            delay = min(delay, left_s)  # the last attempt comes at the deadline
        return max(delay, retry_after_s(_error(state)))

    def stop(self, state: "RetryCallState") -> bool:
        error = _error(state)
        if self._budget.exhausted:
            _note(error, self._operation, self._budget.failed)
            return True
        left_s = self._budget.left_s
        asked_s = retry_after_s(error)
        if asked_s <= min(_LONGEST_RETRY_AFTER_S, math.inf if left_s is None else left_s):
            return False
        _note(error, self._operation, self._budget.failed)
        error.add_note(f"the server asks to wait {asked_s:.0f} s: try again after that")
        return True

    def before_sleep(self, state: "RetryCallState") -> None:
        retry = Retry(
            self._operation,
            self._budget.failed,
            state.upcoming_sleep,
            _error(state),
            self._budget.left_s,
        )
        if retry.left_s is None:
            limit = f"of {self._config.max_attempts}"
        else:
            limit = f"({retry.left_s:.0f} s left)"
        logger.warning(
            "%s failed on attempt %d %s, next in %.2f s: %s",
            retry.operation,
            retry.attempt,
            limit,
            retry.delay_s,
            retry.error,
        )
        if self._on_retry:
            self._on_retry(retry)


def _note(error: BaseException, operation: str, attempt: int) -> None:
    error.add_note(f"while: {operation} (attempt {attempt})")


def _error(state: "RetryCallState") -> Exception:
    outcome = state.outcome
    error = outcome.exception() if outcome else None
    if not isinstance(error, Exception):
        raise TypeError("tenacity reported an attempt that did not fail")
    return error
