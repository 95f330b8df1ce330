"""A policy, its rules, the plan, and carrying it out."""

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audiostore import (
    AssetNotFoundError,
    AudioStorageManager,
    ConfigurationError,
    MemoryStore,
    PreconditionFailedError,
    Rates,
    RetryConfig,
    StoreSettings,
    UnsupportedByStoreError,
)
from audiostore.audit.checking import Checker
from audiostore.lifecycle.planning import apply_plan, make_plan
from audiostore.lifecycle.policy import EXAMPLE, Policy
from audiostore.lifecycle.recognition import deletes_below, deletes_on_custom_time
from audiostore.lifecycle.rules import own_rules, rules_of
from audiostore.media.formats import AUDIO_FORMATS
from audiostore.stores.gcs.store import GcsStore
from audiostore.values import BlobInfo
from tests.assets import JPG, MP3, OGG, SOFT_DELETE, STORES, Store, opened
from tests.gcs_server import StrictServer

ONCE = RetryConfig(max_attempts=1)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FOREIGN = {"action": {"type": "Delete"}, "condition": {"age": 3, "matchesPrefix": ["tmp/"]}}
POLICY = Policy(
    nearline_after_days=30,
    coldline_after_days=90,
    archive_after_days=365,
    expire_after_days=3650,
    expire_on_custom_time=True,
    delete_old_generations_after_days=14,
    abort_uploads_after_days=7,
    delete_incoming_after_days=1,
)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        yield store


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lifecycle.toml"
    path.write_text(text)
    return path


