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
        self._size_bytes = 0

    def get(self, key: Hashable, compute: Callable[[], _Result]) -> _Result:
        """Return the result of an earlier call with this key, else compute it."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
        with entry.lock:
            if not entry.is_known:
                entry.result = compute()
                entry.is_known = True
                self._keep(key, entry)
        return entry.result

    def _keep(self, key: Hashable, entry: "_Entry") -> None:
        with self._lock:
            if self._entries.get(key) is not entry:  # many others came meanwhile
                return
            entry.size_bytes = len(entry.result) if isinstance(entry.result, bytes) else 0
            self._size_bytes += entry.size_bytes
            while len(self._entries) > self._limit or self._size_bytes > self._limit_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._size_bytes -= oldest.size_bytes


class _Entry:
    """A result, once it is known."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_known = False
        self.result: _Result = None
        self.size_bytes = 0
        """As it was counted."""
