"""The policy: what somebody wants done with assets as they age, read from a TOML file."""

import tomllib
from dataclasses import dataclass, fields
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from audiostore.errors import ConfigurationError, shown
from audiostore.values import PathLike

MINIMUM_DAYS = {"STANDARD": 0, "NEARLINE": 30, "COLDLINE": 90, "ARCHIVE": 365}
"""For how long an object is paid for in a class, at least (cloud.google.com/storage/pricing)."""

MAX_DAYS = 36_500

EXAMPLE = """\
# What the store does with audio as it ages: days since it was stored. Leave out what is not wanted.
nearline_after_days = 30        # read less than once a month
coldline_after_days = 90
archive_after_days = 365
# expire_after_days = 3650      # delete assets that are so old
expire_on_custom_time = true    # delete assets on the date that 'expire' has set
delete_old_generations_after_days = 30
abort_uploads_after_days = 7    # multipart uploads that nobody finished
# keep_days = 30                # nothing can be deleted or overwritten before
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is wanted. Days count from when an object was stored; None: not wanted.

    Raises:
        ConfigurationError: the parts contradict each other.
    """

    nearline_after_days: int | None = None
    coldline_after_days: int | None = None
    archive_after_days: int | None = None
    expire_after_days: int | None = None
    """Assets so old are deleted."""
    expire_on_custom_time: bool = False
    """Assets are deleted when the custom time has come that `expire` sets."""
    delete_old_generations_after_days: int | None = None
    """In a bucket with versioning: days since they were replaced or deleted."""
    abort_uploads_after_days: int | None = None
    """XML API multipart uploads; our own uploads leave none."""
    keep_days: int | None = None
    """The bucket's retention period: until then nothing is deleted, nor artwork replaced."""

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
        """Days after which audio moves to each class, for those that are used."""
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
