"""Row managing: what manages assets, disturbed by faults at each request, or met by another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from audiostore import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStorageManager,
    MemoryStore,
)
from audiostore.asset.copy import copy_asset
from audiostore.audit.checking import Checker
from audiostore.audit.problems import Problem
from audiostore.audit.repairing import repair
from audiostore.errors import BlobNotFoundError, HeldError
from audiostore.lifecycle.rules import rules_of
from audiostore.stores.gcs.client import Client
from audiostore.stores.local.names import Names
from audiostore.values import BlobInfo, StorageResult
from tests.assets import JPG, OTHER_JPG, PNG, mp3_bytes
from tests.faults.managing import (
    BY_NAME,
    COVER,
    DAY,
    EITHER_OR_BARE,
    EXPIRY,
    ONCE,
    POLICY,
    WORKS,
    KilledError,
    Stage,
    Steps,
    Work,
    attach,
    buckets,
    in_memory,
    shown,
    stages,
    stepped,
    upload,
)
from tests.faults.rig import ID, OTHER_ID, QUICK
from tests.gcs_server import Head, StrictServer
from tests.gcs_server.faults import Fault, any_request, lose_response, patch, reset, respond

REFUSALS = (AssetConflictError, AssetNotFoundError, HeldError)


@pytest.fixture(autouse=True)
def _without_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


# -- faults at each request --------------------------------------------------------------------

ON_A_BUCKET = [work.name for work in WORKS if "gcs" not in work.not_on]
Buckets = tuple[StrictServer, Iterator[Stage]]
FAULTS = {"503": respond(503), "reset": reset(), "lost": lose_response()}


@pytest.fixture
def fresh_buckets(tmp_path: Path) -> Iterator[Buckets]:
    with buckets(tmp_path) as found:
        yield found


def patiently(stage: Stage, work: Work) -> None:
    work.do(AudioStorageManager(store=stage.store, retry_config=QUICK), stage)


@pytest.mark.row("managing")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", ON_A_BUCKET)
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


@pytest.mark.row("managing")
@pytest.mark.parametrize("name", ON_A_BUCKET)
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


@pytest.mark.row("managing")
@pytest.mark.parametrize("name", ON_A_BUCKET)
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


# -- two at once -------------------------------------------------------------------------------

Do = Callable[[AudioStorageManager], object]


def delete(m: AudioStorageManager) -> None:
    m.delete(ID)


def restore(m: AudioStorageManager) -> None:
    assert not m.restore(ID).warnings


def hold(m: AudioStorageManager) -> None:
    m.hold(ID)


def expire(m: AudioStorageManager) -> None:
    m.expire(ID, EXPIRY)


def set_class(m: AudioStorageManager) -> None:
    m.set_class(ID, "COLDLINE")


def same_kind(m: AudioStorageManager) -> None:
    attach(m, OTHER_JPG)


def other_kind(m: AudioStorageManager) -> None:
    attach(m, PNG)


def annotate(m: AudioStorageManager) -> None:
    m.update_metadata(ID, {"mood": "calm"})


def annotate_too(m: AudioStorageManager) -> None:
    m.update_metadata(ID, {"tempo": "slow"})


def store_again(m: AudioStorageManager) -> None:
    upload(m, ID)


def purge(m: AudioStorageManager) -> None:
    m.trash.purge(ID)


def uploaded(stage: Stage) -> None:
    stage.upload()


def trashed(stage: Stage) -> None:
    stage.upload()
    stage.manager.delete(ID)


def bare(stage: Stage) -> None:
    stage.upload(cover=None)


@dataclass
class Met:
    """Two that met: which of them succeeded, and what there is."""

    stage: Stage
    main: bool = True
    rival: bool = True
    held_cover: str | None = None
    """The artwork that there was when a hold had been set."""

    @property
    def found(self) -> StorageResult | None:
        try:
            return self.stage.manager.get(ID)
        except AssetNotFoundError:
            return None


def _blobs(met: Met) -> list[BlobInfo]:
    found = met.found
    assert found is not None
    return [blob for blob in (found.audio, found.thumbnail) if blob]


def both_succeed(met: Met) -> None:
    assert met.main
    assert met.rival


def both_succeed_and_it_is_there(met: Met) -> None:
    both_succeed(met)
    assert met.found is not None


def one_succeeds(met: Met) -> None:
    assert met.main or met.rival


def nothing_is_left(met: Met) -> None:
    assert met.stage.things() == {}


def a_hold_holds(met: Met) -> None:
    """A hold that was set keeps the asset, as it was then."""
    one_succeeds(met)
    if met.held_cover is not None:
        found = met.found
        assert found is not None
        assert found.thumbnail is not None
        assert found.thumbnail.crc32c == met.held_cover
        assert all(blob.temporary_hold for blob in _blobs(met))


def both_expire(met: Met) -> None:
    both_succeed(met)
    assert [blob.custom_time for blob in _blobs(met)] == [EXPIRY] * 2


def cold_with_new_artwork(met: Met) -> None:
    both_succeed(met)
    audio, cover = _blobs(met)
    assert audio.storage_class == "COLDLINE"
    assert met.stage.things()[cover.name].data != COVER


def first_artwork_stays(met: Met) -> None:
    both_succeed(met)
    assert _blobs(met)[0].storage_class == "COLDLINE"
    assert len(_blobs(met)) == 2


def nothing_is_lost(met: Met) -> None:
    both_succeed(met)
    assert _blobs(met)[0].metadata.items() >= {"mood": "calm", "tempo": "slow"}.items()


def cold_and_annotated(met: Met) -> None:
    both_succeed(met)
    audio = _blobs(met)[0]
    assert audio.storage_class == "COLDLINE"
    assert audio.metadata["mood"] == "calm"


def whole_or_gone(met: Met) -> None:
    one_succeeds(met)


def nothing_but_artwork_ahead(met: Met) -> None:
    """Attached after the asset was deleted, artwork waits for another."""
    if not met.main:
        nothing_is_left(met)
    assert met.found is None


PAIRS: list[tuple[Callable[[Stage], None], Do, Do, Callable[[Met], None]]] = [
    (trashed, restore, restore, both_succeed_and_it_is_there),
    (trashed, restore, purge, whole_or_gone),
    (trashed, purge, restore, whole_or_gone),
    (trashed, restore, store_again, both_succeed_and_it_is_there),
    (trashed, store_again, restore, both_succeed_and_it_is_there),
    (trashed, restore, delete, whole_or_gone),
    (uploaded, delete, restore, whole_or_gone),
    (uploaded, delete, hold, a_hold_holds),
    (uploaded, hold, delete, a_hold_holds),
    (uploaded, hold, same_kind, a_hold_holds),
    (uploaded, hold, other_kind, a_hold_holds),
    (uploaded, same_kind, hold, a_hold_holds),
    (uploaded, other_kind, hold, a_hold_holds),
    (uploaded, hold, set_class, a_hold_holds),
    (uploaded, set_class, hold, a_hold_holds),
    (uploaded, set_class, same_kind, cold_with_new_artwork),
    (uploaded, set_class, other_kind, cold_with_new_artwork),
    (uploaded, same_kind, set_class, cold_with_new_artwork),
    (uploaded, other_kind, set_class, cold_with_new_artwork),
    (bare, same_kind, set_class, first_artwork_stays),
    (bare, set_class, same_kind, first_artwork_stays),
    (uploaded, annotate, annotate_too, nothing_is_lost),
    (uploaded, annotate, set_class, cold_and_annotated),
    (uploaded, set_class, annotate, cold_and_annotated),
    (uploaded, same_kind, other_kind, one_succeeds),
    (uploaded, other_kind, same_kind, one_succeeds),
    (uploaded, other_kind, other_kind, both_succeed),
    (uploaded, same_kind, same_kind, both_succeed),
    (uploaded, expire, same_kind, both_expire),
    (uploaded, expire, other_kind, both_expire),
    (uploaded, same_kind, expire, both_expire),
    (uploaded, other_kind, expire, both_expire),
    (uploaded, delete, same_kind, nothing_is_left),
    (uploaded, delete, other_kind, nothing_is_left),
    (uploaded, same_kind, delete, nothing_but_artwork_ahead),
    (uploaded, other_kind, delete, nothing_but_artwork_ahead),
    (uploaded, delete, delete, nothing_is_left),
    (uploaded, delete, set_class, nothing_is_left),
    (uploaded, set_class, delete, nothing_is_left),
    (uploaded, annotate, delete, nothing_is_left),
    (uploaded, expire, delete, nothing_is_left),
]
SEEN = Work("", lambda _: None, lambda m, s: None, lambda s: None, EITHER_OR_BARE)


def meet(
    stage: Stage, main: Do, rival: Do, number: int, watch: Callable[[], object]
) -> tuple[Met, Steps]:
    """Have a rival do all its work before the nth step of another's."""
    met = Met(stage)

    def interrupt() -> None:
        try:
            rival(stage.manager)
        except REFUSALS:
            met.rival = False
        else:
            note_hold(rival)

    def note_hold(did: Do) -> None:
        if did is hold and met.found is not None:
            met.held_cover = _blobs(met)[-1].crc32c

    steps = Steps(interrupt, number, watch=watch)
    try:
        main(AudioStorageManager(store=stepped(stage.store, steps), retry_config=ONCE))
    except REFUSALS:
        met.main = False
    else:
        note_hold(main)
    return met, steps


