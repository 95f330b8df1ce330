"""Inventory reports, as Storage Insights documents them, of what a store holds."""

import csv
import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audiostore import BlobInfo

CONFIG = "fc95c52f-157a-494f-af4a-d4a53a69ba66"
FIELDS = ("project", "bucket", "name", "size", "timeDeleted", "crc32c", "generation", "contentType")


def rows_of(blobs: Iterable[BlobInfo], bucket: str, prefix: str = "") -> list[dict[str, Any]]:
    """Return the rows of a report on objects, in random order."""
    rows: list[dict[str, Any]] = [
        {
            "project": "123",
            "bucket": bucket,
            "name": prefix + blob.name,
            "size": blob.size_bytes,
            "timeDeleted": None,
            "crc32c": blob.crc32c,
            "generation": blob.generation,
            "contentType": blob.content_type,
        }
        for blob in blobs
    ]
    random.Random(7).shuffle(rows)
    return rows


def write_report(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    *,
    kind: str = "csv",
    shards: int = 3,
    header: bool = False,
    fields: Sequence[str] = FIELDS,
    at: datetime | None = None,
    **changed: Any,
) -> Path:
    """Write a report, and return the path of its manifest; `changed` overrides its keys."""
    folder.mkdir(exist_ok=True)
    time = at or datetime.now(UTC)
    begin = f"{CONFIG}_{time:%Y-%m-%dT%H:%M}"
    names = [f"{begin}_{number}.{kind}" for number in range(shards)]
    for number, name in enumerate(names):
        part = [{key: row[key] for key in fields} for row in rows[number::shards]]
        if kind == "parquet":
            columns = {key: [row[key] for row in part] for key in fields}
            pq.write_table(pa.table(columns), folder / name)
            continue
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, fields, lineterminator="\n")
            if header:
                writer.writeheader()
            writer.writerows(part)
    bucket = rows[0]["bucket"] if rows else "bucket"
    manifest = {
        "report_config": {
            "name": f"projects/123/locations/eu/reportConfigs/{CONFIG}",
            "object_metadata_report_options": {
                "metadata_fields": list(fields),
                "storage_filters": {"bucket": bucket},
            },
            "csv_options": {"record_separator": "\n", "delimiter": ",", "header_required": header},
        },
        "records_processed": len(rows),
        "snapshot_time": time.isoformat().replace("+00:00", "Z"),
        "shard_count": shards,
        "report_shards_file_names": names,
        **changed,
    }
    path = folder / f"{begin}_manifest.json"
    path.write_text(json.dumps({k: v for k, v in manifest.items() if v is not None}))
    return path
