"""docs/troubleshooting.md: each error is caused, and its text is that of the page."""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from audiostore import AudioStorageManager
from audiostore.cli import main
from tests.assets import JPG, MP3, OGG, SOFT_DELETE
from tests.docs.blocks import DOCS, Block, blocks, matches
from tests.gcs_server import StrictServer

PAGE: Final = DOCS / "troubleshooting.md"
SHOWN: Final = [block for block in blocks(PAGE) if " of: " in block.mark]

ASSET: Final = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
SIMILAR: Final = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a70"


def test_most_blocks_of_the_page_are_compared() -> None:
    assert len(SHOWN) == len(blocks(PAGE)) > 20


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    for original, name in (
        (MP3, "song.mp3"),
        (OGG, "other.ogg"),
        (OGG, "wrong.mp3"),
        (JPG, "c.jpg"),
    ):
        shutil.copy(original, tmp_path / name)
    (tmp_path / "cut.mp3").write_bytes(MP3.read_bytes()[:60_000])
    (tmp_path / "notes.mp3").write_text("These are notes, and no music at all.\n" * 20)
    (tmp_path / "empty.mp3").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    with StrictServer("my-bucket", bucket_settings=SOFT_DELETE) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GCS_BUCKET_NAME", "my-bucket")
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.mark)
def test_the_text_is_what_the_command_prints(
    block: Block,
    server: StrictServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kind, _, rest = block.mark.partition(" of: ")
    command, _, circumstance = rest.partition("; ")
    _prepare(circumstance, command, server, monkeypatch)
    capsys.readouterr()

    code = main(shlex.split(command.replace("ASSET", ASSET)))

    out, err = capsys.readouterr()
    assert (code != 0) == (kind == "error"), (out, err)
    front = "audiostore: error: " if kind == "error" else ""
    assert matches(front + block.code, err), f"{block.place} shows another text than:\n{err}"


def _prepare(
    circumstance: str, command: str, server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bring about what a mark says."""
    if "ASSET" in command or "3f2b" in command or circumstance.endswith("in a directory"):
        store = "./library" if circumstance.endswith("in a directory") else "my-bucket"
        with AudioStorageManager(store) as manager:
            manager.upload_audio_file(MP3, audio_id=ASSET)
            if "3f2b" in command:
                manager.upload_audio_file(MP3, audio_id=SIMILAR)
            if circumstance == "held":
                manager.hold(ASSET)
    word, _, permission = circumstance.partition(" ")
    match word, circumstance:
        case _, "" | "held" | "in a directory":
            pass
        case "denied", _:
            server.denied.add(permission)
        case _, "touched in a directory":
            os.utime(Path("library/audio") / ASSET / "audio.mp3")
        case _, "without a store":
            monkeypatch.delenv("GCS_BUCKET_NAME")
        case _, "without a server":
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
        case _, "without credentials":
            monkeypatch.delenv("STORAGE_EMULATOR_HOST")
            monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        case _, "without soft delete":
            server.configure("my-bucket", softDeletePolicy={"retentionDurationSeconds": 0})
        case _:
            pytest.fail(f"not a circumstance: {circumstance!r}")


def test_the_doctor_says_nothing_of_python(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _prepare("without credentials", "doctor", server, monkeypatch)

    assert main(["doctor"]) == 1

    said = capsys.readouterr().out
    assert "or name a service account's key file in GOOGLE_APPLICATION_CREDENTIALS\n" in said
