"""A release is the same bytes wherever it is built, complete, and works where it is installed."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.release_check import (
    ROOT,
    Built,
    build,
    problems_of_changelog,
    problems_of_sdist,
    problems_of_wheel,
    rebuild,
    use,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def test_the_sdist_alone_builds_the_very_same_bytes(built: Built, tmp_path: Path) -> None:
    again = rebuild(built.sdist, tmp_path)
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_what_is_built_is_complete_and_holds_nothing_else(built: Built) -> None:
    assert list(problems_of_wheel(built.wheel)) == []
    assert list(problems_of_sdist(built.sdist)) == []


def changed(wheel: Path, path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        new.writestr("tests/__init__.py", "")
    return path


def test_a_wheel_with_something_wrong_is_found_out(built: Built, tmp_path: Path) -> None:
    def change(name: str, content: bytes) -> bytes | None:
        if name.endswith("METADATA"):
            return content.replace(b"Typing :: Typed", b"Typing :: Guessed")
        return None if name.endswith("LICENSE") else content

    wheel = changed(built.wheel, tmp_path / "wrong.whl", change)
    has, lacks, classifier = problems_of_wheel(wheel)
    assert has == "the wheel has tests/__init__.py"
    assert lacks.startswith("the wheel lacks")
    assert "Typing :: Guessed" in classifier


def test_what_the_wheel_installs_stores_a_track(built: Built, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(built.wheel)], check=True)
    settings = {"PYTHONPATH": str(target)}
    where = [sys.executable, "-c", "import audiostore; print(audiostore.__file__)"]
    used = subprocess.run(where, env=settings, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert Path(used.strip()).is_relative_to(target)
    use(target / "bin" / "audiostore", tmp_path, settings)


@pytest.mark.parametrize(
    ("head", "fits"),
    [
        ("## 1.2.0 (2026-01-31)\n", True),
        ("## Unreleased\n\n## 1.2.0 (2026-01-31)\n", False),
        ("## 1.2.0\n", False),
        ("## 1.2.10 (2026-01-31)\n", False),
        ("", False),
    ],
)
def test_the_changelog_of_a_release_begins_with_it(head: str, fits: bool) -> None:
    problems = list(problems_of_changelog(f"# Changelog\n\n{head}", "1.2.0"))
    assert (problems == []) == fits
