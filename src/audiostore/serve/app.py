"""The application: routes, gate and log, put together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, get_args
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from audiostore.asset import PartName
from audiostore.errors import AudioStoreError
from audiostore.manager import AudioStorageManager
from audiostore.serve import notifications
from audiostore.serve.access import Access
from audiostore.serve.accesslog import AccessLog, Writer
from audiostore.serve.gate import Gate
from audiostore.serve.limits import Limits
from audiostore.serve.metrics import ROUTE_KEY, Counting
from audiostore.serve.notifications import PushSubscription
from audiostore.serve.problems import RefusedError, answer, response_to
from audiostore.serve.routes import assets, direct, metrics, shared, storewide, uploads
from audiostore.serve.service import Service
from audiostore.serve.sharing import ShareKey

REFRESH_S: Final = 30.0
Endpoint = Callable[[Request], Awaitable[Response]]
_WRITES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    "audio": {"PUT": uploads.put_audio},
    "thumbnail": {"PUT": uploads.put_thumbnail},
}
"""How the parts of an asset are written, besides read."""
_PAGE: Final = Path(__file__).parent / "page"
_ASSET: Final = "/v1/assets/{audio_id}"
_ALLOWED_HEADERS: Final = (
    "Authorization",
    "Content-Range",
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "Range",
)
_EXPOSED_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Range",
    "ETag",
    "Location",
    "Range",
    "Retry-After",
)


def create_app(
    manager: AudioStorageManager,
    *,
    access: Access | None = None,
    limits: Limits | None = None,
    redirects: bool = False,
    origins: Sequence[str] = (),
    refresh_s: float = REFRESH_S,
    share_secret: bytes | None = None,
    public_url: str | None = None,
    subscription: PushSubscription | None = None,
    log: Writer | None = None,
) -> Starlette:
    """Return an ASGI application that serves a store: ``/v1``, ``/openapi.json`` and a page.

    It can be mounted in another application, of Starlette or FastAPI. It closes neither the manager
    nor anything else that it was given.

    Args:
        manager: of the store.
        access: who may do what; None: everybody may do everything, so that the application around
            it has to decide.
        limits: on what clients send and ask for; None: the usual ones.
        redirects: answer requests for audio and artwork with redirects to signed URLs, which
            players stop at once these have expired; False: send the bytes.
        origins: of other sites whose pages may use the service, such as ``https://app.example``.
        refresh_s: how many seconds after a listing of the store the next one begins, while there
            are searches: how old an answer may be that others have changed meanwhile.
        share_secret: signs links with which anyone can hear an asset, or read a feed: at least 16
            bytes that nobody can guess, the same in every process. None: it makes no links.
        public_url: the URL of the service as others see it, such as ``https://audio.example``, for
            links; None: that of each request.
        subscription: pushes what others change in the bucket, so that searches find it at once;
            None: they find it after the next listing.
        log: takes a line of JSON for each request.

    Raises:
        ValueError: the secret is too short.
        ConfigurationError: this Python's SQLite has no full text search.
    """
    limits = limits or Limits()
    service = Service(
        manager,
        limits=limits,
        redirects=redirects,
        refresh_s=refresh_s,
        share_key=None if share_secret is None else ShareKey(share_secret),
        public_url=None if public_url is None else public_url.rstrip("/"),
        subscription=subscription,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.searching.search()
        try:
            yield
        finally:
            service.close()

    middleware = [Middleware(Counting, requests=service.requests)]
    if log is not None:
        middleware.append(Middleware(AccessLog, write=log))
    if origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=tuple(origins),
                allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
                allow_headers=_ALLOWED_HEADERS,
                expose_headers=_EXPOSED_HEADERS,
            )
        )
    bucket = urlsplit(manager.store.service or "")
    middleware.append(
        Middleware(
            Gate,
            access=access,
            limits=limits,
            origins=tuple(origins),
            uploads_to=f"{bucket.scheme}://{bucket.netloc}" if bucket.netloc else None,
        )
    )
    app = Starlette(
        routes=_routes(),
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={
            RefusedError: answer,
            AudioStoreError: answer,
            OSError: answer,
            HTTPException: _answer_http,
            ClientDisconnect: _answer_nobody,
        },
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return app


def endpoints() -> dict[str, dict[str, Endpoint]]:
    """Return what answers each method of each path."""
    return {
        "/healthz": {"GET": storewide.health},
        "/readyz": {"GET": storewide.Readiness().answer},
        "/openapi.json": {"GET": storewide.show_openapi},
        "/metrics": {"GET": metrics.show},
        "/v1/assets": {"GET": storewide.list_assets, "POST": uploads.create},
        _ASSET: {"GET": assets.show, "PATCH": assets.change, "DELETE": assets.delete},
        f"{_ASSET}/restore": {"POST": assets.restore},
        f"{_ASSET}/links": {"POST": assets.link},
        f"{_ASSET}/analysis": {"POST": assets.analyse},
        **{
            f"{_ASSET}/{part}": {"GET": partial(assets.read, part=part), **_WRITES.get(part, {})}
            for part in get_args(PartName)
        },
        f"{_ASSET}/shares": {"POST": shared.share, "DELETE": shared.revoke},
        "/v1/feeds": {"POST": shared.make_feed},
        "/s/{token}": {"GET": shared.page},
        "/s/{token}/{part}": {"GET": shared.read},
        "/oembed": {"GET": shared.oembed},
        "/feed/{token}": {"GET": shared.feed},
        "/v1/uploads": {"POST": direct.begin},
        "/v1/uploads/{upload_id}": {"DELETE": direct.end},
        "/v1/uploads/{upload_id}/content": {"PUT": direct.receive},
        "/v1/uploads/{upload_id}/complete": {"POST": direct.complete},
        notifications.PATH: {"POST": storewide.notice},
        "/v1/trash": {"GET": storewide.list_trash},
        "/v1/stats": {"GET": storewide.show_statistics},
        "/v1/check": {"GET": storewide.check},
    }


def _routes() -> list[Route | Mount]:
    routes: list[Route | Mount] = [_route(*each) for each in endpoints().items()]
    if _PAGE.is_dir():
        routes.append(Mount("/", StaticFiles(directory=_PAGE, html=True)))
    return routes


def _route(path: str, by_method: Mapping[str, Endpoint]) -> Route:
    """Return the route of a path; HEAD is answered as GET is, without a body.

    It takes every method, and refuses the others itself: else they would be looked for in the page.
    """

    async def endpoint(request: Request) -> Response:
        request.scope[ROUTE_KEY] = path
        found = by_method.get("GET" if request.method == "HEAD" else request.method)
        if found is None:
            allowed = [*by_method, *(["HEAD"] if "GET" in by_method else [])]
            raise RefusedError(
                405,
                f"{path} has no {request.method[:20]}: it has {', '.join(allowed)}",
                headers={"Allow": ", ".join(allowed)},
            )
        return await found(request)

    route = Route(path, endpoint)
    route.methods = None
    return route


async def _answer_http(_: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: an unknown path, a method that a path does not have."""
    if not isinstance(error, HTTPException):
        raise error
    detail = {404: "no such path: /openapi.json lists them all"}.get(error.status_code)
    return response_to(
        RefusedError(
            error.status_code, detail or str(error.detail), headers=dict(error.headers or {})
        )
    )


async def _answer_nobody(_: Request, error: Exception) -> Response:
    """Answer a client that has gone; nothing was stored."""
    return response_to(RefusedError(400, "the body ended early", kind=type(error).__name__))
