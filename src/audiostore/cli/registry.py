"""The commands: every file in `commands/` is one, every folder there a group of them.

A new command is one new file. Its docstring is its help, the first line that in the list of
commands, and it has

- ``GROUP``: the heading under which the help lists it, one of `GROUPS`;
- ``EXAMPLE``: command lines for its own ``--help``;
- ``Options``: its fields are the arguments (see `audiostore.cli.declare`);
- ``run(options) -> int``: does it and returns the exit code.

The help of all commands is read from the files without importing them: ``--help`` answers at once.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

GROUPS = (
    "store and fetch",
    "find",
    "change",
    "delete and restore",
    "look after a store",
    "set up",
)
"""The headings in the help, in this order."""
_OTHER = "commands"
_PACKAGE = "audiostore.cli.commands"
_FOLDER = os.path.join(os.path.dirname(__file__), "commands")  # noqa: PTH118, PTH120  (no pathlib)


class Command:
    """A command, or a group of commands."""

    __slots__ = ("_file", "_source", "group", "module_name", "name")

    def __init__(self, name: str, module_name: str, file: str, group: dict[str, Command]) -> None:
        self.name = name
        self.module_name = module_name
        self.group = group
        """The commands of a group by name; empty for a command."""
        self._file = file
        self._source = ""

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return self._read().partition("\n")[0].strip().strip('"').removesuffix(".")

    @property
    def heading(self) -> str:
        """What it is for: the heading under which the help lists it."""
        _, found, rest = self._read().partition('\nGROUP = "')
        return rest.partition('"')[0] if found else _OTHER

    def _read(self) -> str:
        if not self._source:
            with open(self._file, encoding="utf-8") as source:  # noqa: PTH123  (no pathlib)
                self._source = source.read()
        return self._source

    def load(self) -> ModuleType:
        """Import the command."""
        from importlib import import_module  # noqa: PLC0415  (not for --help)

        return import_module(self.module_name)


def find_commands(folder: str = _FOLDER, package: str = _PACKAGE) -> dict[str, Command]:
    """Return the commands by name, in alphabetical order. Names with ``_`` in front are helpers."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            stem, _, extension = entry.name.partition(".")
            name, module = stem.replace("_", "-"), f"{package}.{stem}"
            if stem.startswith("_"):
                continue
            if extension == "py":
                found[name] = Command(name, module, entry.path, {})
            elif entry.is_dir():
                door = os.path.join(entry.path, "__init__.py")  # noqa: PTH118
                found[name] = Command(name, module, door, find_commands(entry.path, module))
    return found


def grouped(commands: Mapping[str, Command]) -> Iterator[tuple[str, list[Command]]]:
    """Yield the commands by what they are for: headings, each with its commands."""
    by_heading: dict[str, list[Command]] = {heading: [] for heading in GROUPS}
    for command in commands.values():
        by_heading.setdefault(command.heading, []).append(command)
    yield from ((heading, found) for heading, found in by_heading.items() if found)
