"""The public names: complete, importable, and costing nothing until they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import audiostore
from audiostore import errors, events

SOURCE = Path(audiostore.__file__)


PUBLIC: list[str] = vars(audiostore)["__all__"]
HOMES: dict[str, str] = vars(audiostore)["_HOMES"]
HOME_OF = {name: home for home, names in HOMES.items() for name in names.split()}


def type_checking_imports() -> dict[str, str]:
    """Public name -> module that the type checkers see it imported from."""
    tree = ast.parse(SOURCE.read_text("utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.name: (node.module or "").removeprefix("audiostore.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_what_type_checkers_see_is_what_is_imported() -> None:
    assert type_checking_imports() == HOME_OF


def test_all_names_all() -> None:
    assert set(PUBLIC) == {*HOME_OF, "__version__"}
    assert len(PUBLIC) == len(set(PUBLIC))
    assert {*dir(audiostore), "__version__"} == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_can_be_imported(name: str) -> None:
    value = getattr(audiostore, name)
    home = HOME_OF.get(name)
    if home and hasattr(value, "__module__") and isinstance(value, type):
        where = f"audiostore.{home}"  # a package hands on what a module of it defines
        assert value.__module__ == where or value.__module__.startswith(f"{where}.")


def test_every_error_and_every_event_is_public() -> None:
    defined = {
        name
        for module in (errors, events)
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    assert defined <= set(PUBLIC)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(audiostore, "nonsense")  # noqa: B009  (a type checker would refuse it)


def imported_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(result.stdout.split())


HEAVY = {"pycurl", "google", "google.auth", "google.api_core", "tenacity", "av", "PIL", "certifi"}


def test_importing_the_package_imports_nothing_heavy() -> None:
    modules = imported_by("import audiostore")
    assert modules & HEAVY == set()
    assert {m for m in modules if m.startswith("audiostore")} == {"audiostore", "audiostore.lazy"}


@pytest.mark.slow
def test_a_local_store_needs_no_client_of_google() -> None:
    modules = imported_by("from audiostore import AudioStorageManager, LocalStore, MemoryStore")
    assert modules & {"pycurl", "google.auth", "google.api_core", "google.cloud", "av"} == set()


def test_the_package_is_typed() -> None:
    assert (SOURCE.parent / "py.typed").is_file()


def test_the_library_is_silent_unless_asked() -> None:
    code = "import logging; from audiostore.log import logger; logger.error('spoken')"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stderr == ""
