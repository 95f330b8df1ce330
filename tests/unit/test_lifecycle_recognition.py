"""Our rules are recognised by what they do, whichever release wrote them; nobody else's are."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from audiostore import AudioStorageManager, MemoryStore
from audiostore.lifecycle import rules
from audiostore.lifecycle.planning import apply_plan, make_plan
from audiostore.lifecycle.policy import Policy
from audiostore.lifecycle.rules import rules_of
from audiostore.media import AUDIO_FORMATS
from tests.assets import MP3, OGG

POLICY = Policy(
    nearline_after_days=30,
    archive_after_days=365,
    expire_after_days=3650,
    expire_on_custom_time=True,
    delete_old_generations_after_days=14,
    abort_uploads_after_days=7,
    delete_incoming_after_days=1,
)
Change = Callable[[dict[str, Any]], None]
"""Changes a stored rule in place."""


def written(policy: Policy = POLICY) -> list[dict[str, Any]]:
    """Return the rules of a policy as this release writes them, to be changed."""
    return [copy.deepcopy(dict(rule)) for rule in rules_of(policy)]


def store_with(stored: list[dict[str, Any]]) -> MemoryStore:
    store = MemoryStore()
    store.change_settings(store.settings(), lifecycle_rules=tuple(stored))
    return store


def change_suffixes(change: Callable[[list[str]], list[str]]) -> Change:
    def apply(rule: dict[str, Any]) -> None:
        condition = rule["condition"]
        if "matchesSuffix" in condition:
            condition["matchesSuffix"] = change(condition["matchesSuffix"])

    return apply


def other_order(rule: dict[str, Any]) -> None:
    for key, value in rule["condition"].items():
        if isinstance(value, list):
            rule["condition"][key] = value[::-1]


def numbers_as_strings(rule: dict[str, Any]) -> None:
    for key, value in rule["condition"].items():
        if isinstance(value, int) and not isinstance(value, bool):
            rule["condition"][key] = str(value)


def whitespace_around_words_and_numbers(rule: dict[str, Any]) -> None:
    numbers_as_strings(rule)
    rule["action"] = {key: f" {value}\n" for key, value in rule["action"].items()}
    for key, value in rule["condition"].items():
        if isinstance(value, str):
            rule["condition"][key] = f" {value} "


def empty_conditions(rule: dict[str, Any]) -> None:
    rule["condition"].setdefault("matchesSuffix", [])
    rule["condition"]["createdBefore"] = None


def twice_each(suffixes: list[str]) -> list[str]:
    return [*suffixes, *suffixes]


@pytest.mark.parametrize(
    "change",
    [
        other_order,
        numbers_as_strings,
        whitespace_around_words_and_numbers,
        empty_conditions,
        change_suffixes(twice_each),
    ],
)
def test_rules_that_only_look_different_are_ours_and_up_to_date(change: Change) -> None:
    stored = written()
    for rule in stored:
        change(rule)
    plan = make_plan(POLICY, store_with(stored))
    assert {step.kind for step in plan.steps} == {"keep"}
    assert (len(plan.steps), plan.foreign_rules) == (len(stored), 0)
    assert plan.changes_nothing


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (change_suffixes(lambda suffixes: suffixes[1:]), "an earlier release"),
        (change_suffixes(lambda suffixes: suffixes[:2]), "an earlier release"),
        (change_suffixes(lambda suffixes: [*suffixes[2:], f"{suffixes[0]}x"]), "an earlier"),
        (change_suffixes(lambda suffixes: [*suffixes, f"{suffixes[0]}x"]), "another release"),
    ],
)
def test_rules_with_the_formats_of_another_release_are_ours_and_to_be_applied_again(
    change: Change, says: str
) -> None:
    stored = written()
    for rule in stored:
        change(rule)
    store = store_with(stored)
    plan = make_plan(POLICY, store)
    suffixed = [rule for rule in stored if "matchesSuffix" in rule["condition"]]
    updates = [step for step in plan.steps if step.kind == "update"]
    assert len(updates) == len(suffixed) == 5
    assert all(says in step.description for step in updates)
    assert all("apply again" in step.description for step in updates)
    assert {step.kind for step in plan.steps} == {"update", "keep"}
    assert plan.foreign_rules == 0
    apply_plan(plan, store)
    assert store.settings().lifecycle_rules == rules_of(POLICY)
    assert make_plan(POLICY, store).changes_nothing


def test_a_release_with_one_format_more_recognises_the_rules_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = store_with(written())
    new = replace(AUDIO_FORMATS[0], name="NEW", extensions=(".new",))
    monkeypatch.setattr(rules, "AUDIO_FORMATS", (*AUDIO_FORMATS, new))
    plan = make_plan(POLICY, store)
    assert plan.foreign_rules == 0
    assert [step.kind for step in plan.steps] == ["update"] * 4 + ["keep"] * 4
    assert "move audio to NEARLINE" in plan.steps[0].description
    assert "written by an earlier release: apply again" in plan.steps[0].description
    apply_plan(plan, store)
    applied = store.settings().lifecycle_rules
    assert len(applied) == len(written())
    assert "/audio.new" in applied[0]["condition"]["matchesSuffix"]  # type: ignore[index]


def test_a_policy_that_drops_a_rule_removes_it_whoever_wrote_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else audio would go on being deleted by a rule of an earlier release."""
    store = store_with(written(Policy(expire_after_days=90)))
    new = replace(AUDIO_FORMATS[0], name="NEW", extensions=(".new",))
    monkeypatch.setattr(rules, "AUDIO_FORMATS", (*AUDIO_FORMATS, new))
    plan = make_plan(Policy(), store)
    assert [step.kind for step in plan.steps] == ["remove"]
    apply_plan(plan, store)
    assert store.settings().lifecycle_rules == ()


