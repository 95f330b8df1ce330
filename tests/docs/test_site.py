"""The documentation site builds, has all that is public, and loads nothing from elsewhere."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

import audiostore
from audiostore.cli.registry import find_commands
from audiostore.serve.openapi import document
from tests.site import SiteError, build, render, stage, staging
from tests.site.docstrings import markdown
from tests.site.sequence import svg

_LOADING: Final = {"img": "src", "script": "src", "link": "href", "iframe": "src", "audio": "src"}


class _Html(HTMLParser):
    """The links, the anchors and what is loaded, of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := given.get(key))}
        if tag == "a" and (link := given.get("href")):
            self.links.append(link)
        if tag in _LOADING and given.get("rel") not in {"canonical", "next", "prev"}:
            self.loaded += filter(None, [given.get(_LOADING[tag])])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site") / "html"
    build(target)
    return target


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Html]:
    found = {
        path: _Html(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html")
        if path.name != "404.html"
    }
    assert len(found) > 80
    return found


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(pages: dict[Path, _Html]) -> None:
    anchors = {anchor for page in pages.values() for anchor in page.anchors}
    public = [name for name in dir(audiostore) if name != "__version__"]
    assert len(public) > 150
    assert [name for name in public if f"audiostore.{name}" not in anchors] == []


@pytest.mark.slow
def test_every_command_and_every_request_is_in_the_reference(site: Path) -> None:
    commands = _Html((site / "reference" / "commands.html").read_text(encoding="utf-8"))
    for name, command in find_commands().items():
        assert {name, *(f"{name}-{below}" for below in command.group)} <= commands.anchors
    requests = _Html((site / "reference" / "http.html").read_text(encoding="utf-8"))
    for operations in document()["paths"].values():
        assert {each["operationId"] for each in operations.values()} <= requests.anchors


@pytest.mark.slow
def test_no_link_of_the_site_is_broken(site: Path, pages: dict[Path, _Html]) -> None:
    """Zensical checks what people write; here is also what it and its plugins make of it."""
    broken = []
    for path, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                assert url.scheme in {"https", "http", "mailto"}, (path, link)
                assert url.scheme == "mailto" or "." in url.netloc, (path, link)
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            exists = target in pages if target.suffix == ".html" else target.exists()
            anchor = unquote(url.fragment)
            if not exists or (anchor and anchor not in pages[target].anchors):
                broken.append((path.relative_to(site).as_posix(), link))
    assert broken == []


@pytest.mark.slow
def test_the_site_can_be_read_without_a_network(site: Path, pages: dict[Path, _Html]) -> None:
    for path, page in pages.items():
        for link in page.loaded:
            assert not urlsplit(link).netloc, (path, link)
            assert (path.parent / unquote(urlsplit(link).path)).exists(), (path, link)
    assert not any("mermaid" in page.read_text(encoding="utf-8") for page in site.glob("*.html"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the site is made of, to change."""
    root = tmp_path / "root"
    shutil.copytree(staging.ROOT / "docs", root / "docs")
    shutil.copytree(
        staging.ROOT / "examples", root / "examples", ignore=shutil.ignore_patterns("*.wav")
    )
    for path in [*staging.ROOT.glob("*.md"), staging.ROOT / "LICENSE"]:
        shutil.copy(path, root)
    page = Path("src", "audiostore", "serve", "page")
    shutil.copytree(staging.ROOT / page, root / page)
    monkeypatch.setattr(staging, "ROOT", root)
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](nowhere.md)", "docs/faq.md: the link nowhere.md leads nowhere"),
        ("[a](../src/nothing.py)", "leads nowhere"),
        ("```mermaid\npie\n```", "docs/faq.md: not a sequence diagram: 'pie'"),
    ],
)
def test_a_page_with_a_fault_is_an_error(root: Path, text: str, said: str) -> None:
    with (root / "docs" / "faq.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{text}\n")

    with pytest.raises(SiteError, match=re.escape(said)):
        stage(root.parent / "staged")


@pytest.mark.slow
def test_a_page_that_is_not_in_the_navigation_is_an_error(root: Path) -> None:
    (root / "docs" / "hidden.md").write_text("# Hidden\n")

    with pytest.raises(SiteError, match=r"not in the navigation .*: hidden\.md"):
        stage(root.parent / "staged")

    (root / "docs" / "hidden.md").unlink()
    (root / "docs" / "faq.md").unlink()
    (root / "docs" / "index.md").write_text("# Without a link to it\n")
    with pytest.raises(SiteError, match=r"do not exist: faq\.md"):
        stage(root.parent / "staged")


@pytest.mark.slow
def test_a_link_to_a_file_leads_to_a_page_that_shows_it(root: Path) -> None:
    (root / "docs" / "faq.md").write_text(
        "# Q\n[a](../examples/Dockerfile)\n[b](../README.md)\n```sh\necho [c](d.md)\n```\n"
    )
    stage(root.parent / "staged")

    staged = root.parent / "staged" / "docs"
    assert (staged / "faq.md").read_text().splitlines()[1:] == [
        "[a](files/examples/Dockerfile.md)",
        "[b](index.md)",
        "```sh",
        "echo [c](d.md)",
        "```",
    ]
    assert "USER worker" in (staged / "files" / "examples" / "Dockerfile.md").read_text()


@pytest.mark.slow
def test_a_link_to_source_leads_to_the_reference(root: Path) -> None:
    (root / "docs" / "how-to" / "pandas.md").write_text(
        "# Q\n[a](../../src/audiostore/manager.py)\n[b](../../src/audiostore/stores/__init__.py)\n"
        "[c](../../src/audiostore/cli/commands)\n[d](../../src/audiostore/serve/openapi.py)\n"
    )
    stage(root.parent / "staged")

    text = (root.parent / "staged" / "docs" / "how-to" / "pandas.md").read_text()
    assert re.findall(r"\((.*)\)", text) == [
        "../reference/api/manager.md",
        "../reference/api/stores.md",
        "../reference/commands.md",
        "../reference/http.md",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](#nothing)", "anchor does not exist"),
        ("[a](b.md)", "page does not exist"),
        ("[a][audiostore.Nothing]", "unresolved"),
    ],
)
def test_what_zensical_warns_of_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "index.md"
    settings = tmp_path / "zensical.toml"
    settings.write_text('[project]\nsite_name = "x"\n[project.plugins.mkdocstrings]\n')
    page.write_text("# Page\n")
    render(settings)
    page.write_text(f"# Page\n\n{text}\n")

    with pytest.raises(SiteError, match=said):
        render(settings)


def test_a_sequence_is_drawn_with_its_texts() -> None:
    drawing = svg(
        "sequenceDiagram\n  participant a as one & all\n  participant b\n"
        "  a->>b: ask\n  b-->>a: <answer>\n  b-xa: lost\n  a->>a: think\n  Note over a,b: done\n"
    )
    texts = [each.text for each in ElementTree.fromstring(drawing).iter() if each.text]
    assert texts[1:] == ["one & all", "b", "ask", "<answer>", "lost", "think", "done"]
    assert "one &amp; all to b: ask; b to one &amp; all: &lt;answer&gt;" in drawing


@pytest.mark.parametrize(
    "source",
    [
        "graph TD\na-->b",
        "sequenceDiagram\nparticipant a\na->>b: nobody",
        "sequenceDiagram\nparticipant a\nloop forever",
    ],
)
def test_a_diagram_that_is_not_understood_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="sequence diagram"):
        svg(source)


def test_code_in_a_docstring_gets_a_fence() -> None:
    assert markdown("Do it.\n\nExample::\n\n    do(it)\n\n    again()\n\nArgs:\n    it: x") == (
        "Do it.\n\nExample:\n\n```python\ndo(it)\n\nagain()\n```\n\nArgs:\n    it: x"
    )
    assert markdown("::\n\n    a tree\n    └── b c\n\nMore.") == (
        "\n\n```text\na tree\n└── b c\n```\n\nMore."
    )
    assert markdown("A sentence: nothing else.") == "A sentence: nothing else."
