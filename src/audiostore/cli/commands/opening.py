"""The store that a command works on."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from audiostore.cli.choice import choose_store, tell_fallback
from audiostore.cli.output import say
from audiostore.events import EventListener
from audiostore.manager import AudioStorageManager
from audiostore.values import StorageResult


@contextmanager
def opened(options: Namespace, watch: EventListener | None = None) -> Iterator[AudioStorageManager]:
    """Yield a manager of the store that the options name, or the default one."""
    choice = choose_store(options.bucket)
    tell_fallback(choice)
    with AudioStorageManager(choice.location.url, on_event=watch) as manager:
        yield manager


def warn(result: StorageResult) -> None:
    """Tell the warnings on an asset."""
    for warning in result.warnings:
        say("warning", f"{result.audio_id}: {warning}")
