"""Every link of a committed page leads to something in the clone, without the site."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for name in ("docs", "examples") for path in (ROOT / name).rglob("*.md")),
    ]
)
_FENCE: Final = re.compile(r"^( *)(```+|~~~+).*?\n.*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)|<(?:img|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")
_ELSEWHERE: Final = re.compile(r"[a-z][a-z+.-]*:")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?)#*$", re.MULTILINE)
_NAMED: Final = re.compile(r"<a\b[^>]*?\b(?:id|name)=\"([^\"]+)\"")


def _broken(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere."""
    for found in _LINK.finditer(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        link = found[1] or found[2]
        if _ELSEWHERE.match(link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        is_inside = target.is_relative_to(ROOT) and "build" not in target.relative_to(ROOT).parts
        if not (is_inside and target.exists()) or (
            anchor and target.suffix == ".md" and anchor not in _anchors(target)
        ):
            yield link


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page, as hosts of code make them of its headings."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    anchors: set[str] = set(_NAMED.findall(text))
    for heading in _HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in anchors:
            number += 1
        anchors.add(anchor)
    return anchors


def test_the_pages_are_found() -> None:
    assert len(PAGES) > 80
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere_in_the_clone(page: Path) -> None:
    assert [*_broken(page)] == []


@pytest.mark.parametrize(
    "text",
    [
        "[a](reference/commands.md)",
        "[a](page.md#nothing)",
        "[a](#nothing)",
        "[a](../../../../../etc/hostname)",
        '<img src="no.png">',
    ],
)
def test_a_link_that_leads_nowhere_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"# Some `heading`, that\n[a](#some-heading-that)\n```\n[b](c)\n```\n{text}\n")
    assert len([*_broken(page)]) == 1
