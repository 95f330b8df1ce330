"""Reading a stored part as a file, and signed URLs."""

import io
import random
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import google.oauth2.service_account
import pytest

from audiostore import (
    AssetNotFoundError,
    AudioStorageManager,
    BlobNotFoundError,
    IntegrityError,
    MemoryStore,
    RetryConfig,
)
from audiostore.asset.serving import MAX_EXPIRES_S, SignedUrls, check_expires_s, open_blob
from audiostore.errors import UnsupportedByStoreError
from audiostore.sources import BytesSource
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.protocol import BlobReader, BlobSpec
from audiostore.values import BlobInfo
from tests.assets import JPG, MP3, OTHER_JPG, PNG, STORES, Store, mp3_bytes, opened
from tests.gcs_server import StrictServer

ONCE = RetryConfig(max_attempts=1)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        yield store


@pytest.fixture
def manager(store: Store) -> AudioStorageManager:
    return AudioStorageManager(store=store, retry_config=ONCE)


def test_a_part_is_read_as_a_file(manager: AudioStorageManager) -> None:
    audio_id = manager.upload_audio_with_thumbnail(MP3, JPG).audio_id
    with manager.open(audio_id) as file:
        assert file.read() == MP3.read_bytes()
        assert file.read() == b""
    with manager.open(audio_id, part="thumbnail") as file:
        assert file.read(10) == JPG.read_bytes()[:10]


def test_any_way_of_reading_gives_what_the_file_has(store: Store) -> None:
    data = mp3_bytes(3_000_000)
    blob = store.put(BlobSpec("audio/x", "audio/mpeg"), BytesSource(data))
    dice, expected = random.Random(5), io.BytesIO(data)
    with open_blob(store, blob) as file:
        assert file.seekable()
        for _ in range(150):
            if dice.random() < 0.4:
                offset, whence = dice.choice(
                    [
                        (dice.randrange(len(data) + 1000), io.SEEK_SET),
                        (-dice.randrange(len(data)), io.SEEK_END),
                    ]
                )
                assert file.seek(offset, whence) == expected.seek(offset, whence)
            size = dice.choice([1, 100, 70_000, 700_000])
            assert file.read(size) == expected.read(size)
            assert file.tell() == expected.tell()
        with pytest.raises(ValueError, match="before the beginning"):
            file.seek(-1)
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_a_file_stays_with_the_generation_that_it_found(manager: AudioStorageManager) -> None:
    audio_id = manager.upload_audio_with_thumbnail(MP3, JPG).audio_id
    with manager.open(audio_id) as file:
        manager.delete(audio_id)
        with pytest.raises(BlobNotFoundError):
            file.read()


def test_a_part_that_is_not_there_cannot_be_opened(manager: AudioStorageManager) -> None:
    audio_id = manager.upload_audio_file(MP3, artwork="none").audio_id
    with pytest.raises(AssetNotFoundError, match="no thumbnail"):
        manager.open(audio_id, part="thumbnail")


class _Counting(MemoryStore):
    """Counts the ranges that are asked for."""

    ranges: list[tuple[int, int | None]] = []  # noqa: RUF012
    damage = False

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        self.ranges.append((start, stop))
        data = super().open(blob, start=start, stop=stop).read(-1)
        return io.BytesIO(bytes(len(data)) if self.damage else data)


def test_reading_front_to_back_takes_few_requests_and_a_look_only_a_little() -> None:
    store = _Counting()
    blob = store.put(BlobSpec("a/x", "audio/mpeg"), BytesSource(bytes(20_000_000)))
    store.ranges.clear()
    with open_blob(store, blob) as file:
        file.read(100)
        assert sum((stop or 0) - start for start, stop in store.ranges) <= 300_000
        while file.read(100_000):
            pass
    assert len(store.ranges) <= 8


def test_damage_is_noticed_at_the_end_of_a_whole_reading() -> None:
    store = _Counting()
    blob = store.put(BlobSpec("a/x", "audio/mpeg"), BytesSource(b"abc" * 1000))
    store.damage = True
    with open_blob(store, blob) as file, pytest.raises(IntegrityError, match="wrong bytes"):
        file.read()


