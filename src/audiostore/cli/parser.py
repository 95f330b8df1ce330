"""The whole command line. Imports nothing of the library but its version."""

from __future__ import annotations

from audiostore import __version__
from audiostore.cli.options.adding import Add, HelpFormatter, Parser, add_common
from audiostore.cli.options.assets import add_asset_commands
from audiostore.cli.options.store import add_store_commands

_EPILOG = """\
exit codes:
  0  done
  1  failed
  2  usage or bad input: nothing was done
  3  not found
  130  interrupted

environment:
  GCS_BUCKET_NAME        the bucket, where --bucket is not given
  STORAGE_EMULATOR_HOST  address of a Cloud Storage emulator to use instead of Google's
  NO_COLOR               if set, nothing is coloured

Without a bucket, assets are kept in a directory of yours; 'audiostore doctor' says which.
'audiostore COMMAND --help' explains a command, with an example.
"""


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="audiostore",
        description="Store audio and its artwork, complete and verified, in Google Cloud Storage "
        "or in a directory.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"audiostore {__version__}")
    add_common(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands.required = True

    add = Add(commands)
    add_asset_commands(add)
    add_store_commands(add)
    return parser
