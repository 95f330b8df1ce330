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
loaded = [m for m in sys.modules if m.startswith(("audiostore.media", "audiostore.ingest"))]
assert bool(loaded) is {expected}, loaded
"""


def _run(folder: Path, use: str, *, loads: bool) -> None:
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
    with AudioStorageManager(tmp_path.as_uri()) as manager:
        audio_id = manager.upload_audio_with_thumbnail(MP3, JPG).audio_id
    use = f"""
    [asset] = manager.list()
    assert asset == manager.get({audio_id!r})
    assert manager.open(asset.audio_id).read(3)
    manager.download(asset, {str(tmp_path / "out")!r})
    manager.update_metadata(asset.audio_id, {{"k": "v"}})
    manager.hold(asset.audio_id)
    manager.release(asset.audio_id)
    manager.delete(asset.audio_id)
    manager.restore(asset.audio_id)
    """
    _run(tmp_path, use, loads=False)


@pytest.mark.slow
def test_an_upload_imports_it(tmp_path: Path) -> None:
    _run(tmp_path, f"manager.upload_audio_file({str(MP3)!r})", loads=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "loads"),
    [
        ("Query(containing={'artist': 'simone'})", False),
        ("Query(formats=frozenset({'mp3'}))", True),
    ],
)
def test_a_query_imports_it_only_to_check_the_name_of_a_format(
    tmp_path: Path, query: str, loads: bool
) -> None:
    use = f"from audiostore.catalog import Query\n    {query}"
    _run(tmp_path, use, loads=loads)
