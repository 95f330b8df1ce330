"""Kinds of fleet runs: what a new one has to bring along, and what it gets."""

import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audiostore import (
    AudioStorageManager,
    BulkItem,
    FleetChunk,
    FleetPlan,
    FleetResult,
    IntegrityError,
    LocalStore,
    RunConflictError,
    StoreTimeoutError,
    fleet,
)
from audiostore.bulk import RunOptions
from audiostore.fleet import kinds
from audiostore.fleet.chunks import OpenChunk
from audiostore.fleet.kinds import Kind
from audiostore.fleet.planning import plan_lines

RUN = "words"


def spell(
    manager: AudioStorageManager,
    chunks: Iterable[OpenChunk],
    options: Any,
    run_options: RunOptions,
    *,
    may_fork: bool,
) -> Generator[FleetChunk, None, None]:
    """Spell the words of each chunk; one cannot be spelt, one not now."""
    for chunk in chunks:
        for index, word in chunk.items:
            if word == "later" and chunk.is_fresh:
                chunk.add(StoreTimeoutError("later"))
                continue
            error = "ValueError" if word == "never" else None
            text = options["between"].join(word)
            status: Any = "failed" if error else "stored"
            chunk.add(FleetResult(index, word, "", text, status, error_kind=error))
        yield chunk.finish()


KIND = Kind(
    "spell",
    options_in=lambda fields: {"between": str(fields["between"])},
    item_in=lambda line: (line["n"], str(line["word"])),
    identity=lambda line: {"word": line["word"]},
    work=spell,
)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spelling", SimpleNamespace(KIND=KIND))
    monkeypatch.setitem(kinds._HOMES, "spell", "spelling")


@pytest.fixture
def manager(tmp_path: Path) -> AudioStorageManager:
    return AudioStorageManager(store=LocalStore(tmp_path / "store"))


def planned(manager: AudioStorageManager, *words: str, between: str = "-") -> FleetPlan:
    lines = [{"word": word} for word in words]
    return plan_lines(manager, KIND, lines, {"between": between}, run=RUN, chunk_items=2)


def test_a_kind_brings_items_options_and_work_and_all_else_is_there(
    manager: AudioStorageManager,
) -> None:
    plan = planned(manager, "one", "never", "later")
    assert (plan.kind, plan.chunks, plan.created) == ("spell", 2, True)
    assert planned(manager, "one", "never", "later") == plan
    with pytest.raises(RunConflictError):
        planned(manager, "one", "never", "later", between="+")
    chunks = list(fleet.work_share(manager, RUN))
    seen = {each.number: (each.stored, len(each.failures), each.unfinished) for each in chunks}
    assert seen == {0: (1, 1, 0), 1: (0, 0, 1)}
    assert fleet.work(manager.store.url, RUN, 1).stored == 1
    assert [each.audio_id for each in fleet.results(manager, RUN)] == [
        "o-n-e",
        "n-e-v-e-r",
        "l-a-t-e-r",
    ]
    status = fleet.status(manager, RUN)
    assert (status.kind, status.is_done, status.stored, status.failed) == ("spell", True, 2, 1)
    assert fleet.retry(manager, RUN) == 1
    (again,) = fleet.work_share(manager, RUN)
    assert [each.audio for each in again.failures] == ["never"]


def test_a_run_of_one_kind_is_not_planned_as_another(manager: AudioStorageManager) -> None:
    planned(manager, "one")
    with pytest.raises(RunConflictError, match="it was planned to spell, not to store"):
        fleet.plan(manager, [BulkItem(Path("one.mp3"))], run=RUN)


def test_a_kind_that_this_release_does_not_know_is_an_error(
    manager: AudioStorageManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(manager, "one")
    monkeypatch.delitem(kinds._HOMES, "spell")
    assert fleet.status(manager, RUN).kind == "spell"
    with pytest.raises(IntegrityError, match="newer release"):
        list(fleet.work_share(manager, RUN))
    with pytest.raises(IntegrityError, match="newer release"):
        fleet.work(manager.store.url, RUN, 0)
