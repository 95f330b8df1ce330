"""A check names every damage, its repair undoes it, and nothing else is touched."""

import os
import pickle
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest

from audiostore import (
    AudioStorageManager,
    Checked,
    CheckRecord,
    ConfigurationError,
    MemoryStore,
    RetryConfig,
)
from audiostore.asset import PREVIEW, MarkedFile
from audiostore.audit.checking import Checker
from audiostore.audit.folders import Folder
from audiostore.audit.problems import GRACE, Problem, RestoreAsset
from audiostore.audit.repairing import repair
from audiostore.sources import BytesSource
from audiostore.values import BlobInfo
from tests.assets import JPG, MP3, OGG, OTHER_JPG, SOFT_DELETE, STORES, mp3_bytes, opened
from tests.audio_samples import encode, riff
from tests.damages import DAMAGES, FOREIGN_FILES, PURGED, Damage, Patient
from tests.timing import PATIENCE_S

ONCE = RetryConfig(max_attempts=1)
LATER = datetime.now(UTC) + 2 * GRACE


@pytest.fixture(params=STORES)
def patient(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Patient]:
    with opened(request.param, tmp_path) as store:
        seconds = int(SOFT_DELETE["softDeletePolicy"]["retentionDurationSeconds"])
        store.change_settings(store.settings(), soft_delete_s=seconds)
        manager = AudioStorageManager(store=store, retry_config=ONCE)
        yield Patient(store, manager, tmp_path / "store")


def problems(patient: Patient, *, now: datetime = LATER, deep: bool = False) -> list[Problem]:
    slept: list[float] = []
    checker = Checker(patient.manager, deep=deep, now=lambda: now, sleep=slept.append)
    return list(checker.run())


def healthy(patient: Patient) -> list[BlobInfo]:
    """Store assets of every healthy kind; return all their objects."""
    for _ in range(2):
        patient.asset()
    patient.asset(OGG, None)
    patient.manager.upload_audio_file(MP3.with_name("small-rain.aac"), check="none")
    patient.manager.upload_audio_file(MP3.with_name("small-rain.aac"))
    audio, _ = patient.asset()
    patient.manager.upload_thumbnail_file(OTHER_JPG, audio.metadata["audio_id"])
    patient.manager.hold(patient.asset()[0].metadata["audio_id"])
    patient.manager.expire(patient.asset()[0].metadata["audio_id"], LATER)
    patient.manager.set_class(patient.asset()[0].metadata["audio_id"], "COLDLINE")
    old, _ = patient.asset()
    patient.manager.upload_audio_file(OGG, supersedes=old.metadata["audio_id"])
    audio_id = patient.asset()[0].metadata["audio_id"]
    patient.manager.delete(audio_id)
    patient.manager.restore(audio_id)
    patient.manager.delete(patient.asset()[0].metadata["audio_id"])
    with_parts(patient)
    for change in (patient.manager.hold, lambda each: patient.manager.expire(each, LATER)):
        change(with_parts(patient))
    restored = with_parts(patient)
    patient.manager.delete(restored)
    patient.manager.restore(restored)
    patient.manager.set_class(restored, "COLDLINE")
    return list(patient.store.list(""))


def with_parts(patient: Patient) -> str:
    """Store an asset with a derived and an attached part; return its id."""
    audio_id = patient.asset()[0].metadata["audio_id"]
    preview = MarkedFile(PREVIEW, BytesSource(b"sound"), ".mp3", maker="preview/1")
    patient.manager._marked.store(audio_id, preview)
    patient.manager.attach(audio_id, "transcript", b"{}", filename="words.json")
    return audio_id


@pytest.mark.slow
def test_a_healthy_store_has_no_problems(patient: Patient) -> None:
    healthy(patient)
    assert problems(patient) == []
    assert problems(patient, deep=True) == []


@pytest.mark.parametrize("patient", ["local"], indirect=True)
def test_five_samples_are_possible_facts(patient: Patient, tmp_path: Path) -> None:
    path = tmp_path / "click.wav"
    layout = struct.pack("<HHIIHH", 1, 1, 44_100, 44_100, 1, 8)
    path.write_bytes(riff((b"fmt ", layout), (b"data", b"click")))
    assert patient.manager.upload_audio_file(path).duration_s == 0
    assert problems(patient) == []


@pytest.mark.slow
def test_a_problem_can_be_pickled_and_repaired_elsewhere(patient: Patient) -> None:
    next(d for d in DAMAGES if d.kind == "wrong-content-type").make(patient)
    (problem,) = patient.manager.audit.check()
    copied = pickle.loads(pickle.dumps(problem))
    assert copied == problem
    assert patient.manager.audit.repair(problem) == "too young"
    assert patient.manager.audit.repair(copied, now=LATER) == "done"
    assert list(patient.manager.audit.check()) == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.make.__name__)
