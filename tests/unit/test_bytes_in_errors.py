"""No error repeats the caller's bytes."""

from collections.abc import Callable
from typing import Any

import pytest

from audiostore import AudioStorageManager, MemoryStore, UploadOptions
from tests.assets import JPG, MP3

SECRET = b"SECRET" * 1000
ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
Call = Callable[[AudioStorageManager, Any], object]

CALLS: dict[str, Call] = {
    "audio path": lambda m, v: m.upload_audio_file(v),
    "thumbnail path": lambda m, v: m.upload_audio_with_thumbnail(MP3, v),
    "artwork path": lambda m, v: m.upload_thumbnail_file(v, ID),
    "id of an upload": lambda m, v: m.upload_audio_file(MP3, audio_id=v),
    "id of artwork": lambda m, v: m.upload_thumbnail_file(JPG, v),
    "id": lambda m, v: m.get(v),
    "id to delete": lambda m, v: m.delete(v),
    "id to restore": lambda m, v: m.restore(v),
    "id to hold": lambda m, v: m.hold(v),
    "part": lambda m, v: m.open(m.upload_audio_file(MP3).audio_id, part=v),
    "destination": lambda m, v: m.download(m.upload_audio_file(MP3), v),
    "life of a URL": lambda m, v: m.signed_url(ID, expires_s=v),
    "storage class": lambda m, v: m.set_class(ID, v),
    "metadata": lambda m, v: m.upload_audio_file(MP3, metadata={"k": v}),
    "metadata key": lambda m, v: m.upload_audio_file(MP3, metadata={v: "v"}),
    "changed key": lambda m, v: m.update_metadata(m.upload_audio_file(MP3).audio_id, {v: "v"}),
    "bucket": lambda _, v: AudioStorageManager(v),
    **{
        name: lambda _, v, name=name: UploadOptions(**{name: v})  # type: ignore[misc]
        for name in ("cleanup", "check", "artwork", "thumbnail_max_px", "cache", "supersedes")
    },
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_error_does_not_contain_the_bytes_it_is_about(call: Call) -> None:
    with (
        AudioStorageManager(store=MemoryStore()) as manager,
        pytest.raises((ValueError, TypeError)) as caught,
    ):
        call(manager, SECRET)
    texts = [str(caught.value), repr(caught.value), *getattr(caught.value, "__notes__", [])]
    assert not any("SECRET" in text for text in texts)
