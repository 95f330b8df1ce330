"""An exception as one line, with a hint and an exit code."""

from __future__ import annotations

import os
import sys

import audiostore
from audiostore.cli import hints, places
from audiostore.cli.output import say, voice

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from typing import Any

FAILED, BAD_INPUT, NOT_FOUND, PARTLY_FAILED, INTERRUPTED = 1, 2, 3, 4, 130

_ON_THE_COMMAND_LINE = {
    "fix_extension=True": "--fix-extension",
    "pass a larger max_size_bytes": "raise --max-size",
    "pass project='my-project'": "give --billing-project",
    "; in Python, you can also pass credentials=": "",
    "faststart=True": "--faststart",
    "allow it to be overwritten": "pass --overwrite",
    'check="none"': "--check none",
    'check="quick"': "--check quick",
    "permanent=True": "--permanent",
    "expire() sets": "'audiostore expire' sets",
    "with upload_thumbnail_file": "with 'audiostore cover'",
    "A plan never changes: use another name": "a plan never changes: give another --run",
    "raise chunk_items": "raise --chunk",
    "To store a directory of plain files, upload them": "'audiostore put' stores plain files",
}


class UsageError(Exception):
    """The arguments make no sense; the message says which would."""


def exit_code(error: Exception) -> int:
    """Return the exit code that tells a script what kind of failure it was."""
    match error:
        case (
            audiostore.AssetNotFoundError()
            | audiostore.BlobNotFoundError()
            | audiostore.RunNotFoundError()
        ):
            return NOT_FOUND
        case (
            UsageError()
            | audiostore.SourceNotFoundError()
            | audiostore.ExportConflictError()
            | audiostore.RunConflictError()
        ):
            return BAD_INPUT
        case audiostore.AudioStoreError() if isinstance(error, ValueError):
            return BAD_INPUT
        case _:
            return FAILED


def report(error: Exception, *, where: str = "", hint: str = "", debug: bool = False) -> None:
    """Print an error on stderr: as one line or, with --json, as an object.

    Args:
        error: what failed.
        where: it did, in front of the line.
        hint: what else to do about it.
        debug: print the traceback too.
    """
    if debug:
        print_traceback(error)
    what, todo = _parts(error)
    todo = "; ".join(filter(None, [todo, hint]))
    text = located(where, what) if where else what
    if not voice.json:
        say("error", _joined(text, todo))
        return
    path = getattr(error, "path", None) or getattr(error, "filename", None)
    say(
        "error",
        text,
        kind=type(error).__name__,
        audio_id=getattr(error, "audio_id", None),
        path=None if path is None else str(path),
        exit_code=exit_code(error),
        hint=todo or None,
    )


def report_stop(error: Exception, summary: str, *, debug: bool) -> int:
    """Print the error that ended a run, then what was done before it; return the exit code."""
    report(error, debug=debug)
    say("stopped", summary)
    return exit_code(error)


def sentence(error: Exception) -> str:
    """Return what failed, on what, and what to do, as far as the error knows."""
    return _joined(*_parts(error))


def _joined(what: str, todo: str) -> str:
    """Return one sentence of two parts; what a server says may end with a full stop."""
    return f"{what.removesuffix('.')}; {todo}" if todo else what


def located(where: str, message: str) -> str:
    """Return a message with a path, or another place, in front: one that names the file once.

    Args:
        where: a path as the user gave it, perhaps after the place that lists it:
            ``songs.csv, line 2: a.mp3``.
        message: may name the file, too: by its file name or, as errors of the library do, by its
            absolute path.
    """
    listed_at, colon, listed = where.partition(": ")
    name = os.fsencode(os.path.basename(where)).decode("utf-8", "replace")  # noqa: PTH119  (no pathlib)
    paths = [where, listed] if listed else [where]
    whole = [repr(os.path.abspath(path)) for path in paths]  # noqa: PTH100  (no pathlib)
    for its_name in (repr(name), *whole):
        if message.startswith(its_name):
            return where + message.removeprefix(its_name)
    if whole[-1] in message:
        return f"{listed_at}{colon}{message}" if listed else message
    return f"{where}: {message}"


def _parts(error: Exception) -> tuple[str, str]:
    """Return what failed, on what; and what to do about it, which may be nothing."""
    from audiostore.errors import redacted  # noqa: PLC0415  (not for --help)
    from audiostore.files import explain  # noqa: PLC0415  (not for --help)

    if not _is_expected(error):
        what = redacted(f"unexpected {type(error).__name__}: {error}; this is a bug in audiostore")
        return what, "run the command again with --debug and report the output"
    place = None
    if isinstance(error, OSError):
        explain(error)
        place = places.explained(error)
    notes = [
        note
        for note in getattr(error, "__notes__", [])
        if not (note.startswith("while: ") and note.endswith("(attempt 1)"))  # it says so already
    ]
    on_what = [
        note
        for note in notes
        if note.startswith("while") and note.removeprefix("while reading ") not in str(error)
    ]
    todo = [note for note in notes if not note.startswith("while")]
    if isinstance(error, ConnectionError | TimeoutError) and not todo:
        todo.append("try again later, or run 'audiostore doctor'")
    if isinstance(error, audiostore.HeldError) and error.temporary_hold and error.audio_id:
        todo = [note for note in todo if note != "release it first"]
        todo.append(f"run {hints.command('release', error.audio_id)} first")
    if _is_of_bucket(error):
        todo += filter(None, [hints.meant_directory()])
    message = _message(error)
    if place is not None:
        message = place[0]
        todo.append(place[1])
    what, how = (redacted("; ".join(map(as_typed, texts))) for texts in ([message, *on_what], todo))
    return what, how


def _is_of_bucket(error: Exception) -> bool:
    """Say whether a bucket does not exist, or may not be used."""
    from audiostore.errors import affects_all  # noqa: PLC0415  (not for --help)

    is_denied = isinstance(error, audiostore.CredentialsError) or is_api_error(error)
    return is_denied and affects_all(error)


def as_typed(text: str) -> str:
    """Return a message of the library in the terms of the command line."""
    for ours, typed in _ON_THE_COMMAND_LINE.items():
        text = text.replace(ours, typed)
    return text


def print_traceback(error: Exception) -> None:
    """Print the traceback on stderr, without secrets."""
    import traceback  # noqa: PLC0415  (for --debug only)

    from audiostore.errors import redacted  # noqa: PLC0415

    print(redacted("".join(traceback.format_exception(error))), end="", file=sys.stderr)


def _message(error: Exception) -> str:
    from audiostore.files import named_folder  # noqa: PLC0415  (not for --help)

    if isinstance(error, OSError) and error.strerror:
        names = [
            repr(named_folder(name) if isinstance(name, str) else name)
            for name in (error.filename, error.filename2)
            if name is not None
        ]
        return ": ".join([" to ".join(names), error.strerror] if names else [error.strerror])
    return str(error) or type(error).__name__


def _is_expected(error: Exception) -> bool:
    return isinstance(error, audiostore.AudioStoreError | OSError | UsageError) or is_api_error(
        error
    )


def is_api_error(error: Exception) -> bool:
    """Say whether an error is a response of Cloud Storage; imports nothing to find out."""
    exceptions: Any = sys.modules.get("google.api_core.exceptions")
    return exceptions is not None and isinstance(error, exceptions.GoogleAPICallError)