def test_a_damage_is_named_and_its_repair_undoes_it(patient: Patient, damage: Damage) -> None:
    name = damage.make(patient)
    (problem,) = problems(patient)
    assert (problem.kind, problem.name) == (damage.kind, name)
    assert problem.message
    assert problem.hint
    assert "audiostore " not in problem.hint  # the command line names its commands
    assert (problem.repair is not None) == damage.is_repaired
    if damage.is_repaired:
        assert repair(patient.manager, problem, now=LATER) == "done"
        assert problems(patient) == []
    else:
        assert repair(patient.manager, problem, now=LATER) == "by hand"


@pytest.mark.slow
def test_all_damages_at_once_are_named_and_nothing_else_is_touched(patient: Patient) -> None:
    before = healthy(patient)
    expected = sorted((damage.kind, damage.make(patient)) for damage in DAMAGES)
    found = problems(patient)
    assert sorted((p.kind, p.name) for p in found) == expected
    assert len({damage.kind for damage in DAMAGES}) >= 20
    planned = {p.name for p in found if p.repair}
    untouched = [b for b in patient.store.list("") if b.name not in planned]
    for problem in found:
        assert repair(patient.manager, problem, now=LATER) in ("done", "by hand")
    left = problems(patient)
    assert sorted((p.kind, p.name) for p in left) == sorted(
        (p.kind, p.name) for p in found if p.repair is None
    )
    after = {blob.name: blob for blob in patient.store.list("")}
    for blob in before:
        assert after[blob.name] == blob
    changed = [b.name for b in untouched if after.get(b.name) != b]
    # The asset that is superseded is updated: another object than the one that was reported.
    assert len(changed) <= 2


@pytest.mark.slow
def test_a_young_object_is_neither_reported_as_an_orphan_nor_touched(patient: Patient) -> None:
    healthy(patient)
    now = datetime.now(UTC)
    for damage in DAMAGES:
        damage.make(patient)
    before = list(patient.store.list(""))
    found = problems(patient, now=now)
    assert not {p.kind for p in found} & {
        "orphan-thumbnail",
        "second-audio",
        "leftover-thumbnail",
        "unfinished-deletion",
        "unfinished-restoration",
    }
    assert {repair(patient.manager, p, now=now) for p in found} == {"too young", "by hand"}
    assert list(patient.store.list("")) == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", [d for d in DAMAGES if d.is_repaired], ids=lambda d: d.kind)
def test_an_object_that_has_changed_is_left_alone(patient: Patient, damage: Damage) -> None:
    damage.make(patient)
    (problem,) = problems(patient)
    for blob in list(patient.store.list("")):
        patient.store.copy(blob, blob.name, if_generation_match=blob.generation)
    for deleted in list(patient.store.list_deleted("audio/")):
        if not patient.store.url.startswith("gs://"):
            patient.store.purge(deleted)
    before = list(patient.store.list(""))
    outcome = repair(patient.manager, problem, now=LATER)
    if isinstance(problem.repair, RestoreAsset) and patient.store.url.startswith("gs://"):
        assert outcome == "done"  # what is in the bucket's trash still is what is wanted
    else:
        assert outcome == "changed"
        assert list(patient.store.list("")) == before


def test_problems_are_reported_before_a_long_walk_ends() -> None:
    class Counting(MemoryStore):
        walked = 0

        def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
            for blob in super().list(prefix, start_after=start_after):
                self.walked += prefix == "audio/"
                yield blob

    store = Counting()
    patient = Patient(store, AudioStorageManager(store=store, retry_config=ONCE), Path())
    name = next(d for d in DAMAGES if d.kind == "orphan-thumbnail").make(patient)
    for _ in range(30):
        patient.asset(thumbnail=None)
    ticks = iter(range(10_000))
    checker = Checker(
        patient.manager, now=lambda: LATER, sleep=lambda _: None, clock=lambda: float(next(ticks))
    )
    assert next(checker.run()).name == name
    assert store.walked < 20


def test_a_hold_is_respected(patient: Patient) -> None:
    name = next(d for d in DAMAGES if d.kind == "leftover-thumbnail").make(patient)
    patient.store.update(patient.store.stat(name), {}, temporary_hold=True)
    (problem,) = problems(patient)
    assert repair(patient.manager, problem, now=LATER) == "held"
    assert patient.store.stat(name)


@pytest.mark.parametrize("patient", ["memory", "local"], indirect=True)
def test_a_reference_to_permanently_deleted_artwork_is_removed(patient: Patient) -> None:
    name = PURGED.make(patient)
    (problem,) = problems(patient)
    assert (problem.kind, problem.name) == ("missing-thumbnail", name)
    assert repair(patient.manager, problem, now=LATER) == "done"
    assert problems(patient) == []


