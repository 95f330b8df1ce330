"""Tests of the other capabilities, and of `complete` for a store that lacks them."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from audiostore.dataclass import replace
from audiostore.errors import (
    BlobNotFoundError,
    CredentialsError,
    PreconditionFailedError,
    UnsupportedByStoreError,
)
from audiostore.stores.capabilities import ForeignFile, Store
from audiostore.stores.protocol import BlobSpec
from audiostore.stores.testing.samples import NAME, NOON, put, trash
from audiostore.stores.testing.soft_delete import deleted, put_and_delete

DAY_S = 86400
A_MOMENT = timedelta(minutes=1)


class AdministrationTests:
    """Storage classes in place, permissions, foreign files, signed URLs, diagnosis."""

    def test_reclass_changes_the_class_alone(
        self, store: Store, advance: Callable[[float], None]
    ) -> None:
        blob = put(store, metadata={"colour": "blue"})
        advance(3 * DAY_S)
        try:
            changed = store.reclass(blob, "NEARLINE")
        except UnsupportedByStoreError:
            assert store.stat(NAME) == blob
            return
        assert changed.class_changed_at is not None
        age = changed.class_changed_at - blob.created_at
        assert timedelta(days=3) <= age < timedelta(days=3) + A_MOMENT
        assert changed == replace(
            blob,
            metageneration=2,
            storage_class="NEARLINE",
            class_changed_at=changed.class_changed_at,
        )
        assert store.stat(NAME) == changed
        assert trash(store) == []
        with pytest.raises(PreconditionFailedError):
            store.reclass(blob, "COLDLINE")
        store.delete(changed)
        restored = store.restore(deleted(store, changed))
        assert restored.storage_class == "NEARLINE"
        assert restored.class_changed_at is None
        assert restored.metageneration == 1

    def test_every_permission_is_asked_for_by_its_name(self, store: Store) -> None:
        wanted = [
            f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update")
        ]
        wanted += ["storage.buckets.get", "storage.buckets.update"]
        assert store.granted(wanted) == frozenset(wanted)
        assert store.granted(wanted[:1]) == frozenset(wanted[:1])
        assert store.granted([]) == frozenset()

    def test_a_url_is_signed_or_it_says_what_to_do(self, store: Store) -> None:
        blob = put(store)
        try:
            url = store.signed_url(blob, expires_s=60)
        except (UnsupportedByStoreError, CredentialsError) as error:
            assert len(str(error)) > 20
        else:
            assert blob.name.rpartition("/")[2] in url

    def test_a_session_is_opened_at_a_url_and_stores_nothing_yet(self, store: Store) -> None:
        url = store.open_session(BlobSpec(NAME, "audio/mpeg"), 10, origin="https://app.example")
        assert url is None or url.startswith(("http://", "https://"))
        with pytest.raises(BlobNotFoundError):
            store.stat(NAME)

    def test_objects_are_not_foreign_files(self, store: Store) -> None:
        assert list(store.foreign_files("audio/")) == []
        put_and_delete(store)
        put(store)
        assert list(store.foreign_files("audio/")) == []
        assert list(store.foreign_files("")) == []
        assert store.noncurrent("") == ()

    def test_a_foreign_file_that_is_gone_is_not_removed(self, store: Store) -> None:
        file = ForeignFile("audio/x", "an empty folder", is_removable=True, changed_at=NOON)
        with pytest.raises(BlobNotFoundError):
            store.remove_foreign_file(file)

    def test_diagnose_leaves_nothing_behind(self, store: Store) -> None:
        blob = put(store)
        assert list(store.diagnose())
        assert list(store.list("")) == [blob]

    @pytest.fixture
    def advance(self) -> Callable[[float], None]:
        """Return what lets seconds pass for the store; without it, what needs it is skipped."""
        pytest.skip("the clock of the store cannot be moved")
