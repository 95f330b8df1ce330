"""The store in a directory: what stands on the disk, and what faults and kills leave there."""

import errno
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from fcntl import LOCK_SH, flock
from pathlib import Path
from typing import Any

import pytest

from audiostore.config import DirectoryLocation, parse_location
from audiostore.errors import BlobNotFoundError, IntegrityError, PreconditionFailedError
from audiostore.sources import BytesSource
from audiostore.stores import get_checked
from audiostore.stores.clock import utc_now
from audiostore.stores.local import LocalStore, names as local_names
from audiostore.stores.local.files import Temporary
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo
from audiostore.writeback import begin_to_write_back
from tests.timing import PATIENCE_S

NAME = "audio/x/audio.mp3"
DATA = b"some bytes" * 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


def put(
    store: LocalStore, name: str = NAME, data: bytes = DATA, over: int = 0, **metadata: str
) -> BlobInfo:
    spec = BlobSpec(name, "audio/mpeg", metadata)
    return store.put(spec, BytesSource(data), if_generation_match=over)


def read(store: LocalStore, blob: BlobInfo) -> bytes:
    with closing(store.open(blob)) as reader:
        return b"".join(iter(lambda: reader.read(1 << 20), b""))


def names(store: LocalStore) -> list[str]:
    return [blob.name for blob in store.list("")]


def files(root: Path) -> list[str]:
    """Every file below the root but the lock, its queue and the trash."""
    found = (p.relative_to(root).as_posix() for p in root.rglob("*") if not p.is_dir())
    kept = (".audiostore/lock", ".audiostore/queue", ".audiostore/trash/")
    return sorted(f for f in found if not f.startswith(kept))


def hidden(blob: BlobInfo) -> str:
    folder, _, name = blob.name.rpartition("/")
    return f"{folder}/.{name}.{blob.generation}.json"


# -- on the disk -------------------------------------------------------------------------------


def test_nothing_is_made_before_something_is_stored(store: LocalStore, root: Path) -> None:
    assert names(store) == []
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)
    store.close()
    assert not root.exists()


def test_an_object_is_a_file_of_its_name_with_hidden_metadata(
    store: LocalStore, root: Path
) -> None:
    blob = put(store, colour="blue")
    assert files(root) == sorted([NAME, hidden(blob)])
    assert (root / NAME).read_bytes() == DATA
    assert (root / NAME).stat().st_mtime_ns == blob.generation * 1000
    fields = json.loads((root / hidden(blob)).read_text("utf-8"))
    assert fields["metadata"] == {"colour": "blue"}
    assert fields["generation"] == blob.generation


def test_an_md5_that_an_earlier_version_has_written_stays(store: LocalStore, root: Path) -> None:
    blob = put(store)
    sidecar = root / hidden(blob)
    fields = json.loads(sidecar.read_text("utf-8"))
    assert fields["md5_hash"] is None
    sidecar.write_text(json.dumps({**fields, "md5_hash": "kAFQmDzST7DWlj99KOF/cg=="}), "utf-8")
    found = store.stat(NAME)
    assert found.md5_hash == "kAFQmDzST7DWlj99KOF/cg=="
    assert store.copy(found, "copy.mp3").md5_hash == found.md5_hash
    assert store.update(found, {"colour": "blue"}).md5_hash == found.md5_hash


def test_replacing_and_updating_leave_one_metadata_file(store: LocalStore, root: Path) -> None:
    first = put(store)
    second = put(store, data=b"second", over=first.generation)
    store.update(second, {"colour": "blue"})
    assert files(root) == sorted([NAME, hidden(second)])


def test_deleting_leaves_no_file_and_no_empty_folder(store: LocalStore, root: Path) -> None:
    blob, other = put(store), put(store, "audio/y/audio.mp3")
    store.delete(blob)
    assert not (root / "audio/x").exists()
    assert files(root) == sorted([other.name, hidden(other)])


