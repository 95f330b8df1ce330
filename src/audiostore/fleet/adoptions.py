"""Runs that adopt: objects of another layout become assets, by copies within the service."""

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Literal

from audiostore.adopt import AdoptItem, KeyCovers, KeyLayout, RefusalReason, Rules, Taken
from audiostore.asset import FilenameGenerator, check_custom_metadata, require_audio_id
from audiostore.bulk import RunOptions, apply_to_each
from audiostore.dataclass import dataclass, replace
from audiostore.errors import AudioStoreError, InvalidRunError, SourceChangedError
from audiostore.fleet.chunks import OpenChunk, is_for_now
from audiostore.fleet.items import recorded
from audiostore.fleet.jsonvalues import fields_of, value_in
from audiostore.fleet.kinds import Kind
from audiostore.fleet.layout import chunk_states, plan_name, planned_runs
from audiostore.fleet.objects import Fields, damaged
from audiostore.fleet.planning import require_plan
from audiostore.fleet.records import read_results, require_types
from audiostore.fleet.values import FleetChunk, FleetPlan
from audiostore.ingest import StoredFile, UploadOptions
from audiostore.stores import ObjectStore, Store, StoredSource
from audiostore.values import BlobInfo, StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


_FORBIDDEN = (401, 403)
ItemState = Literal["stored", "failed", "open"]
"""What became of an item; open: it is still to be adopted, or to be tried again."""


@dataclass(frozen=True, slots=True)
class AdoptOptions:
    """How a run adopts."""

    source: str
    """The URL of the store that has the objects."""
    storage_class: str | None = None
    kms_key: str | None = None
    layout: str | None = None
    covers: tuple[str, ...] = ()
    """By the layout and these names it is known which objects may need a cover."""


@dataclass(frozen=True, slots=True)
class PlannedAdoption:
    """An object, and the id that it gets."""

    index: int
    """Position in the list."""
    item: AdoptItem
    audio_id: str
    has_own_id: bool
    """Whether its id was made when it was planned: nothing else was ever stored under it."""


def rules_of(
    layout: str | None, covers: Sequence[str], keep_metadata: Collection[str] | None = None
) -> Rules:
    """Return the rules that a layout and the names of covers make.

    Raises:
        InvalidRunError: one is not valid.
    """
    try:
        parsed = None if layout is None else KeyLayout(layout)
        known = parsed.fields if parsed else frozenset()
        return Rules(parsed, KeyCovers(tuple(covers), known), keep_metadata)
    except ValueError as error:
        raise InvalidRunError(str(error)) from None


def item_fields(item: AdoptItem) -> Fields:
    """Return an item as a line, with an id."""
    cover = None if item.cover is None else _pinned(item.cover)
    pinned = replace(item, audio=_pinned(item.audio), cover=cover, shares_cover=False)
    return {
        "item": fields_of(pinned),
        "id": item.audio_id or FilenameGenerator.generate_audio_id(),
        "new": item.audio_id is None,
    }


def _pinned(blob: BlobInfo) -> BlobInfo:
    """Return what of an object stays as it is for as long as this generation is there.

    Its metadata, with any tokens in it, is not written into a plan.
    """
    return BlobInfo(
        blob.name,
        blob.size_bytes,
        blob.content_type,
        blob.crc32c,
        blob.generation,
        0,
        blob.storage_class,
        blob.created_at,
        kms_key=blob.kms_key,
    )


def _item_in(line: Fields) -> PlannedAdoption:
    require_types(line, n=int, new=bool, item=dict)
    item = value_in(AdoptItem, line["item"])
    check_custom_metadata(item.metadata)
    return PlannedAdoption(line["n"], item, require_audio_id(line["id"]), line["new"])


def _identity(line: Fields) -> Fields:
    return {"item": line["item"], "id": None if line["new"] else line["id"]}


def items_of(store: ObjectStore, plan: FleetPlan) -> Iterator[tuple[PlannedAdoption, ItemState]]:
    """Yield the items of a run, and what became of each.

    Raises:
        IntegrityError: its objects are damaged.
    """
    for state in chunk_states(store, plan.run, plan.chunks):
        stored = {each.index for each in read_results(store, state) if each.status == "stored"}
        chunk = OpenChunk(store, plan.run, replace(state, results=()), is_fresh=False)
        for planned in chunk.items:
            if planned.index in stored:
                yield planned, "stored"
            else:
                yield planned, "failed" if state.attempt is None else "open"


def options_of(store: ObjectStore, plan: FleetPlan) -> AdoptOptions:
    """Return the options of a run.

    Raises:
        IntegrityError: they are damaged.
    """
    try:
        return value_in(AdoptOptions, plan.options)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(store, plan_name(plan.run)) from error


def taken_by_others(manager: "AudioStorageManager", run: str) -> Iterator[Taken]:
    """Yield what all runs but one have adopted, or are to adopt.

    Raises:
        IntegrityError: the objects of a run are damaged.
    """
    store = manager.store
    for name in planned_runs(store):
        plan = require_plan(store, name)
        if name != run and plan.kind == KIND.name:
            source = manager._remote.store_at(options_of(store, plan).source)
            for planned, state in items_of(store, plan):
                if state != "failed":
                    audio = planned.item.audio
                    reason: RefusalReason = "adopted" if state == "stored" else "planned"
                    yield source.uri(audio.name), audio.generation, name, reason


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
    forbidden: dict[int, list[Exception]] = {}
    outcomes = apply_to_each(manager, adopt, pairs, run_options)
    with closing(outcomes):
        for outcome in outcomes:
            chunk, planned = outcome.item
            error = outcome.error
            if isinstance(error, AudioStoreError) and error.status in _FORBIDDEN:
                forbidden.setdefault(chunk.number, []).append(error)
            if error and is_for_now(error) and not isinstance(error, SourceChangedError):
                chunk.add(error)
            else:  # a generation that is gone does not come back
                where = source.uri(planned.item.audio.name)
                stored = error or outcome.result
                chunk.add(recorded(planned.index, where, "", planned.audio_id, stored))
            if chunk.is_complete:
                errors = forbidden.pop(chunk.number, [])
                # A right that is missing, on a bucket or a key, must not fail a whole run.
                is_of_all = len(errors) == len(chunk.items)
                yield chunk.give_up(errors[0]) if is_of_all else chunk.finish()


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


KIND = Kind(
    "adopt",
    options_in=lambda fields: value_in(AdoptOptions, fields),
    item_in=_item_in,
    identity=_identity,
    work=_work,
)
