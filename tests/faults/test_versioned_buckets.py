"""Row kinds: buckets with Object Versioning, soft delete, both and neither.

cloud.google.com/storage/docs/object-versioning: what is overwritten becomes noncurrent, and so does
what is deleted by a request that names no generation. It can still be read by its generation.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from google.oauth2.service_account import Credentials

from audiostore import AudioStorageManager, LocalStore
from audiostore.asset.copy import copy_asset
from audiostore.errors import AssetNotFoundError, IntegrityError, UnsupportedFormatError
from tests.assets import BUCKET, JPG, MP3, OTHER_JPG, PNG
from tests.faults.managing import attach, upload
from tests.faults.rig import ID, ONCE, OTHER_ID, gcs
from tests.gcs_server import AS_NEW, StrictServer, faults
from tests.gcs_server.accounts import ServiceAccount
from tests.gcs_server.connection import Request
from tests.unit.test_gcs_signing import ask

pytestmark = pytest.mark.row("versioned")

ON = {"versioning": {"enabled": True}}
NOTHING_KEPT = {"softDeletePolicy": {"retentionDurationSeconds": "0"}}
KEY = "projects/p/locations/us/keyRings/r/cryptoKeys/k"
KINDS: Mapping[str, Mapping[str, Any]] = {
    "both": {**AS_NEW, **ON},
    "both, customer's key": {**AS_NEW, **ON, "encryption": {"defaultKmsKeyName": KEY}},
    "soft delete": AS_NEW,
    "versioning": {**NOTHING_KEPT, **ON},
    "neither": NOTHING_KEPT,
}
AUDIO = f"audio/{ID}/audio.mp3"
COVER = f"audio/{ID}/thumbnail.jpg"


@dataclass
class Place:
    """A bucket of one kind, and a manager of it."""

    server: StrictServer
    manager: AudioStorageManager
    kind: str

    @property
    def keeps(self) -> bool:
        """Whether what is deleted can be restored."""
        return "both" in self.kind or "soft" in self.kind

    def links(self) -> list[str]:
        """Return signed links to each part of the asset."""
        return [self.manager.signed_url(ID, part=part) for part in self.manager.get(ID).parts]  # type: ignore[arg-type]

    def fields(self, name: str) -> dict[str, Any]:
        """Return the metadata of an object, as an argument of `StrictServer.put`."""
        found = self.server.object(BUCKET, name)
        assert found is not None
        return {"metadata": found.metadata, "contentType": found.content_type}

    def noncurrent(self) -> list[str]:
        """Return the names of noncurrent versions."""
        return list(self.server.state.bucket(BUCKET).noncurrent)


@cache
def _key() -> str:
    """Return a private key: making one takes seconds on a busy machine."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ServiceAccount("", key).private_key_pem


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with StrictServer(BUCKET, directory=tmp_path, bucket_settings=KINDS[request.param]) as server:
        account = server.service_account("robot@project.iam.gserviceaccount.com", _key())
        credentials = Credentials.from_service_account_info(account.key_file(f"{server.url}/token"))
        store = gcs(server, credentials=credentials, now=server.now)
        with AudioStorageManager(store=store, retry_config=ONCE) as manager:
            upload(manager, ID)
            yield Place(server, manager, request.param)


with_versions = pytest.mark.parametrize(
    "place", ["both", "both, customer's key", "versioning"], indirect=True
)


def statuses(links: list[str]) -> list[int]:
    return [ask(link)[0].status for link in links]


def test_what_is_deleted_is_gone_and_restorable_where_the_bucket_keeps_it(place: Place) -> None:
    before, links = place.manager.get(ID), place.links()
    assert statuses(links) == [200, 200]

    place.manager.delete(ID)

    assert statuses(links) == [404, 404]
    assert place.noncurrent() == []
    if place.keeps:
        assert [trashed.audio_id for trashed in place.manager.trash.list()] == [ID]
        after = place.manager.restore(ID)
        assert not after.warnings
        assert [b.crc32c for b in after.parts.values()] == [b.crc32c for b in before.parts.values()]
    else:
        with pytest.raises(AssetNotFoundError):
            place.manager.restore(ID)


