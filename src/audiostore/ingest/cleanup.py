"""Deleting local files, once they are safely stored."""

from collections.abc import Iterable
from typing import Literal

from audiostore.errors import SourceChangedError
from audiostore.events import CleanedUp, CleanupFailed
from audiostore.notify import Notifier
from audiostore.sources import LocalFile

Cleanup = bool | Literal["always"]


def check_cleanup(cleanup: object) -> None:
    """Refuse a value that is not one of False, True and "always".

    Raises:
        ValueError: it is not.
    """
    if not (isinstance(cleanup, bool) or cleanup == "always"):
        raise ValueError(f"cleanup is {cleanup!r}: it must be False, True or 'always'")


def clean_up(files: Iterable[LocalFile], notify: Notifier) -> tuple[str, ...]:
    """Delete the files that are still what was stored; return a warning for each that was kept."""
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
