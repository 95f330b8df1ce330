"""What can be missing: extras, which doctor explains, and a port to listen on."""

import importlib.util
import json
import socket
import tomllib
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from audiostore.cli.extras import EXTRAS
from tests.cli.conftest import Call

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
FOR_DEVELOPERS = {"dev", "bench"}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Take modules away."""
    find_spec = importlib.util.find_spec

    def take_away(*modules: str) -> None:
        def find(name: str, package: str | None = None) -> ModuleSpec | None:
            return None if name in modules else find_spec(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", find)

    return take_away


def test_all_extras_of_the_package_are_known() -> None:
    declared = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    assert {extra.name for extra in EXTRAS} == declared.keys() - FOR_DEVELOPERS


def test_the_doctor_says_which_extras_are_missing_and_what_they_give(
    call: Call, without: Callable[..., None]
) -> None:
    without("av", "uvicorn")
    code, out, _ = call("doctor")
    assert code == 0
    (installed,) = [line for line in out.splitlines() if "extras: installed: " in line]
    assert installed.startswith("ok ")
    assert "mcp" in installed
    assert "ffmpeg" not in installed
    assert "note    extra ffmpeg: not installed: AAC without a container" in out
    assert "page -> pip install 'audiostore[serve]'" in out
    findings = {
        line["subject"]: line for line in map(json.loads, call("doctor", "--json")[1].splitlines())
    }
    assert findings["extra serve"]["mark"] == "note"


def test_the_doctor_is_content_without_any_extra(call: Call, without: Callable[..., None]) -> None:
    without(*(module for extra in EXTRAS for module in extra.modules))
    code, out, _ = call("doctor")
    assert (code, "failed" in out) == (0, False)
    assert "extras: installed: none" in out


@pytest.mark.parametrize(("command", "module"), [("serve", "uvicorn"), ("mcp", "mcp")])
def test_a_command_names_the_extra_that_it_needs(
    call: Call, without: Callable[..., None], command: str, module: str
) -> None:
    without(module)
    code, _, err = call(command)
    assert code == 2
    assert f"{module} is not installed: pip install 'audiostore[{command}]'" in err


def test_a_port_in_use_is_named_with_how_to_choose_another(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = call("serve", "--port", str(port))
    assert (code, out) == (1, "")
    assert (
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use; give another --port"
        in err
    )


def test_an_address_of_another_machine_is_named(call: Call, home: Path) -> None:
    tokens = home / "tokens"
    tokens.write_text(f"{'0' * 64} read me\n")
    code, _, err = call("serve", "--host", "192.0.2.1", "--port", "0", "--token-file", tokens)
    assert code == 1
    assert "cannot listen on 192.0.2.1:0: " in err
    assert "give an address of this machine with --host" in err
