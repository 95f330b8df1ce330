"""Routes for anyone with a link: a page with a player, its bytes, oEmbed, a podcast feed.

And those that make and revoke links, for users of the service.
"""

import time
from email.utils import format_datetime
from html import escape
from typing import Any, Final, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from xml.sax.saxutils import escape as xml, quoteattr

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from audiostore.asset import Changes, PartName, result_of
from audiostore.errors import AssetNotFoundError
from audiostore.serve.bodies import json_body, whole_number
from audiostore.serve.parameters import FILTERS, query_of
from audiostore.serve.problems import RefusedError, not_found
from audiostore.serve.service import Service, id_of, require_parameters, root_of, service_of
from audiostore.serve.sharedpage import POLICY, byline_of, name_of, page_of, refusal
from audiostore.serve.sharing import (
    Feed,
    InvalidTokenError,
    Share,
    ShareKey,
    epoch_of,
    is_revoked,
    new_share,
)
from audiostore.values import StorageResult

_JSON: Final = ("application/json",)
_HEARD: Final = ("audio", "preview", "thumbnail")
"""The parts that a link shows."""
_CACHED: Final = "public, max-age=300"
"""So long, a link that was revoked may still be answered by caches."""
_MOST_ITEMS: Final = 300
_WIDTH, _HEIGHT = 480, 160
"""Of a frame, unless less is asked for."""
_MOST_TITLE: Final = 200
_MOST_EXPIRES_S: Final = 100 * 365 * 24 * 3600


async def share(request: Request) -> Response:
    """Make a link with which anyone can hear an asset."""
    require_parameters(request)
    service, audio_id = service_of(request), id_of(request)
    expires_s = _expires_s(await json_body(request, service.limits, _JSON))
    asset = await service.calls.run(service.manager.get, audio_id)
    expires_at = None if expires_s is None else int(time.time()) + expires_s
    token = _key(service).share_token(new_share(asset, expires_at))
    url = f"{_base(request)}/s/{token}"
    return JSONResponse(
        {"url": url, "expires_at": expires_at, "html": _frame(url, name_of(asset))},
        status_code=201,
        headers={"Cache-Control": "no-store"},
    )


async def revoke(request: Request) -> Response:
    """Revoke all links to an asset."""
    require_parameters(request)
    service, audio_id = service_of(request), id_of(request)
    _key(service)
    store = service.manager.store
    changed = await service.calls.run(Changes(store).revoke_shares, audio_id)
    await service.calls.run(service.searching.index.put, result_of(store, changed))
    return Response(status_code=204)


async def page(request: Request) -> Response:
    """Answer with the page of a link."""
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": _CACHED}
    try:
        asset = await _shared(request)
    except RefusedError as error:
        headers["Cache-Control"] = "no-store"
        return HTMLResponse(refusal(error.detail), status_code=error.status, headers=headers)
    url = f"{_base(request)}/s/{request.path_params['token']}"
    oembed = f"{_base(request)}/oembed?{urlencode({'url': url})}"
    return HTMLResponse(page_of(asset, url, oembed), headers=headers)


async def read(request: Request) -> Response:
    """Answer with the bytes of a part of what is shared, or a range of them."""
    part = request.path_params["part"]
    if part not in _HEARD:
        raise not_found("a link shows audio, preview and thumbnail")
    service, asset = service_of(request), await _shared(request)
    response = await service.calls.run(
        service.content.response, request, asset, cast("PartName", part)
    )
    # The player may be on any site.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = _CACHED
    return response


async def oembed(request: Request) -> Response:
    """Describe the page of a link to a site that embeds it (oembed.com, version 1.0)."""
    require_parameters(request, "url", "maxwidth", "maxheight", "format")
    if request.query_params.get("format", "json") != "json":
        raise RefusedError(501, "the format must be json")
    path = urlsplit(request.query_params.get("url", "")).path.rpartition("/s/")
    if not path[1]:
        raise not_found("url must be the URL of a link: …/s/TOKEN")
    token = path[2].partition("/")[0]
    asset = await _asset_of(service_of(request), token)
    width, height = _at_most(request, "maxwidth", _WIDTH), _at_most(request, "maxheight", _HEIGHT)
    found: dict[str, Any] = {
        "version": "1.0",
        "type": "rich",
        "provider_name": "audiostore",
        "title": name_of(asset),
        "width": width,
        "height": height,
        "html": _frame(f"{_base(request)}/s/{token}", name_of(asset), width, height),
        "cache_age": 300,
    }
    if asset.artist:
        found["author_name"] = asset.artist
    return JSONResponse(found, headers={"Access-Control-Allow-Origin": "*"})


async def make_feed(request: Request) -> Response:
    """Make the URL of a podcast feed of a search."""
    require_parameters(request)
    service = service_of(request)
    given = await json_body(request, service.limits, _JSON)
    feed = _feed_of(given)
    try:
        query_of(QueryParams(dict(feed.query)))
    except RefusedError as error:
        raise RefusedError(422, f"query is not a search: {error.detail}") from None
    url = f"{_base(request)}/feed/{_key(service).feed_token(feed)}"
    return JSONResponse({"url": url}, status_code=201, headers={"Cache-Control": "no-store"})


