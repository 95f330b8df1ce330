"""What a store promises that has settings and a trash."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from audiostore.dataclass import replace
from audiostore.errors import (
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.stores.capabilities import Store, StoreFacts, StoreSettings
from audiostore.stores.testing.changing import taking
from audiostore.stores.testing.samples import NAME, put, trash

DAY_S = 86400
WEEK_S = 7 * DAY_S

RULES: tuple[Mapping[str, object], ...] = (
    {"action": {"type": "Delete"}, "condition": {"age": 365, "matchesPrefix": ["audio/"]}},
    {
        "action": {"type": "SetStorageClass", "storageClass": "COLDLINE"},
        "condition": {"age": 30, "matchesStorageClass": ["STANDARD"]},
    },
)


class SettingsTests:
    """`SupportsSettings`, of a store with `SupportsSoftDelete`."""

    def test_a_new_store_keeps_what_is_deleted_for_a_week(self, store: Store) -> None:
        settings = store.settings()
        assert settings.soft_delete_s == WEEK_S
        assert settings.retention_s == 0
        assert settings.storage_class == "STANDARD"
        assert settings.lifecycle_rules == ()
        assert settings.location
        assert store.settings() == settings
        assert store.facts() == StoreFacts.of(settings)
        assert store.facts().keeps_deleted

    def test_change_settings_changes_what_is_named(self, store: Store) -> None:
        first = store.settings()
        second = store.change_settings(first, lifecycle_rules=RULES)
        assert second.metageneration > first.metageneration
        assert second == replace(
            first, metageneration=second.metageneration, lifecycle_rules=second.lifecycle_rules
        )
        assert [dict(rule) for rule in second.lifecycle_rules] == [dict(rule) for rule in RULES]
        assert store.settings() == second
        third = store.change_settings(second, soft_delete_s=30 * DAY_S)
        assert (third.soft_delete_s, third.lifecycle_rules) == (30 * DAY_S, second.lifecycle_rules)
        fourth = store.change_settings(third, lifecycle_rules=(), retention_s=60)
        assert (fourth.lifecycle_rules, fourth.retention_s) == ((), 60)
        assert fourth.soft_delete_s == 30 * DAY_S
        assert store.settings() == fourth

    def test_change_settings_refuses_what_was_changed_meanwhile(self, store: Store) -> None:
        first = store.settings()
        second = store.change_settings(first, soft_delete_s=30 * DAY_S)
        outdated: tuple[StoreSettings, ...] = (first, replace(second, metageneration=99))
        for present in outdated:
            with pytest.raises(PreconditionFailedError):
                store.change_settings(present, soft_delete_s=0)
        assert store.settings() == second

    @pytest.mark.parametrize(("setting", "value"), [("soft_delete_s", -1), ("retention_s", -1)])
    def test_settings_that_cannot_be_are_refused(
        self, store: Store, setting: str, value: int
    ) -> None:
        before = store.settings()
        with pytest.raises(ValueError, match=r"."):
            store.change_settings(before, **{setting: value})  # type: ignore[arg-type]
        assert store.settings() == before

    def test_without_soft_delete_what_is_deleted_or_overwritten_is_gone(self, store: Store) -> None:
        store.change_settings(store.settings(), soft_delete_s=0)
        blob = put(store)
        newer = put(store, data=b"newer", over=blob.generation)
        store.delete(newer)
        assert trash(store) == []
        assert list(store.list("")) == []
        assert put(store).generation > newer.generation

    def test_what_is_too_young_loses_its_name_to_nothing(
        self, store: Store, advance: Callable[[float], None]
    ) -> None:
        first = put(store, data=b"first")
        blob = put(store, over=first.generation)
        store.change_settings(store.settings(), retention_s=DAY_S)
        for take in taking(store, blob):
            with pytest.raises(HeldError):
                take()
            kept = store.stat(NAME)
            assert replace(kept, retained_until=None) == blob
            assert kept.retained_until in (None, blob.created_at + timedelta(seconds=DAY_S))
        advance(DAY_S + 1)
        store.delete(blob)
        with pytest.raises(BlobNotFoundError):
            store.stat(NAME)

    @pytest.fixture
    def advance(self) -> Callable[[float], None]:
        """Return what lets seconds pass for the store; without it, what needs it is skipped."""
        pytest.skip("the clock of the store cannot be moved")
