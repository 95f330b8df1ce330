"""Options of the commands that change, serve, protect and delete assets."""

from __future__ import annotations

from argparse import ArgumentTypeError

from audiostore.cli.options.adding import Add, Parser, add_id, key_and_value

TYPE_CHECKING = False  # as in `adding`
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from datetime import datetime

_LIFE_LIMIT_S = 7 * 86400  # of a V4 signed URL
CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add_upkeep_commands(add: Add) -> None:
    """Declare what is done with assets that are stored."""
    _add_changing(add)
    _add_deleting(add)


def _add_changing(add: Add) -> None:
    meta = add(
        "meta",
        "change the metadata of an asset; its audio never changes",
        f"audiostore meta {_ID} title='Sinnerman' --remove mood",
        run="upkeep.meta",
    )
    add_id(meta)
    meta.add_argument(
        "pairs",
        metavar="KEY=VALUE",
        nargs="*",
        type=key_and_value,
        help="what to set; title, artist and album among it",
    )
    meta.add_argument("--remove", metavar="KEY", action="append", default=[], help="what to remove")
    meta.add_argument(
        "--replace", action="store_true", help="remove all other keys of yours, tags too"
    )
    _add_consent(meta)

    cover = add(
        "cover",
        "give an asset other artwork",
        f"audiostore cover {_ID} front.jpg",
        run="upkeep.cover",
    )
    add_id(cover)
    cover.add_argument("file", metavar="FILE", help="the image: JPEG, PNG or WebP")
    cover.add_argument(
        "--fix-extension",
        action="store_true",
        help="go by what the file holds, whatever its name says",
    )
    cover.add_argument(
        "--public",
        action="store_true",
        help="let shared caches keep what is served (default: only the listener's own player)",
    )
    _add_consent(cover)

    url = add(
        "url",
        "print a link by which anybody can read a part of an asset for a while",
        f"audiostore url {_ID} --expires 2h",
        run="upkeep.url",
    )
    add_id(url)
    url.add_argument(
        "--part", choices=("audio", "thumbnail"), default="audio", help="(default: audio)"
    )
    url.add_argument(
        "--expires",
        metavar="TIME",
        type=life_s,
        default=3600,
        help="its life: 90m, 2h, 7d at most (default: 1h)",
    )
    url.add_argument(
        "--download-as", metavar="NAME", help="have browsers save it under this file name"
    )

    hold = add(
        "hold",
        "protect assets: until 'release', they cannot be deleted, nor their artwork replaced",
        f"audiostore hold {_ID}",
        run="upkeep.hold",
    )
    _add_ids(hold)
    _add_dry_run(hold)
    release = add("release", "undo 'hold'", f"audiostore release {_ID}", run="upkeep.release")
    _add_ids(release)
    _add_dry_run(release)

    expire = add(
        "expire",
        "have the store delete an asset on a date; that can move later, never earlier or away",
        f"audiostore expire {_ID} --on 2031-12-31",
        run="upkeep.expire",
    )
    add_id(expire)
    expire.add_argument(
        "--on",
        metavar="DATE",
        required=True,
        type=moment,
        help="2031-12-31, or with a time: 2031-12-31T18:00:00+01:00 (default zone: UTC)",
    )
    _add_consent(expire)

    set_class = add(
        "set-class",
        "move the audio of an asset to another storage class",
        f"audiostore set-class {_ID} COLDLINE",
        run="upkeep.set_class",
    )
    add_id(set_class)
    set_class.add_argument(
        "storage_class", metavar="CLASS", choices=CLASSES, type=str.upper, help=", ".join(CLASSES)
    )
    _add_consent(set_class)


def _add_deleting(add: Add) -> None:
    rm = add(
        "rm",
        "delete assets; they can be restored while the store keeps what is deleted",
        f"audiostore rm {_ID} --yes",
        run="deleting.rm",
    )
    _add_ids(rm)
    rm.add_argument(
        "--permanent",
        action="store_true",
        help="for good: also from a store that could not give them back",
    )
    _add_consent(rm)

    trash = add.group("trash", "look at what was deleted")
    trash(
        "list",
        "list deleted assets that can be restored",
        "audiostore trash list",
        run="deleting.trash_list",
    )

    restore = add(
        "restore",
        "bring deleted assets back",
        f"audiostore restore {_ID}",
        run="deleting.restore",
    )
    _add_ids(restore)
    _add_dry_run(restore)

    purge = add(
        "purge",
        "let deleted assets go for good, before their time (from a directory; a bucket keeps them)",
        f"audiostore purge {_ID}",
        run="deleting.purge",
    )
    purge.add_argument("audio_ids", metavar="ID", nargs="*", help="a deleted asset's id")
    purge.add_argument("--all", action="store_true", help="all that 'trash list' lists")
    _add_consent(purge)


def _add_ids(parser: Parser) -> None:
    parser.add_argument("audio_ids", metavar="ID", nargs="+", help="an asset's id")


def _add_dry_run(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )


def _add_consent(parser: ArgumentParser) -> None:
    _add_dry_run(parser)
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask (only a terminal is ever asked)"
    )


def life_s(text: str) -> int:
    """Return a time such as 90m, 2h or 7d in seconds, as long as a link may live."""
    number, unit = text[:-1], text[-1:].lower()
    if text.isascii() and text.isdecimal():
        number, unit = text, "s"
    if not (number.isascii() and number.isdecimal() and unit in _UNITS_S):
        raise ArgumentTypeError(f"{text!r} is no time: write 300, 90m, 2h or 7d")
    life = int(number) * _UNITS_S[unit]
    if not 1 <= life <= _LIFE_LIMIT_S:
        raise ArgumentTypeError(f"{text!r}: a link lives for 1 second to 7 days")
    return life


def moment(text: str) -> datetime:
    """Return a date, or a date and time, in ISO 8601, as UTC; where it names no zone, it is UTC."""
    from datetime import UTC, datetime  # noqa: PLC0415  (not for --help)

    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            f"{text!r} is no date: write 2031-12-31, or 2031-12-31T18:00:00+01:00"
        ) from None
