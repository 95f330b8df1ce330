"""Readers do without the rooms that look into files."""

import subprocess
import sys
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from tests.assets import JPG, MP3

SCRIPT = """
import sys
from audiostore import AudioStorageManager
with AudioStorageManager(sys.argv[1]) as manager:
    {use}
modules = [m for m in sys.modules if m.startswith(("audiostore.media", "audiostore.ingest"))]
formats = ("audiostore.media.formats", "audiostore.media.kinds", "audiostore.media.parsing")
inside = [m for m in modules if m != "audiostore.media" and not m.startswith(formats)]
loaded = "inspection" if inside else "formats" if modules else "nothing"
assert loaded == {expected!r}, modules
"""


def _run(folder: Path, use: str, *, loads: str) -> None:
    script = SCRIPT.format(use=use, expected=loads)
    done = subprocess.run(
        [sys.executable, "-c", script, folder.as_uri()],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_reading_serving_and_deleting_import_no_inspection(tmp_path: Path) -> None:
    """What hands a file out, or makes it live, knows the formats by their extensions."""
    with AudioStorageManager(tmp_path.as_uri()) as manager:
        audio_id = manager.upload_audio_with_thumbnail(MP3, JPG).audio_id
    describe = f"""
    [asset] = manager.list()
    assert asset == manager.get({audio_id!r})
    manager.update_metadata(asset.audio_id, {{"k": "v"}})
    manager.hold(asset.audio_id)
    manager.release(asset.audio_id)
    """
    _run(tmp_path, describe, loads="nothing")
    hand_out = f"""
    assert manager.open({audio_id!r}).read(3)
    manager.download({audio_id!r}, {str(tmp_path / "out")!r})
    manager.delete({audio_id!r})
    manager.restore({audio_id!r})
    """
    _run(tmp_path, hand_out, loads="formats")


@pytest.mark.slow
def test_an_upload_imports_it(tmp_path: Path) -> None:
    _run(tmp_path, f"manager.upload_audio_file({str(MP3)!r})", loads="inspection")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "loads"),
    [
        ("Query(containing={'artist': 'simone'})", "nothing"),
        ("Query(formats=frozenset({'mp3'}))", "formats"),
    ],
)
def test_a_query_imports_it_only_to_check_the_name_of_a_format(
    tmp_path: Path, query: str, loads: str
) -> None:
    use = f"from audiostore.catalog import Query\n    {query}"
    _run(tmp_path, use, loads=loads)
