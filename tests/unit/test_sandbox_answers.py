"""What a sandbox worker answers is checked: it may be under the control of the file."""

import contextlib
import json
import math
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from audiostore.analysis import Loudness, Waveform
from audiostore.media.images import identify_image
from audiostore.media.info import (
    AnalysedAudio,
    Artwork,
    AudioInfo,
    Chapter,
    DecodedInfo,
    PreviewInfo,
)
from audiostore.media.sandbox.answers import analysed_audio, audio_info, decoded_info
from audiostore.media.sandbox.process import InvalidAnswerError

COVER = (Path(__file__).parents[2] / "examples" / "morning-in-c.jpg").read_bytes()
INFO = AudioInfo(
    "MP3",
    "mp3",
    10.5,
    True,
    44_100,
    2,
    bitrate_bps=128_000,
    tags={"title": "Tön", "artist": "Wir"},
    chapters=(Chapter(0.0, 5.25, "one"),),
    artwork=Artwork(COVER, identify_image(COVER)),
)


def sent(info: AudioInfo) -> dict[str, object]:
    fields: dict[str, object] = json.loads(json.dumps(info.to_dict()))
    return fields


def test_facts_survive_the_way() -> None:
    assert audio_info(sent(INFO), COVER, "MP3") == INFO
    plain = replace(INFO, artwork=None, artwork_problem="too large", tags={}, chapters=())
    assert audio_info(sent(plain), b"", "MP3") == plain


WRONG: dict[str, list[object]] = {
    "codec": [None, 1, "", "m p3", "x" * 65, "mp3\n"],
    "duration_s": [None, "1", True, -1, math.nan, math.inf, 1e12, 10**400],
    "sample_rate_hz": [None, 0, -1, 44_100.0, True, 10**9],
    "channels": [None, 0, 70_000, "2"],
    "bits_per_sample": [0, -8, "16", 10**6],
    "bitrate_bps": [0, -1, 1.5, 1 << 90],
    "tags": [
        None,
        [],
        {"title": 1},
        {"title": "a\x1b[2J"},
        {"title": "a\nb"},
        {"title": "x" * 1_001},
        {"x" * 65: "a"},
        {f"t{n}": "a" for n in range(65)},
    ],
    "chapters": [
        None,
        {},
        [1],
        [{"start_s": 0, "end_s": 1}],
        [{"start_s": 0, "end_s": "1", "title": ""}],
        [{"start_s": 0, "end_s": 1, "title": "\x07"}],
        [{"start_s": 0, "end_s": 1, "title": ""}] * 1_001,
    ],
    "artwork_problem": [1, []],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_fact_of_another_type_or_beyond_its_limits_is_refused(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(InvalidAnswerError):
            audio_info({**sent(INFO), name: value}, COVER, "MP3")
    if name not in ("bits_per_sample", "bitrate_bps", "artwork_problem"):
        with pytest.raises(InvalidAnswerError):
            audio_info({key: value for key, value in sent(INFO).items() if key != name}, b"", "MP3")


def test_what_artwork_is_goes_by_its_bytes_and_the_format_by_our_own_recognition() -> None:
    claims = {**sent(INFO), "container": "exe", "artwork": {"format": "PNG", "width": -1}}
    assert audio_info(claims, COVER, "MP3") == INFO
    with pytest.raises(InvalidAnswerError):
        audio_info(sent(INFO), COVER[:-50], "MP3")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*sent(INFO), "samples"]), JSON), st.booleans())
def test_any_json_is_a_value_or_refused(fields: dict[str, object], is_mixed: bool) -> None:
    whole = {**sent(INFO), **fields} if is_mixed else fields
    with contextlib.suppress(InvalidAnswerError):
        found = audio_info(whole, b"", "MP3")
        text = "".join([*found.tags, *found.tags.values()])
        assert "Cc" not in map(unicodedata.category, text)
        json.dumps(found.to_dict(), allow_nan=False)
    with contextlib.suppress(InvalidAnswerError):
        decoded_info(whole)


@pytest.mark.parametrize(
    "name", ["duration_s", "samples", "sample_rate_hz", "channels", "warnings"]
)
def test_what_decoding_found_is_checked(name: str) -> None:
    fields: dict[str, object] = {
        "duration_s": 1.5, "samples": 12_000, "sample_rate_hz": 8_000, "channels": 1,
        "warnings": ["has a gap"],
    }  # fmt: skip
    assert decoded_info(fields) == DecodedInfo(1.5, 12_000, 8_000, 1, ("has a gap",))
    wrong: object
    for wrong in (None, "1", -1, [1], [""] * 17, 1 << 90, math.nan):
        with pytest.raises(InvalidAnswerError):
            decoded_info({**fields, name: wrong})


WAVEFORM = Waveform(44_100, 256, bytes([0x80, 0]), bytes([0x7F, 1]))
ANALYSED: dict[str, object] = {
    "duration_s": 10.5,
    "samples": 463_050,
    "sample_rate_hz": 44_100,
    "channels": 2,
    "warnings": [],
    "integrated_lufs": -14.2,
    "range_lu": None,
    "sample_peak_dbfs": -0.1,
    "true_peak_dbtp": 0,
    "damage": "",
    "problem": "",
}


def test_an_analysis_survives_the_way() -> None:
    assert analysed_audio(ANALYSED, WAVEFORM.to_dat()) == AnalysedAudio(
        DecodedInfo(10.5, 463_050, 44_100, 2), "", Loudness(-14.2, None, -0.1, 0.0), WAVEFORM, ""
    )
    preview: dict[str, object] = {
        "duration_s": 10.5,
        "sample_rate_hz": 44_100,
        "channels": 2,
        "bitrate_bps": 128_000,
    }
    found = analysed_audio({**ANALYSED, "preview": preview}, WAVEFORM.to_dat())
    assert found.preview == PreviewInfo(10.5, 44_100, 2, 128_000)
    for name in preview:
        for value in (None, -1, "1", 1 << 90, math.nan):
            with pytest.raises(InvalidAnswerError):
                analysed_audio({**ANALYSED, "preview": preview | {name: value}}, b"")
    problem = analysed_audio({**ANALYSED, "problem": "too little memory"}, b"")
    assert (problem.loudness, problem.waveform) == (None, None)


@pytest.mark.parametrize("field", ["integrated_lufs", "range_lu", "true_peak_dbtp"])
@pytest.mark.parametrize("value", ["-14", True, math.nan, math.inf, -math.inf, 10**400, 1e9, []])
def test_loudness_that_cannot_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidAnswerError):
        analysed_audio({**ANALYSED, field: value}, WAVEFORM.to_dat())


@pytest.mark.parametrize(
    "dat",
    [
        b"",
        WAVEFORM.to_dat()[:-1],
        COVER,
        Waveform(44_100, 256, b"", b"").to_dat(),
        Waveform(1 << 30, 256, b"\0", b"\0").to_dat(),
        Waveform(1, 1 << 30, b"\0", b"\0").to_dat(),
    ],
)
def test_a_waveform_that_cannot_be_is_refused(dat: bytes) -> None:
    with pytest.raises(InvalidAnswerError):
        analysed_audio(ANALYSED, dat)


@pytest.mark.parametrize("field", ["damage", "problem", "samples", "duration_s"])
def test_an_analysis_that_lacks_a_field_is_refused(field: str) -> None:
    with pytest.raises(InvalidAnswerError):
        analysed_audio({k: v for k, v in ANALYSED.items() if k != field}, WAVEFORM.to_dat())
