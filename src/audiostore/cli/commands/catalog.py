"""The commands that find assets among many."""

import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from audiostore.catalog import (
    Catalog,
    Query,
    format_for,
    monthly_cost,
    read_rates,
    require_writer,
    summarise,
    write,
)
from audiostore.cli.commands.opening import opened, warn
from audiostore.cli.counting import Counting
from audiostore.cli.figures import statistics_block
from audiostore.cli.listing import HEADING, json_line, row
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import is_terminal, note
from audiostore.cli.saving import is_stream
from audiostore.manager import AudioStorageManager
from audiostore.values import StorageResult


def list_assets(options: Namespace) -> int:
    """List the assets that match as they come, in constant memory."""
    query = _query(options)
    count = 0
    with opened(options) as manager, Counting() as counting:
        for asset in _find(manager, query, options, counting):
            counting.clear()
            if count == 0 and not options.json and is_terminal(sys.stdout):
                print(HEADING)
            count += 1
            print(json_line(asset.to_dict()) if options.json else row(asset))
            warn(asset)
        counting.clear()
        if count == 0 and query == Query():
            note(f"no assets in {manager.url} yet: store one with 'audiostore put FILE'")
        elif count == 0:
            note(f"no asset in {manager.url} matches")
    return 0


def stats(options: Namespace) -> int:
    """Say how much is stored, and what it costs a month."""
    query = _query(options)
    table = None if options.prices is None else Path(options.prices)
    with opened(options) as manager, Counting() as counting:
        location = options.location or _location(manager)
        rates = None if location is None else read_rates(location, table)
        statistics = summarise(Catalog(manager).find(query, on_progress=counting))
        cost = None if rates is None else monthly_cost(statistics, rates)
        counting.clear()
        if options.json:
            priced = cost.to_dict() if cost else None
            print(json_line({"url": manager.url, **statistics.to_dict(), "cost": priced}))
        else:
            print(statistics_block(statistics, cost))
    return 0


def export(options: Namespace) -> int:
    """Write the assets that match as a table."""
    query = _query(options)
    export_format = options.format or format_for(options.output) or "jsonl"
    to_stdout = options.output == "-"
    if export_format == "parquet" and to_stdout and is_terminal(sys.stdout):
        raise UsageError("Parquet is no text for a terminal: name a file with -o FILE")
    require_writer(export_format)
    with opened(options) as manager, Counting() as counting:
        with _output(options.output) as stream:
            count = write(_find(manager, query, options, counting), stream, export_format)
        counting.clear()
        if not to_stdout:
            note(f"wrote {count:,} assets to {options.output}")
    return 0


def _find(
    manager: AudioStorageManager, query: Query, options: Namespace, counting: Counting
) -> Iterator[StorageResult]:
    return Catalog(manager).find(
        query,
        order_by=options.sort,
        descending=options.reverse,
        limit=options.limit,
        on_progress=counting,
    )


def _location(manager: AudioStorageManager) -> str | None:
    """Return where a bucket is; None for what is no bucket, or does not say."""
    if not manager.url.startswith("gs://"):
        return None
    if not manager.admin.granted(["storage.buckets.get"]):
        note("without the permission storage.buckets.get, say where the bucket is: --location")
        return None
    return manager.admin.settings().location


def _query(options: Namespace) -> Query:
    containing = [
        (tag, value)
        for tag in ("title", "artist", "album")
        if (value := getattr(options, tag)) is not None
    ]
    try:
        return Query(
            formats=frozenset(options.types),
            equal=_once("--meta", options.meta),
            containing=_once("--contains", containing + options.contains),
            min_duration_s=options.min_duration,
            max_duration_s=options.max_duration,
            min_size_bytes=options.min_size,
            max_size_bytes=options.max_size,
            created_from=options.since,
            created_before=options.before,
            storage_classes=frozenset(options.storage_classes),
            has_thumbnail=options.thumbnail,
            artwork_is_missing=options.missing_artwork or None,
            superseded=options.superseded,
            held=options.held,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _once(option: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in pairs:
        if key in found:
            raise UsageError(f"{option}: {key!r} is asked for twice")
        found[key] = value
    return found


@contextmanager
def _output(name: str) -> Iterator[IO[bytes]]:
    """Yield what to write to: a file appears, or is replaced, only once it is whole."""
    if name == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    if is_stream(path):
        with path.open("wb") as stream:
            yield stream
        return
    if path.is_dir():
        raise UsageError(f"{name!r} is a directory: name a file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no directory {str(path.parent)!r}: make it first")
    with tempfile.TemporaryDirectory(prefix=".audiostore-", dir=path.parent) as folder:
        written = Path(folder) / "export"
        with written.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        written.replace(path)
