"""Which of the ids that items bring along are new: nothing is stored under them.

To look up each in the store takes two requests. So the names in a bucket are read instead, a
thousand with one request: at first two pages, which are all that a small bucket has, then, in
a thread, more, as long as there are many ids to find. An id that sorts before the last name
that was read, and was not among the names, is new.
"""

import threading
from types import TracebackType
from typing import Self

from audiostore.asset import FileOrganizer
from audiostore.log import logger
from audiostore.stores import Store

_ROOT = f"{FileOrganizer.AUDIO_ROOT}/"
_END = "\U0010ffff"
"""Sorts after all names."""
_FIRST_PAGES = 2
_IDS_A_PAGE = 8
"""A page is read for so many ids: a bucket is not read to its end for the sake of a few."""
_SLOTS = 1 << 24


class NewIds:
    """Says which ids are new. Used by one thread; a context manager."""

    def __init__(self, store: Store, *, all_are_new: bool) -> None:
        """Read nothing yet.

        Args:
            store: where the names are.
            all_are_new: the caller says so: ids are new unless they come twice.
        """
        self._store = store
        self._seen = _IdFilter()
        self._after = _END if all_are_new else ""
        self._pages = self._ids = 0
        self._is_over = all_are_new
        """Nothing more is read."""
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def take(self, audio_id: str, *, said: bool | None = None) -> bool:
        """Say whether an id is known to be new; it is not any more.

        Args:
            audio_id: the id.
            said: what the caller says of it, unless it comes twice; None: nothing.
        """
        if said is not None:
            with self._changed:
                is_new = said and audio_id not in self._seen
                self._seen.add(audio_id)
            return is_new
        if self._ids == 0 and not self._is_over:
            while self._pages < _FIRST_PAGES and self._read():
                pass
            if not self._is_over:
                # A stalled request must not keep the program alive after an interrupt.
                threading.Thread(target=self._read_on, name="audiostore-ids", daemon=True).start()
        with self._changed:
            self._ids += 1
            self._changed.notify()
            is_new = f"{_ROOT}{audio_id}/" < self._after and audio_id not in self._seen
            self._seen.add(audio_id)
        return is_new

    def _read_on(self) -> None:
        while self._may_go_on() and self._read():
            pass

    def _may_go_on(self) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_over or self._ids >= _IDS_A_PAGE * (self._pages - _FIRST_PAGES)
            )
            return not self._is_over

    def _read(self) -> bool:
        """Read a page; return False at the end, or if it cannot be read."""
        try:
            names = self._store.names_after(_ROOT, self._after)
        except Exception as error:  # noqa: BLE001  (who needs the store will meet it, too)
            names = None
            if not self._is_over:
                logger.warning("each id is looked up, as names cannot be listed: %s", error)
        with self._changed:
            self._pages += 1
            if names:
                for name in names:
                    self._seen.add(name.split("/", 2)[1])
                self._after = names[-1]
                return not self._is_over
            if names is not None:
                self._after = _END
            self._is_over = True
            return False


class _IdFilter:
    """A set of ids in 2 MiB that may seem to hold an id that was never added, and never forgets.

    A Bloom filter with one hash: once it has a million ids, it takes 6 % of all others for one.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_SLOTS >> 3)

    def __contains__(self, audio_id: str) -> bool:
        slot = hash(audio_id) % _SLOTS
        return bool(self._bits[slot >> 3] >> (slot & 7) & 1)

    def add(self, audio_id: str) -> None:
        slot = hash(audio_id) % _SLOTS
        self._bits[slot >> 3] |= 1 << (slot & 7)
