"""Saying what would be done; asking before what cannot be undone, or costs."""

import sys
from argparse import Namespace

from audiostore.cli.listing import json_line
from audiostore.cli.output import escape, is_terminal, say


def has_consent(options: Namespace, question: str) -> bool:
    """Ask, if a person sits at a terminal and has not said --yes; say that nothing was done.

    The question may have several lines; what it quotes of a store must be escaped already.
    """
    if not will_ask(options):
        return True
    lines = "\n".join(map(escape, question.split("\n")))
    print(f"{lines} [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    say("error", "nothing was done")
    return False


def will_ask(options: Namespace) -> bool:
    """Say whether a person is there to be asked, and has not said --yes."""
    return not options.yes and is_terminal(sys.stdin)


def tell_plan(options: Namespace, words: str, audio_id: str, **facts: object) -> None:
    """Print what would be done with an asset: a line of words, or of JSON.

    Args:
        options: of the command.
        words: what would be done, such as ``hold 3f2b…``.
        audio_id: the asset's id.
        facts: more, for JSON; "would" is the first of the words.
    """
    if options.json:
        fields = {"would": words.partition(" ")[0], "audio_id": audio_id}
        print(json_line({**fields, **facts}), flush=True)
    else:
        print(f"would {escape(words)}", flush=True)
