"""The policy: what is to happen to assets as they age, read from a TOML file."""

import tomllib
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from audiostore.dataclass import dataclass, fields
from audiostore.errors import ConfigurationError, shown
from audiostore.values import PathLike

MINIMUM_DAYS = {"STANDARD": 0, "NEARLINE": 30, "COLDLINE": 90, "ARCHIVE": 365}
"""By storage class: the days that an object is billed for at least.

Source: cloud.google.com/storage/pricing.
"""
MAX_DAYS = 36_500

EXAMPLE = """\
# What the store does with audio as it ages, in days since it was stored. All lines are optional.
nearline_after_days = 30        # for audio that is read less than once a month
coldline_after_days = 90
archive_after_days = 365
# expire_after_days = 3650      # delete assets of this age
expire_on_custom_time = true    # delete assets on their expiry date
delete_old_generations_after_days = 30
abort_uploads_after_days = 7    # unfinished multipart uploads
delete_incoming_after_days = 1  # uploads to the service in steps, never completed
# keep_days = 30                # nothing can be deleted or overwritten earlier
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a store is to do with assets as they age.

    Days count from when an object was stored; None: never.

    Raises:
        ConfigurationError: the values contradict each other.
    """

    nearline_after_days: int | None = None
    coldline_after_days: int | None = None
    archive_after_days: int | None = None
    expire_after_days: int | None = None
    """Assets of this age are deleted."""
    expire_on_custom_time: bool = False
    """Assets are deleted on their expiry date (see `AudioStorageManager.expire`)."""
    delete_old_generations_after_days: int | None = None
    """In a bucket with versioning: days since a generation was replaced or deleted."""
    abort_uploads_after_days: int | None = None
    """Unfinished multipart uploads of the XML API; audiostore itself leaves none."""
    delete_incoming_after_days: int | None = None
    """Uploads in steps to `audiostore serve` that nobody completes, under ``incoming/``."""
    keep_days: int | None = None
    """The retention period of the store: nothing is deleted or replaced earlier."""

    def __post_init__(self) -> None:
        steps = [(name, days) for name in _STEPS if (days := getattr(self, name)) is not None]
        for (earlier, days), (later, more_days) in pairwise(steps):
            if days >= more_days:
                raise ConfigurationError(
                    f"{later} = {more_days} is not later than {earlier} = {days}: audio moves to "
                    "colder classes as it ages, and is deleted last"
                )
        if self.keep_days and self.expire_after_days and self.keep_days > self.expire_after_days:
            raise ConfigurationError(
                f"keep_days = {self.keep_days} is later than expire_after_days = "
                f"{self.expire_after_days}: what is kept cannot be deleted"
            )

    @classmethod
    def read(cls, path: PathLike) -> "Policy":
        """Return the policy in a TOML file.

        Raises:
            ConfigurationError: it is not valid TOML, or a key or a value is not valid.
            OSError: it cannot be read.
        """
        file = Path(path)
        try:
            values = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise _invalid(file, f"not valid TOML: {error}") from error
        known = {field.name for field in fields(cls)}
        for key, value in values.items():
            if key not in known:
                near = get_close_matches(key, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
                raise _invalid(file, f"unknown key {key!r}: {hint}")
            _require_value(file, key, value)
        try:
            return cls(**values)
        except ConfigurationError as error:
            raise _invalid(file, str(error)) from error

    @property
    def class_days(self) -> dict[str, int]:
        """By storage class: the days after which audio moves there."""
        named = {
            "NEARLINE": self.nearline_after_days,
            "COLDLINE": self.coldline_after_days,
            "ARCHIVE": self.archive_after_days,
        }
        return {name: days for name, days in named.items() if days is not None}


_STEPS = ("nearline_after_days", "coldline_after_days", "archive_after_days", "expire_after_days")


def _require_value(path: Path, key: str, value: object) -> None:
    if key == "expire_on_custom_time":
        if not isinstance(value, bool):
            raise _invalid(path, f"{key} = {shown(value)} must be true or false")
    elif not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_DAYS:
        raise _invalid(path, f"{key} = {shown(value)} must be a number of days, 1 to {MAX_DAYS}")


def _invalid(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"policy {str(path)!r}: {why}", path=path)