@pytest.mark.row("managing")
@pytest.mark.parametrize(
    ("prepare", "main", "rival", "then"),
    PAIRS,
    ids=[f"{a.__name__} met by {b.__name__}" for _, a, b, _ in PAIRS],
)
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_two_at_once_end_right_wherever_they_meet(
    tmp_path: Path,
    kind: str,
    prepare: Callable[[Stage], None],
    main: Do,
    rival: Do,
    then: Callable[[Met], None],
    count_points: Callable[[int], None],
) -> None:
    with stages(kind, tmp_path) as fresh:
        for number, stage in enumerate(fresh, 1):
            prepare(stage)
            # Brought back while it is deleted, it is half to be seen for a moment.
            is_watched = {main, rival} != {delete, restore}
            watch = partial(shown, stage, SEEN) if is_watched else lambda: None
            met, steps = meet(stage, main, rival, number, watch)
            if not steps.reached:
                count_points(number - 1)
                return
            shown(stage, SEEN)
            then(met)
            kinds = {problem.kind for problem in stage.problems()}
            # Artwork that waits, or that came back from a trash which was emptied meanwhile.
            may_wait = (main in (same_kind, other_kind) and rival is delete) or purge in (
                main,
                rival,
            )
            assert kinds <= ({"orphan-thumbnail"} if may_wait else set()), number
    raise AssertionError("it never came to its end")


