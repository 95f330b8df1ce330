"""What is drawn on a terminal stays at its bottom, in place, below whatever is printed."""

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from audiostore.cli.output import guarded, say, voice
from audiostore.cli.progress.display import Display


class Screen:
    """A terminal as far as we use it: text, CR, LF, cursor up, erase, wrapping."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        self.row = self.column = 0
        self.wraps = True

    def feed(self, text: str) -> None:
        for part in re.findall(r"\x1b\[\??\d*[A-Za-z]|.", text, re.DOTALL):
            self._take(part)

    def _take(self, part: str) -> None:
        line = self.lines[self.row]
        if part == "\r":
            self.column = 0
        elif part == "\n":
            self.row += 1
            self.lines += [""] * (self.row == len(self.lines))
        elif part.endswith("m") and part[0] == "\x1b":
            pass  # a color
        elif part.startswith("\x1b[?7"):
            self.wraps = part.endswith("h")
        elif part.endswith("A") and part[0] == "\x1b":
            self.row -= int(part[2:-1])
            assert self.row >= 0
        elif part == "\x1b[K":
            self.lines[self.row] = line[: self.column]
        elif part == "\x1b[J":
            self.lines[self.row] = line[: self.column]
            del self.lines[self.row + 1 :]
        else:
            assert part.isprintable(), repr(part)
            assert self.column < self.columns, "a line was wrapped"
            self.lines[self.row] = line[: self.column].ljust(self.column) + part
            self.column += 1 + (unicodedata.east_asian_width(part) in "WF")


@contextmanager
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Make stdout and stderr a pseudo-terminal: its two ends."""
    monkeypatch.setenv("TERM", "xterm")
    control, end = pty.openpty()
    with (
        os.fdopen(os.dup(end), "w", encoding="utf-8") as out,
        os.fdopen(os.dup(end), "w", encoding="utf-8") as err,
        monkeypatch.context() as patched,
    ):
        patched.setattr("sys.stdout", out)
        patched.setattr("sys.stderr", err)
        with guarded():
            yield control, end
    os.close(control)
    os.close(end)


def _resize(end: int, columns: int, rows: int = 24) -> None:
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _shown(control: int) -> str:
    os.set_blocking(control, False)
    shown = b""
    with suppress(BlockingIOError):  # no more
        while piece := os.read(control, 1 << 16):
            shown += piece
    return shown.decode()


def test_lines_are_redrawn_in_place_below_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    with _terminal(monkeypatch) as (control, end):
        _resize(end, 30)
        screen, display = Screen(30), Display()
        name = "日本語の歌" * 8
        for step in range(3):
            display.draw(f"step {step}", name, *["third"] * (step == 1))
            drawn = _shown(control)
            assert drawn.count("\x1b[?7l") == 1  # one frame
            assert not re.match(r"(\x1b\[[?\w]+|\r)*\x1b\[J", drawn)  # not blank first: no flicker
            screen.feed(drawn)
            assert screen.lines[-2 - (step == 1) :][0] == f"step {step}"
            print(f"printed {step}")
            say("warning", f"said {step}")
            screen.feed(_shown(control))
        assert screen.lines == [
            *(text for n in range(3) for text in (f"printed {n}", _said(n))),
            "",
        ]
        display.draw("a", "b")
        display.clear()
        screen.feed(_shown(control))
        assert screen.lines[-2:] == [_said(2), ""]


def _said(number: int) -> str:
    return f"audiostore: warning: said {number}"


def test_a_terminal_that_is_resized_keeps_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    with _terminal(monkeypatch) as (control, end):
        _resize(end, 40)
        display = Display()
        display.draw("x" * 60, "y")
        assert "x" * 39 in _shown(control)
        _resize(end, 10)  # 39 columns are 4 rows now, and "y" the fifth
        display.draw("x" * 60, "y")
        drawn = _shown(control)
        assert "\r\x1b[4A" in drawn
        assert "x" * 9 in drawn
        assert "x" * 10 not in drawn
        _resize(end, 10, rows=2)
        display.draw("a", "b", "c")
        assert "b" not in _shown(control)


def test_nothing_is_drawn_into_a_line_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with _terminal(monkeypatch) as (control, _):
        display = Display()
        print("Delete it? [y/N] ", end="", file=sys.stderr, flush=True)
        _shown(control)
        display.draw("progress")
        print("y")
        display.draw("progress")
        assert _shown(control).partition("progress")[0].startswith("y\r\n")


def test_nothing_is_drawn_quietly_or_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with _terminal(monkeypatch) as (control, _):
        voice.quiet = True
        Display().draw("progress")
        voice.quiet = False
        monkeypatch.setattr("sys.stderr", file := io.StringIO())
        Display().draw("progress")
        assert file.getvalue() == ""
        assert _shown(control) == ""
