"""The page in real browsers: on a directory, on the strict server, wide, narrow, light, dark."""

import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from audiostore import AudioStorageManager, BulkItem
from audiostore.serve import StartToken, create_app
from audiostore.serve.running import Server
from audiostore.testing import cover
from tests.assets import EXAMPLES, opened, tone
from tests.audio_samples import sample
from tests.browser.browsers import BROWSERS, CHROMIUM, FIREFOX, PACKAGES, Browser, opened as shown
from tests.page.harness import Harness
from tests.timing import PATIENCE_S, wait_until

PAGE = Path("src/audiostore/serve/page")
MOST_BYTES = 60_000
TOKEN = "a-token-of-the-page"
PLAYS = "Morning, in C|A Brisk Walk|Harbour Lights|Last Tram Home|Lied für Ümläute|Paper Lanterns"
LONG, REFUSED, LARGE = "A long tone", "An AIFF", "A large tone"


@dataclass(frozen=True)
class Look:
    """A browser, a store, and how the page is looked at."""

    browser: Browser
    store: str
    arguments: tuple[str, ...] = ()
    settings: tuple[tuple[str, bool | int | str], ...] = ()


LOOKS = [
    Look(CHROMIUM, "local", ("--window-size=1200,900",)),
    Look(CHROMIUM, "gcs", ("--window-size=500,900", "--blink-settings=preferredColorScheme=0")),
    Look(FIREFOX, "gcs"),
    Look(FIREFOX, "local", ("--width=390", "--height=844"), (("ui.systemUsesDarkTheme", 1),)),
]


def test_the_page_is_small_and_needs_nothing_from_elsewhere() -> None:
    files = [path for path in PAGE.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for path in files:
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path
        assert "https://" not in text, path


def fill(manager: AudioStorageManager) -> None:
    """Store what the script of the test expects."""
    tracks = sorted(
        path
        for path in EXAMPLES.iterdir()
        if path.suffix in (".mp3", ".wav", ".ogg", ".opus", ".flac", ".m4a")
    )
    covers = {path.stem: path for path in EXAMPLES.iterdir() if path.suffix in (".jpg", ".png")}
    for outcome in manager.bulk.upload([BulkItem(each, covers.get(each.stem)) for each in tracks]):
        assert outcome.error is None, outcome
    manager.upload_audio_file(sample("aiff"), filename="An AIFF.aiff", metadata={"title": REFUSED})
    manager.upload_audio_file(tone(40.0, title=LONG), filename="long.wav")
    for number, asset in enumerate(manager.list()):
        if number % 2:
            manager.analyse(asset.audio_id)
    (asset,) = (each for each in manager.list() if each.title == "Lied für Ümläute")
    assert asset.thumbnail is not None
    manager.store.update(asset.thumbnail, {}, content_type="image/gif")  # a problem to find


@contextmanager
def serving(manager: AudioStorageManager) -> Iterator[tuple[Harness, int]]:
    """Serve a store, and the script."""
    whole = tone(1.0, title="A tone of the tests")
    fixtures = {"tone.wav": whole, "cut.wav": whole[:40_000], "cover.png": cover(rgb=(200, 30, 30))}
    fixtures["other.png"] = cover(32)
    fixtures["large.wav"] = tone(200.0, title=LARGE)  # over 16 MiB
    harness = Harness(
        create_app(manager, access=StartToken(TOKEN), share_secret=TOKEN.encode()), fixtures
    )
    ports: list[int] = []
    listening: Callable[[str, int], object] = lambda _, port: ports.append(port)  # noqa: E731
    server = Server(harness, host="127.0.0.1", port=0, on_listening=listening)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: ports or not thread.is_alive())
        yield harness, ports[0]
    finally:
        server.stop()
        thread.join(PATIENCE_S)


@pytest.mark.browser
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.browser.name}-{look.store}")
def test_people_find_hear_correct_and_store(look: Look, tmp_path: Path) -> None:
    missing = [browser.name for browser in BROWSERS if browser.find() is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"{' and '.join(missing)} not found: apt-get install {PACKAGES}")
    failed = used(look, tmp_path / "store")
    assert not failed, failed


def used(look: Look, folder: Path) -> list[dict[str, Any]]:
    """Have the script use the page of a new store; return the steps that failed."""
    folder.mkdir()
    with opened(look.store, folder) as store:
        store.change_settings(store.settings(), soft_delete_s=604_800)
        with AudioStorageManager(store=store) as manager:
            fill(manager)
            query = {
                "token": TOKEN,
                "tracks": manager.count(),
                "plays": PLAYS,
                "long": LONG,
                "refused": REFUSED,
            }
            with serving(manager) as (harness, port):
                url = f"http://127.0.0.1:{port}/?{urlencode(query)}"
                with shown(dressed(look), url) as log:
                    report = harness.reports.get(timeout=900)
                    assert report, log.read_text(errors="replace")
            failed = [step for step in report["steps"] if step["error"]]
            if failed:
                return failed
            assert len(report["steps"]) > 12
            (asset,) = (each for each in manager.list() if each.title == "Paper Lanterns, again")
            assert asset.custom["mood"] == "loud"
            cover_bytes = manager.read_bytes(asset.audio_id, part="thumbnail")
            assert cover_bytes == harness.fixtures["cover.png"]
    return []


def dressed(look: Look) -> Browser:
    """Return the browser with the arguments and settings of a look."""

    def arguments(profile: Path) -> list[str]:
        found = [*look.browser.arguments(profile), *look.arguments]
        if look.settings:
            with profile.joinpath("user.js").open("a") as file:
                for name, value in look.settings:
                    file.write(f'\nuser_pref("{name}", {value});')
        return found

    return dataclasses.replace(look.browser, arguments=arguments)
