"""Routes on one asset: show, change, delete, restore, its bytes, links to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from audiostore.asset import MAX_EXPIRES_S, PartName, delete_rest
from audiostore.errors import AssetConflictError, AssetNotFoundError
from audiostore.serve.bodies import json_body, whole_number
from audiostore.serve.content import REDIRECT_S, redirect
from audiostore.serve.documents import asset_document, content_etag, etag_of, versions_in
from audiostore.serve.problems import RefusedError
from audiostore.serve.ranges import etags_in, names_etag
from audiostore.serve.service import Service, id_of, require_parameters, root_of, service_of
from audiostore.values import StorageResult

_PATCH: Final = ("application/merge-patch+json", "application/json")
_JSON: Final = ("application/json",)
_REVALIDATED: Final = "private, no-cache"
_MOST_NAME: Final = 200
VERSION: Final = "v"
"""A parameter that only makes another URL, of what a client may keep for a while."""


async def show(request: Request) -> Response:
    """Answer with an asset."""
    require_parameters(request)
    service, audio_id = service_of(request), id_of(request)
    asset = await service.calls.run(service.manager.get, audio_id)
    etag = etag_of(asset)
    if names_etag(request.headers.get("if-none-match"), etag):
        headers = {"ETag": etag, "Cache-Control": _REVALIDATED}
        return Response(status_code=304, headers=headers)
    return asset_response(request, asset)


async def change(request: Request) -> Response:
    """Change the caller's metadata by a merge patch (RFC 7396)."""
    require_parameters(request)
    service, audio_id = service_of(request), id_of(request)
    patch = await json_body(request, service.limits, _PATCH)
    changes = _changes(patch)
    async with matched(request) as asset:
        changed = await service.calls.run(
            service.manager.update_metadata, audio_id, changes, if_unchanged=asset
        )
    await note_written(service, changed)
    return asset_response(request, changed)


async def delete(request: Request) -> Response:
    """Delete an asset; the store may keep it in its trash."""
    require_parameters(request)
    service, audio_id = service_of(request), id_of(request)
    try:
        async with matched(request) as asset:
            await service.calls.run(service.manager.delete, audio_id, if_unchanged=asset)
    except AssetNotFoundError:
        # If this request was killed before, its tag says what may be left of the asset.
        tags = etags_in(request.headers.get("if-match", ""))
        others = [version for tag in tags for version in versions_in(tag)[1:]]
        if not await service.calls.run(delete_rest, service.manager.store, audio_id, others):
            raise
    await service.calls.run(service.searching.index.remove, audio_id)
    return Response(status_code=204)


async def restore(request: Request) -> Response:
    """Restore a deleted asset."""
    require_parameters(request)
    service, audio_id = service_of(request), id_of(request)
    asset = await service.calls.run(service.manager.restore, audio_id)
    await note_written(service, asset)
    return asset_response(request, asset)


async def analyse(request: Request) -> Response:
    """Measure loudness and make the waveform, if the asset lacks them."""
    require_parameters(request)
    service, audio_id = service_of(request), id_of(request)
    with service.slots.one():
        asset = await service.calls.run(service.manager.analyse, audio_id)
    await note_written(service, asset)
    return asset_response(request, asset)


async def read(request: Request, part: PartName) -> Response:
    """Answer with the bytes of a part, or a range of them."""
    require_parameters(request, VERSION)
    service, audio_id = service_of(request), id_of(request)
    if service.redirects:
        url = await service.calls.run(
            service.manager.signed_url, audio_id, part=part, expires_s=REDIRECT_S
        )
        return redirect(url)
    return await service.calls.run(
        lambda: service.content.response(request, service.manager.get(audio_id), part)
    )


async def link(request: Request) -> Response:
    """Make a signed URL."""
    require_parameters(request)
    service, audio_id = service_of(request), id_of(request)
    part, expires_s, download_as = _link_of(await json_body(request, service.limits, _JSON))
    url = await service.calls.run(
        service.manager.signed_url,
        audio_id,
        part=part,
        expires_s=expires_s,
        download_as=download_as,
    )
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_s)
    return JSONResponse(
        {"kind": "signed", "url": url, "expires_at": expires_at.isoformat()},
        status_code=201,
        headers={"Cache-Control": "no-store"},
    )


def asset_response(request: Request, asset: StorageResult, status: int = 200) -> JSONResponse:
    """Return an asset as a response, with its entity tag."""
    found = asset_document(asset, root_of(request))
    headers = {"ETag": found["etag"], "Cache-Control": _REVALIDATED}
    if status == 201:
        headers["Location"] = found["links"]["self"]
    return JSONResponse(found, status_code=status, headers=headers)


async def note_written(service: Service, asset: StorageResult) -> None:
    """Enter an asset that was just written into the index."""
    await service.calls.run(service.searching.index.put, asset)


@asynccontextmanager
async def matched(
    request: Request, *, part: PartName | None = None
) -> AsyncIterator[StorageResult | None]:
    """Yield the asset that the If-Match header of a request names; None without one.

    The header is compared here, and the write in the block must compare again: another request may
    come in between.

    Args:
        request: on an asset.
        part: one whose entity tag the header may name, too.

    Raises:
        RefusedError: it names another version, or the block found another one (412).
    """
    header = request.headers.get("if-match")
    if header is None:
        yield None
        return
    service, audio_id = service_of(request), id_of(request)
    asset = await service.calls.run(service.manager.get, audio_id)
    blob = None if part is None else asset.parts.get(part)
    tags = [etag_of(asset), *([] if blob is None else [content_etag(blob)])]
    if not any(names_etag(header, tag, is_strong=True) for tag in tags):
        raise _changed(audio_id)
    try:
        yield asset
    except AssetConflictError as error:
        raise _changed(audio_id) from error


def _changed(audio_id: str) -> RefusedError:
    return RefusedError(
        412, f"asset {audio_id} was changed meanwhile: read it again, then repeat the change"
    )


def _changes(patch: object) -> dict[str, str | None]:
    """Return the changes that a merge patch makes to the member `custom`."""
    if not isinstance(patch, dict) or not set(patch) <= {"custom"}:
        raise RefusedError(422, 'a patch is {"custom": {…}}: only the metadata there can change')
    custom: Any = patch.get("custom", {})
    if not isinstance(custom, dict) or not all(
        value is None or isinstance(value, str) for value in custom.values()
    ):
        raise RefusedError(422, '"custom" must be an object of strings; null removes a key')
    return cast("dict[str, str | None]", custom)


def _link_of(given: object) -> tuple[PartName, int, str | None]:
    known = {"kind", "part", "expires_s", "download_as"}
    if not isinstance(given, dict) or not set(given) <= known:
        raise RefusedError(422, f"a link must be an object with {', '.join(sorted(known))}")
    if given.get("kind", "signed") != "signed":
        raise RefusedError(422, 'the kind of a link must be "signed"')
    part = given.get("part", "audio")
    if part not in get_args(PartName):
        raise RefusedError(422, f"the part must be one of {', '.join(get_args(PartName))}")
    expires_s = whole_number(given.get("expires_s", 3600))
    if expires_s is None or not 1 <= expires_s <= MAX_EXPIRES_S:
        raise RefusedError(422, f"expires_s must be a whole number from 1 to {MAX_EXPIRES_S}")
    name = given.get("download_as")
    is_name = isinstance(name, str) and name.strip() and name.isprintable()
    if name is not None and not (is_name and len(name) <= _MOST_NAME):
        raise RefusedError(422, "download_as must be a printable file name")
    return part, expires_s, name
