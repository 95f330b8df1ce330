"""The trash and the settings of the store in a directory: what stands on the disk."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audiostore.errors import (
    BlobNotFoundError,
    ConfigurationError,
    HeldError,
    PreconditionFailedError,
    UnsupportedByStoreError,
)
from audiostore.sources import BytesSource
from audiostore.stores.capabilities import complete
from audiostore.stores.local import LocalStore
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo

NAME = "audio/x/audio.mp3"
DATA = b"some bytes" * 1000


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 7, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(microseconds=10)
        return self.time

    def advance(self, **duration: float) -> None:
        self.time += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path, clock: Clock) -> LocalStore:
    return LocalStore(root, now=clock)


def put(store: LocalStore, name: str = NAME, data: bytes = DATA, over: int = 0) -> BlobInfo:
    return store.put(BlobSpec(name, "a/b", {}), BytesSource(data), if_generation_match=over)


def read(store: LocalStore, blob: BlobInfo) -> bytes:
    with closing(store.open(blob)) as reader:
        return b"".join(iter(lambda: reader.read(1 << 20), b""))


def trashed(root: Path) -> list[str]:
    folder = root / ".audiostore/trash"
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def generations(store: LocalStore) -> list[int]:
    return [deleted.blob.generation for deleted in store.list_deleted("")]


# -- on the disk -------------------------------------------------------------------------------


def test_the_trash_is_a_folder_of_the_day_on_which_it_may_go(store: LocalStore, root: Path) -> None:
    blob = put(store)
    store.delete(blob)
    head = f"2026-07-08/audio/x/.audio.mp3.{blob.generation}"
    assert trashed(root) == [f"{head}.data", f"{head}.json"]
    data = root / ".audiostore/trash" / f"{head}.data"
    assert data.read_bytes() == DATA
    assert data.stat().st_mtime_ns == blob.generation * 1000
    fields = json.loads(data.with_suffix(".json").read_text("utf-8"))
    assert fields["generation"] == blob.generation
    assert fields["gone_at"].startswith("2026-07-08T12:00:00")


def test_deleting_and_restoring_move_no_bytes(store: LocalStore, root: Path) -> None:
    blob = put(store)
    inode = (root / NAME).stat().st_ino
    store.delete(blob)
    (deleted,) = store.list_deleted("")
    store.restore(deleted)
    assert (root / NAME).stat().st_ino == inode
    assert (root / NAME).stat().st_nlink == 1


def test_restoring_and_purging_leave_no_file_and_no_folder(store: LocalStore, root: Path) -> None:
    for finish in (store.restore, store.purge):
        store.delete(put(store, "audio/y"))
        (deleted,) = store.list_deleted("")
        finish(deleted)
        assert list((root / ".audiostore/trash").iterdir()) == []
        if finish == store.restore:
            store.change_settings(store.settings(), soft_delete_s=0)
            store.delete(store.stat("audio/y"))
            store.change_settings(store.settings(), soft_delete_s=60)
    assert files(root) == [f".audiostore/{own}" for own in ("lock", "queue", "settings.json")]


def test_a_copy_of_the_tree_has_the_same_trash(
    store: LocalStore, root: Path, tmp_path: Path, clock: Clock
) -> None:
    store.delete(put(store))
    copy = LocalStore(shutil.copytree(root, tmp_path / "copy"), now=clock)
    (deleted,) = copy.list_deleted("")
    assert read(copy, copy.restore(deleted)) == DATA
    assert generations(store) == [deleted.blob.generation]


def live(store: LocalStore, clock: Clock, *, days: int) -> None:
    """Let days pass, on each of which something is stored."""
    for _ in range(days):
        clock.advance(days=1)
        put(store, f"daily/{clock.time:%j}", b"")


def days_of(root: Path) -> list[str]:
    return sorted({path[:10] for path in trashed(root)})


def test_what_has_been_in_the_trash_for_its_time_is_removed_by_the_next_writer(
    store: LocalStore, root: Path, clock: Clock
) -> None:
    store.delete(put(store))
    live(store, clock, days=3)
    store.delete(put(store, "later"))
    live(store, clock, days=5)
    assert days_of(root) == ["2026-07-08", "2026-07-11"], "a day longer than was promised"
    live(store, clock, days=1)
    assert days_of(root) == ["2026-07-11"]
    assert not (root / ".audiostore/trash/2026-07-08").exists()


@pytest.mark.parametrize("name", ["2026-02-30", "2025-99-99", "2026-7-1", "notes"])
def test_a_folder_of_no_day_is_not_removed_from_the_trash(
    store: LocalStore, root: Path, clock: Clock, name: str
) -> None:
    store.delete(put(store))
    other = root / ".audiostore/trash" / name / "file"
    other.parent.mkdir()
    other.touch()

    live(store, clock, days=9)

    assert trashed(root) == [f"{name}/file"]
    assert list(store.list_deleted("")) == []


@pytest.mark.parametrize("days", [8, 400, 4000, -30, -9000])
def test_a_clock_that_jumps_purges_no_trash(
    store: LocalStore, root: Path, clock: Clock, days: int
) -> None:
    """Nor does what is done meanwhile, and nor does the time after it was set right."""
    blob = put(store)
    store.delete(blob)
    clock.advance(days=days)
    meanwhile = put(store, "meanwhile")
    for each in (store, LocalStore(root, now=clock)):
        put(each, f"b/{id(each)}")
        list(each.list_deleted(""))
    store.delete(meanwhile)
    clock.advance(days=-days, hours=1)
    put(LocalStore(root, now=clock), "c")
    store.delete(put(store, "d"))
    deleted = {found.blob.name: found for found in store.list_deleted("")}
    assert deleted.keys() >= {NAME, "meanwhile", "d"}
    assert read(store, store.restore(deleted[NAME])) == DATA


@pytest.mark.parametrize("keep_s", [60, 86400])
def test_a_jump_purges_nothing_however_short_the_trash_keeps_it(
    store: LocalStore, root: Path, clock: Clock, keep_s: int
) -> None:
    store.change_settings(store.settings(), soft_delete_s=keep_s)
    store.delete(put(store))
    clock.advance(days=4000)
    store.delete(put(store, "later"))
    assert len(days_of(root)) == 2


def test_a_lost_record_of_the_time_purges_nothing(
    store: LocalStore, root: Path, clock: Clock
) -> None:
    store.delete(put(store))
    clock.advance(days=4000)
    for damage in (b"", b"{}", b"[" * 5000, b'{"pid": 1, "since": "0001-01-01T00:00:00+14:00"}'):
        (root / ".audiostore/lock").write_bytes(damage)
        put(store, f"a/{len(damage)}")
        assert days_of(root) == ["2026-07-08"]
    live(store, clock, days=12)
    assert days_of(root) == [], "and time goes on from there"


def test_a_clock_behind_the_last_write_is_a_finding(store: LocalStore, clock: Clock) -> None:
    put(store)
    assert "clock" not in {finding.subject for finding in store.diagnose()}
    clock.advance(days=-400)
    (finding,) = (f for f in store.diagnose() if f.subject == "clock")
    assert not finding.ok
    assert "2026-07-01 12:00" in finding.detail
    assert "clock of this machine" in finding.hint


def test_reading_the_trash_removes_nothing(store: LocalStore, root: Path, clock: Clock) -> None:
    store.delete(put(store))
    before = files(root)
    clock.advance(days=30)
    assert generations(store) == []
    assert files(root) == before


def test_one_writer_removes_only_so_much(
    store: LocalStore, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.stores.local.trash._REMOVED_AT_ONCE", 3)
    for number in range(3):
        store.delete(put(store, f"a/{number}", b""))
    live(store, clock, days=8)
    clock.advance(days=1)
    for left in (3, 0, 0):
        put(store, f"b/{left}{clock.time.microsecond}", b"")
        assert sum(path.startswith("2026-07-08") for path in trashed(root)) == left


def test_a_file_that_cannot_be_removed_does_not_block_writers(
    store: LocalStore,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.delete(put(store))
    live(store, clock, days=8)
    blob = put(store, "other")
    clock.advance(days=1)

    def refuse(*args: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(args[0]))

    monkeypatch.setattr("audiostore.stores.local.trash._remove_tree", refuse)
    LocalStore(store.url.removeprefix("file://"), now=clock).delete(blob)
    assert generations(store) == [blob.generation]
    assert "cannot remove" in caplog.text


def test_what_expires_today_is_out_of_reach_at_once(store: LocalStore, clock: Clock) -> None:
    store.change_settings(store.settings(), soft_delete_s=60)
    store.delete(put(store))
    (deleted,) = store.list_deleted("")
    clock.advance(seconds=61)
    assert generations(store) == []
    for late in (store.restore, store.purge):
        with pytest.raises(BlobNotFoundError):
            late(deleted)


def test_what_was_deleted_earlier_stays_for_as_long_as_was_said_then(store: LocalStore) -> None:
    blob = put(store)
    store.delete(blob)
    store.change_settings(store.settings(), soft_delete_s=0)
    assert generations(store) == [blob.generation]


# -- leftovers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [".data", ".json"])
def test_half_of_it_is_not_in_the_trash(store: LocalStore, root: Path, missing: str) -> None:
    store.delete(put(store))
    (deleted,) = store.list_deleted("")
    (left,) = (root / ".audiostore/trash").rglob(f"*{missing}")
    left.unlink()
    assert generations(store) == []
    with pytest.raises(BlobNotFoundError):
        store.restore(deleted)


def test_what_has_its_name_still_is_not_in_the_trash(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a reader that sees a deletion, or an overwriting, under way."""
    blob = put(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", _refusing(os.unlink, root / NAME))
        with pytest.raises(OSError, match="Input/output"):
            store.delete(blob)
    shutil.rmtree(root / ".audiostore/deleting")  # the note that would have it cleared up first
    assert len(trashed(root)) == 2
    assert store.stat(NAME) == blob
    assert generations(store) == []
    newer = put(store, data=b"newer", over=blob.generation)
    assert generations(store) == [blob.generation]
    assert store.stat(NAME) == newer


def _refusing(real: Callable[..., None], refused: Path) -> Callable[..., None]:
    def call(name: str, *args: object, **kwargs: object) -> None:
        if name == refused.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        real(name, *args, **kwargs)

    return call


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff"])
def test_damaged_metadata_in_the_trash_is_passed_over_and_said(
    store: LocalStore, root: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.delete(put(store, "other"))
    store.delete(put(store))
    (left,) = (root / ".audiostore/trash").rglob(".audio.mp3*.json")
    left.write_bytes(damage)
    assert [d.blob.name for d in store.list_deleted("")] == ["other"]
    assert "damaged" in caplog.text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "../x", "trash": []}', "null"])
@pytest.mark.parametrize("suffix", ["", ".json"])
def test_a_damaged_note_does_not_block_writers(
    store: LocalStore, root: Path, text: str, suffix: str
) -> None:
    blob = put(store)
    folder = root / ".audiostore/deleting"
    folder.mkdir()
    (folder / f"0123{suffix}").write_text(text)
    assert list(store.list("")) == [blob]
    assert list(folder.iterdir()) == []


def test_a_note_of_an_earlier_version_is_finished(store: LocalStore, root: Path) -> None:
    put(store)
    (root / NAME).unlink()
    folder = root / ".audiostore/deleting"
    folder.mkdir()
    (folder / "0123").write_text(NAME)
    assert list(store.list("")) == []
    assert files(root) == [".audiostore/lock", ".audiostore/queue"]
    assert not (root / "audio/x").exists()


def test_a_touched_object_keeps_its_metadata_when_a_note_is_finished(
    store: LocalStore, root: Path
) -> None:
    put(store)
    before = files(root)
    os.utime(root / NAME)
    folder = root / ".audiostore/deleting"
    folder.mkdir()
    (folder / "0123").write_text(NAME)
    assert list(store.list("")) == []
    assert files(root) == before


def test_metadata_of_an_earlier_version_is_read(store: LocalStore, root: Path) -> None:
    blob = put(store)
    sidecar = root / f"audio/x/.audio.mp3.{blob.generation}.json"
    fields = json.loads(sidecar.read_text())
    for new in ("temporary_hold", "custom_time", "class_changed_at"):
        del fields[new]
    sidecar.write_text(json.dumps(fields))
    assert store.stat(NAME) == blob


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temporary_hold", 1),
        ("temporary_hold", None),
        ("custom_time", "yesterday"),
        ("custom_time", 5),
        ("class_changed_at", "2026-01-01T00:00:00"),
    ],
)
def test_new_metadata_of_a_wrong_type_is_damaged(
    store: LocalStore, root: Path, field: str, value: object
) -> None:
    blob = put(store)
    sidecar = root / f"audio/x/.audio.mp3.{blob.generation}.json"
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), field: value}))
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)


