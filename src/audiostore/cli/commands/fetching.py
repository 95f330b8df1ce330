"""Fetching many assets at once."""

from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from audiostore.asset import PartName, require_audio_id
from audiostore.bulk import Fetched, download_many, named_by_id
from audiostore.cli import INTERRUPTED
from audiostore.cli.bulk_progress import BulkWatch, abandoning
from audiostore.cli.bulk_report import (
    FETCHED,
    Count,
    fetched_bytes,
    fetched_fields,
    fetched_status,
    tell_failure,
)
from audiostore.cli.commands.opening import opened
from audiostore.cli.failures import PARTLY_FAILED
from audiostore.cli.listing import json_line
from audiostore.cli.output import escape, note, say
from audiostore.cli.saving import MAX_NAME_BYTES, file_name
from audiostore.manager import AudioStorageManager
from audiostore.values import StorageResult


def get_many(options: Namespace) -> int:
    """Fetch a part of the assets that the options name, or of all, into a directory."""
    audio_ids = list(dict.fromkeys(map(require_audio_id, options.audio_ids)))
    part: PartName = options.part
    count = Count(FETCHED)
    watch = BulkWatch()
    try:
        with opened(options, watch) as manager, watch:
            wanted: Iterable[str] = audio_ids
            if options.all:
                wanted = (audio_id for audio_id, _ in _stored(manager, part))
                watch.expect((1, size_bytes) for _, size_bytes in _stored(manager, part))
            else:
                watch.expect([(len(audio_ids), 0)])
            outcomes = download_many(
                manager,
                wanted,
                options.to,
                part=part,
                names=lambda asset: unique_name(asset, part),
                concurrency=options.concurrency,
                fail_fast=options.fail_fast,
                max_rate_bytes_s=options.max_rate,
            )
            with abandoning(outcomes):
                for fetched in outcomes:
                    count.add(fetched_status(fetched), fetched_bytes(fetched))
                    watch.finished(
                        fetched.audio_id,
                        fetched.size_bytes,
                        failed=fetched.error is not None,
                        moved=not fetched.skipped,
                    )
                    with watch.aside():
                        _tell_fetched(options, fetched)
    except KeyboardInterrupt:
        say("stopped", count.summary(watch.elapsed_s))
        say("interrupted", "run the same command again to go on; what is whole stays")
        return INTERRUPTED
    if not count.total:
        note("there is nothing to fetch")
        return 0
    say("done", count.summary(watch.elapsed_s))
    return PARTLY_FAILED if count.failed else 0


def unique_name(asset: StorageResult, part: PartName) -> str:
    """Return a name that no other asset has: the original one with the id behind its stem."""
    original = file_name(asset, part)
    by_id = named_by_id(asset, part)
    extension = PurePosixPath(by_id).suffix
    stem = original[: len(original) - len(extension)]
    name = f"{stem}-{by_id}"
    is_fit = stem != asset.audio_id and len(name.encode()) <= MAX_NAME_BYTES
    return name if is_fit else by_id


def _stored(manager: AudioStorageManager, part: PartName) -> Iterator[tuple[str, int]]:
    """Yield the id of each asset that has the part, and how large that is."""
    for asset in manager.list():
        blob = asset.parts.get(part)
        if blob is not None:
            yield asset.audio_id, blob.size_bytes


def _tell_fetched(options: Namespace, fetched: Fetched) -> None:
    if options.json:
        print(json_line(fetched_fields(fetched)), flush=True)
    elif fetched.path is not None:
        print(escape(str(fetched.path)), flush=True)
    if fetched.error is not None:
        tell_failure(options, fetched.audio_id, fetched.error)
