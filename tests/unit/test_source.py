"""A snapshot of a local file: it notices every change, and deletes nothing but itself."""

import errno
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import google_crc32c
import pytest

from audiostore.errors import InvalidSourceError, SourceChangedError, SourceNotFoundError
from audiostore.localfiles import LocalFile, OpenFile
from audiostore.sources import BytesSource, Source, encode_crc32c

DATA = bytes(range(256)) * 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "song.mp3"
    path.write_bytes(DATA)
    return path


def read(source: Source, size: int = 1000) -> bytes:
    with closing(source.open()) as reader:
        return b"".join(iter(lambda: reader.read(size), b""))


def overwrite_keeping_everything(path: Path) -> None:
    """Other bytes; same inode, size and modification time."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"other")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replace_by_another(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(DATA)
    other.replace(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "rewritten": lambda p: p.write_bytes(DATA[::-1]),
    "shortened": lambda p: os.truncate(p, 10),
    "emptied": lambda p: os.truncate(p, 0),
    "grown": lambda p: p.write_bytes(DATA + b"more"),
    "touched": lambda p: os.utime(p, ns=(1, 1)),
    "other bytes, same size and time": overwrite_keeping_everything,
}


# -- reading -----------------------------------------------------------------------------------


def test_a_snapshot_has_size_and_checksum(path: Path) -> None:
    file = LocalFile.snapshot(path)
    assert file.size_bytes == len(DATA)
    assert file.crc32c == encode_crc32c(google_crc32c.value(DATA)) == BytesSource(DATA).crc32c
    assert (file.device, file.inode) == (path.stat().st_dev, path.stat().st_ino)
    assert LocalFile.snapshot(path) == file


def test_checksums_are_written_as_the_bucket_writes_them() -> None:
    assert encode_crc32c(0) == "AAAAAA=="
    assert BytesSource(b"123456789").crc32c == "4waSgw=="  # 0xe3069283, RFC 3720 B.4's check value


@pytest.mark.parametrize("size", [1, 7, len(DATA) - 1, len(DATA), 1 << 20])
@pytest.mark.parametrize("make", [LocalFile.snapshot, lambda p: BytesSource(p.read_bytes())])
def test_all_bytes_come_in_order(path: Path, size: int, make: Callable[[Path], Source]) -> None:
    assert read(make(path), size) == DATA
    assert read(make(path), size) == DATA


@pytest.mark.parametrize("make", [LocalFile.snapshot, lambda p: BytesSource(p.read_bytes())])
def test_seek_continues_anywhere(path: Path, make: Callable[[Path], Source]) -> None:
    with closing(make(path).open()) as reader:
        for offset in (0, 3000, 10, len(DATA), len(DATA) - 1, 0):
            reader.seek(offset)
            assert reader.read(50) == DATA[offset : offset + 50]
        reader.seek(1000)
        assert b"".join(iter(lambda: reader.read(999), b"")) == DATA[1000:]


def test_a_link_is_followed(path: Path) -> None:
    link = path.with_name("link.mp3")
    link.symlink_to(path.name)
    assert read(LocalFile.snapshot(link)) == DATA


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_before_reading_is_noticed(path: Path, change: str) -> None:
    file = LocalFile.snapshot(path)
    CHANGES[change](path)
    with pytest.raises(SourceChangedError, match=r"song\.mp3.*nothing was committed"):
        read(file)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("offset", [0, 4000])
def test_a_change_while_reading_is_noticed_before_the_last_bytes(
    path: Path, change: str, offset: int
) -> None:
    file = LocalFile.snapshot(path)
    received = 0
    with closing(file.open()) as reader:
        reader.seek(offset)
        received = offset + len(reader.read(10))
        CHANGES[change](path)
        if change.startswith("other bytes") and offset:
            reader.seek(offset)  # what stands before the offset counts as well
            reader.seek(0)
            reader.seek(offset)
            received = offset
        with pytest.raises(SourceChangedError):  # noqa: PT012
            while piece := reader.read(1000):
                received += len(piece)
    assert received < len(DATA)


def test_another_file_in_its_place_is_noticed(path: Path) -> None:
    file = LocalFile.snapshot(path)
    replace_by_another(path)
    with pytest.raises(SourceChangedError):
        file.open()


def test_a_deleted_file_is_noticed(path: Path) -> None:
    file = LocalFile.snapshot(path)
    path.unlink()
    with pytest.raises(SourceChangedError, match="was deleted"):
        file.open()


def test_a_folder_that_became_a_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "song.mp3"
    path.parent.mkdir()
    path.write_bytes(DATA)
    file = LocalFile.snapshot(path)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file")
    with pytest.raises(SourceChangedError):
        file.open()


def test_a_file_replaced_after_it_was_opened_is_read_to_its_end(path: Path) -> None:
    file = LocalFile.snapshot(path)
    with closing(file.open()) as reader:
        start = reader.read(10)
        replace_by_another(path)
        path.write_bytes(b"new")
        assert start + b"".join(iter(lambda: reader.read(1000), b"")) == DATA


def test_a_change_during_the_snapshot_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pread

    def read_and_change(descriptor: int, size: int, offset: int) -> bytes:
        piece = real(descriptor, size, offset)
        with path.open("ab") as file:
            file.write(b"x" if not piece else b"")
        return piece

    monkeypatch.setattr(os, "pread", read_and_change)
    with pytest.raises(SourceChangedError, match="while it was read"):
        LocalFile.snapshot(path)


def test_an_open_file_is_read_whatever_happens_to_its_path(path: Path) -> None:
    with path.open("rb") as stream:
        source = OpenFile(LocalFile.of_open(path, stream.fileno()), stream)
        path.with_name("other").write_bytes(b"other")
        path.with_name("other").replace(path)
        assert read(source) == DATA
        path.unlink()
        assert read(source) == DATA
    with pytest.raises(ValueError, match="closed"):
        source.open()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_an_open_file_is_noticed(path: Path, change: str) -> None:
    with path.open("rb") as stream:
        source = OpenFile(LocalFile.of_open(path, stream.fileno()), stream)
        CHANGES[change](path)
        with pytest.raises(SourceChangedError, match=r"song\.mp3.*nothing was committed"):
            read(source)


def test_another_name_that_comes_or_goes_is_no_change(path: Path) -> None:
    path.with_name("second").hardlink_to(path)
    file = LocalFile.snapshot(path)
    path.with_name("third").hardlink_to(path)
    path.with_name("second").unlink()
    assert read(file) == DATA
    path.with_name("third").unlink()
    assert read(file) == DATA
    assert file.remove() is True


def test_a_file_that_claims_too_much_is_refused_unread(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.truncate(path, 3 << 40)
    monkeypatch.delattr(os, "pread")
    with pytest.raises(InvalidSourceError, match=r"song\.mp3' has 3,298,534,883,328 bytes: the"):
        LocalFile.snapshot(path, max_bytes=10**11)


@pytest.mark.parametrize("name", ["/proc/self/status", "/dev/zero", "/proc/kcore"])
def test_files_of_the_system_are_refused_unread(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path(name).exists():
        pytest.skip("not on this system")
    monkeypatch.delattr(os, "pread")
    with pytest.raises(InvalidSourceError):
        LocalFile.snapshot(Path(name), max_bytes=10**11)


def test_a_file_without_the_bytes_that_it_claims_is_refused() -> None:
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")  # a page, and some bytes in it
    if not path.exists():
        pytest.skip("not on this system")
    with pytest.raises(SourceChangedError):
        LocalFile.snapshot(path)


def test_only_regular_files_are_accepted(tmp_path: Path, path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no file at"):
        LocalFile.snapshot(tmp_path / "missing")
    with pytest.raises(SourceNotFoundError, match="no file at"):
        LocalFile.snapshot(path / "below")
    with pytest.raises(InvalidSourceError, match="is a directory"):
        LocalFile.snapshot(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidSourceError, match="not a regular file"):
        LocalFile.snapshot(tmp_path / "pipe")
    with pytest.raises(InvalidSourceError, match="not a regular file"):
        LocalFile.snapshot(Path("/dev/null"))
    (tmp_path / "empty").touch()
    with pytest.raises(InvalidSourceError, match="is empty"):
        LocalFile.snapshot(tmp_path / "empty")
    with pytest.raises(InvalidSourceError, match="cannot be a path"):
        LocalFile.snapshot(Path("a\0b"))
    with pytest.raises(InvalidSourceError, match="cannot be a path"):
        LocalFile.snapshot(Path("\ud800"))


def test_descriptors_are_given_back(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    file = LocalFile.snapshot(path)
    read(file)
    path.write_bytes(b"other")
    with pytest.raises(SourceChangedError):
        file.open()
    with pytest.raises(InvalidSourceError):
        LocalFile.snapshot(path.parent)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# -- removing ----------------------------------------------------------------------------------


def test_remove_deletes_the_very_file(path: Path) -> None:
    assert LocalFile.snapshot(path).remove() is True
    assert list(path.parent.iterdir()) == []


def test_remove_of_a_deleted_file_returns_false(path: Path) -> None:
    file = LocalFile.snapshot(path)
    path.unlink()
    assert file.remove() is False


@pytest.mark.parametrize("change", [*CHANGES, "replaced"])
def test_remove_keeps_a_file_that_changed(path: Path, change: str) -> None:
    file = LocalFile.snapshot(path)
    {**CHANGES, "replaced": replace_by_another}[change](path)
    kept = path.read_bytes()
    with pytest.raises((SourceChangedError, InvalidSourceError)):
        file.remove()
    assert path.read_bytes() == kept
    assert list(path.parent.iterdir()) == [path]


def at_rename(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]) -> None:
    """Have something happen between the check of the path and its renaming."""
    real = os.rename

    def rename(source: str, target: str, **folders: int) -> None:
        monkeypatch.setattr(os, "rename", real)
        before()
        real(source, target, **folders)

    monkeypatch.setattr(os, "rename", rename)


def test_a_file_put_in_its_place_after_the_check_is_never_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LocalFile.snapshot(path)

    def replace() -> None:
        other = path.with_name("other")
        other.write_bytes(b"new take")
        other.replace(path)

    at_rename(monkeypatch, replace)
    with pytest.raises(SourceChangedError):
        file.remove()
    assert path.read_bytes() == b"new take"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_put_in_its_place_during_removal_is_never_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LocalFile.snapshot(path)
    real = LocalFile.of_open

    def snapshot_meanwhile(path: Path, descriptor: int) -> LocalFile:
        path.write_bytes(b"new take")
        return real(path, descriptor)

    monkeypatch.setattr(LocalFile, "of_open", staticmethod(snapshot_meanwhile))
    assert file.remove() is True
    assert path.read_bytes() == b"new take"
    assert list(path.parent.iterdir()) == [path]


def test_both_files_are_kept_where_both_are_new(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LocalFile.snapshot(path)

    def snapshot_meanwhile(path: Path, _: int) -> LocalFile:
        path.write_bytes(b"second take")
        raise OSError(errno.EIO, "cannot be read", str(path))

    monkeypatch.setattr(LocalFile, "of_open", staticmethod(snapshot_meanwhile))
    with pytest.raises(OSError, match="File exists") as caught:
        file.remove()
    assert path.read_bytes() == b"second take"
    (aside,) = (p for p in path.parent.iterdir() if p != path)
    assert aside.read_bytes() == DATA
    assert str(aside) in caught.value.__notes__[0]


def test_a_file_emptied_after_the_check_has_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LocalFile.snapshot(path)
    at_rename(monkeypatch, lambda: os.truncate(path, 0))
    with pytest.raises(SourceChangedError):
        file.remove()


def test_an_emptied_file_is_put_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LocalFile.snapshot(path)
    at_rename(monkeypatch, lambda: os.truncate(path, 0))
    with pytest.raises((SourceChangedError, InvalidSourceError)):
        file.remove()
    assert path.read_bytes() == b""
    assert list(path.parent.iterdir()) == [path]


def test_of_a_link_only_the_link_is_removed(path: Path) -> None:
    link = path.with_name("link.mp3")
    link.symlink_to(path.name)
    assert LocalFile.snapshot(link).remove() is True
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == DATA


def test_a_file_that_cannot_be_deleted_is_put_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LocalFile.snapshot(path)
    real, calls = os.unlink, []

    def refuse_once(target: object, **kwargs: object) -> None:
        calls.append(target)
        if len(calls) == 1:
            raise PermissionError(errno.EPERM, "not permitted", str(target))
        real(target, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "unlink", refuse_once)
    with pytest.raises(PermissionError):
        file.remove()
    assert path.read_bytes() == DATA
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_keeps_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LocalFile.snapshot(path)

    def refuse(source: object, target: object, **_: int) -> None:
        raise PermissionError(errno.EACCES, "denied", str(source), None, str(target))

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError):
        file.remove()
    assert path.read_bytes() == DATA


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_keeps_the_file(path: Path) -> None:
    file = LocalFile.snapshot(path)
    path.parent.chmod(0o555)
    try:
        with pytest.raises(PermissionError):
            file.remove()
    finally:
        path.parent.chmod(0o755)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("change", ["replaced", "written", "touched"])
def test_remove_does_not_even_move_a_file_that_changed(
    path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others would miss it for a moment."""
    file = LocalFile.snapshot(path)
    if change == "replaced":
        path.with_name("new").write_bytes(path.read_bytes())
        path.with_name("new").replace(path)
    elif change == "written":
        path.write_bytes(path.read_bytes() + b"more")
    else:
        os.utime(path, ns=(1, 1))

    def moved(*args: object, **kwargs: object) -> None:
        pytest.fail("it was moved")

    monkeypatch.setattr(os, "rename", moved)
    with pytest.raises(SourceChangedError, match="was kept"):
        file.remove()
