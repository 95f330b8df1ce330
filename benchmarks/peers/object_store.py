"""obstore, with threads: its asynchronous calls have aborted the process."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
from obstore.store import GCSStore

from benchmarks.peers.job import Job, content_type, run

_PART_BYTES = 16 << 20
_PARTS = 8


def _store(job: Job) -> GCSStore:
    return GCSStore(
        job.bucket,
        base_url=job.endpoint,
        bearer_token="none",  # without a token it asks the metadata server of a cloud
        client_options={"root_certificate": Path(job.ca_bundle).read_bytes()},
    )


def upload(job: Job) -> None:
    """Store each file with one PUT."""
    store = _store(job)

    def put(name: str) -> None:
        obstore.put(
            store,
            name,
            job.path(name),
            attributes={"Content-Type": content_type(name)},
            use_multipart=False,
        )

    with ThreadPoolExecutor(job.concurrency or 16) as pool:
        list(pool.map(put, job.names))


def upload_large(job: Job) -> None:
    """Store each file in parts, obstore's default."""
    store = _store(job)
    for name in job.names:
        obstore.put(
            store,
            name,
            job.path(name),
            attributes={"Content-Type": content_type(name)},
            chunk_size=_PART_BYTES,
            max_concurrency=_PARTS,
        )


def download(job: Job) -> None:
    """Fetch each object as a stream; obstore compares no checksum."""
    store = _store(job)

    def get(name: str) -> None:
        with job.target(name).open("wb") as file:
            for piece in obstore.get(store, name).stream(min_chunk_size=1 << 20):
                file.write(piece)

    with ThreadPoolExecutor(job.concurrency or 16) as pool:
        list(pool.map(get, job.names))


if __name__ == "__main__":
    run({"upload": upload, "upload-large": upload_large, "download": download})
