"""The messages between a process pool and its workers."""

import logging
from typing import Any, NamedTuple

from audiostore.events import Event


class Run(NamedTuple):
    """To a worker: run these tasks, each with its number."""

    tasks: list[tuple[int, Any]]
    """By threads."""
    interleaved: list[tuple[int, Any]]
    """By the interleaver."""
    threads_limit: int
    """At most so many threads at once."""
    tasks_limit: int
    """At most so many tasks at once in all."""


class Cancel(NamedTuple):
    """To a worker: drop what was not begun. The answer is `Cancelled`."""


class Finished(NamedTuple):
    """From a worker: the outcome of a task."""

    number: int
    outcome: Any
    cpu_s: float
    """The processor time that the worker has used so far."""
    by_thread: bool
    """Whether a thread has run it."""


class Cancelled(NamedTuple):
    """From a worker: the numbers of the tasks that were never begun, and will not be."""

    numbers: list[int]


class Emitted(NamedTuple):
    """From a worker: an event, and the index of the notifier that emitted it."""

    notifier: int
    event: Event


class Logged(NamedTuple):
    """From a worker: a log record."""

    record: logging.LogRecord
