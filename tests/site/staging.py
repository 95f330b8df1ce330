"""Gathers the pages, and has Zensical make HTML of them."""

import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from tests.site import api, commands, http
from tests.site.nav import API, nav, pages_of, toml
from tests.site.sequence import svg

ROOT: Final = Path(__file__).parents[2]
TARGET: Final = ROOT / "build" / "site"

_SETTINGS: Final = Path(__file__).with_name("zensical.toml")
_STYLE: Final = Path(__file__).with_name("site.css")
_ELSEWHERE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "RELEASING.md": "releasing.md",
    "SECURITY.md": "security.md",
    "examples/README.md": "examples.md",
}
"""Pages outside docs/, and their names in the site. The README leads to the first page."""
_REFERENCE: Final = {
    "src/audiostore/cli/commands": "reference/commands.md",
    "src/audiostore/serve/openapi.py": "reference/http.md",
    **{source: f"{API}/{topic.slug}.md" for topic in api.TOPICS for source in topic.sources()},
}
"""Source that pages link to, and the pages that the site makes of it: a clone has no such pages."""
_FENCE: Final = re.compile(r"^( *)(```+|~~~+)(.*?)\n(.*?)^\1\2$\n?", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(\]\()([^)\s]+)(\))")
_SCHEME: Final = re.compile(r"[a-z][a-z+.-]*:")
_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")
_TIMEOUT_S: Final = 600


class SiteError(Exception):
    """The site cannot be built: a page, a link or a name is wrong."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site as Markdown: its name there, and the file that it is from."""

    name: str
    source: str
    text: str


def build(target: Path) -> None:
    """Build the site into a directory, in place of what is there.

    Raises:
        SiteError: a page, a link, an anchor or a name is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        render(stage(place))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(place / "site", target)


def render(settings: Path) -> None:
    """Make HTML of what is staged, next to the settings.

    Raises:
        SiteError: Zensical, or griffe, which reads the docstrings, has something to complain of.
    """
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", settings],
        cwd=settings.parent,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    said = _COLORS.sub("", done.stderr).partition("Traceback (most recent call")[0].strip()
    if done.returncode or said != "No issues found":  # griffe's warnings are no error to Zensical
        raise SiteError(f"the site has faults:\n{said or done.stderr}")


def stage(place: Path) -> Path:
    """Write all pages, and the settings, into an empty directory; return the settings.

    Raises:
        SiteError: a link leads nowhere, or the navigation is not that of the pages.
    """
    pages = _written() | _generated()
    for page in list(pages.values()):
        text = _with_drawings(page)
        text, shown = _with_links(page, text, pages)
        pages |= {each.name: each for each in shown if each.name not in pages}
        pages[page.name] = Page(page.name, page.source, text)
    docs = place / "docs"
    for page in pages.values():
        path = docs / page.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page.text, encoding="utf-8")
    for path in (ROOT / "docs").rglob("*"):
        if path.suffix in {".png", ".svg"}:
            copy = docs / path.relative_to(ROOT / "docs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    shutil.copy(_STYLE, docs)
    return _write_settings(place, pages)


def _write_settings(place: Path, pages: Mapping[str, Page]) -> Path:
    decisions = {
        name: page.text.partition("\n")[0].lstrip("# ")
        for name, page in pages.items()
        if name.startswith("decisions/")
    }
    order = nav(decisions)
    listed = set(pages_of(order))
    if unknown := listed - pages.keys():
        raise SiteError(f"the navigation has pages that do not exist: {', '.join(sorted(unknown))}")
    hidden = {name for name in pages if not name.startswith("files/")} - listed
    if hidden:
        raise SiteError(f"not in the navigation (tests/site/nav.py): {', '.join(sorted(hidden))}")
    settings = place / "zensical.toml"
    written = _SETTINGS.read_text(encoding="utf-8").replace(
        "[project]\n", f'[project]\nsite_dir = "site"\nnav = {toml(order)}\n', 1
    )
    python = "[project.plugins.mkdocstrings.handlers.python"
    extension = Path(__file__).with_name("docstrings.py")
    written = written.replace(
        f"{python}.options]\n",
        f'{python}]\npaths = ["{ROOT / "src"}"]\n{python}.options]\nextensions = ["{extension}"]\n',
    )
    settings.write_text(written, encoding="utf-8")
    return settings


def _written() -> dict[str, Page]:
    """Return the pages that people have written, by name."""
    sources = {
        path.relative_to(ROOT / "docs").as_posix(): path for path in (ROOT / "docs").rglob("*.md")
    }
    sources |= {name: ROOT / source for source, name in _ELSEWHERE.items() if name not in sources}
    return {
        name: Page(name, path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for name, path in sources.items()
    }


def _generated() -> dict[str, Page]:
    """Return the pages that the code writes, by name."""
    texts = {
        "reference/commands.md": commands.page(),
        "reference/http.md": http.page(),
        **{f"{API}/{slug}.md": text for slug, text in api.pages().items()},
    }
    return {name: Page(name, f"docs/{name}", text) for name, text in texts.items()}


def _with_drawings(page: Page) -> str:
    """Return the text of a page with drawings in place of its diagrams."""

    def drawn(found: re.Match[str]) -> str:
        if found[3].strip() != "mermaid":
            return found[0]
        try:
            return f'\n<div style="overflow-x:auto">{svg(found[4])}</div>\n\n'
        except ValueError as error:
            raise SiteError(f"{page.source}: {error}") from error

    return _FENCE.sub(drawn, page.text)


def _with_links(page: Page, text: str, pages: Mapping[str, Page]) -> tuple[str, list[Page]]:
    """Return the text with links that lead where they should in the site, and pages for files.

    A link to a file of the repository, such as an example, leads to a page that shows it; one to
    source whose docstrings are in the reference leads there.
    """
    by_source = _REFERENCE | {each.source: name for name, each in pages.items()} | _ELSEWHERE
    shown: list[Page] = []

    def led(found: re.Match[str]) -> str:
        link = found[2]
        path, mark, anchor = link.partition("#")
        if not path or _SCHEME.match(path):
            return found[0]
        source = posixpath.normpath(posixpath.join(posixpath.dirname(page.source), path))
        if source == "docs/decisions":
            name = min(each for each in pages if each.startswith("decisions/"))
        elif source in by_source:
            name = by_source[source]
        elif source.startswith("docs/") and (ROOT / source).suffix in {".png", ".svg"}:
            return found[0]
        elif (ROOT / source).is_file():
            name = f"files/{source}.md"
            shown.append(Page(name, source, _shown_file(source)))
        else:
            raise SiteError(f"{page.source}: the link {link} leads nowhere")
        relative = posixpath.relpath(name, posixpath.dirname(page.name) or ".")
        return f"{found[1]}{relative}{mark}{anchor}{found[3]}"

    pieces: list[str] = []
    at = 0
    for fence in _FENCE.finditer(text):
        pieces += [_LINK.sub(led, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*pieces, _LINK.sub(led, text[at:])]), shown


def _shown_file(source: str) -> str:
    """Return a page that shows a file of the repository."""
    path = ROOT / source
    text = path.read_text(encoding="utf-8")
    language = {".py": "python", ".js": "js"}.get(path.suffix, "")
    if path.name.endswith("Dockerfile"):
        language = "dockerfile"
    if language:
        return f"# {source}\n\n```{language}\n{text}```\n"
    plain = escape(text).replace("[", "&#91;")  # Zensical takes brackets for links, even in code
    return f"# {source}\n\n<pre>{plain}</pre>\n"
