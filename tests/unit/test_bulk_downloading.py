"""Bulk downloads: verified files, nothing twice, nothing outside the folder."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audiostore import (
    AssetNotFoundError,
    AudioStorageManager,
    BlobInfo,
    IntegrityError,
    InvalidAudioIdError,
    MemoryStore,
    StorageResult,
)
from audiostore.bulk.items import DownloadOutcome
from audiostore.stores.protocol import BlobReader
from tests.assets import JPG, mp3_bytes
from tests.timing import PATIENCE_S

MISSING = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


class Watched(MemoryStore):
    """Counts requests."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.lists = 0

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        self.lists += 1
        return super().list(prefix, start_after=start_after)

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        self.opened.append(blob.name)
        return super().open(blob, start=start, stop=stop)


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def manager(store: Watched) -> Iterator[AudioStorageManager]:
    with AudioStorageManager(store=store) as manager:
        yield manager


@pytest.fixture
def songs(manager: AudioStorageManager, tmp_path: Path) -> dict[str, bytes]:
    """The bytes of some assets by id; each with the same cover."""
    path = tmp_path / "song.mp3"
    made = {}
    for number in range(12):
        path.write_bytes(mp3_bytes(2000 + number))
        result = manager.upload_audio_with_thumbnail(path, JPG, check="none")
        made[result.audio_id] = path.read_bytes()
    return made


def download(
    manager: AudioStorageManager, *args: object, **options: object
) -> list[DownloadOutcome]:
    outcomes = manager.bulk.download(*args, in_order=True, **options)  # type: ignore[arg-type]
    return list(outcomes)


def test_every_asset_is_downloaded_completely(
    manager: AudioStorageManager, songs: dict[str, bytes], tmp_path: Path
) -> None:
    outcomes = download(manager, songs, tmp_path / "new" / "folder")
    assert [outcome.audio_id for outcome in outcomes] == list(songs)
    for outcome in outcomes:
        assert outcome.path == tmp_path / "new" / "folder" / f"{outcome.audio_id}.mp3"
        assert outcome.path.read_bytes() == songs[outcome.audio_id]
        assert outcome.size_bytes == len(songs[outcome.audio_id])
        assert (outcome.error, outcome.skipped) == (None, False)


def test_each_asset_is_looked_up_once(
    manager: AudioStorageManager, store: Watched, songs: dict[str, bytes], tmp_path: Path
) -> None:
    store.lists = 0
    download(manager, songs, tmp_path)
    assert store.lists == len(songs)


def test_assets_that_were_listed_are_not_looked_up_again(
    manager: AudioStorageManager, store: Watched, songs: dict[str, bytes], tmp_path: Path
) -> None:
    assets = list(manager.list())
    store.lists = 0
    outcomes = download(manager, assets, tmp_path)
    assert store.lists == 0
    assert [outcome.audio_id for outcome in outcomes] == [asset.audio_id for asset in assets]
    assert not any(outcome.error for outcome in outcomes)


def test_artwork_can_be_downloaded_instead(
    manager: AudioStorageManager, songs: dict[str, bytes], tmp_path: Path
) -> None:
    outcomes = download(manager, songs, tmp_path / "covers", part="thumbnail")
    assert {o.path.read_bytes() for o in outcomes if o.path} == {JPG.read_bytes()}
    assert {o.path.suffix for o in outcomes if o.path} == {".jpg"}


def test_a_correct_file_is_not_downloaded_again(
    manager: AudioStorageManager, store: Watched, songs: dict[str, bytes], tmp_path: Path
) -> None:
    first = download(manager, songs, tmp_path / "out")
    wrong, short = (outcome.path for outcome in first[:2])
    assert wrong is not None
    assert short is not None
    wrong.write_bytes(b"x" + wrong.read_bytes()[1:])
    short.write_bytes(short.read_bytes()[:-1])
    store.opened.clear()
    for outcome in download(manager, songs, tmp_path / "out")[:2]:
        assert isinstance(outcome.error, FileExistsError)
        assert "was not changed" in str(outcome.error)
    assert store.opened == []
    second = download(manager, songs, tmp_path / "out", overwrite=True)
    assert [outcome.skipped for outcome in second] == [False] * 2 + [True] * 10
    assert len(store.opened) == 2
    for outcome in second:
        assert outcome.path is not None
        assert outcome.path.read_bytes() == songs[outcome.audio_id]


