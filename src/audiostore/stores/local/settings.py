"""The settings of a directory store: a file next to the lock."""

import json
from collections.abc import Mapping
from typing import Any, cast

from audiostore.dataclass import replace
from audiostore.errors import ConfigurationError
from audiostore.files import write_all
from audiostore.stores.capabilities import StoreSettings
from audiostore.stores.local.files import Temporary
from audiostore.stores.local.folder import NotRegularError, Tree
from audiostore.stores.local.sidecar import read_json

DEFAULT_SOFT_DELETE_S = 7 * 24 * 3600
"""The default of buckets."""
_FILE = "settings.json"
_LONGEST_S = 100 * 365 * 24 * 3600


class SettingsFile:
    """``.audiostore/settings.json``; the writer holds the store's lock."""

    def __init__(self, tree: Tree, place: str) -> None:
        self._tree = tree
        self._place = place
        self._path = tree.root / place / _FILE
        self._defaults = StoreSettings(
            metageneration=1,
            location=str(tree.root),
            storage_class="STANDARD",
            soft_delete_s=DEFAULT_SOFT_DELETE_S,
        )

    def read(self) -> StoreSettings:
        """Return the settings.

        Raises:
            ConfigurationError: the file is damaged.
        """
        try:
            with self._tree.folder(self._place) as folder:
                fields = cast("dict[str, Any]", read_json(folder, _FILE))
            settings = replace(
                self._defaults,
                metageneration=int(fields["metageneration"]),
                soft_delete_s=_seconds("soft_delete_s", fields["soft_delete_s"]),
                retention_s=_seconds("retention_s", fields["retention_s"]),
                lifecycle_rules=kept_rules(fields["lifecycle_rules"]),
            )
        except FileNotFoundError:
            return self._defaults
        except (ValueError, KeyError, TypeError, NotRegularError, NotADirectoryError) as error:
            raise ConfigurationError(
                f"the settings in {self._path} are damaged ({error}): repair the file, or move it "
                "away to get the defaults",
                path=self._path,
            ) from error
        return settings

    def write(self, settings: StoreSettings, file: Temporary) -> None:
        """Replace the settings in one step."""
        fields = {
            "metageneration": settings.metageneration,
            "soft_delete_s": settings.soft_delete_s,
            "retention_s": settings.retention_s,
            "lifecycle_rules": settings.lifecycle_rules,
        }
        write_all(file.descriptor, json.dumps(fields, ensure_ascii=False, indent=1).encode())
        file.sync()
        with self._tree.folder(self._place) as folder:
            file.rename(folder, _FILE)
            folder.sync()


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
