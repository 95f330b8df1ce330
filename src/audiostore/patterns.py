"""Regular expressions that are compiled when they are first used: a command uses a few of many."""

import re
from typing import TYPE_CHECKING, Any


class _Pattern:
    """As what `re.compile` returns."""

    def __init__(self, source: Any, flags: int = 0) -> None:
        self._given = source, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._given), name)
        setattr(self, name, value)  # found there from now on
        return value


if TYPE_CHECKING:
    from re import compile as pattern
else:
    pattern = _Pattern

__all__ = ["pattern"]
