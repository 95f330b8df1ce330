"""How commands are declared: the parser that they share, and options that several have.

Imports nothing of the library: ``--help`` answers at once.
"""

from __future__ import annotations

import os
from argparse import (
    SUPPRESS,
    Action,
    ArgumentParser,
    ArgumentTypeError,
    RawDescriptionHelpFormatter,
)

TYPE_CHECKING = False  # typing itself would take longer to import than argparse
if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from typing import NoReturn

_WIDTH_LIMIT = 100
_UNRECOGNIZED = "unrecognized arguments: "


class UsageError(Exception):
    """What was typed makes no sense; the message says what would."""


class HelpFormatter(RawDescriptionHelpFormatter):
    """Help as wide as the terminal, within reason."""

    def __init__(self, prog: str) -> None:
        # With a width of its own, argparse need not import shutil to ask for the terminal's.
        super().__init__(prog, max_help_position=26, width=_help_width())


class Parser(ArgumentParser):
    """An ArgumentParser whose complaints are one line, told by `main`."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        if message.endswith("required: COMMAND"):
            message = "no command is given"
        if message.startswith(_UNRECOGNIZED):  # argparse takes what stands together, and no more
            words = message.removeprefix(_UNRECOGNIZED).split()
            if not any(word.startswith("-") for word in words):
                message += " (options that stand between arguments are better written last)"
        raise UsageError(f"{message}; see '{self.prog} --help'")


class Add:
    """Declares commands, and groups of them."""

    def __init__(self, commands: _SubParsersAction[Parser]) -> None:
        self._commands = commands

    def __call__(
        self,
        name: str,
        what: str,
        example: str,
        *,
        run: str,
        json: bool = True,
        bucket: bool = True,
    ) -> Parser:
        """Declare a command and return its parser, for the options of its own.

        Args:
            name: what is typed.
            what: what it does, for the help.
            example: a command line, for its own help.
            run: ``module.function`` below `audiostore.cli.commands`.
            json: whether it takes --json.
            bucket: whether it works on a store.
        """
        command = self._commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(run=run)
        add_common(command, top=False, json=json, bucket=bucket)
        return command

    def group(self, name: str, what: str) -> Add:
        """Declare a group: the commands added to it are typed behind its name."""
        group = self._commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        commands = group.add_subparsers(dest="subcommand", metavar="COMMAND", title="commands")
        commands.required = True
        return Add(commands)


def add_common(
    parser: ArgumentParser, *, top: bool, json: bool = True, bucket: bool = True
) -> None:
    """Add what may stand before or behind the command's name.

    Behind it, an option that is not given says nothing, so that one given before it counts.
    """
    added: list[Action] = []
    if bucket:
        added.append(
            parser.add_argument(
                "--bucket",
                metavar="URL",
                help="the store: my-bucket, gs://my-bucket or file:///some/dir "
                "(default: GCS_BUCKET_NAME, else a directory of yours)",
            )
        )
    if json:
        added.append(
            parser.add_argument("--json", action="store_true", help="print JSON, an object a line")
        )
    added.append(
        parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    )
    if not top:
        for action in added:
            action.default = SUPPRESS


def add_check(parser: ArgumentParser) -> None:
    """Add how files are looked at."""
    parser.add_argument(
        "--check",
        choices=("quick", "full", "none"),
        default="quick",
        help="how to look for damage: by cheap signs; by decoding it all; not at all "
        "(default: quick)",
    )
    parser.add_argument(
        "--fix-extension",
        action="store_true",
        help="go by what the files hold, whatever their names say",
    )


def add_id(parser: ArgumentParser) -> None:
    """Add the asset that is meant."""
    parser.add_argument("audio_id", metavar="ID", help="the asset's id")


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def key_and_value(text: str) -> tuple[str, str]:
    """Return what stands before and behind the first equals sign."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def _help_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        width = int(columns)
    else:
        try:
            width = os.get_terminal_size(1).columns or 80
        except OSError:
            width = 80
    return max(40, min(width, _WIDTH_LIMIT) - 2)
