"""Objects under customers' keys: what cannot be read or verified, beside what can.

What the service does there: `tests/gcs_server/encryption.py`. What every command does on such
buckets: `kinds.py`.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audiostore import (
    AssetConflictError,
    AudioStorageManager,
    AudioStoreError,
    BulkItem,
    MemoryStore,
    UnreadableBlobError,
)
from audiostore.audit import DeleteObject, Problem
from audiostore.audit.checking import Checker
from audiostore.audit.repairing import repair
from tests.assets import BUCKET, MP3, OGG, OTHER_JPG
from tests.faults.managing import attach, upload
from tests.faults.rig import AUDIO, COVER, ID, ONCE, OTHER_ID, gcs
from tests.gcs_server import AS_NEW, Encryption, Request, StrictServer, faults, supplied

pytestmark = pytest.mark.row("customer keys")

KEY = Encryption("projects/p/locations/us/keyRings/r/cryptoKeys/default")
OTHER_KEY = Encryption("projects/p/locations/us/keyRings/r/cryptoKeys/former")
LATER = datetime.now(UTC) + timedelta(days=2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StrictServer]:
    settings = {**AS_NEW, "encryption": {"defaultKmsKeyName": OTHER_KEY.kms_key}}
    with StrictServer(BUCKET, directory=tmp_path, bucket_settings=settings) as server:
        yield server


@pytest.fixture
def manager(server: StrictServer) -> Iterator[AudioStorageManager]:
    """A manager of two assets, one of them under a key that is no longer the bucket's default."""
    with closing(AudioStorageManager(store=gcs(server), retry_config=ONCE)) as manager:
        upload(manager, ID)
        server.configure(BUCKET, encryption={"defaultKmsKeyName": KEY.kms_key})
        upload(manager, OTHER_ID, OGG, OTHER_JPG)
        yield manager


def deny(server: StrictServer) -> None:
    for name in (AUDIO, COVER):
        server.fault(
            faults.operation("stat", "download", "xml") & faults.named(name),
            faults.respond(403, body="you may not"),
            times=None,
        )


def supply_keys(server: StrictServer) -> None:
    for name in (AUDIO, COVER):
        server.encrypt(BUCKET, supplied(bytes(32)), name)


UNREADABLE: dict[str, Callable[[StrictServer], object]] = {
    "supplied key": supply_keys,
    "disabled key": lambda server: server.keys.disabled.add(str(OTHER_KEY.kms_key)),
    "denied key": lambda server: server.keys.denied.add(str(OTHER_KEY.kms_key)),
    "denied object": deny,
}
each_reason = pytest.mark.parametrize("why", UNREADABLE)


def problems(manager: AudioStorageManager, *, deep: bool = False) -> list[Problem]:
    return list(Checker(manager, deep=deep, now=lambda: LATER, sleep=lambda _: None).run())


def generations(server: StrictServer) -> dict[str, int]:
    return {each.name: each.generation for each in server.objects(BUCKET)}


