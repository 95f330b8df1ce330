"""attach, detach and what other commands say of derived and attached parts, as typed."""

import json
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from audiostore.asset import WAVEFORM, MarkedFile
from audiostore.sources import BytesSource
from tests.cli.conftest import FLAC, MP3, Call
from tests.cli.test_terminal import _on_terminal

WORDS = "WEBVTT\n\n00:00.000 --> 00:02.000\nhello\n"


@pytest.fixture
def audio_id(call: Call, bucket: str) -> str:
    del bucket
    Path("words.vtt").write_text(WORDS)
    Path("words.txt").write_text("hello")
    return call("put", MP3)[1].splitlines()[0]


def _derive(bucket: str, audio_id: str) -> None:
    with AudioStorageManager(bucket) as manager:
        file = MarkedFile(WAVEFORM, BytesSource(b"peaks"), ".dat", maker="waveform/1")
        manager._marked.store(audio_id, file)


def _shown(call: Call, audio_id: str) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in call("show", audio_id)[1].splitlines()]


def test_a_transcript_is_attached_shown_fetched_and_detached(call: Call, audio_id: str) -> None:
    code, out, err = call("attach", audio_id[:8], "transcript", "words.vtt")
    assert (code, err) == (0, "")
    assert f"audio/{audio_id}/transcript.vtt" in out
    assert ["state", "current"] in _shown(call, audio_id)
    assert call("get", audio_id, "--part", "transcript", "-o", "out.vtt")[0] == 0
    assert Path("out.vtt").read_text() == WORDS
    shown = json.loads(call("attach", audio_id, "transcript", "words.txt", "--json")[1])
    assert shown["attached"]["transcript"]["content_type"] == "text/plain; charset=utf-8"
    assert call("detach", audio_id, "transcript", "--json")[1] == (
        f'{{"audio_id": "{audio_id}", "part": "transcript", "deleted": true}}\n'
    )
    code, _, err = call("detach", audio_id, "transcript")
    assert (code, "has no transcript" in err) == (3, True)


def test_a_dry_run_attaches_and_detaches_nothing(call: Call, audio_id: str) -> None:
    plan = call("attach", audio_id, "transcript", "words.vtt", "--dry-run")
    assert plan == (0, f"would attach the transcript of {audio_id}\n", "")
    assert "transcript" not in call("show", audio_id)[1]
    call("attach", audio_id, "transcript", "words.vtt")
    plan = call("attach", audio_id, "transcript", "words.txt", "-n")
    assert plan == (0, f"would replace the transcript of {audio_id}\n", "")
    plan = call("detach", audio_id, "transcript", "-n")
    assert plan == (0, f"would delete the transcript of {audio_id}\n", "")
    assert "transcript.vtt" in call("show", audio_id)[1]


@pytest.mark.slow
def test_a_person_is_asked_before_a_transcript_is_replaced(call: Call, audio_id: str) -> None:
    arguments = ("attach", audio_id, "transcript")
    assert "[y/N]" not in _on_terminal(*arguments, "words.vtt")[1]
    code, shown = _on_terminal(*arguments, "words.txt", typed=b"n\n")
    assert code == 1
    assert "Replace its transcript?" in shown
    code, shown = _on_terminal("detach", audio_id, "transcript", typed=b"n\n")
    assert code == 1
    assert "Delete the transcript of this asset?" in shown
    assert "transcript.vtt" in call("show", audio_id)[1]


def test_only_those_that_have_a_part_lose_it(call: Call, bucket: str, audio_id: str) -> None:
    other = call("put", FLAC)[1].splitlines()[0]
    _derive(bucket, other)
    code, out, err = call("detach", "--all", "waveform", "--json", "--yes")
    assert (code, err) == (0, "")
    assert [json.loads(line)["audio_id"] for line in out.splitlines()] == [other]
    assert "waveform" not in call("show", audio_id)[1]
    assert "waveform" not in call("show", other)[1]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["attach", "{}", "waveform", "words.txt"], 2, "choose from transcript"),
        (["attach", "{}", "transcript", "words.html"], 2, "extension"),
        (["attach", "{}", "transcript", "missing.txt"], 2, "no file at"),
        (["attach", "{}", "transcript", "words.srt"], 2, "no line has times"),
        (["attach", "00000000", "transcript", "words.txt"], 3, "no asset"),
        (["detach", "{}", "thumbnail"], 2, "choose from waveform, preview, transcript"),
    ],
)
def test_a_mistake_changes_nothing(
    call: Call, audio_id: str, args: list[str], code: int, message: str
) -> None:
    Path("words.srt").write_text("hello")
    Path("words.html").write_text("hello")
    got, out, err = call(*(each.format(audio_id) for each in args))
    assert (got, out) == (code, "")
    assert message in err


@pytest.mark.slow
def test_what_is_of_other_audio_is_shown_as_stale(call: Call, bucket: str, audio_id: str) -> None:
    _derive(bucket, audio_id)
    call("attach", audio_id, "transcript", "words.txt")
    shown = _shown(call, audio_id)
    assert ["derived", "by      waveform/1"] in shown
    with AudioStorageManager(bucket) as manager:
        asset = manager.get(audio_id)
        manager.store.update(asset.derived["waveform"], {"audio_crc32c": "AAAAAA=="})
        manager.store.update(asset.attached["transcript"], {"audio_crc32c": None})
    shown = _shown(call, audio_id)
    assert ["state", "stale: it belongs to other audio"] in shown
    assert ["state", "not used: nothing says which audio it belongs to"] in shown
    assert call("get", audio_id, "--part", "waveform", "-o", "x")[0] == 3
    assert call("get", audio_id, "--part", "transcript", "-o", "x")[0] == 3
    out = call("check", "--json")[1]
    kinds = {json.loads(line)["kind"] for line in out.splitlines()}
    assert kinds == {"mismatched-attached"}  # what is stale may be part of an unfinished upload
    assert call("detach", audio_id, "waveform", "--yes")[0] == 0


def test_other_parts_count_in_statistics(call: Call, bucket: str, audio_id: str) -> None:
    before = call("stats")[1].splitlines()
    _derive(bucket, audio_id)
    call("attach", audio_id, "transcript", "words.txt")
    lines = call("stats")[1].splitlines()
    assert lines[:5] == [*before[:3], "derived  5 B", "attached 5 B"]
    figures = json.loads(call("stats", "--json")[1])
    assert (figures["assets"], figures["derived_bytes"], figures["attached_bytes"]) == (1, 5, 5)


def test_parts_go_along_when_assets_are_copied(call: Call, bucket: str, audio_id: str) -> None:
    call("copy", "--from", bucket, "--to", "./other")
    _derive(bucket, audio_id)
    call("attach", audio_id, "transcript", "words.vtt")
    code, _, err = call("copy", "--from", bucket, "--to", "./other")
    assert code == 0, err
    shown = json.loads(call("show", audio_id, "--json", "--bucket", "./other")[1])
    assert shown["derived"].keys() == {"waveform"}
    assert shown["attached"].keys() == {"transcript"}
