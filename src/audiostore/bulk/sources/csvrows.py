"""The rows of a manifest in CSV or TSV, with a header."""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from audiostore.bulk.sources.columns import ColumnNames, Header, is_common_voice
from audiostore.bulk.sources.rows import (
    ManifestProblem,
    ManifestProblemListener,
    Row,
    report_header,
    take,
)
from audiostore.bulk.sources.textlines import Lines

_QUOTED = re.compile(r'"(?:[^"]|"")*"?')
_SEPARATORS = re.compile("[\t;,]")
_CSV_ERRORS = {
    "unexpected end of data": "a quoted field is not closed",
    "field larger than field limit": "a quoted field is not closed for very long, or a field has "
    "more than 131,072 characters",
    "expected after": 'text follows a closing quote: write " as "" within a quoted field',
    "new-line character seen": "a carriage return without line feed: end lines with LF or CRLF",
}


def read_csv(
    lines: Lines, names: ColumnNames, directory: Path, on_problem: ManifestProblemListener
) -> Iterator[Row]:
    """Yield the rows of a CSV or TSV file; the first line says what separates the fields.

    Tabs, semicolons or commas: the first of them in the header that is not in quotes. Quotes as in
    RFC 4180, also in TSV, as spreadsheets and pandas write it; Common Voice quotes nothing.
    """
    texts = iter(lines)
    first = next(texts, "")
    separators = _SEPARATORS.search(_QUOTED.sub("", first))
    separator = separators[0] if separators else ","
    is_raw = is_common_voice(first.rstrip("\r\n").split(separator))
    reader = csv.reader(
        chain([first] if first else [], texts),
        strict=True,
        delimiter=separator,
        quoting=csv.QUOTE_NONE if is_raw else csv.QUOTE_MINIMAL,
    )
    columns: Sequence[str] = ()
    header: Header | None = None
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            on_problem(ManifestProblem(start, _message_of(error)))
            if header is None:
                return
            continue
        if lines.bad >= start or not any(cells):  # spreadsheets write empty rows at the end
            continue
        if header is None:
            columns = [cell.strip() for cell in cells]
            header = names.header(columns, directory)
            if report_header(start, names, header, columns, on_problem):
                return
        elif len(cells) != len(columns):
            on_problem(
                ManifestProblem(start, f"{len(cells)} fields, but the header has {len(columns)}")
            )
        elif (row := take(start, header, cells, on_problem)) is not None:
            yield row
    if header is None and not lines.bad:
        on_problem(
            ManifestProblem(
                1, "the manifest is empty: its first line must name the columns, such as 'audio'"
            )
        )


def _message_of(error: csv.Error) -> str:
    text = str(error)
    return next((message for part, message in _CSV_ERRORS.items() if part in text), text)
