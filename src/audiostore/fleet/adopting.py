"""Runs that adopt: objects of another layout become assets, by copies within the service."""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, get_args

from audiostore.adopt import (
    AdoptCost,
    Adoption,
    AdoptItem,
    CostSum,
    KeyCovers,
    KeyLayout,
    Place,
    Refusal,
    RefusalListener,
    Rules,
    Selection,
)
from audiostore.asset import FilenameGenerator, check_custom_metadata, require_audio_id
from audiostore.bulk import Manifest, RunOptions, apply_to_each
from audiostore.catalog import Rates
from audiostore.dataclass import dataclass
from audiostore.errors import (
    AudioStoreError,
    InvalidRunError,
    SourceChangedError,
    UnsupportedByStoreError,
    shown,
)
from audiostore.fleet.chunks import OpenChunk, is_for_now
from audiostore.fleet.items import recorded
from audiostore.fleet.kinds import Kind
from audiostore.fleet.objects import Fields
from audiostore.fleet.planning import plan_lines
from audiostore.fleet.records import require_types
from audiostore.fleet.values import FleetChunk
from audiostore.ingest import StoredFile, UploadOptions
from audiostore.stores import StorageClass, Store, StoredSource, service_of
from audiostore.values import BlobInfo, PathLike, StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_ADOPT = "adopt"
_IDENTITY = ("audio", "cover", "filename", "metadata", "source_path")
_BLOB = ("name", "size_bytes", "content_type", "crc32c", "generation", "storage_class", "kms_key")


