"""The code blocks of the pages, each with the comment that says how it is tested."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"

_BLOCK: Final = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<mark>[^\n]*?) -->\n(?P=indent))?```(?P<language>[\w-]*)[^\n]*\n"
    r"(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_ANY: Final = re.compile(rf"…|{_UUID}")


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: where it begins, the mark in front of it (or none), language and code."""

    page: str
    line: int
    mark: str
    language: str
    code: str

    @property
    def place(self) -> str:
        """Where it is, for a message."""
        return f"{self.page}:{self.line}"


def pages() -> Iterator[Path]:
    """Yield the pages of docs/; test_readme.py runs the README."""
    yield from sorted(DOCS.rglob("*.md"))


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page.relative_to(ROOT).as_posix(),
            text.count("\n", 0, found.start()) + 1,
            found["mark"] or "",
            found["language"],
            dedent(found["code"]),
        )
        for found in _BLOCK.finditer(text)
    ]


def matches(expected: str, printed: str) -> bool:
    """Say whether a text is what a page shows: `…` stands for anything, an ID for any ID."""
    pattern = ""
    at = 0
    for found in _ANY.finditer(expected):
        pattern += re.escape(expected[at : found.start()])
        pattern += ".*" if found[0] == "…" else _UUID
        at = found.end()
    return re.fullmatch(pattern + re.escape(expected[at:]), printed, re.DOTALL) is not None
