"""Small files to store, and the three stores to put them in."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

from audiostore import LocalStore, MemoryStore, testing
from audiostore.stores import ObjectStore, SupportsSettings, SupportsSoftDelete
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
SOFT_DELETE = {"softDeletePolicy": {"retentionDurationSeconds": 604800}}
"""As a bucket has it unless it says otherwise: seven days."""


class Store(ObjectStore, SupportsSoftDelete, SupportsSettings, Protocol):
    """A store that can do what all three can."""


@contextmanager
def opened(kind: str, directory: Path) -> Iterator[Store]:
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


@cache
def tone(seconds: float = 1.0, *, hz: float = 440.0, title: str | None = None) -> bytes:
    """Return a WAV file of `audiostore.testing`, made once: each second takes 40 ms."""
    return testing.tone(seconds, hz=hz, title=title)


def mp3_bytes(size: int) -> bytes:
    """Return the frames of an MP3 file (MPEG-1 layer III, 128 kbit/s, 44.1 kHz) full of noise."""
    frames = b"".join(b"\xff\xfb\x90\x64" + os.urandom(413) for _ in range(size // 417))
    return frames + bytes(size - len(frames))


def repeated_mp3(times: int) -> bytes:
    """Return the sound of `MP3` as often as this, in frames that nothing counts."""
    data = MP3.read_bytes()
    info = data.index(b"Info")
    return data[data.index(b"\xff\xfb", info) :] * times


def make_silence(path: Path, size: int) -> None:
    """Make a WAV file of `size` bytes (below 4 GiB) that takes next to no room on the disk."""
    samples = size - 44
    with path.open("wb") as file:
        file.write(
            struct.pack(
                "<4sI8sIHHIIHH", b"RIFF", size - 8, b"WAVEfmt ", 16, 1, 2, 44100, 176400, 4, 16
            )
        )
        file.write(struct.pack("<4sI", b"data", samples))
        file.truncate(size)
