"""One more object next to the audio needs one row in `PARTS`, and the code that makes it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import audiostore

PACKAGE = Path(audiostore.__file__).parent
ROOT = PACKAGE.parents[1]
LAYOUT = Path("audiostore") / "asset" / "layout.py"
NAMES = 'PartName = Literal["audio", "thumbnail", '
ROWS = "for part in (AUDIO, THUMBNAIL, "
ROW = (
    'Part("beats", "data", is_mutable=True, max_age_s=3600, extensions=(".json",), is_derived=True)'
)
SCRIPT = Path(__file__).with_name("use_a_part.py")


def _copy_with_the_row(folder: Path) -> None:
    shutil.copytree(PACKAGE, folder / "audiostore", ignore=shutil.ignore_patterns("__pycache__"))
    layout = folder / LAYOUT
    text = layout.read_text("utf-8")
    assert text.count(NAMES) == text.count(ROWS) == 1
    text = text.replace(NAMES, f'{NAMES}"beats", ')
    text = text.replace(ROWS, f"{ROWS}{ROW}, ")
    layout.write_text(text, "utf-8")


def _use(package: Path, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.architecture.use_a_part", str(data)],
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{ROOT}"},
    )


@pytest.mark.slow
def test_a_row_is_all_that_a_derived_part_needs(tmp_path: Path) -> None:
    _copy_with_the_row(tmp_path / "src")
    done = _use(tmp_path / "src", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "src") in done.stdout  # the copy was used, not the package


@pytest.mark.slow
def test_without_the_row_there_is_no_such_part(tmp_path: Path) -> None:
    done = _use(PACKAGE.parent, tmp_path / "data")
    assert done.returncode != 0
    assert "no part is named 'beats'" in done.stderr
