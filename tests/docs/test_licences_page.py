"""docs/licences.md lists what is installed, all of it under licences that we may use."""

import re
import sys
from importlib.metadata import Distribution, distribution
from importlib.metadata._meta import SimplePath
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import licences_table

ROOT = Path(__file__).parents[2]
PINS = tuple(f"constraints{each}.txt" for each in ("", "-dev", "-bench", "-beam"))


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the page is that of Python 3.11")
def test_the_page_is_what_its_generator_gives() -> None:
    there = licences_table.PAGE.read_text(encoding="utf-8")
    assert there == licences_table.page(), "run: python -m tests.licences_table"


class Unlicensed(Distribution):
    """A package under a licence that we may not use."""

    def read_text(self, filename: str) -> str | None:
        return "Name: x\nVersion: 1\nLicense-Expression: GPL-3.0-only\n" * (filename == "METADATA")

    def locate_file(self, path: object) -> SimplePath:
        raise NotImplementedError


def test_a_licence_that_is_not_permitted_is_an_error() -> None:
    with pytest.raises(LookupError, match="GPL"):
        licences_table.licence(Unlicensed())


def test_everything_that_ci_installs_has_a_version_and_a_hash() -> None:
    for name in PINS:
        lines = [
            line
            for line in (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines()
            if not line.startswith("#")
        ]
        assert lines
        for line in lines:
            assert re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line[:60]
            assert "://" not in line


def pinned(*names: str) -> dict[str, str]:
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in names)
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_the_pinned_versions_satisfy_what_the_package_asks_for() -> None:
    versions = pinned("constraints.txt", "constraints-dev.txt")
    for line in distribution("audiostore").requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "dev"}):
            assert requirement.specifier.contains(versions[requirement.name]), line


def test_nothing_is_pinned_twice() -> None:
    run, tools, peers = map(pinned, PINS[:3])
    assert not (run.keys() & tools.keys())
    assert not ((run | tools).keys() & peers.keys())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.11 needs the most")
def test_the_demo_installs_what_runs_and_what_builds_and_nothing_else() -> None:
    needed = {*licences_table.required(), *licences_table.required("ffmpeg")}
    needed |= {
        *licences_table.required("serve"),
        *licences_table.required_by("hatchling", "editables"),
    }
    assert pinned("constraints.txt").keys() == needed
