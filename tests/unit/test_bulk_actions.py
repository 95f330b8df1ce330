"""The same for each of many: at once, in order, and one error each."""

import threading
from collections.abc import Iterator

import pytest

from audiostore import AudioStorageManager, HeldError, MemoryStore
from tests.timing import PATIENCE_S


@pytest.fixture
def manager() -> AudioStorageManager:
    return AudioStorageManager(store=MemoryStore())


def test_many_run_at_once_and_are_reported_in_order(manager: AudioStorageManager) -> None:
    together = threading.Barrier(8, timeout=PATIENCE_S)

    def act(number: int) -> str:
        together.wait()
        return f"number {number}"

    outcomes = list(manager.bulk.apply(act, range(64), in_order=True))
    assert [outcome.index for outcome in outcomes] == list(range(64))
    assert [outcome.result for outcome in outcomes] == [f"number {n}" for n in range(64)]


def test_an_error_is_that_of_its_item_alone(manager: AudioStorageManager) -> None:
    def act(number: int) -> int:
        if number % 2:
            raise HeldError(f"{number} is held")
        return number

    outcomes = sorted(manager.bulk.apply(act, range(100)), key=lambda outcome: outcome.index)
    assert [outcome.item for outcome in outcomes] == list(range(100))
    assert [outcome.result for outcome in outcomes[:4]] == [0, None, 2, None]
    assert str(outcomes[1].error) == "1 is held"
    started = list(manager.bulk.apply(act, range(100), fail_fast=True, concurrency=1))
    assert len(started) < 100


def test_items_are_read_as_they_are_needed(manager: AudioStorageManager) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    outcomes = manager.bulk.apply(str, items(), concurrency=2)
    next(outcomes)
    outcomes.close()
    assert taken < 10_000
