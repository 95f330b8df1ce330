"""The route of Prometheus: what the service and its store have done so far."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from audiostore.catalog import Query
from audiostore.serve.metrics import CONTENT_TYPE, Metric, single, text_of
from audiostore.serve.service import Service, require_parameters, service_of
from audiostore.stores import RetryingStore


async def show(request: Request) -> Response:
    """Answer with all metrics."""
    service = service_of(request)
    require_parameters(request)
    indexed = await service.calls.run(service.searching.index.count, Query())
    metrics = (*service.requests.metrics(), *_of_service(service, indexed))
    return Response(
        text_of(metrics), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    )


def _of_service(service: Service, indexed: int) -> Iterator[Metric]:
    yield single(
        "audiostore_uploads_running", "gauge", "Uploads that are running.", service.slots.running
    )
    yield single(
        "audiostore_listeners",
        "gauge",
        "Transfers of audio and other parts to clients, of more than 256 KiB at a time.",
        service.content.listeners,
    )
    yield single("audiostore_index_assets", "gauge", "Assets in the index.", indexed)
    yield single(
        "audiostore_index_age_seconds",
        "gauge",
        "Since the listing began that the index is from; it is made anew while somebody searches.",
        service.searching.age_s,
    )
    store = service.manager.store
    yield single(
        "audiostore_store_retries_total",
        "counter",
        "Requests to the store that were repeated.",
        store.retries if isinstance(store, RetryingStore) else None,
    )
