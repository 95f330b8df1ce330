"""Protocols that break the promise on purpose: the suite must notice each of them."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiostore import AudioStorageManager, StorageResult
from audiostore.asset import attach, commit
from audiostore.stores import transfer

_upload = AudioStorageManager.upload_audio_with_thumbnail

Patch = Callable[[object, str, object], None]


def audio_first(patch: Patch = setattr) -> None:
    """Store the audio, and only then its artwork."""

    def upload(self: AudioStorageManager, audio: str, cover: str, **options: Any) -> StorageResult:
        self.upload_audio_file(audio, **options)
        self.upload_thumbnail_file(cover, options["audio_id"], cleanup=options["cleanup"])
        return self.get(options["audio_id"])

    def upload_audio(self: AudioStorageManager, audio: str, **options: Any) -> StorageResult:
        return _upload(self, audio, **options)

    patch(AudioStorageManager, "upload_audio_with_thumbnail", upload)
    patch(AudioStorageManager, "upload_audio_file", upload_audio)


def no_comparison(patch: Patch = setattr) -> None:
    """Trust the store: compare nothing."""
    for module in (transfer, commit, attach):
        patch(module, "has_content", lambda _blob, _source: True)


def unlink_first(patch: Patch = setattr) -> None:
    """Delete the local files, and store copies of them afterwards."""

    def upload(self: AudioStorageManager, audio: str, cover: str, **options: Any) -> StorageResult:
        with tempfile.TemporaryDirectory() as folder:
            copies = []
            for path in (Path(audio), Path(cover)):
                copy = Path(folder, path.name)
                copy.write_bytes(path.read_bytes())
                os.unlink(path)  # noqa: PTH108  (the operation that is counted)
                copies.append(copy)
            return _upload(self, *copies, **{**options, "cleanup": False})

    patch(AudioStorageManager, "upload_audio_with_thumbnail", upload)
