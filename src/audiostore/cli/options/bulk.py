"""Options of what is done with many assets at once."""

from __future__ import annotations

from argparse import ArgumentTypeError

from audiostore.cli.options.adding import Add, positive

TYPE_CHECKING = False  # as in `adding`
if TYPE_CHECKING:
    from argparse import ArgumentParser, _ArgumentGroup

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def add_bulk_commands(add: Add) -> None:
    """Declare jobs."""
    jobs = add(
        "jobs",
        "list the runs that stored many files; what failed in one, and why",
        "audiostore jobs 3",
        run="jobs.jobs",
    )
    jobs.add_argument("job", metavar="RUN", nargs="?", type=positive, help="the number of a run")
    jobs.add_argument(
        "--journal", metavar="FILE", help="the journal to read (default: that of the store)"
    )


def add_many_to_put(put: ArgumentParser) -> None:
    """Add what `put` takes for many files."""
    group = put.add_argument_group("for many files")
    group.add_argument(
        "--manifest",
        metavar="LIST",
        help="store what this CSV or JSON Lines file lists: columns audio, thumbnail, id, title, "
        "artist, album, and any others, which are kept as metadata; paths "
        "are relative to it",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be stored with which artwork, and what refused; store nothing",
    )
    group.add_argument(
        "--skip-stored",
        action="store_true",
        help="leave out audio whose very bytes are in the store already, whatever its name",
    )
    group.add_argument(
        "--fail-fast", action="store_true", help="begin nothing more after the first failure"
    )
    group.add_argument(
        "--in-order",
        action="store_true",
        help="tell what was stored in the order of the files (default: as it is done)",
    )
    journal = group.add_mutually_exclusive_group()
    journal.add_argument(
        "--journal",
        metavar="FILE",
        help="where it is written down what is stored, so that the same command goes on where it "
        "stopped (default: a file of yours for each store)",
    )
    journal.add_argument(
        "--no-journal",
        action="store_true",
        help="write down nothing: the same command stores everything once more",
    )
    _add_limits(group)


def add_many_to_get(get: ArgumentParser) -> None:
    """Add what `get` takes for many assets."""
    group = get.add_argument_group("for many assets")
    group.add_argument(
        "--to",
        metavar="DIR",
        help="fetch them into this directory, which is made if need be; what is there already, "
        "whole, is not fetched again",
    )
    group.add_argument("--all", action="store_true", help="fetch every asset of the store")
    group.add_argument(
        "--fail-fast", action="store_true", help="begin nothing more after the first failure"
    )
    _add_limits(group)


def _add_limits(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--concurrency",
        metavar="N",
        type=positive,
        help="how many at once at most (default: what proves best)",
    )
    group.add_argument(
        "--max-rate",
        metavar="RATE",
        type=bytes_a_second,
        help="bytes a second at most, of all together: 500K, 50M, 1.5G (binary units)",
    )


def bytes_a_second(text: str) -> float:
    """Return what 500K, 50M or 1.5G stands for: binary units, as sizes are printed."""
    number = text.upper().removesuffix("/S").removesuffix("IB").removesuffix("B")
    unit = number[-1:] if number[-1:] in ("K", "M", "G") else ""
    digits = number.removesuffix(unit).strip()
    if digits.isascii() and digits.replace(".", "", 1).isdecimal() and float(digits) > 0:
        return float(digits) * _UNITS[unit]
    raise ArgumentTypeError(f"{text!r} is not a rate: write 500K, 50M or 1.5G bytes a second")
