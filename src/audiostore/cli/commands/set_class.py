"""Move the audio of an asset to another storage class."""

from __future__ import annotations

from datetime import UTC, datetime

from audiostore.cli.consent import has_consent, print_plan, will_ask
from audiostore.cli.declare import AssetOptions, ConsentOptions, argument
from audiostore.cli.filters import STORAGE_CLASSES
from audiostore.cli.output import note, say
from audiostore.cli.store import is_bucket, known_facts, opened, warn

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import AudioStorageManager, BlobInfo
    from audiostore.stores import StorageClass

GROUP = "change"
EXAMPLE = "audiostore set-class 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b COLDLINE"
_DAYS_PER_MONTH = 30
_GIB = 1 << 30


class Options(AssetOptions, ConsentOptions):
    """Options of `set-class`."""

    storage_class: StorageClass = argument(
        "CLASS", ", ".join(STORAGE_CLASSES), parse=str.upper, choices=STORAGE_CLASSES
    )


def run(options: Options) -> int:
    """Move the audio, after asking if a bucket charges for it."""
    from audiostore.asset import require_own_classes  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import print_asset, row  # noqa: PLC0415

    storage_class = options.storage_class
    with opened(options) as manager:
        asset = manager.get(options.audio_id)
        audio = asset.audio
        if audio is None or audio.storage_class == storage_class:
            note(f"nothing to change: {asset.audio_id} is already {storage_class}")
            costs: list[str] = []
        else:
            require_own_classes(manager.admin, asset.audio_id)
            costs = _costs_of_moving(manager, audio, storage_class)
            if options.dry_run:
                action = f"move the audio of {asset.audio_id} from {audio.storage_class} to "
                action += "; ".join([storage_class, *costs])
                facts = {"from": audio.storage_class, "to": storage_class, "costs": costs}
                print_plan(options, action, asset.audio_id, **facts)
        if options.dry_run:
            return 0
        if not will_ask(options):
            for cost in costs:
                say("warning", cost)
        elif costs and not has_consent(
            options, "\n".join([row(asset), *costs, f"Move its audio to {storage_class}?"])
        ):
            return 1
        asset = manager.set_class(options.audio_id, storage_class)
    print_asset(asset, as_json=options.json)
    warn(asset)
    return 0


def _costs_of_moving(
    manager: AudioStorageManager, audio: BlobInfo, storage_class: str
) -> list[str]:
    """Return what a bucket charges for moving audio to another class, one sentence each.

    cloud.google.com/storage/pricing: minimum storage duration, and retrieval ("when you read, copy,
    move, or rewrite object data"), of all classes but STANDARD. A directory charges nothing.
    """
    from audiostore.lifecycle import MINIMUM_DAYS  # noqa: PLC0415  (not for --help)

    if not is_bucket(manager):
        return []
    costs: list[str] = []
    present = audio.storage_class
    minimum = MINIMUM_DAYS.get(present, 0)
    days = (datetime.now(UTC) - (audio.class_changed_at or audio.created_at)).days
    if days < minimum:
        costs.append(
            f"it has been {present} for {days} of at least {minimum} days: the remaining "
            f"{minimum - days} days are charged now{_price(manager, audio, minimum - days)}"
        )
    if minimum:
        costs.append(f"reading it from {present} is charged per byte")
    if new_minimum := MINIMUM_DAYS.get(storage_class, 0):
        costs.append(f"{storage_class} charges for at least {new_minimum} days, and for every read")
    return costs


def _price(manager: AudioStorageManager, audio: BlobInfo, days: int) -> str:
    from audiostore.catalog import Rates  # noqa: PLC0415  (not for --help)

    facts = known_facts(manager)
    if isinstance(facts, str) or facts.location is None:
        return ""
    rates = Rates.read(facts.location)
    monthly = rates.prices.get(audio.storage_class)
    if monthly is None:
        return ""
    price = monthly * audio.size_bytes / _GIB * days / _DAYS_PER_MONTH
    about = f"{price:,.2f}" if price >= 0.01 else "less than 0.01"
    return f" ({about} {rates.currency} by list prices)"
