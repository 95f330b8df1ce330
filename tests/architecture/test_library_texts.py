"""The library's texts are for programs: only the command line names commands and flags."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import audiostore

ROOT = Path(audiostore.__file__).parent
COMMAND = re.compile(r"'audiostore |\baudiostore [a-z-]+'")
FLAG = re.compile(r"(?<![\w-])--[a-z]")
# Findings on a bucket quote Google's own command line.
GCLOUD_MODULES = {f"stores/gcs/{name}.py" for name in ("advice", "errors", "signers", "trash")}
GCLOUD_FLAG = re.compile(
    r"--(member|role|default-storage-class|no-versioning|uniform-bucket-level-access"
    r"|clear-retention-period|soft-delete-duration|public-access-prevention|cors-file"
    r"|impersonate-service-account|authorize-cmek|no-default-event-based-hold)\b"
)


def library_modules() -> list[str]:
    names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
    # The conformance suite's samples are names of objects, chosen to be awkward.
    return sorted(n for n in names if not n.startswith(("cli/", "stores/testing/")))


def texts(module: str, source: str) -> Iterator[str]:
    """Yield the string constants of a module that are not docstrings.

    The parts of an f-string are joined, with ``{}`` for each value.
    """
    tree = ast.parse(source, module)
    seen: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            seen.add(id(node.value))  # a docstring
        elif isinstance(node, ast.JoinedStr):
            seen.update(map(id, node.values))
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in seen:
            yield node.value


def flags_and_commands(module: str, source: str) -> list[str]:
    found = []
    for text in texts(module, source):
        ours = GCLOUD_FLAG.sub("", text) if module in GCLOUD_MODULES else text
        if COMMAND.search(text) or FLAG.search(ours):
            found.append(text)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("module", library_modules())
def test_the_library_names_no_command_and_no_flag(module: str) -> None:
    assert flags_and_commands(module, (ROOT / module).read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "\"run 'audiostore check' to see what is missing\"",
        'f"{path} is a WAV file: use --fix-extension"',
        "f\"see 'audiostore show {audio_id}'\"",
        "'--permanent'",
    ],
)
def test_a_command_or_flag_is_found(text: str) -> None:
    source = (
        f'def fail(path: str, audio_id: str) -> None:\n    """Say --so."""\n    print({text})\n'
    )
    assert len(flags_and_commands("stores/gcs/advice.py", source)) == 1
    assert len(flags_and_commands("manager.py", source)) == 1


def test_flags_of_gcloud_are_only_for_the_hints_on_buckets() -> None:
    source = "print(f'gcloud storage buckets update {url} --no-versioning')"
    assert flags_and_commands("stores/gcs/advice.py", source) == []
    assert flags_and_commands("manager.py", source) != []
