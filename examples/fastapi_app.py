"""A site with uploads and players, by FastAPI: ``uvicorn --app-dir examples fastapi_app:app``.

It needs ``pip install 'audiostore[serve]' fastapi``. AUDIO_STORE names a bucket or a
directory. Anybody may upload and delete here: put your own authentication in front of it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from itertools import islice

from fastapi import FastAPI, HTTPException, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse

from audiostore import (
    AsyncAudioStorageManager,
    AudioStorageManager,
    AudioStoreError,
    StorageResult,
)
from audiostore.serve import create_app

STORE = os.environ.get("AUDIO_STORE", "./audio-store")
served = AudioStorageManager(STORE)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncAudioStorageManager(STORE) as manager:
        app.state.audio = manager
        yield
    served.close()


app = FastAPI(lifespan=lifespan)
app.mount("/audio", create_app(served))  # /audio/v1/assets/{id}/audio has ranges and ETags


@app.post("/songs")
async def upload(file: UploadFile) -> RedirectResponse:
    try:
        await app.state.audio.upload_audio_file(file.file, filename=file.filename)
    except AudioStoreError as error:
        # Nothing was stored: the file is damaged, or no audio; or the store does not answer.
        raise HTTPException(422 if isinstance(error, ValueError) else 503, str(error)) from error
    return RedirectResponse("/", status_code=303)


@app.get("/")
def songs() -> HTMLResponse:
    players = "".join(player(each) for each in islice(served.list(), 50))
    return HTMLResponse(
        "<!doctype html><meta charset=utf-8><title>Songs</title><h1>Songs</h1>"
        "<form method=post action=/songs enctype=multipart/form-data>"
        "<input type=file name=file accept='audio/*' aria-label=File required>"
        f"<button>Store</button></form>{players}"
    )


def player(asset: StorageResult) -> str:
    title = escape(asset.title or asset.original_filename or asset.audio_id)
    source = f"/audio/v1/assets/{asset.audio_id}/audio"
    return f"<h2>{title}</h2><audio controls preload=none src={source}></audio>"
