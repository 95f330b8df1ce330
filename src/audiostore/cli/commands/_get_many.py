"""`get` for many assets, into a directory."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from audiostore.bulk import name_by_id
from audiostore.cli.each import distinct_ids
from audiostore.cli.failures import INTERRUPTED, PARTLY_FAILED
from audiostore.cli.output import escape, note, print_json, say
from audiostore.cli.progress.bulk import BulkProgress, abandoning
from audiostore.cli.report import (
    FETCHED,
    Count,
    fetched_bytes,
    fetched_fields,
    fetched_status,
    print_failure,
)
from audiostore.cli.saving import MAX_NAME_BYTES, file_name
from audiostore.cli.store import opened
from audiostore.errors import affects_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audiostore import AudioStorageManager, DownloadOutcome, StorageResult
    from audiostore.asset import PartName
    from audiostore.cli.commands.get import Options


def get_many(options: Options, directory: str) -> int:
    """Download a part of the assets that the options name, or of all, into a directory."""
    audio_ids = distinct_ids(options.audio_ids)
    part = options.part
    count = Count(FETCHED)
    progress = BulkProgress()
    try:
        with opened(options, progress) as manager, progress:
            wanted: Iterable[str] = audio_ids
            if options.all:
                wanted = (audio_id for audio_id, _ in _stored(manager, part))
                progress.expect((1, size_bytes) for _, size_bytes in _stored(manager, part))
            else:
                progress.expect([(len(audio_ids), 0)])
            outcomes = manager.bulk.download(
                wanted,
                directory,
                part=part,
                names=lambda asset: unique_name(asset, part),
                concurrency=options.concurrency,
                fail_fast=options.fail_fast,
                max_rate_bytes_s=options.max_rate,
            )
            with abandoning(outcomes):
                for fetched in outcomes:
                    count.add(fetched_status(fetched), fetched_bytes(fetched))
                    progress.finished(
                        fetched.audio_id,
                        fetched.size_bytes,
                        failed=fetched.error is not None,
                        moved=not fetched.skipped,
                    )
                    with progress.aside():
                        _print(options, fetched)
    except KeyboardInterrupt:
        say("stopped", count.summary(progress.elapsed_s))
        say("interrupted", "run the same command again to resume; complete files are kept")
        return INTERRUPTED
    except Exception as error:
        if count.total and affects_all(error):
            say("stopped", count.summary(progress.elapsed_s))
        raise
    if not count.total:
        note("nothing to download")
        return 0
    say("done", count.summary(progress.elapsed_s))
    return PARTLY_FAILED if count.failed else 0


def unique_name(asset: StorageResult, part: PartName) -> str:
    """Return a name that no other asset has: the original one with the id after its stem."""
    original = file_name(asset, part)
    by_id = name_by_id(asset, part)
    extension = PurePosixPath(by_id).suffix
    stem = original[: len(original) - len(extension)]
    name = f"{stem}-{by_id}"
    is_fit = stem != asset.audio_id and len(name.encode()) <= MAX_NAME_BYTES
    return name if is_fit else by_id


def _stored(manager: AudioStorageManager, part: PartName) -> Iterator[tuple[str, int]]:
    """Yield the id of each asset that has the part, and its size."""
    for asset in manager.list():
        blob = asset.parts.get(part)
        if blob is not None:
            yield asset.audio_id, blob.size_bytes


def _print(options: Options, fetched: DownloadOutcome) -> None:
    if options.json:
        print_json(fetched_fields(fetched))
    elif fetched.path is not None:
        print(escape(str(fetched.path)), flush=True)
    if fetched.error is not None:
        print_failure(fetched.audio_id, fetched.error, debug=options.debug)