@pytest.mark.row("managing")
@pytest.mark.parametrize("rival", [same_kind, other_kind, set_class, annotate, delete, hold])
def test_a_copy_of_what_is_changed_meanwhile_is_whole_and_finished_by_doing_it_again(
    rival: Do,
) -> None:
    """What the source had at some moment is copied, or nothing; the rival may come at any step."""
    for number in range(1, 30):
        stage = in_memory()
        stage.upload()
        steps = Steps(partial(rival, stage.manager), number)
        source, target = (stepped(each, steps) for each in (stage.store, stage.target))
        with suppress(BlobNotFoundError, KilledError):
            copy_asset(source, target, stage.manager.get(ID))
        if rival is delete and steps.reached:
            continue
        try:
            copy_asset(stage.store, stage.target, stage.manager.get(ID))
        except AssetConflictError as error:  # it was copied as it was before
            assert "with other artwork" in str(error)  # noqa: PT017
        copy = stage.copies.get(ID)
        assert not copy.warnings
        assert copy.audio is not None
        assert copy.audio.metadata["crc32c"] == copy.audio.crc32c
        assert copy.thumbnail is not None
        assert len(list(stage.target.list(""))) == 2
        if not steps.reached:
            return


@pytest.mark.row("managing")
def test_a_copy_that_was_killed_is_finished_with_the_artwork_that_there_is_by_then() -> None:
    for number in range(1, 30):
        for change in (same_kind, other_kind):
            stage = in_memory()
            stage.upload()
            steps = Steps(at=number)
            source, target = (stepped(each, steps) for each in (stage.store, stage.target))
            with suppress(KilledError):
                copy_asset(source, target, stage.manager.get(ID))
            if list(stage.copies.list()):
                return
            change(stage.manager)
            asset = stage.manager.get(ID)
            for again in range(1, 30):
                steps = Steps(at=again)
                with suppress(KilledError):
                    copy_asset(stage.store, stepped(stage.target, steps), asset)
                if list(stage.copies.list()):
                    break
                assert steps.reached
            copied = stage.copies.get(ID).audio
            assert copied is not None
            stage.target.delete(copied)  # as if it had been killed before this
            assert copy_asset(stage.store, stage.target, asset)
            copy = stage.copies.get(ID)
            assert not copy.warnings
            assert copy.thumbnail is not None
            assert asset.thumbnail is not None
            assert copy.thumbnail.crc32c == asset.thumbnail.crc32c
            assert len(list(stage.target.list(""))) == 2


