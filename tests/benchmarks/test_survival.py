"""The judge of docs/compared.md sees what goes wrong, and audiostore survives every trial."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.survival import judging
from benchmarks.survival.judging import run
from benchmarks.survival.tools import Task, Tool, tools
from benchmarks.survival.trials import TRIALS, Trial

_PUT = """\
import sys, urllib.parse, urllib.request
from pathlib import Path
endpoint, bucket, folder, audio, cover = sys.argv[1:]
def put(path):
    name = urllib.parse.quote(f"{folder}/{Path(path).name}", safe="")
    url = f"{endpoint}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
    urllib.request.urlopen(urllib.request.Request(url, Path(path).read_bytes(), method="POST"))
"""
_REMOVE = "Path(audio).unlink(); Path(cover).unlink()\n"


def careless(code: str) -> Tool:
    """Return a tool that runs some Python."""

    def command(task: Task) -> Sequence[str]:
        files = [str(task.audio), str(task.cover)]
        return [sys.executable, "-c", _PUT + code, task.endpoint, task.bucket, task.folder, *files]

    return Tool("careless", "", command)


def trial(key: str) -> Trial:
    return next(each for each in TRIALS if each.key == key)


WELL = Trial("well", "nothing")


@pytest.mark.parametrize(
    ("code", "key", "wrong"),
    [
        ("put(cover); put(audio); " + _REMOVE, "", []),
        ("put(audio); put(cover); " + _REMOVE, "", [judging.VISIBLE]),
        ("put(cover); put(audio); " + _REMOVE, "new-take", [judging.LOST]),
        ("put(cover); put(audio); " + _REMOVE, "taken", [judging.SILENT, judging.OVERWRITTEN]),
        ("put(cover); put(audio); " + _REMOVE, "cut", [judging.SILENT, judging.STORED]),
        ("put(cover); put(audio); " + _REMOVE, "busy", [judging.UNFINISHED]),
        ("put(cover); put(audio); " + _REMOVE, "flipped", [judging.LOST, judging.WRONG]),
        ("pass", "", [judging.UNFINISHED]),
    ],
)
def test_the_judge_sees_what_goes_wrong(
    tmp_path: Path, code: str, key: str, wrong: list[str]
) -> None:
    assert run(careless(code), trial(key) if key else WELL, tmp_path, times=1) == sorted(wrong)


def test_the_judge_kills_at_each_request(tmp_path: Path) -> None:
    code = "put(audio); put(cover); " + _REMOVE
    assert run(careless(code), trial("killed"), tmp_path) == [judging.VISIBLE]
    folders = {path.name for path in tmp_path.iterdir()}
    assert folders == {f"{when}-{n}" for when in ("before", "after") for n in (1, 2, 3)}


@pytest.mark.parametrize("key", [each.key for each in TRIALS])
def test_audiostore_survives(tmp_path: Path, key: str) -> None:
    ours = tools()[0]
    assert ours.name == "audiostore"
    assert run(ours, trial(key), tmp_path, times=1) == []
