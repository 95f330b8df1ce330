"""google-cloud-storage: one client, many threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from google.cloud.storage import Bucket

from benchmarks.peers.google_bucket import open_bucket
from benchmarks.peers.job import Job, content_type, run


def upload(job: Job) -> None:
    """Store each file with `Blob.upload_from_filename`, without overwriting."""

    def store(bucket: Bucket, name: str) -> None:
        bucket.blob(name).upload_from_filename(
            job.path(name), content_type=content_type(name), if_generation_match=0
        )

    _each(job, store)


def download(job: Job) -> None:
    """Fetch each object with `Blob.download_to_filename`, which compares its crc32c."""

    def fetch(bucket: Bucket, name: str) -> None:
        bucket.blob(name).download_to_filename(job.target(name))

    _each(job, fetch)


def _each(job: Job, action: Callable[[Bucket, str], None]) -> None:
    threads = job.concurrency or 16
    bucket = open_bucket(job, connections=threads)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda name: action(bucket, name), job.names):
            pass


if __name__ == "__main__":
    run({"upload": upload, "download": download})
