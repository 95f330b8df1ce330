"""The power fails at any step, and what was not synced is lost, torn or there after all."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from audiostore import AssetNotFoundError, AudioStorageManager, BulkItem, LocalStore
from audiostore.errors import AudioStoreError
from audiostore.files import whole_file
from audiostore.statefiles import claim
from audiostore.stores.local import lock
from audiostore.stores.local.files import Temporary
from audiostore.stores.local.folder import Folder
from audiostore.values import BlobInfo
from tests.assets import OTHER_JPG
from tests.faults.power import Recorder, Tree, build, crashes
from tests.faults.reader import DirectoryReader, PromiseBrokenError, Truth, agree, check
from tests.faults.rig import ID, ONCE, OTHER_ID, Files, make_files
from tests.faults.test_trash_kills import put
from tests.timing import PATIENCE_S

pytestmark = pytest.mark.row("power")
NAME = "audio/x/audio.mp3"
Look = Callable[[Path, bool], None]
"""Sees that the promise holds in what a power failure left; whether the call had returned."""


@dataclass(frozen=True)
class Run:
    """A recorded call, and what must be true after a power failure in the middle of it."""

    recorder: Recorder
    look: Look

    def check(self, folder: Path, *, ignored: int = -1) -> int:
        """Look at everything that a power failure may leave; return how much that was.

        Raises:
            PromiseBrokenError: the promise does not hold.
        """
        real = os.fsync
        os.fsync = lambda fd: None
        try:
            number = 0
            for number, (step, tree) in enumerate(crashes(self.recorder, ignored=ignored), 1):
                self._look(folder / str(number), step, tree)
            return number
        finally:
            os.fsync = real

    def _look(self, base: Path, step: int, tree: Tree) -> None:
        operations = self.recorder.operations
        build(tree, base)
        try:
            self._promise(base, step)
        except (PromiseBrokenError, AssertionError) as error:
            last = operations[step - 1] if step else None
            error.add_note(f"after step {step}, {last and (last.kind, last.name)}: {sorted(tree)}")
            raise
        shutil.rmtree(base)

    def _promise(self, base: Path, step: int) -> None:
        self.look(base, step == len(self.recorder.operations))


@dataclass(frozen=True)
class BulkRun(Run):
    """A recorded run on many assets, each of which is reported at some step."""

    files: Mapping[str, Files]
    """By the ids of the assets."""

    def _promise(self, base: Path, step: int) -> None:
        reported = self.recorder.reported(step)
        truths = {
            audio_id: replace(files.truth[ID], must_be_there=audio_id in reported)
            for audio_id, files in self.files.items()
        }
        local = {
            base / path.relative_to(self.recorder.base): data
            for files in self.files.values()
            for path, data in files.originals.items()
        }
        check(DirectoryReader(base / "store").things(), truths, local)
        self.look(base, step == len(self.recorder.operations))


def manager_of(base: Path) -> AudioStorageManager:
    return AudioStorageManager(store=LocalStore(base / "store"), retry_config=ONCE)


def stored(base: Path) -> Files:
    files = make_files(base / "local", audio_bytes=1668)
    with manager_of(base) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    return files


def record(base: Path, call: Callable[[], object]) -> Recorder:
    recorder = Recorder(base)
    with recorder.recording():
        call()
    return recorder


def nothing_foreign(base: Path) -> None:
    """See that a writer cleans up, and that only metadata can remain, which a check removes."""
    store = LocalStore(base / "store")
    list(store.list(""))
    left = [file for file in store.foreign_files("audio/") if not file.is_removable]
    assert left == [], f"left over: {left}"


# -- the calls ---------------------------------------------------------------------------------


def uploading(base: Path) -> Run:
    """Into a directory that does not exist; local files are deleted."""
    files = make_files(base / "local", audio_bytes=1668)
    with manager_of(base) as manager:
        recorder = record(
            base,
            lambda: manager.upload_audio_with_thumbnail(
                files.audio, files.cover, audio_id=ID, cleanup=True
            ),
        )

    whole = {ID: Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)}

    def look(base: Path, has_returned: bool) -> None:
        local = dict(
            zip(
                (base / "local/song.mp3", base / "local/cover.jpg"),
                (files.audio_bytes, files.cover_bytes),
                strict=True,
            )
        )
        assets = check(
            DirectoryReader(base / "store").things(), whole if has_returned else files.truth, local
        )
        with manager_of(base) as manager:
            agree(manager, assets, [ID])
            again = make_files(base / "again", audio=files.audio_bytes)
            manager.upload_audio_with_thumbnail(again.audio, again.cover, audio_id=ID)
            agree(manager, check(DirectoryReader(base / "store").things(), whole, {}), [ID])

    return Run(recorder, look)


def files_of_two(base: Path) -> dict[str, Files]:
    return {
        audio_id: make_files(base / "local" / audio_id, audio_bytes=size)
        for audio_id, size in ((ID, 1668), (OTHER_ID, 2085))
    }


@contextmanager
def publishing_together() -> Iterator[None]:
    """Have two threads wait for each other when they are about to publish."""
    together = threading.Barrier(2)
    syncs = iter(range(2))
    real = Temporary.sync

    def sync(file: Temporary) -> None:
        if next(syncs, None) is not None:
            together.wait(PATIENCE_S)  # fails if they do not share the lock
        real(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Temporary, "sync", sync)
        patch.setattr(lock, "_SHARED_FOR_S", PATIENCE_S)  # the second thread may be late
        yield


def storing_many(base: Path) -> Run:
    """Two threads create objects at the same time; each asset is reported by itself."""
    files = files_of_two(base)
    items = [BulkItem(each.audio, each.cover, audio_id) for audio_id, each in files.items()]
    recorder = Recorder(base)
    with manager_of(base) as manager, publishing_together(), recorder.recording():
        for outcome in manager.bulk.upload(items, concurrency=2, check="none", cleanup=True):
            assert outcome.error is None
            assert outcome.audio_id is not None
            recorder.report(outcome.audio_id)

    def look(base: Path, _: bool) -> None:
        nothing_foreign(base)

    return BulkRun(recorder, look, files)


def storing_apart(base: Path) -> Run:
    """Two stores that know nothing of each other, as in two processes, create objects."""
    files = files_of_two(base)
    stores = [LocalStore(base / "store") for _ in files]
    for store in stores:
        # Does what is due on this day: then they share the lock.
        store.change_settings(store.settings(), soft_delete_s=60)
    recorder = Recorder(base)

    def upload(store: LocalStore, audio_id: str) -> None:
        with AudioStorageManager(store=store, retry_config=ONCE) as manager:
            manager.upload_audio_with_thumbnail(
                files[audio_id].audio,
                files[audio_id].cover,
                audio_id=audio_id,
                check="none",
                cleanup=True,
            )
        recorder.report(audio_id)

    with (
        publishing_together(),
        recorder.recording(),
        ThreadPoolExecutor(len(files)) as threads,
    ):
        list(threads.map(upload, stores, files))

    def look(base: Path, _: bool) -> None:
        nothing_foreign(base)

    return BulkRun(recorder, look, files)


def deleting(base: Path) -> Run:
    """What is not there any more can be restored."""
    files = stored(base)
    with manager_of(base) as manager:
        recorder = record(base, lambda: manager.delete(ID))

    def look(base: Path, has_returned: bool) -> None:
        assets = check(DirectoryReader(base / "store").things(), files.truth, {})
        assert not (assets and has_returned)
        with manager_of(base) as manager:
            agree(manager, assets, [ID])
            if not assets:
                manager.restore(ID)
            whole = {ID: Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)}
            check(DirectoryReader(base / "store").things(), whole, {})
            manager.delete(ID)
            assert list(manager.list()) == []
        nothing_foreign(base)

    return Run(recorder, look)


def restoring(base: Path) -> Run:
    """It is either live or in the trash."""
    files = stored(base)
    with manager_of(base) as manager:
        manager.delete(ID)
        recorder = record(base, lambda: manager.restore(ID))

    def look(base: Path, has_returned: bool) -> None:
        truth = {ID: Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=has_returned)}
        assets = check(DirectoryReader(base / "store").things(), truth, {})
        with manager_of(base) as manager:
            agree(manager, assets, [ID])
            with suppress(AssetNotFoundError):
                manager.restore(ID)
            whole = {ID: Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)}
            check(DirectoryReader(base / "store").things(), whole, {})
        nothing_foreign(base)

    return Run(recorder, look)


def replacing(base: Path) -> Run:
    """The artwork is the old one or the new one; the old one is in the trash."""
    files = stored(base)
    with manager_of(base) as manager:
        recorder = record(base, lambda: manager.upload_thumbnail_file(OTHER_JPG, ID))
    new = OTHER_JPG.read_bytes()

    def look(base: Path, has_returned: bool) -> None:
        covers = (new,) if has_returned else (files.cover_bytes, new)
        truth = {ID: Truth(files.audio_bytes, covers, must_be_there=True)}
        assets = check(DirectoryReader(base / "store").things(), truth, {})
        store = LocalStore(base / "store")
        cover = assets[ID].cover
        assert cover is not None
        if cover.data == new:
            (old,) = store.list_deleted("")
            assert old.blob.size_bytes == len(files.cover_bytes)
        with manager_of(base) as manager:
            agree(manager, assets, [ID])
            manager.upload_thumbnail_file(OTHER_JPG, ID)
        nothing_foreign(base)

    return Run(recorder, look)


def updating(base: Path) -> Run:
    """Metadata is the old or the new."""
    store = LocalStore(base / "store")
    base.mkdir()
    blob = put(store, NAME, "1")
    after: list[BlobInfo] = []
    recorder = record(base, lambda: after.append(store.update(blob, {"colour": "blue"})))

    def look(base: Path, has_returned: bool) -> None:
        found = LocalStore(base / "store").stat(NAME)
        assert found in (after if has_returned else [blob, *after])

    return Run(recorder, look)


def purging(base: Path) -> Run:
    """It is in the trash or gone, and what is live stays."""
    store = LocalStore(base / "store")
    base.mkdir()
    first = put(store, NAME, "1")
    live = put(store, NAME, "2", over=first.generation)
    (old,) = store.list_deleted("")
    recorder = record(base, lambda: store.purge(old))

    def look(base: Path, _: bool) -> None:
        store = LocalStore(base / "store")
        assert list(store.list("")) == [live]
        assert list(store.list_deleted("")) in ([], [old])
        nothing_foreign(base)

    return Run(recorder, look)


def changing_settings(base: Path) -> Run:
    """Settings are the old or the new."""
    store = LocalStore(base / "store")
    base.mkdir()
    store.change_settings(store.settings(), soft_delete_s=60)
    recorder = record(base, lambda: store.change_settings(store.settings(), soft_delete_s=70))

    def look(base: Path, has_returned: bool) -> None:
        found = LocalStore(base / "store").settings().soft_delete_s
        assert found in ((70,) if has_returned else (60, 70))

    return Run(recorder, look)


def downloading(base: Path) -> Run:
    """A local file is the old or the new one, whole."""
    base.mkdir()
    (base / "song.mp3").write_bytes(b"old")

    def download() -> None:
        with whole_file(base / "song.mp3") as file:
            file.write(b"new " * 1000)

    recorder = record(base, download)

    def look(base: Path, _: bool) -> None:
        assert (base / "song.mp3").read_bytes() in (b"old", b"new " * 1000)

    return Run(recorder, look)


def saving_state(base: Path) -> Run:
    """A small private file is read as it was written, or as empty: never as something else."""
    base.mkdir()
    texts = ["", "first text", "2nd"]

    def save() -> None:
        for text in texts[1:]:
            with ExitStack() as stack:
                file = claim(base / "state", "x", stack)
                assert file is not None
                file.write(text)

    recorder = record(base, save)

    def look(base: Path, _: bool) -> None:
        (base / "state").mkdir(exist_ok=True)
        for path in (base / "state").iterdir():
            os.utime(path)  # young enough
        with ExitStack() as stack:
            file = claim(base / "state", "x", stack)
            assert file is not None
            assert file.read() in texts

    return Run(recorder, look)


CALLS = [
    *(uploading, storing_many, storing_apart, deleting, restoring, replacing, updating),
    *(purging, changing_settings, downloading, saving_state),
]


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_a_power_failure_at_any_step_breaks_no_promise(
    tmp_path: Path, call: Callable[[Path], Run], count_points: Callable[[int], None]
) -> None:
    count_points(call(tmp_path / "run").check(tmp_path))


SYNCS = [
    # What is left out: the call, the name of what is synced, and which of them (from the end).
    *[(uploading, name, -1) for name in ("run", "audio", "audio.mp3", "thumbnail.jpg", ID)],
    *[(storing_many, name, -1) for name in ("audio.mp3", "thumbnail.jpg", "SIDECAR", ID)],
    *[(storing_apart, name, -1) for name in ("audio.mp3", "thumbnail.jpg", "SIDECAR", ID)],
    *[(deleting, name, -1) for name in ("trash", ID)],
    (deleting, ID, -2),
    *[(restoring, name, -1) for name in ("audio", "thumbnail.jpg", "audio.mp3")],
    *[(replacing, name, -1) for name in ("thumbnail.jpg", "trash")],
    (replacing, ID, -2),
    *[(updating, name, -1) for name in ("SIDECAR", "x")],
    *[(changing_settings, name, -1) for name in ("settings.json", ".audiostore")],
    (downloading, "song.mp3", -1),
]


@pytest.mark.slow
@pytest.mark.row("controls")
@pytest.mark.parametrize(("call", "name", "which"), SYNCS)
def test_a_sync_that_is_left_out_is_noticed(
    tmp_path: Path, call: Callable[[Path], Run], name: str, which: int
) -> None:
    run = call(tmp_path / "run")
    labels = run.recorder.synced()
    numbers = [n for n, label in enumerate(labels) if label == name]
    if name == "SIDECAR":
        numbers = [n for n, label in enumerate(labels) if label.endswith(".json")]
    with pytest.raises((PromiseBrokenError, AssertionError, ValueError, AudioStoreError)):
        run.check(tmp_path, ignored=numbers[which])


@pytest.mark.slow
@pytest.mark.row("controls")
@pytest.mark.parametrize("owner", [Temporary, Folder])
@pytest.mark.parametrize("call", [uploading, storing_many, storing_apart, replacing])
def test_a_store_that_does_not_sync_is_noticed(
    tmp_path: Path,
    call: Callable[[Path], Run],
    owner: type[Temporary | Folder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, "sync", lambda _: None)
    run = call(tmp_path / "run")
    monkeypatch.undo()
    with pytest.raises((PromiseBrokenError, AssertionError, ValueError, AudioStoreError)):
        run.check(tmp_path)
