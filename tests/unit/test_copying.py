"""Complete assets from any store to any other."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from audiostore import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStorageManager,
    MemoryStore,
    RetryConfig,
)
from audiostore.asset.copy import copy_asset
from audiostore.audit.checking import Checker
from tests.assets import JPG, MP3, OGG, OTHER_JPG, STORES, mp3_bytes, opened

ONCE = RetryConfig(max_attempts=1)
Pair = tuple[AudioStorageManager, AudioStorageManager]


@pytest.fixture(params=[f"{a}-{b}" for a in STORES for b in STORES])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        managers = []
        for number, kind in enumerate(request.param.split("-")):
            store = stack.enter_context(opened(kind, tmp_path / str(number)))
            managers.append(AudioStorageManager(store=store, retry_config=ONCE))
        yield managers[0], managers[1]


@pytest.fixture(autouse=True)
def different_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each store its own URL: two of one kind, on different servers, would share one."""
    monkeypatch.setattr(AudioStorageManager, "url", property(lambda self: f"x://{id(self)}"))


def test_an_asset_is_copied_completely(pair: Pair, tmp_path: Path) -> None:
    source, target = pair
    audio_id = source.upload_audio_with_thumbnail(MP3, JPG, metadata={"mood": "né"}).audio_id
    source.upload_thumbnail_file(OTHER_JPG, audio_id)
    asset = source.get(audio_id)
    assert copy_asset(source.store, target.store, asset)
    copy = target.get(audio_id)
    assert asset.audio is not None
    assert copy.audio is not None
    assert copy.thumbnail is not None
    assert copy.audio.metadata["thumbnail_generation"] == str(copy.thumbnail.generation)
    for key in ("mood", "title", "duration_s", "original_filename", "crc32c"):
        assert copy.audio.metadata.get(key) == asset.audio.metadata.get(key)
    assert copy.audio.content_disposition == asset.audio.content_disposition
    assert copy.audio.cache_control == asset.audio.cache_control
    assert target.download(audio_id, tmp_path / "a").read_bytes() == MP3.read_bytes()
    cover = target.download(audio_id, tmp_path / "c", part="thumbnail")
    assert cover.read_bytes() == OTHER_JPG.read_bytes()
    assert list(Checker(target, sleep=lambda _: None).run()) == []
    assert not copy_asset(source.store, target.store, asset)  # it is already there
    assert target.get(audio_id) == copy


def test_existing_assets_are_skipped(pair: Pair) -> None:
    source, target = pair
    ids = [source.upload_audio_file(path).audio_id for path in (MP3, OGG)]
    first = list(source.bulk.copy(target, [source.get(ids[0])]))
    assert [(c.audio_id, c.error, c.skipped) for c in first] == [(ids[0], None, False)]
    copied = {c.audio_id: c for c in source.bulk.copy(target)}
    assert {key: (c.error, c.skipped) for key, c in copied.items()} == {
        ids[0]: (None, True),
        ids[1]: (None, False),
    }
    assert [a.audio_id for a in target.list()] == [a.audio_id for a in source.list()]


@pytest.mark.parametrize("pair", ["local-gcs", "gcs-local"], indirect=True)
@pytest.mark.parametrize("same_audio", [True, False])
def test_other_content_under_the_id_is_not_touched(pair: Pair, same_audio: bool) -> None:
    source, target = pair
    audio_id = source.upload_audio_with_thumbnail(MP3, JPG).audio_id
    target.upload_audio_with_thumbnail(MP3 if same_audio else OGG, OTHER_JPG, audio_id=audio_id)
    before = target.get(audio_id)
    (copied,) = source.bulk.copy(target)
    assert isinstance(copied.error, AssetConflictError)
    assert ("artwork" if same_audio else "audio") in str(copied.error)
    assert target.get(audio_id) == before


@pytest.mark.parametrize("pair", ["local-gcs", "gcs-memory", "memory-local"], indirect=True)
def test_a_killed_copy_is_finished_by_another_copy(pair: Pair) -> None:
    source, target = pair
    audio_id = source.upload_audio_with_thumbnail(MP3, JPG).audio_id
    asset = source.get(audio_id)
    copy_asset(source.store, target.store, asset)
    audio = target.get(audio_id).audio
    assert audio is not None
    target.store.delete(audio)  # as if it had been killed before the last step
    with pytest.raises(AssetNotFoundError):
        target.get(audio_id)
    assert copy_asset(source.store, target.store, asset)
    assert target.get(audio_id).thumbnail is not None
    assert len(list(target.store.list("audio/"))) == 2


@pytest.mark.parametrize("pair", ["memory-memory"], indirect=True)
def test_an_incomplete_asset_is_not_copied(pair: Pair) -> None:
    source, target = pair
    asset = source.upload_audio_with_thumbnail(MP3, JPG)
    assert asset.thumbnail is not None
    source.store.delete(asset.thumbnail)
    (copied,) = source.bulk.copy(target)
    assert isinstance(copied.error, AssetNotFoundError)
    assert list(target.store.list("")) == []


@pytest.mark.parametrize("pair", ["local-memory"], indirect=True)
def test_damaged_bytes_are_not_copied(pair: Pair, tmp_path: Path) -> None:
    source, target = pair
    result = source.upload_audio_file(MP3, artwork="none")
    assert result.audio is not None
    path = tmp_path / "0" / "store" / result.audio.name
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[5000] ^= 255
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (copied,) = source.bulk.copy(target)
    assert "wrong bytes" in str(copied.error)
    assert list(target.store.list("")) == []


def test_source_and_target_must_differ() -> None:
    manager = AudioStorageManager("file:///nowhere/at/all")
    with pytest.raises(ValueError, match="same store"):
        manager.bulk.copy(manager)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["bytes", "writes"])
def test_copying_keeps_to_a_rate(tmp_path: Path, what: str) -> None:
    sizes = 0
    with (
        AudioStorageManager(store=MemoryStore()) as source,
        AudioStorageManager(store=MemoryStore()) as target,
    ):
        for number in range(6):
            path = tmp_path / f"{number}.mp3"
            path.write_bytes(mp3_bytes(20_000))
            sizes += path.stat().st_size
            source.upload_audio_file(path, check="none")
        began_s = time.monotonic()
        if what == "bytes":
            outcomes = source.bulk.copy(target, max_rate_bytes_s=sizes / 0.3, concurrency=2)
        else:
            outcomes = source.bulk.copy(target, max_writes_per_s=6 / 0.3, concurrency=2)
        copied = list(outcomes)
        assert time.monotonic() - began_s > 0.15
        assert [c.error for c in copied] == [None] * 6
