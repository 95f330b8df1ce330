"""The happy path against fake-gcs-server, which was not written here."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from audiostore import AssetConflictError, AssetNotFoundError, AudioStorageManager
from audiostore.stores import open_store
from audiostore.verify import Verification
from tests.assets import JPG, MP3, OGG, OTHER_JPG, mp3_bytes
from tests.second_opinion import fake_gcs_server
from tests.timing import PATIENCE_S

BUCKET = "second-opinion"


@pytest.mark.slow
def test_an_asset_lives_its_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large.mp3"
    large.write_bytes(mp3_bytes(9 << 20))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with fake_gcs_server(BUCKET) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        with AudioStorageManager(BUCKET) as manager:
            stored = manager.upload_audio_with_thumbnail(MP3, JPG, metadata={"Stimmung": "früh"})
            big = manager.upload_audio_file(large)

            assert manager.get(stored.audio_id).audio == stored.audio
            assert [r.audio_id for r in manager.list()] == sorted([stored.audio_id, big.audio_id])
            for audio_id, original in ((stored.audio_id, MP3), (big.audio_id, large)):
                copy = manager.download(audio_id, tmp_path / "copy")
                assert copy.read_bytes() == original.read_bytes()

            assert not manager.upload_audio_with_thumbnail(
                MP3, JPG, audio_id=stored.audio_id
            ).created
            with pytest.raises(AssetConflictError):
                manager.upload_audio_file(OGG, audio_id=stored.audio_id)

            manager.upload_thumbnail_file(OTHER_JPG, stored.audio_id)
            cover = manager.download(stored.audio_id, tmp_path / "cover", part="thumbnail")
            assert cover.read_bytes() == OTHER_JPG.read_bytes()

            manager.delete(stored.audio_id)
            with pytest.raises(AssetNotFoundError):
                manager.get(stored.audio_id)


@pytest.mark.slow
def test_the_command_stores_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("GCS_BUCKET_NAME", BUCKET)
    with fake_gcs_server(BUCKET) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        for command in (["put", str(MP3), "--thumbnail", str(JPG)], ["list"], ["doctor"]):
            done = subprocess.run(
                [sys.executable, "-m", "audiostore", *command],
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, ""), done
            assert done.stdout


# What fake-gcs-server 1.54 does instead of what the documentation of Cloud Storage says.
BROKEN_THERE = {
    "change-once": "a change with the metageneration of before was accepted",
    "delete-the-one-seen": "after the deletion of the generation before, the object is gone",
    "damaged-bytes": "a wrong crc32c was accepted",
    "damaged-session": "the last byte of a wrong crc32c was answered with HTTP 200",
    "upload-in-pieces": "the first piece was answered with HTTP 200",
    "two-sessions": "the second upload replaced the first one (HTTP 200)",
    "cancelled-upload": "the last piece after a cancellation was answered with HTTP 200",
    "continued-upload": "the object has other bytes than were sent",
    "copied-object": "a copy onto an object was accepted",
    "copied-in-steps": "the copy has other bytes, or another storage class",
    "held-object": "the deletion of a held object was accepted",
    "custom-time": "2030-01-02 03:04:05+00:00 was changed to 2030-01-01 03:04:05+00:00",
}
MISSING_THERE = {
    "listed-under-a-key",
    "deleted-and-restored",
    "old-versions",
    "lifecycle-rules",
    "signed-link",
    "cross-origin",
}


@pytest.mark.slow
def test_verify_bucket_shows_which_promises_it_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_gcs_server(BUCKET) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        with closing(Verification(BUCKET)) as verification:
            rows = [*verification.rows(), verification.clean()]
        with closing(open_store(BUCKET)) as store:
            assert list(store.list("")) == []
    failed = {row.check: row.detail for row in rows if row.outcome == "failed"}
    assert failed == BROKEN_THERE
    assert {row.check for row in rows if row.outcome == "skipped"} == MISSING_THERE
