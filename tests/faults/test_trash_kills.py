"""Rows 30, 32: what a directory deletes, overwrites, restores: killed or refused at each step."""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from audiostore import LocalStore
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo
from tests.faults.child import Nursery, change_object
from tests.faults.reader import DirectoryReader
from tests.faults.test_directory import FAULTS, attempts

NAME = "audio/x/audio.mp3"
OTHER = "audio/x/thumbnail.jpg"
MOST_POINTS = 400
WHEN = pytest.mark.parametrize("when", ["before", "after"])
_DATA = re.compile(r"\.(.+)\.(\d+)\.data", re.DOTALL)


@pytest.fixture(autouse=True)
def _without_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the child: a kill loses nothing of what was written."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def put(store: LocalStore, name: str, number: str, over: int = 0) -> BlobInfo:
    spec = BlobSpec(name, "x/y", {"number": number})
    return store.put(spec, BytesSource(number.encode()), if_generation_match=over)


# -- an independent reader: see the docstring of `audiostore.stores.local` ---------------------


@dataclass(frozen=True)
class State:
    """Bytes by name, live, and in the trash (of one name, in the order of generations)."""

    live: Mapping[str, bytes]
    trash: Mapping[str, list[bytes]]


def state_of(root: Path) -> State:
    """Return what is live and what is in the trash, told by their bytes and their metadata."""
    live = {}
    for thing in DirectoryReader(root).things().values():
        assert thing.metadata["number"].encode() == thing.data, thing
        live[thing.name] = thing.data
    trash: dict[str, list[tuple[int, bytes]]] = {}
    folder = root / ".audiostore/trash"
    for path in folder.rglob("*.data"):
        match = _DATA.fullmatch(path.name)
        assert match
        beside = path.with_name(f".{match[1]}.{match[2]}.json")
        named = Path(*path.relative_to(folder).parts[1:]).with_name(match[1])
        at_name = root / named
        if not beside.exists():
            continue
        if at_name.exists() and at_name.stat().st_mtime_ns == path.stat().st_mtime_ns:
            continue
        fields = json.loads(beside.read_bytes())
        assert fields["metadata"]["number"].encode() == path.read_bytes()
        assert fields["gone_at"] > fields["deleted_at"]
        trash.setdefault(named.as_posix(), []).append((int(match[2]), path.read_bytes()))
    return State(live, {name: [data for _, data in sorted(found)] for name, found in trash.items()})


def as_the_library_sees_it(root: Path) -> State:
    store = LocalStore(root)
    live = {blob.name: blob.metadata["number"].encode() for blob in store.list("")}
    trash: dict[str, list[bytes]] = {}
    for deleted in store.list_deleted(""):
        trash.setdefault(deleted.blob.name, []).append(deleted.blob.metadata["number"].encode())
    return State(live, trash)


def another_writer(root: Path) -> None:
    """Do something else, and take it back: whoever comes next clears up."""
    store = LocalStore(root)
    store.delete(put(store, "b/c", "c"))
    for trashed in list(store.list_deleted("b/c")):
        store.purge(trashed)


def nothing_is_left_over(root: Path) -> None:
    """See that each file is a live object, one in the trash, or the metadata of either."""
    hidden = root / ".audiostore"
    assert not (hidden / "deleting").exists() or not list((hidden / "deleting").iterdir())
    trashed = [path for path in (hidden / "trash").rglob("*") if path.is_file()]
    data = [path for path in trashed if path.suffix == ".data"]
    assert sorted(trashed) == sorted([*data, *(path.with_suffix(".json") for path in data)])
    for path in data:
        match = _DATA.fullmatch(path.name)
        assert match
        assert path.stat().st_mtime_ns == int(match[2]) * 1000
    visible = [p for p in root.rglob("*") if p.is_file() and hidden not in p.parents]
    assert len(visible) == 2 * len(DirectoryReader(root).things())
    for folder in (hidden / "trash").rglob("*"):
        assert not folder.is_dir() or any(folder.iterdir()), f"{folder} is empty"


# -- the matrix --------------------------------------------------------------------------------

A, B, C = b"a", b"b", b"c"


def one(root: Path) -> None:
    put(LocalStore(root), NAME, "a")


def one_of_two(root: Path) -> None:
    one(root)
    put(LocalStore(root), OTHER, "c")


def without_trash(root: Path) -> None:
    one(root)
    store = LocalStore(root)
    store.change_settings(store.settings(), soft_delete_s=0)


def deleted(root: Path) -> None:
    one(root)
    store = LocalStore(root)
    store.delete(store.stat(NAME))


def overwritten(root: Path) -> None:
    one(root)
    store = LocalStore(root)
    put(store, NAME, "b", over=store.stat(NAME).generation)


@dataclass(frozen=True)
class Case:
    """What is there, what is done, and what is there then."""

    do: str
    prepare: Callable[[Path], None]
    after: State
    at_least: int


CASES = {
    "delete": Case("delete", one, State({}, {NAME: [A]}), 25),
    "delete beside another": Case("delete", one_of_two, State({OTHER: C}, {NAME: [A]}), 25),
    "delete without trash": Case("delete", without_trash, State({}, {}), 10),
    "delete what was overwritten": Case("delete", overwritten, State({}, {NAME: [A, B]}), 25),
    "overwrite": Case("overwrite", one, State({NAME: b"new"}, {NAME: [A]}), 30),
    "overwrite without trash": Case("overwrite", without_trash, State({NAME: b"new"}, {}), 20),
    "copy onto itself": Case("copy", one, State({NAME: A}, {NAME: [A]}), 30),
    "restore": Case("restore", deleted, State({NAME: A}, {}), 25),
    "restore over another": Case("restore", overwritten, State({NAME: A}, {NAME: [B]}), 30),
    "purge": Case("purge", deleted, State({}, {}), 12),
    "purge below another": Case("purge", overwritten, State({NAME: B}, {}), 12),
    "settings": Case("settings", overwritten, State({NAME: B}, {NAME: [A]}), 5),
}


