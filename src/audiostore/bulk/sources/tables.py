"""The rows of a manifest in any format, read one by one; its reader is imported when it is read."""

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

from audiostore.bulk.sources.columns import ColumnNames
from audiostore.bulk.sources.rows import ManifestProblemListener, Row, Unit

ManifestFormat = Literal["csv", "jsonl", "parquet"]
_FORMATS: Mapping[str, ManifestFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_PARQUET = b"PAR1"


def unit_of(manifest_format: ManifestFormat) -> Unit:
    """Return what counts the rows of a format."""
    return "row" if manifest_format == "parquet" else "line"


def format_of(path: Path, stream: BinaryIO) -> ManifestFormat:
    """Return the format of a manifest: by its extension, else by how it begins.

    The stream is at its beginning, before and after.
    """
    start = stream.read(16)
    stream.seek(0)
    if found := _FORMATS.get(path.suffix.lower()):
        return found
    if start.startswith(_PARQUET):
        return "parquet"
    return "jsonl" if start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{") else "csv"


def read_rows(
    path: Path,
    stream: BinaryIO,
    manifest_format: ManifestFormat,
    names: ColumnNames,
    on_problem: ManifestProblemListener,
) -> Iterator[Row]:
    """Yield the rows that are well formed.

    Args:
        path: of the manifest.
        stream: the manifest, at its beginning.
        manifest_format: see `format_of`.
        names: what the caller says of its columns.
        on_problem: called with each error in a row, a line or the header.

    Raises:
        ConfigurationError: Parquet, and pyarrow is not installed.
    """
    if manifest_format == "parquet":
        from audiostore.bulk.sources.parquetrows import read_parquet  # noqa: PLC0415

        return read_parquet(stream, names, path.parent, on_problem)
    from audiostore.bulk.sources.textlines import Lines  # noqa: PLC0415

    lines = Lines(stream, on_problem)
    if manifest_format == "csv":
        from audiostore.bulk.sources.csvrows import read_csv  # noqa: PLC0415

        return read_csv(lines, names, path.parent, on_problem)
    from audiostore.bulk.sources.jsonrows import read_json  # noqa: PLC0415

    return read_json(lines, names, path.parent, on_problem)