def plan_adoption(
    manager: "AudioStorageManager",
    source: str,
    *,
    run: str,
    layout: str | None = None,
    covers: Sequence[str] = (),
    mapping: Manifest | None = None,
    keep_metadata: Collection[str] | None = None,
    storage_class: StorageClass | None = None,
    kms_key: str | None = None,
    chunk_items: int = 200,
    dry_run: bool = False,
    prices: PathLike | None = None,
    on_refused: RefusalListener = lambda _: None,
    on_progress: Callable[[int], None] = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Adoption:
    """Plan a run that makes assets of objects with another layout, and say what it costs.

    The source is listed once. Nothing of it is changed: workers copy each object within the
    service, as it is now; what is replaced until then is refused. Their times are kept as metadata,
    ``first_stored_at``, and never as the custom time, on which lifecycle rules delete.

    Args:
        manager: of the store that gets the assets.
        source: URL of a bucket, or of a prefix in one; names are relative to it.
        run: the name of the run.
        layout: what the names say, such as ``{artist}/{album}/{title}.{ext}`` (see `KeyLayout`).
        covers: the names of covers, in order of preference (see `KeyCovers`).
        mapping: rows with the name of an object as `audio`; perhaps that of its cover as
            `thumbnail`, an `id`, a `filename`; all others are metadata. It takes precedence over
            the layout.
        keep_metadata: keys of the objects' custom metadata to keep; None: all but the download
            tokens of Firebase, by which the old links would open the copies.
        storage_class: of the assets; None: that of each object.
        kms_key: the Cloud KMS key that encrypts them; None: that of each object, or the bucket's.
        chunk_items: how many objects a worker takes at once.
        dry_run: write nothing.
        prices: a table of prices (see `Rates.read`); None: Google's list prices.
        on_refused: called with each object that is not adopted.
        on_progress: called with how many objects were listed, from time to time.
        now: returns the time, to which early deletion is counted.

    Raises:
        InvalidRunError: the layout, a cover, an option or the name of the run is not valid, or
            nothing is to be adopted.
        RunConflictError: the name is taken by another list.
        ConfigurationError: the source or the table of prices is not valid.
        AudioStoreError, OSError: a store failed permanently.
    """
    rules = _rules(layout, covers, keep_metadata, has_map=mapping is not None)
    if storage_class is not None and storage_class not in get_args(StorageClass):
        known = ", ".join(get_args(StorageClass))
        raise InvalidRunError(f"storage class is {shown(storage_class)}: it must be one of {known}")
    manager = manager._for_many
    old = manager._remote.store_at(source)
    if kms_key is not None and service_of(manager.store) is None:
        raise UnsupportedByStoreError(f"{manager.url} has no Cloud KMS keys")
    refused: Counter[str] = Counter()

    def refuse(refusal: Refusal) -> None:
        refused[refusal.reason] += 1
        on_refused(refusal)

    listed = 0

    def note_listed(count: int) -> None:
        nonlocal listed
        listed = count
        on_progress(count)

    rows = None if mapping is None else mapping.rows()
    selection = Selection(
        old, rules, rows, library=manager.store, on_refused=refuse, on_progress=note_listed
    )
    counted = _Counted(_cost_sum(manager, old, storage_class, prices, now()))
    with closing(selection.items()) as items:
        counting = counted.of(items)
        first = next(counting, None)
        if first is None and not dry_run:
            raise InvalidRunError(f"nothing to adopt as {run!r} from {old.url}")
        plan = None
        if first is not None:
            options = {"source": old.url, "storage_class": storage_class, "kms_key": kms_key}
            plan = plan_lines(
                manager,
                KIND,
                map(_line, chain([first], counting)),
                {name: value for name, value in options.items() if value is not None},
                run=run,
                chunk_items=chunk_items,
                dry_run=dry_run,
            )
    cost = counted.cost(listed, plan.chunks if plan else 0)
    return Adoption(
        run,
        counted.assets,
        counted.covers,
        counted.size_bytes,
        dict(refused.most_common()),
        counted.kept,
        cost,
        created=plan is not None and plan.created,
    )


def _rules(
    layout: str | None,
    covers: Sequence[str],
    keep_metadata: Collection[str] | None,
    *,
    has_map: bool,
) -> Rules:
    if layout is None and not has_map:
        raise InvalidRunError("nothing says what is adopted: give a layout, or a map")
    try:
        parsed = None if layout is None else KeyLayout(layout)
        known = parsed.fields if parsed else frozenset()
        return Rules(parsed, KeyCovers(tuple(covers), known), keep_metadata)
    except ValueError as error:
        raise InvalidRunError(str(error)) from None


class _Counted:
    """Counts items, and what they cost."""

    def __init__(self, cost: CostSum | None) -> None:
        self.assets = self.covers = self.size_bytes = self.kept = 0
        self._cost = cost

    def of(self, items: Iterable[AdoptItem]) -> Iterator[AdoptItem]:
        """Yield items, and count each."""
        for item in items:
            self.assets += 1
            self.size_bytes += item.audio.size_bytes
            self.kept += bool(item.audio.kept_by)
            if item.cover is not None:
                self.covers += 1
                self.size_bytes += item.cover.size_bytes
                self.kept += bool(item.cover.kept_by) and not item.shares_cover
            if self._cost is not None:
                self._cost.add(item)
            yield item

    def cost(self, listed: int, chunks: int) -> AdoptCost | None:
        """Return what all cost; None if that is not known."""
        return None if self._cost is None else self._cost.total(listed=listed, chunks=chunks)


def _cost_sum(
    manager: "AudioStorageManager",
    source: Store,
    storage_class: str | None,
    prices: PathLike | None,
    now: datetime,
) -> CostSum | None:
    places = [_place(store, prices) for store in (source, manager.store)]
    if places[0] is None or places[1] is None:
        return None
    return CostSum(places[0], places[1], storage_class, now=now)


def _place(store: Store, prices: PathLike | None) -> Place | None:
    if service_of(store) is None:
        return None  # a directory charges nothing
    try:
        facts = store.facts()
    except AudioStoreError:
        return None  # who may not read settings may adopt all the same
    if facts.location is None:
        return None
    kept_s = facts.settings.soft_delete_s if facts.settings else 0
    return Place(Rates.read(facts.location, prices), kept_s)


def _line(item: AdoptItem) -> Fields:
    return {
        "audio": blob_fields(item.audio),
        "cover": None if item.cover is None else blob_fields(item.cover),
        "filename": item.filename,
        "metadata": dict(item.metadata),
        "source_path": item.source_path,
        "id": item.audio_id or FilenameGenerator.generate_audio_id(),
        "new": item.audio_id is None,
    }


def blob_fields(blob: BlobInfo) -> Fields:
    """Return what of an old object a plan keeps."""
    values = ((name, getattr(blob, name)) for name in _BLOB)
    fields = {name: value for name, value in values if value is not None}
    return {**fields, "created_at": blob.created_at.isoformat()}


def _identity(line: Fields) -> Fields:
    given = {name: line.get(name) for name in _IDENTITY}
    return {**given, "id": None if line.get("new") else line["id"]}


@dataclass(frozen=True, slots=True)
class AdoptOptions:
    """How a run adopts."""

    source: str
    storage_class: str | None = None
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedAdoption:
    """An object, and the id that it gets."""

    index: int
    item: AdoptItem
    audio_id: str
    has_own_id: bool
    """Whether its id was made when it was planned: nothing else was ever stored under it."""


def item_in(line: Fields) -> PlannedAdoption:
    """Return the item of a line.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    require_types(line, n=int, new=bool, audio=dict, filename=str, source_path=str | None)
    require_types(line, cover=dict | None)
    item = AdoptItem(
        blob_in(line["audio"]),
        None if line["cover"] is None else blob_in(line["cover"]),
        line["filename"],
        require_audio_id(line["id"]),
        check_custom_metadata(line["metadata"]),
        line["source_path"],
    )
    return PlannedAdoption(line["n"], item, require_audio_id(line["id"]), line["new"])


def blob_in(fields: Fields) -> BlobInfo:
    """Return an old object, as far as a plan keeps it.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    require_types(
        fields,
        generation=int,
        size_bytes=int,
        kms_key=str | None,
        **dict.fromkeys(("name", "content_type", "crc32c", "storage_class", "created_at"), str),
    )
    created_at = datetime.fromisoformat(fields["created_at"])
    return BlobInfo(**{**fields, "created_at": created_at, "metageneration": 0})


def _work(
    manager: "AudioStorageManager",
    chunks: Iterable[OpenChunk],
    options: AdoptOptions,
    run_options: RunOptions,
    *,
    may_fork: bool,
) -> Generator[FleetChunk, None, None]:
    """Adopt the items of chunks, many at once; yield each chunk as it ends."""
    del may_fork  # most of the time is spent waiting for the service
    source = manager._remote.store_at(options.source)

    def adopt(pair: tuple[OpenChunk, PlannedAdoption]) -> StorageResult:
        chunk, planned = pair
        return _adopt(manager, source, options, planned, is_fresh=chunk.is_fresh)

    pairs = ((chunk, planned) for chunk in chunks for planned in chunk.items)
    outcomes = apply_to_each(manager, adopt, pairs, run_options)
    with closing(outcomes):
        for outcome in outcomes:
            chunk, planned = outcome.item
            error = outcome.error
            if error and is_for_now(error) and not isinstance(error, SourceChangedError):
                chunk.add(error)
            else:  # a generation that is gone does not come back
                where = source.uri(planned.item.audio.name)
                stored = error or outcome.result
                chunk.add(recorded(planned.index, where, "", planned.audio_id, stored))
            if chunk.is_complete:
                yield chunk.finish()


def _adopt(
    manager: "AudioStorageManager",
    source: Store,
    options: AdoptOptions,
    planned: PlannedAdoption,
    *,
    is_fresh: bool,
) -> StorageResult:
    """Copy the objects of an item within the service, and commit them as an asset."""
    item = planned.item

    def stored(blob: BlobInfo, filename: str | None = None) -> StoredFile:
        return StoredFile(
            StoredSource(source, blob),
            storage_class=options.storage_class or blob.storage_class,
            kms_key=options.kms_key or blob.kms_key,
            filename=filename,
        )

    return manager._uploads.adopt(
        planned.audio_id,
        stored(item.audio, item.filename),
        None if item.cover is None else stored(item.cover),
        # The names are another program's, and may have no extension: the content says what it is.
        UploadOptions(metadata=item.metadata, source_path=item.source_path, fix_extension=True),
        id_is_new=is_fresh and planned.has_own_id,
    )


def _options_in(fields: Fields) -> AdoptOptions:
    require_types(fields, source=str, storage_class=str | None, kms_key=str | None)
    return AdoptOptions(**fields)


KIND = Kind(_ADOPT, _options_in, item_in, _identity, _work)
