"""Deletes local files once they are safely stored."""

from collections.abc import Iterable

from audiostore.errors import SourceChangedError
from audiostore.events import CleanedUp, CleanupFailed
from audiostore.notify import Notifier
from audiostore.sources import LocalFile


def clean_up(files: Iterable[LocalFile], notify: Notifier) -> tuple[str, ...]:
    """Delete the files that have not changed since; return a warning for each that was kept."""
    warnings = []
    for file in files:
        try:
            if file.remove():
                notify(CleanedUp(file.path))
        except (OSError, SourceChangedError) as error:
            reason = ": ".join([str(error), *getattr(error, "__notes__", [])])
            notify(CleanupFailed(file.path, reason))
            warnings.append(f"local file {str(file.path)!r} was kept: {reason}")
    return tuple(warnings)
