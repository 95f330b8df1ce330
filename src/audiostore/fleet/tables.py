"""Results as a table: JSON Lines, CSV, Parquet."""

from collections.abc import Iterable, Mapping
from typing import IO

from audiostore.catalog import ExportFormat, Kind, Row, write_rows
from audiostore.fleet.values import FleetResult

COLUMNS: Mapping[str, Kind] = {
    "index": "integer",
    "audio": "text",
    "origin": "text",
    "audio_id": "text",
    "status": "text",
    "audio_path": "text",
    "thumbnail_path": "text",
    "size_bytes": "integer",
    "duration_s": "real",
    "error_kind": "text",
    "error": "text",
    "warnings": "text",
}


def write_results(
    results: Iterable[FleetResult], stream: IO[bytes], table_format: ExportFormat
) -> int:
    """Write results to a binary stream, one row each, in constant memory; return how many.

    The columns are the fields of `FleetResult`; warnings are one text, a line each. Parquet needs
    pyarrow. Bytes of a path that are not UTF-8 are written as U+FFFD in CSV and Parquet, and as
    lone surrogates in JSON, as Python reads them.

    Raises:
        ConfigurationError: Parquet, and pyarrow is not installed.
        OSError: the stream cannot be written to.
    """
    is_json = table_format == "jsonl"
    return write_rows(
        COLUMNS, (_row(each, is_json=is_json) for each in results), stream, table_format
    )


def _row(result: FleetResult, *, is_json: bool) -> Row:
    row: Row = {name: getattr(result, name) for name in COLUMNS if name != "warnings"}
    row["warnings"] = "\n".join(result.warnings) or None
    if is_json:
        return row
    return {
        name: _encodable(value) if isinstance(value, str) else value for name, value in row.items()
    }


def _encodable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
