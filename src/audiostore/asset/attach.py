"""Artwork: stored for an asset, replaced, or stored ahead of its audio."""

from collections.abc import Mapping, Sequence

from audiostore.asset import record
from audiostore.asset.drafts import Draft, Outcome, Writer, draft_of, remove_replaced
from audiostore.asset.layout import THUMBNAIL, part_of
from audiostore.asset.prepared import PreparedFile
from audiostore.asset.reading import changed_meanwhile, find_asset, objects_of
from audiostore.asset.record import Asset
from audiostore.dataclass import replace
from audiostore.errors import (
    AssetConflictError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.notify import Notifier
from audiostore.stores import CacheScope, ObjectStore, Written, has_content, require_free
from audiostore.values import BlobInfo, StorageResult, same_version

_RACES = 5


class Attachments:
    """Stores artwork for the audio of a store."""

    def __init__(self, store: ObjectStore, notify: Notifier) -> None:
        self._store = store
        self._writer = Writer(store, notify)

    def attach(
        self,
        audio_id: str,
        thumbnail: PreparedFile,
        custom: Mapping[str, str],
        *,
        cache: CacheScope = "private",
        source_path: str | None = None,
        if_unchanged: StorageResult | None = None,
    ) -> Outcome:
        """Store artwork as part of its asset or, while no audio is stored, ahead of it.

        Raises:
            AssetConflictError: other artwork already waits for this audio, or another writer stored
                some at the same time; or the asset is not as `if_unchanged` describes it.
            HeldError: the asset is under a hold.
        """
        draft = draft_of(
            audio_id,
            THUMBNAIL,
            thumbnail,
            custom,
            cache=cache,
            own=record.artwork_origin(thumbnail.is_embedded, source_path),
            is_ours=lambda found, _: record.waits_for_audio(found),
        )
        folder = objects_of(self._store, audio_id)
        asset = record.assemble(audio_id, folder)
        if if_unchanged is not None and not _is_version(asset, if_unchanged):
            raise changed_meanwhile(self._store, audio_id)
        if asset is not None:
            return self._replace(asset, folder, draft)
        written = self._writer.write(draft)
        sent = (written.blob,) if written.is_sent else ()
        asset = find_asset(self._store, audio_id)
        if asset is None:
            return Outcome(written.blob, written.created, sent)
        # The audio was stored at the same time, and its writer may not have seen this artwork.
        return Outcome(reference(self._store, asset, written.blob), written.created, sent)

    def _replace(self, asset: Asset, folder: Sequence[BlobInfo], draft: Draft) -> Outcome:
        present = asset.thumbnail
        sent: tuple[BlobInfo, ...]
        is_stored = (
            present is not None
            and present.name == draft.spec.name
            and has_content(present, draft.source)
        )
        if not is_stored:
            _require_replaceable(self._store, asset)
        # A killed writer may have left the audio object naming the artwork that it replaced.
        asset = reconciled(self._store, asset)
        if present is not None and is_stored:
            cover, created, sent = present, False, ()
        else:
            in_place = next((b for b in folder if b.name == draft.spec.name), None)
            written = self._write_replacement(asset, in_place, draft)
            cover, created = written.blob, written.created
            sent = (cover,) if written.is_sent else ()
            try:
                asset = reference(self._store, asset, cover)
            except (AssetConflictError, HeldError):
                if created:
                    self._writer.remove(cover)
                found = find_asset(self._store, asset.audio_id)
                if found is None or found.thumbnail is None or found.thumbnail.name != cover.name:
                    raise
                if not has_content(found.thumbnail, draft.source):
                    raise
                asset, cover = found, found.thumbnail  # another writer stored the same bytes
        # A versioned bucket still has it. Its generation is in the metadata: an earlier attempt may
        # have been killed here.
        replaced = record.replaced_by(cover)
        if replaced is not None:
            remove_replaced(self._store, replaced)
        cover = self._expiring_with(asset.audio, cover)
        asset = replace(asset, thumbnail=cover)
        for blob in folder:
            if part_of(blob.name) is THUMBNAIL and blob.name != cover.name:
                self._writer.remove(blob)
        return Outcome(asset, created, sent)

    def _write_replacement(self, asset: Asset, in_place: BlobInfo | None, draft: Draft) -> Written:
        if in_place is not None and in_place.kept_by and has_content(in_place, draft.source):
            # Of an attempt that was killed, and stays.
            return Written(in_place, created=False, is_sent=False)
        marks = record.replaces(asset, in_place)
        marked = draft.adding(marks)
        try:
            return self._writer.write(
                replace(
                    marked,
                    spec=replace(marked.spec, custom_time=asset.audio.custom_time),
                    is_ours=lambda found, _: marks.items() <= found.metadata.items(),
                    if_generation_match=in_place.generation if in_place else 0,
                )
            )
        except PreconditionFailedError as error:
            raise AssetConflictError(
                f"cannot replace the artwork of {asset.audio_id} in {self._store.url}: it was "
                "replaced or deleted at the same time; try again",
                audio_id=asset.audio_id,
            ) from error

    def _expiring_with(self, audio: BlobInfo, cover: BlobInfo) -> BlobInfo:
        """Give artwork the expiry time that its audio may have received meanwhile."""
        due = audio.custom_time
        if due is None or (cover.custom_time is not None and cover.custom_time >= due):
            return cover
        try:
            return self._store.update(cover, {}, custom_time=due)
        except (BlobNotFoundError, PreconditionFailedError):
            return cover  # the writer that changed or deleted it has seen the audio's expiry time


def _is_version(asset: Asset | None, expected: StorageResult) -> bool:
    """Say whether audio and artwork are those of an asset that was read before.

    The write that follows replaces the artwork of this very listing, and no other.
    """
    if asset is None:
        return False
    pairs = ((asset.audio, expected.audio), (asset.thumbnail, expected.thumbnail))
    return all(
        one is other if one is None or other is None else same_version(one, other)
        for one, other in pairs
    )


def reconciled(store: ObjectStore, asset: Asset) -> Asset:
    """Make the audio object name the current generation of its artwork.

    Raises:
        AssetConflictError: another writer changed the reference, or the asset was deleted.
        HeldError: the asset was put under a hold meanwhile.
    """
    return reference(store, asset, asset.thumbnail) if asset.thumbnail else asset


def reference(store: ObjectStore, asset: Asset, thumbnail: BlobInfo) -> Asset:
    """Make the audio object name this thumbnail.

    Raises:
        AssetConflictError: another writer made it name a different thumbnail, and may have removed
            this one; or the asset was deleted.
        HeldError: the asset was put under a hold meanwhile.
    """
    audio = asset.audio
    try:
        for _ in range(_RACES):
            if not record.names_thumbnail(audio, thumbnail):
                if not _may_reference(store, asset, audio, thumbnail):
                    break
                try:
                    audio = store.update(audio, record.thumbnail_reference(thumbnail))
                except PreconditionFailedError:
                    audio = store.stat(audio.name)
                    continue
            return replace(asset, audio=audio, thumbnail=thumbnail, thumbnail_missing=False)
    except BlobNotFoundError as error:
        raise AssetConflictError(
            f"cannot attach {thumbnail.name}: {store.uri(audio.name)} was deleted at the same time",
            audio_id=asset.audio_id,
        ) from error
    raise AssetConflictError(
        f"cannot attach {thumbnail.name}: {store.uri(audio.name)} was given other artwork at the "
        "same time",
        audio_id=asset.audio_id,
    )


def _may_reference(store: ObjectStore, asset: Asset, audio: BlobInfo, thumbnail: BlobInfo) -> bool:
    """Say whether the audio in its current state may still be made to name a thumbnail.

    Raises:
        BlobNotFoundError: the thumbnail is gone.
        HeldError: the audio was put under a hold, and names other artwork.
    """
    if audio is asset.audio:
        return True
    is_seen = record.is_thumbnail_of(audio, thumbnail)
    if not (is_seen or record.names_the_same(audio, asset.audio)):
        return False
    if not is_seen:
        _require_replaceable(store, replace(asset, audio=audio, thumbnail=None))
    # Another writer may have replaced it, or deleted it with its asset and stored that again.
    return store.stat(thumbnail.name).generation == thumbnail.generation


def _require_replaceable(store: ObjectStore, asset: Asset) -> None:
    """Require that the artwork of an asset can be replaced.

    The audio object gets new metadata, which only our own hold, on the whole asset, forbids.

    Raises:
        HeldError: a hold or a retention period forbids it.
    """
    held = [asset.thumbnail] if asset.thumbnail else []
    held += [asset.audio] if asset.audio.temporary_hold else []
    outcome = f"the artwork of {asset.audio_id} was not replaced"
    require_free(store, held, outcome, audio_id=asset.audio_id)
