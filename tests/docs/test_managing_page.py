"""The examples of docs/managing.md, run as they are written, on a directory and on a bucket."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from audiostore.cli.registry import find_commands
from tests.assets import JPG, MP3, OGG, PNG, SOFT_DELETE
from tests.damages import Patient, missing_thumbnail
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

PAGE = Path(__file__).parents[2] / "docs" / "managing.md"
BLOCK = re.compile(r"<!-- tested: shell( on a directory)? -->\n```sh\n(.*?)```", re.DOTALL)

PYTHON_BLOCK = re.compile(r"<!-- tested: python -->\n```python\n(.*?)```", re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["directory", "bucket"])
def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    for original, name in (
        (MP3, "song.mp3"),
        (JPG, "cover.jpg"),
        (PNG, "other.png"),
        (OGG, "better.ogg"),
    ):
        shutil.copy(original, tmp_path / name)
    (tmp_path / "words.vtt").write_text("WEBVTT\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    found = BLOCK.findall(PAGE.read_text("utf-8"))
    blocks = [code for only, code in found if kind == "directory" or not only]
    assert len(blocks) == (8 if kind == "directory" else 7)
    with StrictServer("my-bucket", bucket_settings=SOFT_DELETE) as server:
        url = (tmp_path / "store").as_uri() if kind == "directory" else "gs://my-bucket"
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GCS_BUCKET_NAME", url)
        done = subprocess.run(
            ["sh", "-euxc", "\n".join(blocks)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "it is held" in done.stdout
    assert "move audio to NEARLINE, 30 days after it was stored" in done.stdout
    assert done.stdout.endswith("checked 2 assets (3 objects): no problems found\n")
    assert (tmp_path / "assets.csv").read_text().count("song.mp3") == 1


@pytest.mark.slow
def test_the_python_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lifecycle.toml").write_text("expire_after_days = 90")
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        manager.upload_audio_file(MP3)
        name = missing_thumbnail(Patient(manager.store, manager, tmp_path / "store"))
        for page in (PAGE, PAGE.with_name("checking.md")):
            for code in PYTHON_BLOCK.findall(page.read_text("utf-8")):
                exec(code, {"manager": manager})
        assert manager.lifecycle.rules()[0].description == (
            "delete audio 90 days after it was stored"
        )
    printed = capsys.readouterr().out.splitlines()
    assert printed.pop(1) == "text/vtt {} ()"
    assert printed[0] == "2 assets, 0.00 USD a month"
    assert printed[1] == "add delete audio 90 days after it was stored"
    assert printed[2].startswith(f"missing-thumbnail {name} its artwork ")


def test_commands_on_the_page_exist() -> None:
    named = set(re.findall(r"audiostore ([a-z][a-z-]+)", PAGE.read_text("utf-8")))
    assert named <= find_commands().keys()
