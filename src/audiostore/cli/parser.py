"""What may be typed. Imports nothing of the library but its version."""

from __future__ import annotations

import os
from argparse import (
    SUPPRESS,
    Action,
    ArgumentParser,
    ArgumentTypeError,
    RawDescriptionHelpFormatter,
)

from audiostore import __version__

TYPE_CHECKING = False  # typing itself would take longer to import than argparse
if TYPE_CHECKING:
    from typing import NoReturn

_WIDTH_LIMIT = 100

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


class UsageError(Exception):
    """What was typed makes no sense; the message says what would."""


class _HelpFormatter(RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # With a width of its own, argparse need not import shutil to ask for the terminal's.
        super().__init__(prog, max_help_position=26, width=_help_width())


class Parser(ArgumentParser):
    """An ArgumentParser whose complaints are one line, told by `main`."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        if message.endswith("required: COMMAND"):
            message = "no command is given"
        raise UsageError(f"{message}; see '{self.prog} --help'")


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="audiostore",
        description="Store audio and its artwork, complete and verified, in Google Cloud Storage "
        "or in a directory.",
        epilog=_EPILOG,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"audiostore {__version__}")
    _add_common(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands.required = True

    def add(
        name: str, what: str, example: str, *, json: bool = True, bucket: bool = True
    ) -> Parser:
        command = commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )
        _add_common(command, top=False, json=json, bucket=bucket)
        return command

    put = add(
        "put",
        "store an audio file, with its artwork; print its id",
        "audiostore put song.mp3 --thumbnail cover.jpg --meta artist='Nina Simone'",
    )
    put.add_argument("file", metavar="FILE", help="the audio file")
    put.add_argument("--thumbnail", metavar="FILE", help="its artwork: JPEG, PNG or WebP")
    put.add_argument(
        "--id",
        dest="audio_id",
        metavar="UUID",
        help="the id to store it under (default: a new one)",
    )
    put.add_argument(
        "--meta",
        metavar="KEY=VALUE",
        action="append",
        type=_key_and_value,
        default=[],
        help="something of yours to keep with it; may be repeated",
    )
    for tag in ("title", "artist", "album"):
        put.add_argument(
            f"--{tag}", metavar="TEXT", help=f"its {tag}, instead of what the file says"
        )
    _add_check(put)
    put.add_argument(
        "--no-artwork",
        action="store_true",
        help="leave artwork in the audio file, where none is given (default: store it beside)",
    )
    put.add_argument(
        "--thumbnail-max-px",
        metavar="N",
        type=_positive,
        help="scale artwork down to N pixels on its longer side",
    )
    put.add_argument(
        "--faststart",
        action="store_true",
        help="put the index of an MP4 file in front, without loss, so that it plays at once",
    )
    put.add_argument(
        "--public",
        action="store_true",
        help="let shared caches keep what is served (default: only the listener's own player)",
    )
    put.add_argument(
        "--cleanup",
        action="store_true",
        help="delete the local files once they are stored and verified",
    )

    get = add(
        "get",
        "fetch the audio of an asset, or its artwork, into a file",
        "audiostore get 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b -o song.mp3",
    )
    _add_id(get)
    get.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="the file to write, replaced if it exists; a directory; or '-' for standard output "
        "(default: the file's original name, in this directory, never replacing another)",
    )
    get.add_argument(
        "--part",
        choices=("audio", "thumbnail"),
        default="audio",
        help="what to fetch (default: audio)",
    )

    probe = add(
        "probe",
        "say what is inside audio files, and whether they could be stored",
        "audiostore probe --check full *.mp3",
        bucket=False,
    )
    probe.add_argument("files", metavar="FILE", nargs="+", help="an audio file")
    _add_check(probe)

    show = add(
        "show",
        "show all that is known of an asset",
        "audiostore show 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b",
    )
    _add_id(show)

    add("list", "list all assets, one a line", "audiostore list --json | jq -r .audio_id")

    rm = add(
        "rm",
        "delete assets for good",
        "audiostore rm 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b --yes",
    )
    rm.add_argument("audio_ids", metavar="ID", nargs="+", help="an asset's id")
    rm.add_argument(
        "-y", "--yes", action="store_true", help="do not ask (only a terminal is ever asked)"
    )

    add(
        "doctor",
        "say which store is used, as whom, whether it works, and if not what to do",
        "audiostore doctor --bucket gs://my-bucket",
    )

    completion = add(
        "completion",
        "print a script that completes this command's options in a shell",
        "audiostore completion bash > ~/.local/share/bash-completion/completions/audiostore",
        json=False,
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))
    return parser


SHELLS = ("bash", "zsh", "tcsh")


def _add_common(
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


def _add_check(parser: ArgumentParser) -> None:
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


def _add_id(parser: ArgumentParser) -> None:
    parser.add_argument("audio_id", metavar="ID", help="the asset's id")


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _key_and_value(text: str) -> tuple[str, str]:
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
