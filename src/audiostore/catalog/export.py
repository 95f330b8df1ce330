"""Exporting assets as a table: JSON Lines, CSV, Parquet.

Columns: see `columns`. Values are written as they are stored. A spreadsheet that *opens* a CSV file
may take a title that begins with ``=`` for a formula: import the column as text.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import IO, Literal

from audiostore.catalog.columns import COLUMNS, Kind, Row, Value, row_of
from audiostore.errors import ConfigurationError
from audiostore.values import StorageResult

ExportFormat = Literal["jsonl", "csv", "parquet"]
_ROW_GROUP = 10_000
_EXTENSIONS: dict[str, ExportFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}


def format_for(file_name: str) -> ExportFormat | None:
    """Return the export format of a file name; None if its extension is not one of them."""
    lower = file_name.lower()
    return next((f for extension, f in _EXTENSIONS.items() if lower.endswith(extension)), None)


def require_writer(export_format: ExportFormat) -> None:
    """Check that a format can be written on this machine.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    if export_format == "parquet":
        try:
            import pyarrow.parquet  # noqa: PLC0415, F401  (an extra, and slow to import)
        except ImportError as error:
            raise ConfigurationError(
                "Parquet needs pyarrow: pip install 'audiostore[parquet]', or export to CSV"
            ) from error


def write(assets: Iterable[StorageResult], stream: IO[bytes], export_format: ExportFormat) -> int:
    """Write assets to a binary stream, one row each, in constant memory; return how many.

    JSON Lines: an object a line, in ASCII. CSV: RFC 4180 in UTF-8, with a header. Parquet: in
    groups of 10,000 rows, compressed.

    Raises:
        ConfigurationError: Parquet, and pyarrow is not installed.
        OSError: the stream cannot be written to.
    """
    rows = (row for asset in assets if (row := row_of(asset)) is not None)
    return write_rows(COLUMNS, rows, stream, export_format)


def write_rows(
    columns: Mapping[str, Kind],
    rows: Iterator[Row],
    stream: IO[bytes],
    export_format: ExportFormat,
) -> int:
    """Write rows of any table; return how many (see `write`).

    Args:
        columns: their names and kinds, in order, which is also that in each row.
        rows: the rows.
        stream: where they go.
        export_format: of the table.

    Raises:
        ConfigurationError: Parquet, and pyarrow is not installed.
        OSError: the stream cannot be written to.
    """
    require_writer(export_format)
    match export_format:
        case "jsonl":
            return _write_jsonl(rows, stream)
        case "csv":
            return write_csv(columns, (row.values() for row in rows), stream)
        case "parquet":
            return _write_parquet(columns, rows, stream)


def _write_jsonl(rows: Iterator[Row], stream: IO[bytes]) -> int:
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        values = {key: _plain(value) for key, value in row.items()}
        stream.write(json.dumps(values).encode() + b"\n")
    return count


def write_csv(header: Iterable[str], rows: Iterable[Iterable[Value]], stream: IO[bytes]) -> int:
    """Write a table to a binary stream as RFC 4180 in UTF-8; return the number of rows."""
    count = 0
    # With both characters in the line terminator, the writer quotes values that hold either.
    text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=False)
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(header)
        for count, row in enumerate(rows, 1):  # noqa: B007
            writer.writerow([_in_csv(value) for value in row])
        text.flush()
    finally:
        text.detach()  # the stream is the caller's
    return count


def _write_parquet(columns: Mapping[str, Kind], rows: Iterator[Row], stream: IO[bytes]) -> int:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    types: dict[Kind, pa.DataType] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "real": pa.float64(),
        "truth": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    count = 0
    with closing(parquet.ParquetWriter(stream, schema)) as writer:
        while group := list(islice(rows, _ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema))
            count += len(group)
            group.clear()  # keep only one group in memory
    return count


def _plain(value: Value) -> Value:
    return value.isoformat() if isinstance(value, datetime) else value


def _in_csv(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _plain(value)
