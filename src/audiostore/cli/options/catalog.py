"""Options of the commands that find assets among many."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError

from audiostore.cli.options.adding import Add, key_and_value, positive

TYPE_CHECKING = False  # typing itself would take longer to import than argparse
if TYPE_CHECKING:
    from datetime import datetime

_SORT_KEYS = ("id", "created", "size", "duration", "title", "artist", "name")
_STORAGE_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}


def add_catalog_commands(add: Add) -> None:
    """Declare list, stats and export."""
    listing = add(
        "list",
        "list assets, one a line: all, or those that match",
        "audiostore list --artist simone --min-duration 5:00 --sort created --reverse",
        run="catalog.list_assets",
    )
    _add_filters(listing)
    _add_order(listing)

    stats = add(
        "stats",
        "say how much is stored, by format, month and storage class, and what it costs",
        "audiostore stats --since 2026-01-01 --prices ours.toml",
        run="catalog.stats",
    )
    _add_filters(stats)
    stats.add_argument(
        "--prices",
        metavar="FILE",
        help="a table of prices in TOML (default: Google's list prices)",
    )
    stats.add_argument(
        "--location",
        metavar="NAME",
        help="where to reckon the cost for: region, dual-region, multi-region, or a location that "
        "the table has (default: where the bucket is; a directory costs nothing)",
    )

    export = add(
        "export",
        "write assets as a table, a row each, for other programs",
        "audiostore export -o assets.parquet",
        json=False,
        run="catalog.export",
    )
    export.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="-",
        help="the file to write, replaced in one step if it exists; '-' for standard output "
        "(default: -)",
    )
    export.add_argument(
        "--format",
        choices=("jsonl", "csv", "parquet"),
        help="default: by the file's extension, else jsonl; text is written as it is, so have a "
        "spreadsheet import CSV as text",
    )
    _add_filters(export)
    _add_order(export)


def _add_order(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--sort",
        metavar="KEY",
        choices=_SORT_KEYS,
        default="id",
        help=f"the order: {', '.join(_SORT_KEYS)} (default: id, which needs not wait for all)",
    )
    parser.add_argument("--reverse", action="store_true", help="from the last to the first")
    parser.add_argument("--limit", metavar="N", type=positive, help="N assets at most")


def _add_filters(parser: ArgumentParser) -> None:
    which = parser.add_argument_group("which assets", "all that is given must hold")
    which.add_argument(
        "--type",
        metavar="EXT",
        dest="types",
        action="append",
        type=str.lower,
        default=[],
        help="mp3, flac, ogg …; may be repeated, for any of them",
    )
    for tag in ("title", "artist", "album"):
        which.add_argument(f"--{tag}", metavar="TEXT", help=f"TEXT occurs in the {tag}")
    which.add_argument(
        "--contains",
        metavar="KEY=TEXT",
        action="append",
        type=key_and_value,
        default=[],
        help="TEXT occurs in a metadata key, in upper or lower case; may be repeated",
    )
    which.add_argument(
        "--meta",
        metavar="KEY=VALUE",
        action="append",
        type=key_and_value,
        default=[],
        help="a metadata key has exactly this value; may be repeated",
    )
    for name, metavar, kind, what in (
        ("duration", "TIME", duration, "90, 1:30, 1:02:03"),
        ("size", "SIZE", size, "of the audio: 5000000, 5MB, 5MiB"),
    ):
        which.add_argument(f"--min-{name}", metavar=metavar, type=kind, help=f"at least: {what}")
        which.add_argument(f"--max-{name}", metavar=metavar, type=kind, help="at most")
    which.add_argument(
        "--since", metavar="DATE", type=moment, help="stored then or later: 2026-01-31 (UTC)"
    )
    which.add_argument("--before", metavar="DATE", type=moment, help="stored before then")
    which.add_argument(
        "--storage-class",
        metavar="CLASS",
        dest="storage_classes",
        action="append",
        type=str.upper,
        choices=_STORAGE_CLASSES,
        default=[],
        help="standard, nearline, coldline or archive; may be repeated, for any of them",
    )
    which.add_argument(
        "--missing-artwork", action="store_true", help="it names artwork that is not there"
    )
    for name, positive_flag, negative_flag, positive_help, negative_help in (
        ("thumbnail", "with-thumbnail", "without-thumbnail", "it has artwork", "it has none"),
        (
            "superseded",
            "superseded",
            "not-superseded",
            "another asset took its place",
            "none took its place",
        ),
        ("held", "held", "not-held", "it is protected from deletion", "it is not"),
    ):
        either = which.add_mutually_exclusive_group()
        either.add_argument(
            f"--{positive_flag}",
            dest=name,
            action="store_const",
            const=True,
            help=positive_help,
        )
        either.add_argument(
            f"--{negative_flag}",
            dest=name,
            action="store_const",
            const=False,
            help=negative_help,
        )


def size(text: str) -> int:
    """Return bytes: ``5000000``, ``5MB`` (10^6), ``5MiB`` (2^20)."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([a-z]*)", text.lower(), re.ASCII)
    if match is None or match[2] not in _UNITS:
        raise ArgumentTypeError(f"{text!r} is no size such as 5000000, 5MB or 5MiB")
    return round(float(match[1]) * _UNITS[match[2]])


def duration(text: str) -> float:
    """Return seconds: ``90``, ``90.5``, ``1:30``, ``1:02:03``."""
    match = re.fullmatch(
        r"(?:(?:([0-9]+):)?([0-9]{1,2}):(?=[0-9]{2}))?([0-9]+(?:\.[0-9]+)?)", text, re.ASCII
    )
    if match is None:
        raise ArgumentTypeError(f"{text!r} is no time such as 90, 1:30 or 1:02:03")
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


def moment(text: str) -> datetime:
    """Return the start of a day, or a time of it; UTC, unless it names a zone."""
    from datetime import UTC, datetime  # noqa: PLC0415  (not for --help)

    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is no date such as 2026-01-31 or 2026-01-31T18:00"
        ) from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