@pytest.mark.parametrize("cover", [OTHER_JPG, PNG], ids=["in place", "of another kind"])
def test_links_to_replaced_artwork_end(place: Place, cover: Path) -> None:
    audio, old = place.links()

    attach(place.manager, cover)

    assert statuses([audio, old, *place.links()]) == [200, 404, 200, 200]
    assert place.noncurrent() == []


def test_links_to_audio_that_moved_to_another_class_end(place: Place) -> None:
    audio, cover = place.links()

    place.manager.set_class(ID, "NEARLINE")

    assert statuses([audio, cover, *place.links()]) == [404, 200, 200, 200]
    assert place.noncurrent() == []


def test_what_is_superseded_and_trashed_is_gone(place: Place) -> None:
    links = place.links()

    upload(place.manager, OTHER_ID, supersedes=ID, trash_superseded=True)

    assert statuses(links) == [404, 404]
    assert place.noncurrent() == []
    assert bool(list(place.manager.trash.list())) is place.keeps


@with_versions
@pytest.mark.parametrize(
    "change", [lambda m: attach(m, OTHER_JPG), lambda m: m.set_class(ID, "NEARLINE")]
)
def test_a_replaced_version_that_could_not_be_deleted_goes_with_the_next_run(
    place: Place, change: object
) -> None:
    assert callable(change)
    rule = place.server.fault(faults.operation("delete"), faults.respond(503))
    with pytest.raises(Exception, match="503"):
        change(place.manager)
    assert rule.fired
    assert place.noncurrent()

    change(place.manager)

    assert place.noncurrent() == []


@with_versions
def test_versions_that_another_program_left_are_deleted_with_the_asset(place: Place) -> None:
    links = place.links()
    place.server.put(BUCKET, COVER, b"another", metadata={"by": "gsutil"})
    place.server.remove(BUCKET, AUDIO)  # as gcloud does: without a generation
    assert statuses(links) == [200, 200]

    place.manager.delete(ID)

    assert statuses(links) == [404, 404]
    assert place.noncurrent() == []


@with_versions
@pytest.mark.parametrize("names", [(AUDIO, COVER), (AUDIO,), (COVER,)], ids=len)
def test_what_another_program_deleted_can_be_restored(place: Place, names: tuple[str, ...]) -> None:
    """`rm` of earlier releases did this, too."""
    place.server.put(BUCKET, COVER, b"older", metadata={"by": "gsutil"})
    place.server.put(BUCKET, COVER, JPG.read_bytes(), **place.fields(COVER))
    before = {part: blob.crc32c for part, blob in place.manager.get(ID).parts.items()}
    for name in names:
        place.server.remove(BUCKET, name)

    for _ in range(2):
        after = place.manager.restore(ID)
        assert not after.warnings
        assert {part: blob.crc32c for part, blob in after.parts.items()} == before

    assert after.audio is not None
    assert after.audio.metadata["thumbnail_generation"] == str(after.parts["thumbnail"].generation)


@with_versions
def test_of_an_asset_whose_audio_is_no_audio_nothing_is_restored(place: Place) -> None:
    page = {**place.fields(AUDIO), "contentType": "text/html"}
    place.server.put(BUCKET, AUDIO, place.server.read(BUCKET, AUDIO), **page)
    for name in (AUDIO, COVER):
        place.server.remove(BUCKET, name)

    with pytest.raises(UnsupportedFormatError, match="text/html"):
        place.manager.restore(ID)

    assert list(place.manager.store.list("")) == []


@with_versions
def test_versions_that_are_no_copies_of_audio_that_moves_stay(place: Place) -> None:
    audio = place.server.read(BUCKET, AUDIO)
    fields = place.fields(AUDIO)
    place.server.put(BUCKET, AUDIO, b"not ours")
    place.server.put(BUCKET, AUDIO, audio, **fields)

    place.manager.set_class(ID, "NEARLINE")

    (kept,) = place.server.noncurrent(BUCKET, AUDIO)
    assert kept.size == len(b"not ours")


@with_versions
def test_an_asset_that_another_program_deleted_can_be_deleted_for_good(place: Place) -> None:
    """And so put in the trash, where the bucket keeps it."""
    links = place.links()
    place.server.remove(BUCKET, AUDIO)
    place.server.remove(BUCKET, COVER)
    with pytest.raises(AssetNotFoundError):
        place.manager.get(ID)

    place.manager.delete(ID)

    assert statuses(links) == [404, 404]
    assert bool(list(place.manager.trash.list())) is place.keeps
    if place.keeps:
        assert not place.manager.restore(ID).warnings
    with pytest.raises(AssetNotFoundError):
        place.manager.delete(OTHER_ID)


