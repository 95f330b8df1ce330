"""Buckets that decide on the storage class of each object themselves: Autoclass."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from audiostore import AudioStorageManager, Policy, UnsupportedByStoreError
from audiostore.stores.gcs.store import GcsStore
from tests.assets import MP3
from tests.gcs_server import AS_NEW, StrictServer
from tests.gcs_server.client import B, Client, path_of

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
AUDIO = f"audio/{ID}/audio.mp3"
AUTOCLASS = {"autoclass": {"enabled": True}}
COLD = {"type": "SetStorageClass", "storageClass": "COLDLINE"}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer(B, bucket_settings={**AS_NEW, **AUTOCLASS}) as server:
        yield server


@pytest.fixture
def manager(server: StrictServer) -> Iterator[AudioStorageManager]:
    with closing(GcsStore(B, emulator=server.url)) as store:
        manager = AudioStorageManager(store=store)
        manager.upload_audio_file(MP3, audio_id=ID, check="none", artwork="none")
        yield manager


def test_the_server_decides_on_classes_itself(server: StrictServer) -> None:
    client = Client(server)
    bucket = f"/storage/v1/b/{B}"
    assert server.put(B, "x", b"data", storageClass="ARCHIVE").storage_class == "STANDARD"
    rewritten = client.json(
        "POST", f"{path_of('x')}/rewriteTo/b/{B}/o/x", {"storageClass": "COLDLINE"}
    )
    assert (rewritten.status, rewritten.json["resource"]["storageClass"]) == (200, "STANDARD")
    assert len(server.generations(B, "x")) == 2
    for condition, action in (
        ({"age": 1}, COLD),
        ({"matchesStorageClass": ["STANDARD"]}, {"type": "Delete"}),
    ):
        rules = {"lifecycle": {"rule": [{"action": action, "condition": condition}]}}
        assert client.json("PATCH", bucket, rules).status == 400
        assert client.json("PATCH", bucket, {"autoclass": {"enabled": False}}).status == 200
        assert client.json("PATCH", bucket, rules).status == 200
        assert client.json("PATCH", bucket, AUTOCLASS).status == 400
        assert client.json("PATCH", bucket, {"lifecycle": None, **AUTOCLASS}).status == 200
    assert client.json("PATCH", bucket, {"storageClass": "NEARLINE"}).status == 400
    client.line.close()


def test_a_class_is_not_set_and_nothing_is_rewritten(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    before = server.generations(B, AUDIO)
    with pytest.raises(UnsupportedByStoreError, match="Autoclass") as caught:
        manager.set_class(ID, "COLDLINE")
    assert caught.value.audio_id == ID
    assert server.generations(B, AUDIO) == before
    manager.set_class(ID, "STANDARD")  # as it is


def test_without_a_look_at_the_settings_one_rewrite_shows_it(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.denied.add("storage.buckets.get")
    before = server.generations(B, AUDIO)
    with pytest.raises(UnsupportedByStoreError, match="stays STANDARD") as caught:
        manager.set_class(ID, "COLDLINE")
    assert "Autoclass" in str(caught.value)
    assert len(server.generations(B, AUDIO)) == len(before) + 1
    assert manager.get(ID).warnings == ()


def test_a_policy_that_moves_audio_cannot_be_followed(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    with pytest.raises(UnsupportedByStoreError, match="Autoclass"):
        manager.lifecycle.plan(Policy(nearline_after_days=30))
    manager.lifecycle.apply(manager.lifecycle.plan(Policy(expire_after_days=3000)))
    assert len(server.bucket(B)["lifecycle"]["rule"]) == 1


def test_the_doctor_says_who_decides(server: StrictServer) -> None:
    with closing(GcsStore(B, emulator=server.url)) as store:
        assert store.settings().autoclass
        said = {finding.subject: finding.detail for finding in store.diagnose()}
    assert said["storage classes"] == "the bucket decides on that of each object (Autoclass)"
