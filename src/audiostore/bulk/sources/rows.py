"""A row of a manifest, and what may be wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from audiostore.bulk.sources.columns import AUDIO, ColumnNames, Header
from audiostore.dataclass import dataclass
from audiostore.errors import shown

Unit = Literal["line", "row"]


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """An error or a warning about a manifest."""

    line: int
    """From 1; for a row of several lines, the line that it begins on."""
    message: str
    is_warning: bool = False
    """It does not prevent the upload."""
    unit: Literal["line", "row"] = "line"
    """What `line` counts: in Parquet, rows."""
    is_about_columns: bool = False
    """It is about the names of the columns: to map them, or to leave one out, may help."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row; empty fields are left out."""

    line: int
    fields: Mapping[str, str]


ManifestProblemListener = Callable[[ManifestProblem], None]


def report_header(
    line: int,
    names: ColumnNames,
    header: Header,
    columns: Sequence[str],
    on_problem: ManifestProblemListener,
) -> bool:
    """Report what is wrong with the header of a table; return whether anything is."""
    problems = list(header.problems)
    missing = names.missing_in(columns)
    if not (header.has_audio or AUDIO in names.columns):
        missing.insert(0, AUDIO)
    if missing:
        only = ", ".join(map(shown, columns))
        problems[:0] = [f"the header has no column {shown(each)}, only {only}" for each in missing]
    for problem in problems:
        on_problem(ManifestProblem(line, problem, is_about_columns=True))
    return bool(problems)


def take(
    line: int, header: Header, values: Sequence[str | None], on_problem: ManifestProblemListener
) -> Row | None:
    """Return a row; None if there is a problem with it, which is reported."""
    try:
        return Row(line, header.take(values))
    except ValueError as error:
        on_problem(ManifestProblem(line, str(error)))
        return None
