"""What a bucket charges for moving an object to another storage class, in words.

cloud.google.com/storage/pricing: minimum storage duration, and retrieval ("when you read, copy,
move, or rewrite object data"), of all classes but STANDARD. A directory charges nothing.
"""

from datetime import UTC, datetime

from audiostore.catalog import read_rates
from audiostore.cli.commands.settings import is_bucket, known_settings
from audiostore.lifecycle import MINIMUM_DAYS
from audiostore.manager import AudioStorageManager
from audiostore.values import BlobInfo

_DAYS_A_MONTH = 30
_GIB = 1 << 30


def costs_of_moving(manager: AudioStorageManager, audio: BlobInfo, storage_class: str) -> list[str]:
    """Return what is charged for moving audio to a class, a sentence each."""
    if not is_bucket(manager):
        return []
    costs: list[str] = []
    present = audio.storage_class
    minimum = MINIMUM_DAYS.get(present, 0)
    days = (datetime.now(UTC) - (audio.class_changed_at or audio.created_at)).days
    if days < minimum:
        costs.append(
            f"it has been {present} for {days} of at least {minimum} days: the {minimum - days} "
            f"days that are left are charged at once{_price(manager, audio, minimum - days)}"
        )
    if minimum:
        costs.append(f"reading it out of {present} is charged by the byte")
    if new_minimum := MINIMUM_DAYS.get(storage_class, 0):
        costs.append(
            f"in {storage_class}, {new_minimum} days are paid for at least, and every reading"
        )
    return costs


def _price(manager: AudioStorageManager, audio: BlobInfo, days: int) -> str:
    settings = known_settings(manager)
    if isinstance(settings, str):
        return ""
    rates = read_rates(settings.location)
    monthly = rates.prices.get(audio.storage_class)
    if monthly is None:
        return ""
    price = monthly * audio.size_bytes / _GIB * days / _DAYS_A_MONTH
    about = f"{price:,.2f}" if price >= 0.01 else "less than 0.01"
    return f" ({about} {rates.currency} by list prices)"
