"""Row managing: what manages assets, killed at every step, is finished by running it again."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from audiostore.asset.copy import copy_asset
from audiostore.audit.repairing import repair
from tests.faults.child import Nursery
from tests.faults.managing import (
    BUCKETS,
    BY_NAME,
    ONCE,
    WORKS,
    KilledError,
    Stage,
    Steps,
    Work,
    in_memory,
    shown,
    stages,
    stepped,
)
from tests.faults.rig import ID, OTHER_ID

LATER = timedelta(days=2)
# What a kill leaves behind that is no part of an upload, and that only its owner can finish.
HALF_WAY = {"half-held", "half-expiring"}


@pytest.fixture(autouse=True)
def _without_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def run(stage: Stage, work: Work, steps: Steps) -> None:
    manager = AudioStorageManager(store=stepped(stage.store, steps), retry_config=ONCE)
    if work.name.startswith("copy"):
        copy_asset(manager.store, stepped(stage.target, steps), stage.manager.get(ID))
    else:
        work.do(manager, stage)


def again(stage: Stage, work: Work) -> None:
    with suppress(*work.finished_by):
        work.do(stage.manager, stage)
    work.done(stage)
    assert stage.leftovers() == []


def works(kind: str) -> list[str]:
    likewise = "gcs" if kind in BUCKETS else kind
    return [work.name for work in WORKS if likewise not in work.not_on]


# Where nothing is overwritten or deleted, every kind of bucket does the same.
DELETING = {
    "delete",
    "restore what lived",
    "set class",
    "replace artwork",
    "replace artwork by another kind",
    "supersede and trash",
    "copy",
    "check and repair",
}


def killed_everywhere(
    kind: str, folder: Path, work: Work, then: Callable[[Stage, Work], None]
) -> int:
    """Kill before the first step, the second, … until all is done; return how many."""
    with stages(kind, folder) as fresh:
        for number, stage in enumerate(fresh, 1):
            work.prepare(stage)
            steps = Steps(at=number)
            with suppress(KilledError):
                run(stage, work, steps)
            shown(stage, work)
            if not steps.reached:
                work.done(stage)
                assert {p.kind for p in stage.problems()} == set()
                assert stage.leftovers() == []
                return number - 1
            then(stage, work)
    raise AssertionError("it never came to its end")


def finished_by_running_it_again(stage: Stage, work: Work) -> None:
    if work.name != "check and repair":
        young = {problem.kind for problem in stage.problems(datetime.now(UTC))}
        assert young <= HALF_WAY
    again(stage, work)
    assert stage.problems() == []


def repaired_and_run_again(stage: Stage, work: Work) -> None:
    """A check finds what the kill left, its repair mends it and touches nothing that is live."""
    before = shown(stage, work)
    for problem in stage.problems():
        assert problem.hint
        repaired = repair(stage.manager, problem, now=datetime.now(UTC) + LATER)
        assert repaired == ("by hand" if problem.kind == "half-held" else "done"), problem
    assert {problem.kind for problem in stage.problems()} <= {"half-held"}
    after = shown(stage, work)
    assert {i: asset.audio.data for i, asset in before.items()}.items() <= {
        i: asset.audio.data for i, asset in after.items()
    }.items()
    again(stage, work)
    assert stage.problems() == []


@pytest.mark.row("managing")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in ("local", *BUCKETS)
        for name in works(kind)
        if kind in ("local", "gcs") or name in DELETING
    ],
)
def test_killed_at_every_step_it_is_finished_by_running_it_again(
    tmp_path: Path, kind: str, name: str, count_points: Callable[[int], None]
) -> None:
    points = killed_everywhere(kind, tmp_path, BY_NAME[name], finished_by_running_it_again)
    assert points >= 2
    count_points(points)


@pytest.mark.row("managing")
@pytest.mark.parametrize("name", works("memory"))
def test_killed_at_every_step_a_check_finds_the_rest_and_repairs_it(
    tmp_path: Path, name: str, count_points: Callable[[int], None]
) -> None:
    count_points(killed_everywhere("memory", tmp_path, BY_NAME[name], repaired_and_run_again))


@pytest.mark.row("managing")
@pytest.mark.parametrize("name", [name for name in works("memory") if name != "check and repair"])
def test_work_in_progress_on_old_assets_is_not_a_false_alarm(
    name: str, count_points: Callable[[int], None]
) -> None:
    """The second look of a check may meet what is slow at the same step as the first."""
    work = BY_NAME[name]
    for number in range(1, 60):
        clock = [datetime.now(UTC) - timedelta(days=3)]
        stage = in_memory(lambda: clock[0])  # noqa: B023
        work.prepare(stage)
        clock[0] = datetime.now(UTC)
        steps = Steps(at=number)
        with suppress(KilledError):
            run(stage, work, steps)
        allowed = HALF_WAY if name in ("hold", "release", "expire") else set()
        assert {problem.kind for problem in stage.problems(datetime.now(UTC))} <= allowed
        if not steps.reached:
            count_points(number - 1)
            return
    raise AssertionError("it never came to its end")


@pytest.mark.row("managing")
def test_what_is_superseded_may_be_deleted_by_hand_before_the_second_run(tmp_path: Path) -> None:
    work = BY_NAME["supersede"]
    with stages("memory", tmp_path) as fresh:
        for number, stage in enumerate(fresh, 1):
            work.prepare(stage)
            steps = Steps(at=number)
            with suppress(KilledError):
                run(stage, work, steps)
            is_stored = [asset.audio_id for asset in stage.manager.list()] == [OTHER_ID, ID]
            if is_stored:
                stage.manager.delete(ID)
                work.do(stage.manager, stage)
                assert [asset.audio_id for asset in stage.manager.list()] == [OTHER_ID]
            if not steps.reached:
                assert is_stored
                return


@pytest.mark.row("managing")
@pytest.mark.parametrize("name", works("memory"))
def test_killed_again_and_again_it_is_still_finished(tmp_path: Path, name: str) -> None:
    """Each run comes one step further than where a run can begin, and is killed there."""
    work = BY_NAME[name]
    with stages("memory", tmp_path) as fresh:
        stage = next(fresh)
        work.prepare(stage)
        for number in range(1, 40):
            steps = Steps(at=number)
            with suppress(KilledError, *work.finished_by):
                run(stage, work, steps)
            shown(stage, work)
        assert not steps.reached
        work.done(stage)


@pytest.mark.row("managing", 32)
@pytest.mark.parametrize(
    "name",
    [
        "restore what lived",
        "hold",
        "set class",
        "replace artwork by another kind",
        "supersede and trash",
        "lifecycle run that expires",
    ],
)
def test_a_process_that_is_killed_between_file_operations_is_followed_by_another(
    tmp_path: Path, nursery: Nursery, name: str, count_points: Callable[[int], None]
) -> None:
    work = BY_NAME[name]
    with stages("local", tmp_path, 80) as fresh:
        for point, stage in enumerate(fresh):
            work.prepare(stage)
            root = stage.store.url.removeprefix("file://")
            call = {"do": "manage", "work": name, "root": root}
            answer = nursery.run({**call, "die_at": 1 + 6 * point})
            shown(stage, work)
            if not answer["killed"]:
                assert "error" not in answer, answer
                work.done(stage)
                count_points(point)
                return
            assert "error" not in nursery.run(call)
            work.done(stage)
            assert stage.problems() == []
    raise AssertionError("it never came to its end")
