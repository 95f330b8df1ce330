"""Views of Django that store and play audio: ``python examples/django_app.py runserver``.

It needs ``pip install audiostore django``. AUDIO_STORE names a bucket or a directory. A project has
its own settings: `upload`, `play` and `urlpatterns` are what to take from here.
"""
# pyright: reportAttributeAccessIssue=false
# Django has no types, and what pyright infers is wrong: a file of a request is no list.

import os
import secrets
import sys
from typing import Any

from django.conf import settings

if not settings.configured:
    settings.configure(
        DEBUG=True,
        SECRET_KEY=secrets.token_hex(),
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["127.0.0.1", "localhost", "testserver"],
        FILE_UPLOAD_HANDLERS=["django.core.files.uploadhandler.TemporaryFileUploadHandler"],
    )

from django.core.management import execute_from_command_line
from django.http import FileResponse, Http404, HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from audiostore import AssetNotFoundError, AudioStorageManager, AudioStoreError

audio = AudioStorageManager(os.environ.get("AUDIO_STORE", "./audio-store"))


@require_POST  # type: ignore[untyped-decorator,unused-ignore]
def upload(request: HttpRequest) -> Any:
    file = request.FILES["file"]
    try:
        stored = audio.upload_audio_file(file.file, filename=file.name)
    except AudioStoreError as error:
        # Nothing was stored: the file is damaged, or no audio; or the store does not answer.
        status = 422 if isinstance(error, ValueError) else 503
        return JsonResponse({"error": str(error)}, status=status)
    return JsonResponse({"id": stored.audio_id, "title": stored.title}, status=201)


def play(_: HttpRequest, audio_id: str) -> Any:
    """Send the audio from the store. Of a bucket, redirect to `audio.signed_url` instead: then
    players can seek, and the bytes do not pass through Django.
    """
    try:
        part = audio.get(audio_id).parts["audio"]
        return FileResponse(audio.open(audio_id), content_type=part.content_type)
    except (AssetNotFoundError, ValueError) as error:
        raise Http404(str(error)) from error


urlpatterns = [path("songs", upload), path("songs/<audio_id>", play)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
