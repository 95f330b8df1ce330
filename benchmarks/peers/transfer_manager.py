"""google-cloud-storage's transfer_manager, with threads or with processes."""

import sys
from pathlib import Path

from google.cloud.storage import transfer_manager

from benchmarks.peers.google_bucket import open_bucket
from benchmarks.peers.job import Job, content_type, run

_CHUNK_BYTES = 32 << 20
_DEFAULT_WORKERS = 8


def _worker_type() -> str:
    return str(transfer_manager.PROCESS if "processes" in sys.argv[3:] else transfer_manager.THREAD)


def upload(job: Job) -> None:
    """Store all files with `upload_many_from_filenames`, without overwriting."""
    workers = job.concurrency or _DEFAULT_WORKERS
    results = transfer_manager.upload_many_from_filenames(
        open_bucket(job, connections=workers),
        job.names,
        source_directory=job.tree,
        upload_kwargs={"if_generation_match": 0},
        raise_exception=True,
        worker_type=_worker_type(),
        max_workers=workers,
    )
    assert len(results) == len(job.names)


def upload_large(job: Job) -> None:
    """Store each file in parallel chunks, with `upload_chunks_concurrently`."""
    workers = job.concurrency or _DEFAULT_WORKERS
    bucket = open_bucket(job, connections=workers)
    for name in job.names:
        transfer_manager.upload_chunks_concurrently(
            str(job.path(name)),
            bucket.blob(name),
            content_type=content_type(name),
            chunk_size=_CHUNK_BYTES,
            worker_type=_worker_type(),
            max_workers=workers,
        )


def download(job: Job) -> None:
    """Fetch all objects with `download_many_to_path`, which compares their crc32c."""
    workers = job.concurrency or _DEFAULT_WORKERS
    Path(job.destination).mkdir()
    transfer_manager.download_many_to_path(
        open_bucket(job, connections=workers),
        job.names,
        destination_directory=str(job.destination),
        raise_exception=True,
        worker_type=_worker_type(),
        max_workers=workers,
    )


if __name__ == "__main__":
    run({"upload": upload, "upload-large": upload_large, "download": download})
