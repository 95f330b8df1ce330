"""Printing what would be done; asking before what cannot be undone, or costs."""

from __future__ import annotations

import sys

from audiostore.cli.output import escape, is_terminal, print_json, say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.cli.declare import ConsentOptions, JsonOptions


def has_consent(options: ConsentOptions, question: str) -> bool:
    """Ask on a terminal, unless --yes is given; report that nothing was done.

    The question may have several lines; what it quotes of a store must be escaped already.
    """
    if not will_ask(options):
        return True
    lines = "\n".join(map(escape, question.split("\n")))
    print(f"{lines} [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    say("error", "cancelled: nothing was done")
    return False


def will_ask(options: ConsentOptions) -> bool:
    """Say whether there is a terminal to ask on, and --yes is not given."""
    return not options.yes and is_terminal(sys.stdin)


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
