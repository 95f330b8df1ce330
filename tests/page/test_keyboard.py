"""The page by keyboard alone: find, play, seek, edit, delete, restore, in real browsers."""

import os
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from audiostore.testing import cover
from tests.assets import tone
from tests.browser.browsers import BROWSERS, PACKAGES, Browser
from tests.page.keyboard import Keyboard, at_keyboard, type_text
from tests.page.test_page import TOKEN, serving
from tests.timing import wait_until

MOST_TABS = 60
FOCUSED = """(() => {
  const at = document.activeElement;
  return at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent.trim();
})()"""
AT = "document.querySelector('audio').currentTime"


def focused(keyboard: Keyboard) -> str:
    """Return the name of the element that has the focus."""
    found: str = keyboard.evaluate(FOCUSED)
    return found


def tab_to(keyboard: Keyboard, name: str, *, back: bool = False) -> None:
    """Press Tab until an element has the focus."""
    passed = []
    for _ in range(MOST_TABS):
        keyboard.press("Tab", shift=back)
        passed.append(focused(keyboard))
        if passed[-1] == name:
            return
    raise AssertionError(f"Tab does not lead to {name!r}, but to {passed}")


def await_true(keyboard: Keyboard, script: str) -> None:
    """Wait until an expression is true in the page."""
    wait_until(lambda: keyboard.evaluate(f"Boolean({script})"))


@pytest.mark.browser
@pytest.mark.parametrize("browser", BROWSERS, ids=lambda browser: browser.name)
def test_keys_alone_find_play_seek_edit_delete_and_restore(
    browser: Browser, tmp_path: Path
) -> None:
    if browser.find() is None and os.environ.get("CI") != "true":
        pytest.skip(f"{browser.name} not found: apt-get install {PACKAGES}")
    with AudioStorageManager(str(tmp_path / "store")) as manager:
        for title in ("Birds", "Rain"):
            manager.upload_audio_with_thumbnail(
                tone(60.0, title=title), cover(), filename=f"{title}.wav"
            )
        with (
            serving(manager) as (_, port),
            at_keyboard(browser, f"http://127.0.0.1:{port}/?token={TOKEN}") as keyboard,
        ):
            await_true(keyboard, "document.querySelectorAll('.track').length === 2")
            use(keyboard)
        (asset,) = (each for each in manager.list() if each.title == "Rain, again")
        assert manager.count() == 2
        assert asset.custom["title"] == "Rain, again"


def use(keyboard: Keyboard) -> None:
    """Do everything with keys."""
    # The way to the content is the first stop.
    keyboard.press("Tab")
    assert focused(keyboard) == "Skip to content"
    keyboard.press("/")
    type_text(keyboard, "rain")
    await_true(keyboard, "document.querySelectorAll('.track').length === 1")
    keyboard.press("Enter")
    assert focused(keyboard) == "Play Rain"

    keyboard.press(" ")
    await_true(keyboard, f"{AT} > 0.1")
    assert focused(keyboard) == "Pause Rain"
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('audio').paused")
    keyboard.press("k")
    await_true(keyboard, "!document.querySelector('audio').paused")
    keyboard.press("k")
    await_true(keyboard, "document.querySelector('audio').paused")

    tab_to(keyboard, "Position")
    keyboard.press("Home")
    await_true(keyboard, f"{AT} === 0")
    for _ in range(3):
        keyboard.press("ArrowRight")
    await_true(keyboard, f"{AT} >= 14 && {AT} <= 16")  # five seconds each
    keyboard.press("ArrowLeft")
    await_true(keyboard, f"{AT} >= 9 && {AT} <= 11")
    assert focused(keyboard) == "Position"
    keyboard.press("k")  # the slider takes no letters
    await_true(keyboard, "!document.querySelector('audio').paused")
    keyboard.press("k")
    await_true(keyboard, "document.querySelector('audio').paused")

    tab_to(keyboard, "Rain", back=True)
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('#field-title')")
    tab_to(keyboard, "Title")
    keyboard.press("End")
    type_text(keyboard, ", again")
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('main h1').textContent === 'Rain, again'")
    assert focused(keyboard) == "Title"  # where it was: not at the top of the page

    tab_to(keyboard, "Delete …", back=True)
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('dialog').open")
    assert focused(keyboard) == "Keep it"
    keyboard.press("Escape")
    await_true(keyboard, "!document.querySelector('dialog').open")
    assert focused(keyboard) == "Delete …"
    keyboard.press(" ")
    await_true(keyboard, "document.querySelector('dialog').open")
    keyboard.press("Tab")
    assert focused(keyboard) == "Delete"
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('main h1').textContent.includes('was deleted')")
    assert focused(keyboard) == "Restore it"
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('main h1').textContent === 'Rain, again'")
    assert keyboard.evaluate("document.activeElement.id") == "main"

    tab_to(keyboard, "Delete …")
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('dialog').open")
    keyboard.press("Tab")
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('main h1').textContent.includes('was deleted')")
    tab_to(keyboard, "Trash", back=True)
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('main li button')")
    tab_to(keyboard, "Restore Rain, again")
    keyboard.press("Enter")
    await_true(keyboard, "document.querySelector('main li a')")
    assert focused(keyboard) == "Rain, again"
