"""Spans and metrics as the SDK of OpenTelemetry gets them, and silence without it."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from audiostore import (
    AssetNotFoundError,
    AsyncAudioStorageManager,
    AudioStorageManager,
    MemoryStore,
)
from audiostore.errors import BlobNotFoundError, PreconditionFailedError, StoreConnectionError
from audiostore.sources import BytesSource
from audiostore.stores import BlobSpec, RetryingStore
from tests.assets import MP3, opened, tone
from tests.unit.test_retrying_store import CONFIG, Flaky

SPEC = BlobSpec("a/b", "x/y")
SOURCE = BytesSource(bytes(200))


class Told:
    """What OpenTelemetry is told."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        delta = AggregationTemporality.DELTA
        self._reader = InMemoryMetricReader(
            preferred_temporality={Counter: delta, Histogram: delta}
        )
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        trace.set_tracer_provider(tracers)
        metrics.set_meter_provider(MeterProvider([self._reader]))

    def spans(self) -> list[ReadableSpan]:
        """Return the spans that have ended since the last call, in order of their ends."""
        found = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return found

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return attributes and values of a metric since the last call; of histograms, counts."""
        data = self._reader.get_metrics_data()
        return [
            (
                dict(point.attributes or {}),
                getattr(point, "count", None) or getattr(point, "value", 0),
            )
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture(scope="module")
def told_once() -> Told:
    """The providers of this process: OpenTelemetry takes them once."""
    return Told()


@pytest.fixture
def told(told_once: Told) -> Told:
    """What is told from here on."""
    told_once.spans()
    told_once.points("")
    return told_once


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


def retrying(store: Flaky) -> RetryingStore:
    return RetryingStore(store, CONFIG, sleep=lambda _: None)


def only(spans: list[ReadableSpan]) -> ReadableSpan:
    assert [span.name for span in spans] == [spans[0].name]
    return spans[0]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_call_of_a_store_is_a_span_with_all_its_attempts(told: Told, flaky: Flaky) -> None:
    flaky.before = [StoreConnectionError("down"), StoreConnectionError("down")]

    store = retrying(flaky)
    store.put(SPEC, SOURCE)

    span = only(told.spans())
    assert store.retries == 2
    assert span.name == "audiostore.store.put"
    assert span.kind is trace.SpanKind.CLIENT
    assert span.status.is_ok
    assert attributes(span) == {
        "audiostore.store.operation": "put",
        "audiostore.store.url": flaky.url,
        "audiostore.object.name": "a/b",
        "audiostore.outcome": "ok",
        "audiostore.attempts": 3,
        "audiostore.transmit.size": 200,
    }


def test_a_call_is_measured(told: Told, flaky: Flaky) -> None:
    flaky.before = [StoreConnectionError("down")]
    retrying(flaky).put(SPEC, SOURCE)

    assert told.points("audiostore.store.duration") == [
        ({"audiostore.store.operation": "put", "audiostore.outcome": "ok"}, 1)
    ]
    flaky.before = [StoreConnectionError("down")]
    retrying(flaky).stat("a/b")
    assert told.points("audiostore.store.retries") == [({"audiostore.store.operation": "stat"}, 1)]
    retrying(flaky).put(BlobSpec("c", "x/y"), SOURCE)
    assert told.points("audiostore.store.io") == [
        ({"audiostore.store.operation": "put", "network.io.direction": "transmit"}, 200)
    ]


def test_what_fails_is_an_error_with_its_class(told: Told, flaky: Flaky) -> None:
    flaky.before = [StoreConnectionError("the store is down")] * 3

    with pytest.raises(StoreConnectionError):
        retrying(flaky).stat("a/b")

    span = only(told.spans())
    assert span.status.status_code is trace.StatusCode.ERROR
    assert "the store is down" in (span.status.description or "")
    assert attributes(span)["error.type"] == "StoreConnectionError"
    assert attributes(span)["audiostore.outcome"] == "failed"
    assert attributes(span)["audiostore.attempts"] == 3


def test_a_refusal_is_an_answer_and_no_error(told: Told, flaky: Flaky) -> None:
    store = retrying(flaky)
    store.put(SPEC, SOURCE)
    told.spans()

    with pytest.raises(PreconditionFailedError):
        store.put(SPEC, SOURCE)
    with pytest.raises(BlobNotFoundError):
        store.stat("c")

    for span in told.spans():
        assert span.status.status_code is trace.StatusCode.UNSET
        assert attributes(span)["audiostore.outcome"] == "refused"


def test_a_read_lasts_until_its_end(told: Told, flaky: Flaky) -> None:
    store = retrying(flaky)
    blob = store.put(SPEC, SOURCE)
    told.spans()

    reader = store.open(blob)
    reader.read(150)
    assert told.spans() == []
    reader.read(150)

    span = only(told.spans())
    assert span.name == "audiostore.store.open"
    assert attributes(span)["audiostore.receive.size"] == 200
    reader.close()
    assert told.spans() == []


def test_a_read_that_is_given_up_ends_when_it_is_closed(told: Told, flaky: Flaky) -> None:
    store = retrying(flaky)
    blob = store.put(SPEC, SOURCE)
    told.spans()

    reader = store.open(blob)
    reader.read(50)
    reader.close()

    span = only(told.spans())
    assert attributes(span)["audiostore.receive.size"] == 50
    assert attributes(span)["audiostore.outcome"] == "ok"


def test_a_read_that_cannot_begin_is_a_failure(told: Told, flaky: Flaky) -> None:
    store = retrying(flaky)
    blob = store.put(SPEC, SOURCE)
    told.spans()
    flaky.before = [StoreConnectionError("down")] * 3

    with pytest.raises(StoreConnectionError):
        store.open(blob)

    assert attributes(only(told.spans()))["error.type"] == "StoreConnectionError"


def test_a_listing_is_one_span_however_far_it_is_read(told: Told, flaky: Flaky) -> None:
    store = retrying(flaky)
    for name in ("a/1", "a/2", "a/3"):
        store.put(BlobSpec(name, "x/y"), SOURCE)
    told.spans()

    listing = store.list("a/")
    next(listing)
    listing.close()  # type: ignore[attr-defined]

    span = only(told.spans())
    assert (span.name, attributes(span)["audiostore.object.name"]) == (
        "audiostore.store.list",
        "a/",
    )
    assert attributes(span)["audiostore.outcome"] == "ok"


def test_spans_of_a_store_are_children_of_the_upload_and_that_of_the_program(told: Told) -> None:
    manager = AudioStorageManager(store=MemoryStore())
    tracer = trace.get_tracer("a program")

    with tracer.start_as_current_span("request") as request:
        result = manager.upload_audio_file(MP3)

    *calls, upload, outer = told.spans()
    assert upload.name == "audiostore.upload"
    assert upload.parent == request.get_span_context()
    assert outer.parent is None
    assert {span.name for span in calls} >= {"audiostore.store.put"}
    assert all(span.parent == upload.context for span in calls)
    assert attributes(upload) == {
        "audiostore.store.url": manager.url,
        "audiostore.asset.id": result.audio_id,
        "audiostore.asset.format": "mp3",
        "audiostore.asset.size": MP3.stat().st_size,
        "audiostore.asset.created": True,
        "audiostore.outcome": "ok",
    }


def test_spans_cross_the_threads_of_the_async_manager(told: Told) -> None:
    async def store() -> Any:
        async with AsyncAudioStorageManager(store=MemoryStore()) as manager:
            with trace.get_tracer("a program").start_as_current_span("request") as request:
                await manager.upload_audio_file(tone(), filename="tone.wav")
                with pytest.raises(AssetNotFoundError):
                    await manager.get("00000000-0000-4000-8000-000000000000")
            return request.get_span_context()

    request = asyncio.run(store())

    spans = told.spans()
    assert {span.context.trace_id for span in spans} == {request.trace_id}
    assert "audiostore.upload" in {span.name for span in spans}


def test_an_upload_that_is_refused_is_measured_with_its_class(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_text("no audio at all")

    with pytest.raises(ValueError, match=r"song\.mp3"):
        AudioStorageManager(store=MemoryStore()).upload_audio_file(path)

    ((labels, count),) = told.points("audiostore.upload.duration")
    assert (labels["audiostore.outcome"], count) == ("failed", 1)
    assert labels["error.type"].endswith("Error")


@pytest.mark.parametrize("kind", ["memory", "local", "gcs"])
def test_every_store_is_traced_in_every_verb(told: Told, tmp_path: Path, kind: str) -> None:
    with opened(kind, tmp_path) as store:
        manager = AudioStorageManager(store=store)
        result = manager.upload_audio_file(MP3)
        manager.read_bytes(result.audio_id)
        manager.update_metadata(result.audio_id, {"mood": "calm"})
        list(manager.list())
        manager.delete(result.audio_id)

    names = {span.name.removeprefix("audiostore.store.") for span in told.spans()}
    assert names >= {"put", "open", "update", "list", "delete", "audiostore.upload"}


@pytest.mark.slow
def test_a_program_without_opentelemetry_never_imports_it(tmp_path: Path) -> None:
    code = (
        "import sys; from audiostore import AudioStorageManager, LocalStore;"
        f"m = AudioStorageManager(store=LocalStore({str(tmp_path / 'store')!r}));"
        f"r = m.upload_audio_file({str(MP3)!r}); m.read_bytes(r.audio_id); list(m.list());"
        "print([each for each in sys.modules if each.startswith('opentelemetry')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_the_api_without_a_provider_is_silent(tmp_path: Path) -> None:
    code = (
        "from opentelemetry import metrics, trace;"
        "from audiostore import AudioStorageManager, LocalStore;"
        f"m = AudioStorageManager(store=LocalStore({str(tmp_path / 'store')!r}));"
        f"r = m.upload_audio_file({str(MP3)!r}); m.read_bytes(r.audio_id); list(m.list());"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_uploads_whose_spans_are_heard_are_not_interleaved(tmp_path: Path) -> None:
    program = (
        "import sys; from audiostore import AudioStorageManager, GcsStore, UploadOptions;"
        "from audiostore.bulk.interleaving import InterleavedUploads;"
        "from audiostore.bulk.performing import Performer;"
        "manager = AudioStorageManager(store=GcsStore('b', emulator='http://127.0.0.1:1'));"
        "performer = Performer(manager, UploadOptions(), None);"
        "assert InterleavedUploads.of(performer) is not None;"
        "import opentelemetry.trace;"
        "assert InterleavedUploads.of(performer) is None"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
