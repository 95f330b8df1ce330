"""The commands that hints name work as they are, in another terminal and on the same store."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import audiostore.cli
from tests.cli.conftest import MP3, Call

SOURCES = sorted(Path(audiostore.cli.__file__).parent.rglob("*.py"))


@pytest.fixture
def music(home: Path) -> Path:
    """A folder with a file that cannot be stored."""
    del home
    folder = Path("music")
    folder.mkdir()
    (folder / "whole.mp3").write_bytes(MP3.read_bytes())
    (folder / "cut.mp3").write_bytes(MP3.read_bytes()[:60_000])
    return folder


def _configure(home: Path, *, default: bool = False) -> None:
    folder = home / ".config" / "audiostore"
    folder.mkdir(parents=True)
    head = 'default = "studio"\n' if default else ""
    (folder / "config.toml").write_text(f'{head}[stores.studio]\nurl = "{home}/my store"\n')


def _by_option(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    del monkeypatch
    return ["--bucket", f"{home}/my store"]


def _by_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("GCS_BUCKET_NAME", f"{home}/my store")
    return []


def _by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    del monkeypatch
    _configure(home)
    return ["--store", "studio"]


def _by_name_in_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    _configure(home)
    monkeypatch.setenv("AUDIOSTORE_STORE", "studio")
    return []


def _by_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    del monkeypatch
    _configure(home, default=True)
    return []


def _by_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    del home, monkeypatch
    return []


@pytest.mark.parametrize(
    ("choose", "named"),
    [
        (_by_option, "--bucket '{home}/my store'"),
        (_by_variable, "--bucket '{home}/my store'"),
        (_by_name, "--store studio"),
        (_by_name_in_variable, "--store studio"),
        (_by_configuration, "--store studio"),
        (_by_default, ""),
    ],
)
def test_the_command_that_lists_failures_names_the_store(
    call: Call,
    home: Path,
    music: Path,
    monkeypatch: pytest.MonkeyPatch,
    choose: Callable[[Path, pytest.MonkeyPatch], list[str]],
    named: str,
) -> None:
    code, _, err = call("put", music, *choose(home, monkeypatch))
    assert code == 4
    found = re.search(r"; '(audiostore jobs 1.*)' lists it", err)
    assert found is not None, err
    assert found[1] == f"audiostore jobs 1 {named.format(home=home)}".strip()
    monkeypatch.delenv("GCS_BUCKET_NAME", raising=False)
    monkeypatch.delenv("AUDIOSTORE_STORE", raising=False)
    _, *words = shlex.split(found[1])
    code, out, _ = call(*words)
    assert code == 0
    assert "cut.mp3 is cut short" in out


def test_a_journal_of_ones_own_is_all_that_jobs_needs(call: Call, music: Path) -> None:
    err = call("put", music, "--bucket", "./store", "--journal", "my journal")[2]
    assert "'audiostore jobs 1 --journal 'my journal'' lists it" in err
    err = call("jobs", "7", "--journal", "my journal")[2]
    assert "'audiostore jobs --journal 'my journal'' lists the runs" in err


def test_hints_on_an_asset_name_the_store(call: Call) -> None:
    at = ("--bucket", "./store")
    audio_id = call("put", MP3, *at)[1].splitlines()[0]
    copy = Path("copy.mp3")
    copy.write_bytes(MP3.read_bytes())
    assert call("put", copy, *at)[0] == 0
    assert "-> audiostore rm " in (out := call("duplicates", *at)[1])
    assert out.rstrip().endswith("--bucket ./store")
    call("hold", audio_id, *at)
    hint = f"run 'audiostore release {audio_id} --bucket ./store' first"
    assert hint in call("rm", audio_id, *at)[2]


def test_no_hint_on_an_asset_or_run_forgets_the_store() -> None:
    forgetful = re.compile(r"""['"]audiostore [a-z -]+\{""")
    found = [
        f"{path.name}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text().splitlines()
        if forgetful.search(line)
    ]
    assert len(SOURCES) > 50
    assert found == ["copy.py: " + _OF_COPY]


_OF_COPY = (
    "error = f\"{error}; 'audiostore check --bucket {options.source}' shows what is missing\""
)
