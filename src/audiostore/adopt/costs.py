"""What adopting costs, by list prices: counted item by item. Pure.

cloud.google.com/storage/pricing: a copy is an operation of class A at the price of its own storage
class; copying out of NEARLINE and colder is retrieval; what is deleted before its class's minimum
duration is billed for the rest; what is soft-deleted is billed as before.
"""

from datetime import UTC, datetime

from audiostore.adopt.values import AdoptCost, AdoptItem
from audiostore.catalog import Rates
from audiostore.dataclass import dataclass
from audiostore.lifecycle import MINIMUM_DAYS
from audiostore.values import BlobInfo

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
        self._operations = self._retrieval = self._storage = self._early = self._soft = 0.0

    def add(self, item: AdoptItem) -> None:
        """Add an item."""
        self._copy(item.audio, _READS_OF_AUDIO)
        self._clean(item.audio)
        if item.cover is not None:
            self._copy(item.cover, 0 if item.shares_cover else 1)
            if not item.shares_cover:
                self._clean(item.cover)

    def total(self, *, listed: int, chunks: int) -> AdoptCost:
        """Return the cost, with that of a listing and of what a run keeps of each chunk."""
        extra_a = -(-listed // _PAGE_OBJECTS) + 4 * chunks + 1
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
