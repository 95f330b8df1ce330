"""Copies an asset from one store to another, complete and verified, under the same id.

A copy is committed like an upload, the audio last. An asset that already exists in the target is
compared, never overwritten. A copy that was killed is completed by repeating it.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from audiostore.asset.commit import Commits
from audiostore.asset.derived import MarkedFile, MarkedParts, marked_draft
from audiostore.asset.drafts import Draft, Outcome, remove_replaced
from audiostore.asset.known import cache_scope, spec_of_copy
from audiostore.asset.layout import THUMBNAIL, part_of, require_part
from audiostore.asset.marks import maker_of
from audiostore.asset.reading import find_asset, objects_of
from audiostore.asset.record import Asset
from audiostore.dataclass import replace
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    PreconditionFailedError,
)
from audiostore.localfiles import LocalFile
from audiostore.notify import Notifier
from audiostore.stores import BlobSpec, ObjectStore, get_checked, require_checksum
from audiostore.values import MARK_KEYS, BlobInfo, StorageResult, same_bytes

# These keys of derived and attached parts are written anew.
_OF_ITS_OBJECT = {
    *("audio_id", "file_type", "original_filename", "file_size", "crc32c", "replaces_generation"),
    *MARK_KEYS,
}
# These keys name generations, which have a meaning in the source store only.
_OF_ITS_STORE = ("audio_generation", "replaces_generation")


def copy_asset(source: ObjectStore, target: ObjectStore, asset: StorageResult) -> bool:
    """Copy an asset with all its metadata; return False if the target already has all of it.

    The bytes pass through a temporary directory. Holds and storage classes are not copied: the
    target's own rules apply to the copy. Content types and headers are audiostore's own: what the
    source says is not trusted.

    Derived and attached parts are copied with it; also next to an asset that the target has, if
    they are missing there.

    Args:
        source: the store to copy from.
        target: the store to copy to.
        asset: the asset, as the source describes it.

    Raises:
        AssetConflictError: the target has other content under the id, which was not touched.
        AssetNotFoundError: its audio or artwork is missing in the source.
        BlobNotFoundError: it was deleted from the source meanwhile.
        UnsupportedFormatError: it has a file that is of no format of audiostore, by its extension.
        InvalidMetadataError: it has metadata that an upload could not have.
        IntegrityError: the bytes received or stored do not match the checksum; none were kept.
        UnreadableBlobError: the source does not tell the checksum of an object.
    """
    audio = asset.audio
    if audio is None or (asset.thumbnail is None and "thumbnail_name" in audio.metadata):
        raise AssetNotFoundError(
            f"asset {asset.audio_id} in {source.url} is incomplete: its audio or artwork is "
            "missing. Restore or replace it first",
            audio_id=asset.audio_id,
        )

    def compare(present: Asset) -> Outcome:
        same_audio = present.audio.name == audio.name and same_bytes(present.audio, audio)
        if not (same_audio and same_bytes(present.thumbnail, asset.thumbnail)):
            raise AssetConflictError(
                f"asset {asset.audio_id} exists in {target.url} with other "
                f"{'artwork' if same_audio else 'audio'} than in {asset.audio_path}: it was not "
                "touched",
                audio_id=asset.audio_id,
            )
        return Outcome(present, created=False)

    crc32c = require_checksum(source, audio)
    present = find_asset(target, asset.audio_id)
    if present is not None:
        compare(present)
        return _complete(source, target, asset, present)
    specs = {blob.name: spec_of_copy(blob) for blob in asset.parts.values()}
    there = {blob.name: blob for blob in objects_of(target, asset.audio_id)}
    leftovers = {name: blob for name, blob in there.items() if _is_leftover(blob, crc32c)}
    cover = asset.thumbnail
    if cover is not None and same_bytes(leftovers.get(cover.name), cover):
        del leftovers[cover.name]
    import tempfile  # noqa: PLC0415  (imports compression; only a copy between stores needs it)

    with tempfile.TemporaryDirectory(prefix="audiostore-copy-") as folder:

        def fetched(blob: BlobInfo) -> LocalFile:
            path = Path(folder) / blob.name.rpartition("/")[2]
            get_checked(source, blob, path)
            return LocalFile.snapshot(path)

        thumbnail = None
        if cover is not None:
            thumbnail = _thumbnail_draft(
                cover, specs[cover.name], fetched(cover), crc32c, leftovers.get(cover.name)
            )
        cache = cache_scope(audio)
        derived = [
            marked_draft(
                asset.audio_id,
                _marked_file(blob, fetched(blob)),
                audio,
                filename=audio.metadata.get("original_filename", audio.name),
                cache=cache,
                custom_time=audio.custom_time,
            )
            for blob in _marked(asset).values()
        ]
        try:
            commits = Commits(target, Notifier())
            outcome = commits.run(
                commits.commit(
                    asset.audio_id,
                    Draft(specs[audio.name], fetched(audio), _is_the_same),
                    thumbnail,
                    derived=derived,
                    compare=compare,
                    confirms=False,
                    adopts=False,
                )
            )
        except PreconditionFailedError as error:
            raise AssetConflictError(
                f"cannot copy asset {asset.audio_id} to {target.url}: another copy is under way; "
                "try again",
                audio_id=asset.audio_id,
            ) from error
    for blob in leftovers.values():
        if thumbnail is not None and blob.name == thumbnail.spec.name:
            remove_replaced(target, blob)
            continue
        with suppress(BlobNotFoundError, PreconditionFailedError):  # gone or replaced meanwhile
            target.delete(blob)
    if isinstance(outcome.stored, Asset):  # another writer may have replaced a part
        _complete(source, target, asset, outcome.stored)
    return outcome.created


def _complete(
    source: ObjectStore, target: ObjectStore, asset: StorageResult, present: Asset
) -> bool:
    """Copy the derived and attached parts that an asset lacks in the target; say whether any."""
    missing = [blob for name, blob in _marked(asset).items() if name not in present.marked]
    if not missing:
        return False
    import tempfile  # noqa: PLC0415  (imports compression; only a copy between stores needs it)

    parts = MarkedParts(target, Notifier())
    with tempfile.TemporaryDirectory(prefix="audiostore-copy-") as folder:
        for blob in missing:
            path = Path(folder) / blob.name.rpartition("/")[2]
            get_checked(source, blob, path)
            file = _marked_file(blob, LocalFile.snapshot(path))
            parts.store(asset.audio_id, file, of=present.audio)
    return True


def _marked(asset: StorageResult) -> dict[str, BlobInfo]:
    return {**asset.derived, **asset.attached}


def _marked_file(blob: BlobInfo, file: LocalFile) -> MarkedFile:
    """Return a derived or an attached part as it is to be stored in the target."""
    spec = spec_of_copy(blob)
    part = require_part(blob.metadata["file_type"])
    return MarkedFile(
        part,
        file,
        PurePosixPath(blob.name).suffix,
        maker=maker_of(blob),
        filename=blob.metadata.get("original_filename"),
        content_type=spec.content_type,
        facts={k: v for k, v in spec.metadata.items() if k not in _OF_ITS_OBJECT},
    )


def _thumbnail_draft(
    cover: BlobInfo, spec: BlobSpec, file: LocalFile, audio_crc32c: str, leftover: BlobInfo | None
) -> Draft:
    """Return the draft of the thumbnail, which replaces a different one of an earlier copy."""
    metadata = {**_own(spec.metadata), "audio_crc32c": audio_crc32c}
    draft = Draft(replace(spec, metadata=metadata), file, _is_the_same)
    if leftover is None:
        return draft
    # The artwork in the source has changed since the earlier copy. If that copy is still running
    # and commits its audio, that names what is overwritten here: this marks the replacement.
    marked = draft.adding({"replaces_generation": str(leftover.generation)})
    return replace(marked, if_generation_match=leftover.generation)


def _is_leftover(blob: BlobInfo, audio_crc32c: str) -> bool:
    """Say whether this is artwork of an earlier copy that was killed before it wrote the audio."""
    return part_of(blob.name) is THUMBNAIL and blob.metadata.get("audio_crc32c") == audio_crc32c


def _is_the_same(found: BlobInfo, spec: BlobSpec) -> bool:
    return _own(found.metadata) == _own(spec.metadata)


def _own(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key not in _OF_ITS_STORE}
