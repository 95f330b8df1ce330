"""What `test_add_a_part` runs against a copy of the package: the beats of an asset, next to it."""

import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google.oauth2.service_account

import audiostore
from audiostore import AssetNotFoundError, AudioStorageManager, LocalStore, ObjectStore
from audiostore.asset import PARTS, MarkedFile, MarkedParts, copy_asset
from audiostore.audit.checking import Checker
from audiostore.cli import main
from audiostore.notify import Notifier
from audiostore.sources import BytesSource
from audiostore.stores.gcs.store import GcsStore
from tests.assets import JPG, MP3, SOFT_DELETE
from tests.gcs_server import StrictServer

BEATS = b'{"beats": [0.5, 1, 1.5]}'
part: Any = "beats"  # the copy of the package knows it, the package does not


def _problems(manager: AudioStorageManager) -> list[str]:
    later = datetime.now(UTC) + timedelta(days=2)
    return [p.kind for p in Checker(manager, now=lambda: later, sleep=lambda _: None).run()]


def _require_clean(manager: AudioStorageManager) -> None:
    problems = _problems(manager)
    assert problems == [], problems


def _serves(manager: AudioStorageManager, audio_id: str, folder: Path) -> None:
    assert manager.get(audio_id).parts.keys() == {"audio", "thumbnail", part}
    [listed] = manager.list()
    assert listed.derived[part].size_bytes == len(BEATS)
    with manager.open(audio_id, part=part) as stream:
        assert stream.read() == BEATS
    assert manager.download(audio_id, folder / "out", part=part).read_bytes() == BEATS


def _whole_life(store: ObjectStore, other: ObjectStore, folder: Path) -> AudioStorageManager:
    manager, target = AudioStorageManager(store=store), AudioStorageManager(store=other)
    audio_id = manager.upload_audio_with_thumbnail(MP3, JPG).audio_id
    name = f"audio/{audio_id}/beats.json"
    assert part in PARTS, f"no part is named {part!r}"
    file = MarkedFile(PARTS[part], BytesSource(BEATS), ".json", maker="beats/1")
    blob = MarkedParts(manager.store, Notifier()).store(audio_id, file).blob
    _require_clean(manager)
    _serves(manager, audio_id, folder)

    assert copy_asset(manager.store, target.store, manager.get(audio_id))
    _serves(target, audio_id, folder)
    _require_clean(target)

    manager.hold(audio_id)
    assert manager.store.stat(name).temporary_hold
    manager.release(audio_id)
    manager.delete(audio_id)
    assert list(manager.store.list("audio/")) == []
    [trashed] = manager.trash.list()
    assert trashed.derived[part].blob.size_bytes == len(BEATS)
    manager.restore(audio_id)
    _serves(manager, audio_id, folder)
    _require_clean(manager)

    audio = target.get(audio_id).audio
    assert audio is not None
    target.store.delete(audio)  # as if deleting it had been killed after the first object
    assert _problems(target) == ["unfinished-deletion"] * 2
    target.delete(audio_id)
    assert list(target.store.list("audio/")) == []

    assert blob.crc32c == manager.get(audio_id).derived[part].crc32c
    return manager


def use(folder: Path) -> None:
    """Use the part in a directory, then in a bucket, whose objects also have URLs."""
    folder.mkdir()
    local = _whole_life(LocalStore(folder / "a"), LocalStore(folder / "b"), folder)
    [asset] = local.list()
    out = folder / "from the command line"
    args = ["get", asset.audio_id, "--part", part, "-o", str(out), "--bucket", local.url]
    assert main(args) == 0
    assert out.read_bytes() == BEATS
    with StrictServer("bucket", bucket_settings=SOFT_DELETE) as server:
        account = server.service_account("robot@project.iam.gserviceaccount.com")
        credentials = google.oauth2.service_account.Credentials.from_service_account_info(
            account.key_file(f"{server.url}/token")
        )
        store = GcsStore("bucket", emulator=server.url, credentials=credentials, now=server.now)
        manager = _whole_life(store, LocalStore(folder / "c"), folder)
        [asset] = manager.list()
        url = manager.signed_url(asset.audio_id, part=part)
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.read() == BEATS
        manager.store.delete(asset.derived[part])
        try:
            manager.open(asset.audio_id, part=part)
        except AssetNotFoundError:
            manager.close()
        else:
            raise AssertionError("it is gone")
    print(audiostore.__file__)


if __name__ == "__main__":
    use(Path(sys.argv[1]))
