"""What a bucket charges for moving audio to another storage class."""

from __future__ import annotations

from datetime import UTC, datetime

from audiostore.cli.output import human_size
from audiostore.cli.store import is_bucket, known_facts

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import AudioStorageManager, BlobInfo, Rates, StorageResult

_DAYS_PER_MONTH = 30
_GIB = 1 << 30


class Costs:
    """The charges for moving assets, added up.

    cloud.google.com/storage/pricing: minimum storage duration, and retrieval ("when you read, copy,
    move, or rewrite object data"), of all classes but STANDARD. A directory charges nothing.
    """

    def __init__(self, manager: AudioStorageManager, storage_class: str) -> None:
        from audiostore.lifecycle import MINIMUM_DAYS  # noqa: PLC0415  (not for --help)

        self._manager = manager
        self._storage_class = storage_class
        self._minimum_days = MINIMUM_DAYS if is_bucket(manager) else {}
        self.moved: list[str] = []
        """The ids of those that are moved: at most two."""
        self._early = 0
        self._early_line = ""
        self._price = 0.0
        self._rates: Rates | None = None
        self._read_bytes = 0
        self._read_from: set[str] = set()

    def add(self, asset: StorageResult) -> None:
        """Add what is charged for an asset; nothing if it is in the class already."""
        audio = asset.audio
        if audio is None or audio.storage_class == self._storage_class:
            return
        self.moved = [*self.moved[:1], asset.audio_id]
        present = audio.storage_class
        minimum = self._minimum_days.get(present, 0)
        if not minimum:
            return
        self._read_bytes += audio.size_bytes
        self._read_from.add(present)
        days = (datetime.now(UTC) - (audio.class_changed_at or audio.created_at)).days
        if days < minimum:
            self._early += 1
            self._price += self._price_of(audio, minimum - days)
            self._early_line = (
                f"it has been {present} for {days} of at least {minimum} days: the remaining "
                f"{minimum - days} days are charged now"
            )

    def lines(self) -> list[str]:
        """Return the charges, one sentence each."""
        is_one = len(self.moved) == 1
        costs: list[str] = []
        if self._early:
            many = (
                f"{self._early:,} of them have not been in their class for its minimum time: the "
                "remaining days are charged now"
            )
            costs.append((self._early_line if is_one else many) + self._price_in_words())
        if self._read_from:
            what = "it" if is_one else f"{human_size(self._read_bytes)}"
            classes = " and ".join(sorted(self._read_from))
            costs.append(f"reading {what} from {classes} is charged per byte")
        minimum = self._minimum_days.get(self._storage_class, 0)
        if self.moved and minimum:
            costs.append(
                f"{self._storage_class} charges for at least {minimum} days, and for every read"
            )
        return costs

    def _price_of(self, audio: BlobInfo, days: int) -> float:
        """Return what a number of days cost, by list prices; 0 if they are not known."""
        if self._rates is None:
            from audiostore.catalog import Rates  # noqa: PLC0415  (not for --help)

            facts = known_facts(self._manager)
            if isinstance(facts, str) or facts.location is None:
                return 0.0
            self._rates = Rates.read(facts.location)
        monthly = self._rates.prices.get(audio.storage_class, 0.0)
        return monthly * audio.size_bytes / _GIB * days / _DAYS_PER_MONTH

    def _price_in_words(self) -> str:
        if self._rates is None or not self._price:
            return ""
        about = f"{self._price:,.2f}" if self._price >= 0.01 else "less than 0.01"
        return f" ({about} {self._rates.currency} by list prices)"
