"""Errors raised in one process and reported in another."""

import pickle
import traceback
from collections.abc import Callable
from typing import Any

from audiostore.dataclass import replace


class WorkerTraceback(Exception):  # noqa: N818
    """The cause of an error that was raised in a worker process: the traceback there."""

    def __str__(self) -> str:
        """Return what the interpreter would have printed in the worker."""
        return f"\n{self.args[0]}"


class PortableError(Exception):
    """An error with its traceback, ready to be pickled; it is unpickled as the error itself."""

    @classmethod
    def of(cls, error: Exception) -> "PortableError":
        """Wrap an error; one that cannot be pickled becomes a RuntimeError with the same text."""
        try:
            copy = pickle.loads(pickle.dumps(error))  # noqa: S301  (made by this process)
        except Exception:  # noqa: BLE001  (its class cannot be pickled)
            copy = None
        if type(copy) is not type(error) or str(copy) != str(error):
            notes = getattr(error, "__notes__", ())
            error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(
                error.__traceback__
            )
            for note in notes:
                error.add_note(note)
        return cls(error, "".join(traceback.format_exception(error)).rstrip())

    def __reduce__(self) -> tuple[Callable[..., Exception], tuple[Any, ...]]:
        return _unpickled, self.args


def _unpickled(error: Exception, text: str) -> Exception:
    error.__cause__ = WorkerTraceback(text)
    return error


def portable(outcome: Any) -> Any:
    """Return an outcome that can be pickled, whatever its error is."""
    if outcome.error is None:
        return outcome
    return replace(outcome, error=PortableError.of(outcome.error))
