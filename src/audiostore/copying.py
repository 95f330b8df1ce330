"""One asset from one store to another: whole, verified, under the same id.

As with an upload, the artwork goes first and the audio last, which commits the asset; what is
there already is compared, never overwritten. So a copy that was killed is finished by doing it
again.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from audiostore import record, verified
from audiostore.assets import Assets
from audiostore.errors import AssetConflictError, AssetNotFoundError
from audiostore.model import BlobInfo, StorageResult
from audiostore.notify import Notifier
from audiostore.source import LocalFile
from audiostore.store import BlobSpec, ObjectStore, spec_of

# What these say is true of generations in the store that an object comes from.
_OF_ITS_STORE = ("audio_generation", "replaces_generation")


def copy_asset(source: ObjectStore, target: ObjectStore, asset: StorageResult) -> bool:
    """Copy an asset with all its metadata; return False if it was there already.

    Its bytes pass through a temporary directory. Holds and storage classes are not copied: the
    target's own rules are for the copy.

    Args:
        source: where it is.
        target: where it is to be.
        asset: as the source describes it.

    Raises:
        AssetConflictError: the target has other content under the id, which was not touched.
        AssetNotFoundError: its artwork is missing in the source.
        BlobNotFoundError: it was deleted from the source meanwhile.
        IntegrityError: wrong bytes came, or were stored; nothing of them was kept.
    """
    audio = asset.audio
    if audio is None or (asset.thumbnail is None and "thumbnail_name" in audio.metadata):
        raise AssetNotFoundError(
            f"asset {asset.audio_id} in {source.url} is not whole: 'audiostore check' tells what "
            "is missing"
        )
    if _is_there(target, asset, audio):
        return False
    with tempfile.TemporaryDirectory(prefix="audiostore-copy-") as folder:
        cover: BlobInfo | None = None
        if asset.thumbnail is not None:
            spec = spec_of(asset.thumbnail, asset.thumbnail.name)
            metadata = {k: v for k, v in spec.metadata.items() if k not in _OF_ITS_STORE}
            spec = replace(spec, metadata={**metadata, "audio_crc32c": audio.crc32c})
            cover = _copy_blob(source, target, asset.thumbnail, spec, Path(folder))
        spec = spec_of(audio, audio.name)
        reference = record.thumbnail_reference(cover)
        spec = replace(spec, metadata={**spec.metadata, **reference})
        _copy_blob(source, target, audio, spec, Path(folder))
    return True


def _is_there(target: ObjectStore, asset: StorageResult, audio: BlobInfo) -> bool:
    """Say whether the target has this asset.

    Raises:
        AssetConflictError: it has another one under its id.
    """
    present = Assets(target, Notifier()).find(asset.audio_id)
    if present is None:
        return False
    same_audio = present.audio.name == audio.name and _same(present.audio, audio)
    if not (same_audio and _same(present.thumbnail, asset.thumbnail)):
        raise AssetConflictError(
            f"asset {asset.audio_id} exists in {target.url} with other "
            f"{'artwork' if same_audio else 'audio'} than in {asset.audio_path}: it was not touched"
        )
    return True


def _same(blob: BlobInfo | None, other: BlobInfo | None) -> bool:
    if blob is None or other is None:
        return blob is other
    return (blob.size_bytes, blob.crc32c) == (other.size_bytes, other.crc32c)


def _copy_blob(
    source: ObjectStore, target: ObjectStore, blob: BlobInfo, spec: BlobSpec, folder: Path
) -> BlobInfo:
    path = folder / blob.name.rpartition("/")[2]
    verified.download(source, blob, path)
    file = LocalFile.snapshot(path)
    written = verified.write(
        target, spec, file, is_ours=lambda found: dict(found.metadata) == dict(spec.metadata)
    )
    return written.blob
