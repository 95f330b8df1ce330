"""What is printed: lines for people, in which no text can control the terminal, and JSON.

While a command runs, standard output and standard error are `Guarded`: whatever is printed, be it a
column, an error or a traceback, is text. Colors and cursor keys of our own are written past that.
"""

from __future__ import annotations

import os
import re
import sys
from _thread import RLock
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TextIO

    from _typeshed import DataclassInstance

_COLORS = {"error": "31", "warning": "33", "failed": "31", "ok": "32"}
_LOUD = ("error", "interrupted")
"""What --quiet does not silence."""

_ERROR = dict.fromkeys(("kind", "audio_id", "path", "exit_code", "hint"))
"""What an error has besides its text, with --json."""


class Voice:
    """How a command talks on standard error; one for the process, as that stream is."""

    quiet = verbose = json = False


voice = Voice()


class Bottom:
    """What is drawn at the bottom of the terminal: it is erased before anything else is printed."""

    lock = RLock()
    """Held while something is drawn or printed on the terminal."""
    erase: Callable[[], None] | None = None
    is_mid_line = False
    """Whether what was printed last goes on: nothing is drawn then."""


bottom = Bottom()


class Guarded:
    """A text stream that escapes what could control a terminal, but for the ends of lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = is_terminal(stream)

    def write(self, text: str) -> int:
        """Write text, escaped."""
        self.write_unguarded(escape_lines(text))
        return len(text)

    def write_unguarded(self, text: str) -> None:
        """Write a text of our own as it is, above what is drawn."""
        if not self._is_terminal:
            self._stream.write(text)  # which does not wait for a terminal that is paused
            return
        with bottom.lock:
            if bottom.erase is not None:
                bottom.erase()
            self._stream.write(text)
            if text:
                bottom.is_mid_line = not text.endswith("\n")

    def draw(self, text: str) -> None:
        """Write what is drawn at the bottom."""
        self._stream.write(text)
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guarded() -> Iterator[None]:
    """Guard standard output and standard error, and talk as is usual."""
    streams = sys.stdout, sys.stderr
    guards: Any = [stream and Guarded(stream) for stream in streams]  # None without a console
    sys.stdout, sys.stderr = guards
    voice.quiet = voice.verbose = voice.json = False
    bottom.erase, bottom.is_mid_line = None, False
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def write_unguarded(stream: TextIO, text: str) -> None:
    """Write what is no text of a store: our own colors and cursor keys, a script."""
    getattr(stream, "write_unguarded", stream.write)(text)
    stream.flush()


def say(kind: str, text: str, /, **fields: object) -> None:
    """Print one line, ``audiostore: kind: text``, on stderr.

    With --json it is ``{"kind": "text"}``, and the fields. What cannot be printed, as on a full
    disk, does not end the work.
    """
    if voice.quiet and kind not in _LOUD:
        return
    folded = re.sub(r"\s*[\r\n]+\s*", " ", text.strip())
    line = f"audiostore: {colored(kind, sys.stderr)}: {escape(folded)}"
    if voice.json:
        if kind == "error":
            fields = {**_ERROR, **fields}
        line = json_line({kind.replace(" ", "_"): folded, **fields})
    with suppress(OSError):
        write_unguarded(sys.stderr, f"{line}\n")


def note(text: str) -> None:
    """Print a note on stderr, on a terminal only."""
    if is_terminal(sys.stderr):
        say("note", text)


def explain_step(text: str) -> None:
    """Print what is done, with --verbose only."""
    if voice.verbose:
        say("info", text)


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a stream is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def colored(word: str, stream: TextIO) -> str:
    """Return the word in its color, if the stream shows colors."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or word not in _COLORS or not is_terminal(stream):
        return word
    return f"\x1b[{_COLORS[word]}m{word}\x1b[0m"


def escape(text: str) -> str:
    r"""Return the text with what controls a terminal written as ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    from audiostore.errors import escaped  # noqa: PLC0415  (not for --help)

    return escaped(text)


def escape_lines(text: str) -> str:
    """Return the text escaped, each line by itself."""
    return text if text.isprintable() else "\n".join(map(escape, text.split("\n")))


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
    """Print a public value as JSON on one line."""
    print(json_line(value), flush=True)


def json_line(value: object) -> str:
    """Return a public value as JSON, one line of ASCII: no terminal and no locale fails on it."""
    import json  # noqa: PLC0415  (not for --help)

    # The one control character that JSON may hold unescaped (RFC 8259, section 7).
    return json.dumps(value, default=_plain).replace("\x7f", r"\u007f")


def as_fields(value: DataclassInstance) -> dict[str, object]:
    """Return the fields of a dataclass for JSON."""
    from audiostore.dataclass import fields  # noqa: PLC0415  (not for --help)

    return {each.name: getattr(value, each.name) for each in fields(value)}


def _plain(value: object) -> object:
    """Return a value that JSON does not know as one that it knows."""
    from datetime import datetime  # noqa: PLC0415

    from audiostore.dataclass import is_dataclass  # noqa: PLC0415  (not for --help)

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