def test_changes_keep_the_key_of_an_object_and_new_objects_get_the_default(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    def keys() -> list[Encryption | None]:
        return [
            found.encryption for name in (AUDIO, COVER) if (found := server.object("bucket", name))
        ]

    manager.set_class(ID, "COLDLINE")
    manager.update_metadata(ID, {"mood": "calm"})
    manager.hold(ID)
    manager.release(ID)
    manager.expire(ID, LATER)
    manager.delete(ID)
    assert keys() == []
    assert manager.restore(ID).audio == manager.get(ID).audio
    assert keys() == [OTHER_KEY, OTHER_KEY]
    attach(manager, OTHER_JPG)
    assert keys() == [OTHER_KEY, KEY]
    assert problems(manager) == []


@each_reason
def test_what_cannot_be_read_is_one_finding_and_one_warning(
    server: StrictServer, manager: AudioStorageManager, why: str
) -> None:
    UNREADABLE[why](server)
    other, found = list(manager.catalog.find())
    assert [other.audio_id, found.audio_id] == [OTHER_ID, ID]
    assert (other.warnings, len(found.warnings)) == ((), 1)
    assert found == manager.get(ID) == list(manager.list())[1]
    assert found.has_thumbnail
    counts = manager.catalog.statistics()
    assert (counts.total.assets, counts.unverified) == (2, 1)

    found_problems = problems(manager)
    assert [(p.kind, p.name) for p in found_problems] == [
        ("unreadable-object", AUDIO),
        ("unreadable-object", COVER),
    ]
    before = generations(server)
    assert [repair(manager, each, now=LATER) for each in found_problems] == ["by hand"] * 2
    assert generations(server) == before


@each_reason
def test_no_repair_deletes_anything_beside_what_cannot_be_read(
    server: StrictServer, manager: AudioStorageManager, why: str
) -> None:
    for name, like in ((f"audio/{ID}/audio.ogg", AUDIO), (f"audio/{ID}/thumbnail.png", COVER)):
        found = server.object(BUCKET, like)
        assert found is not None
        data = server.read(BUCKET, like)
        server.put(BUCKET, name, data, encryption=OTHER_KEY, **found.fields)
    in_order = [problem.kind for problem in problems(manager)]
    assert {"second-audio", "leftover-thumbnail"} <= set(in_order)
    UNREADABLE[why](server)
    assert not [p for p in problems(manager) if isinstance(p.repair, DeleteObject)]


@pytest.mark.slow
@each_reason
def test_a_deep_check_reads_all_the_rest(
    server: StrictServer, manager: AudioStorageManager, why: str
) -> None:
    UNREADABLE[why](server)
    kinds = [problem.kind for problem in problems(manager, deep=True)]
    assert kinds == ["unreadable-object", "unreadable-object"]
    downloads = [request for request in server.requests if request.operation == "download"]
    assert [OTHER_ID in request.path for request in downloads] == [True, True]


@pytest.mark.slow
def test_a_key_that_is_disabled_during_a_deep_check_is_a_finding(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    def disable(request: Request) -> None:
        if request.operation == "download":
            server.keys.disabled.add(str(OTHER_KEY.kms_key))

    server.on_request = disable
    found = problems(manager, deep=True)
    assert [(p.kind, p.name) for p in found] == [
        ("unreadable-object", AUDIO),
        ("unreadable-object", COVER),
    ]


@each_reason
def test_nothing_is_read_signed_or_copied_that_cannot_be_verified(
    server: StrictServer, manager: AudioStorageManager, why: str, tmp_path: Path
) -> None:
    UNREADABLE[why](server)
    target = tmp_path / "song.mp3"
    for refused in (
        lambda: manager.download(ID, target),
        lambda: manager.open(ID),
        lambda: manager.signed_url(ID),
    ):
        with pytest.raises(UnreadableBlobError, match="cannot be read and verified"):
            refused()
    if why != "denied object":
        with pytest.raises(AudioStoreError, match="key"):
            manager.set_class(ID, "COLDLINE")
    copies = AudioStorageManager(store=MemoryStore())
    outcomes = list(manager.bulk.copy(copies))
    assert sorted((o.audio_id, o.error is None) for o in outcomes) == [
        (OTHER_ID, True),
        (ID, False),
    ]
    assert [asset.audio_id for asset in copies.list()] == [OTHER_ID]
    assert not target.exists()


@each_reason
def test_no_local_file_is_deleted_for_a_copy_that_cannot_be_verified(
    server: StrictServer, manager: AudioStorageManager, why: str, tmp_path: Path
) -> None:
    song = tmp_path / "song.mp3"
    song.write_bytes(MP3.read_bytes())
    UNREADABLE[why](server)
    before = generations(server)
    with pytest.raises(AssetConflictError):
        manager.upload_audio_file(song, audio_id=ID, cleanup=True, check="none", artwork="none")
    assert generations(server) == before
    assert song.read_bytes() == MP3.read_bytes()

    (outcome,) = manager.bulk.upload([BulkItem(song)], skip_stored=True, check="none")
    assert not outcome.skipped  # it is not known to be stored


@each_reason
def test_what_cannot_be_read_can_be_deleted_and_restored(
    server: StrictServer, manager: AudioStorageManager, why: str
) -> None:
    UNREADABLE[why](server)
    manager.delete(ID)
    assert [asset.audio_id for asset in manager.trash.list()] == [ID]
    restored = manager.restore(ID)
    assert restored.thumbnail is not None
    assert restored.audio is not None
    assert restored.audio.metadata["thumbnail_generation"] == str(restored.thumbnail.generation)
    server.clear_faults()
    server.keys.disabled.clear()
    server.keys.denied.clear()
    if why != "supplied key":
        assert problems(manager) == []
