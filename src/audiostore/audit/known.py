"""What objects are known to be: sizes and checksums of an earlier export, or of fleet results."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from audiostore.asset import AUDIO, THUMBNAIL, FilenameGenerator
from audiostore.catalog import ExportFormat, format_for, require_writer
from audiostore.errors import InvalidSourceError, SourceNotFoundError, shown

Known = tuple[str, str, int, str | None]
"""Of an object: its asset's id, the name of its part, its size, its CRC-32C (base64, if known)."""

_COLUMNS = {
    AUDIO.name: ("size_bytes", "crc32c"),
    THUMBNAIL.name: ("thumbnail_size_bytes", "thumbnail_crc32c"),
}
_BATCH_ROWS = 10_000


def read_known(path: Path) -> Iterator[Known]:
    """Yield the objects in a table of assets: an export, or the results of a fleet run.

    Its format is that of its extension: JSON Lines, CSV or Parquet.

    Raises:
        SourceNotFoundError: the file does not exist.
        InvalidSourceError: it is not such a table.
        ConfigurationError: it is in Parquet, and pyarrow is not installed.
        OSError: it cannot be read.
    """
    table_format = format_for(path.name)
    if table_format is None:
        raise InvalidSourceError(
            f"{shown(str(path))} is not a table: its extension must be .jsonl, .csv or .parquet",
            path=path,
        )
    require_writer(table_format)
    try:
        with path.open("rb") as stream:
            for row in _rows(stream, table_format):
                yield from _known_in(row)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(f"no file {shown(str(path))}", path=path) from error
    except (ValueError, TypeError, KeyError, AttributeError, csv.Error) as error:
        why = f"no column {error}" if isinstance(error, KeyError) else error
        raise InvalidSourceError(
            f"{shown(str(path))} is neither an export nor the results of a run: {why}",
            path=path,
        ) from error


@contextmanager
def as_text(stream: BinaryIO) -> Iterator[TextIO]:
    """Read a stream as the text of a CSV file; it stays open."""
    text = io.TextIOWrapper(stream, "utf-8", newline="")
    try:
        yield text
    finally:
        text.detach()


def _rows(stream: BinaryIO, table_format: ExportFormat) -> Iterator[Mapping[str, Any]]:
    match table_format:
        case "jsonl":
            yield from map(json.loads, stream)
        case "csv":
            with as_text(stream) as text:
                yield from csv.DictReader(text)
        case "parquet":
            yield from _parquet_rows(stream)


def _parquet_rows(stream: BinaryIO) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415  (an extra, and slow to import)
    from pyarrow import parquet  # noqa: PLC0415

    try:
        file = parquet.ParquetFile(stream, pre_buffer=False)
        wanted = {"audio_id", *(name for names in _COLUMNS.values() for name in names)}
        columns = [each for each in file.schema_arrow.names if each in wanted]
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise ValueError(str(error).partition("\n")[0]) from error


def _known_in(row: Mapping[str, Any]) -> Iterator[Known]:
    audio_id = row["audio_id"]
    if not FilenameGenerator.validate_uuid(audio_id):
        raise ValueError(f"{shown(str(audio_id))} is not an id")
    for part, (size, checksum) in _COLUMNS.items():
        if row.get(size) not in (None, ""):
            yield audio_id, part, int(row[size]), row.get(checksum) or None
