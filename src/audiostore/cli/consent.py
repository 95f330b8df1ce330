"""Printing what would be done; asking before what cannot be undone, or costs."""

from __future__ import annotations

import os
import sys

from audiostore.cli.output import bottom, escape, is_terminal, print_json, say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable

    from audiostore.cli.declare import ConsentOptions, JsonOptions
    from audiostore.cli.selection import Chosen, Selection


def has_consent(options: ConsentOptions, question: str) -> bool:
    """Ask on a terminal, unless --yes is given; report that nothing was done.

    The question may have several lines; what it quotes of a store must be escaped already.
    """
    if not will_ask(options):
        return True
    lines = "\n".join(map(escape, question.split("\n")))
    print(f"{lines} [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    answer = _answer(options)
    bottom.is_mid_line = False  # the answer has ended the line
    if answer.strip().lower() in ("y", "yes"):
        return True
    say("error", "cancelled: nothing was done")
    return False


def has_consent_to(
    options: ConsentOptions,
    chosen: Selection,
    question: str,
    describe: Callable[[Chosen], str] | None = None,
) -> bool:
    """Show the first assets that were chosen, and ask; True if there are none.

    Args:
        options: of the command.
        chosen: the assets, fixed.
        question: names their number.
        describe: returns an asset as a line; None: as `list` prints it.
    """
    if not (len(chosen) and will_ask(options)):
        return True
    import audiostore  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import row  # noqa: PLC0415

    lines: list[str] = []
    for each in chosen.first():
        try:
            lines.append(describe(each) if describe else row(chosen.asset(each)))
        except audiostore.AssetNotFoundError:
            lines.append(f"{each.audio_id}  (not found)")
    if more := len(chosen) - len(lines):
        lines.append(f"and {more:,} more ('--dry-run' prints all)")
    return has_consent(options, "\n".join([*lines, question]))


def will_ask(options: ConsentOptions) -> bool:
    """Say whether there is a terminal to ask on, and --yes is not given."""
    is_input_free = not _reads_input(options)
    return not options.yes and is_terminal(sys.stdin if is_input_free else sys.stderr)


def _answer(options: ConsentOptions) -> str:
    """Return the line that is typed: on the terminal itself, if the input holds IDs."""
    if not _reads_input(options):
        return sys.stdin.readline()
    with open(os.ttyname(sys.stderr.fileno()), encoding="utf-8") as terminal:  # noqa: PTH123
        return terminal.readline()


def _reads_input(options: ConsentOptions) -> bool:
    return getattr(options, "from_file", None) == "-"


def print_plan(options: JsonOptions, action: str, audio_id: str, **facts: object) -> None:
    """Print what would be done with an asset: a line of text, or of JSON.

    Args:
        options: of the command.
        action: what would be done, such as ``hold 3f2b…``; JSON has its first word only.
        audio_id: the asset.
        facts: more, for JSON.
    """
    if options.json:
        print_json({"would": action.partition(" ")[0], "audio_id": audio_id, **facts})
    else:
        print(f"would {escape(action)}", flush=True)
