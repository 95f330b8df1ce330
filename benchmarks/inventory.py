"""Compare `check` by an inventory report with a walk of the store, for each object.

    python -m benchmarks.inventory [--objects 1000000] [--walked 200000]

Needs pyarrow. Both are whole processes, measured from start to exit: `audiostore check --inventory`
on a report of half as many sound assets with artwork, in shards of a million objects in random
order, in CSV and in Parquet; and `audiostore check` of the benchmark server.
"""

import argparse
import csv
import json
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.contest.measuring import Run, measure
from benchmarks.listing import BUCKET, LIMIT_S, environment
from benchmarks.server import Server, running

SHARD_OBJECTS = 1_000_000
FIELDS = ("bucket", "name", "size", "timeDeleted", "crc32c", "generation", "contentType")


def rows(objects: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of sound assets."""
    rng = random.Random(5)
    for number in range(objects // 2):
        folder = f"audio/{uuid.UUID(int=rng.getrandbits(128), version=4)}"
        checksum = f"{number:06}=="
        yield BUCKET, f"{folder}/audio.mp3", 5_000_000, None, checksum, number, "audio/mpeg"
        yield BUCKET, f"{folder}/thumbnail.jpg", 60_000, None, checksum, number, "image/jpeg"


def write(folder: Path, kind: str, objects: int) -> Path:
    """Write a report; return its manifest."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    folder.mkdir()
    everything = list(rows(objects))
    random.Random(6).shuffle(everything)
    names: list[str] = []
    for start in range(0, objects, SHARD_OBJECTS):
        names.append(f"shard_{len(names)}.{kind}")
        part = everything[start : start + SHARD_OBJECTS]
        if kind == "parquet":
            columns = zip(*part, strict=True)
            table = dict(zip(FIELDS, map(list, columns), strict=True))
            pq.write_table(pa.table(table), folder / names[-1])
        else:
            with (folder / names[-1]).open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(part)
    manifest = {
        "report_config": {"object_metadata_report_options": {"metadata_fields": FIELDS}},
        "records_processed": objects,
        "snapshot_time": datetime.now(UTC).isoformat(),
        "shard_count": len(names),
        "report_shards_file_names": names,
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    return path


def run(server: Server, scratch: Path, *options: str) -> Run:
    """Measure one check."""
    command = [sys.executable, "-m", "audiostore", "check", *options]
    found = measure(command, environment(server), scratch, limit_s=LIMIT_S)
    if found.failure:
        raise RuntimeError(found.failure)
    return found


def show(what: str, found: Run, objects: int) -> None:
    """Print a row."""
    print(
        f"| {what} | {objects:,} | {found.wall_s:.1f} s | {found.cpu_s:.1f} s "
        f"| {found.cpu_s / objects * 1e6:.2f} µs | {found.peak_bytes / 1e6:.0f} MB |",
        flush=True,
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--walked", type=int, default=200_000, help="objects of the store")
    options = parser.parse_args()
    print(
        "| check | objects | time | CPU | CPU an object | peak memory |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory(prefix="audiostore-bench-") as name:
        scratch = Path(name)
        with running() as server:
            for kind in ("csv", "parquet"):
                for objects in (options.objects // 4, options.objects):
                    manifest = write(scratch / f"{kind}{objects}", kind, objects)
                    found = run(server, scratch, "--inventory", str(manifest))
                    show(f"`--inventory`, {kind}", found, objects)
        with running(preload=options.walked // 2) as server:
            show("walk", run(server, scratch), options.walked)


if __name__ == "__main__":
    main()
