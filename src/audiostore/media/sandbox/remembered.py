"""Results that are computed once, however many threads want them at once; the last few are kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

_Result = bytes | Exception | None


class RememberedResults:
    """Results by key. Thread-safe.

    Args:
        limit: how many are kept.
        limit_bytes: how many bytes all of them may have.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], _Result]) -> _Result:
        """Return the result of an earlier call with this key, else compute it."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
        with entry.lock:
            if not entry.is_known:
                entry.result = compute()
                entry.is_known = True
        with self._lock:
            self._shrink()
        return entry.result

    def _shrink(self) -> None:
        sizes = {key: entry.size_bytes for key, entry in self._entries.items()}
        total = sum(sizes.values())
        for key, size_bytes in sizes.items():
            if len(self._entries) <= self._limit and total <= self._limit_bytes:
                break
            del self._entries[key]
            total -= size_bytes


class _Entry:
    """A result, once it is known."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_known = False
        self.result: _Result = None

    @property
    def size_bytes(self) -> int:
        return len(self.result) if isinstance(self.result, bytes) else 0
