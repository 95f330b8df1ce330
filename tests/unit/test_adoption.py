"""Adopting: what other layouts say, what is left out, what it costs, what is copied and cleaned."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audiostore import (
    AudioStorageManager,
    BulkItem,
    InvalidRunError,
    Rates,
    Refusal,
    RunConflictError,
    StorageResult,
    check_manifest,
    fleet,
)
from audiostore.adopt import KeyCovers, KeyLayout
from audiostore.fleet.adoptions import AdoptOptions
from audiostore.sourcepaths import source_path_of
from tests.assets import JPG, MP3, OGG, OTHER_JPG
from tests.faults.rig import QUICK
from tests.gcs_server import StrictServer, faults, supplied

RUN = "a1"
OLD, NEW = "old", "new"
UUID = str(uuid4())
TOKENS = "firebaseStorageDownloadTokens"
SONG, COVER, OTHER = MP3.read_bytes(), JPG.read_bytes(), OTHER_JPG.read_bytes()
SOUND = OGG.read_bytes()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    with StrictServer(OLD, NEW) as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running


@pytest.fixture
def manager(server: StrictServer) -> Iterator[AudioStorageManager]:
    with AudioStorageManager(NEW, retry_config=QUICK) as manager:
        yield manager


def adopt(
    manager: AudioStorageManager, layout: str | None, source: str = f"gs://{OLD}", **options: Any
) -> list[Refusal]:
    """Plan, work; return what was left out."""
    refused: list[Refusal] = []
    plan: dict[str, Any] = {"run": RUN, "chunk_items": 2, "layout": layout, **options}
    fleet.plan_adoption(manager, source, on_refused=refused.append, **plan)
    for chunk in fleet.work_share(manager, plan["run"]):
        assert chunk.error is None, chunk.error
    return refused


def adopted(manager: AudioStorageManager, source: str = f"gs://{OLD}/") -> dict[str, StorageResult]:
    """The assets by the names of the objects that they were."""
    return {
        each.audio.removeprefix(source): manager.get(each.audio_id)
        for each in fleet.results(manager, RUN)
        if each.status == "stored"
    }


# -- layouts ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A bucket, and what is made of it."""

    objects: dict[str, bytes]
    layout: str | None
    expected: dict[str, tuple[dict[str, str], bytes | None]]
    """By the name of an object: some metadata of its asset, and the cover."""
    covers: tuple[str, ...] = ()
    left: dict[str, str] = field(default_factory=dict)
    mapping: str | None = None
    types: dict[str, str] = field(default_factory=dict)
    source: str = ""


