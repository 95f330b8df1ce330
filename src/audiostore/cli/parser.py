"""The command line as `argparse` reads it. Imports nothing of the library but its version."""

from __future__ import annotations

import os
import sys
from argparse import PARSER, SUPPRESS, Action, ArgumentParser, RawDescriptionHelpFormatter
from itertools import islice

from audiostore import __version__
from audiostore.cli.registry import Command, find_commands, grouped

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from argparse import _ActionsContainer, _SubParsersAction
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import ModuleType
    from typing import Any, NoReturn

    from _typeshed import SupportsWrite

    from audiostore.cli.declare import Argument, CommonOptions

_WIDTH_LIMIT = 100
_PLAINER = (
    ("the following arguments are required: ", "missing argument: "),
    ("expected one argument", "its value is missing"),
)
_EPILOG = """\
exit codes:
  0    done
  1    failed
  2    usage error or bad input: nothing was done
  3    not found
  4    partly failed: the rest was done
  130  interrupted
  141  the reader of the output, such as 'head', has closed it

environment:
  AUDIOSTORE_STORE       name of a store in the configuration, unless --bucket or --store is given
  AUDIOSTORE_CONFIG      the configuration (default: ~/.config/audiostore/config.toml)
  GCS_BUCKET_NAME        the bucket, as in --bucket, unless another store is given
  GCS_BILLING_PROJECT    the project that pays for requests to a requester-pays bucket, unless
                         --billing-project is given
  STORAGE_EMULATOR_HOST  address of a Cloud Storage emulator to use instead of Google's
  NO_COLOR               if set, print without colors

Without a bucket, assets are stored in a local directory: 'audiostore doctor' prints which.
Run 'audiostore help COMMAND' for the options of a command and an example.
"""


class HelpFormatter(RawDescriptionHelpFormatter):
    """Help as wide as the terminal, within reason."""

    def __init__(self, prog: str) -> None:
        # With a width of its own, argparse need not import shutil to ask for the terminal's.
        super().__init__(prog, max_help_position=26, width=_help_width())


