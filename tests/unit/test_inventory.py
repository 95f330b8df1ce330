"""check with an inventory report: what it gives cause to suspect, and the store's word on it."""

import builtins
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from audiostore import (
    AudioStorageManager,
    AudioStoreError,
    Checked,
    ConfigurationError,
    InvalidSourceError,
    LocalStore,
    Problem,
    Shard,
    SourceNotFoundError,
    UnsupportedByStoreError,
)
from audiostore.audit import checking, reports, suspects
from audiostore.audit.known import Known
from audiostore.audit.reports import Rows
from audiostore.audit.suspects import collecting
from tests.assets import BUCKET, JPG, OTHER_JPG, SOFT_DELETE, mp3_bytes, opened
from tests.catalog_samples import audio_ids
from tests.damages import DAMAGES, Patient
from tests.faults.rig import QUICK
from tests.inventories import FIELDS, rows_of, write_report

BY_REPORT = {
    "orphan-thumbnail",
    "second-audio",
    "foreign-object",
    "empty-object",
    "wrong-content-type",
    "unknown-extension",
    "unfinished-deletion",
    "unfinished-restoration",
    "folder-placeholder",
}
"""Kinds of problems that always show in a report."""


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    monkeypatch.setattr(checking, "_CHECK_AGAIN_AFTER_S", 0.0)
    monkeypatch.setattr(checking, "_TRANSIENT", frozenset())  # nothing is too young
    with opened("gcs", tmp_path) as store:
        seconds = int(SOFT_DELETE["softDeletePolicy"]["retentionDurationSeconds"])
        store.change_settings(store.settings(), soft_delete_s=seconds)
        yield Patient(store, AudioStorageManager(store=store, retry_config=QUICK), tmp_path)


def report_on(patient: Patient, **options: Any) -> Path:
    rows = rows_of(patient.store.list(""), BUCKET)
    return write_report(patient.directory / "report", rows, **options)


def found_by(patient: Patient, manifest: Path, **options: Any) -> list[Problem]:
    audit = patient.manager.audit
    return list(audit.check(inventory=audit.read_inventory(manifest), **options))


def key(problem: Problem) -> tuple[str, str]:
    return problem.kind, problem.name


# -- what is found -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_shows_in_a_report_is_found_as_a_walk_finds_it(patient: Patient, kind: str) -> None:
    for _ in range(3):
        patient.asset()
    for damage in DAMAGES:
        damage.make(patient)
    patient.put(f"audio/{patient.new_id()}/", b"", "text/plain")
    seen: list[Checked] = []
    walked: list[Checked] = []
    whole = list(patient.manager.audit.check(on_progress=walked.append))
    found = found_by(patient, report_on(patient, kind=kind), on_progress=seen.append)
    wanted = {key(each) for each in whole if each.kind in BY_REPORT}
    assert {kind for kind, _ in wanted} == BY_REPORT
    assert wanted <= {key(each) for each in found}
    assert {key(each) for each in found} <= {key(each) for each in whole}
    assert seen[-1].objects == walked[-1].objects
    by_key = {key(each): each for each in whole}
    assert all(each == by_key[key(each)] for each in found)  # the same repair


@pytest.mark.parametrize("table", ["jsonl", "csv", "parquet"])
def test_other_bytes_than_an_export_says_are_found(patient: Patient, table: Any) -> None:
    sound, _ = patient.asset()
    longer, _ = patient.asset()
    _, cover = patient.asset()
    replaced, _ = patient.asset()
    path = patient.directory / f"export.{table}"
    with path.open("wb") as file:
        patient.manager.catalog.export(file, table)
    data = patient.store.open(sound).read(1 << 20)
    patient.replant(sound, data[:-1] + bytes([data[-1] ^ 1]))
    patient.replant(longer, mp3_bytes(4000))
    patient.replant(cover, OTHER_JPG.read_bytes())
    patient.manager.upload_thumbnail_file(OTHER_JPG, replaced.metadata["audio_id"])
    fresh, _ = patient.asset()
    manifest = report_on(patient)
    assert found_by(patient, manifest) == []
    found = {key(each) for each in found_by(patient, manifest, known=path)}
    assert found == {key(each) for each in patient.manager.audit.check()}
    assert {name for _, name in found} >= {sound.name, longer.name, cover.name}
    assert fresh.name not in {name for _, name in found}