CASES = {
    "flat": Case(
        {"Morning.mp3": SONG, "Harbour.ogg": SOUND, "notes.txt": b"x"},
        "{title}.{ext}",
        {"Morning.mp3": ({"title": "Morning"}, None), "Harbour.ogg": ({"title": "Harbour"}, None)},
        left={"notes.txt": "not-audio"},
    ),
    "artist, album, track": Case(
        {
            "music/A/B/01 X.mp3": SONG,
            "music/A/B/Cover.JPG": COVER,
            "music/A/C/CD1/02 Y.mp3": SONG,
            "music/A/C/folder.jpg": OTHER,
            "music/A/C/back.jpg": COVER,
            "music/A/loose.mp3": SONG,
            "music/A/": b"",
        },
        "music/{artist}/{album}/{folders}/{track:02} {title}.{ext}",
        {
            "music/A/B/01 X.mp3": (
                {"artist": "A", "album": "B", "track": "1", "title": "X"},
                COVER,
            ),
            "music/A/C/CD1/02 Y.mp3": (
                {"artist": "A", "album": "C", "track": "2", "title": "Y"},
                OTHER,
            ),
        },
        covers=("cover.jpg", "folder.jpg"),
        left={"music/A/C/back.jpg": "unused-image", "music/A/loose.mp3": "no-rule"},
    ),
    "year, month, uuid": Case(
        {f"2024/03/{UUID}.mp3": SONG, "2024/04/not-one.mp3": SONG},
        "{year}/{month}/{id}.{ext}",
        {f"2024/03/{UUID}.mp3": ({"year": "2024", "month": "03"}, None)},
        left={"2024/04/not-one.mp3": "bad-id"},
    ),
    "CarrierWave": Case(
        {"uploads/track/file/17/song.mp3": SONG, "uploads/track/cover/17/c.jpg": COVER},
        "uploads/{model}/file/{record}/{stem}.{ext}",
        {"uploads/track/file/17/song.mp3": ({"model": "track", "record": "17"}, COVER)},
        covers=("../../cover/{record}/c.jpg",),
    ),
    "ActiveStorage": Case(
        {"xtapjjcjiudrlk3tmwyjgpuobabd": SONG, "yy8z": COVER, "zz": SONG},
        None,
        {"xtapjjcjiudrlk3tmwyjgpuobabd": ({"title": "Mine", "mood": "calm"}, COVER)},
        mapping="audio,thumbnail,id,filename,title,mood\n"
        f"xtapjjcjiudrlk3tmwyjgpuobabd,yy8z,{UUID},Mine.mp3,Mine,calm\n"
        "gone,,,,,\n",
        left={"zz": "no-rule", "gone": "missing"},
    ),
    "Firebase": Case(
        {"users/u1/tracks/t1": SONG, "users/u1/avatar": COVER},
        "users/{_}/tracks/{_}",
        {"users/u1/tracks/t1": ({"mood": "calm"}, None)},
        left={"users/u1/avatar": "unused-image"},
        types={"users/u1/tracks/t1": "audio/mpeg", "users/u1/avatar": "image/jpeg"},
    ),
    "a cover for each": Case(
        {"a/b/One.mp3": SONG, "a/b/One.jpg": COVER, "a/b/Two.mp3": SONG, "a/b/two.jpg": OTHER},
        "{folders}/{title}.{ext}",
        {"a/b/One.mp3": ({"title": "One"}, COVER), "a/b/Two.mp3": ({"title": "Two"}, OTHER)},
        covers=("{stem}.jpg",),
    ),
    "no extension, below a prefix": Case(
        {"in/0a": SONG, "in/0b": SOUND, "elsewhere": SONG},
        "{_}",
        {"in/0a": ({}, None), "in/0b": ({}, None)},
        source="/in",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_layout_becomes_assets_and_nothing_else_does(
    server: StrictServer, manager: AudioStorageManager, tmp_path: Path, case: Case
) -> None:
    for name, data in case.objects.items():
        own = {"mood": "calm", TOKENS: "secret"} if "tracks" in name else {}
        kind = case.types.get(name, "application/octet-stream")
        server.put(OLD, name, data, contentType=kind, metadata=own)
    before = {each.name: each.generation for each in server.objects(OLD)}
    mapping = None
    if case.mapping is not None:
        path = tmp_path / "map.csv"
        path.write_text(case.mapping)
        mapping = check_manifest(path, print, fix_extension=True, looks_at_files=False)

    refused = adopt(
        manager, case.layout, f"gs://{OLD}{case.source}", covers=case.covers, mapping=mapping
    )

    assert {each.name: each.reason for each in refused} == case.left
    found = adopted(manager)
    assert found.keys() == case.expected.keys()
    for name, (metadata, cover) in case.expected.items():
        asset = found[name]
        assert asset.audio is not None
        assert metadata.items() <= asset.audio.metadata.items(), name
        assert TOKENS not in asset.audio.metadata
        assert datetime.fromisoformat(asset.audio.metadata["first_stored_at"]).tzinfo is not None
        assert server.read(NEW, asset.audio.name) == case.objects[name]
        assert (asset.duration_s or 0) > 0
        if cover is not None:
            assert asset.thumbnail is not None
            assert server.read(NEW, asset.thumbnail.name) == cover
            was = source_path_of(asset.thumbnail.metadata)
            assert was is None or case.objects[was] == cover
        if UUID in name or UUID in (case.mapping or ""):
            assert asset.audio_id == UUID
    for each in server.objects(NEW):
        assert b"secret" not in server.read(NEW, each.name), each.name
    assert list(manager.audit.check(deep=True)) == []
    assert {each.name: each.generation for each in server.objects(OLD)} == before


def test_names_that_are_not_of_a_layout_do_not_fit() -> None:
    layout = KeyLayout("{artist}/{folders}/{artist} - {title} ({year}).{ext}")
    assert layout.match("A/A - B (live) (1999).mp3") == {
        "artist": "A",
        "title": "B (live)",
        "year": "1999",
        "ext": "mp3",
    }
    assert layout.match("A/x/y/A - B (1999).mp3") is not None
    for name in ("A/B - C (1999).mp3", "A/A - B (x).mp3", "A - B (1999).mp3", "A/A -  (1999).mp3"):
        assert layout.match(name) is None, name
    assert KeyLayout("{{x}}/{_}").match("{x}/1") == {"_": "1"}
    assert KeyLayout("{a}-{b}-{c}.{ext}").match("-" * 5000) is None


@pytest.mark.parametrize(
    "template",
    [
        *("", "/x", "x//y", "{a}{b}", "{folders}", "x{folders}/y", "{folders}/{folders}/x"),
        *("{crc32c}.mp3", "{a b}", "{a", "{a}-{b}-{c}-{d}-{e}", "{a:x}"),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="layout"):
        KeyLayout(template)


def test_an_empty_layout_is_said_to_be_empty() -> None:
    with pytest.raises(ValueError, match="the layout '' is not valid: it is empty"):
        KeyLayout("")


def test_covers_are_looked_for_where_they_are_named() -> None:
    covers = KeyCovers(("cover.jpg", "../{stem}.png", "../../../../x.jpg"))
    assert list(covers.of("a/b/CD 2/s.mp3", {})) == [
        "a/b/CD 2/cover.jpg",
        "a/b/s.png",
        "a/b/cover.jpg",
    ]
    assert list(covers.of("s.mp3", {})) == ["cover.jpg"]
    for name in ("", "/x.jpg", "x/", "{nobody}.jpg", "{"):
        with pytest.raises(ValueError, match="cover"):
            KeyCovers((name,), ("artist",))


# -- what is left out ------------------------------------------------------------------------------


def test_what_cannot_be_adopted_is_left_out_and_told(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    for name in ("a/ok.mp3", "b/x.mp3", "empty.mp3", "key.mp3"):
        server.put(OLD, name, b"" if name == "empty.mp3" else SONG)
    server.put(OLD, "b/cover.jpg", COVER)
    server.put(OLD, "b/COVER.jpg", OTHER)
    server.put(OLD, "bad.mp3", SONG, metadata={"Crc32c": "x"})
    server.put(OLD, "big.mp3", SONG, metadata={"lyrics": "x" * 8000})
    server.put(OLD, "nul.mp3", SONG, metadata={"mood": "a\0b"})
    server.encrypt(OLD, supplied(b"0" * 32), "key.mp3")
    refused = adopt(manager, "{folders}/{stem}.{ext}", covers=["Cover.jpg"])
    assert {each.name: each.reason for each in refused} == {
        "b/x.mp3": "two-covers",
        "b/cover.jpg": "unused-image",
        "b/COVER.jpg": "unused-image",
        "empty.mp3": "empty",
        "key.mp3": "unreadable",
        "bad.mp3": "bad-metadata",
        "big.mp3": "bad-metadata",
        "nul.mp3": "bad-metadata",
    }
    assert adopted(manager).keys() == {"a/ok.mp3"}


def test_a_bucket_that_is_the_library_itself_is_adopted_beside_it(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    own = manager.upload_audio_file(OGG)
    server.put(NEW, "in/x.mp3", SONG)
    refused = adopt(manager, "{folders}/{title}.{ext}", f"gs://{NEW}")
    assert {each.reason for each in refused} == {"own"}
    (asset,) = adopted(manager, f"gs://{NEW}/").values()
    assert (asset.title, asset.source_path) == ("x", "in/x.mp3")
    assert manager.get(own.audio_id).audio == own.audio
    again = fleet.plan_adoption(
        manager, f"gs://{NEW}", run=RUN, chunk_items=2, layout="{folders}/{title}.{ext}"
    )
    assert (again.created, again.refused["own"] > 2) == (False, True)


def test_what_was_computed_from_other_audio_is_not_taken_for_a_recording(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    marks = {"derived_by": "preview/1", "audio_crc32c": "AAAAAA==", "audio_file_size": "1"}
    server.put(OLD, "audio/x/audio.mp3", SONG)
    server.put(OLD, "audio/x/preview.mp3", SONG, metadata=marks)
    refused = adopt(manager, "{folders}/{title}.{ext}", keep_metadata=[])
    assert {each.name: each.reason for each in refused} == {"audio/x/preview.mp3": "derived"}
    assert adopted(manager).keys() == {"audio/x/audio.mp3"}


def test_a_plan_pins_ids_and_generations(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.put(OLD, "1.mp3", SONG)
    server.put(OLD, "2.mp3", SONG)
    fleet.plan_adoption(manager, f"gs://{OLD}", run=RUN, layout="{title}.{ext}")
    server.put(OLD, "2.mp3", SOUND)  # another program is still at work
    with pytest.raises(RunConflictError):
        fleet.plan_adoption(manager, f"gs://{OLD}", run=RUN, layout="{title}.{ext}")

    (chunk,) = fleet.work_share(manager, RUN)

    (failed,) = chunk.failures
    assert (failed.audio, failed.error_kind) == (f"gs://{OLD}/2.mp3", "SourceChangedError")
    assert adopted(manager).keys() == {"1.mp3"}
    cleaned = {each.uri: each.status for each in fleet.clean_adopted(manager, RUN)}
    assert cleaned == {f"gs://{OLD}/1.mp3": "deleted", f"gs://{OLD}/2.mp3": "needed"}
    assert [each.name for each in server.objects(OLD)] == ["2.mp3"]


def test_a_right_that_is_missing_fails_no_run_for_good(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    for n in range(3):
        server.put(OLD, f"{n}.mp3", SONG)
    fleet.plan_adoption(manager, f"gs://{OLD}", run=RUN, layout="{title}.{ext}")
    server.fault(faults.rewrite, faults.respond(403), times=None)
    (chunk,) = fleet.work_share(manager, RUN)
    assert (chunk.unfinished, chunk.failures) == (3, ())
    assert getattr(chunk.error, "status", None) == 403
    server.clear_faults()
    server.fault(
        faults.rewrite & (lambda head: "1.mp3" in head.path), faults.respond(403), times=None
    )
    (chunk,) = fleet.work_share(manager, RUN)
    assert (chunk.stored, len(chunk.failures)) == (2, 1)  # of one object it is a verdict


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layout": "{a"},
        {"layout": "{x}", "covers": ["{y}"]},
        {"layout": "nothing/{title}"},
        {"layout": "{title}.{ext}", "storage_class": "HOT"},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    server: StrictServer, manager: AudioStorageManager, options: dict[str, Any]
) -> None:
    server.put(OLD, "1.mp3", SONG)
    with pytest.raises(InvalidRunError):
        fleet.plan_adoption(manager, f"gs://{OLD}", run=RUN, **options)
    assert not server.objects(NEW)


def test_another_run_adopts_what_the_first_one_left(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    for name in ("in/1.mp3", "in/2.mp3", "in/3.mp3"):
        server.put(OLD, name, SONG)
    server.put(OLD, "in/2.jpg", b"no image")
    adopt(manager, "{title}.{ext}", f"gs://{OLD}/in", covers=["{stem}.jpg"])
    assert adopted(manager, f"gs://{OLD}/in/").keys() == {"1.mp3", "3.mp3"}
    server.put(OLD, "in/3.mp3", SOUND)  # new bytes: another object
    server.put(OLD, "in/4.mp3", SONG)

    refused = adopt(manager, "in/{title}.{ext}", run="a2")

    assert {each.name: each.reason for each in refused} == {
        "in/1.mp3": "adopted",
        "in/2.jpg": "unused-image",
    }
    names = [each.audio for each in fleet.results(manager, "a2")]
    assert names == [f"gs://{OLD}/in/{n}.mp3" for n in (2, 3, 4)]
    assert sum(1 for _ in manager.list()) == 5


def test_what_another_run_has_planned_is_left_to_it(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.put(OLD, "1.mp3", SONG)
    server.put(OLD, "2.mp3", b"no audio")
    fleet.plan_adoption(manager, f"gs://{OLD}", run=RUN, layout="{title}.{ext}")
    server.put(OLD, "3.mp3", SONG)

    def left_by_another() -> dict[str, str]:
        refused: list[Refusal] = []
        fleet.plan_adoption(
            manager,
            f"gs://{OLD}",
            run="a2",
            layout="{title}.{ext}",
            dry_run=True,
            on_refused=refused.append,
        )
        return {each.name: each.reason for each in refused}

    assert left_by_another() == {"1.mp3": "planned", "2.mp3": "planned"}
    list(fleet.work_share(manager, RUN))
    assert left_by_another() == {"1.mp3": "adopted"}
    fleet.retry(manager, RUN)
    assert left_by_another() == {"1.mp3": "adopted", "2.mp3": "planned"}


def test_nothing_to_adopt_says_why(
    server: StrictServer, manager: AudioStorageManager, tmp_path: Path
) -> None:
    (tmp_path / "1.mp3").write_bytes(SONG)
    for source, why in ((f"gs://{OLD}", "nothing is there"), (str(tmp_path), "plain files")):
        with pytest.raises(InvalidRunError, match=why):
            fleet.plan_adoption(manager, source, run=RUN, layout="{title}.{ext}")
    server.put(OLD, "1.txt", b"x")
    with pytest.raises(InvalidRunError, match="1 not-audio"):
        fleet.plan_adoption(manager, f"gs://{OLD}", run=RUN, layout="{title}.{ext}")


# -- what is copied --------------------------------------------------------------------------------


def test_class_and_key_stay_or_are_set_times_become_metadata_and_no_token_is_kept(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    own = {TOKENS: "t", "genre": "Jazz", "isrc": "X"}
    moment = datetime(2019, 5, 2, tzinfo=UTC)
    server.put(
        OLD, "1.mp3", SONG, metadata=own, storageClass="NEARLINE", customTime=moment.isoformat()
    )
    server.put(OLD, "1.jpg", COVER, storageClass="COLDLINE")
    created = server.objects(OLD)[1].time_created
    adopt(manager, "{title}.{ext}", covers=["{stem}.jpg"])
    (kept,) = adopted(manager).values()
    assert kept.audio is not None
    assert kept.thumbnail is not None
    assert (kept.audio.storage_class, kept.thumbnail.storage_class) == ("NEARLINE", "COLDLINE")
    assert (kept.audio.custom_time, kept.thumbnail.custom_time) == (None, None)
    assert (kept.audio.metadata.get("genre"), TOKENS in kept.audio.metadata) == ("Jazz", False)
    stored_at = datetime.fromisoformat(kept.audio.metadata["first_stored_at"])
    assert stored_at == datetime.fromisoformat(created)
    assert kept.source_path == "1.mp3"

    server.put(OLD, "1.mp3", SONG, metadata=own)
    plan: dict[str, Any] = {"storage_class": "ARCHIVE", "kms_key": key, "keep_metadata": ["isrc"]}
    fleet.plan_adoption(
        manager, f"gs://{OLD}", run="a2", layout="{title}.{ext}", covers=["{stem}.jpg"], **plan
    )
    list(fleet.work_share(manager, "a2"))
    (result,) = fleet.results(manager, "a2")
    audio = manager.get(result.audio_id).audio
    assert audio is not None
    assert (audio.storage_class, audio.kms_key) == ("ARCHIVE", key)
    assert (audio.metadata.get("isrc"), audio.metadata.get("genre")) == ("X", "Ambient")


def test_an_asset_takes_three_requests_and_no_bytes_but_ranges(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    assets = 6
    for n in range(assets):
        server.put(OLD, f"{n}/song.mp3", SONG)
        server.put(OLD, f"{n}/cover.jpg", COVER)
    fleet.plan_adoption(
        manager, f"gs://{OLD}", run=RUN, layout="{_}/{stem}.{ext}", covers=["cover.jpg"]
    )
    before = len(server.requests)
    (chunk,) = fleet.work_share(manager, RUN)
    assert chunk.stored == assets
    made = Counter(each.operation for each in server.requests[before:])
    # Two ranges and two copies for each; the rest is the run's own.
    assert made == {
        "rewrite": 2 * assets,
        "download": 2 * assets + 2,
        "upload": 2,
        "stat": 1,
        "list": 2,
    }


def test_a_dry_run_counts_names_reasons_and_costs_and_writes_nothing(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.configure(OLD, softDeletePolicy={"retentionDurationSeconds": 7 * 86400})
    size = 3 << 20
    for n in range(3):
        server.put(OLD, f"{n}.mp3", SONG + bytes(size - len(SONG)), storageClass="NEARLINE")
    server.put(OLD, "cover.jpg", COVER, temporaryHold=True)
    server.put(OLD, "notes.txt", b"x")
    now = server.now() + timedelta(days=10)
    plan = fleet.plan_adoption(
        manager,
        f"gs://{OLD}",
        run=RUN,
        layout="{title}.{ext}",
        covers=["cover.jpg"],
        storage_class="STANDARD",
        dry_run=True,
        now=lambda: now,
    )
    assert not server.objects(NEW)
    assert (plan.assets, plan.covers, plan.kept) == (3, 3, 1)
    assert plan.refused == {"not-audio": 1}
    cost = plan.cost
    assert cost is not None
    gib, cover = 3 * size / 2**30, len(COVER) / 2**30
    rates = Rates.read("US")
    near, standard = rates.prices["NEARLINE"], rates.prices["STANDARD"]
    # Copies, a look at each asset, a page of two listings, the chunk, the plan.
    assert cost.class_a == 6 + 3 + 2 + 4 + 1
    assert cost.class_b == 3 * 2 + 1 + 2
    assert cost.retrieval == pytest.approx(gib * 0.01)
    assert cost.early_deletion == pytest.approx(gib * near * 20 / 30)
    assert cost.soft_deleted == pytest.approx((gib * near + cover * standard) * 7 / 30)
    assert cost.storage_a_month == pytest.approx((gib + 3 * cover) * standard)
    assert cost.operations == pytest.approx((16 * 0.010 + 6 * 0.001 + 3 * 0.0004) / 1000)
    once = cost.operations + cost.retrieval + cost.early_deletion + cost.soft_deleted
    assert cost.total == pytest.approx(once)
    assert cost.read_on.year >= 2026


# -- cleaning --------------------------------------------------------------------------------------


def test_old_objects_are_deleted_by_generation_once_their_asset_is_compared(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    for name in ("a/1.mp3", "a/2.mp3", "b/3.mp3", "c/4.mp3", "d/5.mp3", "6.mp3"):
        server.put(OLD, name, SONG, temporaryHold=name == "b/3.mp3")
    for folder in "abcd":
        server.put(OLD, f"{folder}/cover.jpg", COVER)
    adopt(manager, "{folders}/{stem}.{ext}", covers=["cover.jpg"])
    found = adopted(manager)
    manager.delete(found["c/4.mp3"].audio_id, permanent=True)
    manager.upload_thumbnail_file(OTHER_JPG, found["d/5.mp3"].audio_id)
    manager.delete(found["6.mp3"].audio_id, permanent=True)
    manager.upload_audio_file(OGG, audio_id=found["6.mp3"].audio_id)  # its id, and other audio
    server.put(OLD, "a/2.mp3", SOUND)  # replaced since: that is not what was adopted
    before = len(server.objects(OLD))

    planned = {each.uri: each.status for each in fleet.clean_adopted(manager, RUN, dry_run=True)}
    assert len(server.objects(OLD)) == before
    cleaned = {each.uri: each.status for each in fleet.clean_adopted(manager, RUN)}

    expected = {
        "6.mp3": "differs",
        "a/1.mp3": "deleted",
        "a/2.mp3": "gone",
        "a/cover.jpg": "needed",
        "b/3.mp3": "held",
        "b/cover.jpg": "needed",
        "c/4.mp3": "differs",
        "c/cover.jpg": "differs",
        "d/5.mp3": "deleted",
        "d/cover.jpg": "differs",
    }
    assert cleaned == planned == {f"gs://{OLD}/{name}": was for name, was in expected.items()}
    left = {name for name, was in expected.items() if was != "deleted"}
    assert {each.name for each in server.objects(OLD)} == left
    again = Counter(each.status for each in fleet.clean_adopted(manager, RUN))
    assert again == {"gone": 3, "held": 1, "differs": 4, "needed": 2}
    assert list(manager.audit.check()) == []


@pytest.mark.parametrize("source", ["", "/in"])
def test_a_cover_stays_for_all_that_is_left_and_may_need_it(
    server: StrictServer, manager: AudioStorageManager, tmp_path: Path, source: str
) -> None:
    at = f"{source}/".lstrip("/")
    for folder in ("bad", "late", "rule", "box/CD1", "stems", "deep/a", "deep/b", "done", "own"):
        server.put(OLD, f"{at}{folder}/1 x.mp3", SONG)
    server.put(OLD, f"{at}bad/2 y.mp3", SONG, metadata={"Crc32c": "x"})
    server.put(OLD, f"{at}rule/notes", SONG)
    server.put(OLD, f"{at}box/CD2/y.mp3", SONG)
    server.put(OLD, f"{at}deep/b/2 y.mp3", b"")
    server.put(OLD, f"{at}own/2 y.mp3", SONG, metadata={"Crc32c": "x"})
    covers = ("bad/cover.jpg", "late/cover.jpg", "rule/rule.jpg", "box/Cover.jpg")
    gone = ("stems/1 x.jpg", "deep/a.png", "done/cover.jpg", "own/1 x.jpg")
    for name in (*covers, *gone, "deep/b.png"):
        server.put(OLD, f"{at}{name}", COVER)
    names = ["cover.jpg", "{album}.jpg", "../{album}.png", "{stem}.jpg"]
    layout = "{folders}/{album}/{track} {stem}.{ext}"
    adopt(manager, layout, f"gs://{OLD}{source}", covers=names)
    server.put(OLD, f"{at}late/2 y.mp3", SONG)
    server.put(OLD, f"{at}late/", b"")

    planned = {each.uri: each.status for each in fleet.clean_adopted(manager, RUN, dry_run=True)}
    cleaned = {each.uri: each for each in fleet.clean_adopted(manager, RUN)}

    was = {uri.removeprefix(f"gs://{OLD}/{at}"): each for uri, each in cleaned.items()}
    assert planned == {uri: each.status for uri, each in cleaned.items()}
    assert {name for name, each in was.items() if each.status == "needed"} == {
        *covers,
        "deep/b.png",
    }
    assert "'bad/2 y.mp3'" in was["bad/cover.jpg"].reason
    left = {each.name.removeprefix(at) for each in server.objects(OLD)}
    assert not left & {*gone, "done/1 x.mp3"}
    assert left >= {*covers, "deep/b.png"}


def test_a_cover_that_a_map_names_stays_while_anything_is_left(
    server: StrictServer, manager: AudioStorageManager, tmp_path: Path
) -> None:
    for name in ("a/1", "b/2"):
        server.put(OLD, name, SONG, metadata={"Crc32c": "x"} if name == "b/2" else {})
    server.put(OLD, "c/cover.jpg", COVER)
    listed = tmp_path / "map.csv"
    listed.write_text("audio,thumbnail\na/1,c/cover.jpg\nb/2,c/cover.jpg\n")
    mapping = check_manifest(listed, print, fix_extension=True, looks_at_files=False)
    adopt(manager, None, mapping=mapping)
    cleaned = [each.status for each in fleet.clean_adopted(manager, RUN)]
    assert cleaned == ["deleted", "needed"]
    assert [each.name for each in server.objects(OLD)] == ["b/2", "c/cover.jpg"]


def test_a_plan_without_the_names_of_covers_keeps_them_while_anything_is_left(
    server: StrictServer, manager: AudioStorageManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "audiostore.fleet.adopting.AdoptOptions", lambda *fields: AdoptOptions(*fields[:3])
    )
    server.put(OLD, "a/1.mp3", SONG)
    server.put(OLD, "a/cover.jpg", COVER)
    adopt(manager, "{_}/{title}.{ext}", covers=["cover.jpg"])
    server.put(OLD, "a/2.mp3", SONG)
    for expected in (["deleted", "needed"], ["gone", "deleted"]):
        assert [each.status for each in fleet.clean_adopted(manager, RUN)] == expected
        old = manager._remote.store_at(f"gs://{OLD}")
        for blob in old.list("a/2"):
            old.delete(blob)


def test_only_runs_that_adopt_are_cleaned(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    fleet.plan(manager, [BulkItem(MP3)], run="nov")
    with pytest.raises(InvalidRunError, match="not to adopt"):
        list(fleet.clean_adopted(manager, "nov"))


def test_a_library_in_a_directory_adopts_from_a_bucket(
    server: StrictServer, tmp_path: Path
) -> None:
    server.put(OLD, "a/1.mp3", SONG)
    server.put(OLD, "a/cover.jpg", COVER)
    with AudioStorageManager(f"{tmp_path}/store", retry_config=QUICK) as manager:
        assert not adopt(manager, "{_}/{title}.{ext}", covers=["cover.jpg"])
        (asset,) = adopted(manager).values()
        assert manager.open(asset.audio_id).read() == SONG
        cleaned = [each.status for each in fleet.clean_adopted(manager, RUN)]
    assert cleaned == ["deleted", "deleted"]
