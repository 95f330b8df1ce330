"""Telemetry: spans and metrics of OpenTelemetry, for programs that have set it up.

OpenTelemetry is never imported here: where the program has imported neither `opentelemetry.trace`
nor `opentelemetry.metrics`, nobody listens, and an activity costs two lookups. Only its
API is used; the program decides which provider receives the data. Names, units and ``error.type``
follow OpenTelemetry's semantic conventions; `docs/telemetry.md` lists them.
"""

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    PreconditionFailedError,
)
from audiostore.forking import ForkSafeLock

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_SCOPE: Final = "audiostore"
_REFUSALS: Final = (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    PreconditionFailedError,
)
"""Such errors are answers: nothing is out of order, so the span is not an error."""
_BOUNDARIES_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)

_NO_BLOCK: Final[AbstractContextManager[object]] = nullcontext()

Value = str | int | float | bool
Direction = Literal["transmit", "receive"]


class Activity:
    """Something that takes time, succeeds or fails; here, nobody listens.

    A context manager: the activity ends with the block, and an exception that leaves it is its
    failure.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        """Return the activity, which began when it was made."""
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """End the activity."""
        self.end(error)

    def current(self) -> AbstractContextManager[object]:
        """Return a block in which spans of others are children of this one."""
        return _NO_BLOCK

    def describe(self, attributes: Mapping[str, Value | None]) -> None:
        """Add attributes to the span; None is left out."""

    def count_retry(self) -> None:
        """Count a request that is repeated."""

    def add_bytes(self, direction: Direction, size_bytes: int) -> None:
        """Count bytes that were sent or received."""

    def end(self, error: BaseException | None = None) -> None:
        """End the activity, with its failure, if it failed; only the first call counts."""


_SILENT: Final = Activity()


def store_call(operation: str, store_url: str, name: str | None) -> Activity:
    """Begin a call of a store, with all its attempts: the span ``audiostore.store.{operation}``.

    Args:
        operation: the method of the store.
        store_url: the store's URL.
        name: the name of the object, or the prefix that is listed; None without either.
    """
    if not is_heard():
        return _SILENT
    return _Heard(
        f"audiostore.store.{operation}",
        "audiostore.store.duration",
        {"audiostore.store.operation": operation},
        {"audiostore.store.url": store_url, "audiostore.object.name": name},
        is_call=True,
    )


def upload(store_url: str) -> Activity:
    """Begin an upload, from the inspection of the files to their cleanup: ``audiostore.upload``."""
    if not is_heard():
        return _SILENT
    return _Heard(
        "audiostore.upload", "audiostore.upload.duration", {}, {"audiostore.store.url": store_url}
    )


class _Heard(Activity):
    """An activity that is reported as a span, as metrics, or as both.

    Args:
        name: of the span.
        duration: the name of the histogram of its seconds.
        labels: its attributes in metrics and in the span.
        attributes: more attributes of the span; None is left out.
        is_call: whether it is a request to another service, and so counts attempts.
    """

    __slots__ = (
        "_bytes",
        "_duration",
        "_has_ended",
        "_is_call",
        "_labels",
        "_retries",
        "_span",
        "_started",
    )

    def __init__(
        self,
        name: str,
        duration: str,
        labels: dict[str, Value],
        attributes: Mapping[str, Value | None],
        *,
        is_call: bool = False,
    ) -> None:
        self._duration = duration
        self._labels = labels
        self._is_call = is_call
        self._retries = 0
        self._bytes: dict[Direction, int] = {}
        self._has_ended = False
        self._started = time.monotonic()
        self._span = _start_span(name, {**labels, **_given(attributes)}, is_call=is_call)

    def current(self) -> AbstractContextManager[object]:
        if self._span is None:
            return _NO_BLOCK
        use_span = sys.modules["opentelemetry.trace"].use_span
        block: AbstractContextManager[object] = use_span(
            self._span, record_exception=False, set_status_on_exception=False
        )
        return block

    def describe(self, attributes: Mapping[str, Value | None]) -> None:
        if self._span is not None:
            self._span.set_attributes(_given(attributes))

    def count_retry(self) -> None:
        self._retries += 1

    def add_bytes(self, direction: Direction, size_bytes: int) -> None:
        self._bytes[direction] = self._bytes.get(direction, 0) + size_bytes

    def end(self, error: BaseException | None = None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        seconds = time.monotonic() - self._started
        failure = None if isinstance(error, GeneratorExit) else error  # nobody wanted the rest
        ending: dict[str, Value] = {"audiostore.outcome": _outcome(failure)}
        if failure is not None:
            ending["error.type"] = type(failure).__name__
        self._measure(seconds, ending)
        if self._span is not None:
            self._end_span(self._span, failure, ending)

    def _measure(self, seconds: float, ending: Mapping[str, Value]) -> None:
        instruments = _instruments()
        if instruments is None:
            return
        instruments[self._duration].record(seconds, {**self._labels, **ending})
        if self._retries:
            instruments["audiostore.store.retries"].add(self._retries, self._labels)
        for direction, size_bytes in self._bytes.items():
            labels = {**self._labels, "network.io.direction": direction}
            instruments["audiostore.store.io"].add(size_bytes, labels)

    def _end_span(
        self, span: "Span", failure: BaseException | None, ending: Mapping[str, Value]
    ) -> None:
        span.set_attributes(ending)
        if self._is_call:
            span.set_attribute("audiostore.attempts", self._retries + 1)
        for direction, size_bytes in self._bytes.items():
            span.set_attribute(f"audiostore.{direction}.size", size_bytes)
        if ending["audiostore.outcome"] == "failed":
            trace = sys.modules["opentelemetry.trace"]
            span.set_status(trace.Status(trace.StatusCode.ERROR, str(failure)))
        span.end()


def is_heard() -> bool:
    """Say whether the program has imported OpenTelemetry, so that somebody may listen."""
    return "opentelemetry.trace" in sys.modules or "opentelemetry.metrics" in sys.modules


def _outcome(failure: BaseException | None) -> str:
    if failure is None:
        return "ok"
    return "refused" if isinstance(failure, _REFUSALS) else "failed"


def _given(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}


def _start_span(name: str, attributes: Mapping[str, Value], *, is_call: bool) -> "Span | None":
    """Return a new span, a child of the current one; None if nobody records it."""
    trace = sys.modules.get("opentelemetry.trace")
    get_tracer = getattr(trace, "get_tracer", None)  # it may be being imported
    if trace is None or get_tracer is None:
        return None
    kind = trace.SpanKind.CLIENT if is_call else trace.SpanKind.INTERNAL
    span: Span = get_tracer(_SCOPE).start_span(name, kind=kind, attributes=attributes)
    return span if span.is_recording() else None


def _metrics() -> Any:
    metrics = sys.modules.get("opentelemetry.metrics")
    return metrics if hasattr(metrics, "get_meter_provider") else None


_lock: Final = ForkSafeLock()
_made: dict[str, Any] = {}


def _instruments() -> Mapping[str, Any] | None:
    """Return the instruments, by name; they go over to a provider that is set later."""
    if _made:
        return _made
    metrics = _metrics()
    if metrics is None:
        return None
    with _lock:
        if not _made:
            _made.update(_make_instruments(metrics.get_meter(_SCOPE)))
    return _made


def _make_instruments(meter: Any) -> dict[str, Any]:
    return {
        "audiostore.store.duration": _histogram(
            meter, "audiostore.store.duration", "Duration of calls of a store, with all attempts."
        ),
        "audiostore.upload.duration": _histogram(
            meter, "audiostore.upload.duration", "Duration of uploads, inspection included."
        ),
        "audiostore.store.retries": meter.create_counter(
            "audiostore.store.retries", "{retry}", "Requests to a store that were repeated."
        ),
        "audiostore.store.io": meter.create_counter(
            "audiostore.store.io", "By", "Bytes of objects written to a store and read from it."
        ),
    }


def _histogram(meter: Any, name: str, description: str) -> Any:
    try:
        return meter.create_histogram(
            name, "s", description, explicit_bucket_boundaries_advisory=_BOUNDARIES_S
        )
    except TypeError:  # the API before 1.30 has no advice
        return meter.create_histogram(name, "s", description)
