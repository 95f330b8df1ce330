"""One decision for an item, from the journal, the store and the options."""

from pathlib import Path

import pytest

from audiostore import AudioStorageManager, BulkItem, MemoryStore
from audiostore.bulk import plan_items
from audiostore.bulk.decisions import DecisionOptions, decide
from audiostore.bulk.items import UploadReason
from audiostore.bulk.journal import Claim, ItemSnapshot
from audiostore.bulk.storeview import MAX_LOOKUPS, StoredState, StoreView
from audiostore.errors import CredentialsError
from audiostore.ingest import UploadOptions
from tests.assets import MP3, mp3_bytes

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
NEW = Claim("claimed", ID, is_new=True)
CHANGED = Claim("claimed", ID, is_new=True, previous_id=ID)
CUT_OFF = Claim("claimed", ID, is_resumed=True, was_interrupted=True)
STORED = Claim("stored", ID)
PRESENT, TRASHED, GONE = (
    StoredState("present", has_artwork=True),
    StoredState("in the trash"),
    StoredState("gone"),
)


@pytest.mark.parametrize(
    ("claim", "state", "reason", "with_again", "if_missing"),
    [
        (NEW, None, "new", "new", "new"),
        (CHANGED, None, "changed", "changed", "changed"),
        (CUT_OFF, PRESENT, "resumed", "resumed", "resumed"),
        (CUT_OFF, GONE, "resumed", "resumed", "resumed"),
        (CUT_OFF, TRASHED, "deleted", "again", "deleted"),
        (STORED, PRESENT, "stored", "stored", "stored"),
        (STORED, GONE, "gone", "gone", "lost"),
        (STORED, TRASHED, "deleted", "again", "deleted"),
        (Claim("busy", ID), None, "busy", "busy", "busy"),
    ],
)
def test_the_journal_the_store_and_the_options_decide(
    tmp_path: Path,
    claim: Claim,
    state: StoredState | None,
    reason: UploadReason,
    with_again: UploadReason,
    if_missing: UploadReason,
) -> None:
    there, missing = (ItemSnapshot.of(BulkItem(p)) for p in (MP3, tmp_path / "missing.mp3"))
    decided = decide(claim, there, state, DecisionOptions(cleanup=True))
    assert decided.reason == reason
    assert decided.cleans_up is (reason == "stored")
    assert not decide(claim, missing, state, DecisionOptions(cleanup=True)).cleans_up
    assert decide(claim, there, state, DecisionOptions(again=True)).reason == with_again
    assert decide(claim, missing, state, DecisionOptions()).reason == if_missing
    assert decide(claim, missing, state, DecisionOptions(again=True)).reason == if_missing


class Counting(MemoryStore):
    """Counts listings."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def list(self, prefix, *, start_after=""):  # type: ignore[no-untyped-def]
        self.asked.append(prefix)
        return super().list(prefix, start_after=start_after)


def test_a_few_assets_are_looked_up_and_many_are_listed_once(tmp_path: Path) -> None:
    store = Counting()
    song = tmp_path / "song.mp3"
    song.write_bytes(mp3_bytes(2000))
    with AudioStorageManager(store=store) as manager, StoreView(manager) as view:
        ids = [
            manager.upload_audio_file(song, check="none").audio_id for _ in range(MAX_LOOKUPS + 20)
        ]
        manager.delete(ids[0])
        manager.delete(ids[1], permanent=True)
        store.asked.clear()
        few = view.states(ids[:10])
        assert all(prefix.startswith("audio/") and len(prefix) > 36 for prefix in store.asked)
        store.asked.clear()
        many = view.states(ids)
        assert len([prefix for prefix in store.asked if len(prefix) > 36]) == 2  # the missing
        assert [many[each].presence for each in ids[:3]] == ["in the trash", "gone", "present"]
        assert {each: many[each] for each in few} == few
        store.asked.clear()
        late = manager.upload_audio_file(song, check="none").audio_id  # after the listing
        assert view.states([late])[late].presence == "present"


class WriteProtected(MemoryStore):
    """A bucket whose objects this account may only read."""

    def granted(self, permissions):  # type: ignore[no-untyped-def]
        return frozenset({"storage.objects.list"} & set(permissions))


def test_a_dry_run_fails_where_nothing_may_be_stored() -> None:
    with (
        AudioStorageManager(store=WriteProtected()) as manager,
        pytest.raises(CredentialsError, match="cannot store in"),
    ):
        list(plan_items(manager, [BulkItem(MP3)], UploadOptions()))
