"""Which store a command works on, and who said so."""

from dataclasses import dataclass
from pathlib import Path

from audiostore.cli.output import say
from audiostore.config import (
    BUCKET_VARIABLE,
    BucketLocation,
    DirectoryLocation,
    Location,
    configured_bucket,
    parse_location,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A place, and what made it the one."""

    location: Location
    origin: str
    is_fallback: bool = False

    def describe(self) -> str:
        """Name the place in words."""
        match self.location:
            case BucketLocation(bucket):
                return f"the bucket {bucket}"
            case DirectoryLocation(path):
                return f"the directory {path}"


def choose_store(flag: str | None) -> Choice:
    """Return what --bucket says, else what GCS_BUCKET_NAME says, else the user's data directory.

    Raises:
        ConfigurationError: what was said is not a store.
    """
    if flag is not None:
        return Choice(parse_location(flag), "named by --bucket")
    configured = configured_bucket()
    if configured is not None:
        return Choice(parse_location(configured), f"named by {BUCKET_VARIABLE}")
    from platformdirs import user_data_dir  # noqa: PLC0415  (only for who has no bucket)

    directory = Path(user_data_dir("audiostore", appauthor=False)).absolute()
    origin = f"the default, as neither --bucket nor {BUCKET_VARIABLE} is given"
    return Choice(DirectoryLocation(directory), origin, is_fallback=True)


def tell_fallback(choice: Choice) -> None:
    """Never use a directory silently where a bucket may have been meant."""
    if choice.is_fallback:
        say(
            "note", f"no bucket is given (--bucket or {BUCKET_VARIABLE}): using {choice.describe()}"
        )
