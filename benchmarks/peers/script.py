"""Store a track and its cover as a careful script on google-cloud-storage does, then remove both.

    python -m benchmarks.peers.script ENDPOINT BUCKET AUDIO_ID AUDIO COVER

The cover goes first; nothing is overwritten, which also lets the client retry; the client sends
checksums. An object that is there already, with the same checksum, is taken for an earlier run's.
"""

import base64
import sys
from pathlib import Path

import google_crc32c
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Bucket, Client

from benchmarks.peers.job import content_type


def main(endpoint: str, bucket_name: str, audio_id: str, *files: str) -> None:
    """Store both files, then delete them."""
    client = Client(
        project="bench",
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=endpoint),
    )
    bucket = client.bucket(bucket_name)
    audio, cover = map(Path, files)
    for path in (cover, audio):
        _store(bucket, f"audio/{audio_id}/{path.name}", path)
    for path in (cover, audio):
        path.unlink()


def _store(bucket: Bucket, name: str, path: Path) -> None:
    blob = bucket.blob(name)
    try:
        blob.upload_from_filename(
            path, content_type=content_type(name), if_generation_match=0, checksum="crc32c"
        )
    except PreconditionFailed:
        blob.reload()
        ours = google_crc32c.value(path.read_bytes()).to_bytes(4, "big")
        if blob.crc32c != base64.b64encode(ours).decode():
            raise


if __name__ == "__main__":
    main(*sys.argv[1:])
