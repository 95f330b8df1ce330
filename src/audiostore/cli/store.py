"""The store that a command works on: which, and what is known of it."""

from __future__ import annotations

from contextlib import contextmanager

import audiostore
from audiostore.cli.failures import as_typed, is_api_error, sentence
from audiostore.cli.output import say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator

    from audiostore import AudioStorageManager, RetryConfig, StorageResult, StoreFacts
    from audiostore.cli.declare import RetryOptions, StoreOptions
    from audiostore.config import Location
    from audiostore.events import EventListener


class Choice:
    """A store, and what chose it."""

    def __init__(self, location: Location, origin: str, *, is_fallback: bool = False) -> None:
        self.location = location
        self.origin = origin
        self.is_fallback = is_fallback

    def describe(self) -> str:
        """Return ``the bucket B`` or ``the directory D``."""
        from audiostore.config import BucketLocation, DirectoryLocation  # noqa: PLC0415

        match self.location:
            case BucketLocation(bucket):
                return f"the bucket {bucket}"
            case DirectoryLocation(path):
                return f"the directory {path}"


def choose_store(flag: str | None) -> Choice:
    """Return the store of --bucket, else of GCS_BUCKET_NAME, else the user's data directory.

    Raises:
        ConfigurationError: what was given is not a store.
    """
    from audiostore.config import (  # noqa: PLC0415  (not for --help)
        BUCKET_VARIABLE,
        DirectoryLocation,
        configured_bucket,
        parse_location,
    )

    if flag is not None:
        return Choice(parse_location(flag), "given by --bucket")
    configured = configured_bucket()
    if configured is not None:
        return Choice(parse_location(configured), f"given by {BUCKET_VARIABLE}")
    from platformdirs import user_data_path  # noqa: PLC0415  (only without a bucket)

    directory = user_data_path("audiostore", appauthor=False).absolute()
    origin = f"the default: neither --bucket nor {BUCKET_VARIABLE} is given"
    return Choice(DirectoryLocation(directory), origin, is_fallback=True)


@contextmanager
def opened(
    options: StoreOptions, on_event: EventListener | None = None
) -> Iterator[AudioStorageManager]:
    """Yield a manager of the store that --bucket names, or of the default one.

    The default directory is named on stderr: the user may have forgotten to name a bucket.

    Args:
        options: those of the command.
        on_event: its progress; if None, what it waits for is shown.
    """
    choice = choose_store(options.bucket)
    if choice.is_fallback:
        say(
            "note",
            f"no bucket given (--bucket or GCS_BUCKET_NAME): using {choice.describe()}",
        )
    if on_event is None:
        from audiostore.cli.progress.waiting import WaitProgress  # noqa: PLC0415  (not for --help)

        on_event = WaitProgress()
    with audiostore.AudioStorageManager(
        choice.location.url,
        project=options.billing_project,
        retry_config=retries(options),
        on_event=on_event,
    ) as manager:
        yield manager


def retries(options: RetryOptions) -> RetryConfig:
    """Return how a command retries."""
    from dataclasses import replace  # noqa: PLC0415  (not for --help)

    config = audiostore.DEADLINE_CONFIG
    return config if options.retry_for is None else replace(config, deadline_s=options.retry_for)


def warn(result: StorageResult) -> None:
    """Print the warnings on an asset."""
    for warning in result.warnings:
        say("warning", f"{result.audio_id}: {as_typed(warning)}")


def known_facts(manager: AudioStorageManager) -> StoreFacts | str:
    """Return what is known of the store; or why nothing is, as text.

    Credentials often may not read a bucket's settings: storing does not need it.
    """
    try:
        return manager.admin.facts()
    except Exception as error:
        if not is_api_error(error) or audiostore.CONSERVATIVE_CONFIG.is_retryable(error):
            raise
        return sentence(error)


def is_bucket(manager: AudioStorageManager) -> bool:
    """Say whether the store is a bucket, which costs, and applies its lifecycle rules itself."""
    return manager.url.startswith("gs://")
