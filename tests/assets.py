"""Small files to store, and the three stores to put them in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiostore import LocalStore, MemoryStore, ObjectStore
from audiostore.stores.gcs.store import GcsStore
from tests.gcs_server import StrictServer

EXAMPLES = Path(__file__).parent.parent / "examples"
MP3 = EXAMPLES / "morning-in-c.mp3"
JPG = EXAMPLES / "morning-in-c.jpg"
OGG = EXAMPLES / "harbour-lights.ogg"
OTHER_JPG = EXAMPLES / "harbour-lights.jpg"
PNG = EXAMPLES / "Lied für Ümläute.png"

BUCKET = "bucket"
STORES = ("memory", "local", "gcs")


@contextmanager
def opened(kind: str, directory: Path) -> Iterator[ObjectStore]:
    """Open an empty store of a kind."""
    if kind == "memory":
        yield MemoryStore()
    elif kind == "local":
        yield LocalStore(directory / "store")
    else:
        with StrictServer(BUCKET) as server:
            store = GcsStore(BUCKET, emulator=server.url)
            yield store
            store.close()


def mp3_bytes(size: int) -> bytes:
    """Return bytes that begin as an MP3 file does."""
    return (b"\xff\xfb\x90\x64" + os.urandom(max(0, size - 4)))[:size]