def test_the_trash_can_be_looked_at_where_nothing_may_be_written(
    store: LocalStore, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delete(put(store))
    clock.advance(days=3)
    younger = put(store)
    store.delete(younger)
    clock.advance(days=6)
    (root / ".audiostore/deleting/0123.json").write_text("{}")  # as after a kill
    real = os.open

    def read_only(path: str, flags: int, *rest: int, **options: int) -> int:
        if flags & (os.O_CREAT | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", read_only)
    assert generations(store) == [younger.generation]


# -- settings ----------------------------------------------------------------------------------


def test_settings_are_a_file_next_to_the_lock(store: LocalStore, root: Path) -> None:
    assert store.settings().location == str(root)
    assert not root.exists()
    store.change_settings(store.settings(), retention_s=60)
    path = root / ".audiostore/settings.json"
    assert json.loads(path.read_text()) == {
        "metageneration": 2,
        "soft_delete_s": 604800,
        "retention_s": 60,
        "lifecycle_rules": [],
    }
    assert LocalStore(root).settings() == store.settings()


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"{}", b"\xff", b'{"metageneration": 1, "soft_delete_s": "7"}']
)
def test_damaged_settings_are_said_before_anything_is_changed(
    store: LocalStore, root: Path, damage: bytes
) -> None:
    blob = put(store)
    path = root / ".audiostore/settings.json"
    path.write_bytes(damage)
    for call in (store.settings, lambda: store.delete(blob)):
        with pytest.raises(ConfigurationError, match=r"settings\.json"):
            call()
    assert store.stat(NAME) == blob
    findings = {f.subject: f for f in store.diagnose()}
    assert not findings["settings"].ok


