"""Text for people: sizes, times, and names that cannot play tricks on a terminal."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False  # as in `parser`
if TYPE_CHECKING:
    from typing import TextIO

_FLAGS = {"fix_extension=True": "--fix-extension", "faststart=True": "--faststart"}
"""How the command line spells the parameters that the library's errors and warnings suggest."""
_COLOURS = {"error": "31", "warning": "33", "FAIL": "31", "ok": "32"}

# Of these categories are the characters that move the cursor, recolour, reorder or break a line.
_UNSAFE_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # zero-width (non-)joiner: scripts and emoji need them


def say(kind: str, text: str) -> None:
    """Print one line, ``audiostore: kind: text``, on stderr."""
    folded = re.sub(r"\s*[\r\n]+\s*", " ", text.strip())
    for parameter, flag in _FLAGS.items():
        folded = folded.replace(parameter, flag)
    print(
        f"audiostore: {coloured(kind, sys.stderr)}: {escape(folded)}", file=sys.stderr, flush=True
    )


def note(text: str) -> None:
    """Print a line that is only for somebody who looks on."""
    if is_terminal(sys.stderr):
        say("note", text)


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a person reads this stream, or types into it."""
    return stream is not None and not stream.closed and stream.isatty()


def coloured(word: str, stream: TextIO) -> str:
    """Return the word in its colour, if the stream shows colours."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or word not in _COLOURS or not is_terminal(stream):
        return word
    return f"\x1b[{_COLOURS[word]}m{word}\x1b[0m"


def is_safe(character: str) -> bool:
    """Say whether a character does nothing but stand there."""
    import unicodedata  # noqa: PLC0415  (not for --help)

    return character in _JOINERS or unicodedata.category(character) not in _UNSAFE_CATEGORIES


def escape(text: str) -> str:
    r"""Return the text with the others written as ``\n``, ``\x1b``, ``\u202e``."""
    return "".join(c if is_safe(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def human_size(size_bytes: float) -> str:
    """Return bytes in a unit that suits: ``172.2 KiB``."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size_bytes /= 1024
        if size_bytes < 1023.95:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / 1024:.1f} TiB"