def test_a_missing_or_invalid_id_is_one_failure(
    manager: AudioStorageManager, songs: dict[str, bytes], tmp_path: Path
) -> None:
    outcomes = download(manager, [MISSING, *songs, "no id"], tmp_path / "out")
    assert isinstance(outcomes[0].error, AssetNotFoundError)
    assert isinstance(outcomes[-1].error, InvalidAudioIdError)
    assert outcomes[0].path is None
    assert not any(outcome.error for outcome in outcomes[1:-1])


def test_wrong_bytes_leave_no_file(
    manager: AudioStorageManager, store: Watched, songs: dict[str, bytes], tmp_path: Path
) -> None:
    (name,) = [n for n in store._blobs if n.startswith(f"audio/{next(iter(songs))}/audio")]
    object.__setattr__(store._blobs[name], "data", b"damaged")
    outcomes = download(manager, songs, tmp_path / "out")
    assert isinstance(outcomes[0].error, IntegrityError)
    assert len(list((tmp_path / "out").iterdir())) == len(songs) - 1


def test_the_caller_may_choose_the_names(
    manager: AudioStorageManager, songs: dict[str, bytes], tmp_path: Path
) -> None:
    def name(asset: StorageResult) -> str:
        return f"{asset.audio_id[:2]}/{asset.audio_id}.song"

    (tmp_path / "folder").mkdir()
    for outcome in download(manager, songs, tmp_path / "folder" / ".." / "out", names=name):
        assert outcome.path is not None
        outcome = replace(outcome, path=outcome.path.resolve())
        assert outcome.path == tmp_path / "out" / outcome.audio_id[:2] / f"{outcome.audio_id}.song"
        assert outcome.path.exists()


@pytest.mark.parametrize("name", ["../outside.mp3", "/tmp/outside.mp3", ".", "a/../../b"])
def test_no_file_is_written_outside_the_folder(
    manager: AudioStorageManager, songs: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    outcomes = download(manager, songs, tmp_path / "out", names=lambda _: name)
    assert all("lies outside" in str(outcome.error) for outcome in outcomes)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_directory_of_the_same_name_is_a_failure(
    manager: AudioStorageManager, songs: dict[str, bytes], tmp_path: Path
) -> None:
    first = next(iter(songs))
    (tmp_path / "out" / f"{first}.mp3").mkdir(parents=True)
    outcomes = download(manager, songs, tmp_path / "out")
    assert "is a directory" in str(outcomes[0].error)
    assert not any(outcome.error for outcome in outcomes[1:])


def test_invalid_options_are_refused(manager: AudioStorageManager, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part is 'both'"):
        manager.bulk.download([], tmp_path / "out", part="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="concurrency is 0"):
        manager.bulk.download([], tmp_path / "out", concurrency=0)
    assert not (tmp_path / "out").exists()


def test_ids_that_need_names_are_looked_up_at_once(
    manager: AudioStorageManager, store: Watched, songs: dict[str, bytes], tmp_path: Path
) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)
    waiting = iter(range(2))

    def list_together(prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        if next(waiting, None) is not None:
            both.wait()  # breaks, if the second lookup waits for the first
        return MemoryStore.list(store, prefix, start_after=start_after)

    store.list = list_together  # type: ignore[method-assign]
    outcomes = download(manager, songs, tmp_path / "out", names=lambda a: f"{a.audio_id}.song")
    assert [outcome.error for outcome in outcomes] == [None] * len(songs)