def test_a_copy_of_the_tree_is_a_store(store: LocalStore, root: Path, tmp_path: Path) -> None:
    blob = store.update(put(store, colour="blue"), {"more": "yes"})
    copy = LocalStore(shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copy2))
    assert list(copy.list("")) == [blob]
    assert read(copy, blob) == DATA
    copy.delete(blob)
    assert names(copy) == []
    assert names(store) == [NAME]


def test_uri_leads_to_the_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "with space #1 100%")
    blob = put(store, "a b/ü#?.mp3")
    location = parse_location(store.uri(blob.name))
    assert isinstance(location, DirectoryLocation)
    assert location.path.read_bytes() == DATA


def test_a_relative_root_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore(Path("store"))
    put(store)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert names(store) == [NAME]


@pytest.mark.parametrize(
    "name", ["", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".hidden", "a/.b", "a\0b"]
)
def test_a_name_that_cannot_be_a_file_below_the_root_is_refused(
    store: LocalStore, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ValueError, match="cannot be a file"):
        put(store, name)
    assert list(tmp_path.iterdir()) == []


# -- what others put there ---------------------------------------------------------------------


def test_a_foreign_file_is_not_an_object(store: LocalStore, root: Path) -> None:
    put(store)
    (root / "audio/x/notes.txt").write_text("mine")
    assert names(store) == [NAME]
    with pytest.raises(BlobNotFoundError, match="no metadata"):
        store.stat("audio/x/notes.txt")


def test_a_foreign_file_in_the_way_is_kept_and_named(store: LocalStore, root: Path) -> None:
    (root / "audio/x").mkdir(parents=True)
    (root / NAME).write_text("mine")
    with pytest.raises(PreconditionFailedError, match=r"audio\.mp3 exists.*move it away"):
        put(store)
    assert (root / NAME).read_text() == "mine"


def test_a_foreign_file_in_the_way_leaves_no_other_files(store: LocalStore, root: Path) -> None:
    (root / "audio/x").mkdir(parents=True)
    (root / NAME).write_text("mine")
    with pytest.raises(PreconditionFailedError):
        put(store)
    assert files(root) == [NAME]


def test_a_folder_in_the_way_is_kept_and_named(store: LocalStore, root: Path) -> None:
    (root / NAME).mkdir(parents=True)
    with pytest.raises(PreconditionFailedError, match="move it away"):
        put(store)
    assert (root / NAME).is_dir()


def test_a_file_where_a_folder_is_needed_is_an_os_error(store: LocalStore, root: Path) -> None:
    root.mkdir()
    (root / "audio").write_text("mine")
    with pytest.raises(OSError, match="audio") as caught:
        put(store)
    assert any("while storing" in note for note in caught.value.__notes__)
    assert files(root) == ["audio"]


def test_a_foreign_socket_does_not_break_the_listing(store: LocalStore, root: Path) -> None:
    put(store)
    here = os.open(root, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(f"/proc/self/fd/{here}/audio/socket")  # the path itself may be too long
            assert names(store) == [NAME]
    finally:
        os.close(here)


def test_broken_links_and_pipes_are_not_objects(store: LocalStore, root: Path) -> None:
    put(store)
    (root / "audio/dangling").symlink_to("nowhere")
    os.mkfifo(root / "audio/pipe")
    assert names(store) == [NAME]


def test_names_that_are_not_utf8_are_passed_over(store: LocalStore, root: Path) -> None:
    put(store)
    (root / os.fsdecode(b"audio/\xff.mp3")).write_bytes(b"x")
    assert names(store) == [NAME]


def test_a_touched_file_is_not_served_as_intact(store: LocalStore, root: Path) -> None:
    blob = put(store)
    os.utime(root / NAME)
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)
    with pytest.raises(BlobNotFoundError):
        store.open(blob)
    assert names(store) == []


