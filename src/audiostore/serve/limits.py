"""Limits on what clients may ask of the service: sizes, speed, how much at once and how often."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from audiostore.dataclass import dataclass
from audiostore.serve.problems import RETRY_AFTER_S, RefusedError

_REMEMBERED: Final = 10_000
"""Of how many clients the rate is known; the one that was silent for longest is forgotten."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much clients may send and ask for.

    Raises:
        ValueError: a limit is not positive.
    """

    upload_bytes: int = 2 << 30
    """The most bytes of one upload, audio and artwork together."""
    json_bytes: int = 64 << 10
    """The most bytes of a JSON document, and of the metadata in a form."""
    uploads: int = 64
    """How many uploads at once; more are asked to come back later."""
    body_window_s: float = 30.0
    """A body is cut off if in this time it brings fewer bytes than `body_window_bytes`."""
    body_window_bytes: int = 16 << 10
    requests_per_s: float = 100.0
    """How many requests a client may make in the long run: a user or, without one, an address."""
    burst: int = 500
    """How many it may make at once, after a rest."""
    spare_disk_bytes: int = 64 << 20
    """What an upload leaves free of the directory for temporary files."""

    def __post_init__(self) -> None:
        """Refuse limits that nothing can keep."""
        values = (self.upload_bytes, self.json_bytes, self.uploads, self.body_window_bytes)
        if min(*values, self.body_window_s, self.requests_per_s, self.burst) <= 0:
            raise ValueError("every limit must be positive")


def limits_of(**given: int | None) -> Limits:
    """Return limits of which some are given; None leaves one as usual.

    Raises:
        ValueError: a limit is not positive.
    """
    return Limits(**{name: value for name, value in given.items() if value is not None})


class Rates:
    """Counts the requests of each client: a bucket of `burst` tokens, refilled at a steady rate."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, client: str) -> None:
        """Count one request.

        Raises:
            RefusedError: the client has made too many (429); it says when to try again.
        """
        now, rate = self._clock(), self._limits.requests_per_s
        tokens, since = self._buckets.pop(client, (float(self._limits.burst), now))
        tokens = min(self._limits.burst, tokens + (now - since) * rate)
        is_refused = tokens < 1
        self._buckets[client] = (tokens if is_refused else tokens - 1, now)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if is_refused:
            wait_s = max(1, round((1 - tokens) / rate + 0.5))
            raise RefusedError(
                429,
                f"more than {rate:g} requests a second: wait {wait_s} s",
                headers={"Retry-After": str(wait_s)},
            )


class UploadSlots:
    """Lets a number of uploads run at once."""

    def __init__(self, limits: Limits) -> None:
        self._left = self._limit = limits.uploads

    @property
    def running(self) -> int:
        """How many are running."""
        return self._limit - self._left

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot for the block.

        Raises:
            RefusedError: all are taken (503).
        """
        if self._left <= 0:
            raise RefusedError(
                503,
                f"{self._limit} uploads are running: try again in {RETRY_AFTER_S} s",
                kind="TooManyUploads",
            )
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1
