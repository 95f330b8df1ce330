"""The settings of a directory store: a file next to the lock."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from audiostore.errors import ConfigurationError
from audiostore.files import NewFile, sync_folder
from audiostore.stores.capabilities import StoreSettings

DEFAULT_SOFT_DELETE_S = 7 * 24 * 3600
"""The default of buckets."""
_LONGEST_S = 100 * 365 * 24 * 3600


class SettingsFile:
    """``.audiostore/settings.json``; the writer holds the store's lock."""

    def __init__(self, path: Path, location: str) -> None:
        self._path = path
        self._defaults = StoreSettings(
            metageneration=1,
            location=location,
            storage_class="STANDARD",
            soft_delete_s=DEFAULT_SOFT_DELETE_S,
        )

    def read(self) -> StoreSettings:
        """Return the settings.

        Raises:
            ConfigurationError: the file is damaged.
        """
        try:
            fields = json.loads(self._path.read_bytes())
            settings = replace(
                self._defaults,
                metageneration=int(fields["metageneration"]),
                soft_delete_s=_seconds("soft_delete_s", fields["soft_delete_s"]),
                retention_s=_seconds("retention_s", fields["retention_s"]),
                lifecycle_rules=kept_rules(fields["lifecycle_rules"]),
            )
        except (FileNotFoundError, NotADirectoryError):
            return self._defaults
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"the settings in {self._path} are damaged ({error}): repair the file, or move it "
                "away to get the defaults"
            ) from error
        return settings

    def write(self, settings: StoreSettings, file: NewFile) -> None:
        """Replace the settings in one step."""
        fields = {
            "metageneration": settings.metageneration,
            "soft_delete_s": settings.soft_delete_s,
            "retention_s": settings.retention_s,
            "lifecycle_rules": settings.lifecycle_rules,
        }
        file.write(json.dumps(fields, ensure_ascii=False, indent=1).encode())
        file.sync()
        file.path.rename(self._path)
        sync_folder(self._path.parent)


def with_changes(
    settings: StoreSettings,
    *,
    lifecycle_rules: tuple[Mapping[str, object], ...] | None,
    soft_delete_s: int | None,
    retention_s: int | None,
) -> StoreSettings:
    """Return settings after a change, with the next metageneration.

    Raises:
        ValueError: one of them is not valid.
    """
    return replace(
        settings,
        metageneration=settings.metageneration + 1,
        lifecycle_rules=(
            settings.lifecycle_rules if lifecycle_rules is None else kept_rules(lifecycle_rules)
        ),
        soft_delete_s=(
            settings.soft_delete_s
            if soft_delete_s is None
            else _seconds("soft_delete_s", soft_delete_s)
        ),
        retention_s=(
            settings.retention_s if retention_s is None else _seconds("retention_s", retention_s)
        ),
    )


def kept_rules(rules: object) -> tuple[Mapping[str, object], ...]:
    """Return lifecycle rules as they come back from JSON.

    Raises:
        ValueError: they are not JSON objects.
    """
    try:
        copies = json.loads(json.dumps(rules, allow_nan=False))
    except TypeError as error:
        raise ValueError(f"lifecycle rules must be JSON: {error}") from error
    if not isinstance(copies, list) or not all(isinstance(rule, dict) for rule in copies):
        raise ValueError("lifecycle rules must be JSON objects: {'action': …, 'condition': …}")
    return tuple(copies)


def _seconds(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LONGEST_S:
        raise ValueError(f"{name} is {value!r}: give whole seconds, from 0 to {_LONGEST_S}")
    return value
