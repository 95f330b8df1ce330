"""Routes that store: an asset under a new id or the client's, and artwork."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response

from audiostore.asset import FilenameGenerator
from audiostore.serve.parameters import truth_of
from audiostore.serve.problems import RefusedError
from audiostore.serve.receiving import Received, Receiver
from audiostore.serve.routes.assets import asset_response, matched, note_written
from audiostore.serve.service import Service, id_of, require_parameters, service_of
from audiostore.values import StorageResult


async def create(request: Request) -> Response:
    """Store an asset under a new id."""
    require_parameters(request, "filename", "meta.", "fix_extension")
    service, audio_id = service_of(request), FilenameGenerator.generate_audio_id()
    fixes = truth_of(request.query_params, "fix_extension")
    async with _received(request, service, "audio") as received:
        asset = await _stored(service, received, audio_id, id_is_new=True, fix_extension=fixes)
    return asset_response(request, asset, 201)


async def put_audio(request: Request) -> Response:
    """Store an asset under the client's id: sent again, it is stored once."""
    require_parameters(request, "filename", "meta.", "fix_extension")
    service, audio_id = service_of(request), id_of(request)
    fixes = truth_of(request.query_params, "fix_extension")
    async with _received(request, service, "audio") as received:
        asset = await _stored(service, received, audio_id, id_is_new=False, fix_extension=fixes)
    return asset_response(request, asset, 201 if asset.created else 200)


async def put_thumbnail(request: Request) -> Response:
    """Set or replace the artwork of an asset."""
    require_parameters(request, "filename", "fix_extension")
    service, audio_id = service_of(request), id_of(request)
    fixes = truth_of(request.query_params, "fix_extension")
    await service.calls.run(service.manager.get, audio_id)  # no artwork of what is not there
    async with _received(request, service, "thumbnail") as received:
        if received.metadata is not None or "audio" in received.files:
            raise RefusedError(422, "the form has other fields than thumbnail")
        async with matched(request, part="thumbnail") as asset:
            await service.calls.run(
                service.manager.upload_thumbnail_file,
                received.require("thumbnail"),
                audio_id,
                if_unchanged=asset,
                fix_extension=fixes,
            )
    asset = await service.calls.run(service.manager.get, audio_id)
    await note_written(service, asset)
    return asset_response(request, asset)


@asynccontextmanager
async def _received(request: Request, service: Service, part: str) -> AsyncIterator[Received]:
    if service.stopping.is_set:
        raise RefusedError(503, "the service is shutting down", kind="ShuttingDown")
    with service.slots.one(), ExitStack() as files:
        received = Received(files)
        await Receiver(request, service.limits, service.calls, received).run(part)
        yield received


async def _stored(
    service: Service, received: Received, audio_id: str, *, id_is_new: bool, fix_extension: bool
) -> StorageResult:
    result = await service.calls.run(
        service.manager.upload_audio_with_thumbnail,
        received.require("audio"),
        received.files.get("thumbnail"),
        audio_id=audio_id,
        metadata=received.metadata,
        id_is_new=id_is_new,
        fix_extension=fix_extension,
    )
    await note_written(service, result)
    return result
