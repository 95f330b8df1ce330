"""The commit: how the objects of one asset are written, so that no reader sees half of it.

The thumbnail goes first. The audio goes last and names it: that one write commits the asset. See
docs/decisions/0001-the-audio-object-is-the-commit-record.md and `record` for the metadata that
links the objects. Uploads and copies both write through `Commits.commit`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from audiostore.analysis import ANALYSIS_KEYS
from audiostore.asset import record
from audiostore.asset.attach import reference
from audiostore.asset.derived import MarkedFile, marked_draft, write_marked
from audiostore.asset.drafts import Draft, Outcome, Steps, Writer, carry_out, draft_of
from audiostore.asset.layout import AUDIO, THUMBNAIL, blob_name
from audiostore.asset.prepared import PreparedFile
from audiostore.asset.reading import find_asset, objects_of
from audiostore.asset.record import Asset
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import AssetConflictError
from audiostore.notify import Notifier
from audiostore.sourcepaths import source_path_metadata
from audiostore.stores import BlobSpec, CacheScope, ObjectStore, Written, has_content
from audiostore.values import BlobInfo

T = TypeVar("T")

_RACES = 5
_BACKOFF_S = 0.05


class Compare(Protocol):
    """Compares an asset that is to be stored with one that already exists under its id."""

    def __call__(self, present: Asset) -> Outcome:
        """Return the outcome if both have the same content.

        Raises:
            AssetConflictError: the content differs.
        """
        ...


class Commits:
    """Writes whole assets to a store."""

    def __init__(
        self,
        store: ObjectStore,
        notify: Notifier,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._writer = Writer(store, notify)
        self._sleep = sleep

    def run(self, steps: Steps[T]) -> T:
        """Carry out what is done in steps: write each object that they yield."""
        return carry_out(steps, self._writer.write)

    def create(
        self,
        audio_id: str,
        audio: PreparedFile,
        thumbnail: PreparedFile | None,
        custom: Mapping[str, str],
        *,
        id_is_new: bool,
        confirms: bool,
        cache: CacheScope = "private",
        supersedes: str | None = None,
        source_path: str | None = None,
        cover_path: str | None = None,
        derived: Sequence[MarkedFile] = (),
    ) -> Steps[Outcome]:
        """Store an asset; artwork that already waits under its id becomes part of it.

        In steps: under a new id, each object is yielded to be written. All else waits for the store
        itself.

        Args:
            audio_id: its id.
            audio: the audio file; its embedded artwork is used if `thumbnail` is None and no
                artwork waits under the id.
            thumbnail: its artwork, if any.
            custom: the caller's metadata, for the audio object.
            id_is_new: see `commit`.
            confirms: see `commit`.
            cache: who may cache what is served.
            supersedes: the id of the asset that it replaces.
            source_path: where the file was, below the directory that was stored.
            cover_path: where the file of the artwork was.
            derived: its derived parts.

        Raises:
            AssetConflictError: the id holds other content.
        """

        def cover_of(image: PreparedFile | None) -> Draft | None:
            if image is None:
                return None
            return draft_of(
                audio_id,
                THUMBNAIL,
                image,
                {},
                cache=cache,
                own={
                    **record.belongs_to_audio(audio.source),
                    **record.artwork_origin(image.is_embedded, cover_path),
                },
                is_ours=lambda found, _: record.came_with_audio(found, audio.source),
            )

        draft = draft_of(
            audio_id,
            AUDIO,
            audio,
            custom,
            cache=cache,
            own={
                **({} if supersedes is None else {"supersedes": supersedes}),
                **source_path_metadata(source_path),
            },
            is_ours=lambda found, _: record.is_committed_audio(found),
        )
        outcome = yield from self.commit(
            audio_id,
            draft,
            cover_of(thumbnail),
            spare=cover_of(audio.artwork),
            derived=[
                marked_draft(
                    audio_id,
                    each,
                    audio.source,
                    filename=audio.filename,
                    cache=cache,
                    kms_key=audio.kms_key,
                )
                for each in derived
            ],
            id_is_new=id_is_new,
            confirms=confirms,
            compare=lambda present: self._compared(present, audio, thumbnail, custom),
        )
        lost = record.incomplete_tags(audio.facts, draft.spec.metadata, custom)
        warnings = list(outcome.warnings)
        if outcome.created and lost:
            names = ", ".join(lost)
            warnings.append(f"tags cut or left out, because an object cannot hold more: {names}")
        if ANALYSIS_KEYS[0] in audio.facts and ANALYSIS_KEYS[0] not in draft.spec.metadata:
            warnings.append("its analysis is left out, because an object cannot hold more metadata")
        return replace(outcome, warnings=tuple(warnings))

    def commit(
        self,
        audio_id: str,
        audio: Draft,
        thumbnail: Draft | None,
        *,
        compare: Compare,
        spare: Draft | None = None,
        derived: Sequence[Draft] = (),
        id_is_new: bool = False,
        confirms: bool,
        adopts: bool = True,
    ) -> Steps[Outcome]:
        """Write the objects of an asset, the audio last, which commits it. In steps (see `create`).

        The folder is listed before and after, unless the id is new. If an object of the same name
        shows that it is not, what is there is looked at after all.

        Args:
            audio_id: its id.
            audio: its audio; the reference to its artwork is added to the metadata.
            thumbnail: its artwork, if any.
            compare: called with the asset that already exists under the id, if any.
            spare: artwork that is used if `thumbnail` is None and none waits under the id.
            derived: its derived parts.
            id_is_new: nothing is stored under the id, and no other writer uses it.
            confirms: list the folder afterwards even so: the caller may be wrong that the id is
                new, and audio of another format has another name.
            adopts: without `thumbnail`, artwork that waits under the id becomes part of the asset.

        Raises:
            AssetConflictError: the id holds other content.
        """
        if id_is_new:
            created = yield from self._create(
                audio_id, audio, thumbnail or spare, derived, confirms=confirms
            )
            if created is not None:
                return created
        for attempt in range(_RACES):
            folder = objects_of(self._store, audio_id)
            if sum(map(record.is_committed_audio, folder)) <= 1:
                present = record.assemble(audio_id, folder)
                if present is not None:
                    return compare(present)
                waiting = _waiting(folder) if adopts and thumbnail is None else None
                cover = thumbnail if waiting or thumbnail else spare
                done = yield from self._write(audio_id, audio, cover, waiting, derived)
                outcome = self._outcome(audio_id, done.audio, done.cover, adopts=adopts)
                if outcome is not None:
                    return replace(outcome, sent=done.sent)
            import random  # noqa: PLC0415  (after a conflict only)

            # Two writers stored different audio under one id, and each withdrew: after random
            # waits one of them is first.
            self._sleep(_BACKOFF_S * 2**attempt * random.random())  # noqa: S311
        raise AssetConflictError(
            f"asset {audio_id} in {self._store.url} is being stored by other writers: use another "
            "id",
            audio_id=audio_id,
        )

    def _create(
        self,
        audio_id: str,
        audio: Draft,
        thumbnail: Draft | None,
        derived: Sequence[Draft],
        *,
        confirms: bool,
    ) -> Steps[Outcome | None]:
        """Write all objects of a new id; return None if something is stored under it already.

        That may be what an earlier attempt has stored.
        """
        try:
            done = yield from self._write(audio_id, audio, thumbnail, None, derived)
        except AssetConflictError:
            return None
        if not done.audio.created:
            return None
        if confirms:
            outcome = self._outcome(audio_id, done.audio, done.cover, adopts=True)
            return None if outcome is None else replace(outcome, sent=done.sent)
        asset = Asset(
            audio_id, done.audio.blob, done.cover, thumbnail_missing=False, marked=done.marked
        )
        return Outcome(asset, created=True, sent=done.sent)

    def _write(
        self,
        audio_id: str,
        audio: Draft,
        thumbnail: Draft | None,
        waiting: BlobInfo | None,
        derived: Sequence[Draft],
    ) -> "Steps[_Done]":
        """Write all objects, the audio last."""
        cover, sent = waiting, []
        if thumbnail is not None:
            stored = yield thumbnail
            cover = stored.blob
            sent += [stored.blob] if stored.is_sent else []
        marked = [write_marked(self._store, self._writer, audio_id, draft) for draft in derived]

        def is_ours(found: BlobInfo, spec: BlobSpec) -> bool:
            names_it = thumbnail is None or record.names_thumbnail(found, cover)
            return names_it and audio.is_ours(found, spec)

        committing = audio.adding(record.thumbnail_reference(cover))
        try:
            written = yield replace(committing, is_ours=is_ours)
        except AssetConflictError:
            ahead = [each.blob for each in marked if each.created]
            if thumbnail is not None and cover is not None:
                ahead.append(cover)
            self._withdraw(ahead, audio_id, audio)
            raise
        sent += [written.blob] if written.is_sent else []
        parts = {str(each.blob.metadata.get("file_type")): each.blob for each in marked}
        return _Done(written, cover, tuple(sent), parts)

    def _withdraw(self, ahead: Sequence[BlobInfo], audio_id: str, audio: Draft) -> None:
        """Remove parts whose audio was not stored, unless the audio that was may be theirs."""
        asset = find_asset(self._store, audio_id) if ahead else None
        if asset is not None and not has_content(asset.audio, audio.source):
            for blob in ahead:
                self._writer.remove(blob)

    def _outcome(
        self, audio_id: str, written: Written, cover: BlobInfo | None, *, adopts: bool
    ) -> Outcome | None:
        """Check whether another writer stored audio or artwork under the id meanwhile.

        A writer that finds other audio next to its own withdraws. So two writers can never both
        succeed, whatever clocks their generations come from. Returns None if it withdrew.
        """
        folder = objects_of(self._store, audio_id)
        asset = record.assemble(audio_id, folder)
        met_another = any(
            record.is_committed_audio(b) and b.name != written.blob.name for b in folder
        )
        lost_artwork = (
            asset is not None and asset.thumbnail_missing
        )  # the asset was deleted meanwhile
        if met_another or lost_artwork:
            if written.created:
                self._writer.remove(written.blob)
            return None
        if asset is None or asset.audio.name != written.blob.name:
            # Deleted again since: the asset had been complete.
            asset = Asset(audio_id, written.blob, cover, thumbnail_missing=False)
        elif asset.thumbnail is None and adopts:
            waiting = _waiting(folder)
            if waiting is not None:
                asset = self._adopt(asset, waiting)
        return Outcome(asset, written.created)

    def _adopt(self, asset: Asset, waiting: BlobInfo) -> Asset:
        """Make the audio object name artwork that waited; the writer of that may do the same."""
        try:
            return reference(self._store, asset, waiting)
        except AssetConflictError:
            return find_asset(self._store, asset.audio_id) or asset

    def _compared(
        self,
        present: Asset,
        audio: PreparedFile,
        thumbnail: PreparedFile | None,
        custom: Mapping[str, str],
    ) -> Outcome:
        cover = present.thumbnail
        uri = self._store.uri(present.audio.name)
        if not has_content(present.audio, audio.source) or present.audio.name != (
            blob_name(present.audio_id, AUDIO.name, audio.extension)
        ):
            raise AssetConflictError(
                f"cannot store {audio.filename!r} as {present.audio_id}: {uri} exists (generation "
                f"{present.audio.generation}, {present.audio.size_bytes} bytes, crc32c "
                f"{present.audio.crc32c or 'unknown'}) with other content than this file "
                f"({audio.source.size_bytes} bytes, crc32c {audio.source.crc32c}); it was not "
                "touched. Audio under an id never changes: use another id",
                audio_id=present.audio_id,
                path=audio.file.path if audio.file else None,
            )
        if thumbnail is not None and (cover is None or not has_content(cover, thumbnail.source)):
            raise AssetConflictError(
                f"cannot store {thumbnail.filename!r} with {present.audio_id}: {uri} exists "
                f"(generation {present.audio.generation}) with "
                + ("no artwork" if cover is None else f"other artwork ({cover.name})")
                + "; it was not touched. Attach or replace artwork with upload_thumbnail_file",
                audio_id=present.audio_id,
                path=thumbnail.file.path if thumbnail.file else None,
            )
        differing = sorted(k for k, v in custom.items() if present.audio.metadata.get(k) != v)
        warnings = (
            (
                "already stored with different metadata, which was not changed: "
                f"{', '.join(differing)}",
            )
            if differing
            else ()
        )
        return Outcome(present, created=False, warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Done:
    """What one attempt has written."""

    audio: Written
    cover: BlobInfo | None
    """The thumbnail that the audio names."""
    sent: tuple[BlobInfo, ...]
    """Which of the two were sent by this call."""
    marked: Mapping[str, BlobInfo] = field(hash=False)
    """The derived and attached parts, by name."""


def find_stored(
    store: ObjectStore, audio_id: str, audio: PreparedFile, thumbnail_name: str
) -> Outcome | None:
    """Return the asset if it holds this audio, and artwork from a file with this name."""
    asset = find_asset(store, audio_id)
    if asset is None or asset.thumbnail is None:
        return None
    if not has_content(asset.audio, audio.source):
        return None
    if asset.thumbnail.metadata.get("original_filename") != thumbnail_name:
        return None
    return Outcome(asset, created=False)


def _waiting(folder: Sequence[BlobInfo]) -> BlobInfo | None:
    """Return the newest artwork in a folder that waits for audio."""
    waiting = filter(record.waits_for_audio, folder)
    return max(waiting, key=lambda blob: blob.generation, default=None)
