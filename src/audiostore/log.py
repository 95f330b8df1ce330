"""The logger of audiostore. The program decides where it writes, if anywhere.

`logging` takes long to import (with `traceback`, `string`, `textwrap`), and where the program has
not imported it, nobody listens: then nothing is logged.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logging import Logger


def _ignore(*_: object, **__: object) -> bool:
    return False


class _Logger:
    """The logger of this name, once the program has imported `logging`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: Logger | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._found is None:
            if "logging" not in sys.modules:
                return _ignore
            self._found = self._find()
        return getattr(self._found, attribute)

    def _find(self) -> "Logger":
        import logging  # noqa: PLC0415

        own = logging.getLogger("audiostore")
        if not own.handlers:
            own.addHandler(logging.NullHandler())
        return logging.getLogger(self._name)


if TYPE_CHECKING:
    logger: Logger
    passed_over: Logger
else:
    logger = _Logger("audiostore")
    passed_over = _Logger("audiostore.passed_over")
"""The latter gets what a listing leaves out, by name or path: what is not readable (a warning), and
files that are not objects of the store (an info)."""
