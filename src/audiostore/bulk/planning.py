"""Dry runs: what an upload of many files would do, found out without writing anything."""

import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

from audiostore.asset import PreparedFile, check_custom_metadata, file_metadata, require_audio_id
from audiostore.bulk.asked import asked_of
from audiostore.bulk.decisions import Decider, DecisionOptions
from audiostore.bulk.executors import Batch, InputReader, Task, ThreadPool, run
from audiostore.bulk.items import BulkItem, UploadReason, UploadStatus, status_of, with_metadata
from audiostore.bulk.journal import ItemSnapshot, UnjournaledRun, read_run
from audiostore.bulk.performing import DecidedItem
from audiostore.bulk.sources import is_same_stem
from audiostore.bulk.storeview import StoreView
from audiostore.bulk.updating import Matcher
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStoreError,
    CredentialsError,
    affecting_all,
)
from audiostore.ingest import UploadOptions, prepare_audio, prepare_image
from audiostore.values import PathLike, StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

CoverOrigin = Literal["given", "same stem", "folder image", "embedded", "none"]

_CONCURRENCY = 4
"""The files are inspected by FFmpeg, in processes of its own."""
_WINDOW = 16
"""This many items are read ahead."""
_CREATE = "storage.objects.create"
_CANNOT_SAY = (404, 501)
"""What a server answers that knows no permissions."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What an upload would do with an item, and why."""

    index: int
    """Position of the item in the input, from 0."""
    item: BulkItem
    error: Exception | None
    """Why it would be refused."""
    reason: UploadReason = "new"
    skipped: bool = False
    """Its audio is in the store, or belongs to an item before this one."""
    audio_id: str | None = None
    """The id of what is stored, or that it would be stored under; None: a new one."""
    has_artwork: bool | None = None
    """Whether the asset has artwork, or would have; None if it is not known."""
    cover: CoverOrigin = "none"
    """Where its artwork would come from."""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Those of the file, by common names: "title", "artist", "album" …"""
    content_type: str | None = None
    size_bytes: int = 0
    """Of the audio and its artwork, as they would be stored."""
    duration_s: float | None = None
    duration_is_exact: bool | None = None
    """Whether the duration is no estimate; None if it is not known."""
    warnings: tuple[str, ...] = ()
    matched: StorageResult | None = None
    """The stored asset that would be changed or superseded."""

    @property
    def status(self) -> UploadStatus:
        """What the upload would report."""
        return status_of(self.reason, self.error, skipped=self.skipped)

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON types."""
        return {
            "status": self.status,
            "reason": self.reason,
            "audio": self.item.audio_place,
            "origin": self.item.origin or None,
            "audio_id": self.audio_id,
            "error": None if self.error is None else str(self.error),
            "cover": self.cover,
            "thumbnail": self.item.thumbnail_place,
            "has_artwork": self.has_artwork,
            "source_path": self.item.source_path,
            "metadata": dict(self.item.metadata),
            "tags": dict(self.tags),
            "content_type": self.content_type,
            "size_bytes": self.size_bytes,
            "duration_s": self.duration_s,
            "duration_is_exact": self.duration_is_exact,
            "warnings": list(self.warnings),
            "matched": None if self.matched is None else self.matched.audio_id,
        }


def plan_items(
    manager: "AudioStorageManager",
    items: Iterable[BulkItem],
    options: UploadOptions,
    *,
    journal: PathLike | None = None,
    skip_stored: bool = False,
    again: bool = False,
    update: bool = False,
    covers_are_given: bool = False,
) -> Generator[Planned, None, None]:
    """Decide on each item as an upload would; yield what was found, in the order of the items.

    Files that would be stored are inspected. Nothing is written, neither to the store nor to the
    journal, which need not exist.

    Args:
        manager: of the store.
        items: the assets to store; read a few at a time.
        options: how to inspect and prepare the files.
        journal: the path of the upload's journal.
        skip_stored: as for `Bulk.upload`.
        again: as for `Bulk.upload`.
        update: as for `Bulk.upload`.
        covers_are_given: the thumbnails were named by the user, not found next to the audio.

    Raises:
        CredentialsError: nothing may be stored in the store.
        ConfigurationError: the journal cannot be read.
        AudioStoreError, OSError: the store cannot be read.
    """
    require_access(manager)
    with StoreView(manager) as view:
        if skip_stored or update:
            view.list_now()
        source_run = UnjournaledRun() if journal is None else read_run(journal, manager.url)
        decision_options = DecisionOptions(
            again, cleanup=bool(options.cleanup), update=update, asks=asked_of(options)
        )
        decider = Decider(source_run, view, decision_options)
        planner = _Planner(
            manager,
            options,
            view if skip_stored else None,
            Matcher(manager, view, source_run) if update else None,
            covers_are_given=covers_are_given,
        )
        source = _PlannedItems(with_metadata(items, options.metadata or {}), decider)
        # Of two files with the same audio, the first is stored, as in a run.
        concurrency = 1 if skip_stored else _CONCURRENCY
        pool: ThreadPool[DecidedItem, Planned] = ThreadPool(planner, concurrency=concurrency)
        yield from run(source, pool, in_order=True, window=_WINDOW)


