"""The happy path against fake-gcs-server, which was not written here."""

import subprocess
import sys
from pathlib import Path

import pytest

from audiostore import AssetConflictError, AssetNotFoundError, AudioStorageManager
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
