"""The store that a command works on: which, and what is known of it."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext

import audiostore
from audiostore.cli import hints, places
from audiostore.cli.failures import UsageError, as_typed, is_api_error, sentence
from audiostore.cli.output import explain_step, say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from audiostore import AudioStorageManager, RetryConfig, StorageResult, StoreFacts
    from audiostore.cli.declare import LocationOptions, RetryOptions, StoreOptions
    from audiostore.config import Location
    from audiostore.configfile import NamedStore
    from audiostore.events import EventListener


MISSING = "correct the path, or create the store with 'audiostore put'"
"""What to do about a directory that does not exist."""

_OF_STORES = frozenset((".audiostore", "audio"))
"""What a directory has that is a store (`audiostore.stores.local`)."""
NO_ASSETS = "has files, but no assets: is this the right store?"


class Choice:
    """A store, and what chose it."""

    def __init__(
        self,
        location: Location,
        origin: str,
        *,
        words: tuple[str, ...] = (),
        billing_project: str | None = None,
        is_fallback: bool = False,
    ) -> None:
        self.location = location
        self.origin = origin
        self.words = words
        """The options that name it: none for the user's own directory."""
        self.billing_project = billing_project
        """That of the store's configuration."""
        self.is_fallback = is_fallback

    def require(self, *, creates: bool = False) -> None:
        """Require that the store exists, if it is a directory: a mistyped path is not an empty one.

        The user's own directory may be missing: it is created by the first upload. An error in the
        directory will say how to choose another.

        Args:
            creates: the command creates a store that does not exist.

        Raises:
            UsageError: the directory does not exist, or is a file.
        """
        from audiostore.config import DirectoryLocation  # noqa: PLC0415  (not for --help)

        if not isinstance(self.location, DirectoryLocation):
            return
        path = self.location.path
        if os.path.isfile(path):  # noqa: PTH113  (no error where it is denied)
            raise UsageError(f"{str(path)!r} is a file: name a directory")
        if not creates and not self.is_fallback and self.is_missing():
            raise UsageError(f"{self.describe()}, {self.origin}, does not exist: {MISSING}")
        if not creates and self.is_plain_folder():
            say("note", f"{self.describe()} {NO_ASSETS}")
        another = "name another store with --bucket"
        if self.is_fallback:
            another += ", or another place for your data with XDG_DATA_HOME"
        places.remember(path, "the store directory", another)

    def is_missing(self) -> bool:
        """Say whether it is a directory that does not exist; one that is denied may exist."""
        from audiostore.config import DirectoryLocation  # noqa: PLC0415  (not for --help)

        if isinstance(self.location, DirectoryLocation):
            try:
                os.stat(self.location.path)  # noqa: PTH116  (no pathlib)
            except FileNotFoundError:
                return True
            except OSError:
                pass
        return False

    def is_plain_folder(self) -> bool:
        """Say whether it is a directory of files or folders that was never a store."""
        from audiostore.config import DirectoryLocation  # noqa: PLC0415  (not for --help)

        if not isinstance(self.location, DirectoryLocation):
            return False
        try:
            names = os.listdir(self.location.path)  # noqa: PTH208  (no pathlib)
        except OSError:
            return False
        return any(not name.startswith(".") for name in names) and not _OF_STORES.intersection(
            names
        )

    def describe(self) -> str:
        """Return ``the bucket B``, ``the prefix P of the bucket B`` or ``the directory D``."""
        from audiostore.config import BucketLocation, DirectoryLocation  # noqa: PLC0415

        match self.location:
            case BucketLocation(bucket, ""):
                return f"the bucket {bucket}"
            case BucketLocation(bucket, prefix):
                return f"the prefix {prefix} of the bucket {bucket}"
            case DirectoryLocation(path):
                return f"the directory {path}"

    def payer(self, given: str | None) -> str | None:
        """Return the project to bill: the one given, else the environment's, else the store's."""
        from audiostore.config import billing_project  # noqa: PLC0415  (not for --help)

        return given or billing_project() or self.billing_project


def choose_store(options: LocationOptions) -> Choice:
    """Return the store of the options, else of the environment, the configuration, the user.

    --bucket or --store, else AUDIOSTORE_STORE, else GCS_BUCKET_NAME, else the configuration's
    default, else the user's data directory.

    Commands in hints will name it, too.

    Raises:
        ConfigurationError: what was given is not a store.
        UsageError: --bucket and --store are given.
    """
    choice = _chosen(options)
    hints.remember(choice.words)
    return choice