def require_access(manager: "AudioStorageManager") -> None:
    """Require that the store exists, can be read, and may be written to. Nothing is written.

    Raises:
        CredentialsError: nothing may be stored in it.
        AudioStoreError, OSError: it does not exist, or cannot be read.
    """
    next(manager.list(), None)
    try:
        granted = manager.store.granted([_CREATE])
    except AudioStoreError as error:
        if error.status not in _CANNOT_SAY:
            raise
        return
    if _CREATE not in granted:
        raise affecting_all(
            CredentialsError(f"cannot store in {manager.url}: no permission to write to it")
        )


class _PlannedItems:
    """Decides on every item, before those that would be stored are inspected."""

    def __init__(self, items: Iterable[BulkItem], decider: Decider) -> None:
        self._items = InputReader(items)
        self._decider = decider

    def take(self, limit: int) -> Batch[DecidedItem, Planned] | None:
        """Decide on the next items; None at the end."""
        numbered = self._items.take(limit)
        snapshots = [ItemSnapshot.of(item) for _, item in numbered]
        decided = [
            DecidedItem(index, snapshot, decision)
            for (index, _), snapshot, decision in zip(
                numbered, snapshots, self._decider.decide(snapshots), strict=True
            )
        ]
        if not decided:
            return None
        tasks = [Task(each, each.snapshot.size_bytes) for each in decided if _is_inspected(each)]
        return Batch(tasks, [_unchanged(each) for each in decided if not _is_inspected(each)])

    def record(self, outcomes: Sequence[Planned]) -> None:
        """Do nothing: a dry run leaves no trace."""

    def release(self, tasks: Sequence[DecidedItem]) -> None:
        """Do nothing."""


def _is_inspected(decided: DecidedItem) -> bool:
    return decided.decision.stores or decided.decision.examines


def _unchanged(decided: DecidedItem) -> Planned:
    """Return the plan for an item that would not be stored."""
    decision = decided.decision
    outcome = decided.outcome()
    return Planned(
        decided.index,
        decided.item,
        None if outcome is None else outcome.error,
        decision.reason,
        audio_id=decision.claim.audio_id,
        has_artwork=decision.has_artwork if decision.is_present else None,
    )


