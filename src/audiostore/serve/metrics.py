"""What the service counts, as text that Prometheus reads.

The format is version 0.0.4 of Prometheus's text format
(prometheus.io/docs/instrumenting/exposition_formats). Labels are methods, templates of routes and
statuses, never ids or tokens, so that their number is bounded.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audiostore.dataclass import dataclass

ROUTE_KEY: Final = "audiostore.route"
"""Where the scope of a request has the template of its route."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_OTHER: Final = "other"
"""The label of what has no route of its own: files of the page, unknown paths and methods."""
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)
"""The last two are for transfers of audio."""

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its samples; of a histogram, the suffixes of their names stand in front."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: tuple[tuple[str, Labels, float], ...]


def single(name: str, kind: Literal["counter", "gauge"], help: str, value: float | None) -> Metric:
    """Return a metric without labels; None: its value is not known yet, so it has no sample."""
    return Metric(name, kind, help, () if value is None else (("", (), value),))


def text_of(metrics: Iterable[Metric]) -> str:
    """Return metrics in Prometheus's text format."""
    return "".join(_lines(metrics))


class Requests:
    """Counts the requests that were answered, and those that are being answered."""

    def __init__(self) -> None:
        self.running = 0
        self._counts: dict[Labels, int] = defaultdict(int)
        self._durations: dict[Labels, _Histogram] = defaultdict(_Histogram)
        self._received: dict[Labels, int] = defaultdict(int)
        self._sent: dict[Labels, int] = defaultdict(int)

    def add(
        self,
        method: str,
        route: str | None,
        status: int,
        *,
        seconds: float,
        received_bytes: int,
        sent_bytes: int,
    ) -> None:
        """Count a request at its end; status 0: nothing was answered."""
        by_route = (
            ("method", method if method in _METHODS else _OTHER),
            ("route", route or _OTHER),
        )
        self._counts[(*by_route, ("status", str(status or "none")))] += 1
        self._durations[by_route].add(seconds)
        self._received[by_route] += received_bytes
        self._sent[by_route] += sent_bytes

    def metrics(self) -> Iterator[Metric]:
        """Yield what was counted."""
        yield Metric(
            "audiostore_http_requests_total",
            "counter",
            "Requests that were answered.",
            _samples(self._counts),
        )
        yield single(
            "audiostore_http_requests_running",
            "gauge",
            "Requests that are being answered, this one included.",
            self.running,
        )
        yield Metric(
            "audiostore_http_request_duration_seconds",
            "histogram",
            "From the head of a request to the end of its response.",
            tuple(
                sample
                for labels, histogram in sorted(self._durations.items())
                for sample in histogram.samples(labels)
            ),
        )
        yield Metric(
            "audiostore_http_received_bytes_total",
            "counter",
            "Bytes of request bodies.",
            _samples(self._received),
        )
        yield Metric(
            "audiostore_http_sent_bytes_total",
            "counter",
            "Bytes of response bodies.",
            _samples(self._sent),
        )


class Counting:
    """Counts each request that passes, around the whole application."""

    def __init__(
        self, app: ASGIApp, requests: Requests, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._requests = requests
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it at the end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, received_bytes, sent_bytes = self._clock(), 0, 0, 0

        async def receiving() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal status, sent_bytes
            await send(message)
            status = message.get("status", status)
            sent_bytes += len(message.get("body", b""))

        self._requests.running += 1
        try:
            await self._app(scope, receiving, sending)
        finally:
            self._requests.running -= 1
            self._requests.add(
                scope["method"],
                scope.get(ROUTE_KEY),
                status,
                seconds=self._clock() - started,
                received_bytes=received_bytes,
                sent_bytes=sent_bytes,
            )


class _Histogram:
    """How many values are up to each bound, and their sum."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_S) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(_BOUNDS_S, value)] += 1
        self._sum += value

    def samples(self, labels: Labels) -> Iterator[tuple[str, Labels, float]]:
        count = 0
        for bound, more in zip((*map(repr, _BOUNDS_S), "+Inf"), self._counts, strict=True):
            count += more
            yield "_bucket", (*labels, ("le", bound)), count
        yield "_sum", labels, self._sum
        yield "_count", labels, count


def _samples(values: Mapping[Labels, int]) -> tuple[tuple[str, Labels, float], ...]:
    return tuple(("", labels, value) for labels, value in sorted(values.items()))


def _lines(metrics: Iterable[Metric]) -> Iterator[str]:
    for metric in metrics:
        yield f"# HELP {metric.name} {metric.help}\n"
        yield f"# TYPE {metric.name} {metric.kind}\n"
        for suffix, labels, value in metric.samples:
            # No label and no help holds a quote, a backslash or a line break.
            listed = ",".join(f'{name}="{each}"' for name, each in labels)
            yield f"{metric.name}{suffix}{f'{{{listed}}}' if listed else ''} {value!r}\n"