def test_the_store_has_the_last_word_where_it_has_changed_since(patient: Patient) -> None:
    kept = patient.asset()[0]
    stored = patient.manager.upload_thumbnail_file(JPG, patient.new_id())
    patient.put("audio/foreign.txt", b"x", "text/plain")
    gone = patient.put("audio/gone.txt", b"x", "text/plain")
    manifest = report_on(patient)
    late = patient.directory / "late.mp3"
    late.write_bytes(mp3_bytes(1500))
    patient.manager.upload_audio_file(late, audio_id=stored.audio_id, check="none")
    patient.store.delete(gone)
    patient.store.delete(kept)
    assert [key(each) for each in found_by(patient, manifest)] == [
        ("foreign-object", "audio/foreign.txt")
    ]


def test_noncurrent_versions_are_no_objects(patient: Patient) -> None:
    audio, _ = patient.asset()
    rows = rows_of(patient.store.list(""), BUCKET)
    old = {**rows[0], "name": audio.name.replace(".mp3", ".ogg"), "timeDeleted": "2026-01-01"}
    manifest = write_report(patient.directory / "report", [*rows, old], header=True)
    seen: list[Checked] = []
    assert found_by(patient, manifest, on_progress=seen.append) == []
    assert (seen[-1].assets, seen[-1].objects) == (1, 2)


def test_memory_does_not_grow_with_a_report_and_no_order_matters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suspects, "_BLOCK_BYTES", 200)  # nearly all of it goes through the file
    rng = random.Random(3)
    rows: list[Any] = []
    wanted = set()
    for audio_id in audio_ids(3000):
        parts = [("audio.mp3", "audio/mpeg"), ("thumbnail.jpg", "image/jpeg")]
        dice = rng.randrange(40)
        if dice == 0:
            parts = parts[1:]
        elif dice == 1:
            parts.append(("audio.flac", "audio/flac"))
        elif dice == 2:
            parts[0] = ("audio.mp3", "video/mp4")
        elif dice == 3:
            parts.append(("notes.txt", "text/plain"))
        if dice < 4:
            wanted.add(audio_id)
        if dice > 20:
            parts = parts[:1]
        rows += [(f"lib/audio/{audio_id}/{name}", 9, kind, None) for name, kind in parts]
    foreign = [f"audio/{n}é/x" for n in range(300)]
    rows += [(f"lib/{name}", 1, "", None) for name in foreign]
    rows += [(f"other/{n}", 0, "", None) for n in range(50)]
    rng.shuffle(rows)
    with collecting("lib/", has_known=False) as found:
        for start in range(0, len(rows), 100):
            found.add(Rows(*zip(*rows[start : start + 100], strict=True)))
        ids = list(found.audio_ids())
        assert sorted(found.foreign_names()) == sorted(foreign)
    assert sorted(ids) == sorted(wanted)
    assert found.objects == len(rows) - 50