def test_of_the_rules_of_two_releases_one_is_kept() -> None:
    old = written(Policy(expire_after_days=90))
    change_suffixes(lambda suffixes: suffixes[1:])(old[0])
    stored = [*old, *written(Policy(expire_after_days=90))]
    store = store_with(stored)
    plan = make_plan(Policy(expire_after_days=90), store)
    assert [step.kind for step in plan.steps] == ["remove", "keep"]
    apply_plan(plan, store)
    assert list(store.settings().lifecycle_rules) == written(Policy(expire_after_days=90))


AUDIO_RULE = 0
"""Of these rules, moves audio to NEARLINE."""
EXPIRY = 2
"""Deletes audio by its age."""
CUSTOM_TIME = 3
ARTWORK = 4
GENERATIONS = 5
UPLOADS = 6


def condition(**values: object) -> Change:
    return lambda rule: rule["condition"].update(values)


def without(key: str) -> Change:
    def change(rule: dict[str, Any]) -> None:
        del rule["condition"][key]

    return change


def action(**values: str) -> Change:
    return lambda rule: rule["action"].update(values)


@pytest.mark.parametrize(
    ("number", "change"),
    [
        # about other objects
        (EXPIRY, condition(matchesPrefix=["audio"])),
        (EXPIRY, condition(matchesPrefix=["audio/", "tmp/"])),
        (EXPIRY, condition(matchesPrefix=["audio/0"])),
        (EXPIRY, condition(matchesPrefix=[" audio/"])),
        (EXPIRY, condition(matchesPrefix="audio/")),
        (GENERATIONS, condition(matchesPrefix=["audio/", "backup/"])),
        (UPLOADS, without("matchesPrefix")),
        # about other files in our folders, or a choice of a person's
        (EXPIRY, without("matchesSuffix")),
        (EXPIRY, condition(matchesSuffix=["/audio.wav"])),
        (EXPIRY, condition(matchesSuffix=["/audio.mp3", "/audio.wav", ".tmp"])),
        (EXPIRY, condition(matchesSuffix=["/audio.mp3", "/audio.wav", "/notes.txt"])),
        (EXPIRY, condition(matchesSuffix=[".mp3", ".wav"])),
        (EXPIRY, condition(matchesSuffix=["audio.mp3", "audio.wav"])),
        (EXPIRY, condition(matchesSuffix=["/audio.mp3 ", "/audio.wav "])),
        (EXPIRY, condition(matchesSuffix=["/audio.MP3", "/audio.WAV"])),
        (EXPIRY, condition(matchesSuffix=["/thumbnail.jpg", "/thumbnail.png"])),
        (EXPIRY, condition(matchesSuffix=["/audio.mp3", "/thumbnail.jpg"])),
        (EXPIRY, condition(matchesSuffix=[7, 8])),
        (AUDIO_RULE, without("matchesSuffix")),
        (ARTWORK, condition(matchesSuffix=["/audio.mp3", "/audio.wav", "/thumbnail.jpg"])),
        (GENERATIONS, condition(matchesSuffix=["/audio.mp3", "/audio.wav"])),
        # under other conditions
        (EXPIRY, without("isLive")),
        (EXPIRY, condition(isLive=False)),
        (EXPIRY, condition(createdBefore="2020-01-01")),
        (EXPIRY, condition(numNewerVersions=3)),
        (EXPIRY, condition(matchesStorageClass=["STANDARD"])),
        (EXPIRY, condition(age=0)),
        (EXPIRY, condition(age=-3)),
        (EXPIRY, condition(age=1.5)),
        (EXPIRY, condition(age=True)),
        (EXPIRY, condition(age="3 days")),
        (EXPIRY, condition(age=[90])),
        (EXPIRY, condition(daysSinceCustomTime=0)),
        (AUDIO_RULE, condition(matchesStorageClass=["COLDLINE"])),
        (AUDIO_RULE, condition(matchesStorageClass=["STANDARD", "COLDLINE"])),
        (AUDIO_RULE, without("matchesStorageClass")),
        (CUSTOM_TIME, condition(daysSinceCustomTime=7)),
        (ARTWORK, condition(daysSinceCustomTime=0)),
        (GENERATIONS, without("isLive")),
        (GENERATIONS, condition(numNewerVersions=2)),
        # with other effects
        (EXPIRY, action(type="SetStorageClass", storageClass="NEARLINE")),
        (EXPIRY, action(type="delete")),
        (EXPIRY, action(type="Archive")),
        (AUDIO_RULE, action(storageClass="COLDLINE")),
        (AUDIO_RULE, action(storageClass="STANDARD")),
        (AUDIO_RULE, action(storageClass="REGIONAL")),
        (UPLOADS, action(type="Delete")),
        # or not understood
        (EXPIRY, lambda rule: rule.update(enabled=False)),
        (EXPIRY, lambda rule: rule.update(condition="age > 90")),
        (EXPIRY, lambda rule: rule.update(condition=None)),
        (EXPIRY, lambda rule: rule.pop("action")),
        (EXPIRY, dict.clear),
    ],
)
def test_a_rule_of_a_person_that_looks_similar_is_not_ours(number: int, change: Change) -> None:
    rule = written()[number]
    change(rule)
    store = store_with([rule])
    plan = make_plan(Policy(), store)
    assert (plan.foreign_rules, plan.steps) == (1, ())
    apply_plan(make_plan(POLICY, store), store)
    assert store.settings().lifecycle_rules[0] == rule
    apply_plan(make_plan(Policy(), store), store)
    assert store.settings().lifecycle_rules == (rule,)


def test_what_an_updated_rule_touches_is_what_the_old_one_did_not() -> None:
    store = MemoryStore()
    manager = AudioStorageManager(store=store)
    manager.upload_audio_file(MP3)
    ogg = manager.upload_audio_file(OGG, artwork="none").audio
    assert ogg is not None
    stored = written(Policy(expire_after_days=90))
    change_suffixes(lambda suffixes: [s for s in suffixes if s != "/audio.ogg"])(stored[0])
    store.change_settings(store.settings(), lifecycle_rules=tuple(stored))
    plan = make_plan(Policy(expire_after_days=90), store)
    (effect,) = manager.lifecycle.effects(plan, now=ogg.created_at.replace(year=2100))
    assert (effect.assets, effect.size_bytes) == (1, ogg.size_bytes)