class Parser(ArgumentParser):
    """An ArgumentParser that raises a UsageError of one line, of a command or a menu of them."""

    commands: Mapping[str, Command] = {}
    """Those of a menu."""

    def format_help(self) -> str:
        """Return the help; that of a menu lists the commands by what they are for."""
        if not self.commands:
            return super().format_help()
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        for heading, commands in grouped(self.commands):
            formatter.start_section(heading)
            for each in commands:
                formatter.add_argument(Action([], dest=each.name, help=each.summary))
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments(self._optionals._group_actions)
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Reject what is not known here: the error then points to the help of this command."""
        parsed, unknown = super().parse_known_args(self._ordered(args or ()), namespace)
        if unknown:
            from audiostore.cli.suggestions import misplaced  # noqa: PLC0415  (not for --help)

            word = next(each for each in unknown if each != "--")
            self.error(f"unexpected argument {word!r}{misplaced(word)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting."""
        from audiostore.cli.failures import UsageError  # noqa: PLC0415  (not for --help)

        for theirs, ours in _PLAINER:
            message = message.replace(theirs, ours)
        raised = UsageError(message)
        raised.add_note(f"see '{self.prog} --help'")
        raise raised

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Print the help or the version, and do not ignore a failure."""
        (file or sys.stdout).write(message)

    def _ordered(self, words: Sequence[str]) -> list[str]:
        """Return the words with options first: `argparse` accepts only adjacent arguments."""
        options: list[str] = []
        others: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--":
                literal = list(rest)
                return [*options, *others, *([word, *literal] if literal else [])]
            if not word.startswith("-") or word == "-":
                others.append(word)
                if self.commands:
                    return [*options, *others, *rest]  # a command, with options of its own
                continue
            action = self._option(word)
            options.append(word)
            if action is not None and action.nargs is None:
                options.extend(islice(rest, 1))
        return options + others

    def _option(self, word: str) -> Action | None:
        """Return the option that a word names, unless its value is part of the word."""
        known = self._option_string_actions
        short = word[:2] if not word.startswith("--") else ""
        if word not in known and word.partition("=")[0] not in known and short not in known:
            from audiostore.cli.suggestions import similar_option  # noqa: PLC0415  (not for --help)

            hint = similar_option(word, self)
            self.error(f"unknown option {word.partition('=')[0]!r}{hint}")
        return known.get(word)

    def _check_value(self, action: Action, value: object) -> None:
        """Reject an unknown command with a suggestion instead of all that there are."""
        if action.nargs == PARSER and value not in (action.choices or ()):
            from audiostore.cli.suggestions import similar_command  # noqa: PLC0415

            self.error(f"unknown command {value!r}{similar_command(str(value), self.commands)}")
        super()._check_value(action, value)


def parse(arguments: Sequence[str]) -> tuple[Callable[[CommonOptions], int], CommonOptions]:
    """Return what runs the command, and its options.

    Raises:
        UsageError: the arguments make no sense.
        SystemExit: the help or the version was asked for, and is printed.
    """
    from audiostore.cli.declare import CommonOptions, fields_of  # noqa: PLC0415  (not for --help)

    parsed = vars(build_parser(arguments).parse_args(arguments))
    parser: Parser = parsed["parser"]
    if parsed["quiet"] and parsed["verbose"]:
        parser.error("--quiet and --verbose exclude each other: give one of them")
    if parser.commands and parsed["json"]:
        parser.error("no command given")
    if parser.commands:
        return lambda _: _show(parser), CommonOptions(debug=False, quiet=False, verbose=False)
    module: ModuleType = parsed["module"]
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name in fields_of(module.Options)
        if (value := parsed[name]) is not None
    }
    return module.run, module.Options(**given)


def _show(menu: Parser) -> int:
    """Print the help where no command is given: on stderr, for it is not what was asked for."""
    from audiostore.cli.failures import BAD_INPUT  # noqa: PLC0415  (not for --help)

    menu.print_help(sys.stderr)
    return BAD_INPUT


def build_parser(words: Sequence[str] | None = None) -> Parser:
    """Return the parser of the command line.

    Args:
        words: what will be parsed, to declare no more than that needs; None declares all.
    """
    parser = build_overview()
    _add_commands(parser, "command", words)
    return parser


def build_overview() -> Parser:
    """Return a parser that only prints the help, quickly."""
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
    parser.commands = find_commands()
    _add_common_options(parser, default=False)
    return parser


def _add_common_options(parser: Parser, default: Any) -> None:
    """Declare what may stand before a command."""
    for flag, metavar, help_text in (
        (
            "--bucket",
            "URL",
            "the store: my-bucket, gs://my-bucket/prefix, ./dir or file:///some/dir "
            "(default: $GCS_BUCKET_NAME, else ~/.local/share/audiostore)",
        ),
        (
            "--store",
            "NAME",
            "the store with this name in the configuration (default: $AUDIOSTORE_STORE)",
        ),
    ):
        parser.add_argument(flag, metavar=metavar, help=help_text, default=default or None)
    for *flags, help_text in (
        ("--json", "print JSON, one object per line, on standard error too"),
        ("-q", "--quiet", "print only the output and errors"),
        ("-v", "--verbose", "show details: the store, retries, what is skipped and why"),
        ("--debug", "show the traceback of an error"),
    ):
        parser.add_argument(*flags, action="store_true", help=help_text, default=default)


def _add_commands(menu: Parser, dest: str, words: Sequence[str] | None) -> None:
    """Declare the commands of a menu that are among the words, or all."""
    menu.set_defaults(parser=menu)
    # With a usage of our own, argparse must know how the commands' own help begins.
    declared = menu.add_subparsers(dest=dest, metavar="COMMAND", prog=menu.prog)
    first = words[0] if words and words[0] in menu.commands else None
    for command in menu.commands.values():
        if words is None or command.name == first or (first is None and command.name in words):
            _add_command(declared, command, words)


def _add_command(
    declared: _SubParsersAction[Parser], command: Command, words: Sequence[str] | None
) -> None:
    module = None if command.group else command.load()
    parser = declared.add_parser(
        command.name,
        help=command.summary,
        description=(module.__doc__ or "").strip() if module else f"{command.summary}.",
        epilog=f"examples:\n{_indented(module.EXAMPLE)}" if module else None,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    if module is None:
        parser.commands = command.group
        _add_common_options(parser, default=SUPPRESS)
        _add_commands(parser, "subcommand", words)
    else:
        parser.set_defaults(module=module, parser=parser)
        _add_arguments(parser, module.Options)


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
    if argument.files is not None:
        from audiostore.cli.values import path  # noqa: PLC0415  (not for the overview)

        keywords["type"] = path
    if argument.is_common:
        keywords["default"] = SUPPRESS  # what is not given here must not hide what stands before
    if argument.flags is None:
        action = container.add_argument(name, **keywords)  # type: ignore[arg-type]
    else:
        flags = argument.flags or (f"--{name.replace('_', '-')}",)
        action = container.add_argument(*flags, dest=name, **keywords)  # type: ignore[arg-type]
    action.files = argument.files  # type: ignore[attr-defined]
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