@pytest.mark.parametrize(
    "change",
    [
        {"soft_delete_s": -1},
        {"soft_delete_s": 10**12},
        {"retention_s": -1},
        {"soft_delete_s": 1.5},
        {"soft_delete_s": True},
        {"lifecycle_rules": ("Delete",)},
        {"lifecycle_rules": ({"age": {1, 2}},)},
        {"lifecycle_rules": ({"age": float("nan")},)},
    ],
)
def test_settings_that_cannot_be_kept_are_refused(
    store: LocalStore, root: Path, change: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        store.change_settings(store.settings(), **change)  # type: ignore[arg-type]
    assert not (root / ".audiostore/settings.json").exists()


def test_of_two_changes_of_the_same_settings_one_wins(store: LocalStore, root: Path) -> None:
    present = store.settings()
    LocalStore(root).change_settings(present, soft_delete_s=60)
    with pytest.raises(PreconditionFailedError, match="read them again"):
        store.change_settings(present, soft_delete_s=0)
    assert store.settings().soft_delete_s == 60


def test_retention_names_the_time_at_which_it_ends(store: LocalStore) -> None:
    blob = put(store)
    store.change_settings(store.settings(), retention_s=86400)
    with pytest.raises(HeldError, match="2026-07-02 12:00:00 UTC"):
        store.delete(blob)


def test_permissions_are_those_of_the_directory(root: Path, tmp_path: Path) -> None:
    wanted = ["storage.objects.create", "storage.objects.get", "iam.serviceAccounts.signBlob"]
    assert LocalStore(root).granted(wanted) == frozenset(wanted[:2])
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert LocalStore(file).granted(wanted) == frozenset()


def test_permissions_that_the_directory_does_not_give(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    wanted = ["storage.objects.create", "storage.objects.delete", "storage.objects.list"]
    assert LocalStore(root).granted(wanted) == frozenset(["storage.objects.list"])


def test_signing_urls_is_refused_with_advice(store: LocalStore) -> None:
    with pytest.raises(UnsupportedByStoreError, match="copy the asset to a bucket"):
        complete(store).signed_url(put(store), expires_s=60)


def test_diagnose_reports_how_much_is_kept_and_how_long(store: LocalStore) -> None:
    store.delete(put(store, data=bytes(3 << 19)))
    findings = {f.subject: f for f in store.diagnose()}
    assert "7 days" in findings["soft delete"].detail
    assert findings["trash"].detail == "1 objects, 1.5 MiB"
    store.change_settings(store.settings(), soft_delete_s=0)
    findings = {f.subject: f for f in store.diagnose()}
    assert "at once" in findings["soft delete"].detail


# -- foreign files -----------------------------------------------------------------------------


def foreign_files(store: LocalStore, prefix: str = "") -> dict[str, tuple[str, bool]]:
    return {f.path: (f.description, f.is_removable) for f in store.foreign_files(prefix)}


def test_an_intact_store_has_no_foreign_files(store: LocalStore) -> None:
    blob = put(store)
    store.delete(put(store, "audio/y/audio.mp3"))
    store.update(blob, {"more": "yes"})
    store.change_settings(store.settings(), soft_delete_s=60)
    assert foreign_files(store) == {}


def test_a_new_store_has_no_foreign_files(store: LocalStore, root: Path) -> None:
    assert foreign_files(store) == {}
    assert not root.exists()


def foreign(root: Path) -> None:
    (root / "audio/x/notes.txt").write_text("mine")


def hidden(root: Path) -> None:
    (root / "audio/x/.DS_Store").write_text("mine")


def hidden_folder(root: Path) -> None:
    (root / "audio/x/.git").mkdir()


def pipe(root: Path) -> None:
    os.mkfifo(root / "audio/x/pipe")


def dangling(root: Path) -> None:
    (root / "audio/x/link").symlink_to("nowhere")


def touched(root: Path) -> None:
    os.utime(root / NAME)


def not_utf8(root: Path) -> None:
    (root / os.fsdecode(b"audio/x/\xff")).write_text("mine")


def damaged(root: Path) -> None:
    (sidecar,) = (root / "audio/x").glob(".*.json")
    sidecar.write_text("{")


@pytest.mark.parametrize(
    ("damage", "path", "words"),
    [
        (foreign, "audio/x/notes.txt", "no metadata"),
        (hidden, "audio/x/.DS_Store", "hidden file"),
        (hidden_folder, "audio/x/.git", "hidden folder"),
        (pipe, "audio/x/pipe", "not a regular file"),
        (dangling, "audio/x/link", "not a regular file"),
        (touched, NAME, "changed since it was stored"),
        (damaged, NAME, "metadata is damaged"),
        (not_utf8, "audio/x/\\xff", "not UTF-8"),
    ],
)
def test_a_foreign_file_is_described_and_never_removed(
    store: LocalStore, root: Path, damage: Callable[[Path], None], path: str, words: str
) -> None:
    put(store)
    damage(root)
    before = sorted(root.rglob("*"))
    (file,) = store.foreign_files("audio/")
    assert file.path == path
    assert words in file.description
    with pytest.raises(ValueError, match="must not be removed"):
        store.remove_foreign_file(file)
    assert sorted(root.rglob("*")) == before


def test_leftovers_of_our_own_are_removed(store: LocalStore, root: Path) -> None:
    first, second, third = put(store), put(store, "audio/y/a"), put(store, "audio/z/a")
    (root / NAME).unlink()
    shutil.copy2(root / f"audio/y/.a.{second.generation}.json", root / "audio/y/.a.17.json")
    (root / "audio/z/empty").mkdir()
    found = list(store.foreign_files("audio/"))
    assert {(file.path, file.description) for file in found} == {
        (f"audio/x/.audio.mp3.{first.generation}.json", "metadata of an object that is gone"),
        ("audio/y/.a.17.json", "metadata of an object that is gone"),
        ("audio/z/empty", "an empty folder"),
    }
    for file in found:
        store.remove_foreign_file(file)
        with pytest.raises(BlobNotFoundError):
            store.remove_foreign_file(file)
    assert foreign_files(store) == {}
    assert not (root / "audio/x").exists()
    assert list(store.list("")) == [second, third]


def test_a_file_that_changed_meanwhile_is_not_removed(store: LocalStore, root: Path) -> None:
    blob = put(store)
    aside = root / "aside"
    (root / NAME).rename(aside)
    (orphan,) = store.foreign_files("audio/")
    aside.rename(root / NAME)
    with pytest.raises(BlobNotFoundError, match="no longer"):
        store.remove_foreign_file(orphan)
    (root / "audio/y").mkdir()
    (empty,) = store.foreign_files("audio/y")
    (root / "audio/y").rmdir()
    (root / "audio/y").mkdir()
    with pytest.raises(BlobNotFoundError, match="no longer"):
        store.remove_foreign_file(empty)
    put(store, "audio/y/a")
    with pytest.raises(BlobNotFoundError, match="no longer"):
        store.remove_foreign_file(empty)
    assert store.stat(NAME) == blob


def test_foreign_files_are_found_by_prefix(store: LocalStore, root: Path) -> None:
    put(store)
    for folder in ("audio/a", "audio/b/c", "other"):
        (root / folder).mkdir(parents=True)
    assert list(foreign_files(store)) == ["audio/a", "audio/b/c", "other"]
    assert list(foreign_files(store, "audio/")) == ["audio/a", "audio/b/c"]
    assert list(foreign_files(store, "audio/b")) == ["audio/b/c"]
    assert list(foreign_files(store, ".audiostore/")) == []
