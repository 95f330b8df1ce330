"""Previews from the command line: made when audio is stored, or later."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.audio_samples import sample
from tests.cli.conftest import MP3, Call

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("bucket")]


@pytest.fixture
def aiff(tmp_path: Path) -> Path:
    path = tmp_path / "song.aiff"
    path.write_bytes(sample("aiff"))
    return path


def stored(call: Call, *args: str | Path) -> str:
    code, out, _ = call("put", "--no-journal", *args)
    assert code == 0
    return out.splitlines()[0]


def derived_of(call: Call, audio_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call("show", "--json", audio_id)[1])["derived"]
    return found


def test_put_makes_previews_of_what_browsers_refuse(call: Call, aiff: Path, tmp_path: Path) -> None:
    audio_id = stored(call, "--preview", aiff)
    assert derived_of(call, audio_id).keys() == {"preview"}
    target = tmp_path / "fetched.mp3"
    assert call("get", audio_id, "--part", "preview", "-o", target)[0] == 0
    probed = json.loads(call("probe", "--json", target)[1])
    assert (probed["codec"], probed["duration_s"]) == ("mp3", 2.0)
    assert derived_of(call, stored(call, "--preview", MP3)) == {}
    audio_id = stored(call, "--preview-all", "--preview-bitrate", "64", MP3)
    assert derived_of(call, audio_id).keys() == {"preview"}


def test_analyse_makes_previews_of_what_is_stored(call: Call, aiff: Path) -> None:
    refused, played = stored(call, aiff), stored(call, MP3)
    code, out, _ = call("analyse", "--all", "--preview")
    assert code == 0
    assert {refused, played} <= set(out.split())
    assert derived_of(call, refused).keys() == {"preview", "waveform"}
    assert derived_of(call, played).keys() == {"waveform"}
    before = derived_of(call, refused)
    assert call("analyse", refused, "--preview")[0] == 0
    assert derived_of(call, refused) == before
    assert call("analyse", refused, "--preview", "--preview-bitrate", "192")[0] == 0
    assert derived_of(call, refused) != before


@pytest.mark.parametrize("command", ["put", "analyse"])
def test_a_bit_rate_is_one_of_mp3_and_of_a_preview(call: Call, aiff: Path, command: str) -> None:
    what = stored(call, aiff) if command == "analyse" else str(aiff)
    code, _, err = call(command, what, "--preview-bitrate", "64")
    assert code == 2
    assert "is for --preview or --preview-all" in err
    code, _, err = call(command, what, "--preview", "--preview-bitrate", "100")
    assert code != 0
    assert "it must be one of 64, 96, 128" in err


def test_put_refuses_previews_without_a_look(call: Call, aiff: Path) -> None:
    code, _, err = call("put", "--preview", "--check", "none", aiff)
    assert code == 2
    assert "not with --check none" in err
