"""Tells the log, and whoever listens, what happened."""

from audiostore.events import (
    Attached,
    CleanedUp,
    CleanupFailed,
    Deleted,
    Downloaded,
    Event,
    EventListener,
    Stored,
)
from audiostore.log import logger


class Notifier:
    """Calls the listener, whose own failures are logged and change nothing."""

    def __init__(self, listener: EventListener | None = None) -> None:
        self._listener = listener

    def __call__(self, event: Event) -> None:
        """Tell of one event."""
        _write_log(event)
        if self._listener is None:
            return
        try:
            self._listener(event)
        except Exception:  # noqa: BLE001  (the caller's code; logged)
            logger.exception("the listener on_event failed on %s", type(event).__name__)


def _write_log(event: Event) -> None:
    match event:
        case Stored(audio_id, uri, created):
            logger.info("stored %s at %s%s", audio_id, uri, "" if created else " (it was already)")
        case Attached(audio_id, uri, waiting):
            logger.info(
                "attached %s to %s%s", uri, audio_id, " (waits for audio)" if waiting else ""
            )
        case Downloaded(audio_id, destination):
            logger.info("downloaded %s to %s", audio_id, destination)
        case Deleted(audio_id):
            logger.info("deleted %s", audio_id)
        case CleanedUp(path):
            logger.info("cleaned up %s", path)
        case CleanupFailed(path, reason):
            logger.warning("local file %s was kept: %s", path, reason)
        case _:
            pass  # Progress is too frequent for a log; the retry layer logs its retries itself
