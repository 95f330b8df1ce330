"""Deletes local files once they are safely stored."""

from collections.abc import Callable, Iterable

from audiostore.errors import AudioStoreError
from audiostore.events import CleanedUp, CleanupFailed
from audiostore.localfiles import LocalFile
from audiostore.notify import Notifier


def clean_up(
    files: Iterable[LocalFile],
    notify: Notifier,
    *,
    is_stored: Callable[[LocalFile], bool] = lambda _: True,
) -> tuple[str, ...]:
    """Delete the files that have not changed since; return a warning for each that was kept.

    Args:
        files: to delete, in this order.
        notify: reports what was deleted, and what was not.
        is_stored: says whether what is stored has the very bytes of a file.
    """
    warnings = []
    for file in files:
        try:
            if not is_stored(file):
                reason = "the stored object has other bytes, even if its crc32c is the same"
            elif file.remove():
                notify(CleanedUp(file.path))
                continue
            else:
                continue
        except (OSError, AudioStoreError) as error:
            reason = ": ".join([str(error), *getattr(error, "__notes__", [])])
        notify(CleanupFailed(file.path, reason))
        warnings.append(f"local file {str(file.path)!r} was kept: {reason}")
    return tuple(warnings)
