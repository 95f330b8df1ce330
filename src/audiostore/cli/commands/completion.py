"""Print a script that completes this command in a shell."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, _SubParsersAction

from audiostore.cli.declare import CommonOptions, argument
from audiostore.cli.output import write_unguarded

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from typing import Any

GROUP = "set up"
EXAMPLE = "audiostore completion bash > ~/.local/share/bash-completion/completions/audiostore"
_SHELLS = ("bash", "zsh", "tcsh")


class Options(CommonOptions):
    """Options of `completion`."""

    shell: str = argument("SHELL", "bash, zsh or tcsh", choices=_SHELLS)


def run(options: Options) -> int:
    """Print the script, made by shtab."""
    import shtab  # noqa: PLC0415  (not for --help)

    from audiostore.cli.parser import build_parser  # noqa: PLC0415

    parser = build_parser()
    _mark_files(parser, shtab.FILE)
    write_unguarded(sys.stdout, f"{shtab.complete(parser, shell=options.shell)}\n")
    return 0


def _mark_files(parser: ArgumentParser, mark: object) -> None:
    """Mark the options that take the path of a file, in the way that shtab reads."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for command in action.choices.values():
                _mark_files(command, mark)
        elif getattr(action, "is_file", False):
            marked: Any = action
            marked.complete = mark