def test_a_url_is_reused_for_the_same_generation_until_a_tenth_of_its_life_is_left() -> None:
    now = [1000.0]
    urls = SignedUrls(clock=lambda: now[0])
    store = MemoryStore()
    blob = store.put(BlobSpec("a/x", "audio/mpeg"), BytesSource(b"abc"))
    made: list[str] = []

    def sign() -> str:
        made.append(f"url{len(made)}")
        return made[-1]

    assert urls.get(blob, 100, None, sign) == urls.get(blob, 100, None, sign) == "url0"
    now[0] += 89.9
    assert urls.get(blob, 100, None, sign) == "url0"
    now[0] += 0.2
    assert urls.get(blob, 100, None, sign) == "url1"
    assert urls.get(blob, 100, "x.mp3", sign) == "url2"
    assert urls.get(blob, 200, None, sign) == "url3"
    newer = replace(blob, generation=blob.generation + 1)
    assert urls.get(newer, 100, None, sign) == "url4"


@pytest.fixture
def two_managers() -> Iterator[tuple[AudioStorageManager, AudioStorageManager]]:
    """Two managers on one bucket, as two processes have them."""
    with StrictServer("bucket") as server, ExitStack() as stack:
        account = server.service_account("robot@project.iam.gserviceaccount.com")
        credentials = google.oauth2.service_account.Credentials.from_service_account_info(
            account.key_file(f"{server.url}/token")
        )
        managers = [
            stack.enter_context(
                AudioStorageManager(
                    store=GcsStore(
                        "bucket", emulator=server.url, credentials=credentials, now=server.now
                    )
                )
            )
            for _ in range(2)
        ]
        yield managers[0], managers[1]


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        data: bytes = response.read()
        return data


def test_a_url_leads_to_artwork_that_another_manager_replaced(
    two_managers: tuple[AudioStorageManager, AudioStorageManager],
) -> None:
    ours, other = two_managers
    audio_id = ours.upload_audio_with_thumbnail(MP3, JPG).audio_id
    first = ours.signed_url(audio_id, part="thumbnail")
    assert _fetched(first) == JPG.read_bytes()
    assert ours.signed_url(audio_id, part="thumbnail") == first
    for cover in (OTHER_JPG, PNG):  # of the same name, then of another
        other.upload_thumbnail_file(cover, audio_id)
        assert _fetched(ours.signed_url(audio_id, part="thumbnail")) == cover.read_bytes()


def test_a_url_leads_to_audio_that_another_manager_moved_to_another_class(
    two_managers: tuple[AudioStorageManager, AudioStorageManager],
) -> None:
    ours, other = two_managers
    audio_id = ours.upload_audio_file(MP3).audio_id
    ours.signed_url(audio_id)
    other.set_class(audio_id, "NEARLINE")
    assert _fetched(ours.signed_url(audio_id)) == MP3.read_bytes()


def test_no_url_is_returned_for_what_another_manager_deleted(
    two_managers: tuple[AudioStorageManager, AudioStorageManager],
) -> None:
    ours, other = two_managers
    audio_id = ours.upload_audio_with_thumbnail(MP3, JPG).audio_id
    ours.signed_url(audio_id)
    other.delete(audio_id)
    with pytest.raises(AssetNotFoundError):
        ours.signed_url(audio_id)


@pytest.mark.parametrize("expires_s", [0, -1, MAX_EXPIRES_S + 1, 1.5, True, "60"])
def test_a_life_beyond_seven_days_or_none_is_refused(expires_s: object) -> None:
    with pytest.raises(ValueError, match="seven days"):
        check_expires_s(expires_s)
    assert check_expires_s(MAX_EXPIRES_S) == MAX_EXPIRES_S


def test_a_store_without_urls_says_so(tmp_path: Path) -> None:
    with opened("local", tmp_path) as store:
        manager = AudioStorageManager(store=store)
        audio_id = manager.upload_audio_file(MP3).audio_id
        with pytest.raises(UnsupportedByStoreError, match="URL"):
            manager.signed_url(audio_id)
