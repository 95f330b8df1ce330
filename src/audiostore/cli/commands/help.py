"""Show the help of a command."""

from __future__ import annotations

from audiostore.cli.declare import CommonOptions, arguments

GROUP = "set up"
EXAMPLE = "audiostore help lifecycle plan"


class Options(CommonOptions):
    """Options of `help`."""

    words: tuple[str, ...] = arguments("COMMAND", "the command (default: the list of commands)")


def run(options: Options) -> int:
    """Print the help, as ``COMMAND --help`` does."""
    from audiostore.cli.parser import parse  # noqa: PLC0415  (it has imported this module)

    try:
        parse([*options.words, "--help"])
    except SystemExit:  # argparse has printed it
        return 0
    raise AssertionError("argparse prints the help and exits")
