"""The same for each of several assets: one that fails does not stop the others."""

from __future__ import annotations

import audiostore
from audiostore.cli.failures import FAILED, NOT_FOUND, PARTLY_FAILED, report
from audiostore.cli.output import print_json

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from audiostore.cli.declare import JsonOptions


def distinct_ids(audio_ids: Iterable[str]) -> list[str]:
    """Return the ids, each once.

    Raises:
        InvalidAudioIdError: one of them is not an id.
    """
    from audiostore.asset import require_audio_id  # noqa: PLC0415  (not for --help)

    return list(dict.fromkeys(map(require_audio_id, audio_ids)))


def with_each(
    options: JsonOptions,
    audio_ids: Iterable[str],
    act: Callable[[str], Mapping[str, object] | None],
) -> int:
    """Do something with each asset, report what cannot be done, and return the exit code.

    3 if the only failures are unknown ids; else 4 if something was done, or 1.

    Args:
        options: of the command.
        audio_ids: which.
        act: does it, and returns what --json prints of it (None: nothing).
    """
    done = unknown = refused = 0
    for audio_id in audio_ids:
        try:
            fields = act(audio_id)
        except audiostore.AssetNotFoundError as error:
            report(error)
            unknown += 1
            continue
        except (audiostore.AssetConflictError, audiostore.HeldError) as error:
            report(error)
            refused += 1
            continue
        done += 1
        if options.json and fields is not None:
            print_json(fields)
    if refused:
        return PARTLY_FAILED if done else FAILED
    return NOT_FOUND if unknown else 0
