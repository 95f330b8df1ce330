"""Draws the terminal session of the README: python -m tests.docs.session.

Runs the commands in a terminal and writes what it shows to docs/page/session.svg.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from tests.assets import EXAMPLES

PICTURE = EXAMPLES.parent / "docs" / "page" / "session.svg"
COMMANDS = (
    "audiostore put album",
    "audiostore list",
    "audiostore get --title harbour --to back",
)
ALBUM = ("a-brisk-walk", "harbour-lights", "last-tram-home", "Lied für Ümläute", "morning-in-c")
HOME = "/home/you"
"""What the folder of the session is called in the picture."""
_COLUMNS = 98
_LINE, _CHARACTER, _EDGE = 19, 8.4, 16
_STYLE = re.compile(r"\x1b\[([0-9;]*)m")
_UP = re.compile(r"\x1b\[(\d+)A")
_PIECES = re.compile(r"\r|\n|\x1b\[[?0-9;]*[A-Za-z]|[^\r\n\x1b]+")
_COLOURS = {"31": "#f87171", "32": "#4ade80", "33": "#facc15", "36": "#67e8f9"}
_COMMAND = "#a8a29e"
_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" \
fill="#e7e5e4">
<title>{title}</title>
<rect width="{width}" height="{height}" rx="8" fill="#1c1917"/>"""


def record(folder: Path) -> list[str]:
    """Run the commands in an empty folder with an album; return the lines of the terminal."""
    album = folder / "album"
    album.mkdir()
    for name in ALBUM:
        for path in EXAMPLES.glob(f"{name}.*"):
            shutil.copy(path, album)
    lines = []
    for command in COMMANDS:
        lines += [f"$ {command}", *_run(command, folder), ""]
    return lines[:-1]


def draw(lines: list[str]) -> str:
    """Return an SVG image of the lines."""
    width = round(_COLUMNS * _CHARACTER) + 2 * _EDGE
    height = len(lines) * _LINE + 2 * _EDGE
    parts = [_HEAD.format(width=width, height=height, title=escape("; ".join(COMMANDS)))]
    for number, line in enumerate(lines):
        y = _EDGE + number * _LINE + 14
        spans = "".join(_spans(line))
        parts.append(f'<text x="{_EDGE}" y="{y}" xml:space="preserve">{spans}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _run(command: str, folder: Path) -> list[str]:
    """Run a command on a terminal; return the lines that stay on it."""
    ours, theirs = pty.openpty()
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "COLUMNS": str(_COLUMNS),
        "GCS_BUCKET_NAME": "./store",
        "NO_GCE_CHECK": "true",
    }
    process = subprocess.Popen(
        command.split(), cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = bytearray()
    while piece := _read(ours):
        shown += piece
    os.close(ours)
    if process.wait():
        raise RuntimeError(f"{command} failed:\n{shown.decode()}")
    return [line for line in screen(shown.decode().replace(str(folder), HOME)) if line]


def screen(written: str) -> list[str]:
    """Return what stays on a terminal where progress is drawn, erased and drawn anew.

    Only what the command uses: CR, LF, cursor up, and erasing to the end of the line or screen.
    """
    lines, is_at_start = [""], True
    for piece in _PIECES.findall(written):
        if piece == "\r":
            is_at_start = True
        elif piece == "\n":
            lines.append("")
        elif up := _UP.fullmatch(piece):
            del lines[-int(up[1]) :]
        elif piece in ("\x1b[J", "\x1b[K"):
            lines[-1] = "" if is_at_start else lines[-1]
        elif _STYLE.fullmatch(piece) or not piece.startswith("\x1b"):
            lines[-1] = piece if is_at_start else lines[-1] + piece
            is_at_start = False
    return [line.rstrip() for line in lines]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # EIO: the last process has closed its end
        return b""


def _spans(line: str) -> Iterator[str]:
    """Yield the pieces of a line in their colours."""
    colour = _COMMAND if line.startswith("$ ") else ""
    first, *others = _STYLE.split(line)
    styled = zip(["", *others[::2]], [first, *others[1::2]], strict=True)
    for code, text in styled:
        colour = _COLOURS.get(code, "") if code else colour
        if text:
            fill = f' fill="{colour}"' if colour else ""
            yield f"<tspan{fill}>{escape(text)}</tspan>"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        PICTURE.write_text(draw(record(Path(scratch))))
