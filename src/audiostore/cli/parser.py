"""The command line as `argparse` reads it. Imports nothing of the library but its version."""

from __future__ import annotations

import os
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter

from audiostore import __version__
from audiostore.cli.registry import Command, find_commands

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from argparse import _ActionsContainer, _SubParsersAction
    from collections.abc import Callable, Collection, Sequence
    from types import ModuleType
    from typing import Any, NoReturn

    from audiostore.cli.declare import Argument, CommonOptions

_WIDTH_LIMIT = 100
_UNRECOGNIZED = "unrecognized arguments: "
_EPILOG = """\
exit codes:
  0    done
  1    failed
  2    usage error or bad input: nothing was done
  3    not found
  4    partly failed: the rest was done
  130  interrupted

environment:
  AUDIOSTORE_STORE       name of a store in the configuration, unless --bucket or --store is given
  AUDIOSTORE_CONFIG      the configuration (default: ~/.config/audiostore/config.toml)
  GCS_BUCKET_NAME        the bucket, as in --bucket, unless another store is given
  GCS_BILLING_PROJECT    the project that pays for requests to a requester-pays bucket, unless
                         --billing-project is given
  STORAGE_EMULATOR_HOST  address of a Cloud Storage emulator to use instead of Google's
  NO_COLOR               if set, print without colors

Without a bucket, assets are stored in a local directory: 'audiostore doctor' prints which.
Run 'audiostore COMMAND --help' for the options of a command and an example.
"""


class HelpFormatter(RawDescriptionHelpFormatter):
    """Help as wide as the terminal, within reason."""

    def __init__(self, prog: str) -> None:
        # With a width of its own, argparse need not import shutil to ask for the terminal's.
        super().__init__(prog, max_help_position=26, width=_help_width())


class Parser(ArgumentParser):
    """An ArgumentParser that raises a UsageError of one line."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Reject what is not known here: the error then points to the help of this command."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(_UNRECOGNIZED + " ".join(unknown))
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting."""
        from audiostore.cli.failures import UsageError  # noqa: PLC0415  (not for --help)

        if message.endswith("required: COMMAND"):
            message = "no command given"
        if message.startswith(_UNRECOGNIZED):  # argparse takes only adjacent arguments
            words = message.removeprefix(_UNRECOGNIZED).split()
            if not any(word.startswith("-") for word in words):
                message += " (write options before or after all arguments, not between them)"
        raise UsageError(f"{message}; see '{self.prog} --help'")


def parse(arguments: Sequence[str]) -> tuple[Callable[[CommonOptions], int], CommonOptions]:
    """Return what runs the command, and its options.

    Raises:
        UsageError: the arguments make no sense.
        SystemExit: the help or the version was asked for, and is printed.
    """
    from audiostore.cli.declare import fields_of  # noqa: PLC0415  (not for the overview)

    parsed = vars(build_parser(arguments).parse_args(arguments))
    module: ModuleType = parsed["module"]
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name in fields_of(module.Options)
        if (value := parsed[name]) is not None
    }
    return module.run, module.Options(**given)


def build_parser(words: Sequence[str] | None = None) -> Parser:
    """Return the parser of the command line.

    Args:
        words: what will be parsed, to declare no more than that needs; None declares all.
    """
    parser = _top()
    # With a usage of our own, argparse must be told how the commands' own help begins.
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", prog=parser.prog
    )
    commands.required = True
    found = find_commands()
    if words and words[0] in found:
        found = {words[0]: found[words[0]]}
    for command in found.values():
        _add(commands, command, words)
    return parser


def build_overview() -> Parser:
    """Return a parser that only prints the help, quickly."""
    parser = _top()
    listed = parser.add_argument_group("commands")
    for name, command in find_commands().items():
        listed.add_argument(name, help=command.summary)
    return parser


def _top() -> Parser:
    parser = Parser(
        prog="audiostore",
        usage="audiostore [OPTION]... COMMAND ...",
        description="Store audio and its artwork, complete and verified, in Google Cloud Storage "
        "or in a local directory.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"audiostore {__version__}")
    parser.add_argument(
        "--bucket",
        metavar="URL",
        help="the store: my-bucket, gs://my-bucket/prefix, ./dir or file:///some/dir "
        "(default: $GCS_BUCKET_NAME, else ~/.local/share/audiostore)",
    )
    parser.add_argument(
        "--store",
        metavar="NAME",
        help="the store of this name in the configuration (default: $AUDIOSTORE_STORE)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object per line")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add(
    commands: _SubParsersAction[Parser], command: Command, words: Collection[str] | None
) -> None:
    summary = command.summary
    if words is not None and command.name not in words:
        commands.add_parser(command.name, help=summary, add_help=False)  # listed, never entered
        return
    module = None if command.group else command.load()
    parser = commands.add_parser(
        command.name,
        help=summary,
        description=(module.__doc__ or "").strip() if module else f"{summary}.",
        epilog=f"examples:\n{_indented(module.EXAMPLE)}" if module else None,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    if module is not None:
        parser.set_defaults(module=module)
        _add_arguments(parser, module.Options)
        return
    group = parser.add_subparsers(dest="subcommand", metavar="COMMAND", title="commands")
    group.required = True
    for each in command.group.values():
        _add(group, each, words)


def _indented(lines: str) -> str:
    return "\n".join(f"  {line}" for line in lines.splitlines())


def _add_arguments(parser: Parser, options: type[CommonOptions]) -> None:
    """Declare the fields of a command's options: its own before what it shares with others."""
    from audiostore.cli.declare import fields_of  # noqa: PLC0415  (not for the overview)

    shared = {name for base in options.__bases__ for name in fields_of(base)}
    containers: dict[tuple[str, str], _ActionsContainer] = {("", ""): parser}
    fields = sorted(fields_of(options).items(), key=lambda each: _rank(each[0], each[1], shared))
    common = [each for each in fields if each[1].is_common]
    for name, argument in fields[: len(fields) - len(common)] + common[::-1]:  # --debug comes last
        place = argument.group, argument.excludes
        if place not in containers:
            group = containers.get((argument.group, ""))
            if group is None:
                group = containers[argument.group, ""] = parser.add_argument_group(argument.group)
            containers[place] = group.add_mutually_exclusive_group() if argument.excludes else group
        _add_argument(containers[place], name, argument)


def _rank(name: str, argument: Argument, shared: Collection[str]) -> int:
    if argument.flags is None:
        return 0
    if argument.is_common:
        return 3
    return 2 if name in shared else 1


def _add_argument(container: _ActionsContainer, name: str, argument: Argument) -> None:
    keywords = {key: value for key, value in argument.keywords.items() if value is not None}
    if argument.is_common:
        keywords["default"] = SUPPRESS  # what is not given here must not hide what stands before
    if argument.flags is None:
        action = container.add_argument(name, **keywords)  # type: ignore[arg-type]
    else:
        flags = argument.flags or (f"--{name.replace('_', '-')}",)
        action = container.add_argument(*flags, dest=name, **keywords)  # type: ignore[arg-type]
    action.is_file = argument.is_file  # type: ignore[attr-defined]
    if argument.opposite is not None:
        opposite, help_text = argument.opposite
        container.add_argument(
            opposite, dest=name, action="store_const", const=False, help=help_text
        )


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
