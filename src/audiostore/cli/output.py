"""What is printed: lines for people, in which no name can control the terminal, and JSON."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import DataclassInstance

_COLORS = {"error": "31", "warning": "33", "FAIL": "31", "ok": "32"}

# Characters of these categories move the cursor, color, reorder or break a line.
_UNSAFE_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # zero-width (non-)joiner: scripts and emoji need them


def say(kind: str, text: str) -> None:
    """Print one line, ``audiostore: kind: text``, on stderr."""
    folded = re.sub(r"\s*[\r\n]+\s*", " ", text.strip())
    print(f"audiostore: {colored(kind, sys.stderr)}: {escape(folded)}", file=sys.stderr, flush=True)


def note(text: str) -> None:
    """Print a note on stderr, on a terminal only."""
    if is_terminal(sys.stderr):
        say("note", text)


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a stream is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def colored(word: str, stream: TextIO) -> str:
    """Return the word in its color, if the stream shows colors."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or word not in _COLORS or not is_terminal(stream):
        return word
    return f"\x1b[{_COLORS[word]}m{word}\x1b[0m"


def is_safe(character: str) -> bool:
    """Say whether a character cannot control a terminal."""
    import unicodedata  # noqa: PLC0415  (not for --help)

    return character in _JOINERS or unicodedata.category(character) not in _UNSAFE_CATEGORIES


def escape(text: str) -> str:
    r"""Return the text with unsafe characters written as ``\n``, ``\x1b``, ``\u202e``."""
    return "".join(c if is_safe(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def human_size(size_bytes: float) -> str:
    """Return a number of bytes as text: ``172.2 KiB``."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size_bytes /= 1024
        if size_bytes < 1023.95:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / 1024:.1f} TiB"


def human_time(seconds: float) -> str:
    """Return a duration as text: ``4.2 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def counted(number: int, what: str) -> str:
    """Return ``1 asset`` or ``2,000 assets``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def print_json(value: object) -> None:
    """Print a public value as JSON on one line, in ASCII: no terminal and no locale fails on it."""
    import json  # noqa: PLC0415  (not for --help)

    print(json.dumps(value, default=_plain), flush=True)


def as_fields(value: DataclassInstance) -> dict[str, object]:
    """Return the fields of a dataclass for JSON."""
    from dataclasses import fields  # noqa: PLC0415  (not for --help)

    return {each.name: getattr(value, each.name) for each in fields(value)}


def _plain(value: object) -> object:
    """Return a value that JSON does not know as one that it knows."""
    from dataclasses import is_dataclass  # noqa: PLC0415  (not for --help)
    from datetime import datetime  # noqa: PLC0415

    to_dict = getattr(value, "to_dict", None)
    if to_dict is not None:
        return to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return as_fields(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be printed as JSON")
