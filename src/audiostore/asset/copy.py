"""One asset from one store to another: whole, verified, under the same id.

As with an upload, the artwork goes first and the audio last, which commits the asset; what is
there already is compared, never overwritten. So a copy that was killed is finished by doing it
again.
"""

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from audiostore.asset import record
from audiostore.asset.commit import Assets
from audiostore.asset.layout import THUMBNAIL, folder_prefix, part_of
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    PreconditionFailedError,
)
from audiostore.notify import Notifier
from audiostore.sources import LocalFile
from audiostore.stores import BlobSpec, ObjectStore, get_checked, put_checked, spec_of
from audiostore.values import BlobInfo, StorageResult

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
    left_over = _left_over(target, asset.audio_id, audio)
    with tempfile.TemporaryDirectory(prefix="audiostore-copy-") as folder:
        cover: BlobInfo | None = None
        if asset.thumbnail is not None:
            spec = spec_of(asset.thumbnail, asset.thumbnail.name)
            metadata = {**_own(spec.metadata), "audio_crc32c": audio.crc32c}
            spec = replace(spec, metadata=metadata)
            over = left_over.pop(asset.thumbnail.name, None)
            cover = _copy_blob(
                source, target, asset.thumbnail, spec, folder=Path(folder), over=over
            )
        spec = spec_of(audio, audio.name)
        reference = record.thumbnail_reference(cover)
        spec = replace(spec, metadata={**spec.metadata, **reference})
        _copy_blob(source, target, audio, spec, folder=Path(folder))
    for blob in left_over.values():
        with suppress(BlobNotFoundError, PreconditionFailedError):  # gone, or another by now
            target.delete(blob)
    return True


def _left_over(target: ObjectStore, audio_id: str, audio: BlobInfo) -> dict[str, BlobInfo]:
    """Return artwork, by name, that an earlier copy left which was killed before the audio."""
    return {
        blob.name: blob
        for blob in target.list(folder_prefix(audio_id))
        if part_of(blob.name) is THUMBNAIL and blob.metadata.get("audio_crc32c") == audio.crc32c
    }


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


def _own(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key not in _OF_ITS_STORE}


def _same(blob: BlobInfo | None, other: BlobInfo | None) -> bool:
    if blob is None or other is None:
        return blob is other
    return (blob.size_bytes, blob.crc32c) == (other.size_bytes, other.crc32c)


def _copy_blob(
    source: ObjectStore,
    target: ObjectStore,
    blob: BlobInfo,
    spec: BlobSpec,
    *,
    folder: Path,
    over: BlobInfo | None = None,
) -> BlobInfo:
    path = folder / blob.name.rpartition("/")[2]
    get_checked(source, blob, path)
    file = LocalFile.snapshot(path)
    if_generation_match = 0
    if over is not None and not _same(over, blob):
        # The source was given other artwork since. Should the earlier copy be alive yet, and commit
        # its audio, that names what is written over here: this counts as its replacement.
        if_generation_match = over.generation
        replaced = {"replaces_generation": str(over.generation)}
        spec = replace(spec, metadata={**spec.metadata, **replaced})
    try:
        written = put_checked(
            target,
            spec,
            file,
            is_ours=lambda found: _own(found.metadata) == _own(spec.metadata),
            if_generation_match=if_generation_match,
        )
    except PreconditionFailedError as error:
        raise AssetConflictError(
            f"cannot copy to {target.uri(spec.name)}: another copy is under way; try again"
        ) from error
    return written.blob