@pytest.mark.row(30, 32)
@WHEN
@pytest.mark.parametrize("what", list(CASES))
def test_a_kill_leaves_an_object_live_or_in_the_trash_and_never_half(
    tmp_path: Path, nursery: Nursery, what: str, when: str, count_points: Callable[[int], None]
) -> None:
    case = CASES[what]
    case.prepare(tmp_path / "before")
    before = state_of(tmp_path / "before")
    assert before != case.after or case.do == "settings"
    for number in range(1, MOST_POINTS):
        root = tmp_path / str(number)
        case.prepare(root)
        call = {"do": case.do, "root": str(root), "name": NAME}
        answer = nursery.run({**call, "die_at": number, "die": when})

        left = state_of(root)
        assert left in (before, case.after), f"killed at step {number}"
        assert as_the_library_sees_it(root) == left
        assert state_of(root) == left
        another_writer(root)
        assert state_of(root) == left
        nothing_is_left_over(root)

        if not answer["killed"]:
            assert "error" not in answer, answer
            assert left == case.after
            assert number > case.at_least
            count_points(number)
            return
        if left == before:
            again = nursery.run(call)
            assert "error" not in again, again
            assert state_of(root) == case.after
            nothing_is_left_over(root)
        shutil.rmtree(root)
    raise AssertionError("the call never came to its end")


@pytest.mark.row(30, 32)
@FAULTS
@pytest.mark.parametrize("what", list(CASES))
def test_a_failing_disk_leaves_an_object_live_or_in_the_trash_and_never_half(
    tmp_path: Path,
    what: str,
    code: int,
    for_ever: bool,
    count_points: Callable[[int], None],
) -> None:
    case = CASES[what]
    case.prepare(tmp_path / "before")
    before = state_of(tmp_path / "before")
    points = 0
    for root, disk in attempts(tmp_path, code, for_ever=for_ever):
        case.prepare(root)
        call = {"do": case.do, "root": str(root), "name": NAME}
        failed = False
        with disk.installed():
            try:
                change_object(LocalStore(root), call)
            except OSError as error:
                assert error.errno == code  # noqa: PT017
                failed = True
        left = state_of(root)
        assert left in (before, case.after) if failed else left == case.after, disk.refused
        assert as_the_library_sees_it(root) == left
        another_writer(root)
        assert state_of(root) == left
        nothing_is_left_over(root)
        if left == before:
            change_object(LocalStore(root), call)
            assert state_of(root) == case.after
        points += 1
    count_points(points)


@pytest.mark.row(30, 32)
@WHEN
def test_a_killed_expiry_resumes(
    tmp_path: Path, nursery: Nursery, when: str, count_points: Callable[[int], None]
) -> None:
    for number in range(1, MOST_POINTS):
        root = tmp_path / str(number)
        overwritten(root)
        store = LocalStore(root)
        store.delete(put(store, OTHER, "c"))
        call = {"do": "expire", "root": str(root), "name": NAME, "days": 9}
        for day in range(1, 9):
            change_object(store, {**call, "days": day})
        answer = nursery.run({**call, "die_at": number, "die": when})
        assert state_of(root).live == {NAME: B}
        if answer["killed"]:
            assert "error" not in nursery.run(call)
        else:
            assert "error" not in answer, answer
        assert state_of(root) == State({NAME: B}, {})
        nothing_is_left_over(root)
        assert not list((root / ".audiostore/trash").iterdir())
        if not answer["killed"]:
            assert number > 8
            count_points(number)
            return
    raise AssertionError("the call never came to its end")


@pytest.mark.row(30, 32)
def test_killed_twice_it_is_still_finished(tmp_path: Path, nursery: Nursery) -> None:
    """What clears up behind a kill may be killed itself."""
    for first in range(1, MOST_POINTS, 3):
        root = tmp_path / str(first)
        overwritten(root)
        call = {"do": "restore", "root": str(root), "name": NAME}
        if not nursery.run({**call, "die_at": first, "die": "after"})["killed"]:
            return
        left = state_of(root)
        assert left in (State({NAME: B}, {NAME: [A]}), State({NAME: A}, {NAME: [B]}))
        for second in (2, 3, 4, 5, 6):
            copy = tmp_path / f"{first}-{second}"
            shutil.copytree(root, copy, copy_function=_linked(root, copy))
            settle = {"do": "settings", "root": str(copy), "name": NAME}
            nursery.run({**settle, "die_at": second, "die": "after"})
            assert state_of(copy) == left
            assert as_the_library_sees_it(copy) == left
            another_writer(copy)
            assert state_of(copy) == left
            nothing_is_left_over(copy)
    raise AssertionError("the call never came to its end")


def _linked(root: Path, copy: Path) -> Callable[[str, str], object]:
    """Copy files of several names once, as they are on the disk."""
    copied: dict[int, str] = {}

    def put_file(source: str, target: str) -> None:
        assert Path(source).is_relative_to(root)
        assert Path(target).is_relative_to(copy)
        inode = Path(source).stat().st_ino
        if inode in copied:
            os.link(copied[inode], target)
        else:
            copied[inode] = str(shutil.copy2(source, target))

    return put_file
