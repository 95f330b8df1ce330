"""Outages of a store, seen by all operations together.

Each operation that fails is retried until its deadline. When a store is down, thousands of them
would wait for minutes each, one after the other. So the time counts for all: an operation that
begins in an outage has only the rest of the time, and nothing is sent to a store that has been down
until the deadline, except by one operation every few seconds, which finds out whether it is back.
"""

import math
import time
from collections.abc import Callable

from audiostore.errors import StoreConnectionError, affecting_all
from audiostore.retry import RetryConfig, retry_after_s, status_of

_ANY = ""
"""Stands for all kinds of operations."""
_PROBE_S = 1.0
"""For so long after one operation was sent to find out, others are sent as well."""


class Outages:
    """For how long operations have failed, none succeeding. Safe to use from many threads.

    One kind of operation can fail alone, such as writing when a quota is used up: this counts for
    each kind, and for all together. It has no lock, which a fork could leave locked: each step is
    one operation on a dict.
    """

    def __init__(
        self, config: RetryConfig, url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin without an outage.

        Args:
            config: its deadline counts; without one, or time, no operation concerns another.
            url: the store, for messages.
            clock: in seconds.
        """
        self._config = config
        self._url = url
        self._clock = clock
        self._since: dict[str, float] = {}
        self._tried_at = 0.0
        """When an operation failed, or was sent although others had failed."""
        self._probed_at = -math.inf
        """When one was sent to find out whether the store is back, if it has not failed."""
        self._failure: tuple[str, int | None] = ("", None)

    def require_store(self, kind: str, operation: str) -> None:
        """Say that an operation begins.

        Raises:
            StoreConnectionError: the store is down: the operation must not be tried now.
        """
        deadline_s = self._config.deadline_s
        if not deadline_s or kind not in self._since:
            return  # without retries, too, each operation is tried
        now = self._clock()
        idle_s = now - self._tried_at
        if idle_s > deadline_s:
            self._since.clear()  # it was not asked for so long: nobody knows
        if idle_s >= self._config.max_delay:
            self._probed_at = now
        failing_s = self.failing_s(kind)
        if failing_s < deadline_s or now - self._probed_at < _PROBE_S:
            self._tried_at = now
            return
        reason, status = self._failure
        raise affecting_all(
            StoreConnectionError(
                f"{operation}: not tried, as {self._url} has failed for {failing_s:.0f} s "
                f"({reason})",
                status=status,
            )
        )

    def failed(self, kind: str, error: Exception) -> None:
        """Record a transient failure."""
        self._failure = (str(error), status_of(error))
        now = self._tried_at = self._clock()
        self._probed_at = -math.inf
        self._since.setdefault(kind, now)
        self._since.setdefault(_ANY, now)

    def given_up(self, kind: str, error: Exception) -> None:
        """Mark the error of an operation that is given up as one that affects all, if it does."""
        deadline_s = self._config.deadline_s
        if deadline_s and max(self.failing_s(kind), retry_after_s(error)) >= deadline_s:
            affecting_all(error)

    def responded(self, kind: str) -> None:
        """Record that the store did, or refused, what it was asked."""
        if self._since:
            self._since.pop(kind, None)
            self._since.pop(_ANY, None)

    def failing_s(self, kind: str) -> float:
        """Return for how many seconds this kind of operation, or all kinds, have failed."""
        now = self._clock()
        return max(now - self._since.get(each, now) for each in (kind, _ANY))
