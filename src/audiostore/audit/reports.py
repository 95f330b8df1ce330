"""Inventory reports of Storage Insights: every object of a bucket, as it was at one time.

A report is a manifest in JSON and shards in CSV or Parquet next to it, of a million objects each,
in no documented order (https://cloud.google.com/storage/docs/insights/inventory-reports). Its rows
have no custom metadata.
"""

import csv
import json
import posixpath
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, BinaryIO

from audiostore.audit.inventory import InventoryReport
from audiostore.audit.known import as_text
from audiostore.dataclass import dataclass
from audiostore.errors import (
    AudioStoreError,
    ConfigurationError,
    InvalidSourceError,
    SourceNotFoundError,
    shown,
)
from audiostore.remotefiles import RemoteFile

if TYPE_CHECKING:
    from pyarrow import RecordBatch

    from audiostore.manager import AudioStorageManager

_MOST_AGE = timedelta(days=14)
"""Reports are made daily or weekly."""
_MOST_MANIFEST_BYTES = 64 << 20
_MOST_SHARD_BYTES = 64 << 30
_REQUIRED = {"name": "name", "size": "size", "content_type": "contentType"}
"""Columns in snake case: as they are configured."""
_OPTIONAL = ("crc32c", "time_deleted", "bucket")
_BATCH_ROWS = 10_000
_ARROW_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class Rows:
    """Objects of a report, column by column."""

    names: Sequence[str]
    sizes: Sequence[int]
    content_types: Sequence[str | None]
    checksums: Sequence[str | None]
    """CRC-32C in base64, if they are known."""


_CAPITAL = re.compile("(?<!^)(?=[A-Z])")
_TIME_IN_NAME = re.compile(r"_([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})_")


def read_report(
    manager: "AudioStorageManager", place: str | Path, now: datetime
) -> InventoryReport:
    """Read the manifest of a report (see `Audit.read_inventory`)."""
    with _opened(manager, str(place), _MOST_MANIFEST_BYTES) as stream:
        data = stream.read(_MOST_MANIFEST_BYTES + 1)
    try:
        if len(data) > _MOST_MANIFEST_BYTES:
            raise ValueError("it is too large")  # noqa: TRY301
        report = _report_in(str(place), _fields_in(data))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise _invalid(str(place), f"is not the manifest of an inventory report: {why}") from error
    if now - report.snapshot_at > _MOST_AGE:
        raise _invalid(
            str(place),
            f"shows the bucket as of {report.snapshot_at:%Y-%m-%d}, "
            f"{(now - report.snapshot_at).days} "
            f"days ago: take one of the last {_MOST_AGE.days} days",
        )
    of = f"gs://{report.bucket}"
    if report.bucket is not None and not f"{manager.url}/".startswith(f"{of}/"):
        raise _invalid(str(place), f"is of {of}, not of {manager.url}")
    return report


def rows_of(
    manager: "AudioStorageManager", report: InventoryReport
) -> Iterator["Rows | RecordBatch"]:
    """Yield the objects in a report, but for noncurrent ones, in batches, in no order.

    Those of Parquet stay in Arrow, with the fields of `Rows` as `batches.plain` names them.

    Raises:
        SourceNotFoundError: a shard is missing.
        InvalidSourceError: the report is truncated, of another bucket, or not what it should be.
        ConfigurationError: it is in Parquet, and pyarrow is not installed.
        AudioStoreError, OSError: it cannot be fetched, or read.
    """
    found = 0
    folder = report.place.rpartition("/")[0]
    own = manager.url.removeprefix("gs://").partition("/")[0]
    for name in report.shards:
        place = f"{folder}/{name}" if folder else name
        with _opened(manager, place, _MOST_SHARD_BYTES) as stream:
            is_parquet = stream.read(4) == b"PAR1"
            stream.seek(0)
            reading = _parquet_rows(stream) if is_parquet else _csv_rows(stream, report)
            try:
                with closing(reading) as batches:
                    for columns, batch in batches:
                        found += len(batch)
                        yield _rows(columns, batch, own)
            except AudioStoreError:
                raise
            except (ValueError, TypeError, csv.Error) as error:
                raise _invalid(place, f"is not a shard of an inventory report: {error}") from error
    if found < report.objects:
        raise _invalid(
            report.place, f"is of {report.objects:,} objects, but its shards have {found:,}"
        )


def _fields_in(data: bytes) -> Mapping[str, Any]:
    """Return the fields of a manifest.

    Raises:
        ValueError: it is not a JSON object.
    """
    try:
        fields = _snake_case(json.loads(data))
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004
    return fields


def _report_in(place: str, fields: Mapping[str, Any]) -> InventoryReport:
    names = fields.get("report_names") or fields["report_shards_file_names"]
    shards = tuple(posixpath.basename(each) for each in names)
    if not all(shards):
        raise ValueError("a shard has no name")
    count = int(fields.get("shard_count", len(shards)))
    if count != len(shards):
        raise ValueError(f"it names {len(shards)} shards of {count}")
    config = fields.get("report_config") or {}
    options = config.get("object_metadata_report_options") or {}
    style = config.get("csv_options") or {}
    if style.get("record_separator", "\n") not in ("\n", "\r\n", "\r"):
        raise ValueError("its record separator is not a line break")
    return InventoryReport(
        place,
        _time_in(place, fields),
        int(fields["records_processed"]),
        shards,
        tuple(map(str, options.get("metadata_fields") or ())),
        style.get("delimiter") or ",",
        (options.get("storage_filters") or {}).get("bucket"),
    )