def test_a_truncated_file_is_not_served_as_intact(
    store: LocalStore, root: Path, tmp_path: Path
) -> None:
    blob = put(store)
    os.truncate(root / NAME, 5)
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)
    # Even where the time was set back, as a crashed disk might:
    os.utime(root / NAME, ns=(0, blob.generation * 1000))
    for described in (blob, store.stat(NAME)):
        with pytest.raises(IntegrityError):
            get_checked(store, described, tmp_path / "out.mp3")
    assert not (tmp_path / "out.mp3").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", b'{"a": 1}'])
def test_damaged_metadata_hides_the_object_and_says_so(
    store: LocalStore, root: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    blob = put(store)
    (root / hidden(blob)).write_bytes(damage)
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)
    assert names(store) == []
    assert "damaged" in caplog.text


@pytest.mark.parametrize("field", ["metadata", "crc32c", "metageneration", "content_type"])
def test_metadata_of_a_wrong_type_is_damaged_too(store: LocalStore, root: Path, field: str) -> None:
    blob = put(store)
    path = root / hidden(blob)
    path.write_text(json.dumps({**json.loads(path.read_text()), field: None}))
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)


def test_a_damaged_object_is_not_copied(store: LocalStore, root: Path) -> None:
    blob = put(store)
    with (root / NAME).open("r+b") as file:
        file.write(b"X")
    os.utime(root / NAME, ns=(0, blob.generation * 1000))
    with pytest.raises(IntegrityError):
        store.copy(blob, "copy")
    assert names(store) == [NAME]


def test_a_damaged_object_is_not_copied_over_a_good_one(store: LocalStore, root: Path) -> None:
    blob, target = put(store), put(store, "target", b"precious")
    with (root / NAME).open("r+b") as file:
        file.write(b"X")
    os.utime(root / NAME, ns=(0, blob.generation * 1000))
    with pytest.raises(IntegrityError):
        store.copy(blob, "target", if_generation_match=target.generation)
    assert read(store, store.stat("target")) == b"precious"


# -- clocks ------------------------------------------------------------------------------------


def test_a_slow_clock_still_gives_newer_generations(root: Path) -> None:
    blob = put(LocalStore(root))
    store = LocalStore(root, now=lambda: datetime(2001, 9, 9, 1, 46, 40, 123456, UTC))
    for _ in range(3):
        newer = put(store, data=b"newer", over=blob.generation)
        assert newer.generation > blob.generation
        assert store.stat(NAME) == newer
        blob = newer


