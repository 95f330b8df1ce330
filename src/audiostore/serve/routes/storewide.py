"""Routes on the whole store: search, statistics, the trash, a check, health."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from audiostore.catalog import Cost, Query, Rates, Statistics
from audiostore.dataclass import dataclass
from audiostore.errors import AssetNotFoundError
from audiostore.serve import openapi
from audiostore.serve.bodies import json_body
from audiostore.serve.documents import json_text, trashed_document
from audiostore.serve.index import Index, Place
from audiostore.serve.notifications import changed_asset
from audiostore.serve.parameters import FILTERS, PAGING, PageRequest, cursor_of, page_of, query_of
from audiostore.serve.problems import RefusedError, document
from audiostore.serve.service import Service, require_parameters, root_of, service_of

NO_STORE: Final = {"Cache-Control": "no-store"}
"""What is read again each time."""
_LINES: Final = "application/x-ndjson"
_READY_S: Final = 5.0
"""How long an answer to whether the store can be read is repeated: anybody may ask."""
_MOST_DELETED: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Found:
    """A page of assets, as JSON, and how many there are in all, if it is the first one."""

    items: list[str]
    next: Place | None
    total: int | None


async def list_assets(request: Request) -> Response:
    """Answer with a page of the assets that match."""
    service = service_of(request)
    require_parameters(request, *FILTERS, *PAGING)
    query, page = query_of(request.query_params), page_of(request.query_params)
    fresh = await service.searching.search()
    found = await service.calls.run(
        _found, service.searching.index, query, page, root=root_of(request)
    )
    sort = request.query_params.get("sort", "-created")
    others = json_text(
        {
            "next": cursor_of(found.next, sort),
            "total": found.total,
            "is_complete": fresh.is_complete,
            "as_of": fresh.as_of.isoformat() if fresh.as_of else None,
        }
    )
    # What is found is JSON already.
    body = f'{{"items":[{",".join(found.items)}],{others[1:]}'
    return Response(body, media_type="application/json", headers=NO_STORE)


def _found(index: Index, query: Query, page: PageRequest, *, root: str) -> _Found:
    items, place = index.documents(
        query,
        order_by=page.order_by,
        descending=page.descending,
        after=page.after,
        limit=page.limit,
        root=root,
    )
    return _Found(items, place, None if page.after else index.count(query))


async def show_statistics(request: Request) -> Response:
    """Answer with how much is stored, and what it costs."""
    service = service_of(request)
    require_parameters(request, *FILTERS)
    query = query_of(request.query_params)
    fresh = await service.searching.search()
    statistics = await service.calls.run(service.searching.index.statistics, query)
    cost = await service.calls.run(_cost, service, statistics)
    return JSONResponse(
        {
            **statistics.to_dict(),
            "cost": None if cost is None else cost.to_dict(),
            "is_complete": fresh.is_complete,
            "as_of": fresh.as_of.isoformat() if fresh.as_of else None,
        },
        headers=NO_STORE,
    )


async def list_trash(request: Request) -> Response:
    """Answer with the deleted assets that can be restored."""
    service = service_of(request)
    require_parameters(request)
    deleted = await service.calls.run(
        lambda: list(islice(service.manager.trash.list(), _MOST_DELETED + 1))
    )
    return JSONResponse(
        {
            "items": [trashed_document(each) for each in deleted[:_MOST_DELETED]],
            "is_complete": len(deleted) <= _MOST_DELETED,
        },
        headers=NO_STORE,
    )


async def notice(request: Request) -> Response:
    """Read an asset again, of which a bucket's notification says that it has changed."""
    service = service_of(request)
    if service.subscription is None:
        raise RefusedError(501, "this service was started without a subscription to notifications")
    await service.subscription.require(request)
    message = await json_body(request, service.limits, ("application/json",))
    audio_id = changed_asset(message, service.manager.url)
    if audio_id is not None:
        await service.calls.run(_read_again, service, audio_id)
    return Response(status_code=204)


def _read_again(service: Service, audio_id: str) -> None:
    try:
        asset = service.manager.get(audio_id)
    except AssetNotFoundError:
        service.searching.index.forget(audio_id)
    else:
        service.searching.index.put(asset)


async def check(request: Request) -> Response:
    """Answer with the problems of the store, a line of JSON each; the last line sums up."""
    service = service_of(request)
    require_parameters(request)
    return StreamingResponse(_problems(service), media_type=_LINES, headers=NO_STORE)


async def health(_: Request) -> Response:
    """Report that the process is running."""
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


class Readiness:
    """Says whether the store can be read, as it was found a moment ago."""

    def __init__(self) -> None:
        self._asked_at = -_READY_S
        self._problem: Exception | None = None

    async def answer(self, request: Request) -> Response:
        """Answer 200 or 503."""
        service = service_of(request)
        if service.stopping.is_set:
            raise RefusedError(503, "the service is shutting down", kind="ShuttingDown")
        if time.monotonic() - self._asked_at >= _READY_S:
            self._asked_at = time.monotonic()
            try:
                await service.calls.run(lambda: next(service.manager.store.list("audio/"), None))
                self._problem = None
            except Exception as error:  # noqa: BLE001  (whatever it is, the store is not ready)
                self._problem = error
        if self._problem is not None:
            raise RefusedError(503, "the store cannot be read", kind=type(self._problem).__name__)
        return JSONResponse({"status": "ready"}, headers=NO_STORE)


async def show_openapi(request: Request) -> Response:
    """Answer with the description of the service."""
    return JSONResponse(openapi.document(root_of(request)))


async def _problems(service: Service) -> AsyncIterator[str]:
    count = 0
    try:
        async for batch in service.calls.iterate(service.manager.audit.check()):
            for problem in batch:
                count += 1
                yield _line(problem.to_dict())
            if service.stopping.is_set:
                return
    except Exception as error:  # noqa: BLE001  (the response has begun: its last line says so)
        yield _line({"error": document(error)})
        return
    yield _line({"problems": count})


def _line(value: Mapping[str, Any]) -> str:
    return f"{json.dumps(value)}\n"


def _cost(service: Service, statistics: Statistics) -> Cost | None:
    """Return what it costs at list prices; None for a directory, and where that is not known."""
    if not service.manager.url.startswith("gs://"):
        return None
    try:
        location = service.manager.admin.facts().location
    except Exception:  # noqa: BLE001  (reading a bucket's settings is often not permitted)
        return None
    return None if location is None else Rates.read(location).monthly_cost(statistics)
