"""Planning a run that adopts: which objects of another layout become assets, and at what cost."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, get_args

from audiostore.adopt import (
    AdoptCost,
    Adoption,
    AdoptItem,
    CostSum,
    Refusal,
    RefusalListener,
    Selection,
    cost_of_copies,
)
from audiostore.bulk import Manifest
from audiostore.errors import InvalidRunError, UnsupportedByStoreError, shown
from audiostore.fleet.adoptions import (
    KIND,
    AdoptOptions,
    item_fields,
    rules_of,
    taken_by_others,
)
from audiostore.fleet.jsonvalues import fields_of
from audiostore.fleet.layout import require_run
from audiostore.fleet.planning import plan_lines
from audiostore.stores import StorageClass, Store, service_of
from audiostore.values import PathLike

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


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
    ``first_stored_at``, and never as the custom time, on which lifecycle rules delete. What another
    run of this library has adopted, or is to adopt, is left out.

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
    require_run(run)
    if layout is None and mapping is None:
        raise InvalidRunError("nothing says what to adopt: give a layout or a map")
    rules = rules_of(layout, covers, keep_metadata)
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
        old,
        rules,
        rows,
        taken=taken_by_others(manager, run),
        library=manager.store,
        on_refused=refuse,
        on_progress=note_listed,
    )
    counted = _Counted(cost_of_copies(old, manager.store, storage_class, prices, now=now()))
    with closing(selection.items()) as items:
        counting = counted.of(items)
        first = next(counting, None)
        if first is None and not dry_run:
            why = _why_nothing(old, listed, refused)
            raise InvalidRunError(f"nothing to adopt as {run!r} from {old.url}: {why}")
        plan = None
        if first is not None:
            plan = plan_lines(
                manager,
                KIND,
                map(item_fields, chain([first], counting)),
                fields_of(AdoptOptions(old.url, storage_class, kms_key, layout, tuple(covers))),
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


def _why_nothing(source: Store, listed: int, refused: Counter[str]) -> str:
    if listed:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in refused.most_common())
        return f"all is left out ({reasons or 'empty folders'})"
    if service_of(source) is not None:
        return "nothing is there"
    return (
        "no objects are there: a source is a store, a bucket or a directory that this library "
        "stores in. To store a directory of plain files, upload them"
    )


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
