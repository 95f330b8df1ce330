"""Print a script that completes this command in a shell.

Save it where the examples do, after creating that directory with mkdir -p, and start a new shell.
zsh looks there if ~/.zshrc has 'fpath+=(~/.zfunc)' before 'compinit'; for tcsh, source the file in
~/.tcshrc.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, _SubParsersAction

from audiostore.cli.declare import CommonOptions, argument
from audiostore.cli.output import write_unguarded

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

GROUP = "set up"
EXAMPLE = """\
audiostore completion bash > ~/.local/share/bash-completion/completions/audiostore
audiostore completion zsh > ~/.zfunc/_audiostore
audiostore completion fish > ~/.config/fish/completions/audiostore.fish"""
_SHELLS = ("bash", "zsh", "fish", "tcsh")


class Options(CommonOptions):
    """Options of `completion`."""

    shell: str = argument("SHELL", "bash, zsh, fish or tcsh", choices=_SHELLS)


def run(options: Options) -> int:
    """Print the script, made by shtab."""
    import shtab  # noqa: PLC0415  (not for --help)

    from audiostore.cli.parser import build_parser  # noqa: PLC0415

    parser = build_parser()
    _mark_files(parser, _completions())
    write_unguarded(sys.stdout, f"{shtab.complete(parser, shell=options.shell)}\n")
    return 0


def _completions() -> dict[str, object]:
    """Return how each kind of files is completed, in the way that shtab reads."""
    import shtab  # noqa: PLC0415  (not for --help)

    from audiostore.media import AUDIO_FORMATS, IMAGE_FORMATS  # noqa: PLC0415

    def named(*extensions: str) -> object:
        return shtab.glob(*(f"*{case}" for each in extensions for case in (each, each.upper())))

    audio = [name for each in AUDIO_FORMATS for name in each.extensions]
    images = [name for each in IMAGE_FORMATS for name in each.extensions]
    return {
        "any": shtab.FILE,
        "folders": shtab.DIRECTORY,
        "audio": named(*audio),
        "images": named(*images),
        "lists": named(".csv", ".tsv", ".jsonl", ".json", ".parquet"),
    }


def _mark_files(parser: ArgumentParser, completions: Mapping[str, object]) -> None:
    """Mark the arguments that take the path of a file."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for command in action.choices.values():
                _mark_files(command, completions)
        elif (files := getattr(action, "files", None)) is not None:
            marked: Any = action
            marked.complete = completions[files]
