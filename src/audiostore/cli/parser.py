"""The whole command line. Imports nothing of the library but its version."""

from __future__ import annotations

from audiostore import __version__
from audiostore.cli.options.adding import Add, HelpFormatter, Parser, add_common
from audiostore.cli.options.index import COMMANDS

_EPILOG = """\
exit codes:
  0  done
  1  failed
  2  usage or bad input: nothing was done
  3  not found
  4  partly failed: the rest was done
  130  interrupted

environment:
  GCS_BUCKET_NAME        the bucket, where --bucket is not given
  STORAGE_EMULATOR_HOST  address of a Cloud Storage emulator to use instead of Google's
  NO_COLOR               if set, nothing is coloured

Without a bucket, assets are kept in a directory of yours; 'audiostore doctor' says which.
'audiostore COMMAND --help' explains a command, with an example.
"""


def build_parser(command: str | None = None) -> Parser:
    """Return the parser of the command line.

    Args:
        command: the one that will be parsed, if that is known: only its group is declared then.
    """
    from importlib import import_module  # noqa: PLC0415  (not for the overview)

    parser = _top()
    # With a usage of our own, argparse must be told how the commands' own help begins.
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", prog=parser.prog
    )
    commands.required = True
    add = Add(commands)
    wanted = [COMMANDS[command]] if command in COMMANDS else COMMANDS.values()
    for group in dict.fromkeys(group for group, _ in wanted):
        module, _, declare = group.partition(".")
        getattr(import_module(f"audiostore.cli.options.{module}"), declare)(add)
    return parser


def build_overview() -> Parser:
    """Return a parser that is good for nothing but the help of the whole, which it has at once."""
    parser = _top()
    listed = parser.add_argument_group("commands")
    for name, (_, what) in COMMANDS.items():
        listed.add_argument(name, help=what)
    return parser


def _top() -> Parser:
    parser = Parser(
        prog="audiostore",
        usage="audiostore [OPTION]... COMMAND ...",
        description="Store audio and its artwork, complete and verified, in Google Cloud Storage "
        "or in a directory.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"audiostore {__version__}")
    add_common(parser, top=True)
    return parser
