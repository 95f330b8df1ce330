"""A browser that is used by its keyboard: keys are pressed in the browser, not made in the page.

Chromium is driven by its DevTools protocol, over a pipe (`--remote-debugging-pipe`: JSON, each
message ended by NUL); Firefox by Marionette, on a socket (each message behind its length). No
driver and no library is needed.
"""

import dataclasses
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.browser.browsers import CHROMIUM, Browser, opened
from tests.timing import PATIENCE_S, wait_until

# Name -> code, number, what it types (Chromium); the character that stands for it (WebDriver).
_KEYS = {
    "Tab": ("Tab", 9, "", "\ue004"),
    "Enter": ("Enter", 13, "\r", "\ue007"),
    "Escape": ("Escape", 27, "", "\ue00c"),
    "End": ("End", 35, "", "\ue010"),
    "Home": ("Home", 36, "", "\ue011"),
    "ArrowLeft": ("ArrowLeft", 37, "", "\ue012"),
    "ArrowRight": ("ArrowRight", 39, "", "\ue014"),
    " ": ("Space", 32, " ", " "),
}
_FDS = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""DevTools reads requests from descriptor 3, and writes answers to 4."""


class Keyboard(Protocol):
    """A page, and the keyboard in front of it."""

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key, and release it."""
        ...

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        ...

    def open(self, url: str) -> None:
        """Show another page, and wait until it has loaded."""
        ...


def type_text(keyboard: Keyboard, text: str) -> None:
    """Press the keys of a text."""
    for character in text:
        keyboard.press(character)


@contextmanager
def at_keyboard(browser: Browser, url: str) -> Iterator[Keyboard]:
    """Show a page for the duration of the block."""
    with (_chromium if browser.name == CHROMIUM.name else _firefox)(browser, url) as keyboard:
        yield keyboard


class _Chromium:
    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._data = b""
        self._number = 0
        self._session: str | None = None

    def open(self, url: str) -> None:
        if self._session is None:
            self._session = self._attached()
            self.ask("Page.enable")
        self.ask("Page.navigate", url=url)
        self._take(lambda message: message.get("method") == "Page.loadEventFired")

    def _attached(self) -> str:
        """Connect to the page; return the name of the session."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            targets = self.ask("Target.getTargets")["targetInfos"]
            pages = [each["targetId"] for each in targets if each["type"] == "page"]
            if pages:
                found = self.ask("Target.attachToTarget", targetId=pages[0], flatten=True)
                session: str = found["sessionId"]
                return session
        raise AssertionError("Chromium shows no page")

    def ask(self, method: str, **params: object) -> Any:
        """Send a command; return its result."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        answer = self._take(lambda message: message.get("id") == self._number)
        assert "result" in answer, answer
        return answer["result"]

    def _take(self, is_wanted: Callable[[Any], bool]) -> Any:
        while True:
            while b"\0" not in self._data:
                piece = os.read(self._reads, 1 << 16)
                assert piece, "Chromium has ended"
                self._data += piece
            line, _, self._data = self._data.partition(b"\0")
            message = json.loads(line)
            if is_wanted(message):
                return message

    def press(self, key: str, *, shift: bool = False) -> None:
        code, number, text, _ = _KEYS.get(key, ("", ord(key[0].upper()), key, key))
        shared = {
            "key": key,
            "code": code,
            "windowsVirtualKeyCode": number,
            "modifiers": 8 if shift else 0,
        }
        down = "keyDown" if text else "rawKeyDown"
        self.ask("Input.dispatchKeyEvent", type=down, text=text, **shared)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **shared)

    def evaluate(self, script: str) -> Any:
        found = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")


class _Firefox:
    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")
        self._number = 0
        self._take()  # what it is

    def ask(self, name: str, **params: object) -> Any:
        """Send a command; return its result."""
        self._number += 1
        data = json.dumps([0, self._number, name, params]).encode()
        self._file.write(b"%d:%s" % (len(data), data))
        self._file.flush()
        _, _, error, result = self._take()
        assert error is None, error
        return result

    def _take(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            byte = self._file.read(1)
            assert byte, "Firefox has ended"
            size += byte
        return json.loads(self._file.read(int(size[:-1])))

    def press(self, key: str, *, shift: bool = False) -> None:
        character = _KEYS[key][3] if key in _KEYS else key
        strokes = [{"type": kind, "value": character} for kind in ("keyDown", "keyUp")]
        if shift:
            held = "\ue008"
            strokes = [
                {"type": "keyDown", "value": held},
                *strokes,
                {"type": "keyUp", "value": held},
            ]
        actions = [{"type": "key", "id": "keyboard", "actions": strokes}]
        self.ask("WebDriver:PerformActions", actions=actions)

    def evaluate(self, script: str) -> Any:
        found = self.ask("WebDriver:ExecuteScript", script=f"return ({script})", args=[])
        return found["value"]

    def open(self, url: str) -> None:
        self.ask("WebDriver:Navigate", url=url)


@contextmanager
def _chromium(browser: Browser, url: str) -> Iterator[Keyboard]:
    their_reads, writes = os.pipe()
    reads, their_writes = os.pipe()
    try:
        wrapper = [sys.executable, "-c", _FDS, str(their_reads), str(their_writes)]
        driven = _with(browser, lambda _: ["--remote-debugging-pipe"])
        with opened(driven, "about:blank", wrapper=wrapper, pass_fds=(their_reads, their_writes)):
            keyboard = _Chromium(reads, writes)
            keyboard.open(url)
            yield keyboard
    finally:
        for each in (reads, writes, their_reads, their_writes):
            os.close(each)


@contextmanager
def _firefox(browser: Browser, url: str) -> Iterator[Keyboard]:
    profiles: list[Path] = []

    def more(profile: Path) -> list[str]:
        profiles.append(profile)
        with profile.joinpath("user.js").open("a") as file:
            file.write('\nuser_pref("marionette.port", 0);')
        return ["--marionette"]

    def port() -> str:
        file = profiles[0] / "MarionetteActivePort"
        return file.read_text() if file.exists() else ""

    with opened(_with(browser, more), "about:blank"):
        wait_until(port)
        with socket.create_connection(("127.0.0.1", int(port())), timeout=PATIENCE_S) as connection:
            keyboard = _Firefox(connection)
            keyboard.ask("WebDriver:NewSession", capabilities={"alwaysMatch": {}})
            keyboard.open(url)
            yield keyboard


def _with(browser: Browser, more: Callable[[Path], list[str]]) -> Browser:
    def arguments(profile: Path) -> list[str]:
        return [*browser.arguments(profile), *more(profile)]

    return dataclasses.replace(browser, arguments=arguments)
