"""Names in order: however many there are, memory holds a limited number of them."""

import gc
import sqlite3
import tracemalloc
import weakref
from contextlib import closing
from pathlib import Path

import pytest

from audiostore import scratch
from audiostore.bulk.sources import find_items, names as names_module
from audiostore.bulk.sources.names import SortedNames

ODD = ["b", "a", "\udcff", "\ue000", "\U0001f3b5", "é", "e\u0301", "a b", "A", "Z", "\ud7ff"]


def sorted_names(found: list[str]) -> SortedNames:
    names = SortedNames()
    for name in found:
        names.add(name)
    return names


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
def test_names_come_in_the_order_of_their_characters_each_time(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names_module, "_IN_MEMORY", limit)
    monkeypatch.setattr(names_module, "_READ_AT_ONCE", 3)
    names = sorted_names(ODD)
    assert list(names) == list(names) == sorted(ODD)
    together = [(first, second) for first in names for second in names]
    assert together == [(first, second) for first in sorted(ODD) for second in sorted(ODD)]
    assert list(sorted_names([])) == []


@pytest.mark.slow
def test_memory_holds_no_more_names_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "_IN_MEMORY", 100)
    monkeypatch.setattr(names_module, "_READ_AT_ONCE", 100)
    count, length = 20_000, 50
    tracemalloc.start()
    names = SortedNames()
    for number in range(count):
        names.add(f"{number * 7919 % count:0{length}}")
        assert len(names._new) < 100
    assert sum(1 for _ in names) == count
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < count * length / 4


def test_the_database_of_a_temporary_file_holds_little_in_memory() -> None:
    with scratch.on_the_disk(), closing(scratch.open_scratch()) as connection:
        assert connection.execute("PRAGMA cache_size").fetchone() == (-256,)  # KiB


def test_the_temporary_file_is_gone_with_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "_IN_MEMORY", 2)
    names = sorted_names(["a", "b", "c"])
    connection = names._scratch
    assert connection is not None
    gone = weakref.ref(names)
    del names
    gc.collect()
    assert gone() is None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_temporary_file_that_cannot_be_written_is_called_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = scratch.open_scratch

    def open_small() -> sqlite3.Connection:
        connection = opened()
        connection.execute("PRAGMA max_page_count = 2")
        return connection

    monkeypatch.setattr(scratch, "open_scratch", open_small)
    monkeypatch.setattr(names_module, "_IN_MEMORY", 100)
    with pytest.raises(OSError, match="full"):
        sorted_names([f"{number:050}" for number in range(1_000)])


def test_a_directory_of_many_directories_is_walked_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names_module, "_IN_MEMORY", 3)
    monkeypatch.setattr(names_module, "_READ_AT_ONCE", 2)
    paths = [f"{outer}/{inner}/song.mp3" for outer in "dacbfe" for inner in "31524"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(b"x")
    assert [item.source_path for item in find_items([tmp_path])] == sorted(paths)