@pytest.mark.row("managing")
def test_two_copies_of_one_asset_at_once_both_end_right() -> None:
    for number in range(1, 30):
        stage = in_memory()
        stage.upload()
        asset = stage.manager.get(ID)
        steps = Steps(partial(copy_asset, stage.store, stage.target, asset), number)
        copy_asset(stepped(stage.store, steps), stepped(stage.target, steps), asset)
        copy = stage.copies.get(ID)
        assert not copy.warnings
        assert len(list(stage.target.list(""))) == 2
        if not steps.reached:
            return


@pytest.mark.row("managing", "threads")
@pytest.mark.parametrize("kind", ["local", "gcs"])
def test_two_writers_of_metadata_lose_nothing(tmp_path: Path, kind: str) -> None:
    with stages(kind, tmp_path, 1) as fresh:
        stage = next(fresh)
        stage.upload()
        failures: list[BaseException] = []

        def write(writer: str) -> None:
            for number in range(15):
                try:
                    for _ in range(10):
                        with suppress(AssetConflictError):  # others were quicker, eight times
                            stage.manager.update_metadata(ID, {f"{writer}{number}": writer})
                            break
                except BaseException as error:  # noqa: BLE001
                    failures.append(error)

        threads = [threading.Thread(target=write, args=(writer,)) for writer in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        expected = {f"{writer}{number}": writer for writer in ("a", "b") for number in range(15)}
        found = stage.manager.get(ID).audio
        assert found is not None
        assert found.metadata.items() >= expected.items()


# -- checks and repairs beside what is live ----------------------------------------------------


def old_artwork(stage: Stage) -> Problem:
    """Store artwork ahead of its audio; return the problem that it is after long."""
    stage.manager.upload_thumbnail_file(JPG, ID, check="none")
    (problem,) = stage.problems()
    assert problem.kind == "orphan-thumbnail"
    return problem


def store_audio(m: AudioStorageManager) -> None:
    upload(m, ID, cover=None)


@pytest.mark.row("managing")
def test_artwork_that_was_waiting_is_not_deleted_once_its_audio_is_there(tmp_path: Path) -> None:
    for kind in ("memory", "local"):
        with stages(kind, tmp_path / kind, 1) as fresh:
            stage = next(fresh)
            problem = old_artwork(stage)
            store_audio(stage.manager)
            before = stage.things()
            assert repair(stage.manager, problem, now=datetime.now(UTC) + 2 * DAY) == "changed"
            assert stage.things() == before
            assert stage.manager.get(ID).thumbnail is not None


@pytest.mark.row("managing")
@pytest.mark.parametrize("repair_first", [True, False])
def test_an_orphan_that_is_adopted_while_it_is_deleted_leaves_a_whole_asset(
    repair_first: bool,
) -> None:
    for number in range(1, 30):
        stage = in_memory()
        problem = old_artwork(stage)

        def mend(m: AudioStorageManager) -> None:
            repair(m, problem, now=datetime.now(UTC) + 2 * DAY)  # noqa: B023

        main, rival = (mend, store_audio) if repair_first else (store_audio, mend)
        met, steps = meet(stage, main, rival, number, lambda: None)
        if not steps.reached:
            return
        both_succeed_and_it_is_there(met)
        assert met.found is not None
        assert not met.found.warnings
        assert stage.problems() == []


@pytest.mark.row("managing")
@pytest.mark.parametrize("rival", [delete, same_kind, other_kind, set_class, hold, annotate])
def test_a_repair_that_comes_late_touches_nothing_live(rival: Do) -> None:
    """Between the check and its repair, and within the repair, others go on."""
    for number in range(1, 30):
        stage = in_memory()
        stage.upload()
        cover = stage.manager.get(ID).thumbnail
        assert cover is not None
        stage.store.delete(cover)
        (problem,) = stage.problems()
        restore(stage.manager)

        def mend(m: AudioStorageManager) -> None:
            repair(m, problem, now=datetime.now(UTC) + 2 * DAY)  # noqa: B023

        met, steps = meet(stage, mend, rival, number, partial(shown, stage, SEEN))
        both_succeed(met)
        if met.found is not None:
            assert met.found.thumbnail is not None
        assert stage.problems() == []
        if not steps.reached:
            return


def there_and_back(m: AudioStorageManager, audio_id: str) -> None:
    m.delete(audio_id)
    m.restore(audio_id)


def cold_and_warm(m: AudioStorageManager, audio_id: str) -> None:
    m.set_class(audio_id, "COLDLINE")
    m.set_class(audio_id, "STANDARD")


def png_and_jpg(m: AudioStorageManager, audio_id: str) -> None:
    m.upload_thumbnail_file(PNG, audio_id, check="none")
    m.upload_thumbnail_file(JPG, audio_id, check="none")


def one_more(m: AudioStorageManager, audio_id: str) -> None:
    upload(m, f"9{audio_id[1:]}")
    m.delete(f"9{audio_id[1:]}")


@pytest.mark.row("managing", "threads")
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_checks_and_repairs_next_to_live_changes_find_nothing(tmp_path: Path, kind: str) -> None:
    ids = [f"{number:08d}{ID[8:]}" for number in range(4)]
    doings = [there_and_back, cold_and_warm, png_and_jpg, one_more]
    failures: list[BaseException] = []
    ended = threading.Event()
    with stages(kind, tmp_path, 1) as fresh:
        stage = next(fresh)
        for audio_id in ids:
            stage.upload(audio_id)

        def live(audio_id: str, do: Callable[[AudioStorageManager, str], object]) -> None:
            try:
                while not ended.is_set():
                    do(stage.manager, audio_id)
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        threads = [
            threading.Thread(target=live, args=pair) for pair in zip(ids, doings, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(15):
                now = datetime.now(UTC)
                checker = Checker(stage.manager, now=lambda: now, sleep=lambda _: None)  # noqa: B023
                found = list(checker.run())
                assert found == []
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        assert failures == []
        assert [asset.audio_id for asset in stage.manager.list()] == ids
        assert stage.problems() == []


# -- what an open file, and a store's own copy, make of a change -------------------------------


@pytest.mark.row("managing")
@pytest.mark.parametrize("kind", ["memory", "local", "gcs"])
def test_audio_is_read_on_while_it_moves_to_another_class(tmp_path: Path, kind: str) -> None:
    with stages(kind, tmp_path, 1) as fresh:
        stage = next(fresh)
        song = tmp_path / "song.mp3"
        song.write_bytes(mp3_bytes(3_000_000))
        stage.upload(audio=song)
        with stage.manager.open(ID) as file:
            beginning = file.read(10)
            stage.manager.set_class(ID, "COLDLINE")
            assert beginning + file.read() == song.read_bytes()
        with stage.manager.open(ID, part="thumbnail") as file:
            same_kind(stage.manager)
            with pytest.raises(BlobNotFoundError):
                file.read()


@pytest.mark.row("managing")
@pytest.mark.parametrize("kind", ["local", "gcs"])
def test_a_copy_onto_itself_loses_no_metadata_that_is_written_meanwhile(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stages(kind, tmp_path, 1) as fresh:
        stage = next(fresh)
        stage.upload()
        rival = stage.manager
        meanwhile = [lambda: rival.update_metadata(ID, {"mood": "calm"})]

        def interrupting(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                if meanwhile:
                    meanwhile.pop()()
                return original(*args, **options)

            return call

        for owner, name in (
            (Names, "commit"),
            (Client, "call_json"),
        ):
            monkeypatch.setattr(owner, name, interrupting(getattr(owner, name)))
        found = stage.manager.set_class(ID, "COLDLINE")
        assert not meanwhile
        assert found.custom["mood"] == "calm"
        assert found.metadata["storage_class"] == "COLDLINE"


class Signing(MemoryStore):
    """Has URLs, each of one generation, as those of a bucket are."""

    def signed_url(
        self,
        blob: BlobInfo,
        *,
        expires_s: int,
        download_as: str | None = None,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> str:
        del expires_s, download_as, method
        return f"x://{blob.name}?generation={blob.generation}"


@pytest.mark.row("managing")
def test_a_link_is_not_used_again_when_what_it_leads_to_has_moved() -> None:
    manager = AudioStorageManager(store=Signing(), retry_config=ONCE)
    upload(manager, ID)

    def back_and_forth(m: AudioStorageManager) -> None:
        m.delete(ID)
        m.restore(ID)

    for change in (set_class, same_kind, other_kind, back_and_forth, annotate):
        manager.signed_url(ID)
        manager.signed_url(ID, part="thumbnail")
        change(manager)
        found = manager.get(ID)
        assert found.audio is not None
        assert found.thumbnail is not None
        assert manager.signed_url(ID).endswith(f"={found.audio.generation}")
        url = manager.signed_url(ID, part="thumbnail")
        assert url.endswith(f"={found.thumbnail.generation}")


# -- a run of the lifecycle, and one who thinks better of it -----------------------------------


@pytest.mark.row("managing")
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_an_expiry_moved_later_is_respected_by_a_run_in_progress(tmp_path: Path, kind: str) -> None:
    with stages(kind, tmp_path, 1) as fresh:
        stage = next(fresh)
        stage.store.change_settings(stage.store.settings(), lifecycle_rules=rules_of(POLICY))
        for audio_id in (OTHER_ID, ID):
            stage.upload(audio_id)
            stage.manager.expire(audio_id, datetime.now(UTC) + DAY / 8)
        run = stage.manager.lifecycle.run(now=datetime.now(UTC) + DAY / 4)
        assert next(run).audio_id == OTHER_ID
        stage.manager.expire(ID, EXPIRY)
        assert list(run) == []
        assert [asset.audio_id for asset in stage.manager.list()] == [ID]


@pytest.mark.row("managing")
def test_a_metageneration_precondition_survives_its_own_lost_response(
    fresh_buckets: Buckets,
) -> None:
    server, fresh = fresh_buckets
    stage = next(fresh)
    stage.upload()
    seen = stage.manager.get(ID)
    server.fault(patch, lose_response())
    manager = AudioStorageManager(store=stage.store, retry_config=QUICK)
    manager.update_metadata(ID, {"mood": "calm"}, if_unchanged=seen)
    with pytest.raises(AssetConflictError):
        manager.update_metadata(ID, {"mood": "calm"}, if_unchanged=seen)


@pytest.mark.row("managing")
@pytest.mark.parametrize("kind", ["memory", "local", "gcs"])
def test_a_hold_on_artwork_alone_keeps_its_audio_too(tmp_path: Path, kind: str) -> None:
    with stages(kind, tmp_path, 1) as fresh:
        stage = next(fresh)
        stage.upload()
        cover = stage.manager.get(ID).thumbnail
        assert cover is not None
        stage.store.update(cover, {}, temporary_hold=True)
        with pytest.raises(HeldError, match="nothing of"):
            stage.manager.delete(ID)
        assert stage.manager.get(ID).thumbnail is not None


@pytest.mark.row("managing")
@pytest.mark.parametrize("kind", ["memory", "gcs"])
def test_deleting_for_good_what_is_deleted_ends_as_the_first_time(
    tmp_path: Path, kind: str
) -> None:
    with stages(kind, tmp_path, 1) as fresh:
        stage = next(fresh)
        stage.upload()
        stage.manager.delete(ID)  # as if it had been killed after this
        stage.manager.delete(ID, permanent=True)
        assert len(list(stage.store.list_deleted(""))) == (2 if kind == "gcs" else 0)
        with pytest.raises(AssetNotFoundError):
            stage.manager.delete(OTHER_ID, permanent=True)


@pytest.mark.row("managing")
def test_what_is_held_is_not_superseded_and_trashed_and_nothing_is_stored() -> None:
    stage = in_memory()
    stage.upload()
    stage.manager.hold(ID)
    before = stage.things()
    with pytest.raises(HeldError, match="release it first"):
        upload(stage.manager, OTHER_ID, supersedes=ID, trash_superseded=True)
    assert stage.things() == before
    upload(stage.manager, OTHER_ID, supersedes=ID)
    assert len(stage.things()) == 4


@pytest.mark.row("managing")
def test_expiry_that_one_part_cannot_have_changes_neither() -> None:
    stage = in_memory()
    stage.upload()
    audio = stage.manager.get(ID).audio
    assert audio is not None
    stage.store.update(audio, {}, custom_time=EXPIRY)
    with pytest.raises(ValueError, match="never earlier"):
        stage.manager.expire(ID, EXPIRY - DAY)
    cover = stage.manager.get(ID).thumbnail
    assert cover is not None
    assert cover.custom_time is None


@pytest.mark.row("managing")
def test_artwork_that_replaced_another_unbeknown_to_its_audio_is_what_comes_back() -> None:
    stage = in_memory()
    stage.upload()
    for number in range(1, 30):
        steps = Steps(at=number)
        with suppress(KilledError):
            same_kind(AudioStorageManager(store=stepped(stage.store, steps), retry_config=ONCE))
        seen = shown(stage, SEEN)[ID].cover
        if seen is not None and seen.data != COVER:
            break
    assert seen is not None
    stage.manager.delete(ID)
    found = stage.manager.restore(ID)
    assert found.thumbnail is not None
    assert stage.things()[found.thumbnail.name].data == seen.data
    assert stage.problems() == []
