"""The directory store among others: links, bad entries, other users, and a lock that is kept."""

import errno
import fcntl
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from audiostore.errors import AudioStoreError, ConfigurationError, StoreLockedError
from audiostore.sources import BytesSource
from audiostore.stores.local import LocalStore, lock
from audiostore.stores.local.folder import Tree
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo
from tests.assets import MP3

NAME = "audio/x/audio.mp3"
OTHER = "audio/y/audio.mp3"
LATER = datetime(2126, 1, 1, tzinfo=UTC)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")


@pytest.fixture(autouse=True)
def _without_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


def put(store: LocalStore, name: str = NAME, data: bytes = b"data", over: int = 0) -> BlobInfo:
    return store.put(BlobSpec(name, "a/b"), BytesSource(data), if_generation_match=over)


def read(store: LocalStore, blob: BlobInfo) -> bytes:
    with closing(store.open(blob)) as reader:
        return b"".join(iter(lambda: reader.read(1 << 20), b""))


def use(store: LocalStore) -> list[str]:
    """Do everything to a store that it lets us do; return the names that it lists."""
    listed = [blob.name for blob in store.list("")]
    found = list(store.foreign_files("audio/"))
    deleted = list(store.list_deleted(""))
    assert [*store.diagnose()]
    for name in (NAME, OTHER, "audio/z/audio.mp3"):
        with suppress(AudioStoreError, OSError):
            put(store, name)
        with suppress(AudioStoreError, OSError):
            blob = store.update(store.stat(name), {"more": "yes"})
            read(store, store.copy(blob, f"{name}-copy"))
            store.delete(blob)
    for each in deleted:
        with suppress(AudioStoreError, OSError):
            store.restore(each)
        with suppress(AudioStoreError, OSError):
            store.purge(each)
    for file in found:
        with suppress(AudioStoreError, OSError, ValueError):
            store.remove_foreign_file(file)
    with suppress(AudioStoreError, OSError):
        store.change_settings(store.settings(), soft_delete_s=0)
    return listed


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return what is in a folder outside, with the times at which it was written."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (folder, *folder.rglob("*"))
    }


# -- links -------------------------------------------------------------------------------------