class _Planner:
    """Inspects an item that would be stored. Used by many threads."""

    def __init__(
        self,
        manager: "AudioStorageManager",
        options: UploadOptions,
        view: StoreView | None,
        matcher: Matcher | None,
        *,
        covers_are_given: bool,
    ) -> None:
        self._manager = manager
        self._options = options
        self._view = view
        self._matcher = matcher
        self._covers_are_given = covers_are_given
        self._new_ids: set[str] = set()
        """Ids that only this plan knows."""
        self._lock = threading.Lock()

    def __call__(self, decided: DecidedItem) -> Planned:
        """Return the plan; an error is part of it."""
        decision = decided.decision
        if decision.is_present and decided.snapshot.audio.is_missing:  # it was cleaned up
            return _unchanged(decided)
        try:
            return self._plan(decided)
        except Exception as error:  # noqa: BLE001  (it is reported as this item's outcome)
            return Planned(decided.index, decided.item, error, decision.reason)

    def _plan(self, decided: DecidedItem) -> Planned:
        from audiostore.bulk.remote import inspectable_files, refuse_remote  # noqa: PLC0415

        claim = decided.decision.claim
        require_audio_id(claim.audio_id)
        if decided.decision.examines:
            with inspectable_files(self._manager, decided.item, self._options) as files:
                self._inspect(decided, files)
            return _unchanged(decided)
        if self._matcher is not None:
            refuse_remote(decided.item, "updating")
            return self._match(decided, self._matcher)
        with inspectable_files(self._manager, decided.item, self._options) as files:
            return self._plan_files(decided, files)

    def _plan_files(self, decided: DecidedItem, files: tuple[PathLike, PathLike | None]) -> Planned:
        claim = decided.decision.claim
        if self._view is None:
            return self._inspect(decided, files)[0]
        from audiostore.bulk.remote import snapshot_of  # noqa: PLC0415

        try:
            file = snapshot_of(files[0], max_bytes=self._options.max_size_bytes)
        except (OSError, ValueError):
            return self._inspect(decided, files)[0]  # it raises the fitting error
        with self._view.exclusive(file):
            same = self._view.find_audio(file, claim.audio_id)
            if same is not None and same.audio_id != claim.audio_id:
                return Planned(
                    decided.index,
                    decided.item,
                    None,
                    decided.decision.reason,
                    skipped=True,
                    audio_id=None if same.audio_id in self._new_ids else same.audio_id,
                    has_artwork=same.has_artwork,
                )
            planned, audio = self._inspect(decided, files)
            source = audio.source
            self._view.add_planned(
                claim.audio_id,
                source.size_bytes,
                source.crc32c,
                has_artwork=bool(planned.has_artwork),
            )
            if claim.is_new:
                with self._lock:
                    self._new_ids.add(claim.audio_id)
        return planned

    def _match(self, decided: DecidedItem, matcher: Matcher) -> Planned:
        """Return the plan for an item whose stored asset may be changed."""
        item = decided.item
        options = replace(self._options, metadata=item.metadata)
        match = matcher.match(item, decided.decision.claim, options)
        if match.kind == "new":
            return self._inspect(decided, (item.audio, item.thumbnail))[0]
        if match.kind == "superseded":
            planned, _ = self._inspect(decided, (item.audio, item.thumbnail))
            return replace(planned, reason="superseded", matched=match.asset)
        asset = match.asset
        return Planned(
            decided.index,
            item,
            None,
            match.kind,
            audio_id=None if asset is None else asset.audio_id,
            has_artwork=match.has_artwork,
            matched=asset,
        )

    def _inspect(
        self, decided: DecidedItem, local: tuple[PathLike, PathLike | None]
    ) -> tuple[Planned, PreparedFile]:
        item, claim, options = decided.item, decided.decision.claim, self._options
        is_present, (audio_path, thumbnail_path) = decided.decision.is_present, local
        if is_present and decided.snapshot.thumbnail.is_missing:
            thumbnail_path = None  # it was cleaned up
        custom = check_custom_metadata(item.metadata)
        # As in an upload, embedded artwork counts only if no thumbnail is given.
        inspected = replace(options, artwork="none") if thumbnail_path else options
        with ExitStack() as files:
            audio = files.enter_context(prepare_audio(audio_path, inspected))
            info, thumbnail = audio.info, audio.artwork
            if thumbnail_path:
                thumbnail = files.enter_context(prepare_image(thumbnail_path, options))
            file_metadata(
                claim.audio_id, "audio", audio.filename, audio.source, custom, facts=audio.facts
            )
            if item.audio_id is not None and not decided.decision.examines:
                self._require_free(item.audio_id, audio, thumbnail if thumbnail_path else None)
            planned = Planned(
                decided.index,
                item,
                None,
                decided.decision.reason,
                audio_id=None if claim.is_new else claim.audio_id,
                has_artwork=decided.decision.has_artwork or thumbnail is not None,
                cover=_cover(item, thumbnail, covers_are_given=self._covers_are_given),
                tags={} if info is None else info.tags,
                content_type=audio.content_type,
                size_bytes=audio.source.size_bytes
                + (thumbnail.source.size_bytes if thumbnail else 0),
                duration_s=None if info is None else info.duration_s,
                duration_is_exact=None if info is None else info.duration_is_exact,
                warnings=audio.warnings + (thumbnail.warnings if thumbnail else ()),
            )
            return planned, audio

    def _require_free(
        self, audio_id: str, audio: PreparedFile, thumbnail: PreparedFile | None
    ) -> None:
        """Require that no asset with other content has an id.

        Raises:
            AssetConflictError: one has.
        """
        try:
            asset = self._manager.get(audio_id)
        except AssetNotFoundError:
            return
        for blob, prepared in ((asset.audio, audio), (asset.thumbnail, thumbnail)):
            if prepared is None:
                continue
            source = prepared.source
            content = (source.size_bytes, source.crc32c)
            if blob is None or (blob.size_bytes, blob.crc32c) != content:
                raise AssetConflictError(
                    f"cannot store {prepared.filename!r} as {audio_id}: the id has other content",
                    audio_id=audio_id,
                )


def _cover(
    item: BulkItem, thumbnail: PreparedFile | None, *, covers_are_given: bool
) -> CoverOrigin:
    if thumbnail is None:
        return "none"
    if not item.has_thumbnail:
        return "embedded"
    if covers_are_given or item.thumbnail is None:
        return "given"
    return "same stem" if is_same_stem(item.audio, item.thumbnail) else "folder image"
