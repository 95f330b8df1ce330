"""audiostore with its full job: recognition, check, snapshot, cover first, compare, journal."""

from dataclasses import replace
from pathlib import Path

from audiostore import AudioStorageManager, BulkItem, StorageResult
from benchmarks.peers.job import Job, run


def upload(job: Job) -> None:
    """Store all assets with `bulk.upload`, which generates ids and finds its own concurrency."""
    _upload(job, [_item(audio) for audio in _audio_files(job)])


def upload_as_named(job: Job) -> None:
    """Store all assets under the ids in the tree, for all peers to fetch."""
    _upload(job, [replace(_item(audio), audio_id=audio.parent.name) for audio in _audio_files(job)])


def _audio_files(job: Job) -> list[Path]:
    return sorted(Path(job.tree).rglob("audio.*"))


def _item(audio: Path) -> BulkItem:
    thumbnail = audio.with_name("thumbnail.jpg")
    return BulkItem(audio, thumbnail if thumbnail.exists() else None)


def _upload(job: Job, items: list[BulkItem]) -> None:
    with AudioStorageManager(job.bucket) as manager:
        outcomes = manager.bulk.upload(
            items, journal=Path(job.scratch) / "journal", concurrency=job.concurrency
        )
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error


def download(job: Job) -> None:
    """Fetch the audio of all assets with `bulk.download`, which verifies it."""
    ids = [audio.parent.name for audio in _audio_files(job)]
    with AudioStorageManager(job.bucket) as manager:
        fetched = manager.bulk.download(
            ids, job.destination, names=_blob_name, concurrency=job.concurrency
        )
        for each in fetched:
            if each.error is not None:
                raise each.error


def _blob_name(asset: StorageResult) -> str:
    assert asset.audio is not None
    return asset.audio.name


if __name__ == "__main__":
    run({"upload": upload, "upload-as-named": upload_as_named, "download": download})
