"""One object, written and read so that its bytes are proven right."""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audiostore.errors import (
    AssetConflictError,
    BlobNotFoundError,
    IntegrityError,
    PreconditionFailedError,
    StoreConnectionError,
    UnreadableBlobError,
)
from audiostore.sources import BytesSource, Source
from audiostore.stores import Written, get_checked, has_content, put_checked
from audiostore.stores.memory import MemoryStore
from audiostore.stores.protocol import BlobReader, BlobSpec, TransferListener
from audiostore.values import BlobInfo, same_bytes

SPEC = BlobSpec("a/b", "x/y", {"by": "me"})
SOURCE = BytesSource(b"the right bytes")
WRONG = BytesSource(b"the wrong bytes")


class Misbehaving(MemoryStore):
    """A store whose `put` and `delete` fail as set, once each time they are called."""

    def __init__(self, *puts: Callable[["Misbehaving"], BlobInfo | None]) -> None:
        super().__init__()
        self._puts = list(puts)
        self.calls = 0
        self.deleted: list[BlobInfo] = []
        self.broken_delete: Exception | None = None

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        self.calls += 1
        if self._puts:
            done = self._puts.pop(0)(self)
            if done is not None:
                return done
        return super().put(
            spec, source, if_generation_match=if_generation_match, on_transfer=on_transfer
        )

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        self.deleted.append(blob)
        if self.broken_delete:
            raise self.broken_delete
        super().delete(blob, if_unchanged=if_unchanged)


def plain(
    store: MemoryStore, spec: BlobSpec = SPEC, source: Source = SOURCE, over: int = 0
) -> BlobInfo:
    return MemoryStore.put(store, spec, source, if_generation_match=over)


def refuse(store: MemoryStore) -> None:
    raise PreconditionFailedError("412")


def is_mine(blob: BlobInfo) -> bool:
    return blob.metadata.get("by") == "me"


def write(store: MemoryStore, over: int = 0) -> Written:
    return put_checked(store, SPEC, SOURCE, is_ours=is_mine, if_generation_match=over)


# -- write -------------------------------------------------------------------------------------


def test_what_was_written_is_returned() -> None:
    store = MemoryStore()
    written = write(store)
    assert written.created
    assert written.blob == store.stat("a/b")


def test_412_over_our_own_object_is_success_that_created_nothing() -> None:
    store = Misbehaving()
    ours = plain(store)
    assert write(store) == Written(ours, created=False, is_sent=False)
    assert store.deleted == []


@pytest.mark.parametrize(
    ("spec", "source"),
    [
        (SPEC, WRONG),
        (replace(SPEC, metadata={"by": "another"}), SOURCE),
        (SPEC, BytesSource(b"")),
    ],
    ids=["other content", "other use", "empty"],
)
def test_412_over_anything_else_is_a_conflict_that_touches_nothing(
    spec: BlobSpec, source: BytesSource
) -> None:
    store = Misbehaving()
    theirs = plain(store, spec, source)
    with pytest.raises(AssetConflictError, match=f"generation {theirs.generation}") as caught:
        write(store)
    assert isinstance(caught.value.__cause__, PreconditionFailedError)
    assert "memory://memory/a/b" in str(caught.value)
    assert store.stat("a/b") == theirs
    assert store.deleted == []


def test_412_over_what_has_vanished_is_tried_again() -> None:
    store = Misbehaving(refuse, refuse)
    assert write(store).created
    assert store.calls == 3


def test_412_over_and_over_is_raised_in_the_end() -> None:
    store = Misbehaving(*[refuse] * 10)
    with pytest.raises(PreconditionFailedError):
        write(store)
    assert store.calls == 3


def test_a_replacement_whose_target_vanished_is_not_made_anew() -> None:
    store = Misbehaving()
    with pytest.raises(PreconditionFailedError):
        write(store, over=17)
    assert store.calls == 1
    assert list(store.list("")) == []


