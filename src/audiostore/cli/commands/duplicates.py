"""Find the same audio under several IDs.

Audio is the same if only its tags or artwork differ.
"""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.declare import JsonOptions
from audiostore.cli.filters import FilterOptions, query_of
from audiostore.cli.output import counted, escape, human_size, note, print_json, say
from audiostore.cli.store import opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import DuplicateAssets, StorageResult

GROUP = "find"
EXAMPLE = "audiostore duplicates --artist simone"


class Options(FilterOptions, JsonOptions):
    """Options of `duplicates`."""


def run(options: Options) -> int:
    """Print each group of assets with the same audio, and how to resolve it."""
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415  (not for --help)

    groups = others = size_bytes = 0
    query = query_of(options)
    with CountProgress() as progress, opened(options, progress.waiting) as manager:
        for group in manager.catalog.duplicates(query, on_progress=progress):
            progress.clear()
            groups += 1
            others += len(group.others)
            size_bytes += sum(asset.size_bytes for asset in group.others)
            if options.json:
                print_json({**group.to_dict(), "command": _command(group)})
            else:
                print(_block(group), flush=True)
        progress.clear()
    if not groups:
        note("no audio is stored twice")
    else:
        what = f"{counted(others, 'asset')} ({human_size(size_bytes)})"
        say("found", f"{counted(groups, 'group')} of the same audio: {what} could be deleted")
    return 0


def _command(group: DuplicateAssets) -> str:
    return hints.command_line("rm", *(asset.audio_id for asset in group.others))


def _block(group: DuplicateAssets) -> str:
    what = "the same bytes" if group.same == "bytes" else "the same audio, other tags"
    lines = [f"{counted(len(group.assets), 'asset')} with {what}"]
    lines += [
        f"  {'keep' if asset is group.keep else 'or':<4}  {_row(asset)}" for asset in group.assets
    ]
    if _are_files_of_a_library(group):
        lines.append(
            "  -> each is a file of its own: keep all if 'get --all' is to bring back all of them"
        )
    lines.append(f"  -> {_command(group)}")
    return "\n".join(lines)


def _are_files_of_a_library(group: DuplicateAssets) -> bool:
    paths = [_source_path(asset) for asset in group.assets]
    return None not in paths and len(set(paths)) == len(paths)


def _source_path(asset: StorageResult) -> str | None:
    return asset.audio.metadata.get("source_path") if asset.audio else None


def _row(asset: StorageResult) -> str:
    states = ["cover" if asset.has_thumbnail else "no cover"]
    if asset.superseded_by:
        states.append(f"superseded by {asset.superseded_by}")
    if asset.audio and asset.audio.is_held:
        states.append("held")
    name = _source_path(asset) or asset.original_filename or "-"
    return (
        f"{asset.audio_id}  {asset.created_at:%Y-%m-%d %H:%M}  {human_size(asset.size_bytes):>10}  "
        f"{escape(name)} ({', '.join(states)})"
    )
