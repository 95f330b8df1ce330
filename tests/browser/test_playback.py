"""A stored example of each format plays in each browser, or is known not to."""

import os
from collections.abc import Mapping

import pytest

from audiostore.media.formats import AUDIO_FORMATS
from tests.browser.browsers import BROWSERS, CHROMIUM, FIREFOX, PACKAGES, Browser
from tests.browser.playback import (
    MINUTES,
    PAGE,
    PREVIEWED_ON_REQUEST,
    SAMPLES,
    TOLERANCE_S,
    Observation,
    observe,
    observe_all,
    page,
    preview_of,
)
from tests.browser.server import Faults

Observed = Mapping[Browser, Mapping[str, Observation]]

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
    "wav of MS ADPCM",
    "wav of IMA ADPCM",
    "m4a of ac3",
    "m4a of eac3",
    "m4a of amr",
}
"""What no browser can demux or decode."""
ALSO_REFUSED: Mapping[Browser, set[str]] = {
    CHROMIUM: {"wav of doubles"},
    FIREFOX: {"aac after ID3", "flac after ID3", "rf64", "bw64", "mov of pcm"},
}
"""What only one of them can."""
NOT_TIMED = {
    CHROMIUM: {"flac from a pipe", "webm from a pipe", "webm from a browser"},
    FIREFOX: {"flac from a pipe", "webm from a pipe", "webm from a browser"},
}
"""Files that do not state their duration."""
BADLY_TIMED: Mapping[Browser, set[str]] = {
    CHROMIUM: set(),
    FIREFOX: {"aac", "aac example", "two minutes of aac"},
}
"""Files whose duration the browser estimates badly."""

FETCHED_WHOLE: Mapping[Browser, set[str]] = {
    CHROMIUM: set(),
    FIREFOX: {"two minutes of ogg vorbis", "two minutes of aac"},
}
"""What the browser may have fetched before it seeks."""


@pytest.fixture(scope="module")
def browsers() -> tuple[Browser, ...]:
    """All browsers, which are installed."""
    missing = [browser.name for browser in BROWSERS if browser.find() is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI needs {' and '.join(missing)}: apt-get install {PACKAGES}")
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found: apt-get install {PACKAGES}")
    return BROWSERS


@pytest.fixture(scope="module")
def observed(browsers: tuple[Browser, ...]) -> Observed:
    """All observations, from one session of each browser."""
    assert browsers
    return observe_all(*SAMPLES, *MINUTES)


@pytest.mark.parametrize("browser", BROWSERS, ids=lambda browser: browser.name)
def test_a_stored_example_of_each_format_plays_or_is_known_not_to(
    observed: Observed, browser: Browser
) -> None:
    found = observed[browser]
    refused = REFUSED | ALSO_REFUSED[browser]
    assert found.keys() - set(map(preview_of, found)) == {*SAMPLES, *MINUTES}
    expected = {
        name: "no"
        if name in refused
        else "plays, from the start only"
        if name in NOT_TIMED[browser]
        else "plays, shows another duration"
        if name in BADLY_TIMED[browser]
        else "plays"
        for name in found
    }
    assert {name: o.verdict for name, o in found.items()} == expected
    for name, one in found.items():
        assert one.content_type == one.blob.content_type, name
        # A content type must not keep a player from playing what it could play.
        assert one.can_play or one.verdict == "no", name
        if name in refused:
            assert one.error_code == 4, name  # MEDIA_ERR_SRC_NOT_SUPPORTED
            assert "playing" not in one.events, name


@pytest.mark.parametrize("browser", BROWSERS, ids=lambda browser: browser.name)
def test_every_preview_plays(observed: Observed, browser: Browser) -> None:
    found = observed[browser]
    previews = {name: found[preview_of(name)] for name in found if preview_of(name) in found}
    assert len(previews) > 20
    assert {o.verdict for o in previews.values()} == {"plays"}
    for name, preview in previews.items():
        ours_s = float(found[name].blob.metadata["duration_s"])
        assert preview.duration_s == pytest.approx(ours_s, abs=TOLERANCE_S), name


def test_what_some_browser_refuses_has_a_preview_and_nothing_else(observed: Observed) -> None:
    refused = {
        name
        for name in {*SAMPLES, *MINUTES} - {*PREVIEWED_ON_REQUEST}
        if {found[name].verdict for found in observed.values()} != {"plays"}
    }
    usual = {name for name in SAMPLES if preview_of(name) in observed[CHROMIUM]}
    usual |= {name for name in MINUTES if preview_of(name) in observed[CHROMIUM]}
    assert usual - {*PREVIEWED_ON_REQUEST} == refused


def test_most_formats_play_as_they_are_stored(observed: Observed) -> None:
    played = {o.content_type for o in observed[CHROMIUM].values() if o.verdict == "plays"}
    known = {f.content_type for f in AUDIO_FORMATS}
    assert known - {str(t).partition(";")[0] for t in played} == {
        "audio/aiff",
        "audio/x-ms-wma",
        "audio/x-caf",
    }


@pytest.mark.parametrize("browser", BROWSERS, ids=lambda browser: browser.name)
def test_seeking_to_the_middle_requests_a_range(observed: Observed, browser: Browser) -> None:
    for name in {*MINUTES} - FETCHED_WHOLE[browser]:
        ranges = observed[browser][name].ranges_after_seek
        assert ranges, (name, observed[browser][name].requests)
        assert {found.status for found in ranges} == {206}, name
        assert all(str(found.content_range).startswith("bytes ") for found in ranges), name


def test_the_page_matches_the_browsers(observed: Observed) -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(observed), "run: python -m tests.browser"


def test_a_server_without_ranges_is_detected(browsers: tuple[Browser, ...]) -> None:
    name = "two minutes of wav"
    found = observe(CHROMIUM, name, faults=Faults(ignores_range=True), patience_s=2.0)[name]
    assert browsers
    assert found.verdict.startswith("fails")
    assert not found.ranges_after_seek


def test_a_wrong_content_type_is_detected(browsers: tuple[Browser, ...]) -> None:
    name = "mp3 example"
    faults = Faults(content_type="application/octet-stream")
    found = observe(CHROMIUM, name, faults=faults)[name]
    assert browsers
    assert found.content_type != found.blob.content_type
    assert found.verdict == "plays, but canPlayType denies application/octet-stream"
