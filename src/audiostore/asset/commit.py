"""The protocol: how the objects of one asset are written, found and deleted.

The thumbnail goes first. The audio goes last and names it: that one write commits the asset. See
docs/decisions/0001-the-audio-object-is-the-commit-record.md and `record` for what the objects say
of each other.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from audiostore.asset import record
from audiostore.asset.layout import (
    AUDIO,
    PARTS,
    THUMBNAIL,
    FilenameGenerator,
    FileOrganizer,
    blob_name,
    folder_prefix,
    part_of,
)
from audiostore.asset.prepared import PreparedFile
from audiostore.asset.record import Asset
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.events import Progress
from audiostore.notify import Notifier
from audiostore.stores import (
    BlobSpec,
    CacheScope,
    IsOurs,
    ObjectStore,
    TransferListener,
    Transferred,
    Written,
    content_disposition,
    has_content,
    put_checked,
)
from audiostore.values import BlobInfo

_RACES = 5
_BACKOFF_S = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """What storing something led to."""

    stored: Asset | BlobInfo
    """The asset; or artwork that waits for its audio."""
    created: bool
    warnings: tuple[str, ...] = ()


class Assets:
    """Assets as folders of objects in a store."""

    def __init__(
        self,
        store: ObjectStore,
        notify: Notifier,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._notify = notify
        self._sleep = sleep

    def find(self, audio_id: str) -> Asset | None:
        """Return the complete asset under an id, if there is one."""
        asset = record.assemble(audio_id, self._folder(audio_id))
        if asset is not None and asset.thumbnail_missing:
            # The listing may have been read while the artwork was being replaced.
            asset = record.assemble(audio_id, self._folder(audio_id))
        return asset

    def all(self) -> Iterator[Asset]:
        """Yield the complete assets in the order of their ids, in constant memory."""
        root = f"{FileOrganizer.AUDIO_ROOT}/"
        for folder, blobs in groupby(self._store.list(root), lambda b: b.name.split("/")[1]):
            if FilenameGenerator.validate_uuid(folder):
                asset = record.assemble(folder, blobs)
                if asset is not None and asset.thumbnail_missing:
                    asset = self.find(folder)  # perhaps replaced while the listing was read
                if asset is not None:
                    yield asset

    def create(
        self,
        audio_id: str,
        audio: PreparedFile,
        thumbnail: PreparedFile | None,
        custom: Mapping[str, str],
        *,
        id_is_new: bool,
        cache: CacheScope = "private",
        supersedes: str | None = None,
    ) -> Outcome:
        """Store an asset; artwork that waits under its id becomes part of it.

        Args:
            audio_id: its id.
            audio: the audio file.
            thumbnail: its artwork, if any.
            custom: the caller's metadata, for the audio object.
            id_is_new: the id was just made from random bits: nobody else can use it.
            cache: who may keep a copy of what is served.
            supersedes: the id of the asset whose place it takes.

        Raises:
            AssetConflictError: the id holds something else.
        """
        spec = self._spec(
            audio_id,
            audio,
            AUDIO.name,
            custom,
            cache=cache,
            own={} if supersedes is None else {"supersedes": supersedes},
        )
        for attempt in range(_RACES):
            outcome = self._create(
                spec, audio_id, audio, thumbnail, custom, id_is_new=id_is_new, cache=cache
            )
            if outcome is not None:
                return outcome
            # Writers of audio of two kinds met under one id and gave way to each other: after
            # waits of different length one of them is first.
            self._sleep(_BACKOFF_S * 2**attempt * random.random())  # noqa: S311
        raise AssetConflictError(
            f"asset {audio_id} in {self._store.url} is being stored by others: use another id"
        )

    def _create(
        self,
        spec: BlobSpec,
        audio_id: str,
        audio: PreparedFile,
        thumbnail: PreparedFile | None,
        custom: Mapping[str, str],
        *,
        id_is_new: bool,
        cache: CacheScope,
    ) -> Outcome | None:
        """Store an asset; None if another is being stored under the id at the same moment."""
        folder = [] if id_is_new else self._folder(audio_id)
        if sum(map(record.is_committed_audio, folder)) > 1:
            return None
        present = record.assemble(audio_id, folder)
        if present is not None:
            return self._already_stored(present, audio, thumbnail, custom)
        cover: BlobInfo | None
        waiting = _newest(filter(record.waits_for_audio, folder))
        if thumbnail is None and waiting is None:
            thumbnail = audio.artwork
        if thumbnail is not None:
            cover_spec = self._spec(
                audio_id,
                thumbnail,
                THUMBNAIL.name,
                {},
                cache=cache,
                own=record.belongs_to_audio(audio.source),
            )
            cover = self._write(
                cover_spec, thumbnail, is_ours=lambda b: record.came_with_audio(b, audio.source)
            ).blob
        else:
            cover = waiting
        spec = _with(spec, record.thumbnail_reference(cover))
        try:
            written = self._write(
                spec,
                audio,
                is_ours=lambda b: (
                    record.is_committed_audio(b)
                    and (thumbnail is None or record.names_thumbnail(b, cover))
                ),
            )
        except AssetConflictError:
            if thumbnail is not None and cover is not None:
                self._withdraw(cover, audio_id, audio)
            raise
        if id_is_new:
            asset = Asset(audio_id, written.blob, cover, thumbnail_missing=False)
            return Outcome(asset, written.created)
        return self._settle(audio_id, written, cover)

    def find_stored(
        self, audio_id: str, audio: PreparedFile, thumbnail_name: str
    ) -> Outcome | None:
        """Return the asset if it holds this audio, and artwork that came from a file so called."""
        asset = self.find(audio_id)
        if asset is None or asset.thumbnail is None:
            return None
        if not has_content(asset.audio, audio.source):
            return None
        if asset.thumbnail.metadata.get("original_filename") != thumbnail_name:
            return None
        return Outcome(asset, created=False)

    def attach(
        self,
        audio_id: str,
        thumbnail: PreparedFile,
        custom: Mapping[str, str],
        *,
        cache: CacheScope = "private",
    ) -> Outcome:
        """Store artwork: as part of the asset, or ahead of its audio while there is none.

        Raises:
            AssetConflictError: other artwork waits already, or was stored at the same moment.
        """
        spec = self._spec(audio_id, thumbnail, THUMBNAIL.name, custom, cache=cache)
        folder = self._folder(audio_id)
        asset = record.assemble(audio_id, folder)
        if asset is not None:
            return self._replace(asset, folder, thumbnail, spec)
        written = self._write(spec, thumbnail, is_ours=record.waits_for_audio)
        asset = self.find(audio_id)
        if asset is None:
            return Outcome(written.blob, written.created)
        # The audio came at the same moment and may have missed this artwork.
        return Outcome(self._refer(asset, written.blob), written.created)

    def settled(self, asset: Asset) -> Asset:
        """Have the audio object name the very generation of the artwork that is there."""
        return self._refer(asset, asset.thumbnail) if asset.thumbnail else asset

    def delete(self, audio_id: str) -> None:
        """Delete an asset: the audio object first, then the rest of its folder.

        Raises:
            AssetNotFoundError: there is nothing under the id.
            HeldError: it is under a hold; nothing was deleted, unless a note says so.
        """
        is_begun = False
        for _ in range(_RACES):
            folder = self._folder(audio_id)
            if not folder:
                if not is_begun:
                    raise AssetNotFoundError(f"no asset {audio_id} in {self._store.url}")
                return
            held = next((blob for blob in folder if blob.temporary_hold), None)
            if held is not None and not is_begun:
                raise HeldError(
                    f"{self._store.uri(held.name)} is under a hold: nothing of {audio_id} was "
                    "deleted. Release it first"
                )
            for blob in sorted(folder, key=lambda b: part_of(b.name) is not AUDIO):
                try:
                    is_removed = self._remove(blob)
                except HeldError as error:
                    if is_begun:
                        error.add_note(f"{audio_id} is deleted but for this: delete it again later")
                    raise
                is_begun = True
                if not is_removed and part_of(blob.name) is AUDIO:
                    break  # moved to another class just now: while it is there, so is its artwork
        raise AssetConflictError(
            f"asset {audio_id} in {self._store.url} is being written to: delete it again later"
        )

    def _already_stored(
        self,
        asset: Asset,
        audio: PreparedFile,
        thumbnail: PreparedFile | None,
        custom: Mapping[str, str],
    ) -> Outcome:
        cover = asset.thumbnail
        uri = self._store.uri(asset.audio.name)
        if not has_content(asset.audio, audio.source) or asset.audio.name != (
            blob_name(asset.audio_id, AUDIO.name, audio.extension)
        ):
            raise AssetConflictError(
                f"cannot store {audio.filename!r} as {asset.audio_id}: {uri} exists (generation "
                f"{asset.audio.generation}, {asset.audio.size_bytes} bytes, crc32c "
                f"{asset.audio.crc32c}) with other content than this file "
                f"({audio.source.size_bytes} bytes, crc32c {audio.source.crc32c}); it was not "
                "touched. Audio under an id never changes: use another id"
            )
        if thumbnail is not None and (cover is None or not has_content(cover, thumbnail.source)):
            raise AssetConflictError(
                f"cannot store {thumbnail.filename!r} with {asset.audio_id}: {uri} exists "
                f"(generation {asset.audio.generation}) with "
                + ("no artwork" if cover is None else f"other artwork ({cover.name})")
                + "; it was not touched. Attach or replace artwork with upload_thumbnail_file"
            )
        differing = sorted(k for k, v in custom.items() if asset.audio.metadata.get(k) != v)
        warnings = (
            (f"stored already, with other metadata, which was not changed: {', '.join(differing)}",)
            if differing
            else ()
        )
        return Outcome(asset, created=False, warnings=warnings)

    def _settle(self, audio_id: str, written: Written, cover: BlobInfo | None) -> Outcome | None:
        """Look whether somebody stored another audio, or artwork, under the id meanwhile.

        Whoever sees another's audio beside its own gives way: so two can never both succeed,
        whatever the clocks behind their generations say. None: it gave way.
        """
        folder = self._folder(audio_id)
        asset = record.assemble(audio_id, folder)
        met_another = any(
            record.is_committed_audio(b) and b.name != written.blob.name for b in folder
        )
        lost_artwork = asset is not None and asset.thumbnail_missing  # the id was deleted just now
        if met_another or lost_artwork:
            if written.created:
                self._remove(written.blob)
            return None
        if asset is None or asset.audio.name != written.blob.name:
            # Deleted again right after: what was stored had been complete.
            asset = Asset(audio_id, written.blob, cover, thumbnail_missing=False)
        elif asset.thumbnail is None:
            waiting = _newest(filter(record.waits_for_audio, folder))
            if waiting is not None:
                asset = self._adopt(asset, waiting)
        return Outcome(asset, written.created)

    def _replace(
        self, asset: Asset, folder: list[BlobInfo], thumbnail: PreparedFile, spec: BlobSpec
    ) -> Outcome:
        present = asset.thumbnail
        if any(blob is not None and blob.temporary_hold for blob in (asset.audio, present)):
            raise self._held(asset)
        if present is not None:
            # A writer that died may not have told the audio object of its replacement.
            asset = self._refer(asset, present)
        if (
            present is not None
            and present.name == spec.name
            and has_content(present, thumbnail.source)
        ):
            cover, created = present, False
        else:
            in_place = next((b for b in folder if b.name == spec.name), None)
            written = self._write_replacement(asset, in_place, thumbnail, spec)
            cover, created = written.blob, written.created
            try:
                asset = self._refer(asset, cover)
            except (AssetConflictError, HeldError):
                if created:
                    self._remove(cover)
                found = self.find(asset.audio_id)
                if found is None or found.thumbnail is None or found.thumbnail.name != cover.name:
                    raise
                if not has_content(found.thumbnail, thumbnail.source):
                    raise
                asset, cover = found, found.thumbnail  # another writer stored the same
        cover = self._expiring_with(asset.audio, cover)
        asset = replace(asset, thumbnail=cover)
        for blob in folder:
            if part_of(blob.name) is THUMBNAIL and blob.name != cover.name:
                self._remove(blob)
        return Outcome(asset, created)

    def _write_replacement(
        self, asset: Asset, in_place: BlobInfo | None, thumbnail: PreparedFile, spec: BlobSpec
    ) -> Written:
        marks = record.replaces(asset, in_place)
        spec = replace(_with(spec, marks), custom_time=asset.audio.custom_time)
        try:
            return self._write(
                spec,
                thumbnail,
                if_generation_match=in_place.generation if in_place else 0,
                is_ours=lambda b: marks.items() <= b.metadata.items(),
            )
        except PreconditionFailedError as error:
            raise AssetConflictError(
                f"cannot replace the artwork of {asset.audio_id} in {self._store.url}: it was "
                "replaced or deleted at the same moment; try again"
            ) from error

    def _expiring_with(self, audio: BlobInfo, cover: BlobInfo) -> BlobInfo:
        """Have artwork expire with its audio, should that have been told so meanwhile."""
        due = audio.custom_time
        if due is None or (cover.custom_time is not None and cover.custom_time >= due):
            return cover
        try:
            return self._store.update(cover, {}, custom_time=due)
        except (BlobNotFoundError, PreconditionFailedError):
            return cover  # whoever has changed it, or deleted it, since looked at the audio, too

    def _held(self, asset: Asset) -> HeldError:
        return HeldError(
            f"asset {asset.audio_id} in {self._store.url} is under a hold: its artwork was not "
            "replaced. Release it first"
        )

    def _adopt(self, asset: Asset, waiting: BlobInfo) -> Asset:
        """Have the audio object name artwork that waited; its writer may be doing the same."""
        try:
            return self._refer(asset, waiting)
        except AssetConflictError:
            return self.find(asset.audio_id) or asset

    def _refer(self, asset: Asset, thumbnail: BlobInfo) -> Asset:
        """Have the audio object name this thumbnail.

        Raises:
            AssetConflictError: meanwhile somebody had it name another, and may have removed ours;
                or the asset was deleted.
            HeldError: meanwhile it was put under a hold.
        """
        audio = asset.audio
        try:
            for _ in range(_RACES):
                if not record.names_thumbnail(audio, thumbnail):
                    if not self._may_refer(asset, audio, thumbnail):
                        break
                    try:
                        audio = self._store.update(audio, record.thumbnail_reference(thumbnail))
                    except PreconditionFailedError:
                        audio = self._store.stat(audio.name)
                        continue
                return replace(asset, audio=audio, thumbnail=thumbnail, thumbnail_missing=False)
        except BlobNotFoundError as error:
            raise AssetConflictError(
                f"cannot attach {thumbnail.name}: {self._store.uri(audio.name)} was deleted at the "
                "same moment"
            ) from error
        raise AssetConflictError(
            f"cannot attach {thumbnail.name}: {self._store.uri(audio.name)} was given other "
            "artwork at the same moment"
        )

    def _may_refer(self, asset: Asset, audio: BlobInfo, thumbnail: BlobInfo) -> bool:
        """Say whether the audio, as it is by now, may still be told of a thumbnail.

        Raises:
            BlobNotFoundError: the thumbnail is gone.
            HeldError: it was put under a hold, and shows other artwork.
        """
        if audio is asset.audio:
            return True
        is_seen = record.is_thumbnail_of(audio, thumbnail)
        if not (is_seen or record.names_the_same(audio, asset.audio)):
            return False
        if audio.temporary_hold and not is_seen:
            raise self._held(asset)
        # Another writer may have replaced it, or deleted it with the asset, which is there again.
        return self._store.stat(thumbnail.name).generation == thumbnail.generation

    def _withdraw(self, cover: BlobInfo, audio_id: str, audio: PreparedFile) -> None:
        """Remove artwork whose audio lost to another, unless that other one may refer to it."""
        asset = self.find(audio_id)
        if asset is not None and not has_content(asset.audio, audio.source):
            self._remove(cover)

    def _remove(self, blob: BlobInfo) -> bool:
        """Delete a generation, unless it is gone, or another has its place by now."""
        try:
            self._store.delete(blob)
        except (BlobNotFoundError, PreconditionFailedError):
            return False
        return True

    def _write(
        self,
        spec: BlobSpec,
        item: PreparedFile,
        *,
        is_ours: IsOurs,
        if_generation_match: int = 0,
    ) -> Written:
        return put_checked(
            self._store,
            spec,
            item.source,
            is_ours=is_ours,
            if_generation_match=if_generation_match,
            on_transfer=self._progress(spec.name, item.source.size_bytes),
        )

    def _progress(self, name: str, total_bytes: int) -> TransferListener:
        def tell(transferred: Transferred) -> None:
            if self._notify.is_heard:
                self._notify(Progress(name, transferred.sent_bytes, total_bytes))

        return tell

    def _spec(
        self,
        audio_id: str,
        item: PreparedFile,
        part: str,
        custom: Mapping[str, str],
        *,
        cache: CacheScope,
        own: Mapping[str, str] | None = None,
    ) -> BlobSpec:
        metadata = record.file_metadata(
            audio_id, part, item.filename, item.source, custom, facts=item.facts
        )
        return BlobSpec(
            name=blob_name(audio_id, part, item.extension),
            content_type=item.content_type,
            metadata={**metadata, **(own or {})},
            cache_control=PARTS[part].cache_control(cache),
            content_disposition=content_disposition(item.served_as),
        )

    def _folder(self, audio_id: str) -> list[BlobInfo]:
        return list(self._store.list(folder_prefix(audio_id)))


def _newest(blobs: Iterable[BlobInfo]) -> BlobInfo | None:
    return max(blobs, key=lambda b: b.generation, default=None)


def _with(spec: BlobSpec, metadata: Mapping[str, str]) -> BlobSpec:
    return replace(spec, metadata={**spec.metadata, **metadata})
