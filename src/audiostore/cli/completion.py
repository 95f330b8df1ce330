"""Scripts that complete the command line in a shell, made by shtab."""

from argparse import ArgumentParser, _SubParsersAction
from typing import Any

import shtab

from audiostore.cli.parser import build_parser

_FILES = frozenset(
    {"files", "thumbnail", "output", "manifest", "journal", "to", "file", "policy", "prices"}
)


def completion_script(shell: str) -> str:
    """Return the script for bash, zsh or tcsh."""
    parser = build_parser()
    _mark_files(parser)
    return shtab.complete(parser, shell=shell)


def _mark_files(parser: ArgumentParser) -> None:
    """Say which options take the path of a file, in the way that shtab reads it."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for command in action.choices.values():
                _mark_files(command)
        elif action.dest in _FILES:
            marked: Any = action
            marked.complete = shtab.FILE