@pytest.mark.parametrize("has_known", [False, True])
def test_batches_in_arrow_are_judged_as_single_rows(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, has_known: bool
) -> None:
    monkeypatch.setattr(suspects, "_BLOCK_BYTES", 200)
    monkeypatch.setattr(reports, "_ARROW_ROWS", 100)
    rng = random.Random(4)
    root = "lib.é/audio/"
    deleted_at = datetime(2026, 1, 1, tzinfo=UTC) if has_known else "2026-01-01"
    ids = [*audio_ids(400), *(str(UUID(int=number)) for number in range(400))]
    ends = ["", "/", "x/audio.mp3", "/audio.MP3", "/audio.mp3\n", "/audio.é", "/notes.txt", "/a/b"]
    rows: list[dict[str, Any]] = []
    known: list[Known] = []

    def add(name: str, content_type: str | None, **changed: Any) -> None:
        size, checksum = rng.choice([1, 5, 1 << 40]), rng.choice(["AAAAAA==", "BBBBBB==", None])
        facts = {"size": size, "crc32c": checksum, "contentType": content_type}
        rows.append(dict.fromkeys(FIELDS) | {"bucket": BUCKET, "name": name} | facts | changed)

    for audio_id in ids:
        folder = f"{root}{audio_id}"
        parts: list[tuple[str, str | None, dict[str, Any]]] = [
            *2 * [("/audio.mp3", "audio/mpeg", {}), ("/thumbnail.jpg", "image/jpeg", {})],
            ("/audio.ogg", rng.choice(["audio/ogg", "audio/mpeg", "", None]), {}),
            ("/audio.mp3", "audio/mpeg", {"timeDeleted": deleted_at}),
            ("/thumbnail.png", "image/png", {"size": rng.randrange(2)}),
            (rng.choice(ends), "audio/mpeg", {}),
        ]
        for end, content_type, changed in rng.sample(parts, rng.randrange(4)):
            add(folder + end, content_type, **changed)
        known.append((audio_id, "audio", rng.choice([1, 5, 1 << 40]), "AAAAAA=="))
        known.append((audio_id, "thumbnail", 5, rng.choice(["BBBBBB==", None])))
    for name in ("", "x", f"{ids[0].upper()}/audio.mp3", f"é{ids[0]}/audio.mp3", "y" * 2000):
        add(root + name, "audio/mpeg")
        add(f"lib.é/{name}", "audio/mpeg", size=0)
    add(f"lib_é/audio/{ids[0]}/audio.mp3", "text/plain")
    rng.shuffle(rows)

    def judged(kind: str) -> tuple[set[str], object]:
        manifest = write_report(patient.directory / kind, rows, kind=kind)
        report = patient.manager.audit.read_inventory(manifest)
        with collecting("lib.é/", has_known=has_known) as found:
            found.add_known(known if has_known else ())
            batches = list(reports.rows_of(patient.manager, report))
            for each in batches:
                found.add(each)
            names = sorted(found.foreign_names())
            verdict = sorted(found.audio_ids()), names, found.objects, found.assets
        return {type(each).__name__ for each in batches}, verdict

    by_row, wanted = judged("csv")
    by_batch, found = judged("parquet")
    assert (by_row, by_batch) == ({"Rows"}, {"Rows", "RecordBatch"})  # too long a name: by rows
    assert found == wanted


# -- what is wrong with a report -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"records_processed": 9}, "is of 9 objects, but its shards have 2"),
        ({"size": -1}, "an impossible size"),
        ({"size": "x"}, "not a shard of an inventory report"),
        ({"size": 1 << 70}, "an impossible size"),
        ({"name": None, "kind": "parquet"}, "its name is not text"),
        ({"contentType": 1, "kind": "parquet"}, "its content_type is not text"),
        ({"records_processed": None}, "not the manifest of an inventory report: no 'records"),
        ({"report_shards_file_names": None}, "not the manifest of an inventory report: no 'report"),
        ({"report_shards_file_names": "x"}, "names 1 shards of 3"),
        ({"shard_count": 4}, "names 3 shards of 4"),
        ({"snapshot_time": "x"}, "not the manifest of an inventory report"),
        ({"at": datetime.now(UTC) - timedelta(days=15)}, "15 days ago"),
        ({"fields": ("bucket", "name", "size")}, "lacks the fields contentType"),
    ],
)
def test_a_report_that_is_not_whole_is_an_error(
    patient: Patient, changed: dict[str, Any], message: str
) -> None:
    patient.asset()
    rows = rows_of(patient.store.list(""), BUCKET)
    rows = [{**each, **{k: changed[k] for k in each.keys() & changed}} for each in rows]
    options = {name: value for name, value in changed.items() if name not in rows[0]}
    manifest = write_report(patient.directory / "report", rows, **options)
    with pytest.raises(InvalidSourceError, match=message):
        found_by(patient, manifest)


