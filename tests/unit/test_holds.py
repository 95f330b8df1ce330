"""What protects objects from deletion and replacement: holds and retention periods."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions

from audiostore import (
    AudioStorageManager,
    BlobInfo,
    HeldError,
    LocalStore,
    MemoryStore,
    RetryConfig,
)
from audiostore.stores.gcs.store import GcsStore
from tests.assets import JPG, MP3, OGG, OTHER_JPG
from tests.gcs_server import AS_NEW, StrictServer, faults
from tests.gcs_server.connection import Request
from tests.gcs_server.objects import Preconditions
from tests.unit.test_gcs_store import SMALL, SPEC

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
OTHER_ID = "00000000-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
AUDIO, COVER = f"audio/{ID}/audio.mp3", f"audio/{ID}/thumbnail.jpg"
UNTIL = datetime(2099, 5, 6, tzinfo=UTC)
PROTECTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "temporary": ({"temporaryHold": True}, "a temporary hold"),
    "event-based": ({"eventBasedHold": True}, "an event-based hold"),
    "both": (
        {"temporaryHold": True, "eventBasedHold": True},
        "a temporary hold and an event-based hold",
    ),
    "retention": (
        {"retention": {"mode": "Locked", "retainUntilTime": "2099-05-06T00:00:00Z"}},
        "its retention period, until 2099-05-06 00:00:00 UTC",
    ),
}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket", bucket_settings=AS_NEW) as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    with closing(GcsStore("bucket", emulator=server.url)) as store:
        yield store


@pytest.fixture
def manager(store: GcsStore) -> AudioStorageManager:
    manager = AudioStorageManager(store=store)
    _upload(manager, ID)
    return manager


def _upload(manager: AudioStorageManager, audio_id: str, **options: Any) -> None:
    manager.upload_audio_with_thumbnail(
        OGG if options else MP3, JPG, audio_id=audio_id, check="none", artwork="none", **options
    )


def _protect(server: StrictServer, name: str, fields: dict[str, Any]) -> None:
    server.state.patch("bucket", name, None, Preconditions(), fields)


OPERATIONS: dict[str, Callable[[AudioStorageManager], object]] = {
    "delete": lambda m: m.delete(ID),
    "replace artwork": lambda m: m.upload_thumbnail_file(OTHER_JPG, ID, check="none"),
    "supersede": lambda m: _upload(m, OTHER_ID, supersedes=ID, trash_superseded=True),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("protection", PROTECTIONS)
def test_a_protected_part_keeps_the_whole_asset_and_says_why(
    server: StrictServer, manager: AudioStorageManager, protection: str, operation: str
) -> None:
    fields, words = PROTECTIONS[protection]
    _protect(server, COVER, fields)
    before = server.objects("bucket")
    with pytest.raises(HeldError) as caught:
        OPERATIONS[operation](manager)
    assert f"{COVER} is protected by {words}" in str(caught.value)
    assert caught.value.audio_id == ID
    assert caught.value.temporary_hold == ("temporaryHold" in fields)
    assert caught.value.event_based_hold == ("eventBasedHold" in fields)
    assert caught.value.retained_until == (UNTIL if protection == "retention" else None)
    assert server.objects("bucket") == before
    assert not any(r.method in ("DELETE", "PUT") for r in server.requests)


@pytest.mark.parametrize("name", [AUDIO, COVER])
def test_a_hold_that_comes_during_a_deletion_says_what_is_gone(
    server: StrictServer, manager: AudioStorageManager, name: str
) -> None:
    def interfere(request: Request) -> None:
        if (request.operation, request.name) == ("delete", name):
            _protect(server, name, {"temporaryHold": True})

    server.on_request = interfere
    with pytest.raises(HeldError) as caught:
        manager.delete(ID)
    told = "is deleted except for this object" in " ".join(getattr(caught.value, "__notes__", ()))
    assert told == (name == COVER)
    assert [o.name for o in server.objects("bucket")] == [AUDIO, COVER][name == COVER :]


@pytest.mark.parametrize("reason", ["forbidden", "objectUnderActiveHold", "retentionPolicyNotMet"])
@pytest.mark.parametrize("protection", PROTECTIONS)
def test_a_refused_write_tells_which_hold(
    server: StrictServer, store: GcsStore, protection: str, reason: str
) -> None:
    """A hold is refused with the reason of a missing permission: the object tells them apart."""
    fields, words = PROTECTIONS[protection]
    server.state.hold_reason = reason
    blob = store.put(SPEC, SMALL)
    _protect(server, SPEC.name, fields)
    with pytest.raises(HeldError, match=words) as caught:
        store.put(SPEC, SMALL, if_generation_match=blob.generation)
    assert isinstance(caught.value, exceptions.Forbidden)
    assert (caught.value.status, caught.value.temporary_hold) == (403, "temporaryHold" in fields)


def test_an_object_that_cannot_be_looked_at_is_judged_by_the_reason(
    server: StrictServer, store: GcsStore
) -> None:
    blob = store.put(SPEC, SMALL)
    _protect(server, SPEC.name, {"temporaryHold": True})
    server.denied.add("storage.objects.get")
    with pytest.raises(exceptions.Forbidden) as caught:
        store.delete(blob)
    assert not isinstance(caught.value, HeldError)
    server.state.hold_reason = "objectUnderActiveHold"
    with pytest.raises(HeldError):
        store.delete(blob)


def test_releasing_says_what_still_protects_an_asset(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    for name in (AUDIO, COVER):
        _protect(server, name, {"eventBasedHold": True})
    assert manager.hold(ID).warnings == ()
    for _ in range(2):
        released = manager.release(ID)
        assert released.audio is not None
        assert not released.audio.temporary_hold
        assert released.audio.event_based_hold
        assert released.audio.is_held
        assert released.warnings == (f"{AUDIO} is still protected by an event-based hold",)
    for name in (AUDIO, COVER):
        _protect(server, name, {"eventBasedHold": False})
    assert manager.release(ID).warnings == ()
    manager.delete(ID)


def test_a_default_hold_lets_assets_be_stored_and_described(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.configure("bucket", defaultEventBasedHold=True)
    _upload(manager, OTHER_ID, supersedes=ID)
    manager.update_metadata(OTHER_ID, {"mood": "calm"})
    result = manager.upload_thumbnail_file(JPG, OTHER_ID, check="none")  # the same
    assert result.thumbnail is not None
    assert result.thumbnail.event_based_hold
    with pytest.raises(HeldError, match="an event-based hold"):
        manager.set_class(OTHER_ID, "NEARLINE")


@pytest.mark.parametrize(
    "settings",
    [{"defaultEventBasedHold": True}, {"retentionPolicy": {"retentionPeriod": "600"}}],
    ids=["hold", "retention"],
)
def test_what_was_interrupted_is_finished_though_nothing_can_be_replaced(
    server: StrictServer, store: GcsStore, settings: dict[str, Any]
) -> None:
    server.configure("bucket", **settings)
    manager = AudioStorageManager(store=store, retry_config=RetryConfig(1))
    server.fault(faults.upload_of("audio.mp3"), faults.reset())
    with pytest.raises(ConnectionError):
        _upload(manager, ID)
    _upload(manager, ID)
    assert manager.get(ID).thumbnail is not None
    manager.upload_audio_file(OGG, audio_id=OTHER_ID, check="none", artwork="none")
    server.fault(faults.patch, faults.reset())
    with pytest.raises(ConnectionError):
        manager.upload_thumbnail_file(JPG, OTHER_ID, check="none")
    manager.upload_thumbnail_file(JPG, OTHER_ID, check="none")
    assert manager.get(OTHER_ID).thumbnail is not None
    assert all(len(server.generations("bucket", o.name)) == 1 for o in server.objects("bucket"))


def test_a_period_that_is_over_protects_nothing(server: StrictServer, store: GcsStore) -> None:
    store.put(SPEC, SMALL)
    past = {"mode": "Unlocked", "retainUntilTime": "2020-05-06T00:00:00Z"}
    _protect(server, SPEC.name, {"retention": past})
    blob = store.stat(SPEC.name)
    assert (blob.retained_until, blob.kept_by) == (None, "")
    store.delete(blob)


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_the_period_of_a_store_protects_a_part_that_is_younger(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    now = datetime.now(UTC)
    clock = [now]
    store = (
        MemoryStore(now=lambda: clock[0])
        if kind == "memory"
        else LocalStore(tmp_path_factory.mktemp("store"), now=lambda: clock[0])
    )
    manager = AudioStorageManager(store=store)
    store.change_settings(store.settings(), retention_s=60)
    clock[0] = now.replace(year=now.year + 1)
    manager.upload_audio_with_thumbnail(MP3, None, audio_id=ID, check="none", artwork="none")
    clock[0] = clock[0].replace(year=now.year + 2)
    manager.upload_thumbnail_file(JPG, ID, check="none")
    before = list(store.list(""))
    assert [blob.retained_until is None for blob in before] == [True, False]
    with pytest.raises(HeldError, match=r"thumbnail\.jpg is protected by its retention period"):
        manager.delete(ID)
    assert list(store.list("")) == before


def test_what_protects_an_object_is_said_in_words() -> None:
    blob = BlobInfo("a", 1, "a/b", "AAAAAA==", 1, 1, "STANDARD", UNTIL)
    assert (blob.kept_by, blob.is_held) == ("", False)
    both = replace(blob, temporary_hold=True, retained_until=UNTIL, retention_mode="Unlocked")
    until = "its retention period, until 2099-05-06 00:00:00 UTC"
    assert both.kept_by == f"a temporary hold and {until}"
    shown = both.to_dict()
    assert shown["retained_until"] == UNTIL.isoformat()
    assert (shown["retention_mode"], shown["event_based_hold"]) == ("Unlocked", False)
