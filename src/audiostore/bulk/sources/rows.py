"""The rows of a manifest: CSV with a header, or JSON Lines; read as they come, told where wrong."""

import codecs
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from audiostore.asset import check_custom_metadata
from audiostore.errors import InvalidMetadataError

AUDIO, THUMBNAIL, ID = "audio", "thumbnail", "id"
_SUPERSEDES = "supersedes"
_KNOWN = (AUDIO, THUMBNAIL, ID, "title", "artist", "album")

_MAX_LINE_BYTES = 1 << 20
"""A hundred times what an object's metadata may hold."""
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # the first begins UTF-32's too
_QUOTES = {
    "unexpected end of data": "a quote is opened and never closed",
    "field larger than field limit": "a quote is opened and not closed for very long",
    "expected after": 'text stands behind a closing quote: inside quotes, write " as ""',
    "new-line character seen": "a carriage return stands alone: end lines with LF or CRLF",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a manifest."""

    line: int
    """The first is 1; of a row of several lines, the one that it begins on."""
    message: str
    is_warning: bool = False
    """It keeps nothing from being stored."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one row says; columns that are left empty are not there."""

    line: int
    fields: Mapping[str, str]


Tell = Callable[[Problem], None]


def read_rows(path: Path, stream: BinaryIO, tell: Tell) -> Iterator[Row]:
    """Yield the rows that are well formed.

    Args:
        path: its name says what it is: ``.jsonl`` or ``.ndjson``, ``.csv``; else its first
            character does.
        stream: the manifest, at its beginning.
        tell: told of the others, and of lines and columns that cannot be.
    """
    lines = _Lines(stream, tell)
    suffix = path.suffix.lower()
    starts_as_json = stream.read(16).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")
    stream.seek(0)
    if suffix in (".jsonl", ".ndjson") or (suffix != ".csv" and starts_as_json):
        return _read_json(lines, tell)
    return _read_csv(lines, tell)


class _Lines:
    """The lines of a file as text."""

    def __init__(self, stream: BinaryIO, tell: Tell) -> None:
        self._stream = stream
        self._tell = tell
        self.number = 0
        """Of the line that came last."""
        self.bad = 0
        """Of the last one that is no text; told already."""

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(_MAX_LINE_BYTES + 1):
            self.number += 1
            if len(line) > _MAX_LINE_BYTES:
                self._wrong(f"is longer than {_MAX_LINE_BYTES:,} bytes: this is no manifest")
                return
            if self.number == 1:
                if line.startswith(_WIDE):
                    self._wrong("is UTF-16: save the manifest as UTF-8")
                    return
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                self._wrong(
                    f"is not UTF-8 (byte 0x{line[error.start]:02x} at {error.start + 1}): "
                    "save the manifest as UTF-8"
                )
                yield line.decode("utf-8", "replace")

    def _wrong(self, what: str) -> None:
        self.bad = self.number
        self._tell(Problem(self.number, f"the line {what}"))


def _read_csv(lines: _Lines, tell: Tell) -> Iterator[Row]:
    reader = csv.reader(lines, strict=True)
    columns: Sequence[str] | None = None
    while True:
        start = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            tell(Problem(start, _in_words(error)))
            if columns is None:
                return
            continue
        if lines.bad >= start or not any(cells):  # spreadsheets leave empty rows at the end
            continue
        if columns is None:
            columns = _columns(cells)
            problems = _wrong_columns(columns)
            for problem in problems:
                tell(Problem(start, problem))
            if problems:
                return
        elif len(cells) != len(columns):
            tell(Problem(start, f"{len(cells)} fields, where the header has {len(columns)}"))
        else:
            yield Row(start, {k: v for k, v in zip(columns, cells, strict=True) if v})
    if columns is None and not lines.bad:
        tell(Problem(1, "the manifest is empty: its first line names the columns, 'audio' first"))


def _columns(cells: Sequence[str]) -> Sequence[str]:
    stripped = [cell.strip() for cell in cells]
    return [cell.lower() if cell.lower() in _KNOWN else cell for cell in stripped]


def _wrong_columns(columns: Sequence[str]) -> Sequence[str]:
    problems = []
    if AUDIO not in columns:
        problem = f"the header has no column 'audio', only {', '.join(map(repr, columns))}"
        if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
            return [f"{problem}: separate the columns by commas"]
        problems.append(problem)
    for column, times in Counter(columns).items():
        if times > 1 and column:
            problems.append(f"the header has the column {column!r} {times} times")
    for number, column in enumerate(columns, 1):
        if not column:
            problems.append(f"column {number} of the header has no name")
        elif wrong := _wrong_key(column):
            problems.append(wrong)
    return problems


def _wrong_key(key: str) -> str | None:
    if key in _KNOWN:
        return None
    if key.lower() == _SUPERSEDES:
        return (
            f"{key!r} cannot be in a manifest: what supersedes another asset is stored alone, by "
            "'audiostore put FILE --supersedes ID'"
        )
    try:
        check_custom_metadata({key: ""})
    except InvalidMetadataError as error:
        return str(error)
    return None


def _read_json(lines: _Lines, tell: Tell) -> Iterator[Row]:
    nothing = True
    for line in lines:
        if lines.bad == lines.number:
            nothing = False
            continue
        if not line.strip():
            continue
        nothing = False
        try:
            value = json.loads(line, object_pairs_hook=_Pairs)
        except RecursionError:
            tell(Problem(lines.number, "JSON nested too deep: a line is one flat object"))
            continue
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            tell(Problem(lines.number, f"not JSON: {reason}: a line is one object"))
            continue
        problems = _wrong_values(value)
        for problem in problems:
            tell(Problem(lines.number, problem))
        if not problems:
            yield Row(lines.number, {k: v for k, v in value if v})
    if nothing and not lines.bad:
        tell(Problem(1, "the manifest is empty: each line is an object with the key 'audio'"))


class _Pairs(list[tuple[str, object]]):
    """An object, as its keys and values in order: a key that comes twice is still seen."""


def _wrong_values(value: object) -> Sequence[str]:
    if not isinstance(value, _Pairs):
        return [f"{_type_name(value)} instead of an object"]
    problems = [
        f"the key {key!r} is there {times} times"
        for key, times in Counter(key for key, _ in value).items()
        if times > 1
    ]
    for key, each in value:
        if problem := _wrong_key(key):
            problems.append(problem)
        elif not (each is None or isinstance(each, str)):
            problems.append(f"{key!r} is {_type_name(each)}, not text: put it in quotes")
    return problems


def _type_name(value: object) -> str:
    match value:
        case _Pairs():
            return "an object"
        case list():
            return "an array"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case None:
            return "null"
        case _:
            return "text"


def _in_words(error: csv.Error) -> str:
    text = str(error)
    return next((words for part, words in _QUOTES.items() if part in text), text)
