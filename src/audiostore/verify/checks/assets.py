"""All of it together: an asset from its upload to its restoration."""

from io import BytesIO

from audiostore.asset import copy_asset
from audiostore.errors import AssetNotFoundError
from audiostore.manager import AudioStorageManager
from audiostore.testing import cover, tone
from audiostore.verify.scratch import Scratch
from audiostore.verify.values import BrokenPromiseError, check

_SECONDS = 0.5


@check(
    "an asset is stored, downloaded, copied, deleted and restored, with its cover",
    class_a=27,
    class_b=36,
    sent_bytes=256 << 10,
)
def whole_life(scratch: Scratch) -> str:
    """Put a tone with a cover, and do with it what a library does."""
    audio, picture = tone(_SECONDS, title="A tone"), cover()
    with _library(scratch, "library") as manager, _library(scratch, "copies") as copies:
        stored = manager.upload_audio_with_thumbnail(BytesIO(audio), picture, filename="tone.wav")
        audio_id = stored.audio_id
        if [asset.audio_id for asset in manager.list()] != [audio_id]:
            raise BrokenPromiseError("the asset is not listed when its upload has returned")
        _require_content(manager, audio_id, audio, picture, "the stored asset")
        copy_asset(manager.store, copies.store, manager.get(audio_id))
        _require_content(copies, audio_id, audio, picture, "the copy")
        manager.delete(audio_id)
        if manager.exists(audio_id):
            raise BrokenPromiseError("the asset is there after its deletion")
        if not scratch.facts.keeps_deleted:
            return "stored, read, copied and deleted (it cannot be restored: soft delete is off)"
        manager.restore(audio_id)
        _require_content(manager, audio_id, audio, picture, "the restored asset")
    return "stored, read, copied, deleted, restored"


def _library(scratch: Scratch, name: str) -> AudioStorageManager:
    access = scratch.access
    return AudioStorageManager(
        f"{scratch.url}/{name}", credentials=access.credentials, project=access.project
    )


def _require_content(
    manager: AudioStorageManager, audio_id: str, audio: bytes, picture: bytes, what: str
) -> None:
    try:
        found = manager.read_bytes(audio_id), manager.read_bytes(audio_id, part="thumbnail")
    except AssetNotFoundError as error:
        raise BrokenPromiseError(f"{what} is not found: {error}") from error
    if found != (audio, picture):
        raise BrokenPromiseError(f"{what} has other bytes")