def test_a_replacement_whose_response_was_lost_is_recognised() -> None:
    store = Misbehaving()
    first = plain(store, source=WRONG)
    second = plain(store, over=first.generation)
    assert write(store, over=first.generation) == Written(second, created=False, is_sent=False)


def test_wrong_bytes_are_removed_and_reported() -> None:
    store = Misbehaving(lambda s: plain(s, source=WRONG))
    with pytest.raises(IntegrityError, match="stored with wrong bytes"):
        write(store)
    assert list(store.list("")) == []


def test_of_wrong_bytes_only_their_own_generation_is_removed() -> None:
    def stored_wrong_and_replaced(store: Misbehaving) -> BlobInfo:
        wrong = plain(store, source=WRONG)
        plain(store, source=BytesSource(b"of another writer"), over=wrong.generation)
        return wrong

    store = Misbehaving(stored_wrong_and_replaced)
    with pytest.raises(IntegrityError) as caught:
        write(store)
    assert store.stat("a/b").size_bytes == len(b"of another writer")
    assert store.deleted[0].generation != store.stat("a/b").generation
    (note,) = caught.value.__notes__
    assert "was already deleted" in note


def test_wrong_bytes_that_cannot_be_removed_are_reported_all_the_same() -> None:
    store = Misbehaving(lambda s: plain(s, source=WRONG))
    store.broken_delete = StoreConnectionError("broken")
    with pytest.raises(IntegrityError):
        write(store)


def test_content_is_size_and_checksum() -> None:
    blob = plain(MemoryStore())
    assert has_content(blob, SOURCE)
    assert not has_content(replace(blob, size_bytes=3), SOURCE)
    assert not has_content(replace(blob, crc32c="AAAAAA=="), SOURCE)


# -- download ----------------------------------------------------------------------------------


class Reading(MemoryStore):
    """A store that hands out other bytes than it has, or fails behind the first piece."""

    def __init__(self, served: bytes | None = None, error: Exception | None = None) -> None:
        super().__init__()
        self._served = served
        self._error = error
        self.closed = 0

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        super().open(blob, start=start)
        return _Reader(self, SOURCE.data if self._served is None else self._served, self._error)


class _Reader:
    def __init__(self, store: Reading, data: bytes, error: Exception | None) -> None:
        self._store = store
        self._pieces = [data[i : i + 4] for i in range(0, len(data), 4)]
        self._error = error

    def read(self, size: int) -> bytes:
        if len(self._pieces) == 1 and self._error:
            raise self._error
        return self._pieces.pop(0) if self._pieces else b""

    def close(self) -> None:
        self._store.closed += 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def test_the_right_bytes_arrive_whole(folder: Path) -> None:
    store = Reading()
    received: list[int] = []
    get_checked(store, plain(store), folder / "out", on_received=received.append)
    assert (folder / "out").read_bytes() == SOURCE.data
    assert list(folder.iterdir()) == [folder / "out"]
    assert received == [4, 8, 12, 15]
    assert store.closed == 1


def test_the_file_is_readable_as_any_other(folder: Path) -> None:
    before = os.umask(0o022)
    try:
        store = MemoryStore()
        get_checked(store, plain(store), folder / "out")
    finally:
        os.umask(before)
    assert (folder / "out").stat().st_mode & 0o777 == 0o644


def test_an_old_file_is_replaced_in_one_step(folder: Path) -> None:
    (folder / "out").write_bytes(b"old")
    with (folder / "out").open("rb") as reader:
        store = MemoryStore()
        get_checked(store, plain(store), folder / "out")
        assert reader.read() == b"old"
    assert (folder / "out").read_bytes() == SOURCE.data


@pytest.mark.parametrize(
    "served", [b"", b"the right byte", b"the right bytes and more", WRONG.data]
)
def test_other_bytes_leave_nothing_at_the_destination(folder: Path, served: bytes) -> None:
    store = Reading(served)
    with pytest.raises(IntegrityError, match="received with wrong bytes"):
        get_checked(store, plain(store), folder / "out")
    assert list(folder.iterdir()) == []
    assert store.closed == 3  # it was read again, twice


