"""What is printed of the library's log.

With --verbose, all of it: what is stored, retried, deleted, and kept. Without, how many files of
assets a listing has passed over.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from audiostore.asset import part_of
from audiostore.cli.output import counted, say
from audiostore.errors import redacted
from audiostore.log import logger, passed_over


class _Lines(logging.Handler):
    """Prints each record as a line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, without secrets."""
        say("info", redacted(record.getMessage()))


@contextmanager
def _attached(handler: logging.Handler, log: logging.Logger) -> Iterator[None]:
    """Pass what is logged during the body to a handler."""
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


@contextmanager
def printed_logs() -> Iterator[None]:
    """Print the log during the body."""
    with _attached(_Lines(), logger):
        yield


class _PassedOver(logging.Handler):
    """Remembers what was passed over, unless it is a file that does not look like an asset's."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[object] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Remember the name or path of a record."""
        name = record.args[0] if isinstance(record.args, tuple) else None
        if record.levelno >= logging.WARNING or part_of(str(name)):
            self.names.add(name)


@contextmanager
def warning_of_passed_over() -> Iterator[None]:
    """Warn after the body about the files that a listing has passed over in it."""
    handler = _PassedOver()
    try:
        with _attached(handler, passed_over):
            yield
    finally:
        if handler.names:
            number = len(handler.names)
            say(
                "warning",
                f"{counted(number, 'file')} of the store {'was' if number == 1 else 'were'} "
                f"skipped: unreadable, or changed since {'it was' if number == 1 else 'they were'} "
                f"stored (copied without {'its' if number == 1 else 'their'} modification time?); "
                "'audiostore check' says more",
            )