@pytest.mark.parametrize("place", ["both"], indirect=True)
def test_old_versions_that_a_rule_deletes_later_are_not_restored(place: Place) -> None:
    place.server.stop_clock()
    place.server.fault(faults.operation("delete"), faults.respond(503))
    with pytest.raises(Exception, match="503"):
        place.manager.set_class(ID, "NEARLINE")
    for blob in place.manager.store.list(f"audio/{ID}/"):
        place.manager.store.delete(blob)
    rule = {"action": {"type": "Delete"}, "condition": {"isLive": False, "age": 0}}
    place.server.configure(BUCKET, lifecycle={"rule": [rule]})
    place.server.advance(3600)
    place.server.run_lifecycle(BUCKET)
    assert len(place.server.soft_deleted(BUCKET, AUDIO)) == 2

    restored = place.manager.restore(ID)

    assert restored.audio is not None
    assert restored.audio.storage_class == "NEARLINE"


@pytest.mark.parametrize("place", ["both", "neither"], indirect=True)
def test_artwork_stays_while_audio_that_was_replaced_meanwhile_is_live(place: Place) -> None:
    """The generation that is named may have become noncurrent: its successor needs the artwork."""
    seen: list[tuple[str, bool]] = []
    live = place.manager.get(ID).audio
    assert live is not None
    fields = {"metadata": dict(live.metadata), "storageClass": "ARCHIVE"}

    def interfere(request: Request) -> None:
        if request.operation != "delete":
            return
        if not seen:  # another writer moves the audio to another class
            place.server.put(BUCKET, AUDIO, MP3.read_bytes(), **fields)
        seen.append((request.name, place.server.object(BUCKET, AUDIO) is not None))

    place.server.on_request = interfere
    place.manager.delete(ID)

    assert (COVER, True) not in seen
    assert (COVER, False) in seen
    assert place.server.objects(BUCKET) == []
    assert place.noncurrent() == []


@with_versions
def test_wrong_bytes_that_were_stored_do_not_stay_as_a_version(place: Place) -> None:
    place.server.state.validate_checksums = False
    place.server.fault(faults.operation("upload"), faults.flip_request(10_000), times=None)

    with pytest.raises(IntegrityError):
        upload(place.manager, OTHER_ID)

    assert not [o for o in place.server.objects(BUCKET) if OTHER_ID in o.name]
    assert place.noncurrent() == []


@with_versions
def test_what_a_killed_copy_left_does_not_stay_as_a_version(place: Place, tmp_path: Path) -> None:
    place.manager.delete(ID)
    with closing(LocalStore(tmp_path / "source")) as source:
        theirs = AudioStorageManager(store=source)
        upload(theirs, ID)
        asset = theirs.get(ID)
        place.server.fault(
            faults.operation("upload") & faults.named("audio."), faults.respond(503), times=None
        )
        with pytest.raises(Exception, match="503"):
            copy_asset(source, place.manager.store, asset)
        place.server.clear_faults()
        attach(theirs, OTHER_JPG)

        assert copy_asset(source, place.manager.store, theirs.get(ID))

    assert not place.manager.get(ID).warnings
    assert place.noncurrent() == []


@with_versions
def test_a_metadata_change_makes_no_version(place: Place) -> None:
    for change in ({"title": "One"}, {"title": "Two"}):
        place.manager.update_metadata(ID, change)
    place.manager.hold(ID)
    place.manager.release(ID)

    assert place.noncurrent() == []
    assert len(place.server.generations(BUCKET, AUDIO)) == 1


@pytest.mark.parametrize("place", ["both", "neither"], indirect=True)
def test_deleting_names_the_generation_that_was_read(place: Place) -> None:
    blob = place.manager.get(ID).thumbnail
    assert blob is not None
    other = replace(blob, generation=blob.generation - 1)
    with pytest.raises(Exception, match="No such object"):
        place.manager.store.delete(other)
    assert statuses(place.links()) == [200, 200]
