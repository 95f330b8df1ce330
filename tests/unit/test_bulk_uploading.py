"""Bulk uploads: one outcome each, nothing twice, nothing lost, whatever the files are."""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AudioStorageManager,
    AudioStoreError,
    InvalidAudioIdError,
    InvalidMetadataError,
    InvalidSourceError,
    LocalStore,
    MemoryStore,
    SourceChangedError,
    SourceNotFoundError,
    UnplayableAudioError,
    UnsupportedFormatError,
)
from audiostore.bulk.decisions import Decider, DecisionOptions
from audiostore.bulk.executors import InputReader
from audiostore.bulk.items import BulkItem, UploadOutcome
from audiostore.bulk.journal import Journal, UnjournaledRun
from audiostore.bulk.sources.folders import find_items
from audiostore.bulk.storeview import StoreView
from audiostore.bulk.uploads import _DecidedItems
from audiostore.sources import Source
from audiostore.stores.protocol import BlobSpec, TransferListener
from audiostore.values import BlobInfo
from tests.assets import JPG, OTHER_JPG, mp3_bytes
from tests.audio_samples import IMPOSTORS, sample
from tests.faults.test_forged import forged
from tests.timing import PATIENCE_S

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


class Watched(MemoryStore):
    """Counts requests, and can be made to fail or to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[str] = []
        self.lists = 0
        self.error: Exception | None = None
        self.fail_after = False
        self.go = threading.Event()
        self.go.set()

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        self.puts.append(spec.name)
        self.go.wait(PATIENCE_S)
        error, self.error = self.error, None
        if error is not None and not self.fail_after:
            raise error
        blob = super().put(
            spec, source, if_generation_match=if_generation_match, on_transfer=on_transfer
        )
        if error is not None:
            raise error
        return blob

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        self.lists += 1
        return super().list(prefix, start_after=start_after)


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def manager(store: Watched) -> Iterator[AudioStorageManager]:
    with AudioStorageManager(store=store) as manager:
        yield manager


@pytest.fixture
def songs(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "songs"
    folder.mkdir()
    made = [folder / f"{number:03}.mp3" for number in range(20)]
    for path in made:
        path.write_bytes(mp3_bytes(2000))
    return made


def upload(
    manager: AudioStorageManager, items: Iterable[Path | BulkItem], **options: Any
) -> list[UploadOutcome]:
    """Upload all items and return the outcomes in the order of the items."""
    given = (item if isinstance(item, BulkItem) else BulkItem(item) for item in items)
    outcomes = manager.bulk.upload(given, **{"check": "none", **options})
    return sorted(outcomes, key=lambda outcome: outcome.index)


def audio_of(manager: AudioStorageManager) -> list[str]:
    return sorted(str(asset.audio.crc32c) for asset in manager.list() if asset.audio)


def ids_of(outcomes: Sequence[UploadOutcome]) -> list[str | None]:
    return [outcome.audio_id for outcome in outcomes]


def test_each_item_has_one_outcome_with_the_stored_asset(
    manager: AudioStorageManager, songs: list[Path]
) -> None:
    items = [BulkItem(song, JPG, metadata={"n": song.stem}) for song in songs]
    outcomes = upload(manager, items)
    assert [outcome.item for outcome in outcomes] == items
    for outcome in outcomes:
        assert outcome.error is None
        assert outcome.result is not None
        assert outcome.audio_id is not None
        asset = manager.get(outcome.audio_id)
        assert asset.audio == outcome.result.audio
        assert asset.thumbnail is not None
        assert asset.audio is not None
        assert asset.audio.metadata["n"] == outcome.item.audio.stem
    assert len(set(ids_of(outcomes))) == len(songs)


def test_a_new_id_is_not_looked_up_in_the_store(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    upload(manager, songs)
    upload(manager, songs, journal=tmp_path / "journal")
    assert store.lists == 0


def test_without_a_journal_nothing_is_recorded(
    manager: AudioStorageManager, songs: list[Path]
) -> None:
    first, second = upload(manager, songs), upload(manager, songs)
    assert not set(ids_of(first)) & set(ids_of(second))


def test_a_second_run_stores_nothing_and_reports_the_ids(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    first = upload(manager, songs, journal=tmp_path / "journal")
    puts = len(store.puts)
    second = upload(manager, songs, journal=tmp_path / "journal", in_order=True)
    assert ids_of(second) == ids_of(first)
    assert all(o.done_before and o.error is None and o.result is None for o in second)
    assert len(store.puts) == puts


def test_an_item_given_twice_is_stored_once(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    outcomes = upload(manager, songs * 3, journal=tmp_path / "journal")
    assert len(outcomes) == 60
    assert all(outcome.error is None for outcome in outcomes)
    assert ids_of(outcomes[:20]) == ids_of(outcomes[20:40]) == ids_of(outcomes[40:])
    assert len(audio_of(manager)) == 20


def test_a_changed_file_is_stored_as_another_asset(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    first = upload(manager, songs, journal=tmp_path / "journal")
    songs[3].write_bytes(mp3_bytes(3000))
    second = upload(manager, songs, journal=tmp_path / "journal")
    changed = [a.index for a, b in zip(first, second, strict=True) if a.audio_id != b.audio_id]
    assert changed == [3]
    assert len(audio_of(manager)) == 21


def test_failed_items_are_listed_until_they_are_stored(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    store.error = ValueError("the store says no")
    first = upload(manager, songs, journal=tmp_path / "journal")
    (failed,) = [outcome for outcome in first if outcome.error]
    with Journal(tmp_path / "journal") as journal:
        (run,) = journal.runs()
        (failure,) = journal.failures(run.run)
    assert (failure.audio, failure.audio_id) == (failed.item.audio, failed.audio_id)
    assert failure.error.startswith("ValueError: the store says no")
    second = upload(manager, songs, journal=tmp_path / "journal")
    assert sum(outcome.done_before for outcome in second) == 19
    assert ids_of(first) == ids_of(second)


def test_an_asset_stored_despite_an_error_is_found_under_its_id(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    store.error, store.fail_after = ValueError("killed behind the last byte"), True
    upload(manager, songs[:1], journal=tmp_path / "journal")
    (again,) = upload(manager, songs[:1], journal=tmp_path / "journal")
    assert again.result is not None
    assert not again.result.created
    assert len(audio_of(manager)) == 1


def test_two_runs_sharing_a_journal_store_each_item_once(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    outcomes: list[list[UploadOutcome]] = [[], []]

    def work(number: int) -> None:
        outcomes[number] = upload(
            manager, songs if number else songs[::-1], journal=tmp_path / "journal"
        )

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(audio_of(manager)) == len(store.puts) == 20
    assert all(o.error is None for each in outcomes for o in each)
    assert ids_of(outcomes[0]) == ids_of(outcomes[1][::-1])


def test_a_file_that_changes_before_its_turn_is_not_stored(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    store.go.clear()
    outcomes = manager.bulk.upload(
        map(BulkItem, songs),
        journal=tmp_path / "journal",
        check="none",
        concurrency=1,
        in_order=True,
    )
    helper = threading.Thread(target=_change_when_begun, args=(store, songs[1]))
    helper.start()
    done = list(outcomes)
    helper.join()
    assert isinstance(done[1].error, SourceChangedError)
    assert [o.index for o in done if o.error] == [1]
    again = upload(manager, songs, journal=tmp_path / "journal")
    assert not any(outcome.error for outcome in again)
    assert again[1].audio_id != done[1].audio_id
    assert len(audio_of(manager)) == 20


def _change_when_begun(store: Watched, song: Path) -> None:
    while not store.puts:
        time.sleep(0.001)
    song.write_bytes(mp3_bytes(2500))
    store.go.set()


@pytest.mark.parametrize("journaled", [False, True])
def test_closing_waits_for_running_uploads_and_another_run_continues(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path, *, journaled: bool
) -> None:
    journal = tmp_path / "journal" if journaled else None
    items = map(BulkItem, songs)
    outcomes = manager.bulk.upload(items, journal=journal, check="none", concurrency=4)
    next(outcomes)
    outcomes.close()
    begun = len(audio_of(manager))
    assert begun < 20
    if journaled:
        second = upload(manager, songs, journal=journal)
        assert sum(outcome.done_before for outcome in second) == begun
        assert len(audio_of(manager)) == 20


def test_fail_fast_leaves_the_rest_for_the_next_run(
    manager: AudioStorageManager, tmp_path: Path, songs: list[Path]
) -> None:
    items = [tmp_path / "missing.mp3", *songs]
    first = upload(manager, items, journal=tmp_path / "journal", fail_fast=True, concurrency=1)
    assert isinstance(first[0].error, SourceNotFoundError)
    assert len(first) < 21
    second = upload(manager, items, journal=tmp_path / "journal")
    assert [outcome.index for outcome in second if outcome.error] == [0]
    assert len(audio_of(manager)) == 20


def test_a_run_that_released_items_is_not_complete(
    manager: AudioStorageManager, songs: list[Path]
) -> None:
    run = UnjournaledRun()
    decider = Decider(run, StoreView(manager), DecisionOptions())
    reader = InputReader([BulkItem(song) for song in songs[:3]])
    items = _DecidedItems(reader, run, decider, frozenset())
    taken = items.take(5)
    assert taken is not None
    states = [items.is_complete]
    assert items.take(5) is None
    states.append(items.is_complete)
    items.release([])
    states.append(items.is_complete)
    items.release([task.payload for task in taken.tasks[2:]])
    states.append(items.is_complete)
    assert states == [False, True, True, False]


# -- cleaning up -------------------------------------------------------------------------------


def test_cleaned_up_files_succeed_in_the_next_run(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    first = upload(manager, songs, journal=tmp_path / "journal", cleanup=True)
    assert not any(song.exists() for song in songs)
    second = upload(manager, songs, journal=tmp_path / "journal", cleanup=True)
    assert ids_of(second) == ids_of(first)
    assert all(outcome.done_before for outcome in second)


def test_a_run_killed_after_cleaning_up_succeeds_too(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    with Journal(tmp_path / "journal") as journal:
        first = upload(manager, songs, journal=journal, cleanup=True)
        with journal._database.transaction(is_synced=False) as connection:
            connection.execute("UPDATE items SET status = 1")  # as a kill leaves them
        second = upload(manager, songs, journal=journal, cleanup=True)
    assert ids_of(second) == ids_of(first)
    assert not any(outcome.error or outcome.done_before for outcome in second)


def _kill_between_the_deletions(journal: Journal, cover: Path) -> None:
    """Leave the state of a run killed after it deleted the cover and before the audio."""
    cover.unlink()
    with journal._database.transaction(is_synced=False) as connection:
        connection.execute("UPDATE items SET status = 1")


@pytest.mark.parametrize("left", ["no cover", "the folder's cover", "another of its own"])
@pytest.mark.parametrize("cleanup", [True, False])
def test_audio_whose_cover_was_cleaned_up_before_a_kill_is_not_stored_twice(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path, left: str, *, cleanup: bool
) -> None:
    song, cover = songs[0], songs[0].with_suffix(".jpg")
    cover.write_bytes(JPG.read_bytes())
    if left != "no cover":
        name = "cover.jpg" if left == "the folder's cover" else f"{song.stem}.jpeg"
        song.with_name(name).write_bytes(OTHER_JPG.read_bytes())
    with Journal(tmp_path / "journal") as journal:
        (first,) = upload(manager, find_items([song], print), journal=journal)
        assert first.item.thumbnail == cover
        _kill_between_the_deletions(journal, cover)
        (again,) = upload(
            manager, find_items([song], print), journal=journal, check="quick", cleanup=cleanup
        )
        assert again.item.thumbnail != cover
        assert (again.error, again.audio_id) == (None, first.audio_id)
        if cleanup or left != "another of its own":
            found = find_items([song], print, allow_missing=True)
            (third,) = upload(manager, found, journal=journal)
            assert (third.done_before, third.audio_id) == (True, first.audio_id)
    assert len(audio_of(manager)) == 1
    (asset,) = manager.list()
    assert asset.thumbnail is not None
    assert asset.thumbnail.size_bytes == JPG.stat().st_size
    assert song.exists() != cleanup


def test_audio_not_stored_before_its_cover_disappeared_is_stored_as_it_is_now(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    song, cover = songs[0], songs[0].with_suffix(".jpg")
    cover.write_bytes(JPG.read_bytes())
    with Journal(tmp_path / "journal") as journal:
        store.error = OSError("the line is down")
        (first,) = upload(manager, [BulkItem(song, cover)], journal=journal)
        assert first.error is not None
        _kill_between_the_deletions(journal, cover)
        other = song.with_name("cover.jpg")
        other.write_bytes(OTHER_JPG.read_bytes())
        item = BulkItem(song, other, keeps_thumbnail=True)
        (again,) = upload(manager, [item], journal=journal, cleanup=True)
    assert (again.error, again.audio_id) == (None, first.audio_id)
    (asset,) = manager.list()
    assert asset.thumbnail is not None
    assert asset.thumbnail.size_bytes == OTHER_JPG.stat().st_size
    assert not song.exists()
    assert other.exists()


def test_other_artwork_given_for_stored_audio_makes_another_asset(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    cover = tmp_path / "first.jpg"
    cover.write_bytes(JPG.read_bytes())
    (first,) = upload(manager, [BulkItem(songs[0], cover)], journal=tmp_path / "journal")
    cover.unlink()
    (gone,) = upload(manager, [BulkItem(songs[0])], journal=tmp_path / "journal")
    assert (gone.done_before, gone.audio_id) == (True, first.audio_id)
    (other,) = upload(manager, [BulkItem(songs[0], OTHER_JPG)], journal=tmp_path / "journal")
    assert (other.done_before, other.error) == (False, None)
    assert other.audio_id != first.audio_id


def test_a_given_file_cleaned_up_with_its_cover_succeeds_in_the_next_run(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    for song in songs[:2]:
        song.with_suffix(".jpg").write_bytes(JPG.read_bytes())
    songs[0].with_name("folder.jpg").write_bytes(OTHER_JPG.read_bytes())

    def put() -> list[UploadOutcome]:
        found = find_items(songs[:3], print, allow_missing=True)
        return upload(manager, found, journal=tmp_path / "journal", cleanup=True)

    first, second = put(), put()
    assert ids_of(second) == ids_of(first)
    assert all(outcome.done_before for outcome in second)
    assert len(audio_of(manager)) == 3


def test_a_shared_cover_is_kept_whatever_is_cleaned_up(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    folder = songs[0].parent
    (folder / "cover.jpg").write_bytes(JPG.read_bytes())
    (folder / "000.jpg").write_bytes(OTHER_JPG.read_bytes())
    outcomes = upload(manager, find_items([folder], print), cleanup=True)
    assert all(outcome.error is None and outcome.result for outcome in outcomes)
    assert [path.name for path in folder.iterdir()] == ["cover.jpg"]
    sizes = [asset.thumbnail.size_bytes for asset in manager.list() if asset.thumbnail]
    assert sorted(sizes).count(JPG.stat().st_size) == 19


def test_a_shared_cover_is_kept_when_storing_fails(
    manager: AudioStorageManager, store: Watched, songs: list[Path]
) -> None:
    cover = songs[0].with_name("cover.jpg")
    cover.write_bytes(JPG.read_bytes())
    store.error = ValueError("the store says no")
    item = BulkItem(songs[0], cover, keeps_thumbnail=True)
    (outcome,) = upload(manager, [item], cleanup="always")
    assert isinstance(outcome.error, ValueError)
    assert not songs[0].exists()
    assert cover.exists()


def test_a_file_that_never_existed_fails(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    manager.upload_audio_file(songs[0], audio_id=ID, check="none")
    songs[0].unlink()
    item = BulkItem(songs[0], audio_id=ID)
    for journal in (None, tmp_path / "journal"):
        (outcome,) = upload(manager, [item], journal=journal, cleanup=True)
        assert isinstance(outcome.error, SourceNotFoundError)


@pytest.mark.parametrize("missing", ["audio", "thumbnail"])
def test_an_item_that_failed_fails_in_the_next_run_too(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path, missing: str
) -> None:
    manager.upload_audio_file(songs[0], audio_id=ID, check="none")  # of the same name, by chance
    item = BulkItem(songs[0], tmp_path / "missing.jpg", audio_id=ID)
    if missing == "audio":
        songs[0].unlink()
        item = BulkItem(songs[0], audio_id=ID)
    for _ in range(2):
        (outcome,) = upload(manager, [item], journal=tmp_path / "journal")
        assert isinstance(outcome.error, SourceNotFoundError)


# -- bad files ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_good_files_are_stored_and_each_bad_one_is_reported(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    bad: dict[Path, tuple[type[Exception], str]] = {}
    good = [tree / f"good {number}.mp3" for number in range(30)]
    for path in good:
        path.write_bytes(sample("mp3") + path.name.encode())

    def add(name: str, error: type[Exception], words: str) -> Path:
        bad[tree / name] = (error, words)
        return tree / name

    for number, (name, (extension, words, _)) in enumerate(IMPOSTORS.items()):
        kinds = (InvalidSourceError if name == "nothing" else AudioStoreError, words)
        path = tree / f"impostor {number}{extension}"
        bad[path] = kinds
        path.write_bytes(sample(name))
    add("empty.mp3", InvalidSourceError, "is empty").touch()
    add("folder.mp3", InvalidSourceError, "is a directory").mkdir()
    os.mkfifo(add("pipe.mp3", InvalidSourceError, "not a regular file"))
    add("loop.mp3", OSError, "symbolic links").symlink_to(tree / "loop.mp3")
    add("dangling.mp3", SourceNotFoundError, "no file at").symlink_to(tree / "nothing.mp3")
    add("vanished.mp3", SourceNotFoundError, "no file at")
    add("below a file.mp3", SourceNotFoundError, "no file at")
    bad[good[0] / "song.mp3"] = bad.pop(tree / "below a file.mp3")
    add("no\0name.mp3", InvalidSourceError, "cannot be a path")
    add("n" * 300 + ".mp3", OSError, "too long")
    cut = sample("flac")
    add("cut.flac", UnplayableAudioError, "cut").write_bytes(cut[: len(cut) // 2])
    add("song.txt", UnsupportedFormatError, "txt").write_bytes(sample("mp3"))
    locked = add("locked.mp3", PermissionError, "denied")
    locked.write_bytes(sample("mp3"))
    locked.chmod(0)
    if os.geteuid() == 0:  # root can read it
        del bad[locked]
        good.append(locked)
    everything = [*good, *bad]
    everything.sort(key=lambda path: hash(str(path)))

    with AudioStorageManager(store=LocalStore(tmp_path / "store")) as manager:
        journal = tmp_path / "journal"
        outcomes = upload(manager, everything, journal=journal, check="quick")
        failed = {outcome.item.audio: outcome.error for outcome in outcomes if outcome.error}
        assert failed.keys() == bad.keys()
        for path, (kind, words) in bad.items():
            assert isinstance(failed[path], kind), path
            notes = getattr(failed[path], "__notes__", [])
            with pytest.raises(kind, match=words if isinstance(words, str) else None):
                raise failed[path]
            assert path.name[:20].split("\0")[0] in str(failed[path]) + "".join(notes)
        stored = [asset.metadata["original_filename"] for asset in manager.list()]
        assert sorted(map(str, stored)) == sorted(path.name for path in good)
        with Journal(journal) as kept:
            (run,) = kept.runs()
            assert (run.stored, run.failed) == (len(good), len(bad))
            named = {failure.audio for failure in kept.failures(run.run)}
            assert len(named) == len(bad)


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"audio_id": "no id"}, InvalidAudioIdError),
        ({"metadata": {"audio_id": "ours"}}, InvalidMetadataError),
        ({"metadata": {"k": 7}}, InvalidMetadataError),
        ({"metadata": {1: "v", "k": "v"}}, InvalidMetadataError),
        ({"thumbnail": Path("/nowhere/cover.jpg")}, SourceNotFoundError),
    ],
)
@pytest.mark.parametrize("journaled", [False, True])
def test_an_invalid_item_is_one_failure(
    manager: AudioStorageManager,
    songs: list[Path],
    tmp_path: Path,
    item: Mapping[str, Any],
    error: type[Exception],
    *,
    journaled: bool,
) -> None:
    journal = tmp_path / "journal" if journaled else None
    outcomes = upload(manager, [BulkItem(songs[0], **item), *songs[1:]], journal=journal)
    assert isinstance(outcomes[0].error, error)
    assert not any(outcome.error for outcome in outcomes[1:])


@pytest.mark.parametrize(
    "options",
    [
        {"check": "thorough"},
        {"artwork": "some"},
        {"cleanup": "never"},
        {"thumbnail_max_px": 0},
        {"concurrency": 0},
        {"max_rate_bytes_s": -1},
        {"cache": "everybody"},
    ],
)
def test_invalid_options_are_refused_before_anything_happens(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        manager.bulk.upload(map(BulkItem, songs), journal=tmp_path / "journal", **options)
    assert not (tmp_path / "journal").exists()


def test_supersedes_is_refused_in_bulk(manager: AudioStorageManager, songs: list[Path]) -> None:
    with pytest.raises(ValueError, match="supersedes names one asset"):
        manager.bulk.upload(map(BulkItem, songs), supersedes=ID)


def test_the_journal_identifies_items_by_common_metadata_too(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    item = BulkItem(songs[0], metadata={"mood": "calm"})
    common = {"mood": "any", "label": "x"}
    (first,) = upload(manager, [item], journal=tmp_path / "journal", metadata=common)
    assert first.result is not None
    assert first.result.audio is not None
    assert first.result.audio.metadata["mood"] == "calm"
    assert first.result.audio.metadata["label"] == "x"
    (again,) = upload(manager, [item], journal=tmp_path / "journal", metadata=common)
    assert again.done_before
    (other,) = upload(manager, [item], journal=tmp_path / "journal")
    assert not other.done_before


# -- skipping ----------------------------------------------------------------------------------


def test_audio_already_in_the_store_is_skipped(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    stored = upload(manager, songs[:10])
    puts = len(store.puts)
    copies = [tmp_path / f"copy of {song.name}" for song in songs]
    for copy, song in zip(copies, songs, strict=True):
        copy.write_bytes(song.read_bytes())
    outcomes = upload(manager, copies, skip_stored=True, journal=tmp_path / "journal", cleanup=True)
    assert [outcome.skipped for outcome in outcomes] == [True] * 10 + [False] * 10
    assert ids_of(outcomes[:10]) == ids_of(stored)
    assert len(store.puts) == puts + 10
    assert [copy.exists() for copy in copies] == [True] * 10 + [False] * 10
    with Journal(tmp_path / "journal") as journal:
        (run,) = journal.runs()
        assert (run.stored, run.skipped) == (10, 10)


def test_the_same_audio_twice_in_one_run_is_stored_once(
    manager: AudioStorageManager, store: Watched, songs: list[Path], tmp_path: Path
) -> None:
    copies = [tmp_path / f"{number}.mp3" for number in range(30)]
    for copy in copies:
        copy.write_bytes(songs[0].read_bytes())
    store.go.clear()
    timer = threading.Timer(0.1, store.go.set)  # until then others could start
    timer.start()
    outcomes = upload(manager, copies, skip_stored=True)
    timer.join()
    assert len(set(ids_of(outcomes))) == 1
    assert sum(outcome.skipped for outcome in outcomes) == 29
    assert len(audio_of(manager)) == 1


def test_another_md5_means_other_audio(
    manager: AudioStorageManager, store: Watched, songs: list[Path]
) -> None:
    upload(manager, songs[:1])
    (name,) = store.puts
    blob = store._blobs[name]
    object.__setattr__(blob.info, "md5_hash", "AAAAAAAAAAAAAAAAAAAAAA==")
    (other,) = upload(manager, songs[:1], skip_stored=True)
    assert not other.skipped
    object.__setattr__(blob.info, "md5_hash", None)  # a composite object has none
    (same,) = upload(manager, songs[:1], skip_stored=True)
    assert same.skipped


def test_audio_in_a_directory_with_the_same_crc32c_is_not_the_same(tmp_path: Path) -> None:
    song, copy, other = (tmp_path / name for name in ("song.mp3", "copy.mp3", "other.mp3"))
    song.write_bytes(mp3_bytes(2000))
    copy.write_bytes(song.read_bytes())
    other.write_bytes(forged(song.read_bytes(), 1000))
    with AudioStorageManager(store=LocalStore(tmp_path / "store")) as manager:
        upload(manager, [song])
        outcomes = upload(manager, [copy, other], skip_stored=True)
    assert [outcome.skipped for outcome in outcomes] == [True, False]


def test_an_asset_of_an_interrupted_run_is_resumed_not_skipped(
    manager: AudioStorageManager, songs: list[Path], tmp_path: Path
) -> None:
    with Journal(tmp_path / "journal") as journal:
        (first,) = upload(manager, songs[:1], journal=journal)
        with journal._database.transaction(is_synced=False) as connection:
            connection.execute("UPDATE items SET status = 1")
        (again,) = upload(manager, songs[:1], journal=journal, skip_stored=True, cleanup=True)
    assert (again.skipped, again.audio_id) == (False, first.audio_id)
    assert not songs[0].exists()


def test_an_outcome_says_if_the_stored_asset_has_artwork(
    manager: AudioStorageManager, songs: list[Path]
) -> None:
    songs[1].write_bytes(mp3_bytes(3000))
    for skipped in (False, True):
        outcomes = upload(manager, [BulkItem(songs[0], JPG), songs[1]], skip_stored=True)
        assert [(o.skipped, o.has_artwork) for o in outcomes] == [(skipped, True), (skipped, False)]


def test_unreadable_files_fail_with_skip_stored_too(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    (outcome,) = upload(manager, [tmp_path / "missing.mp3"], skip_stored=True)
    assert isinstance(outcome.error, SourceNotFoundError)
    assert not outcome.skipped