def test_a_stopped_clock_gives_no_generation_twice(root: Path) -> None:
    store = LocalStore(root, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    generations = []
    for _ in range(4):
        blob = put(store)
        generations.append(blob.generation)
        store.delete(blob)
    assert generations == sorted(set(generations))
    assert [d.blob.generation for d in store.list_deleted("")] == generations


@pytest.mark.parametrize("is_clock_stopped", [False, True])
@pytest.mark.parametrize(("owner", "step"), [(local_names, "create_blob"), (Temporary, "link")])
def test_of_processes_that_create_one_name_one_does(
    root: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, is_clock_stopped: bool
) -> None:
    now = (lambda: datetime(2026, 1, 1, tzinfo=UTC)) if is_clock_stopped else utc_now
    first, second = LocalStore(root, now=now), LocalStore(root, now=now)
    for number, store in enumerate((first, second)):
        put(store, f"other/{number}")  # what is due is done: now they share the lock
    real, created = getattr(owner, step), []

    def late(*args: Any) -> None:
        """Before the first has written its metadata, or the name, the second does all it does."""
        monkeypatch.setattr(owner, step, real)
        created.append(put(second, data=b"of the second", who="second"))
        real(*args)

    monkeypatch.setattr(owner, step, late)
    with pytest.raises(PreconditionFailedError, match=r"has generation \d+, not 0"):
        put(first, data=b"of the first", who="first")
    [blob] = created
    assert first.stat(NAME) == blob
    assert blob.metadata == {"who": "second"}
    assert read(first, blob) == b"of the second"
    assert [file for file in files(root) if file.startswith("audio/")] == sorted(
        [NAME, hidden(blob)]
    )


def test_leftover_metadata_of_the_same_generation_is_replaced(root: Path) -> None:
    store = LocalStore(root, now=lambda: datetime(2026, 1, 1, 0, 0, 0, 123456, UTC))
    put(store, old="yes")
    (root / NAME).unlink()  # as a kill in the middle of delete() leaves it
    blob = put(store, new="yes")
    assert store.stat(NAME) == blob


# -- kills -------------------------------------------------------------------------------------


def test_metadata_without_its_data_is_invisible_and_replaced(store: LocalStore, root: Path) -> None:
    old = put(store, old="yes")
    (root / NAME).unlink()
    assert names(store) == []
    with pytest.raises(BlobNotFoundError):
        store.open(old)
    blob = put(store, new="yes")
    assert dict(store.stat(NAME).metadata) == {"new": "yes"}
    assert files(root) == sorted([NAME, hidden(blob)])


def test_metadata_of_a_generation_that_never_came_is_invisible_and_replaced(
    store: LocalStore, root: Path
) -> None:
    blob = put(store)
    later = (root / hidden(blob)).with_name(f".audio.mp3.{blob.generation + 5}.json")
    shutil.copy2(root / hidden(blob), later)
    assert store.stat(NAME) == blob
    newer = put(store, data=b"new", over=blob.generation)
    assert files(root) == sorted([NAME, hidden(newer)])


KILL = """
import os, sys
from pathlib import Path
from typing import Any
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from audiostore.stores.local import LocalStore

call, number, replacing = sys.argv[2], int(sys.argv[3]), sys.argv[4] == "yes"
store = LocalStore(Path(sys.argv[1]))
over = store.stat("a/b").generation if replacing else 0
real, seen = getattr(os, call), 0

def dying(*args, **kwargs):
    global seen
    seen += 1
    if seen == number:
        os._exit(9)
    return real(*args, **kwargs)

setattr(os, call, dying)
store.put(BlobSpec("a/b", "x/y", {"new": "yes"}), BytesSource(b"new"), if_generation_match=over)
"""


@pytest.mark.slow
@pytest.mark.parametrize("replacing", [False, True])
@pytest.mark.parametrize(
    ("call", "number"), [("link", 1), ("rename", 1), ("rename", 2), ("unlink", 1), ("fsync", 4)]
)
def test_a_kill_leaves_the_old_object_or_the_new_one(
    store: LocalStore, root: Path, call: str, number: int, replacing: bool
) -> None:
    old = put(store, "a/b", b"old", colour="old") if replacing else None
    result = subprocess.run(
        [sys.executable, "-c", KILL, str(root), call, str(number), "yes" if replacing else "no"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode in (0, 9), result.stderr  # 0: that call is not made so often
    found = list(store.list(""))
    if found and found != [old]:
        assert read(store, found[0]) == b"new"
        assert dict(found[0].metadata) == {"new": "yes"}
    else:
        assert result.returncode == 9
        assert found == ([old] if old else [])
    again = put(store, "a/b", b"again", found[0].generation if found else 0)
    assert read(store, again) == b"again"
    visible = [f for f in files(root) if not f.startswith(".audiostore/tmp/")]
    assert visible == sorted(["a/b", hidden(again)])


def temporary_file(root: Path, age_s: float) -> tuple[Path, LocalStore]:
    """Return a file that was left, and a store that looks at it when it is that old."""
    folder = root / ".audiostore/tmp"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "00112233"
    path.write_bytes(b"left over")
    now = datetime.fromtimestamp(path.stat().st_ctime + age_s, UTC)
    return path, LocalStore(root, now=lambda: now)


def test_temporary_files_of_killed_writers_are_swept(root: Path) -> None:
    left, store = temporary_file(root, 3601)
    put(store)
    assert not left.exists()


def test_young_temporary_files_are_kept(root: Path) -> None:
    left, store = temporary_file(root, 3590)
    put(store)
    assert left.exists()


def test_temporary_files_of_live_writers_are_kept_however_old(root: Path) -> None:
    left, store = temporary_file(root, 1e6)
    with left.open("rb") as held:
        flock(held, LOCK_SH)
        put(store)
        assert left.exists()


def test_what_a_killed_writer_left_at_the_top_is_cleaned_up(store: LocalStore, root: Path) -> None:
    store.delete(put(store, "top"))
    (root / ".audiostore/deleting").mkdir(exist_ok=True)
    note = root / ".audiostore/deleting/0123.json"
    note.write_text('{"name": "top", "trash": []}')
    put(store)
    assert not note.exists()


# -- faults ------------------------------------------------------------------------------------


class FullDisk:
    """Lets the first `good` calls of an os function pass, then raises ENOSPC."""

    def __init__(self, real: Callable[..., object], good: int) -> None:
        self._real = real
        self._good = good
        self.fired = False

    def __call__(self, *args: object, **kwargs: object) -> object:
        if self._good == 0:
            self.fired = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._good -= 1
        return self._real(*args, **kwargs)


def full_disks(limit: int = 12) -> Iterator[tuple[str, int]]:
    for call in ("write", "fsync", "link", "rename", "mkdir"):
        for good in range(limit if call == "fsync" else 3):
            yield call, good


@pytest.mark.parametrize(("call", "good"), list(full_disks()))
@pytest.mark.parametrize("replacing", [False, True])
def test_a_full_disk_leaves_no_half_object_and_no_temporary_file(
    store: LocalStore,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    good: int,
    replacing: bool,
) -> None:
    old = put(store, data=b"old") if replacing else None
    disk = FullDisk(getattr(os, call), good)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, disk)
        try:
            put(store, over=old.generation if old else 0, new="yes")
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017
            assert disk.fired
        else:
            assert not disk.fired
    found = list(store.list(""))
    if found and found != [old]:
        assert read(store, found[0]) == DATA
        assert dict(found[0].metadata) == {"new": "yes"}
    else:
        assert disk.fired
        assert found == ([old] if old else [])
    assert [f for f in files(root) if f.startswith(".audiostore")] == []


def test_the_note_on_a_fault_is_true(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "audio/x/other")
    for good in range(10):
        disk = FullDisk(os.fsync, good)
        name = f"audio/x/{good}"
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", disk)
            try:
                put(store, name)
            except OSError as error:
                if any("nothing was committed" in note for note in error.__notes__):
                    assert name not in names(store)


def test_a_fault_during_update_changes_nothing(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = put(store, colour="red")
    for call in ("write", "rename"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, FullDisk(getattr(os, call), 0))
            with pytest.raises(OSError, match="No space left"):
                store.update(blob, {"colour": "blue"})
        assert list(store.list("")) == [blob]
    assert files(root) == sorted([NAME, hidden(blob)])


def test_a_root_that_cannot_be_written_is_an_os_error_that_names_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        del mode, dir_fd
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refuse)
        with pytest.raises(OSError, match=str(root)) as caught:
            put(LocalStore(root))
    assert caught.value.errno == errno.EROFS
    root.mkdir()
    monkeypatch.setattr(os, "mkdir", refuse)
    findings = {f.subject: f for f in LocalStore(root).diagnose()}
    assert not findings["write"].ok
    assert "another directory" in findings["write"].hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_without_permission_is_a_permission_error(root: Path) -> None:
    root.mkdir(0o555)
    with pytest.raises(PermissionError, match=str(root)):
        put(LocalStore(root))


def test_a_root_that_is_a_file_is_an_os_error(root: Path) -> None:
    root.write_text("a file")
    store = LocalStore(root)
    assert names(store) == []
    with pytest.raises(NotADirectoryError, match=str(root)):
        put(store)
    assert root.read_text() == "a file"


def test_diagnose_does_not_create_the_directory(root: Path) -> None:
    findings = {f.subject: f for f in LocalStore(root / "new").diagnose()}
    assert (findings["store"].mark, findings["write"].mark) == ("note", "ok")
    assert "free" in findings["space"].detail
    assert not root.exists()


def test_diagnose_says_that_the_directory_cannot_be_created(root: Path) -> None:
    root.write_text("a file")
    findings = {f.subject: f for f in LocalStore(root / "new").diagnose()}
    assert findings["write"].mark == "failed"
    assert f"{root} is not writable" in findings["write"].detail


def test_diagnose_tries_all_and_leaves_nothing(store: LocalStore, root: Path) -> None:
    findings = {f.subject: f for f in store.diagnose()}
    assert findings["write"].ok
    assert "free" in findings["space"].detail
    assert files(root) == []


# -- processes ---------------------------------------------------------------------------------

CREATE = """
import sys
from pathlib import Path
from typing import Any
from audiostore.errors import PreconditionFailedError
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from audiostore.stores.local import LocalStore

store, me, won = LocalStore(Path(sys.argv[1])), sys.argv[2], []
print("ready", flush=True)
sys.stdin.readline()
for number in range(30):
    try:
        store.put(BlobSpec(f"a/{number}", "x/y", {"by": me}), BytesSource(me.encode() * 5000))
        won.append(number)
    except PreconditionFailedError:
        pass
print(*won)
"""


@pytest.mark.slow
def test_of_two_processes_that_create_one_name_one_wins(store: LocalStore, root: Path) -> None:
    def start(me: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", CREATE, str(root), me],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with start("1") as one, start("2") as two:
        for process in (one, two):
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in (one, two):
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        won = {
            "1": one.communicate(timeout=PATIENCE_S)[0].split(),
            "2": two.communicate(timeout=PATIENCE_S)[0].split(),
        }
    assert (one.returncode, two.returncode) == (0, 0)
    assert sorted(map(int, won["1"] + won["2"])) == list(range(30))
    for me, numbers in won.items():
        for number in numbers:
            blob = store.stat(f"a/{number}")
            assert dict(blob.metadata) == {"by": me}
            assert read(store, blob) == me.encode() * 5000


def test_a_pickled_store_is_the_same_directory(store: LocalStore) -> None:
    copy = pickle.loads(pickle.dumps(store))
    assert isinstance(copy, LocalStore)
    assert copy.url == store.url
    blob = store.put(BlobSpec("a/b", "x/y"), BytesSource(b"bytes"))
    assert copy.stat("a/b") == blob


def test_creating_an_object_opens_few_files(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What bounds a run on many small files is not the disk, but the work for each of them."""
    opened: list[object] = []
    real = os.open

    def counted(path: str, *args: Any, **kwargs: Any) -> int:
        opened.append(path)
        return real(path, *args, **kwargs)

    put(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", counted)
        patch.setattr(os, "mkdir", None)
        put(store, NAME.replace("audio.mp3", "thumbnail.jpg"))
    assert len(opened) <= 18, opened


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can begin to write back")
def test_a_large_file_is_written_back_while_it_is_filled(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync = os.fsync

    def beginning(descriptor: int) -> bool:
        has_begun = begin_to_write_back(descriptor)
        steps.append(f"begun at {os.fstat(descriptor).st_size}" if has_begun else "refused")
        return has_begun

    def syncing(descriptor: int) -> None:
        steps.append("synced")
        sync(descriptor)

    monkeypatch.setattr("audiostore.stores.local.files.begin_to_write_back", beginning)
    monkeypatch.setattr(os, "fsync", syncing)
    put(store, "audio/x/small.mp3")  # not worth it
    put(store, data=b"x" * (5 << 19))
    begun = [step for step in steps if step != "synced"]
    assert begun == ["begun at 1048576", "begun at 2097152"]
    assert steps[steps.index(begun[-1]) + 1] == "synced"