def test_a_report_of_something_else_is_an_error(patient: Patient) -> None:
    patient.asset()
    rows = rows_of(patient.store.list(""), "another")
    folder = patient.directory / "report"
    with pytest.raises(InvalidSourceError, match="is of gs://another"):
        found_by(patient, write_report(folder, rows))
    with pytest.raises(InvalidSourceError, match="of the bucket 'another'"):
        found_by(patient, write_report(folder, rows, report_config=None, header=True))
    for data, why in {
        b"": "Expecting value",
        b"[]": "it is not a JSON object",
        b"7": "it is not a JSON object",
        b"{}": "no 'report_shards_file_names'",
        b"\xff": "decode",
        b"[" * 100_000: "nested too deeply",
        b"a,b\n": "Expecting value",
    }.items():
        (folder / "m.json").write_bytes(data)
        with pytest.raises(InvalidSourceError, match=f"not the manifest of .* report: .*{why}"):
            found_by(patient, folder / "m.json")
    for place, error in ((folder, InvalidSourceError), (folder / "none.json", SourceNotFoundError)):
        with pytest.raises(error):
            found_by(patient, place)
    local = AudioStorageManager(store=LocalStore(patient.directory / "store"))
    with pytest.raises(UnsupportedByStoreError):
        local.audit.read_inventory(folder / "m.json")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("data", [None, b"", b"PAR1xxxx", b"a,b\n", b'"a\n', b"\xff\xfe,\n"])
def test_shards_that_are_missing_or_damaged_are_an_error(
    patient: Patient, kind: str, data: bytes | None
) -> None:
    patient.asset()
    manifest = report_on(patient, kind=kind, shards=1)
    shard = next(each for each in manifest.parent.iterdir() if each.suffix == f".{kind}")
    shard.unlink()
    if data is not None:
        shard.write_bytes(data)
    with pytest.raises((InvalidSourceError, SourceNotFoundError)):
        found_by(patient, manifest)


def test_csv_needs_no_pyarrow(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    patient.manager.upload_thumbnail_file(JPG, patient.new_id())
    now = datetime.now(UTC)
    in_parquet = report_on(patient, kind="parquet", at=now)
    shards = in_parquet.read_text()
    in_csv = report_on(patient, at=now)  # of the same name
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert [each.kind for each in found_by(patient, in_csv)] == ["orphan-thumbnail"]
    in_parquet.write_text(shards)
    with pytest.raises(ConfigurationError, match="pyarrow"):
        found_by(patient, in_parquet)


def test_a_manifest_in_the_words_of_the_api_is_read(patient: Patient) -> None:
    patient.asset()
    manifest = report_on(patient, snapshot_time=None)
    text = manifest.read_text()
    for name, other in (
        ("records_processed", "recordsProcessed"),
        ("shard_count", "shardCount"),
        ("report_shards_file_names", "reportNames"),
        ("report_config", "reportConfig"),
        ("metadata_fields", "metadataFields"),
    ):
        text = text.replace(name, other)
    manifest.write_text(text.replace('"recordsProcessed": 2', '"recordsProcessed": "2"'))
    report = patient.manager.audit.read_inventory(manifest)
    assert (report.objects, len(report.shards), report.columns) == (2, 3, FIELDS)
    assert datetime.now(UTC) - report.snapshot_at < timedelta(minutes=5)
    assert found_by(patient, manifest) == []


def test_options_that_a_report_cannot_have_are_refused(patient: Patient) -> None:
    patient.asset()
    audit = patient.manager.audit
    report = audit.read_inventory(report_on(patient))
    for options in ({"deep": True}, {"shard": Shard(1, 2)}):
        with pytest.raises(ValueError, match="inventory report"):
            audit.check(inventory=report, **options)
    with pytest.raises(ValueError, match="known is for"):
        audit.check(known="x")
    wrong = patient.directory / "x.jsonl"
    for text in ("{}\n", "[]\n", "x\n", '{"audio_id": "x"}\n'):
        wrong.write_text(text)
        with pytest.raises(InvalidSourceError, match="neither an export nor"):
            list(audit.check(inventory=report, known=wrong))
    with pytest.raises(InvalidSourceError, match="extension"):
        list(audit.check(inventory=report, known=wrong.with_suffix(".txt")))
    with pytest.raises(AudioStoreError):
        list(audit.check(inventory=replace(report, place="/none/x.json")))
