"""Analysing from the command line, and what is shown of it."""

import json
import struct
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, Waveform
from tests.audio_samples import encode
from tests.cli.conftest import FLAC, MP3, Call
from tests.cli.test_terminal import _on_terminal

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("bucket")]


def stored(call: Call, *args: str | Path) -> str:
    code, out, _ = call("put", "--no-journal", *args)
    assert code == 0
    return out.splitlines()[0]


def test_put_analyses_on_request(call: Call) -> None:
    audio_id = stored(call, "--analyse", MP3)
    shown = json.loads(call("show", "--json", audio_id)[1])
    loudness = shown["metadata"]["loudness"]
    assert loudness["integrated_lufs"] < 0
    assert loudness["replaygain_db"] == round(-18 - loudness["integrated_lufs"], 2)
    assert loudness["true_peak_dbtp"] is None
    assert len(shown["audio"]["metadata"]["overview"]) == 200
    assert shown["derived"].keys() == {"waveform"}
    audio_id = stored(call, "--true-peak", FLAC)
    shown = json.loads(call("show", "--json", audio_id)[1])
    assert shown["metadata"]["loudness"]["true_peak_dbtp"] is not None


def test_put_refuses_to_analyse_without_a_look(call: Call) -> None:
    code, _, err = call("put", "--analyse", "--check", "none", MP3)
    assert code == 2
    assert "not with --check none" in err


def test_show_has_the_figures_and_draws_on_a_terminal_alone(call: Call) -> None:
    audio_id = stored(call, "--true-peak", MP3)
    code, out, _ = call("show", audio_id)
    assert code == 0
    assert "  loudness        -" in out
    assert "  sample peak     -" in out
    assert "  true peak       -" in out
    assert "overview" not in out
    assert not set(out) & set("▁▂▃▄▅▆▇█")
    code, shown = _on_terminal("show", audio_id, PYTHONIOENCODING="utf-8")
    assert code == 0
    assert set(shown) & set("▁▂▃▄▅▆▇█")
    code, shown = _on_terminal("show", audio_id, PYTHONIOENCODING="ascii")
    assert code == 0
    assert "loudness" in shown
    assert "?" not in shown


def test_analyse_goes_on_where_it_stopped(call: Call) -> None:
    first, second = stored(call, MP3), stored(call, FLAC)
    code, out, err = call("analyse", first)
    assert (code, err) == (0, "")
    assert out.startswith(f"{first}  ")
    assert " LUFS " in out
    assert out.endswith(f"  {MP3.name}\n")
    created = AudioStorageManager().get(first).derived["waveform"].generation
    code, out, _ = call("analyse", "--all")
    assert code == 0
    assert sorted(line.split()[0] for line in out.splitlines()) == sorted([first, second])
    assert AudioStorageManager().get(first).derived["waveform"].generation == created
    levels = call("list", "--format", "{loudness_lufs} {true_peak_dbtp}")[1].splitlines()
    assert len(levels) == 2
    assert all(-40 < float(level) < 0 for level in levels)
    code, out, _ = call("analyse", "--all", "--true-peak", "--json")
    assert code == 0
    for line in out.splitlines():
        assert json.loads(line)["metadata"]["loudness"]["true_peak_dbtp"] is not None
    assert call("check")[0] == 0


def test_one_that_cannot_be_analysed_does_not_stop_the_others(call: Call, tmp_path: Path) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + (34).to_bytes(4, "big") + bytes(34) + bytes(5_000))
    bad, good = stored(call, "--check", "none", broken), stored(call, MP3)
    code, out, err = call("analyse", "--all")
    assert code == 4
    assert out.startswith(good)
    assert "cannot analyse " in err
    assert bad in err
    assert call("analyse", bad)[0] == 2
    assert call("analyse", "00000000-0000-4000-8000-000000000000")[0] == 3
    assert call("analyse")[0] == 2


@pytest.mark.usefixtures("without_ffmpeg")
def test_without_ffmpeg_the_reason_comes_before_what_was_done(call: Call) -> None:
    stored(call, MP3)
    stored(call, FLAC)
    code, out, err = call("analyse", "--all")
    assert (code, out) == (2, "")
    error, stopped = err.splitlines()
    assert error.startswith("audiostore: error: decoding audio needs FFmpeg, which is not")
    assert stopped.startswith("audiostore: stopped: 0 ")


def test_damaged_sound_is_analysed_with_a_warning(call: Call, tmp_path: Path) -> None:
    data = bytearray(encode("flac", "flac", seconds=4.0))
    data[len(data) // 2 : len(data) // 2 + 3_000] = bytes(3_000)
    path = tmp_path / "damaged.flac"
    path.write_bytes(data)
    code, _, err = call("analyse", stored(call, path))
    assert code == 0
    assert ": its sound misses " in err
    assert "the rest of it was analysed" in err


def test_waveform_writes_what_the_name_says(call: Call, tmp_path: Path) -> None:
    audio_id = stored(call, "--analyse", MP3)
    waveform = AudioStorageManager().waveform(audio_id)
    for suffix in ("dat", "json", "svg", "png"):
        path = tmp_path / f"song.{suffix}"
        assert call("waveform", audio_id[:8], "-o", path)[0] == 0
        data = path.read_bytes()
        if suffix == "dat":
            assert Waveform.from_dat(data) == waveform
            assert struct.unpack_from("<ii", data) == (2, 1)
        elif suffix == "json":
            assert json.loads(data) == waveform.to_dict()
        else:
            assert data.startswith({"svg": b"<svg ", "png": b"\x89PNG"}[suffix])
    code, out, _ = call("waveform", audio_id)
    assert code == 0
    assert json.loads(out) == waveform.to_dict()
    code, _, err = call("waveform", audio_id, "-o", tmp_path / "song.mp3")
    assert code == 2
    assert "does not end with one of .svg, .png, .json, .dat" in err


def test_waveform_says_how_to_get_one(call: Call) -> None:
    audio_id = stored(call, MP3)
    code, _, err = call("waveform", audio_id)
    assert code == 3
    assert f"'audiostore analyse {audio_id} --bucket " in err
    assert err.rstrip().endswith("' makes it")


def test_a_fleet_run_analyses_a_store(call: Call) -> None:
    first = stored(call, MP3)
    assert call("analyse", "--all", "--run", "loud", "--chunks", "2")[0] == 0
    assert call("fleet", "work", "loud")[0] == 0
    code, out, _ = call("fleet", "results", "loud")
    assert code == 0
    assert out.startswith(f"{first}  ")
    assert out.endswith(" LUFS\n")
    found = json.loads(call("fleet", "results", "--json", "loud")[1])
    assert (found["audio_id"], found["error"]) == (first, None)
    assert AudioStorageManager().get(first).loudness is not None
    assert call("analyse", first, "--run", "other")[0] == 2
    assert call("analyse", first, "--chunks", "2")[0] == 2
