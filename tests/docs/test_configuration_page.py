"""docs/configuration.md names every variable of the environment, and every key of the file."""

import re
from pathlib import Path
from typing import Final

import audiostore
from audiostore import config, configfile
from tests.docs.blocks import DOCS

PAGE: Final = (DOCS / "configuration.md").read_text(encoding="utf-8")
SOURCE: Final = Path(audiostore.__file__).parent
_READ: Final = re.compile(r"""environ(?:\.get\(|\[)"(\w+)"|"([A-Z]+_?TMPDIR)"|"(TMPDIR)\"""")


def _named() -> set[str]:
    rows = re.findall(r"^\| (`[A-Z`, _]+`) \|", PAGE, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"[A-Z_]+", row)}


def _read() -> set[str]:
    """Return the variables that the code reads, but for those of engines."""
    found = {
        name
        for path in SOURCE.rglob("*.py")
        if path.parent.name != "fleet"
        for names in _READ.findall(path.read_text(encoding="utf-8"))
        for name in filter(None, names)
    }
    found |= {getattr(config, name) for name in dir(config) if name.endswith("_VARIABLE")}
    found |= set(config.CA_VARIABLES)
    return found | {f"XDG_{kind}_HOME" for kind in ("CONFIG", "DATA", "STATE")}


def test_the_page_names_each_variable_that_is_read() -> None:
    # google-auth reads that one.
    assert _named() == _read() | {"GOOGLE_APPLICATION_CREDENTIALS"}


def test_the_page_names_each_key_of_the_file() -> None:
    keys = re.findall(r"^\| `([\w.]+)` \|", PAGE.partition("## The file")[2], re.MULTILINE)
    wanted = {each for each in configfile._TOP_KEYS if each != "stores"}
    assert set(keys) == wanted | {f"stores.NAME.{each}" for each in configfile._STORE_KEYS}