PLACES = [
    ".audiostore",
    ".audiostore/trash",
    ".audiostore/trash/2020-01-01",
    ".audiostore/trash/DAY/audio",
    ".audiostore/trash/DAY/audio/y/DATA",
    ".audiostore/trash/DAY/audio/y/METADATA",
    ".audiostore/deleting",
    ".audiostore/deleting/0123.json",
    ".audiostore/tmp",
    ".audiostore/tmp/0123",
    ".audiostore/lock",
    ".audiostore/queue",
    ".audiostore/settings.json",
    "audio",
    "audio/x",
    NAME,
    "audio/x/SIDECAR",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_link_in_a_store_is_followed(root: Path, tmp_path: Path, place: str) -> None:
    """What the link leads to is a store as well, so that everything would work there."""
    day = datetime.now(UTC).date().isoformat()
    for folder in (root, tmp_path / "outside"):
        store = LocalStore(folder)
        put(store)
        store.change_settings(store.settings(), soft_delete_s=0)
        store.change_settings(store.settings(), soft_delete_s=1 << 24)
        store.delete(put(store, OTHER))
        (kept,) = (folder / ".audiostore/trash").iterdir()
        day = kept.name
        shutil.copytree(kept, kept.with_name("2020-01-01"))
        (folder / ".audiostore/deleting").mkdir(exist_ok=True)
        (folder / ".audiostore/deleting/0123.json").write_text('{"name": "audio/x/audio.mp3"')
        (folder / ".audiostore/tmp/0123").write_bytes(b"left over")

    def inside(folder: Path) -> Path:
        *above, name = place.replace("DAY", day).split("/")
        patterns = {"DATA": "*.data", "METADATA": ".*.json", "SIDECAR": ".*.json"}
        if name not in patterns:
            return folder.joinpath(*above, name)
        (found,) = folder.joinpath(*above).glob(patterns[name])
        return found

    link, target = inside(root), inside(tmp_path / "outside")
    before = snapshot(tmp_path / "outside")
    if link.is_dir():
        shutil.rmtree(link)
    else:
        link.unlink()
    link.symlink_to(target)

    for moment in (datetime.now(UTC), LATER, LATER):
        use(LocalStore(root, now=lambda moment=moment: moment))  # type: ignore[misc]

    assert snapshot(tmp_path / "outside") == before


@pytest.mark.parametrize("place", [NAME, "audio/x", "audio"])
def test_a_link_is_one_finding_and_the_other_objects_are_listed(
    store: LocalStore, root: Path, tmp_path: Path, place: str
) -> None:
    put(store)
    put(store, "other/y")
    shutil.move(root / place, tmp_path / "elsewhere")
    (root / place).symlink_to(tmp_path / "elsewhere")
    assert [blob.name for blob in store.list("")] == ["other/y"]
    (found,) = (f for f in store.foreign_files("audio/") if "metadata" not in f.description)
    assert found.path == place
    assert "symbolic link" in found.description
    assert not found.is_removable


def test_the_error_of_a_link_says_that_it_is_one(
    store: LocalStore, root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (root / "audio").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError, match="a symbolic link, which a store does not follow"):
        put(store)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_nothing_is_written_to_a_file_that_is_linked_in_place_of_the_lock(
    store: LocalStore, root: Path, tmp_path: Path
) -> None:
    put(store)
    mine = tmp_path / "mine"
    mine.write_text("precious")
    mine.chmod(0o640)
    (root / ".audiostore/lock").unlink()
    (root / ".audiostore/lock").hardlink_to(mine)
    use(LocalStore(root))
    assert mine.read_text() == "precious"
    assert stat.S_IMODE(mine.stat().st_mode) == 0o640


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    store = LocalStore(tmp_path / "link")
    assert read(store, put(store)) == b"data"
    assert [blob.name for blob in LocalStore(root).list("")] == [NAME]


# -- bad entries -------------------------------------------------------------------------------


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def folder(path: Path) -> None:
    path.mkdir()
    (path / "file").write_bytes(b"x")


def unix_socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(f"/proc/self/fd/{here}/{path.name}")  # the path itself may be too long
    finally:
        os.close(here)


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def deep(path: Path) -> None:
    path.write_text("[" * 200_000)


def large_number(path: Path) -> None:
    path.write_text('{"metageneration": ' + "9" * 100_000 + "}")


NOT_FILES = [fifo, loop, dangling, folder, unix_socket]
BAD_TEXTS = [huge, deep, large_number]


def replace(path: Path, damage: Callable[[Path], None]) -> None:
    saved = path.with_name(f"saved{path.suffix}")
    path.rename(saved)
    damage(path)
    saved.unlink()


@pytest.mark.parametrize("damage", [*NOT_FILES, *BAD_TEXTS])
def test_a_bad_sidecar_is_one_finding_and_hides_only_its_object(
    store: LocalStore, root: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    put(store)
    put(store, OTHER)
    (sidecar,) = (root / "audio/x").glob(".*.json")
    replace(sidecar, damage)
    assert [blob.name for blob in store.list("")] == [OTHER]
    assert "sidecar" in caplog.text or str(root / "audio/x") in caplog.text
    (found,) = store.foreign_files("audio/")
    assert found.path == NAME
    assert "metadata is damaged" in found.description
    store.delete(store.stat(OTHER))


@pytest.mark.parametrize("damage", NOT_FILES)
def test_what_is_not_a_file_is_one_finding_and_never_ends_a_listing(
    store: LocalStore, root: Path, damage: Callable[[Path], None]
) -> None:
    put(store, OTHER)
    (root / "audio/bad").mkdir()
    damage(root / "audio/bad/audio.mp3")
    assert [blob.name for blob in store.list("")] == [OTHER]
    (found,) = store.foreign_files("audio/")
    assert found.path.startswith("audio/bad/audio.mp3")


@pytest.mark.parametrize("damage", [*NOT_FILES, *BAD_TEXTS])
@pytest.mark.parametrize("which", [".data", ".json"])
def test_a_bad_entry_of_the_trash_never_ends_its_listing_or_a_deletion(
    store: LocalStore, root: Path, damage: Callable[[Path], None], which: str
) -> None:
    store.delete(put(store))
    store.delete(put(store, OTHER))
    (path,) = (root / ".audiostore/trash").glob(f"*/audio/x/.*{which}")
    replace(path, damage)
    names = [deleted.blob.name for deleted in store.list_deleted("")]
    assert names in ([OTHER], [NAME, OTHER])
    assert (NAME in names) == (which == ".data" and damage in BAD_TEXTS)
    store.delete(put(store, "audio/z/audio.mp3"))
    assert (
        f"trash/{path.relative_to(root / '.audiostore/trash')}"
        in str([file.path for file in store.foreign_files("audio/")])
    ) == (damage in (fifo, loop, dangling, unix_socket))


@pytest.mark.parametrize("damage", [*NOT_FILES, huge, deep, large_number])
def test_a_bad_note_never_ends_anything(
    store: LocalStore, root: Path, damage: Callable[[Path], None]
) -> None:
    blob = put(store)
    (root / ".audiostore/deleting").mkdir(exist_ok=True)
    damage(root / ".audiostore/deleting/0123.json")
    assert list(store.list("")) == [blob]
    store.delete(blob)
    assert len(list(store.list_deleted(""))) == 1


@pytest.mark.parametrize("damage", [*NOT_FILES, *BAD_TEXTS])
def test_bad_settings_are_an_error_and_not_the_defaults(
    store: LocalStore, root: Path, damage: Callable[[Path], None]
) -> None:
    blob = put(store)
    damage(root / ".audiostore/settings.json")
    with pytest.raises((ConfigurationError, OSError), match=r"settings\.json"):
        store.settings()
    assert list(store.list("")) == [blob]


@pytest.mark.parametrize("damage", NOT_FILES)
def test_a_bad_lock_is_an_error_that_names_it(
    store: LocalStore, root: Path, damage: Callable[[Path], None]
) -> None:
    blob = put(store)
    replace(root / ".audiostore/lock", damage)
    with pytest.raises(OSError, match=r"lock|link"):
        store.delete(blob)
    assert list(store.list("")) == [blob]
    assert not next(f for f in store.diagnose() if f.subject == "write").ok


def test_check_reports_each_bad_entry_once(
    store: LocalStore, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with AudioStorageManager(store=store) as manager:
        good, bad = (manager.upload_audio_file(MP3, artwork="none") for _ in range(2))
        manager.delete(manager.upload_audio_file(MP3).audio_id)
        assert bad.audio is not None
        (sidecar,) = (root / bad.audio.name).parent.glob(".*.json")
        places = ["audio/pipe", ".audiostore/deleting/pipe", ".audiostore/trash/2020-01-01"]
        replace(sidecar, fifo)
        for place in places:
            (fifo if "pipe" in place else loop)(root / place)
        found = {problem.name: problem for problem in manager.audit.check()}
        assert sorted(found) == sorted([bad.audio.name, *places])
        assert {problem.kind for problem in found.values()} == {"foreign-file"}
        assert [asset.audio_id for asset in manager.list()] == [good.audio_id]
    assert str(root / ".audiostore/deleting/pipe") in caplog.text


def test_very_deep_folders_end_no_walk(store: LocalStore, root: Path) -> None:
    put(store)
    store.delete(put(store, OTHER))
    old = root / ".audiostore/trash/2020-01-01"
    for place in (root / "audio/deep", old):
        place.mkdir()
        here = os.open(place, os.O_RDONLY)
        for _ in range(300):  # longer than a path may be
            os.mkdir("sixteen letters.", dir_fd=here)
            below = os.open("sixteen letters.", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
    assert [blob.name for blob in store.list("")] == [NAME]
    assert len(list(store.list_deleted(""))) == 1
    paths = [file.path for file in store.foreign_files("audio/")]
    assert len([path for path in paths if path.startswith("audio/deep")]) == 1
    assert len([path for path in paths if path.startswith(".audiostore/trash/2020")]) == 1
    put(LocalStore(root), "audio/z/audio.mp3")
    assert not old.exists()


@pytest.mark.parametrize("seconds", [2**33, 2**40])
def test_a_file_from_the_far_future_is_not_an_object(
    store: LocalStore, root: Path, seconds: int
) -> None:
    put(store)
    put(store, OTHER)
    os.utime(root / NAME, ns=(0, seconds * 10**9))
    generation = (root / NAME).stat().st_mtime_ns // 1000
    (sidecar,) = (root / "audio/x").glob(".*.json")
    sidecar.rename(sidecar.with_name(f".audio.mp3.{generation}.json"))
    assert OTHER in [blob.name for blob in store.list("")]


# -- other users -------------------------------------------------------------------------------

ALICE, BOB, EVE, MUSIC = 4101, 4102, 4103, 4200


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that every user can reach, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="audiostore-shared-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def run_as(uid: int, step: Callable[[], object], *, umask: int = 0o002, gid: int = MUSIC) -> str:
    """Run a step in a child process of a user; return its result, or its error with the notes."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            os.umask(umask)
            text = str(step())
        except BaseException as error:  # noqa: BLE001
            text = "; ".join([type(error).__name__, str(error), *getattr(error, "__notes__", ())])
        os.write(sender, text.encode("utf-8", "replace")[:60_000])
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, encoding="utf-8") as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text


def as_names(blobs: "Iterator[BlobInfo]") -> str:
    return " ".join(blob.name for blob in blobs)


@pytest.mark.slow
@ROOT_ONLY
def test_a_store_that_a_group_shares_works(shared: Path) -> None:
    os.chown(shared, ALICE, MUSIC)
    shared.chmod(0o2775)
    store = LocalStore(shared / "store")

    def all_of_it() -> str:
        newer = put(store, data=b"newer", over=store.stat(NAME).generation)
        store.update(newer, {"by": str(os.geteuid())})
        store.delete(store.stat(NAME))
        oldest, newest = store.list_deleted("")
        assert oldest.blob.generation < newest.blob.generation
        restored = store.restore(oldest)
        assert read(store, restored) == b"data"
        store.restore(newest, if_generation_match=restored.generation)
        assert read(store, store.stat(NAME)) == b"newer"
        for deleted in store.list_deleted(""):
            store.purge(deleted)
        store.change_settings(store.settings(), retention_s=0)
        return as_names(store.list(""))

    assert "audio" in run_as(ALICE, lambda: put(store).name)
    assert run_as(BOB, all_of_it) == NAME
    assert run_as(ALICE, lambda: put(store, OTHER).name) == OTHER
    # Others may read, if the folders let them, and can do no more.
    assert run_as(EVE, lambda: as_names(store.list("")), gid=EVE) == f"{NAME} {OTHER}"
    assert "PermissionError" in run_as(EVE, lambda: put(store, "audio/e"), gid=EVE)


@ROOT_ONLY
def test_a_missing_permission_is_named(shared: Path) -> None:
    os.chown(shared, ALICE, MUSIC)
    shared.chmod(0o2775)
    store = LocalStore(shared / "store")
    run_as(ALICE, lambda: put(store), umask=0o022)
    text = run_as(BOB, lambda: put(store, OTHER))
    assert "PermissionError" in text
    assert ".audiostore" in text
    assert f"belongs to user {ALICE} and the group {MUSIC}, with mode" in text
    assert f"by user {BOB}" in text


@ROOT_ONLY
def test_who_may_only_read_cannot_block_writers(shared: Path) -> None:
    os.chown(shared, ALICE, ALICE)
    store = LocalStore(shared / "store")
    run_as(ALICE, lambda: put(store), umask=0o022, gid=ALICE)
    lock = shared / "store/.audiostore/lock"
    lock.chmod(0o644)  # as earlier versions made it
    run_as(ALICE, lambda: put(store, OTHER), umask=0o022, gid=ALICE)

    def locked_by_eve() -> str:
        for path in (shared / "store").rglob("*"):
            with suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                if path.name in ("lock", "queue"):
                    return "locked"
        return "not locked"

    assert run_as(EVE, locked_by_eve, gid=EVE) == "not locked"
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    assert run_as(EVE, lambda: as_names(store.list("")), gid=EVE) == f"{NAME} {OTHER}"


@pytest.mark.slow
@ROOT_ONLY
def test_what_a_user_may_not_read_is_a_finding_and_ends_no_listing(
    shared: Path, tmp_path: Path
) -> None:
    store = LocalStore(shared / "store")
    for name in (NAME, OTHER, "audio/z/audio.mp3"):
        put(store, name)
    (shared / "store/audio/x").chmod(0o700)
    (shared / "store/audio/z/audio.mp3").chmod(0o600)

    def listed() -> str:
        return as_names(store.list(""))

    def found() -> str:
        return " ".join(
            f"{file.path}: {file.description}" for file in store.foreign_files("audio/")
        )

    assert run_as(EVE, listed) == f"{OTHER} audio/z/audio.mp3"
    text = run_as(EVE, found)
    assert "audio/x: a folder that cannot be read: Permission denied" in text
    assert "audio/z/audio.mp3: an object that this user may not read" in text
    assert NAME not in text

    (shared / "store/audio").chmod(0o700)
    assert run_as(EVE, listed) == ""
    assert "PermissionError" in run_as(EVE, lambda: as_names(store.list("audio/")))
    assert run_as(EVE, found).startswith("audio: a folder that cannot be read")
    (shared / "store").chmod(0o700)
    assert "PermissionError" in run_as(EVE, listed), "it is not known what the store holds"


# -- the lock ----------------------------------------------------------------------------------


class Time:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.at: dict[float, Callable[[], object]] = {}

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += max(seconds, 1)
        for due in [moment for moment in self.at if moment <= self.seconds]:
            self.at.pop(due)()


@pytest.fixture
def time() -> Time:
    return Time()


def lock_of(root: Path, time: Time) -> lock.WriterLock:
    return lock.WriterLock(
        Tree(root),
        ".audiostore",
        lambda: datetime.now(UTC),
        oldest_day=lambda: None,
        clock=time,
        sleep=time.sleep,
    )


@pytest.fixture
def waiting(root: Path, time: Time) -> lock.WriterLock:
    return lock_of(root, time)


@pytest.fixture
def other(root: Path, time: Time) -> lock.WriterLock:
    """The same lock, as another process has it."""
    return lock_of(root, time)


@pytest.fixture
def held(store: LocalStore, root: Path) -> Iterator[int]:
    """The lock of the store, which somebody holds who does not say so."""
    put(store)
    descriptor = os.open(root / ".audiostore/lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield descriptor
    os.close(descriptor)


def test_waiting_for_a_lock_ends_and_says_who_holds_it(
    held: int, waiting: lock.WriterLock, time: Time, root: Path
) -> None:
    with pytest.raises(StoreLockedError) as caught, waiting.held():
        pass
    assert 29 < time.seconds < 40
    assert f"process {os.getpid()} on {os.uname().nodename}, since 20" in str(caught.value)
    assert str(root) in str(caught.value)
    assert caught.value.path == root


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"nonsense",
        b'{"pid": 4194305, "host": "%s", "since": "2026-01-01T00:00:00Z",'
        b' "time": "2026-01-01T00:00:00Z"}' % os.uname().nodename.encode(),
    ],
)
def test_a_holder_that_does_not_say_so_is_not_made_up(
    held: int, waiting: lock.WriterLock, record: bytes
) -> None:
    os.ftruncate(held, 0)
    os.pwrite(held, record, 0)
    with pytest.raises(StoreLockedError, match="an unknown process"), waiting.held():
        pass


def _write(descriptor: int, record: bytes) -> None:
    os.pwrite(descriptor, record, 0)


def test_waiting_goes_on_while_others_take_turns(
    held: int, waiting: lock.WriterLock, time: Time
) -> None:
    for moment in (20, 40, 60):
        time.at[moment] = partial(_write, held, b"%3d" % moment)
    time.at[80] = lambda: fcntl.flock(held, fcntl.LOCK_UN)
    with waiting.held():
        assert 79 < time.seconds < 90


def test_readers_do_not_wait_for_the_lock(held: int, store: LocalStore, root: Path) -> None:
    (root / ".audiostore/deleting").mkdir(exist_ok=True)
    (root / ".audiostore/deleting/0123.json").write_text("{}")  # as while another deletes
    assert [blob.name for blob in store.list("")] == [NAME]
    assert list(store.list_deleted("")) == []
    assert list(store.foreign_files("audio/")) == []


def test_threads_take_turns_and_a_stuck_one_is_reported(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_LOCK_WAIT_S", 0.01)
    same = store._lock
    with (
        same.held(),
        pytest.raises(StoreLockedError, match=f"process {os.getpid()}"),
        same.held(),
    ):
        pass
    put(store)


def test_who_may_not_clean_up_may_read_and_any_other_hindrance_is_reported(
    shared: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = LocalStore(shared / "store")
    put(store)
    (shared / "store/.audiostore/deleting").mkdir()
    (shared / "store/.audiostore/deleting/0123.json").write_text("{}")
    lock = shared / "store/.audiostore/lock"

    def heard() -> str:
        return as_names(store.list("")) + "".join(each.getMessage() for each in caplog.records)

    if os.geteuid() == 0:
        assert run_as(EVE, heard, gid=EVE) == NAME
    lock.unlink()
    lock.mkdir()
    assert heard().startswith(f"{NAME}cannot clean up after a writer that was killed: ")


def test_a_turn_leaves_no_descriptor_open(store: LocalStore) -> None:
    def count() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    blob = put(store)
    before = count()
    store.delete(store.update(blob, {"more": "yes"}))
    assert count() == before


def test_who_creates_objects_shares_the_lock_and_nobody_else_does(
    waiting: lock.WriterLock,
) -> None:
    with waiting.held("a"), waiting.held("b"):
        for name in ("a", None):
            with pytest.raises(StoreLockedError), waiting.held(name, wait=False):
                pass
    with waiting.held():
        for name in ("a", None):
            with pytest.raises(StoreLockedError), waiting.held(name, wait=False):
                pass
    with waiting.held(wait=False):
        pass


def is_free(wanted: lock.WriterLock, name: str | None) -> bool:
    try:
        with wanted.held(name, wait=False):
            return True
    except StoreLockedError:
        return False


def test_processes_that_create_objects_share_the_lock_and_no_others_do(
    waiting: lock.WriterLock, other: lock.WriterLock
) -> None:
    with waiting.held("a"):
        assert is_free(other, "a")
        assert is_free(other, "b")
        assert not is_free(other, None)
    with waiting.held():
        assert not is_free(other, "b")
    assert is_free(other, None)


def test_who_needs_the_lock_alone_is_not_overtaken(
    waiting: lock.WriterLock, other: lock.WriterLock, time: Time, root: Path
) -> None:
    creating = waiting.held("a")
    creating.__enter__()
    late: list[bool] = []
    time.at[5] = lambda: late.append(is_free(lock_of(root, time), "b"))
    time.at[10] = lambda: creating.__exit__(None, None, None)
    with other.held():
        assert late == [False]
        assert 9 < time.seconds < 20
    assert is_free(waiting, "b")


def test_only_one_process_does_what_is_due(
    waiting: lock.WriterLock, other: lock.WriterLock, time: Time
) -> None:
    prepared: list[tuple[str, bool]] = []

    def prepare(name: str) -> Callable[[datetime, bool], None]:
        return lambda _, is_alone: prepared.append((name, is_alone))

    with waiting.held("a", prepare=prepare("a"), is_due=lambda _: True):
        assert not is_free(other, "b")
    creating = waiting.held("a", prepare=prepare("not due"))
    creating.__enter__()
    time.at[time.seconds + 5] = lambda: creating.__exit__(None, None, None)
    began = time.seconds
    with other.held("b", prepare=prepare("b"), is_due=lambda _: True):
        assert time.seconds >= began + 5
    assert prepared == [("a", True), ("not due", False), ("b", True)]


def test_a_shared_lock_is_prepared_once_and_let_go_of_after_a_moment(
    waiting: lock.WriterLock, time: Time
) -> None:
    prepared: list[str] = []
    with waiting.held("a", prepare=lambda *_: prepared.append("a")):
        with waiting.held("b", prepare=lambda *_: prepared.append("b")):
            time.seconds += lock._SHARED_FOR_S
        with pytest.raises(StoreLockedError), waiting.held("c", wait=False):
            pass
    with waiting.held("c", prepare=lambda *_: prepared.append("c")):
        pass
    assert prepared == ["a", "c"]


def test_a_failure_to_prepare_lets_go_of_the_lock(
    waiting: lock.WriterLock, other: lock.WriterLock
) -> None:
    def fail(_: datetime, __: bool) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(OSError, match="Input"), waiting.held("a", prepare=fail):
        pass
    with waiting.held("a", wait=False):
        pass
    with pytest.raises(OSError, match="Input"), waiting.held(prepare=fail):
        pass
    assert is_free(other, None)


def test_a_child_that_was_forked_meanwhile_does_not_keep_the_lock(
    store: LocalStore, root: Path
) -> None:
    receiver, sender = os.pipe()
    with store._lock.held():
        pid = os.fork()
        if pid == 0:
            os.close(sender)
            os.read(receiver, 1)  # lives until the parent says so
            os._exit(0)
    os.close(receiver)
    put(LocalStore(root))
    os.close(sender)
    os.waitpid(pid, 0)


def test_a_manager_reports_a_locked_store_at_once(
    held: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has been waited for already: it is not tried again."""
    monkeypatch.setattr(lock, "_LOCK_WAIT_S", 0.0)
    with (
        AudioStorageManager(store=LocalStore(root)) as manager,
        pytest.raises(StoreLockedError),
    ):
        manager.store.delete(manager.store.stat(NAME))


def test_a_full_disk_still_lets_go_of_what_is_deleted(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = put(store)

    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    store.delete(blob)
    assert list(store.list("")) == []
