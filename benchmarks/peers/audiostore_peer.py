"""audiostore with its full job: recognition, check, snapshot, cover first, compare, journal."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from audiostore import AudioStorageManager, BulkItem
from benchmarks.peers.job import Job, run

if TYPE_CHECKING:  # a program imports what it uses: an upload needs none of these
    from audiostore import Checked, ManifestProblem, StorageResult, UploadKeywords


def upload(job: Job) -> None:
    """Store all assets with `bulk.upload`, which generates ids and finds its own concurrency."""
    _upload(job, _items(job))


def upload_unchecked(job: Job) -> None:
    """Store all assets without looking for damage."""
    _upload(job, _items(job), check="none")


def upload_fully_checked(job: Job) -> None:
    """Store all assets, and decode their audio first."""
    _upload(job, _items(job), check="full")


def upload_analysed(job: Job) -> None:
    """Store all assets, and measure their audio."""
    _upload(job, _items(job), analyse=True)


def upload_as_named(job: Job) -> None:
    """Store all assets under the ids in the tree, for all peers to fetch."""
    _upload(job, (replace(item, audio_id=Path(item.audio).parent.name) for item in _items(job)))


def upload_as_listed(job: Job) -> None:
    """Store the assets of the manifest under the ids that it gives them."""
    _upload(job, _listed(job))


def upload_listed(job: Job) -> None:
    """Store the assets of the manifest under generated ids."""
    _upload(job, (replace(item, audio_id=None) for item in _listed(job)))


def upload_to_directory(job: Job) -> None:
    """Store all assets in a directory."""
    _upload(replace(job, bucket=str(job.destination)), _items(job))


def _listed(job: Job) -> Iterator[BulkItem]:
    from audiostore import check_manifest  # noqa: PLC0415  (not part of the other work)

    return check_manifest(Path(job.manifest), on_problem=_refuse).items()


def _refuse(problem: "ManifestProblem") -> None:
    raise AssertionError(problem)


def _items(job: Job) -> Iterator[BulkItem]:
    thumbnails = {}
    for name in reversed(job.names):  # an asset's thumbnail comes before its audio
        directory, _, file = name.rpartition("/")
        if file.startswith("thumbnail."):
            thumbnails[directory] = job.path(name)
        else:
            yield BulkItem(job.path(name), thumbnails.pop(directory, None))


def _upload(job: Job, items: Iterable[BulkItem], **options: Unpack["UploadKeywords"]) -> None:
    with AudioStorageManager(job.bucket) as manager:
        outcomes = manager.bulk.upload(
            items, journal=Path(job.scratch) / "journal", concurrency=job.concurrency, **options
        )
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error


def download(job: Job) -> None:
    """Fetch the audio of all assets with `bulk.download`, which verifies it."""
    ids = [Path(name).parent.name for name in job.names if "/audio." in name]
    with AudioStorageManager(job.bucket) as manager:
        fetched = manager.bulk.download(
            ids, job.destination, names=_blob_name, concurrency=job.concurrency
        )
        for each in fetched:
            if each.error is not None:
                raise each.error


def _blob_name(asset: "StorageResult") -> str:
    assert asset.audio is not None
    return asset.audio.name


def find(job: Job) -> None:
    """Count all assets with `Catalog.find`."""
    with AudioStorageManager(job.bucket) as manager:
        assert sum(1 for _ in manager.catalog.find()) == job.assets


def list_all(job: Job) -> None:
    """Count all assets with `AudioStorageManager.list`."""
    with AudioStorageManager(job.bucket) as manager:
        assert sum(1 for _ in manager.list()) == job.assets


def check(job: Job) -> None:
    """Check the metadata of all assets."""
    _check(job, deep=False)


def check_deep(job: Job) -> None:
    """Check all assets, read and decode them."""
    _check(job, deep=True)


def check_deep_as_before(job: Job) -> None:
    """Check all assets, read and decode them; the present version has stored other bit rates."""
    _check(job, deep=True, tolerated="mismatched-facts")


def _check(job: Job, *, deep: bool, tolerated: str = "") -> None:
    with AudioStorageManager(job.bucket) as manager:
        counted = Counted()
        for problem in manager.audit.check(deep=deep, on_progress=counted.take):
            assert problem.kind == tolerated, problem.message
        assert counted.assets == job.assets


class Counted:
    """How many assets a check has reported."""

    assets = 0

    def take(self, checked: "Checked") -> None:
        """Remember the last count."""
        self.assets = checked.assets


if __name__ == "__main__":
    run(
        {
            action.__name__.replace("_", "-"): action
            for action in (
                *(upload, upload_unchecked, upload_fully_checked, upload_analysed),
                *(upload_as_named, upload_as_listed, upload_listed, upload_to_directory, download),
                *(find, list_all, check, check_deep, check_deep_as_before),
            )
        }
    )
