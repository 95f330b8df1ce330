"""Managers and results in another process."""

import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from audiostore import (
    PATIENT_CONFIG,
    AudioStorageManager,
    Event,
    LocalStore,
    MemoryStore,
    StorageResult,
    Stored,
)
from tests.assets import JPG, MP3, OGG

RECEIVED: list[Event] = []


@pytest.fixture(scope="module")
def spawned() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def _upload(manager: AudioStorageManager, path: Path) -> tuple[StorageResult, list[Event]]:
    RECEIVED.clear()
    with manager:
        return manager.upload_audio_file(path), RECEIVED


@pytest.mark.slow
@pytest.mark.parametrize("opened", ["by its URL", "with a store"])
def test_a_manager_works_in_a_spawned_process(
    spawned: ProcessPoolExecutor, tmp_path: Path, opened: str
) -> None:
    if opened == "by its URL":
        manager = AudioStorageManager(tmp_path.as_uri())
    else:
        manager = AudioStorageManager(store=LocalStore(tmp_path))
    first = manager.upload_audio_with_thumbnail(MP3, JPG)
    assert spawned.submit(manager.get, first.audio_id).result() == manager.get(first.audio_id)
    manager.close()


@pytest.mark.slow
def test_events_go_to_the_listener_in_the_other_process(
    spawned: ProcessPoolExecutor, tmp_path: Path
) -> None:
    manager = AudioStorageManager(tmp_path.as_uri(), on_event=_receive)
    result, events = spawned.submit(_upload, manager, OGG).result()
    assert Stored(result.audio_id, result.audio_path or "", created=True) in events
    assert manager.get(result.audio_id).audio == result.audio
    assert RECEIVED == []


def _receive(event: Event) -> None:
    RECEIVED.append(event)


def test_a_manager_keeps_its_options(tmp_path: Path) -> None:
    manager = AudioStorageManager(tmp_path.as_uri(), retry_config=PATIENT_CONFIG, project="p")
    copy = pickle.loads(pickle.dumps(manager))
    assert copy.url == manager.url
    assert copy._arguments == manager._arguments
    assert copy._survives_fork


class OfThisProcess(MemoryStore):
    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("it holds a socket")


def test_what_cannot_be_pickled_is_named(tmp_path: Path) -> None:
    for manager, name in (
        (AudioStorageManager(store=OfThisProcess()), "store"),
        (AudioStorageManager(tmp_path.as_uri(), on_event=lambda _: None), "on_event"),
    ):
        with pytest.raises(TypeError, match=f"its {name} "):
            pickle.dumps(manager)


def test_results_can_be_pickled(tmp_path: Path) -> None:
    with AudioStorageManager(tmp_path.as_uri()) as manager:
        result = manager.upload_audio_with_thumbnail(MP3, JPG, metadata={"mood": "calm"})
        manager.delete(result.audio_id)
        [trashed] = manager.trash.list()
    for value in (result, trashed):
        assert pickle.loads(pickle.dumps(value)) == value