def _time_in(place: str, fields: Mapping[str, Any]) -> datetime:
    """Return the time of the snapshot: stated, or as the name of the manifest has it."""
    text = fields.get("snapshot_time")
    if not isinstance(text, str):
        match = _TIME_IN_NAME.search(posixpath.basename(place))
        if match is None:
            raise ValueError("it does not say when it was made")
        text = match[1]
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _snake_case(value: Any) -> Any:
    """Return JSON with keys such as ``records_processed``, which proto calls recordsProcessed."""
    if isinstance(value, dict):
        return {_snake(key): _snake_case(each) for key, each in value.items()}
    return value


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name.strip()).lower()


@contextmanager
def _opened(manager: "AudioStorageManager", place: str, max_bytes: int) -> Iterator[BinaryIO]:
    """Open a local file, or one that is fetched."""
    remote = RemoteFile.of(place)
    if remote is not None:
        with manager._remote.fetched(remote, max_bytes) as file:
            yield file.stream
        return
    try:
        stream = open(place, "rb")  # noqa: SIM115, PTH123  (closed below)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(f"no file {shown(place)}", path=place) from error
    except IsADirectoryError as error:
        raise _invalid(place, "is a directory: name the manifest in it") from error
    with stream:
        yield stream


_Batch = tuple[Sequence[str], "Sequence[Sequence[Any]] | RecordBatch"]
"""The columns in snake case, and rows of them."""


def _csv_rows(stream: BinaryIO, report: InventoryReport) -> Generator[_Batch, None, None]:
    columns: Sequence[str] = list(map(_snake, report.columns))
    with as_text(stream) as text:
        reader = csv.reader(text, delimiter=report.delimiter)
        for number in count():
            batch = list(islice(reader, _BATCH_ROWS))
            if number == 0 and batch and set(_REQUIRED) <= set(map(_snake, batch[0])):
                columns = list(map(_snake, batch.pop(0)))
            elif not batch:
                return
            wrong = {len(cells) for cells in batch} - {len(columns)}
            if wrong:
                raise ValueError(
                    f"a line up to {reader.line_num} has {min(wrong)} values, but there are "
                    f"{len(columns)} columns"
                )
            yield columns, batch


def _parquet_rows(stream: BinaryIO) -> Generator[_Batch, None, None]:
    try:
        import pyarrow as pa  # noqa: PLC0415  (an extra, and slow to import)
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "a report in Parquet needs pyarrow: pip install 'audiostore[parquet]', or have it "
            "made in CSV"
        ) from error
    try:
        file = parquet.ParquetFile(stream, pre_buffer=False)
        names = {_snake(each): each for each in file.schema_arrow.names}
        used = [each for each in (*_REQUIRED, *_OPTIONAL) if each in names]
        columns = [names[each] for each in used]
        for batch in file.iter_batches(_ARROW_ROWS, columns=columns, use_threads=False):
            yield used, batch.select(columns)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error).partition("\n")[0]) from error


def _rows(
    columns: Sequence[str], batch: "Sequence[Sequence[Any]] | RecordBatch", own: str
) -> "Rows | RecordBatch":
    missing = [_REQUIRED[each] for each in _REQUIRED if each not in columns]
    if missing:
        raise ValueError(f"it lacks the fields {', '.join(missing)}: configure it to have them")
    if not isinstance(batch, Sequence):
        from audiostore.audit import batches  # noqa: PLC0415  (pyarrow is an extra)

        if (plain := batches.plain(columns, batch, own)) is not None:
            return plain
        batch = list(zip(*(each.to_pylist() for each in batch.columns), strict=True))
    if "time_deleted" in columns:
        at = columns.index("time_deleted")
        batch = [row for row in batch if not row[at]]
    cells = dict(zip(columns, zip(*batch, strict=True), strict=True)) if batch else {}
    others = set(cells.get("bucket", ())) - {own}
    if others:
        raise ValueError(f"it is of the bucket {shown(str(others.pop()))}, not of {own}")
    sizes = list(map(int, cells.get("size", ())))
    if any(not 0 <= each < 1 << 63 for each in (min(sizes, default=0), max(sizes, default=0))):
        raise ValueError("it has an impossible size")
    texts = {name: cells.get(name, ()) for name in ("name", "content_type", "crc32c")}
    for name, values in texts.items():
        if not set(map(type, values)) <= ({str} if name == "name" else {str, NoneType}):
            raise ValueError(f"its {name} is not text")
    checksums = texts["crc32c"] or [None] * len(batch)
    return Rows(texts["name"], sizes, texts["content_type"], checksums)


def _invalid(place: str, why: str) -> InvalidSourceError:
    return InvalidSourceError(f"{shown(place)} {why}", path=place)
