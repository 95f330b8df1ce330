"""What a verification costs at most, by list prices.

cloud.google.com/storage/pricing: uploads, copies, changes and listings are operations of class A,
reads of class B; deletions are free. What is deleted is billed for the minimum of its storage
class, and for as long as soft delete keeps it.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from audiostore.catalog import Rates
from audiostore.dataclass import dataclass
from audiostore.lifecycle import MINIMUM_DAYS
from audiostore.stores import StoreFacts
from audiostore.verify.values import Check

OWN_CLASS_A = 6
"""Listings of what there is to clean up, and of what the bucket keeps of it."""
OWN_CLASS_B = 80
"""Reads of the settings and permissions; of each object that is listed, under a customer's key."""
_GIB = 1 << 30
_DAY_S = 24 * 3600
_DAYS_PER_MONTH = 30
_UNKNOWN_LOCATION = "multi-region"
"""Its operations cost twice those of a region."""


@dataclass(frozen=True, slots=True)
class VerifyCost:
    """What a verification costs at most, without network and taxes."""

    class_a: int
    """Operations that write, copy or list."""
    class_b: int
    """Operations that read."""
    sent_bytes: int
    amount: float
    currency: str
    source: str
    read_on: date

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            "class_a": self.class_a,
            "class_b": self.class_b,
            "sent_bytes": self.sent_bytes,
            "amount": round(self.amount, 6),
            "currency": self.currency,
            "source": self.source,
            "read_on": self.read_on.isoformat(),
        }


def cost_of(checks: Iterable[Check], facts: StoreFacts) -> VerifyCost:
    """Return what these checks cost at most in a bucket of which this is known."""
    rates = Rates.read(facts.location or _UNKNOWN_LOCATION)
    settings = facts.settings
    storage_class = settings.storage_class if settings else "STANDARD"
    class_a, class_b, sent_bytes = OWN_CLASS_A, OWN_CLASS_B, 0
    for check in checks:
        class_a += check.class_a
        class_b += check.class_b
        sent_bytes += check.sent_bytes
    # One object is copied to NEARLINE; all are counted as if they were.
    days = max(MINIMUM_DAYS["NEARLINE"], MINIMUM_DAYS.get(storage_class, 0))
    days += (settings.soft_delete_s if settings else 0) // _DAY_S
    classes = {"STANDARD", "NEARLINE", storage_class}
    operations = class_a * _dearest(rates.class_a, classes)
    operations += class_b * _dearest(rates.class_b, classes)
    gib = 2 * sent_bytes / _GIB  # the copies, too
    stored = gib * _dearest(rates.prices, classes) * days / _DAYS_PER_MONTH
    read = gib * rates.retrieval.get(storage_class, 0.0)
    return VerifyCost(
        class_a,
        class_b,
        sent_bytes,
        operations / 1000 + stored + read,
        rates.currency,
        rates.source,
        rates.read_on,
    )


def _dearest(prices: Mapping[str, float], classes: Iterable[str]) -> float:
    return max(prices.get(each, 0.0) for each in classes)
