"""Attach a transcript to an asset.

The transcript belongs to the stored recording: it is copied, deleted and restored with it, and
never shown with another one. 'audiostore get ID --part transcript' downloads it.
"""

from __future__ import annotations

from audiostore.cli.consent import has_consent, will_ask
from audiostore.cli.declare import ConsentOptions, JsonOptions, StoreOptions, argument
from audiostore.cli.output import print_json
from audiostore.cli.store import opened, warn
from audiostore.cli.values import attached_part

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.asset import PartName

GROUP = "store and fetch"
EXAMPLE = "audiostore attach 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b transcript words.vtt"


class Options(StoreOptions, JsonOptions, ConsentOptions):
    """Options of `attach`."""

    audio_id: str = argument("ID", "ID of the asset, or the first characters of it (at least 4)")
    part: PartName = argument("PART", "what the file is: transcript", parse=attached_part)
    file: str = argument("FILE", "the file, in UTF-8: .txt, .vtt, .srt or .json", files="any")


def run(options: Options) -> int:
    """Store the file, after asking if it replaces another."""
    from audiostore.asset import require_part  # noqa: PLC0415  (not for --help)
    from audiostore.cli.consent import print_plan  # noqa: PLC0415
    from audiostore.cli.listing import facts_block  # noqa: PLC0415
    from audiostore.ingest import prepare_attachment  # noqa: PLC0415

    with opened(options) as manager:
        prepare_attachment(options.file, require_part(options.part))
        audio_id = manager.catalog.resolve(options.audio_id)
        asset = manager.get(audio_id)
        present = asset.attached.get(options.part)
        if options.dry_run:
            word = "replace" if present else "attach"
            facts = {"part": options.part, "file": options.file}
            print_plan(options, f"{word} the {options.part} of {audio_id}", audio_id, **facts)
            return 0
        question = f"Replace its {options.part}? 'audiostore restore' cannot undo this"
        if present is not None and will_ask(options) and not has_consent(options, question):
            return 1
        asset = manager.attach(asset, options.part, options.file)
        warn(asset)
        if options.json:
            print_json(asset)
        else:
            print(facts_block(asset))
    return 0
