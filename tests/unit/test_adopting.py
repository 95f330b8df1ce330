"""Assets from objects that a bucket holds already: by ranges, and by copies within the service."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from audiostore import (
    AssetConflictError,
    AudioStorageManager,
    GcsStore,
    InvalidSourceError,
    LocalStore,
    RetryConfig,
    SourceChangedError,
    StorageResult,
    StoredSource,
    UnsupportedFormatError,
    UploadOptions,
)
from audiostore.ingest import StoredFile
from audiostore.stores import RetryingStore
from audiostore.values import AUDIO_DATA_KEYS, REFERENCE_KEYS
from tests.assets import EXAMPLES, JPG, MP3, PNG
from tests.gcs_server import StrictServer, faults

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
OTHER_ID = "00000000-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
FLAC = next(EXAMPLES.glob("*.flac"))
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StrictServer]:
    with StrictServer("old", "new", directory=tmp_path) as server:
        server.put("old", "a/song.mp3", MP3.read_bytes(), metadata={"token": "secret"})
        server.put("old", "a/song.flac", FLAC.read_bytes(), storageClass="COLDLINE")
        server.put("old", "a/cover.jpg", JPG.read_bytes(), customTime="2020-01-01T00:00:00Z")
        yield server


@pytest.fixture
def old(server: StrictServer) -> Iterator[RetryingStore]:
    retries = RetryConfig(max_attempts=3)
    with closing(GcsStore("old", prefix="a", emulator=server.url)) as store:
        yield RetryingStore(store, retries, sleep=lambda _: None)


@pytest.fixture
def manager(server: StrictServer) -> Iterator[AudioStorageManager]:
    with AudioStorageManager(store=GcsStore("new", emulator=server.url)) as manager:
        yield manager


def stored(old: RetryingStore, name: str) -> StoredFile:
    return StoredFile(StoredSource(old, old.stat(name)))


def own(result: StorageResult) -> tuple[dict[str, str], dict[str, str]]:
    assert result.audio is not None
    assert result.thumbnail is not None
    left_out = {"audio_id", "original_filename", *AUDIO_DATA_KEYS, *REFERENCE_KEYS}
    audio, thumbnail = (
        {key: value for key, value in blob.metadata.items() if key not in left_out}
        for blob in (result.audio, result.thumbnail)
    )
    return audio, thumbnail


def test_an_adopted_asset_is_as_an_uploaded_one_but_for_the_checksum_of_its_audio_data(
    server: StrictServer, old: RetryingStore, manager: AudioStorageManager, tmp_path: Path
) -> None:
    audio, cover = stored(old, "song.mp3"), stored(old, "cover.jpg")
    before = len(server.requests)
    adopted = manager._uploads.adopt(
        ID, audio, cover, UploadOptions(metadata={"genre": "Blues"}), id_is_new=True
    )
    made = Counter(each.operation for each in server.requests[before:])
    assert made == {"download": 2, "rewrite": 2}
    uploaded = manager.upload_audio_with_thumbnail(MP3, JPG, metadata={"genre": "Blues"})
    assert own(adopted) == own(uploaded)
    assert (adopted.created, adopted.original_filename) == (True, "song.mp3")
    assert adopted.audio_data_crc32c is None
    assert uploaded.audio_data_crc32c is not None
    assert adopted.audio is not None
    assert uploaded.audio is not None
    assert adopted.audio.cache_control == uploaded.audio.cache_control
    assert adopted.thumbnail is not None
    assert adopted.thumbnail.custom_time is None
    assert list(manager.audit.check(deep=True)) == []
    assert [each.metageneration for each in server.objects("old")] == [1, 1, 1]


def test_what_is_adopted_already_is_found_again_and_nothing_is_written(
    server: StrictServer, old: RetryingStore, manager: AudioStorageManager
) -> None:
    audio, cover = stored(old, "song.mp3"), stored(old, "cover.jpg")
    first = manager._uploads.adopt(ID, audio, cover, id_is_new=True)
    for is_new in (True, False):
        again = manager._uploads.adopt(ID, audio, cover, id_is_new=is_new)
        assert (again.audio, again.created) == (first.audio, False)
    with pytest.raises(AssetConflictError):
        manager._uploads.adopt(ID, stored(old, "song.flac"), cover, id_is_new=False)
    assert len(server.objects("new")) == 2


def test_the_cover_of_an_album_is_read_once(
    server: StrictServer, old: RetryingStore, manager: AudioStorageManager
) -> None:
    audio, cover = stored(old, "song.mp3"), stored(old, "cover.jpg")
    before = len(server.requests)
    for audio_id in (ID, OTHER_ID):
        adopted = manager._uploads.adopt(audio_id, audio, cover, id_is_new=True)
        assert adopted.thumbnail is not None
        assert adopted.thumbnail.crc32c == cover.source.crc32c
    made = Counter(each.operation for each in server.requests[before:])
    assert made == {"download": 3, "rewrite": 4}
    server.put("old", "a/cover.jpg", PNG.read_bytes())
    with pytest.raises(UnsupportedFormatError):
        manager._uploads.adopt(ID, audio, stored(old, "cover.jpg"), id_is_new=False)


def test_class_and_key_are_set_or_kept_for_all_objects(
    server: StrictServer, old: RetryingStore, manager: AudioStorageManager
) -> None:
    flac = stored(old, "song.flac")
    kept = replace(flac, storage_class=flac.source.blob.storage_class, kms_key=KEY)
    result = manager._uploads.adopt(ID, kept, id_is_new=True)
    assert result.thumbnail is not None  # from inside the audio file
    assert result.thumbnail.metadata["embedded"] == "true"
    for blob in (manager.get(ID).audio, result.thumbnail):
        assert blob is not None
        assert (blob.storage_class, blob.kms_key) == ("COLDLINE", KEY)
    cover = replace(stored(old, "cover.jpg"), kms_key=KEY)
    small = UploadOptions(thumbnail_max_px=50)
    other = manager._uploads.adopt(OTHER_ID, flac, cover, small, id_is_new=True)
    assert other.thumbnail is not None
    assert other.thumbnail.size_bytes < cover.source.size_bytes
    assert other.thumbnail.kms_key == KEY
    assert "embedded" not in other.thumbnail.metadata


def test_an_object_that_was_replaced_is_refused_and_nothing_is_stored(
    server: StrictServer, old: RetryingStore, manager: AudioStorageManager
) -> None:
    audio, cover = stored(old, "song.mp3"), stored(old, "cover.jpg")
    server.put("old", "a/song.mp3", FLAC.read_bytes())
    with pytest.raises(SourceChangedError, match="replaced or deleted"):
        manager._uploads.adopt(ID, audio, cover, id_is_new=True)
    assert server.objects("new") == []


def test_what_takes_all_bytes_is_refused(
    server: StrictServer, old: RetryingStore, manager: AudioStorageManager
) -> None:
    audio = stored(old, "song.mp3")
    server.put("old", "a/empty.mp3", b"")
    for wrong in (UploadOptions(check="full"), UploadOptions(faststart=True)):
        with pytest.raises(ValueError, match="all bytes"):
            manager._uploads.adopt(ID, audio, options=wrong, id_is_new=True)
    with pytest.raises(ValueError, match="local files"):
        manager._uploads.adopt(ID, audio, options=UploadOptions(cleanup=True), id_is_new=True)
    with pytest.raises(InvalidSourceError, match="empty"):
        manager._uploads.adopt(ID, stored(old, "empty.mp3"), id_is_new=True)
    small = UploadOptions(max_size_bytes=1000)
    with pytest.raises(InvalidSourceError, match="limit"):
        manager._uploads.adopt(ID, audio, options=small, id_is_new=True)
    assert server.objects("new") == []


def test_a_store_of_another_service_reads_the_bytes(
    server: StrictServer, old: RetryingStore, tmp_path: Path
) -> None:
    server.fault(faults.download, faults.reset(), times=1)
    with AudioStorageManager(store=LocalStore(tmp_path / "store")) as manager:
        result = manager._uploads.adopt(
            ID, stored(old, "song.mp3"), stored(old, "cover.jpg"), id_is_new=True
        )
        assert result.audio is not None
        assert manager.open(ID).read() == MP3.read_bytes()
        assert list(manager.audit.check(deep=True)) == []