@pytest.mark.slow
@pytest.mark.parametrize("patient", ["local"], indirect=True)
@pytest.mark.parametrize("damage", FOREIGN_FILES, ids=lambda d: d.make.__name__)
def test_files_that_are_not_objects_are_named(patient: Patient, damage: Damage) -> None:
    before = healthy(patient)
    name = damage.make(patient)
    (problem,) = problems(patient)
    assert (problem.kind, problem.name) == (damage.kind, name)
    assert repair(patient.manager, problem, now=LATER) == (
        "done" if damage.is_repaired else "by hand"
    )
    assert len(problems(patient)) == (0 if damage.is_repaired else 1)
    after = {blob.name: blob for blob in patient.store.list("")}
    assert all(after[blob.name] == blob for blob in before)


@pytest.mark.parametrize("patient", ["gcs"], indirect=True)
def test_an_object_that_stands_for_a_folder_is_named(patient: Patient) -> None:
    folder = f"audio/{patient.new_id()}/"
    patient.put(folder, b"", "text/plain")
    (problem,) = problems(patient)
    assert (problem.kind, problem.name) == ("folder-placeholder", folder)
    assert repair(patient.manager, problem, now=LATER) == "done"
    assert problems(patient) == []


@pytest.mark.slow
def test_a_deep_check_finds_what_only_the_bytes_show(patient: Patient) -> None:
    audio, _ = patient.asset(thumbnail=None)
    patient.store.update(audio, {"duration_s": "17.000", "channels": "1"})
    noise, cover = patient.asset()
    text = b"<html>not a picture" * 100
    bad = patient.replant(cover, text)
    patient.store.update(bad, {"crc32c": bad.crc32c, "file_size": str(len(text))})
    patient.store.update(
        noise,
        {"thumbnail_generation": str(bad.generation), "thumbnail_crc32c": bad.crc32c},
    )
    broken = patient.manager.upload_audio_file(
        _half_flac(patient.directory.parent), audio_id=patient.new_id(), check="none"
    )
    assert broken.audio is not None
    assert problems(patient) == []
    found = problems(patient, deep=True)
    assert {(p.kind, p.name) for p in found} == {
        ("mismatched-facts", audio.name),
        ("unreadable-image", cover.name),
        ("unplayable-audio", broken.audio.name),
    }
    (facts,) = (p for p in found if p.kind == "mismatched-facts")
    assert repair(patient.manager, facts, now=LATER) == "done"
    assert patient.store.stat(audio.name).metadata["channels"] == audio.metadata["channels"]
    assert len(problems(patient, deep=True)) == 2


def test_a_bit_rate_need_only_be_near(patient: Patient) -> None:
    audio, _ = patient.asset(thumbnail=None)
    average = int(audio.metadata["bitrate_bps"])

    def found(text: str) -> list[str]:
        patient.store.update(patient.store.stat(audio.name), {"bitrate_bps": text})
        return [problem.kind for problem in problems(patient, deep=True)]

    assert found(str(round(1.04 * average))) == found(str(round(0.96 * average))) == []
    for text in (str(round(1.1 * average)), "4294967295"):
        assert found(text) == ["mismatched-facts"], text


@pytest.mark.slow
def test_an_estimate_need_not_be_exact_but_what_is_not_marked_as_one_must(patient: Patient) -> None:
    audio, _ = patient.asset(thumbnail=None)
    exact_s = float(audio.metadata["duration_s"])

    def found(factor: float, mark: str | None) -> list[Problem]:
        facts = {"duration_s": f"{exact_s * factor:.3f}", "duration_is_exact": mark}
        patient.store.update(patient.store.stat(audio.name), facts)
        return problems(patient, deep=True)

    assert found(1.05, "false") == []
    assert [problem.kind for problem in found(1.05, None)] == ["mismatched-facts"]
    (problem,) = found(2, "false")
    assert problem.kind == "mismatched-facts"
    assert repair(patient.manager, problem, now=LATER) == "done"
    repaired = patient.manager.get(str(problem.audio_id))
    assert repaired.duration_s == pytest.approx(exact_s, abs=0.1)
    assert repaired.duration_is_exact


