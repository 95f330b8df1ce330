"""Delete an attached or derived part of assets, such as a transcript or a preview.

What is derived can be computed again. 'audiostore restore' does not bring back a transcript.
"""

from __future__ import annotations

from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.consent import has_consent_to
from audiostore.cli.declare import ConsentOptions, argument
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.selection import Chosen
from audiostore.cli.values import marked_part

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.asset import PartName

GROUP = "delete and restore"
EXAMPLE = """\
audiostore detach 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b transcript
audiostore detach --superseded preview --dry-run"""


class Options(AssetsOptions, ConsentOptions):
    """Options of `detach`."""

    part: PartName = argument("PART", "waveform, preview or transcript", parse=marked_part)


def run(options: Options) -> int:
    """Delete the part of each asset that has it, after asking."""
    from audiostore.asset import part_of  # noqa: PLC0415  (not for --help)

    part = options.part
    with choosing(options) as chosen:

        def has_it(each: Chosen) -> bool:
            asset = chosen.asset(each)
            blobs = (*asset.parts.values(), *asset.stale)
            return any((found := part_of(blob.name)) and found.name == part for blob in blobs)

        def plan(each: Chosen) -> Report:
            if not has_it(each):
                return Report(note=f"{each.audio_id} has no {part}")
            return planned(f"delete the {part} of {each.audio_id}", each.audio_id, part=part)

        def detach(each: Chosen) -> Report:
            if chosen.is_implied and not has_it(each):
                return Report()
            chosen.manager.detach(each.audio_id, part)
            fields = {"audio_id": each.audio_id, "part": part, "deleted": True}
            return Report(fields, note=f"deleted the {part} of {each.audio_id}")

        if options.dry_run:
            return with_each(chosen, plan, "planned")
        chosen.fix()
        question = f"Delete the {part} of {chosen.these}? 'audiostore restore' cannot undo this"
        if not has_consent_to(options, chosen, question):
            return 1
        return with_each(chosen, detach, f"without a {part}")
