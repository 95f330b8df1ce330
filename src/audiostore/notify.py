"""Reports events to the log and to listeners."""

from collections.abc import Iterator
from contextlib import contextmanager

from audiostore.events import (
    Attached,
    Begun,
    CleanedUp,
    CleanupFailed,
    Deleted,
    Downloaded,
    Event,
    EventListener,
    Stored,
)
from audiostore.forking import ForkSafeLock
from audiostore.log import logger


class Notifier:
    """Calls the listeners; their exceptions are logged and ignored."""

    def __init__(self, listener: EventListener | None = None) -> None:
        self._listeners: tuple[EventListener, ...] = () if listener is None else (listener,)
        self._lock = ForkSafeLock()
        self._relay: EventListener | None = None

    def __call__(self, event: Event) -> None:
        """Report one event."""
        if self._relay is not None:
            self._relay(event)
            return
        _write_log(event)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001  (the caller's code)
                logger.exception("the listener on_event failed on %s", type(event).__name__)

    @property
    def is_heard(self) -> bool:
        """Whether a listener is registered: without one, frequent events need not be reported."""
        return bool(self._listeners)

    def relay(self, listener: EventListener) -> None:
        """Send all events to this listener only, from now on: for use in a worker process.

        The log and the other listeners belong to the parent process, which reports to them.
        """
        self._relay = listener

    @contextmanager
    def listening(self, listener: EventListener) -> Iterator[None]:
        """Call another listener within the block, before the others, so that it can delay them."""
        with self._lock:
            self._listeners = (listener, *self._listeners)
        try:
            yield
        finally:
            with self._lock:
                others = list(self._listeners)
                others.remove(listener)
                self._listeners = tuple(others)


def _write_log(event: Event) -> None:
    match event:
        case Begun(audio_id, path):
            logger.debug("storing %s as %s", path, audio_id)
        case Stored(audio_id, uri, created):
            logger.info("stored %s at %s%s", audio_id, uri, "" if created else " (already stored)")
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
