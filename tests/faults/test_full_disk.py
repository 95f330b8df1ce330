"""Row 32: a disk that is really full, wherever something is written: it is called a full disk."""

import errno
import os
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, BulkItem, LocalStore, MemoryStore
from audiostore.bulk.storeview import StoreView
from audiostore.catalog.sorting import in_order
from audiostore.cli.failures import sentence
from audiostore.errors import ConfigurationError
from audiostore.files import explain
from tests.assets import MP3
from tests.faults.rig import ID, ONCE, Files, make_files

pytestmark = [pytest.mark.row(32), pytest.mark.slow]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=200", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    path = disk / "ballast"
    with path.open("ab", buffering=0) as ballast:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while ballast.write(bytes(size)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017
    return path


def require_full(error: Exception, disk: Path) -> None:
    """See that it is said, on the command line too, what is full."""
    text = "; ".join([str(error), *getattr(error, "__notes__", ())])
    for said in (text, sentence(error)):
        assert "disk is full" in said, said
        assert str(disk) in said, said


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return make_files(tmp_path / "local", audio_bytes=300_000)


def test_a_store_on_a_full_disk_says_so_keeps_the_files_and_can_delete(
    disk: Path, tmp_path: Path
) -> None:
    files = make_files(tmp_path / "local", audio_bytes=1668)
    with AudioStorageManager(store=LocalStore(disk / "store"), retry_config=ONCE) as manager:
        manager.store.change_settings(manager.store.settings(), soft_delete_s=0)
        manager.upload_audio_file(MP3, audio_id=ID)
        ballast = fill(disk)
        with pytest.raises(OSError, match="No space left") as caught:
            manager.upload_audio_with_thumbnail(files.audio, files.cover, cleanup=True)
        require_full(caught.value, disk)
        assert files.both_kept()
        ballast.unlink()
        os.truncate(fill(disk), 16 << 10)  # what a note, and the names in a folder, take
        manager.delete(ID)
        assert list(manager.list()) == []


def test_a_download_to_a_full_disk_says_so_and_leaves_nothing(disk: Path, tmp_path: Path) -> None:
    with AudioStorageManager(store=MemoryStore(), retry_config=ONCE) as manager:
        manager.upload_audio_file(MP3, audio_id=ID)
        fill(disk)
        with pytest.raises(OSError, match="No space left") as caught:
            manager.download(ID, disk / "song.mp3")
    require_full(caught.value, disk)
    assert [path.name for path in disk.iterdir()] == ["ballast"]


def copied(manager: AudioStorageManager, disk: Path) -> None:
    with AudioStorageManager(store=LocalStore(disk.with_name("target"))) as target:
        for outcome in manager.bulk.copy(target):
            if outcome.error is not None:
                raise outcome.error


def deeply_checked(manager: AudioStorageManager, _: Path) -> None:
    list(manager.audit.check(deep=True))


def sorted_assets(manager: AudioStorageManager, _: Path) -> None:
    assets = [manager.get(ID)] * 500
    list(in_order(iter(assets), "name", run_assets=100))


@pytest.mark.parametrize("use", [copied, deeply_checked, sorted_assets])
def test_a_full_temporary_folder_is_called_that(
    disk: Path,
    use: Callable[[AudioStorageManager, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with AudioStorageManager(store=MemoryStore(), retry_config=ONCE) as manager:
        manager.upload_audio_file(MP3, audio_id=ID)
        fill(disk)
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        monkeypatch.setenv("TMPDIR", str(disk))
        with pytest.raises(OSError, match=r"No space left|disk is full") as caught:
            use(manager, disk)
    require_full(caught.value, disk)


def test_a_full_disk_below_the_temporary_file_of_sqlite_is_called_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", "/its/folder")
    with AudioStorageManager(store=MemoryStore(), retry_config=ONCE) as manager:
        asset = manager.upload_audio_file(MP3, audio_id=ID)
        with StoreView(manager) as view:
            view.list_now()
            assert view._connection is not None
            view._connection.execute("PRAGMA max_page_count = 1")
            with pytest.raises(OSError, match="disk is full") as caught:
                deque(map(view.add, [asset] * 1000))
    assert caught.value.errno == errno.ENOSPC
    require_full(caught.value, Path("/its/folder"))


def test_a_full_disk_below_the_state_of_uploads_stops_no_upload(
    disk: Path, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(disk))
    fill(disk)
    with AudioStorageManager(store=LocalStore(tmp_path / "store")) as manager:
        manager.upload_audio_file(files.audio, cleanup=True)
    assert not files.audio.exists()


def test_a_journal_on_a_full_disk_says_so(disk: Path, files: Files, tmp_path: Path) -> None:
    fill(disk)
    with (
        AudioStorageManager(store=LocalStore(tmp_path / "store")) as manager,
        pytest.raises((ConfigurationError, OSError), match=r"full|No space") as caught,
    ):
        list(manager.bulk.upload([BulkItem(files.audio)], journal=disk / "journal"))
    assert str(disk) in str(caught.value)
    assert files.both_kept()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota is used up"),
        (errno.EROFS, "is read-only"),
        (errno.EFBIG, "larger than"),
        (errno.ENAMETOOLONG, "shorter path"),
        (errno.EMFILE, "too many open files"),
        (errno.ENFILE, "too many open files"),
        (errno.EIO, "disk reports an error"),
        (errno.ENOMEM, "out of memory"),
    ],
)
def test_each_error_of_a_disk_says_what_to_do(code: int, words: str) -> None:
    error = OSError(code, os.strerror(code))
    for _ in range(2):
        explain(error, "/the/path")
    assert sentence(error).startswith("'/the/path': ")
    assert sentence(error).count(words) == 1
    assert words in sentence(OSError(code, os.strerror(code)))