@pytest.mark.parametrize("error", [StoreConnectionError("x"), BlobNotFoundError("x"), OSError(5)])
def test_a_failure_on_the_way_leaves_the_old_file(folder: Path, error: Exception) -> None:
    (folder / "out").write_bytes(b"old")
    store = Reading(error=error)
    with pytest.raises(type(error)) as caught:
        get_checked(store, plain(store), folder / "out")
    assert caught.value is error
    assert (folder / "out").read_bytes() == b"old"
    assert list(folder.iterdir()) == [folder / "out"]
    assert store.closed == 1


def test_a_full_disk_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    blob = plain(store)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for call in ("write", "fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(OSError, match="No space left") as caught:
                get_checked(store, blob, folder / "out")
        assert list(folder.iterdir()) == []
        assert any("while downloading memory://memory/a/b" in n for n in caught.value.__notes__)
        assert any("the disk is full" in n for n in caught.value.__notes__)


@pytest.mark.parametrize("taken_bytes", [1, 1000, 1 << 30])
def test_a_file_is_whole_however_much_the_system_takes_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, taken_bytes: int
) -> None:
    data = random.Random(7).randbytes(3000 if taken_bytes == 1 else 2_500_001)
    store = MemoryStore()
    blob = store.put(BlobSpec("a/b", "audio/mpeg"), BytesSource(data))
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, piece: write(file, piece[:taken_bytes]))
    get_checked(store, blob, folder / "out")
    assert (folder / "out").read_bytes() == data


def test_a_folder_that_is_missing_is_an_os_error(folder: Path) -> None:
    store = MemoryStore()
    with pytest.raises(FileNotFoundError):
        get_checked(store, plain(store), folder / "missing" / "out")


def test_a_deleted_generation_is_not_found(folder: Path) -> None:
    store = MemoryStore()
    old = plain(store)
    plain(store, over=old.generation)
    with pytest.raises(BlobNotFoundError):
        get_checked(store, old, folder / "out")
    assert list(folder.iterdir()) == []


# -- checksums that the store does not tell --------------------------------------------------------


def hidden(blob: BlobInfo) -> BlobInfo:
    return replace(blob, crc32c=None, md5_hash=None, unreadable="its key is disabled")


class Hiding(Misbehaving):
    """A store that tells no checksum of what it has."""

    def stat(self, name: str) -> BlobInfo:
        return hidden(super().stat(name))


def test_an_unknown_checksum_equals_no_other() -> None:
    blob = hidden(plain(MemoryStore()))
    assert not has_content(blob, SOURCE)
    assert not same_bytes(blob, blob)
    assert same_bytes(None, None)


def test_what_is_in_the_way_and_cannot_be_verified_is_neither_ours_nor_damaged() -> None:
    spec = replace(SPEC, metadata={"crc32c": SOURCE.crc32c})
    store = Hiding()
    before = plain(store, spec)
    with pytest.raises(AssetConflictError, match="crc32c unknown"):
        put_checked(store, spec, SOURCE, is_ours=lambda _: True)
    assert (list(store.list("")), store.deleted) == ([before], [])


def test_a_write_that_cannot_be_verified_fails_and_is_removed() -> None:
    store = Hiding(lambda store: hidden(plain(store)))
    with pytest.raises(IntegrityError, match="cannot be verified") as caught:
        put_checked(store, SPEC, SOURCE, is_ours=lambda _: True)
    assert "its key is disabled" in caught.value.__notes__
    assert list(store.list("")) == []


def test_what_cannot_be_verified_is_not_downloaded(tmp_path: Path) -> None:
    store = MemoryStore()
    with pytest.raises(UnreadableBlobError, match="its key is disabled"):
        get_checked(store, hidden(plain(store)), tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
