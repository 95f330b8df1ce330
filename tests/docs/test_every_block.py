"""Every block of code on a page is run by a test, or says why not; and all of those are counted."""

import json
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.docs.blocks import DOCS, ROOT, Block, blocks, matches, pages
from tests.docs.test_pages import RUN_HERE

ALL: Final = [block for page in pages() for block in blocks(page)]

RUN_BY: Final = {
    "docs/adopt.md": "test_adopt_page.py",
    "docs/bulk.md": "test_bulk_page.py",
    "docs/command-line.md": "test_readme.py",
    "docs/fleet.md": "test_fleet_page.py",
    "docs/library.md": "test_readme.py",
    "docs/managing.md": "test_managing_page.py",
    "docs/serve.md": "test_serve_page.py",
    "docs/troubleshooting.md": "test_troubleshooting_page.py",
}
"""Pages with a test of their own that runs what is marked as tested."""

NOT_RUN: Final = {
    "Beam": 1,  # an environment of its own: tests/unit/test_fleet_beam.py
    "Dask": 2,  # a cluster: tests/unit/test_fleet_dask.py
    "Django": 2,
    "Slurm": 1,
    "a browser": 2,
    "a database": 2,
    "an inventory report": 1,  # tests/unit/test_inventory.py
    "changed files": 1,
    "docker": 2,
    "gcloud": 13,
    "installs": 5,
    "node": 1,
    "signing": 1,
    "soundfile": 5,  # and torch, webdataset, datasets
    "waits": 2,
    "workers": 2,
}
"""How many blocks no test of the pages runs, by what they would need. Add to it with a reason."""


def test_every_block_of_code_is_tested_or_says_why_not() -> None:
    for block in ALL:
        if block.language not in {"sh", "python", "py", "js", "sql", "dockerfile"}:
            continue
        kind = block.mark.partition(": ")[0]
        assert kind in {"tested", "not run", "in"}, f"{block.place}: say how this block is tested"
        if kind == "tested":
            assert block.page in RUN_BY or block.page in RUN_HERE, f"{block.place}: by no test"


def test_what_no_test_runs_is_counted() -> None:
    reasons = (block.mark for block in ALL if block.mark.startswith("not run: "))
    assert Counter(each.removeprefix("not run: ") for each in reasons) == NOT_RUN


def test_the_tests_of_pages_read_them() -> None:
    for page, test in RUN_BY.items():
        assert Path(page).name in Path(__file__).with_name(test).read_text(encoding="utf-8")


def test_blocks_that_are_part_of_a_file_are() -> None:
    quoted = [block for block in ALL if block.mark.startswith("in: ")]
    assert len(quoted) > 8
    for block in quoted:
        file = ROOT / block.mark.removeprefix("in: ")
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        wanted = [line.strip() for line in block.code.rstrip("\n").splitlines()]
        starts = range(len(lines) - len(wanted) + 1)
        assert any(lines[at : at + len(wanted)] == wanted for at in starts), block.place


@pytest.mark.parametrize(("language", "read"), [("json", json.loads), ("toml", tomllib.loads)])
def test_data_on_pages_can_be_read(language: str, read: Callable[[str], object]) -> None:
    found = [block for block in ALL if block.language == language]
    assert found
    for block in found:
        read(block.code)


def test_a_mark_belongs_to_the_block_below_it() -> None:
    """A comment that is not right above a fence would mark nothing."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for kind in ("tested", "not run", "in", "error of", "note of", "warning of"):
            marked = [block for block in blocks(page) if block.mark.startswith(f"{kind}: ")]
            assert text.count(f"<!-- {kind}: ") == len(marked), (page.name, kind)


def test_an_ellipsis_stands_for_anything_and_an_id_for_any_id() -> None:
    one, other = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b", "7d9ff937-477d-4e3c-852c-f24fa1590cd9"
    assert matches(f"a … {one}!", f"a b\nc {other}!")
    assert not matches(f"a … {one}!", f"a b {other}")
    assert not matches(f"a {one}", "a 7d9ff937")


def test_blocks_are_found_with_their_marks_and_places(tmp_path: Path) -> None:
    page = DOCS / "tutorial.md"
    first, second = blocks(page)[:2]
    assert isinstance(first, Block)
    assert (first.mark, first.language) == ("not run: installs", "sh")
    assert second.code.startswith("export GCS_BUCKET_NAME")
    assert page.read_text(encoding="utf-8").splitlines()[second.line - 1].startswith("<!-- tested")
