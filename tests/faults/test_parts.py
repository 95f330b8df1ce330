"""Row parts: whatever fails or meets, a part of other audio is never believed."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from audiostore import AssetConflictError, AssetNotFoundError, AudioStorageManager
from audiostore.asset import PREVIEW
from audiostore.audit.repairing import repair
from audiostore.errors import HeldError
from tests.faults.child import Nursery
from tests.faults.managing import (
    BUCKETS,
    COVER,
    DAY,
    ONCE,
    Stage,
    Steps,
    buckets,
    shown,
    stages,
    stepped,
)
from tests.faults.parts import (
    BY_NAME,
    OTHER_SONG,
    PART_WORKS,
    attach,
    derive,
    upload_with_parts,
    with_parts,
)
from tests.faults.reader import Truth, agree, check
from tests.faults.rig import ID
from tests.faults.test_managing_faults import FAULTS, Buckets, patiently
from tests.faults.test_managing_kills import (
    finished_by_running_it_again,
    killed_everywhere,
    repaired_and_run_again,
)
from tests.gcs_server import Head
from tests.gcs_server.faults import Fault, any_request, lose_response

LATER = datetime.now(UTC) + 2 * DAY
REFUSALS = (AssetConflictError, AssetNotFoundError, HeldError)
NAMES = [work.name for work in PART_WORKS]
DELETING = ["attach another", "detach", "derive again", "delete with parts", "restore with parts"]


@pytest.fixture(autouse=True)
def _without_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def fresh_buckets(tmp_path: Path) -> Iterator[Buckets]:
    with buckets(tmp_path) as found:
        yield found


@pytest.mark.row("parts")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in ("local", *BUCKETS)
        for name in NAMES
        if kind in ("local", "gcs") or name in DELETING
    ],
)
def test_killed_at_every_step_it_is_finished_by_running_it_again(
    tmp_path: Path, kind: str, name: str, count_points: Callable[[int], None]
) -> None:
    points = killed_everywhere(kind, tmp_path, BY_NAME[name], finished_by_running_it_again)
    assert points >= 2
    count_points(points)


@pytest.mark.row("parts")
@pytest.mark.parametrize("name", NAMES)
def test_killed_at_every_step_a_check_finds_the_rest_and_repairs_it(
    tmp_path: Path, name: str, count_points: Callable[[int], None]
) -> None:
    count_points(killed_everywhere("memory", tmp_path, BY_NAME[name], repaired_and_run_again))


@pytest.mark.row("parts")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", NAMES)
def test_with_every_request_disturbed_at_first_it_ends_right(
    fresh_buckets: Buckets, name: str, fault: Fault
) -> None:
    work = BY_NAME[name]
    server, fresh = fresh_buckets
    stage = next(fresh)
    work.prepare(stage)
    known: set[tuple[str, str]] = set()

    def new(head: Head) -> bool:
        what = (head.operation, head.name)
        is_new = what not in known
        known.add(what)
        return is_new

    server.fault(new, fault, times=None)
    patiently(stage, work)
    server.clear_faults()
    work.done(stage)


@pytest.mark.row("parts")
@pytest.mark.parametrize("name", NAMES)
def test_whichever_response_is_lost_the_outcome_is_right(
    fresh_buckets: Buckets, name: str, count_points: Callable[[int], None]
) -> None:
    work = BY_NAME[name]
    server, fresh = fresh_buckets
    for number, stage in enumerate(fresh):
        work.prepare(stage)
        rule = server.fault(any_request, lose_response(), after=number)
        patiently(stage, work)
        server.clear_faults()
        work.done(stage)
        if not rule.fired:
            count_points(number)
            return
    raise AssertionError("it never came to its end")


@pytest.mark.row("parts")
@pytest.mark.parametrize("name", NAMES)
def test_every_change_says_which_generation_it_means(fresh_buckets: Buckets, name: str) -> None:
    work = BY_NAME[name]
    server, fresh = fresh_buckets
    stage = next(fresh)
    work.prepare(stage)
    before = len(server.requests)
    patiently(stage, work)
    changes = [r for r in server.requests[before:] if r.method not in ("GET", "HEAD")]
    assert changes
    for request in changes:
        if request.operation == "delete":
            assert request.query["generation"], request
        else:
            demanded = {key for key in request.query if key.startswith("if")}
            assert demanded & {"ifGenerationMatch", "ifMetagenerationMatch"}, request


@pytest.mark.row("parts")
@pytest.mark.parametrize("name", ["attach another", "derive another preview", "upload with parts"])
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
    raise AssertionError("it never came to its end")


# -- two at once -------------------------------------------------------------------------------

Do = Callable[[AudioStorageManager], object]


def attach_vtt(m: AudioStorageManager) -> None:
    attach(m)


def attach_txt(m: AudioStorageManager) -> None:
    attach(m, ".txt")


def detach(m: AudioStorageManager) -> None:
    m.detach(ID, "transcript")


def waveform(m: AudioStorageManager) -> None:
    derive(m)


def newer_waveform(m: AudioStorageManager) -> None:
    derive(m, 2)


def preview(m: AudioStorageManager) -> None:
    derive(m, 1, PREVIEW)


def other_preview(m: AudioStorageManager) -> None:
    derive(m, 2, PREVIEW)


def delete(m: AudioStorageManager) -> None:
    m.delete(ID)


def restore(m: AudioStorageManager) -> None:
    m.restore(ID)


def other_audio(m: AudioStorageManager) -> None:
    """Delete the asset, and store another one under its id, with parts of its own."""
    with suppress(AssetNotFoundError):
        m.delete(ID)
    m.upload_audio_file(OTHER_SONG, audio_id=ID, filename="other.mp3", check="none", artwork="none")
    derive(m)
    attach(m)


def hold(m: AudioStorageManager) -> None:
    m.hold(ID)


def set_class(m: AudioStorageManager) -> None:
    m.set_class(ID, "COLDLINE")


def bare(stage: Stage) -> None:
    stage.upload()


def trashed(stage: Stage) -> None:
    with_parts(stage)
    stage.manager.delete(ID)


def nothing(stage: Stage) -> None:
    del stage


PAIRS: list[tuple[Callable[[Stage], None], Do, Do]] = [
    *((bare, main, rival) for main in (attach_vtt, waveform) for rival in (delete, other_audio)),
    *((with_parts, main, delete) for main in (attach_txt, newer_waveform, detach)),
    *((with_parts, main, other_audio) for main in (attach_txt, newer_waveform, detach)),
    *((with_parts, delete, rival) for rival in (attach_txt, newer_waveform, preview)),
    *((with_parts, main, hold) for main in (attach_txt, newer_waveform, detach, preview)),
    *((with_parts, hold, rival) for rival in (attach_txt, newer_waveform, preview)),
    *((with_parts, set_class, rival) for rival in (attach_txt, newer_waveform)),
    *((with_parts, rival, set_class) for rival in (attach_txt, newer_waveform)),
    (bare, attach_vtt, attach_vtt),
    (bare, attach_vtt, attach_txt),
    (with_parts, attach_txt, attach_vtt),
    (with_parts, attach_txt, detach),
    (with_parts, detach, attach_txt),
    (bare, waveform, waveform),
    (bare, waveform, newer_waveform),
    (with_parts, newer_waveform, newer_waveform),
    (bare, preview, other_preview),
    (bare, other_preview, preview),
    (trashed, restore, other_audio),
    (trashed, other_audio, restore),
    (with_parts, delete, restore),
    (trashed, restore, delete),
    (nothing, upload_with_parts, upload_with_parts),
    (nothing, upload_with_parts, other_audio),
    (nothing, other_audio, upload_with_parts),
    (trashed, upload_with_parts, restore),
    (trashed, restore, upload_with_parts),
]


def either(stage: Stage) -> str | None:
    """See that what is visible is one of the two recordings, with its own parts alone."""
    things = stage.things()
    audio = next((thing.data for name, thing in things.items() if "/audio." in name), None)
    truth = Truth(audio or b"", (COVER, None))
    assets = check(things, {ID: truth} if audio is not None else {}, {})
    agree(stage.manager, assets, [ID])
    return None if audio is None else "other" if audio == OTHER_SONG else "one"


@pytest.mark.row("parts")
@pytest.mark.parametrize(
    ("prepare", "main", "rival"),
    PAIRS,
    ids=[f"{p.__name__} {a.__name__} met by {b.__name__}" for p, a, b in PAIRS],
)
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_two_at_once_end_in_parts_of_the_audio_that_is_there(
    tmp_path: Path,
    kind: str,
    prepare: Callable[[Stage], None],
    main: Do,
    rival: Do,
    count_points: Callable[[int], None],
) -> None:
    with stages(kind, tmp_path) as fresh:
        for number, stage in enumerate(fresh, 1):
            prepare(stage)
            succeeded = []

            def meet(did: Do, by: AudioStorageManager) -> None:
                with suppress(*REFUSALS):
                    did(by)
                    succeeded.append(did)  # noqa: B023

            is_watched = {main, rival} != {delete, restore}
            watch = partial(either, stage) if is_watched else lambda: None
            steps = Steps(partial(meet, rival, stage.manager), number, watch=watch)
            store = stepped(stage.store, steps)
            meet(main, AudioStorageManager(store=store, retry_config=ONCE))
            if not steps.reached:
                count_points(number - 1)
                return
            left = either(stage)
            assert succeeded
            if {main, rival} & {delete} and restore not in (main, rival):
                assert left is None
            elif upload_with_parts not in (main, rival) and restore not in (main, rival):
                assert left is not None
            # One valid object of each part, and nothing else: no orphan, nothing stale.
            problems = stage.problems()
            allowed = {"half-held", "leftover-part"} if hold in (main, rival) else set()
            if other_audio in (main, rival) and {restore, upload_with_parts} & {main, rival}:
                allowed = {"leftover-thumbnail"}  # of the asset that was not stored after all
            assert {problem.kind for problem in problems} <= allowed, number
            if "leftover-part" in {problem.kind for problem in problems}:
                stage.manager.release(ID)
                for problem in problems:
                    repair(stage.manager, problem, now=LATER)
            names = [name.rpartition("/")[2].partition(".")[0] for name in stage.things()]
            assert len(names) == len(set(names)) or allowed == {"leftover-thumbnail"}, names
    raise AssertionError("it never came to its end")