async def feed(request: Request) -> Response:
    """Answer with a feed: RSS 2.0 of what matches, newest first, with its audio as enclosures."""
    service = service_of(request)
    key = _key(service)
    try:
        found = key.read_feed(request.path_params["token"])
    except InvalidTokenError as error:
        raise not_found(str(error)) from None
    await service.searching.search()
    page = await service.calls.run(
        service.searching.index.find,
        query_of(QueryParams(dict(found.query))),
        order_by="created",
        descending=True,
        after=None,
        limit=_MOST_ITEMS,
    )
    base = _base(request)
    items = "".join(_item(asset, base, key) for asset in page.assets)
    self_url = f"{base}{request.url.path.removeprefix(root_of(request))}"
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" '
        'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel>'
        f"<title>{_text(found.title)}</title><link>{_text(base)}/</link>"
        f"<description>{_text(found.title)}</description>"
        f'<atom:link rel="self" type="application/rss+xml" href={quoteattr(self_url)}/>'
        f"{items}</channel></rss>"
    )
    headers = {"Cache-Control": _CACHED, "Access-Control-Allow-Origin": "*"}
    return Response(text, media_type="application/rss+xml", headers=headers)


def _item(asset: StorageResult, base: str, key: ShareKey) -> str:
    url = f"{base}/s/{key.share_token(Share(asset.audio_id, None, epoch_of(asset)))}"
    length = "" if asset.duration_s is None else str(round(asset.duration_s))
    picture = f"<itunes:image href={quoteattr(f'{url}/thumbnail')}/>" if asset.has_thumbnail else ""
    return (
        f"<item><title>{_text(name_of(asset))}</title><link>{_text(url)}</link>"
        f"<description>{_text(byline_of(asset) or name_of(asset))}</description>"
        f'<guid isPermaLink="false">{asset.audio_id}</guid>'
        f"<pubDate>{format_datetime(asset.created_at)}</pubDate>"
        f'<enclosure url={quoteattr(f"{url}/audio")} length="{asset.size_bytes}" '
        f"type={quoteattr(asset.content_type.partition(';')[0])}/>"
        f"<itunes:duration>{length}</itunes:duration>{picture}</item>"
    )


def _text(text: str) -> str:
    """Return a text for XML 1.0, which has no control characters (section 2.2)."""
    return xml("".join(c for c in text if c >= " " or c in "\t\n"))


async def _shared(request: Request) -> StorageResult:
    require_parameters(request)
    return await _asset_of(service_of(request), request.path_params["token"])


async def _asset_of(service: Service, token: str) -> StorageResult:
    """Return the asset that a token is for.

    Raises:
        RefusedError: it is not valid (404), has expired or was revoked, or the asset is gone (410).
    """
    try:
        found = _key(service).read_share(token)
    except InvalidTokenError as error:
        status = 410 if "expired" in str(error) else 404
        raise RefusedError(status, str(error), kind="InvalidLink") from None
    try:
        asset = await service.calls.run(service.manager.get, found.audio_id)
    except AssetNotFoundError:
        raise RefusedError(410, "what this link led to was deleted", kind="Gone") from None
    if is_revoked(found, asset):
        raise RefusedError(410, "this link was revoked", kind="Gone")
    return asset


def _key(service: Service) -> ShareKey:
    if service.share_key is None:
        raise RefusedError(
            501, "this service makes no links: it was started without a secret for them"
        )
    return service.share_key


def _base(request: Request) -> str:
    """Return the URL of the service as others see it."""
    public = service_of(request).public_url
    return public or f"{request.url.scheme}://{request.url.netloc}{quote(root_of(request))}"


def _frame(url: str, title: str, width: int = _WIDTH, height: int = _HEIGHT) -> str:
    return (
        f'<iframe src="{escape(url)}" width="{width}" height="{height}" title="{escape(title)}" '
        'style="border:0" loading="lazy"></iframe>'
    )


def _at_most(request: Request, name: str, usual: int) -> int:
    text = request.query_params.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**6):
        raise RefusedError(400, f"{name} must be a number of pixels")
    return min(int(text), usual)


def _expires_s(given: object) -> int | None:
    if not isinstance(given, dict) or not set(given) <= {"expires_s"}:
        raise RefusedError(422, 'a share is {"expires_s": seconds}, or {} for one that never ends')
    if given.get("expires_s") is None:
        return None
    expires_s = whole_number(given["expires_s"])
    if expires_s is None or not 1 <= expires_s <= _MOST_EXPIRES_S:
        raise RefusedError(422, "expires_s must be a whole number of seconds from 1, or null")
    return expires_s


def _feed_of(given: object) -> Feed:
    if not isinstance(given, dict) or not set(given) <= {"title", "query"}:
        raise RefusedError(422, 'a feed is {"title": …, "query": "text=jazz&format=mp3"}')
    title, query = given.get("title", "audiostore"), given.get("query", "")
    if not (isinstance(title, str) and 0 < len(title) <= _MOST_TITLE):
        raise RefusedError(422, f"title must be a string of up to {_MOST_TITLE} characters")
    if not (isinstance(query, str) and len(query) <= 5 * _MOST_TITLE):
        raise RefusedError(422, "query must be a search, as /v1/assets takes it")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    for name in pairs:
        if name not in FILTERS and not name.startswith(
            tuple(each for each in FILTERS if each.endswith("."))
        ):
            raise RefusedError(422, f"unknown parameter {name[:80]!r} in query")
    return Feed(title, pairs)
