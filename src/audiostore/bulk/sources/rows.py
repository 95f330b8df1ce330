"""The rows of a manifest: CSV with a header, or JSON Lines; read one by one."""

import codecs
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from audiostore.asset import check_custom_metadata
from audiostore.dataclass import dataclass
from audiostore.errors import InvalidMetadataError, shown

AUDIO, THUMBNAIL, ID, SUPERSEDES = "audio", "thumbnail", "id", "supersedes"
_COLUMNS = (AUDIO, THUMBNAIL, ID, SUPERSEDES)
_KNOWN = (*_COLUMNS, "title", "artist", "album")

_MAX_LINE_BYTES = 1 << 20
"""A hundred times what an object's metadata may hold."""
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # the first begins UTF-32's too
_CSV_ERRORS = {
    "unexpected end of data": "a quoted field is not closed",
    "field larger than field limit": "a quoted field is not closed for very long",
    "expected after": 'text follows a closing quote: write " as "" within a quoted field',
    "new-line character seen": "a carriage return without line feed: end lines with LF or CRLF",
}


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """An error or a warning about a manifest."""

    line: int
    """From 1; for a row of several lines, the line that it begins on."""
    message: str
    is_warning: bool = False
    """It does not prevent the upload."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row; empty fields are left out."""

    line: int
    fields: Mapping[str, str]


ManifestProblemListener = Callable[[ManifestProblem], None]


def read_rows(path: Path, stream: BinaryIO, on_problem: ManifestProblemListener) -> Iterator[Row]:
    """Yield the rows that are well formed.

    Args:
        path: its extension gives the format: ``.jsonl``, ``.ndjson`` or ``.csv``; with another
            extension, the first character does.
        stream: the manifest, at its beginning.
        on_problem: called with each error in a row, a line or the header.
    """
    lines = _Lines(stream, on_problem)
    suffix = path.suffix.lower()
    starts_as_json = stream.read(16).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")
    stream.seek(0)
    if suffix in (".jsonl", ".ndjson") or (suffix != ".csv" and starts_as_json):
        return _read_json(lines, on_problem)
    return _read_csv(lines, on_problem)


class _Lines:
    """The lines of a file as text."""

    def __init__(self, stream: BinaryIO, on_problem: ManifestProblemListener) -> None:
        self._stream = stream
        self._on_problem = on_problem
        self.number = 0
        """Of the line read last."""
        self.bad = 0
        """Of the last line that is not valid text; reported already."""

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(_MAX_LINE_BYTES + 1):
            self.number += 1
            if len(line) > _MAX_LINE_BYTES:
                self._wrong(f"is longer than {_MAX_LINE_BYTES:,} bytes: this is not a manifest")
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
        self._on_problem(ManifestProblem(self.number, f"the line {what}"))


def _read_csv(lines: _Lines, on_problem: ManifestProblemListener) -> Iterator[Row]:
    reader = csv.reader(lines, strict=True)
    columns: Sequence[str] | None = None
    while True:
        start = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            on_problem(ManifestProblem(start, _message_of(error)))
            if columns is None:
                return
            continue
        if lines.bad >= start or not any(cells):  # spreadsheets write empty rows at the end
            continue
        if columns is None:
            columns = _columns(cells)
            problems = _wrong_columns(columns)
            for problem in problems:
                on_problem(ManifestProblem(start, problem))
            if problems:
                return
        elif len(cells) != len(columns):
            on_problem(
                ManifestProblem(start, f"{len(cells)} fields, but the header has {len(columns)}")
            )
        else:
            yield Row(start, {k: v for k, v in zip(columns, cells, strict=True) if v})
    if columns is None and not lines.bad:
        on_problem(
            ManifestProblem(
                1, "the manifest is empty: its first line must name the columns, such as 'audio'"
            )
        )


def _columns(cells: Sequence[str]) -> Sequence[str]:
    stripped = [cell.strip() for cell in cells]
    return [cell.lower() if cell.lower() in _KNOWN else cell for cell in stripped]


def _wrong_columns(columns: Sequence[str]) -> Sequence[str]:
    problems = []
    if AUDIO not in columns:
        problem = f"the header has no column 'audio', only {', '.join(map(shown, columns))}"
        if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
            return [f"{problem}: separate the columns with commas"]
        problems.append(problem)
    for column, times in Counter(columns).items():
        if times > 1 and column:
            problems.append(f"the header has the column {shown(column)} {times} times")
    for number, column in enumerate(columns, 1):
        if not column:
            problems.append(f"column {number} of the header has no name")
        else:
            problems += _wrong_keys([column])
    return problems or _wrong_keys(columns)


def _wrong_keys(keys: Iterable[str]) -> list[str]:
    try:
        check_custom_metadata({key: "" for key in keys if key not in _COLUMNS})
    except InvalidMetadataError as error:
        return [str(error)]
    return []


def _read_json(lines: _Lines, on_problem: ManifestProblemListener) -> Iterator[Row]:
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
            on_problem(
                ManifestProblem(
                    lines.number, "JSON nested too deeply: each line must be one flat object"
                )
            )
            continue
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            on_problem(
                ManifestProblem(
                    lines.number, f"not valid JSON: {reason}: each line must be one object"
                )
            )
            continue
        problems = _wrong_values(value)
        for problem in problems:
            on_problem(ManifestProblem(lines.number, problem))
        if not problems:
            yield Row(lines.number, {k: v for k, v in value if v})
    if nothing and not lines.bad:
        on_problem(
            ManifestProblem(
                1, "the manifest is empty: each line must be an object with the key 'audio'"
            )
        )


class _Pairs(list[tuple[str, object]]):
    """A JSON object as its pairs in order, so that a repeated key is noticed."""


def _wrong_values(value: object) -> Sequence[str]:
    if not isinstance(value, _Pairs):
        return [f"{_type_name(value)} instead of an object"]
    problems = [
        f"the key {shown(key)} occurs {times} times"
        for key, times in Counter(key for key, _ in value).items()
        if times > 1
    ]
    for key, each in value:
        if wrong := _wrong_keys([key]):
            problems += wrong
        elif not (each is None or isinstance(each, str)):
            problems.append(f"{shown(key)} is {_type_name(each)}, not text: put it in quotes")
    return problems or _wrong_keys(key for key, _ in value)


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


def _message_of(error: csv.Error) -> str:
    text = str(error)
    return next((message for part, message in _CSV_ERRORS.items() if part in text), text)