@pytest.mark.slow
@pytest.mark.parametrize("patient", ["local"], indirect=True)
def test_damage_and_wrong_facts_are_two_problems(patient: Patient, tmp_path: Path) -> None:
    data = bytearray(MP3.with_name("Lied für Ümläute.flac").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = b"U" * 4000
    path = tmp_path / "damaged.flac"
    path.write_bytes(data)
    damaged = patient.manager.upload_audio_file(path).audio
    path = tmp_path / "two seconds.m4a"
    path.write_bytes(encode("ipod", "aac", rate=8_000, seconds=2.05, bit_rate=24_000))
    short = patient.manager.upload_audio_file(path).audio
    assert damaged is not None
    assert short is not None
    assert [p.kind for p in problems(patient, deep=True)] == ["unplayable-audio"]
    for blob in (damaged, short):
        patient.store.update(blob, {"duration_s": "17.000"})
    found = problems(patient, deep=True)
    assert {(p.kind, p.name) for p in found} == {
        ("unplayable-audio", damaged.name),
        ("mismatched-facts", damaged.name),
        ("mismatched-facts", short.name),
    }
    for problem in found:
        repair(patient.manager, problem, now=LATER)
    for blob in (damaged, short):
        assert patient.store.stat(blob.name).metadata["duration_s"] == blob.metadata["duration_s"]


def _half_flac(folder: Path) -> Path:
    whole = MP3.with_name("Lied für Ümläute.flac").read_bytes()
    path = folder / "half.flac"
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _rot(path: Path) -> None:
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("patient", ["local"], indirect=True)
def test_deep_finds_bytes_that_rotted(patient: Patient) -> None:
    audio, _ = patient.asset(thumbnail=None)
    _rot(patient.directory / audio.name)
    assert problems(patient) == []
    (problem,) = problems(patient, deep=True)
    assert (problem.kind, problem.name) == ("damaged-bytes", audio.name)


@pytest.mark.slow
@pytest.mark.parametrize("patient", ["local"], indirect=True)
def test_a_deep_check_goes_on_where_it_was_interrupted(patient: Patient, tmp_path: Path) -> None:
    ids = sorted(patient.asset()[0].metadata["audio_id"] for _ in range(5))
    rotten = patient.directory / "audio" / ids[0] / "audio.mp3"
    _rot(rotten)
    path = tmp_path / "record"
    seen = Checked()
    failing = {ids[4]}
    all_others_are_read = Event()

    class Interrupted(Checker):
        def _problems_in_bytes(self, folder: Folder) -> list[Problem]:
            if folder.audio_id in failing:
                assert all_others_are_read.wait(PATIENCE_S)
                raise InterruptedError
            return super()._problems_in_bytes(folder)

    def on_progress(checked: Checked) -> None:
        nonlocal seen
        seen = checked
        if checked.assets_read >= 4:  # two may be noted together
            all_others_are_read.set()

    def check() -> list[Problem]:
        found: list[Problem] = []
        all_others_are_read.clear()
        with CheckRecord(path) as record, suppress(InterruptedError):
            checker = Interrupted(
                patient.manager, deep=True, record=record, on_progress=on_progress
            )
            for problem in checker.run():
                found.append(problem)  # noqa: PERF402  (what came before it failed)
        return found

    (damage,) = check()
    assert (damage.kind, damage.audio_id) == ("damaged-bytes", ids[0])
    path.write_bytes(path.read_bytes() + b"torn")
    # What was replaced or stored meanwhile is read, wherever it stands in the order.
    patient.manager.upload_thumbnail_file(OTHER_JPG, ids[1])
    patient.manager.upload_audio_file(MP3, audio_id="00000000-0000-4000-8000-000000000000")
    with pytest.raises(ConfigurationError, match="another check is using"), CheckRecord(path):
        CheckRecord(path)
    failing.clear()
    assert check() == [damage]  # it is still so, and said again
    assert (seen.assets, seen.assets_read, seen.assets_read_before) == (6, 4, 2)
    assert not path.exists()

    failing.add(ids[4])
    assert check() == [damage]
    with CheckRecord(path) as record:
        assert record.begun_at is not None
    with CheckRecord(path, clock=lambda: time.time() + 8 * 86400) as record:
        assert record.begun_at is None  # too long ago
    path.write_text("a file of another kind")
    with pytest.raises(ConfigurationError, match="is not a valid record of a check"):
        CheckRecord(path)
    assert path.read_text() == "a file of another kind"


def test_nothing_is_reported_while_uploads_run(patient: Patient, tmp_path: Path) -> None:
    """Uploads, replacements, deletions and restorations go on while checks run, with no grace."""
    stop = Event()
    failures: list[Exception] = []

    def live() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                path = tmp_path / f"{number}.mp3"
                path.write_bytes(mp3_bytes(5000))
                result = patient.manager.upload_audio_with_thumbnail(path, JPG, check="none")
                patient.manager.upload_thumbnail_file(OTHER_JPG, result.audio_id)
                if number % 3 == 0:
                    patient.manager.delete(result.audio_id)
        except Exception as error:  # noqa: BLE001  (raised by the test)
            failures.append(error)

    thread = Thread(target=live)
    thread.start()
    try:
        for _ in range(5):
            assert problems(patient, now=datetime.now(UTC)) == []
    finally:
        stop.set()
        thread.join()
    assert failures == []
    assert problems(patient) == []