def test_a_policy_is_read(tmp_path: Path) -> None:
    assert Policy.read(file(tmp_path, "")) == Policy()
    assert Policy.read(file(tmp_path, EXAMPLE)) == Policy(
        nearline_after_days=30,
        coldline_after_days=90,
        archive_after_days=365,
        expire_on_custom_time=True,
        delete_old_generations_after_days=30,
        abort_uploads_after_days=7,
        delete_incoming_after_days=1,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nearline_after_day = 3", "did you mean nearline_after_days"),
        ("zzz = 3", "known: "),
        ("nearline_after_days = 0", "number of days"),
        ("nearline_after_days = true", "number of days"),
        ("nearline_after_days = 1.5", "number of days"),
        ('expire_on_custom_time = "yes"', "true or false"),
        ("nearline_after_days = 90\ncoldline_after_days = 90", "not later than"),
        ("archive_after_days = 90\nexpire_after_days = 30", "not later than"),
        ("keep_days = 90\nexpire_after_days = 30", "cannot be deleted"),
        ("nearline_after_days =", "not valid TOML"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        Policy.read(file(tmp_path, text))
    assert "lifecycle.toml" in str(caught.value)


def test_the_rules_are_those_that_a_bucket_takes_and_say_what_they_do(store: Store) -> None:
    rules = rules_of(POLICY)
    store.change_settings(store.settings(), lifecycle_rules=rules)
    assert [json.dumps(r, sort_keys=True) for r in store.settings().lifecycle_rules] == [
        json.dumps(r, sort_keys=True) for r in rules
    ]
    assert [rule.description for rule in own_rules(POLICY)] == [
        "move audio to NEARLINE, 30 days after it was stored",
        "move audio to COLDLINE, 90 days after it was stored",
        "move audio to ARCHIVE, 365 days after it was stored",
        "delete audio 3650 days after it was stored",
        "delete assets when their expiry date has come",
        "delete their artwork and other parts a day later",
        "delete old generations 14 days after they were replaced or deleted",
        "abort unfinished multipart uploads after 7 days",
        "delete uploads in steps that were not completed within a day",
    ]
    assert deletes_on_custom_time(rules, "audio/x/audio.mp3")
    assert deletes_on_custom_time(rules, "audio/x/thumbnail.jpg")
    assert not deletes_on_custom_time(rules, "audio/x/notes.txt")
    assert not deletes_on_custom_time(rules, "other/x/audio.mp3")
    assert not deletes_on_custom_time(rules[:4], "audio/x/audio.mp3")
    foreign = {"action": {"type": "Delete"}, "condition": {"daysSinceCustomTime": 3}}
    assert deletes_on_custom_time([foreign], "audio/x/audio.mp3")


def test_every_audio_format_ages_and_artwork_does_not() -> None:
    suffixes = rules_of(POLICY)[0]["condition"]["matchesSuffix"]  # type: ignore[index]
    assert isinstance(suffixes, list)
    for audio_format in AUDIO_FORMATS:
        for extension in audio_format.extensions:
            assert f"/audio{extension}" in suffixes
    assert not any("thumbnail" in suffix for suffix in suffixes)


def blob(**fields: object) -> BlobInfo:
    values: dict[str, object] = {
        "name": "audio/x/audio.mp3",
        "size_bytes": 2**30,
        "content_type": "audio/mpeg",
        "crc32c": "AAAAAA==",
        "generation": 1,
        "metageneration": 1,
        "storage_class": "STANDARD",
        "created_at": NOW - 100 * DAY,
    }
    return BlobInfo(**{**values, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("audio", "due"),
    [
        (blob(), ["NEARLINE", "COLDLINE"]),
        (blob(storage_class="NEARLINE"), ["COLDLINE"]),
        (blob(storage_class="ARCHIVE", created_at=NOW - 400 * DAY), []),
        (blob(created_at=NOW - 30 * DAY), ["NEARLINE"]),
        (blob(created_at=NOW - 30 * DAY + timedelta(seconds=1)), []),
        (blob(name="audio/x/thumbnail.jpg"), []),
        (blob(name="audio/x/thumbnail.jpg", custom_time=NOW), []),
        (blob(name="audio/x/thumbnail.jpg", custom_time=NOW - DAY), ["Delete"]),
        (blob(custom_time=NOW), ["NEARLINE", "COLDLINE", "Delete"]),
        (blob(created_at=NOW, custom_time=NOW + timedelta(seconds=1)), []),
        (blob(created_at=NOW - 3650 * DAY, storage_class="ARCHIVE"), ["Delete"]),
    ],
)
def test_a_rule_applies_when_its_time_has_come(audio: BlobInfo, due: list[str]) -> None:
    found = [
        rule.storage_class or "Delete" for rule in own_rules(POLICY) if rule.applies_to(audio, NOW)
    ]
    assert found == due


def test_a_plan_says_what_changes_and_applying_it_leaves_foreign_rules_alone(
    store: Store,
) -> None:
    store.change_settings(
        store.settings(),
        lifecycle_rules=(FOREIGN, *rules_of(Policy(nearline_after_days=10))),
    )
    plan = make_plan(Policy(nearline_after_days=30, expire_on_custom_time=True), store)
    assert [(step.kind, step.description) for step in plan.steps] == [
        ("remove", "move audio to NEARLINE, 10 days after it was stored"),
        ("add", "move audio to NEARLINE, 30 days after it was stored"),
        ("add", "delete assets when their expiry date has come"),
        ("add", "delete their artwork and other parts a day later"),
    ]
    assert plan.foreign_rules == 1
    assert not plan.changes_nothing
    after = apply_plan(plan, store)
    assert after.lifecycle_rules[0] == FOREIGN
    assert len(after.lifecycle_rules) == 4
    again = make_plan(Policy(nearline_after_days=30, expire_on_custom_time=True), store)
    assert again.changes_nothing
    assert apply_plan(again, store) == after
    apply_plan(make_plan(Policy(), store), store)
    assert store.settings().lifecycle_rules == (FOREIGN,)


def test_a_plan_made_before_somebody_else_changed_the_settings_is_refused(store: Store) -> None:
    plan = pickle.loads(pickle.dumps(make_plan(POLICY, store)))
    store.change_settings(store.settings(), lifecycle_rules=(FOREIGN,))
    with pytest.raises(PreconditionFailedError):
        apply_plan(plan, store)
    assert store.settings().lifecycle_rules == (FOREIGN,)


def test_the_time_to_keep_is_part_of_the_plan(store: Store) -> None:
    plan = make_plan(Policy(keep_days=3), store)
    assert [(s.kind, s.description) for s in plan.steps] == [
        ("add", "keep everything for at least 3 days")
    ]
    assert apply_plan(plan, store).retention_s == 3 * 86400
    assert make_plan(Policy(keep_days=3), store).changes_nothing
    assert [s.kind for s in make_plan(Policy(keep_days=4), store).steps] == ["remove", "add"]
    apply_plan(make_plan(Policy(), store), store)
    assert store.settings().retention_s == 0


def test_a_rule_that_deletes_what_fleet_runs_need_is_warned_of() -> None:
    def rule(action: str = "Delete", **condition: object) -> dict[str, object]:
        return {"action": {"type": action}, "condition": condition}

    harmful = (
        rule(age=3),
        rule(age=3, matchesPrefix=["fle"]),
        rule(createdBefore="2026-01-01", matchesPrefix=["tmp/", "fleet/nov/"]),
    )
    harmless = (
        FOREIGN,
        rule("SetStorageClass", age=3),
        rule(age=3, isLive=False),
        rule(daysSinceNoncurrentTime=3),
        *rules_of(POLICY),
    )
    assert [deletes_below([each], "fleet/") for each in harmful] == [True] * 3
    assert not deletes_below(harmless, "fleet/")
    assert not deletes_below(harmful[1:], "my/fleet/")
    store = MemoryStore()
    settings = replace(store.settings(), lifecycle_rules=(FOREIGN, harmful[0]))
    told = make_plan(POLICY, Fixed(settings)).warnings
    assert [each for each in told if "fleet/" in each and "limit it to other prefixes" in each]


class Fixed:
    """Settings of a store."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings

    def settings(self) -> StoreSettings:
        return self._settings

    def change_settings(self, *_: object, **__: object) -> StoreSettings:
        raise NotImplementedError


def test_assets_that_expire_before_they_were_stored_are_counted_apart(store: Store) -> None:
    with AudioStorageManager(store=store, retry_config=ONCE) as manager:
        ids = [manager.upload_audio_file(MP3).audio_id for _ in range(2)]
        audio = manager.get(ids[0]).audio
        assert audio is not None
        store.update(audio, {}, custom_time=datetime(2019, 5, 2, tzinfo=UTC))
        plan = manager.lifecycle.plan(Policy(expire_on_custom_time=True))
        (effect,) = manager.lifecycle.effects(plan)
        assert (effect.assets, effect.imported) == (1, 1)


def test_a_policy_that_costs_more_than_it_saves_is_warned_of() -> None:
    store = MemoryStore()
    warnings = make_plan(
        Policy(nearline_after_days=30, coldline_after_days=40, expire_after_days=60), store
    ).warnings
    assert len(warnings) == 2
    assert "in NEARLINE for 10 days only" in warnings[0]
    assert "deleted 20 days after it moved to COLDLINE" in warnings[1]


def test_a_plan_says_what_it_would_touch_and_save() -> None:
    clock = [NOW - 50 * DAY]
    store = MemoryStore(now=lambda: clock[0])
    manager = AudioStorageManager(store=store)
    manager.upload_audio_with_thumbnail(MP3, JPG)
    clock[0] = NOW
    manager.upload_audio_file(OGG, artwork="none")
    plan = make_plan(Policy(nearline_after_days=30, expire_after_days=40), store)
    rates = Rates("region", "", {"STANDARD": 0.02, "NEARLINE": 0.01}, "USD", "", NOW.date())
    move, delete = manager.lifecycle.effects(plan, rates, now=NOW)
    size = MP3.stat().st_size
    assert (move.assets, move.size_bytes) == (1, size)
    assert move.saved_a_month == pytest.approx(0.01 * size / 2**30)
    both = size + JPG.stat().st_size
    assert (delete.assets, delete.size_bytes) == (1, both)
    assert delete.saved_a_month == pytest.approx(0.02 * both / 2**30)


@pytest.fixture(params=["memory", "local"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        store.change_settings(store.settings(), lifecycle_rules=(FOREIGN, *rules_of(POLICY)))
        yield store


def test_the_rules_are_carried_out_on_a_store_that_does_not_do_so_itself(
    directory: Store,
) -> None:
    manager = AudioStorageManager(store=directory, retry_config=ONCE)
    aged = manager.upload_audio_with_thumbnail(MP3, JPG)
    expired = manager.upload_audio_file(OGG)
    assert aged.audio is not None
    stored_at = aged.audio.created_at
    manager.expire(expired.audio_id, stored_at + 40 * DAY)

    def run(days: int, *, dry_run: bool = False) -> list[tuple[str, str, str]]:
        done = manager.lifecycle.run(dry_run=dry_run, now=stored_at + days * DAY + DAY / 2)
        return [(a.audio_id, a.storage_class or a.kind, a.outcome) for a in done]

    assert run(29) == []
    assert run(100, dry_run=True) == sorted(
        [(aged.audio_id, "COLDLINE", "planned"), (expired.audio_id, "delete", "planned")]
    )
    manager.hold(expired.audio_id)
    assert run(100) == sorted(
        [(aged.audio_id, "COLDLINE", "done"), (expired.audio_id, "delete", "held")]
    )
    manager.release(expired.audio_id)
    assert run(100) == [(expired.audio_id, "delete", "done")]
    with pytest.raises(AssetNotFoundError):
        manager.get(expired.audio_id)
    after = manager.get(aged.audio_id)
    assert after.audio is not None
    assert after.audio.storage_class == "COLDLINE"
    assert after.audio.generation == aged.audio.generation  # its age goes on
    assert run(366) == [(aged.audio_id, "ARCHIVE", "done")]
    assert run(366) == []


def test_a_deletion_that_was_killed_is_finished_whatever_is_left(directory: Store) -> None:
    manager = AudioStorageManager(store=directory, retry_config=ONCE)
    audio = manager.upload_audio_file(MP3, artwork="none").audio
    assert audio is not None
    audio_id = audio.metadata["audio_id"]
    manager.attach(audio_id, "transcript", b"words", filename="words.txt")
    manager.expire(audio_id, audio.created_at + 40 * DAY)
    directory.delete(manager.get(audio_id).parts["audio"])
    [action] = manager.lifecycle.run(now=audio.created_at + 41 * DAY)
    assert (action.audio_id, action.kind, action.outcome) == (audio_id, "delete", "done")
    assert list(directory.list("")) == []


def test_rules_on_expired_parts_are_about_all_parts() -> None:
    (rule,) = (own for own in own_rules(POLICY) if own.purpose == "delete other expired parts")
    assert {"/thumbnail.png", "/waveform.dat", "/preview.mp3", "/transcript.vtt"} <= rule.suffixes
    assert not any(suffix.startswith("/audio") for suffix in rule.suffixes)
    (moving, *_) = own_rules(POLICY)
    assert all(suffix.startswith("/audio") for suffix in moving.suffixes)


def test_a_store_without_rules_is_left_alone() -> None:
    manager = AudioStorageManager(store=MemoryStore())
    manager.upload_audio_file(MP3)
    assert list(manager.lifecycle.run(now=NOW + 9999 * DAY)) == []


def test_a_bucket_carries_out_its_rules_itself() -> None:
    with StrictServer("b") as server:
        manager = AudioStorageManager(store=GcsStore("b", emulator=server.url))
        with pytest.raises(UnsupportedByStoreError, match="does so itself"):
            manager.lifecycle.run(now=NOW)
        manager.close()


@pytest.mark.slow
def test_a_bucket_that_deletes_by_age_never_leaves_half_an_asset() -> None:
    """Even of an asset whose audio was moved, and is younger than its artwork was."""
    with StrictServer("b", bucket_settings=SOFT_DELETE) as server:
        store = GcsStore("b", emulator=server.url)
        manager = AudioStorageManager(store=store, retry_config=ONCE)
        apply_plan(make_plan(Policy(expire_after_days=365), store), store)
        audio_id = manager.upload_audio_with_thumbnail(MP3, JPG).audio_id
        server.advance(100 * 86400)
        manager.set_class(audio_id, "NEARLINE")
        assert not manager.get(audio_id).warnings
        seen: list[list[str]] = []
        for _ in range(400):
            server.advance(86400)
            server.run_lifecycle("b")
            names = [blob.name.rpartition("/")[2] for blob in store.list("")]
            if not seen or seen[-1] != names:
                seen.append(names)
        assert seen == [["audio.mp3", "thumbnail.jpg"], ["thumbnail.jpg"]]
        (problem,) = Checker(manager, now=server.now, sleep=lambda _: None).run()
        assert manager.audit.repair(problem, now=server.now()) == "done"
        assert list(store.list("")) == []
        store.close()
