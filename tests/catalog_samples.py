"""Assets for the catalog's tests: put into a store by the dozen, or made up by the thousand."""

import random
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from audiostore import MemoryStore, ObjectStore
from audiostore.asset import record
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, StorageResult

START = datetime(2026, 1, 1, tzinfo=UTC)


def audio_ids(count: int, seed: int = 1) -> list[str]:
    """Return ids, the same for the same seed."""
    numbers = random.Random(seed)
    return [str(uuid.UUID(int=numbers.getrandbits(128), version=4)) for _ in range(count)]


def put_asset(
    store: ObjectStore,
    audio_id: str,
    *,
    extension: str = ".mp3",
    data: bytes = b"audio",
    facts: Mapping[str, str] | None = None,
    custom: Mapping[str, str] | None = None,
    cover: bool = True,
    filename: str | None = None,
) -> BlobInfo:
    """Store an asset as `assets.Assets` does, whatever its bytes; return its audio object."""
    source, image = BytesSource(data), BytesSource(b"cover of " + data)
    thumbnail = None
    if cover:
        metadata = record.file_metadata(audio_id, "thumbnail", "cover.jpg", image, {})
        spec = BlobSpec(
            f"audio/{audio_id}/thumbnail.jpg",
            "image/jpeg",
            {**metadata, **record.belongs_to_audio(source)},
        )
        thumbnail = store.put(spec, image)
    name = filename or f"song{extension}"
    metadata = record.file_metadata(audio_id, "audio", name, source, custom or {}, facts=facts)
    metadata |= record.thumbnail_reference(thumbnail)
    return store.put(BlobSpec(f"audio/{audio_id}/audio{extension}", "audio/mpeg", metadata), source)


def made_up(number: int, audio_id: str) -> tuple[BlobInfo, BlobInfo]:
    """Return the objects of an asset that no store holds: the audio, and its artwork."""
    cover = BlobInfo(
        name=f"audio/{audio_id}/thumbnail.jpg",
        size_bytes=60_000,
        content_type="image/jpeg",
        crc32c="AAAAAA==",
        generation=2 * number + 1,
        metageneration=1,
        storage_class="STANDARD",
        created_at=START + timedelta(seconds=number),
        metadata={"audio_id": audio_id, "file_type": "thumbnail"},
    )
    size = 5_000_000 + number * 7919 % 1000
    audio = BlobInfo(
        name=f"audio/{audio_id}/audio.mp3",
        size_bytes=size,
        content_type="audio/mpeg",
        crc32c="BBBBBB==",
        generation=2 * number + 2,
        metageneration=1,
        storage_class="STANDARD",
        created_at=START + timedelta(seconds=number),
        metadata={
            "audio_id": audio_id,
            "file_type": "audio",
            "file_size": str(size),
            "crc32c": "BBBBBB==",
            "original_filename": f"track {number}.mp3",
            "duration_s": f"{number % 600}.500",
            "title": f"Title {number}",
            **record.thumbnail_reference(cover),
        },
    )
    return audio, cover


def made_up_store(count: int) -> MemoryStore:
    """Return a store that lists assets which it makes up as it goes: it holds nothing."""
    store = MemoryStore()

    def list_(prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        step = (1 << 128) // count
        begun = max(prefix, start_after)[len("audio/") :][:36].replace("-", "")
        digits = re.match("[0-9a-f]*", begun)[0]  # type: ignore[index]
        first = digits.ljust(32, "0" if digits == begun else "f")
        number = max(0, int(first, 16) // step - 1)
        while number < count:
            audio_id = str(uuid.UUID(int=number * step))
            for blob in made_up(number, audio_id):
                if blob.name.startswith(prefix) and blob.name > start_after:
                    yield blob
            if f"audio/{audio_id}" > f"{prefix}\U0010ffff":
                return
            number += 1

    store.list = list_  # type: ignore[method-assign]
    return store


def result(audio: BlobInfo, thumbnail: BlobInfo | None) -> StorageResult:
    """Return what the catalog yields of an asset."""
    return StorageResult(
        audio.name.split("/")[1],
        audio,
        thumbnail,
        f"memory://memory/{audio.name}",
        f"memory://memory/{thumbnail.name}" if thumbnail else None,
        created=False,
    )
