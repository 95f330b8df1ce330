"""The same for each of several assets: one that fails does not stop the others."""

from __future__ import annotations

import audiostore
from audiostore.cli.failures import (
    FAILED,
    NOT_FOUND,
    PARTLY_FAILED,
    UsageError,
    report,
    report_stop,
)
from audiostore.cli.output import counted, escape, note, print_json, say
from audiostore.cli.store import warn

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from audiostore import ActionOutcome, StorageResult
    from audiostore.cli.selection import Chosen, Selection


class Report:
    """What a command has to say about an asset."""

    __slots__ = ("about", "fields", "note", "text", "warnings")

    def __init__(
        self,
        fields: object = None,
        text: str = "",
        *,
        note: str = "",
        about: StorageResult | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        """Say it later.

        Args:
            fields: what --json prints; None: nothing.
            text: the lines that are printed otherwise.
            note: for a person who watches; left out where many assets are summed up.
            about: an asset with warnings.
            warnings: others.
        """
        self.fields = fields
        self.text = text
        self.note = note
        self.about = about
        self.warnings = warnings


def planned(action: str, audio_id: str, **facts: object) -> Report:
    """Return what a dry run prints: a line of text, or of JSON.

    Args:
        action: what would be done, such as ``hold 3f2b…``; JSON has its first word only.
        audio_id: the asset.
        facts: more, for JSON.
    """
    fields = {"would": action.partition(" ")[0], "audio_id": audio_id, **facts}
    return Report(fields, f"would {escape(action)}")


def with_each(chosen: Selection, act: Callable[[Chosen], Report], done_word: str = "done") -> int:
    """Do something with each chosen asset, report what cannot be done, and return the exit code.

    0 if all is done. If not: 3 if the only failures are unknown ids; else 4 if something was done,
    or 1. An error that is not about one asset ends the run, as an interrupt does.

    Args:
        chosen: the assets.
        act: does it, for many in several threads; one that is named by its id may fail as it likes.
        done_word: what they then are, such as "deleted".
    """
    if chosen.is_single and not chosen.unknown:
        _print(chosen, act(next(iter(chosen))))
        return 0
    from audiostore.cli.progress.bulk import abandoning  # noqa: PLC0415  (for many only)

    counts = {"done": 0, "failed": 0, "not found": chosen.unknown}
    outcomes = chosen.manager.bulk.apply(act, chosen, in_order=True)
    progress = None if chosen.total is None else chosen.progress
    if progress is not None:
        progress.restart(chosen.total or 0, done_word)
    try:
        with abandoning(outcomes):
            for outcome in outcomes:
                counts[_record(chosen, outcome, is_first=not counts["done"])] += 1
                if progress is not None:
                    progress(outcome.index + 1)
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, audiostore.AudioStoreError, OSError) as error:
        _clear(chosen)
        of = "" if chosen.total is None else f" of {chosen.total:,}"
        summary = f"{counts['done']:,}{of} assets {done_word}; those in progress may be, too"
        if not isinstance(error, KeyboardInterrupt):
            return report_stop(error, summary, debug=chosen.options.debug)
        say("stopped", summary)
        raise
    _clear(chosen)
    if not any(counts.values()):
        if chosen.options.all:
            note(chosen.nothing)
            return 0
        say("error", chosen.nothing)
        return NOT_FOUND
    failures = [f"{counts[word]:,} {word}" for word in ("failed", "not found") if counts[word]]
    note("; ".join([f"{counted(counts['done'], 'asset')} {done_word}", *failures]))
    if counts["failed"]:
        return PARTLY_FAILED if counts["done"] else FAILED
    return NOT_FOUND if counts["not found"] else 0


def _record(chosen: Selection, outcome: ActionOutcome[Chosen, Report], *, is_first: bool) -> str:
    """Report an outcome, and return what it counts as.

    Args:
        chosen: the assets.
        outcome: of one of them.
        is_first: whether nothing has been done yet.

    Raises:
        Exception: the error, if it is not about this asset alone.
    """
    if outcome.result is not None:
        _print(chosen, outcome.result)
        return "done"
    error = outcome.error or RuntimeError("no report")
    if not _is_about_one(error) or (is_first and _is_denied(error)):
        raise error
    is_unknown = isinstance(error, audiostore.AssetNotFoundError)
    _clear(chosen)
    report(error)
    return "not found" if is_unknown else "failed"


def _print(chosen: Selection, report: Report) -> None:
    _clear(chosen)
    if chosen.options.json:
        if report.fields is not None:
            print_json(report.fields)
    elif report.text:
        print(report.text, flush=True)
    if report.note and not chosen.is_implied:
        note(report.note)
    for warning in report.warnings:
        say("warning", warning)
    if report.about is not None:
        warn(report.about)


def _clear(chosen: Selection) -> None:
    if chosen.progress is not None:
        chosen.progress.clear()


def _is_about_one(error: Exception) -> bool:
    """Say whether the other assets may still succeed; what affects all ends a run by itself."""
    if isinstance(error, audiostore.UnsupportedByStoreError):
        return False
    return isinstance(error, audiostore.AudioStoreError | OSError | UsageError)


def _is_denied(error: Exception) -> bool:
    """Say whether a permission is missing: an object may have readers of its own, but few do."""
    if isinstance(error, audiostore.HeldError | audiostore.UnreadableBlobError):
        return False
    return getattr(error, "status", None) == 403
