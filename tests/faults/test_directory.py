"""Row 32: the directory store on a disk that is full, read-only or broken, at every step."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager, BulkItem, LocalStore
from tests.assets import OTHER_JPG, PNG
from tests.faults.reader import DirectoryReader, Truth, agree, check
from tests.faults.rig import ID, ONCE, OTHER_ID, Files, make_files

WRITING = [
    "open",
    "write",
    "fsync",
    "link",
    "rename",
    "replace",
    "unlink",
    "mkdir",
    "rmdir",
    "utime",
    "fstat",
    "scandir",
    "lseek",
]
_IN_FOLDERS = ("dst_dir_fd", "dir_fd")
MOST_POINTS = 300


class FailingDisk:
    """Refuses the nth file operation below a folder, and from then on, if asked, every one."""

    def __init__(self, folder: Path, number: int, code: int, *, for_ever: bool) -> None:
        self._folder = str(folder)
        self._number = number
        self._code = code
        self._for_ever = for_ever
        self.count = 0
        self.refused: list[str] = []

    @contextmanager
    def installed(self, *names: str) -> Iterator[None]:
        """Count and refuse while this lasts; `names`: of the operations, if not of all."""
        real = {name: getattr(os, name) for name in names or WRITING}
        flock = fcntl.flock
        try:
            for name, function in real.items():
                setattr(os, name, self._wrapped(name, function))
            if not names:
                fcntl.flock = self._wrapped("flock", flock)
            yield
        finally:
            for name, function in real.items():
                setattr(os, name, function)
            fcntl.flock = flock

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            below = next((kwargs[key] for key in _IN_FOLDERS if key in kwargs), args[0])
            if self._is_below(below) and not self._gives_back(name, args):
                self.count += 1
                due = self.count >= self._number if self._for_ever else self.count == self._number
                if due:
                    self.refused.append(name)
                    raise OSError(self._code, os.strerror(self._code))
            return function(*args, **kwargs)

        return call

    def _is_below(self, target: object) -> bool:
        if isinstance(target, int):
            try:
                target = Path(f"/proc/self/fd/{target}").readlink()
            except OSError:
                return False
        return str(target).startswith(self._folder)

    def _gives_back(self, name: str, args: tuple[Any, ...]) -> bool:
        """A full disk still reads, locks and deletes."""
        if self._code != errno.ENOSPC:
            return False
        if name in ("unlink", "rmdir", "fstat", "scandir", "flock", "lseek"):
            return True
        return name == "open" and not args[1] & os.O_CREAT


def attempts(folder: Path, code: int, *, for_ever: bool) -> Iterator[tuple[Path, FailingDisk]]:
    """Yield a fresh root and a disk that fails one step later each time."""
    for number in range(1, MOST_POINTS):
        root = folder / str(number) / "store"
        disk = FailingDisk(root, number, code, for_ever=for_ever)
        yield root, disk
        if not disk.refused:
            return
    raise AssertionError("the call never came to its end")


FAULTS = pytest.mark.parametrize(
    ("code", "for_ever"),
    [(errno.ENOSPC, True), (errno.ENOSPC, False), (errno.EIO, False), (errno.EROFS, True)],
    ids=["disk full from there on", "disk full once", "I/O error once", "read-only from there on"],
)


@pytest.mark.row(32)
@FAULTS
def test_storing_in_a_directory_that_fails_at_every_step(
    tmp_path: Path, code: int, for_ever: bool, count_points: Callable[[int], None]
) -> None:
    files = make_files(tmp_path / "local", audio_bytes=1668)
    points = 0
    for root, disk in attempts(tmp_path, code, for_ever=for_ever):
        files.restore()
        failure: OSError | None = None
        with AudioStorageManager(store=LocalStore(root), retry_config=ONCE) as manager:
            with disk.installed():
                try:
                    manager.upload_audio_with_thumbnail(
                        files.audio, files.cover, audio_id=ID, cleanup=True
                    )
                except OSError as error:
                    failure = error
            assets = check(DirectoryReader(root).things(), files.truth, files.originals)
            agree(manager, assets, [ID])
            if failure is None:
                assert assets, disk.refused
                assert not files.audio.exists()
            else:
                assert failure.errno == code
                assert files.both_kept()
                points += 1
            files.restore()
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)
        check(
            DirectoryReader(root).things(),
            {ID: Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)},
            files.originals,
        )
        left = list((root / ".audiostore" / "tmp").iterdir())
        assert len(left) <= (0 if code == errno.ENOSPC else 2), disk.refused

    assert points > 10
    count_points(points)


@pytest.mark.row(32)
@FAULTS
@pytest.mark.parametrize("cover", ["jpg", "png"])
def test_replacing_artwork_in_a_directory_that_fails_at_every_step(
    tmp_path: Path, code: int, for_ever: bool, cover: str, count_points: Callable[[int], None]
) -> None:
    files = make_files(tmp_path / "local", audio_bytes=1668)
    new = {"jpg": OTHER_JPG, "png": PNG}[cover]
    truth = Truth(files.audio_bytes, (files.cover_bytes, new.read_bytes()), must_be_there=True)
    points = 0
    for root, disk in attempts(tmp_path, code, for_ever=for_ever):
        with AudioStorageManager(store=LocalStore(root), retry_config=ONCE) as manager:
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
            with disk.installed():
                try:
                    manager.upload_thumbnail_file(new, ID)
                except OSError:
                    points += 1
            agree(manager, check(DirectoryReader(root).things(), {ID: truth}, {}), [ID])
            manager.upload_thumbnail_file(new, ID)
            check(
                DirectoryReader(root).things(),
                {ID: Truth(files.audio_bytes, (new.read_bytes(),), must_be_there=True)},
                {},
            )
    count_points(points)


@pytest.mark.row(30, 32)
@FAULTS
def test_deleting_in_a_directory_that_fails_at_every_step(
    tmp_path: Path, code: int, for_ever: bool, count_points: Callable[[int], None]
) -> None:
    from audiostore import AssetNotFoundError  # noqa: PLC0415

    files = make_files(tmp_path / "local", audio_bytes=1668)
    points = 0
    for root, disk in attempts(tmp_path, code, for_ever=for_ever):
        with AudioStorageManager(store=LocalStore(root), retry_config=ONCE) as manager:
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
            with disk.installed():
                try:
                    manager.delete(ID)
                except OSError:
                    points += 1
            agree(manager, check(DirectoryReader(root).things(), files.truth, {}), [ID])
            with suppress(AssetNotFoundError):
                manager.delete(ID)
        assert DirectoryReader(root).things() == {}
    count_points(points)


@pytest.mark.row(32)
def test_a_directory_below_a_file_is_a_clear_error(files: Files, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")

    with (
        AudioStorageManager(store=LocalStore(tmp_path / "file" / "store")) as manager,
        pytest.raises(OSError, match="Not a directory") as raised,
    ):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert "file" in f"{raised.value} {raised.value.__notes__}"
    assert files.both_kept()


@pytest.mark.row(32)
def test_a_directory_that_may_not_be_written_is_a_clear_error(files: Files, tmp_path: Path) -> None:
    import subprocess  # noqa: PLC0415

    root = tmp_path / "store"
    root.mkdir()
    if os.geteuid() != 0:
        root.chmod(0o555)
    elif subprocess.run(["chattr", "+i", root], capture_output=True, check=False).returncode:
        pytest.skip("root may write everywhere, and nothing is immutable on this file system")
    try:
        with (
            AudioStorageManager(store=LocalStore(root)) as manager,
            pytest.raises(PermissionError) as raised,
        ):
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)
    finally:
        if os.geteuid() == 0:
            subprocess.run(["chattr", "-i", root], check=True)

    assert "store" in f"{raised.value} {raised.value.__notes__}"
    assert files.both_kept()
    assert list(root.iterdir()) == []


@pytest.mark.row(32)
def test_bytes_are_on_the_disk_before_the_object_has_its_name(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power failure would show: each name appears after an fsync of what it names."""
    root = tmp_path / "store"
    synced: set[int] = set()
    folders: set[str] = set()
    wrong: list[str] = []
    real_fsync, real_link, real_rename = os.fsync, os.link, os.rename
    real_write = os.write

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.add(status.st_ino)
        folders.discard(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_fsync(descriptor)

    def write(descriptor: int, data: bytes) -> int:
        synced.discard(os.fstat(descriptor).st_ino)
        return real_write(descriptor, data)

    def named(real: Callable[..., None]) -> Callable[..., None]:
        def call(source: Any, target: Any, **kwargs: Any) -> None:
            if root in Path(target).parents and ".audiostore" not in Path(target).parts:
                if Path(source).stat().st_ino not in synced:
                    wrong.append(f"{target} was named before it was synced")
                if not Path(target).name.startswith(".") and str(Path(target).parent) in folders:
                    wrong.append(f"{target} was named before its metadata was safe")
                folders.add(str(Path(target).parent))
            real(source, target, **kwargs)

        return call

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(os, "link", named(real_link))
    monkeypatch.setattr(os, "rename", named(real_rename))
    with AudioStorageManager(store=LocalStore(root), retry_config=ONCE) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        manager.upload_thumbnail_file(OTHER_JPG, ID)
        manager.upload_thumbnail_file(PNG, ID)
    monkeypatch.undo()

    assert wrong == []
    assert not {folder for folder in folders if folder.startswith(str(root))}


@pytest.mark.row(32)
def test_an_error_that_says_nothing_was_committed_is_right(tmp_path: Path) -> None:
    files = make_files(tmp_path / "local", audio_bytes=1668)
    for root, disk in attempts(tmp_path, errno.EIO, for_ever=False):
        notes = ""
        manager = AudioStorageManager(store=LocalStore(root), retry_config=ONCE)
        with disk.installed():
            try:
                manager.upload_audio_with_thumbnail(files.audio, audio_id=ID)
            except OSError as error:
                notes = " ".join(getattr(error, "__notes__", ()))
        if "nothing was committed" in notes:
            assert DirectoryReader(root).things() == {}, disk.refused


@pytest.mark.slow
@pytest.mark.row(32)
def test_a_sync_that_fails_among_many_keeps_the_files_of_its_asset(
    tmp_path: Path, count_points: Callable[[int], None]
) -> None:
    """Threads sync at the same time; the error of each is that of its own asset."""
    points = failures = 0
    for number in range(1, MOST_POINTS):
        base = tmp_path / str(number)
        files = {each: make_files(base / each, audio_bytes=1668) for each in (ID, OTHER_ID)}
        items = [BulkItem(each.audio, each.cover, audio_id) for audio_id, each in files.items()]
        disk = FailingDisk(base / "store", number, errno.EIO, for_ever=False)
        with (
            AudioStorageManager(store=LocalStore(base / "store"), retry_config=ONCE) as manager,
            disk.installed("fsync"),
        ):
            failed = {
                outcome.audio_id: outcome.error is not None
                for outcome in manager.bulk.upload(items, concurrency=2, check="none", cleanup=True)
            }
        things = DirectoryReader(base / "store").things()
        for audio_id, each in files.items():
            truth = Truth(each.audio_bytes, (each.cover_bytes,), not failed[audio_id])
            own = {name: thing for name, thing in things.items() if audio_id in name}
            check(own, {audio_id: truth}, each.originals)
            assert each.both_kept() == failed[audio_id], disk.refused
        assert any(failed.values()) == bool(disk.refused)
        assert not all(failed.values())
        if not disk.refused:
            break
        points += 1
        failures += any(failed.values())
    assert failures == points > 10
    count_points(points)
