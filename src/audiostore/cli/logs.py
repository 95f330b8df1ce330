"""What --verbose prints of the library's log: what is stored, retried, deleted, and kept."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from audiostore.cli.output import say
from audiostore.errors import redacted
from audiostore.log import logger


class _Lines(logging.Handler):
    """Prints each record as a line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, without secrets."""
        say("info", redacted(record.getMessage()))


@contextmanager
def printed_logs() -> Iterator[None]:
    """Print the log during the body."""
    handler, level = _Lines(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
