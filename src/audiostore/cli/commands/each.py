"""The same with each of several assets: one that cannot be had does not keep the others."""

from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping

from audiostore.asset import require_audio_id
from audiostore.cli.failures import FAILED, NOT_FOUND, PARTLY_FAILED, sentence
from audiostore.cli.listing import json_line
from audiostore.cli.output import say
from audiostore.errors import AssetConflictError, AssetNotFoundError, HeldError


def given_ids(options: Namespace) -> list[str]:
    """Return the ids that were typed, each once; the first that is none is told of, not later."""
    return list(dict.fromkeys(map(require_audio_id, options.audio_ids)))


def with_each(
    options: Namespace,
    audio_ids: Iterable[str],
    act: Callable[[str], Mapping[str, object] | None],
) -> int:
    """Do something with each asset, tell what cannot be done, and return the exit code.

    3 if nothing but unknown ids stood in the way; else 4 where something was done, or 1.

    Args:
        options: of the command.
        audio_ids: which.
        act: does it, and returns what --json prints of it (None: nothing).
    """
    done = unknown = refused = 0
    for audio_id in audio_ids:
        try:
            fields = act(audio_id)
        except AssetNotFoundError as error:
            say("error", sentence(error))
            unknown += 1
            continue
        except (AssetConflictError, HeldError) as error:
            say("error", sentence(error))
            refused += 1
            continue
        done += 1
        if options.json and fields is not None:
            print(json_line(fields), flush=True)
    if refused:
        return PARTLY_FAILED if done else FAILED
    return NOT_FOUND if unknown else 0
