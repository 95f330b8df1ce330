"""Move the audio of assets to another storage class."""

from __future__ import annotations

from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.commands._class_costs import Costs
from audiostore.cli.consent import has_consent_to, will_ask
from audiostore.cli.declare import ConsentOptions, argument
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.filters import STORAGE_CLASSES
from audiostore.cli.output import say
from audiostore.cli.selection import Chosen

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.stores import StorageClass

GROUP = "change"
EXAMPLE = """\
audiostore set-class 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b COLDLINE
audiostore set-class --storage-class STANDARD --before 2025-01-01 COLDLINE"""


class Options(AssetsOptions, ConsentOptions):
    """Options of `set-class`."""

    storage_class: StorageClass = argument(
        "CLASS", ", ".join(STORAGE_CLASSES), parse=str.upper, choices=STORAGE_CLASSES
    )


def run(options: Options) -> int:
    """Move the audio, after asking if a bucket charges for it, or no ID was given."""
    from audiostore.asset import require_own_classes  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import facts_block, row  # noqa: PLC0415

    storage_class = options.storage_class
    with choosing(options) as chosen:
        manager = chosen.manager

        def plan(each: Chosen) -> Report:
            asset = chosen.asset(each)
            costs = Costs(manager, storage_class)
            costs.add(asset)
            if asset.audio is None or not costs.moved:
                return Report(
                    note=f"nothing to change: {asset.audio_id} is already {storage_class}"
                )
            require_own_classes(manager.admin, asset.audio_id)
            before, charges = asset.audio.storage_class, costs.lines()
            action = f"move the audio of {asset.audio_id} from {before} to "
            action += "; ".join([storage_class, *charges])
            facts = {"from": before, "to": storage_class, "costs": charges}
            return planned(action, asset.audio_id, **facts)

        def move(each: Chosen) -> Report:
            asset = manager.set_class(each.audio_id, storage_class)
            return Report(
                asset, facts_block(asset) if chosen.is_single else row(asset), about=asset
            )

        if options.dry_run:
            return with_each(chosen, plan, "planned")
        costs = Costs(manager, storage_class)
        chosen.fix(costs.add)
        if costs.moved:
            require_own_classes(manager.admin, costs.moved[0])
        its = "its audio" if len(chosen) == 1 else f"the audio of {chosen.these}"
        question = "\n".join([*costs.lines(), f"Move {its} to {storage_class}?"])
        if not will_ask(options):
            for cost in costs.lines():
                say("warning", cost)
        elif (costs.lines() or chosen.is_implied) and not has_consent_to(options, chosen, question):
            return 1
        return with_each(chosen, move, f"moved to {storage_class}")
