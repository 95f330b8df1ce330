"""Download the audio or artwork of assets."""

from __future__ import annotations

import sys

from audiostore.cli import places
from audiostore.cli.choosing import AssetsOptions, choosing, require_one_way
from audiostore.cli.declare import arguments, flag, option
from audiostore.cli.failures import UsageError
from audiostore.cli.output import escape, is_terminal, print_json, say
from audiostore.cli.store import warn
from audiostore.cli.values import part_name, positive, rate

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Literal

    from audiostore import StorageResult
    from audiostore.asset import PartName

GROUP = "store and fetch"
EXAMPLE = """\
audiostore get 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b -o song.mp3
audiostore get --album 'Pastel Blues' --to blues
audiostore get --all --to backup
audiostore get --all --to Music --name '{album_artist}/{album}/{track:02} {title}'"""
_MANY = "for many assets"


class Options(AssetsOptions):
    """Options of `get`."""

    audio_ids: tuple[str, ...] = arguments(
        "ID",
        "ID of an asset, or the first characters of it (at least 4); for several, give --to DIR",
    )
    output: str | None = option(
        "-o",
        "--output",
        metavar="PATH",
        help="the file to write, replaced if it exists; a directory; or '-' for standard output "
        "(default: the original file name, in this directory, never replacing a file)",
        files="any",
    )
    part: PartName | None = option(
        metavar="PART",
        parse=part_name,
        help="audio, thumbnail or another part that 'audiostore show' lists (default: the audio; "
        "with --to, also covers that were files)",
    )
    to: str | None = option(
        metavar="DIR",
        help="download into this directory, created if needed, with the folders that were "
        "stored; complete files that are already there are skipped",
        group=_MANY,
        files="folders",
    )
    with_superseded: bool = flag(
        help="with filters or --all, download superseded assets too", group=_MANY
    )
    name: str | None = option(
        metavar="TEMPLATE",
        help="name files by their tags: '{album_artist}/{album}/{disc}-{track:02} {title}'",
        group=_MANY,
    )
    overwrite: bool = flag(
        help="replace files in DIR that have other content (default: report them)", group=_MANY
    )
    fail_fast: bool = flag(help="start nothing new after the first failure", group=_MANY)
    concurrency: int | None = option(
        metavar="N",
        parse=positive,
        help="at most N downloads at once (default: adaptive)",
        group=_MANY,
    )
    max_rate: float | None = option(
        metavar="RATE",
        parse=rate,
        help="limit of all downloads together in bytes per second: 500K, 50M, 1.5G",
        group=_MANY,
    )


def run(options: Options) -> int:
    """Download a part of one asset, or of many: what only many need is imported only for many."""
    require_one_way(options, options.audio_ids)
    if options.with_superseded and (options.audio_ids or options.from_file is not None):
        raise UsageError(
            "--with-superseded is for filters and --all: any asset can be given by its ID"
        )
    _remember_place(options)
    if options.to is not None:
        if options.output is not None:
            raise UsageError("-o is for one asset: use only --to DIR for many")
        _require_directory(options.to)
        from audiostore.cli.commands._get_many import get_many  # noqa: PLC0415  (for many only)

        return get_many(options, options.to)
    if len(options.audio_ids) != 1:
        raise UsageError("several assets need a directory: give it with --to DIR")
    for flag_, value in (
        ("--with-superseded", options.with_superseded),
        ("--name", options.name),
        ("--overwrite", options.overwrite),
        ("--fail-fast", options.fail_fast),
        ("--concurrency", options.concurrency),
        ("--max-rate", options.max_rate),
    ):
        if value:
            raise UsageError(f"{flag_} is for many assets, with --to DIR")
    return _get_one(options)


def _require_directory(to: str) -> None:
    """Require what may be meant as a directory: one with the name of a song would be a surprise.

    Raises:
        UsageError: it is meant as a file.
    """
    from pathlib import Path  # noqa: PLC0415  (not for --help)

    from audiostore.media import format_of  # noqa: PLC0415

    if to == "-":
        raise UsageError("--to names a directory: '-o -' writes one asset to standard output")
    path = Path(to)
    if path.is_dir():
        return
    looks_like_a_file = format_of(path.name, "audio") or format_of(path.name, "image")
    if path.exists() or (looks_like_a_file and not to.endswith("/")):
        what = "is not one" if path.exists() else "is named like a file"
        raise UsageError(
            f"--to names a directory, and {to!r} {what}: '-o PATH' writes one asset to a file"
        )


def _remember_place(options: Options) -> None:
    output = options.output
    if options.to is not None:
        places.remember(options.to, "the directory", "give another with --to DIR")
    elif output is None:
        places.remember(".", "this directory", "give another with -o PATH, or --to DIR")
    elif output != "-":
        from pathlib import Path  # noqa: PLC0415  (not for --help)

        folder = output if Path(output).is_dir() else Path(output).parent
        places.remember(folder, "the directory", "give another with -o PATH")


def _get_one(options: Options) -> int:
    from audiostore.cli.progress.asset import AssetProgress  # noqa: PLC0415  (not for --help)

    if options.output == "-" and options.json:
        raise UsageError("--json and -o - both write to standard output: choose one")
    if options.output == "-" and is_terminal(sys.stdout):
        raise UsageError("standard output is a terminal: redirect it, or give -o FILE")
    part: PartName = options.part or "audio"
    progress = AssetProgress()
    with choosing(options, on_event=progress) as chosen, progress:
        asset = chosen.asset(next(iter(chosen)))

        def fetch(path: Path) -> object:
            return chosen.manager.download(asset, path, part=part)

        saved = _save(fetch, asset, part, options.output)
    warn(asset)
    if saved is None:
        return 0
    blob = asset.parts.get(part)
    if blob is not None and options.output is not None:
        _warn_of_other_format(saved, blob.name, part)
    if options.json:
        print_json(
            {
                "audio_id": asset.audio_id,
                "part": part,
                "path": saved,
                "size_bytes": blob.size_bytes if blob else None,
                "crc32c": blob.crc32c if blob else None,
            }
        )
    else:
        print(escape(str(saved)))
    return 0


def _warn_of_other_format(saved: Path, stored: str, part: PartName) -> None:
    """Warn if a file has the extension of another format than its content."""
    from audiostore.media import format_of  # noqa: PLC0415  (not for --help)

    kind: Literal["audio", "image"] = "audio" if part == "audio" else "image"
    named, is_ = format_of(saved.name, kind), format_of(stored, kind)
    if named and is_ and named is not is_:
        say(
            "warning",
            f"{saved} is {is_.name}, as it was stored, not {named.name}: nothing is converted",
        )


def _save(
    fetch: Callable[[Path], object], asset: StorageResult, part: PartName, output: str | None
) -> Path | None:
    """Return the path of the file; None if the bytes went to standard output."""
    from pathlib import Path  # noqa: PLC0415  (not for --help)

    from audiostore.bulk import original_name  # noqa: PLC0415
    from audiostore.cli.saving import (  # noqa: PLC0415
        is_stream,
        save_new,
        save_to_stream,
    )

    if output == "-":
        save_to_stream(fetch, sys.stdout.buffer.write)
        return None
    path = Path(output or ".")
    if path.is_dir():
        path /= original_name(asset, part)
        save_new(fetch, path)
    elif is_stream(path):
        with path.open("wb", buffering=0) as stream:
            save_to_stream(fetch, stream.write)
    else:
        if output is not None and output.endswith("/"):
            raise UsageError(f"no directory {output!r}: create it first")
        fetch(path)
    return path
