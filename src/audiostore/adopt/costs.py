"""What adopting costs, by list prices: counted item by item.

cloud.google.com/storage/pricing: a copy is an operation of class A at the price of its own storage
class; copying out of NEARLINE and colder is retrieval; what is deleted before its class's minimum
duration is billed for the rest; what is soft-deleted is billed as before.
"""

from datetime import UTC, datetime

from audiostore.adopt.values import AdoptCost, AdoptItem
from audiostore.catalog import Rates
from audiostore.dataclass import dataclass
from audiostore.errors import AudioStoreError
from audiostore.lifecycle import MINIMUM_DAYS
from audiostore.stores import Store, service_of
from audiostore.values import BlobInfo, PathLike

_GIB = 1 << 30
_DAYS_PER_MONTH = 30
_DAY_S = 24 * 3600
_READS_OF_AUDIO = 2
"""Ranges of 256 KiB, for the facts of most files."""
_PAGE_OBJECTS = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """What a bucket charges."""

    rates: Rates
    soft_delete_s: int = 0
    """How long it keeps what is deleted, in seconds."""


class CostSum:
    """Adds up what items cost."""

    def __init__(
        self, source: Place, library: Place, storage_class: str | None, *, now: datetime
    ) -> None:
        """Add nothing yet.

        Args:
            source: where the items are.
            library: where the assets will be.
            storage_class: of the assets; None: each keeps its own.
            now: what early deletion is counted to.
        """
        self._source = source
        self._library = library
        self._storage_class = storage_class
        self._now = now
        self._class_a = self._class_b = 0
        self._has_covers = False
        self._operations = self._retrieval = self._storage = self._early = self._soft = 0.0

    def add(self, item: AdoptItem) -> None:
        """Add an item."""
        # Cleaning lists the asset once; deleting is free.
        self._class_a += 1
        self._operations += self._library.rates.class_a.get("STANDARD", 0.0) / 1000
        self._copy(item.audio, _READS_OF_AUDIO)
        self._clean(item.audio)
        if item.cover is not None:
            self._has_covers = True
            self._copy(item.cover, 0 if item.shares_cover else 1)
            if not item.shares_cover:
                self._clean(item.cover)

    def total(self, *, listed: int, chunks: int) -> AdoptCost:
        """Return the cost, with that of a listing and of what a run keeps of each chunk."""
        # Cleaning lists what is left, before it deletes covers.
        listings = 2 if self._has_covers else 1
        extra_a = listings * -(-listed // _PAGE_OBJECTS) + 4 * chunks + 1
        extra_b = 2 * chunks
        rates = self._library.rates
        operations = (
            self._operations
            + (
                extra_a * rates.class_a.get("STANDARD", 0.0)
                + extra_b * rates.class_b.get("STANDARD", 0.0)
            )
            / 1000
        )
        return AdoptCost(
            rates.currency,
            rates.source,
            rates.read_on,
            self._class_a + extra_a,
            self._class_b + extra_b,
            operations,
            self._retrieval,
            self._storage,
            self._early,
            self._soft,
        )

    def _copy(self, blob: BlobInfo, reads: int) -> None:
        source, library = self._source.rates, self._library.rates
        target_class = self._storage_class or blob.storage_class
        gib = blob.size_bytes / _GIB
        self._class_a += 1
        self._class_b += reads
        self._operations += library.class_a.get(target_class, 0.0) / 1000
        self._operations += reads * source.class_b.get(blob.storage_class, 0.0) / 1000
        self._retrieval += gib * source.retrieval.get(blob.storage_class, 0.0)
        self._storage += gib * library.prices.get(target_class, 0.0)

    def _clean(self, blob: BlobInfo) -> None:
        a_day = (
            self._source.rates.prices.get(blob.storage_class, 0.0)
            * (blob.size_bytes / _GIB)
            / _DAYS_PER_MONTH
        )
        days = (self._now - (blob.class_changed_at or blob.created_at).astimezone(UTC)).days
        self._early += a_day * max(0, MINIMUM_DAYS.get(blob.storage_class, 0) - days)
        self._soft += a_day * self._source.soft_delete_s / _DAY_S


def cost_of_copies(
    source: Store,
    library: Store,
    storage_class: str | None,
    prices: PathLike | None = None,
    *,
    now: datetime,
) -> CostSum | None:
    """Return a sum for copies from one store to another; None if what they charge is not known.

    Args:
        source: where the items are.
        library: where the assets will be.
        storage_class: of the assets; None: each keeps its own.
        prices: a table of prices (see `Rates.read`); None: Google's list prices.
        now: what early deletion is counted to.

    Raises:
        ConfigurationError: the table is not valid.
        OSError: it cannot be read.
    """
    places = [_place(store, prices) for store in (source, library)]
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
