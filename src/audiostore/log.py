"""The logger of audiostore. The program decides where it writes, if anywhere.

`logging` takes long to import (with `traceback`, `string`, `textwrap`), and where the program has
not imported it, nobody listens: then nothing is logged.
"""

import sys
from typing import TYPE_CHECKING, Any


def _ignore(*_: object, **__: object) -> bool:
    return False


class _Logger:
    """The logger of this name, once the program has imported `logging`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if "logging" not in sys.modules:
            return _ignore
        import logging  # noqa: PLC0415

        own = logging.getLogger("audiostore")
        if not own.handlers:
            own.addHandler(logging.NullHandler())
        return getattr(logging.getLogger(self._name), attribute)


if TYPE_CHECKING:
    from logging import Logger

    logger: Logger
    passed_over: Logger
else:
    logger = _Logger("audiostore")
    passed_over = _Logger("audiostore.passed_over")
"""The latter gets what a listing leaves out, by name or path: what is not readable (a warning), and
files that are not objects of the store (an info)."""