def _chosen(options: LocationOptions) -> Choice:
    from audiostore.config import (  # noqa: PLC0415  (not for --help)
        BUCKET_VARIABLE,
        STORE_VARIABLE,
        configured_bucket,
        configured_store,
    )

    if options.bucket is not None and options.store is not None:
        raise UsageError("--bucket and --store both name a store: give one of them")
    if options.bucket is not None:
        return _at(options.bucket, "given by --bucket")
    if options.store is not None:
        return _named(options.store, "given by --store")
    name, url = configured_store(), configured_bucket()
    if name is not None:
        other = f", which takes precedence over {BUCKET_VARIABLE}" if url else ""
        return _named(name, f"given by {STORE_VARIABLE}{other}")
    if url is not None:
        return _at(url, f"given by {BUCKET_VARIABLE}")
    return _named(None, "the default of the configuration")


def _at(url: str, origin: str) -> Choice:
    from audiostore.config import parse_location  # noqa: PLC0415  (not for --help)

    return Choice(parse_location(url), origin, words=("--bucket", url))


def _named(name: str | None, origin: str) -> Choice:
    """Return a store of the configuration: of a name, or the default, or the user's directory."""
    from audiostore.config import (  # noqa: PLC0415  (not for --help)
        BUCKET_VARIABLE,
        DirectoryLocation,
        config_file,
        user_directory,
    )

    found = None
    path, is_named = config_file()
    if name is not None or is_named or path.exists():
        from audiostore.configfile import default_store, find_store  # noqa: PLC0415

        found = default_store() if name is None else find_store(name)
    if found is not None:
        return Choice(
            _location_of(found),
            f"named {found.name!r} in {str(found.file)!r}, {origin}",
            words=("--store", found.name),
            billing_project=found.billing_project,
        )
    directory = user_directory("data")
    origin = f"the default: neither --bucket, --store nor {BUCKET_VARIABLE} is given"
    return Choice(DirectoryLocation(directory), origin, is_fallback=True)


def _location_of(named: NamedStore) -> Location:
    """Return where a store of the configuration is.

    Raises:
        ConfigurationError: it is neither a bucket nor a directory.
    """
    from audiostore.config import parse_location  # noqa: PLC0415  (not for --help)

    try:
        return parse_location(named.url)
    except audiostore.ConfigurationError as error:
        error.add_note(f"it is the url of {named.name!r} in {str(named.file)!r}")
        raise


@contextmanager
def opened(
    options: StoreOptions,
    on_event: EventListener | None = None,
    *,
    warns: bool = True,
    creates: bool = False,
) -> Iterator[AudioStorageManager]:
    """Yield a manager of the store that --bucket or --store names, or of the default one.

    The default directory is named on stderr: the user may have forgotten to name a bucket.

    Args:
        options: those of the command.
        on_event: its progress; if None, what it waits for is shown.
        warns: warn about the files that listings pass over.
        creates: the command creates a directory that does not exist.

    Raises:
        UsageError: the directory does not exist, and the command does not create it.
    """
    choice = choose_store(options)
    if choice.is_fallback:
        is_empty = choice.is_missing() and not creates
        missing = ", which the first upload creates" if is_empty else ""
        say(
            "note",
            f"no store given (--bucket, --store or GCS_BUCKET_NAME): using {choice.describe()}"
            f"{missing}",
        )
    explain_step(f"the store is {choice.describe()}, {choice.origin}")
    choice.require(creates=creates)
    if on_event is None:
        from audiostore.cli.progress.waiting import WaitProgress  # noqa: PLC0415  (not for --help)

        on_event = WaitProgress()
    with (
        _warning_of_passed_over(choice.location) if warns else nullcontext(),
        audiostore.AudioStorageManager(
            choice.location.url,
            project=choice.payer(options.billing_project),
            retry_config=retries(options),
            on_event=on_event,
        ) as manager,
    ):
        yield manager


def _warning_of_passed_over(location: Location) -> AbstractContextManager[None]:
    from audiostore.config import BucketLocation  # noqa: PLC0415  (not for --help)

    if isinstance(location, BucketLocation):  # passes over nothing
        return nullcontext()
    from audiostore.cli.logs import warning_of_passed_over  # noqa: PLC0415  (logging)

    return warning_of_passed_over()


def note_new_store(options: LocationOptions) -> None:
    """Say that a directory that was named does not exist until it is written to."""
    choice = choose_store(options)
    if choice.is_missing() and not choice.is_fallback:
        say("note", f"{choice.describe()} does not exist yet: the first upload creates it")


def retries(options: RetryOptions) -> RetryConfig:
    """Return how a command retries."""
    from audiostore.dataclass import replace  # noqa: PLC0415  (not for --help)

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
