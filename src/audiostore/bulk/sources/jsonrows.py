"""The rows of a manifest in JSON Lines: an object on each line."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from audiostore.bulk.sources.columns import COLUMNS, ColumnNames, Header
from audiostore.bulk.sources.rows import ManifestProblem, ManifestProblemListener, Row, take
from audiostore.bulk.sources.textlines import Lines
from audiostore.errors import shown

_MOST_SHAPES = 64
"""Of objects, by their keys, whose header is remembered."""


def read_json(
    lines: Lines, names: ColumnNames, directory: Path, on_problem: ManifestProblemListener
) -> Iterator[Row]:
    """Yield the rows of JSON Lines; numbers and truth values as they are written, as text."""
    objects = _Objects(names, directory, on_problem)
    nothing = True
    for line in lines:
        is_bad = lines.bad == lines.number
        if not (line.strip() or is_bad):
            continue
        nothing = False
        if not is_bad and (row := objects.row(lines.number, line)) is not None:
            yield row
    if nothing and not lines.bad:
        problem = "the manifest is empty: each line must be an object with the key 'audio'"
        on_problem(ManifestProblem(1, problem))
    elif not lines.bad:
        for name in objects.unseen:
            problem = f"no line has the key {shown(name)}"
            on_problem(ManifestProblem(lines.number, problem, is_about_columns=True))


class _Objects:
    """Turns objects into rows."""

    def __init__(
        self, names: ColumnNames, directory: Path, on_problem: ManifestProblemListener
    ) -> None:
        self.unseen = dict.fromkeys(names.columns.values())
        """Names that the caller uses, and no object has."""
        self._names, self._directory, self._on_problem = names, directory, on_problem
        self._headers: dict[tuple[str, ...], Header] = {}

    def row(self, line: int, text: str) -> Row | None:
        """Return the row on a line; None if there is a problem with it, which is reported."""
        try:
            pairs = _object(text)
        except ValueError as error:
            self._on_problem(ManifestProblem(line, str(error)))
            return None
        header = self._header(line, tuple(key for key, _ in pairs))
        if header.problems:
            return None
        problems = _wrong_values(header, pairs) if header.has_audio else ["no audio file"]
        for problem in problems:
            self._on_problem(ManifestProblem(line, problem, is_about_columns=True))
        if problems:
            return None
        return take(line, header, [_text(value) for _, value in pairs], self._on_problem)

    def _header(self, line: int, keys: tuple[str, ...]) -> Header:
        """Return the header of these keys; what is wrong with it is reported once."""
        for key in keys:
            self.unseen.pop(key, None)
        header = self._headers.get(keys)
        if header is None:
            header = self._names.header(keys, self._directory, noun="key")
            if len(self._headers) < _MOST_SHAPES:
                self._headers[keys] = header
            for problem in header.problems:
                self._on_problem(ManifestProblem(line, problem, is_about_columns=True))
        return header


class _Pairs(list[tuple[str, object]]):
    """A JSON object as its pairs in order, so that a repeated key is noticed."""


class _Number(str):
    """A number as it is written: 1.10 is not 1.1, and 20 digits stay what they are."""

    __slots__ = ()


def _constant(name: str) -> None:
    """Take NaN for no value, as Python and pandas write it; JSON has no such numbers.

    Raises:
        ValueError: it is an infinity.
    """
    if name != "NaN":
        raise ValueError(f"{name} is not a number")


def _object(line: str) -> _Pairs:
    """Return the object on a line.

    Raises:
        ValueError: there is none.
    """
    try:
        value = json.loads(
            line,
            object_pairs_hook=_Pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_constant,
        )
    except RecursionError:
        raise ValueError("JSON nested too deeply: each line must be one flat object") from None
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise ValueError(f"not valid JSON: {reason}: each line must be one object") from error
    if not isinstance(value, _Pairs):
        raise ValueError(f"{_type_name(value)} instead of an object")  # noqa: TRY004
    return value


def _wrong_values(header: Header, pairs: _Pairs) -> Sequence[str]:
    problems = []
    for target, at in header.fields:
        name, value = pairs[at]
        if isinstance(value, list):  # an object, too
            problems.append(f"{shown(name)} is {_type_name(value)}, not text or a number")
        elif target in COLUMNS and not (value is None or type(value) is str):
            problems.append(f"{shown(name)} is {_type_name(value)}, not text")
    return problems


def _text(value: object) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return str(value)
        case _:
            return None


def _type_name(value: object) -> str:
    match value:
        case _Pairs():
            return "an object"
        case list():
            return "an array"
        case bool():
            return "true" if value else "false"
        case _Number():
            return "a number"
        case None:
            return "null"
        case _:
            return "text"
