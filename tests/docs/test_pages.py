"""The blocks of many pages, run in order as they are written; and the output that they show."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.assets import JPG, MP3, OGG, SOFT_DELETE
from tests.docs.blocks import DOCS, ROOT, Block, blocks, matches
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

RUN_HERE: Final = (
    "docs/index.md",
    "docs/tutorial.md",
    "docs/analysis.md",
    "docs/checking.md",
    "docs/serve.md",
    "docs/stores.md",
    "docs/telemetry.md",
    "docs/training.md",
    "docs/verify-bucket.md",
    "docs/how-to/first-bucket.md",
    "docs/how-to/cloud-run.md",
    "docs/how-to/pandas.md",
    "docs/how-to/testing.md",
    "docs/how-to/migrate-folder.md",
    "docs/how-to/migrate-activestorage.md",
    "docs/how-to/migrate-django-storages.md",
)
_END: Final = "--- end of block ---"
_BEFORE: Final = {
    "shell": "",
    "shell with an asset": "audiostore put song.mp3 --id 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b\n",
    "shell with old objects": "",
    "python": "",
    "python with a manager": """
from audiostore import AudioStorageManager
from audiostore.testing import tone
manager = AudioStorageManager()
audio_id = manager.upload_audio_file(tone(), filename="tone.wav").audio_id
""",
    "pytest": "",
}
"""What runs before a block, by the mark of it."""
_OUTPUT: Final = "tested: output"
_ELSEWHERE: Final = {("docs/checking.md", "python")}
"""What test_managing_page.py runs."""
_OF_SERVICE: Final = {"tested: serves", "tested: requests", "tested: steps"}
"""What test_serve_page.py runs."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with what the pages name, in front of a bucket, and of one with old objects."""
    for original, name in ((MP3, "song.mp3"), (OGG, "other.ogg"), (JPG, "cover.jpg")):
        shutil.copy(original, tmp_path / name)
    album = tmp_path / "Music" / "Album"
    album.mkdir(parents=True)
    shutil.copy(MP3, album / "song.mp3")
    shutil.copy(JPG, album / "cover.jpg")
    shutil.copytree(tmp_path / "Music" / "Album", tmp_path / "album")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    shutil.copy(ROOT / "examples" / "Lied für Ümläute.flac", tmp_path / "song.flac")
    (tmp_path / "map.csv").write_text("audio,thumbnail,filename\nxtap,yubq,song.mp3\n")
    (tmp_path / "django.csv").write_text("audio,title,id\ntracks/2024/03/song.mp3,Song,\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(
        next(block.code for block in blocks(DOCS / "stores.md") if block.language == "toml")
    )
    monkeypatch.setenv("AUDIOSTORE_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with StrictServer("my-bucket", "old", "music", bucket_settings=SOFT_DELETE) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GCS_BUCKET_NAME", "my-bucket")
        for name, original in (
            ("xtap", MP3),
            ("yubq", JPG),
            ("media/tracks/2024/03/song.mp3", MP3),
            ("media/tracks/2024/03/song.jpg", JPG),
        ):
            server.put("old", name, original.read_bytes())
        yield tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN_HERE)
def test_the_blocks_run_and_print_what_the_page_shows(place: Path, name: str) -> None:
    found = [
        block
        for block in blocks(ROOT / name)
        if block.mark.startswith("tested: ")
        and block.mark not in _OF_SERVICE
        and (name, block.language) not in _ELSEWHERE
    ]
    code = [block for block in found if block.mark != _OUTPUT]
    assert code

    done = subprocess.run(
        ["sh", "-euc", "\n".join(_shell(block, place) for block in code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    *printed, rest = done.stdout.split(f"{_END}\n")
    assert (len(printed), rest) == (len(code), "")
    for block, shown in pairwise(found):
        if shown.mark == _OUTPUT:
            said = printed[code.index(block)]
            assert matches(shown.code, said), f"{shown.place} shows other output than:\n{said}"


def _shell(block: Block, place: Path) -> str:
    """Return what runs a block, and prints where its output ends."""
    kind = block.mark.removeprefix("tested: ")
    code = _BEFORE[kind] + block.code
    if kind == "pytest":
        file = place / f"test_{block.line}.py"
        file.write_text(code)
        code = f"python -m pytest -q -p no:cacheprovider {file}\n"
    elif block.language == "python":
        code = f"python - <<'PYTHON'\n{code}PYTHON\n"
    return f"{code}echo '{_END}'"


def test_every_page_that_is_run_here_exists() -> None:
    assert len(set(RUN_HERE)) == len(RUN_HERE)
    for name in RUN_HERE:
        assert (ROOT / name).is_relative_to(DOCS)
        assert (ROOT / name).is_file()
