"""A stored example of each format plays in a browser, or is known not to."""

import os
from collections.abc import Mapping

import pytest

from audiostore.media.formats import AUDIO_FORMATS
from tests.audio_samples import AUDIO
from tests.browser.chromium import find_chromium
from tests.browser.playback import MINUTES, PAGE, Observation, observe, page
from tests.browser.server import Faults

REFUSED = {
    "mp2",
    "m4a of alac",
    "aiff",
    "aifc",
    "aifc of mu-law",
    "wma",
    "caf",
    "caf of alac",
    "caf from a pipe",
}
"""Formats that Chromium cannot demux or decode."""
UNTIMED = {"flac from a pipe", "webm from a pipe", "webm from a browser"}
"""Files that do not state their duration."""


@pytest.fixture(scope="module")
def program() -> str:
    found = find_chromium()
    if found is not None:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("CI needs a browser: apt-get install chromium")
    pytest.skip("Chromium not found: apt-get install chromium")


@pytest.fixture(scope="module")
def observed(program: str) -> dict[str, Observation]:
    """All observations, from one browser session."""
    return observe(program, *AUDIO, *MINUTES)


def test_a_stored_example_of_each_format_plays_or_is_known_not_to(
    observed: Mapping[str, Observation],
) -> None:
    assert observed.keys() == {*AUDIO, *MINUTES}
    expected = {
        name: "no"
        if name in REFUSED
        else "plays, from the start only"
        if name in UNTIMED
        else "plays"
        for name in observed
    }
    assert {name: o.verdict for name, o in observed.items()} == expected
    played = {o.content_type for o in observed.values() if o.verdict == "plays"}
    known = {f.content_type for f in AUDIO_FORMATS}
    assert known - {str(t).partition(";")[0] for t in played} == {
        "audio/aiff",
        "audio/x-ms-wma",
        "audio/x-caf",
    }
    for name, found in observed.items():
        assert found.content_type == found.blob.content_type, name
        # A content type must not keep a player from playing what it could play.
        assert found.can_play or found.verdict == "no", name
        if name in REFUSED:
            assert found.error_code == 4, name  # MEDIA_ERR_SRC_NOT_SUPPORTED
            assert "playing" not in found.events, name


def test_seeking_to_the_middle_requests_a_range(observed: Mapping[str, Observation]) -> None:
    for name in MINUTES:
        ranges = observed[name].ranges_after_seek
        assert ranges, (name, observed[name].requests)
        assert {found.status for found in ranges} == {206}, name
        assert all(str(found.content_range).startswith("bytes ") for found in ranges), name


def test_the_page_matches_chromium(observed: Mapping[str, Observation]) -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(observed), "run: python -m tests.browser"


def test_a_server_without_ranges_is_detected(program: str) -> None:
    name = "two minutes of wav"
    found = observe(program, name, faults=Faults(ignores_range=True), patience_s=2.0)[name]
    assert found.verdict.startswith("fails")
    assert not found.ranges_after_seek


def test_a_wrong_content_type_is_detected(program: str) -> None:
    name = "mp3 example"
    faults = Faults(content_type="application/octet-stream")
    found = observe(program, name, faults=faults)[name]
    assert found.content_type != found.blob.content_type
    assert found.verdict == "plays, but canPlayType denies application/octet-stream"
