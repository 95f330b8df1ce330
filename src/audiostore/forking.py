"""State that a child process can use after `os.fork`: threads are gone, locks may be held.

Where a process may only be forked while it has a single thread, those that have nothing to do can
be ended first.
"""

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that a child process inherits in an unusable state."""

    def after_fork(self) -> None:
        """Reset to a usable state, in the child."""
        ...


class _Registry:
    def __init__(self) -> None:
        self._members: weakref.WeakSet[Forked] = weakref.WeakSet()
        self._is_hooked = False

    def add(self, member: Forked) -> None:
        if not self._is_hooked:
            self._is_hooked = True
            os.register_at_fork(after_in_child=self._renew_all)
        self._members.add(member)

    def _renew_all(self) -> None:
        for member in list(self._members):
            member.after_fork()


_registry = _Registry()


def renew_after_fork(member: Forked) -> None:
    """Call `member.after_fork` in every child process, as long as the member lives."""
    _registry.add(member)


class Resting(Protocol):
    """Something whose thread can end whenever it has nothing to do; it starts again if needed."""

    def rest(self) -> int | None:
        """End the thread if it is idle; return the number that the system knew it by."""
        ...


_resting: weakref.WeakSet[Resting] = weakref.WeakSet()


def may_rest(member: Resting) -> None:
    """Let `end_idle_threads` call `member.rest`, as long as the member lives."""
    _resting.add(member)


def end_idle_threads() -> set[int]:
    """End all threads of ours that are idle; return the numbers that the system knew them by.

    It may list them for another moment: they run no Python any more, but what C libraries do when a
    thread ends.
    """
    return {number for member in list(_resting) if (number := member.rest()) is not None}


class ForkSafeLock:
    """A lock that is free in a child process, whichever thread of its parent held it.

    What it guards must be whole at any instant: the child may see it in the middle of a change.
    """

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget who held it in the parent process."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


imports = threading.RLock()
"""Held while a thread imports a module late: a fork waits for its end.

Forked in the middle, a child would wait forever for the lock of a module that no thread imports.
"""
os.register_at_fork(
    before=imports.acquire, after_in_parent=imports.release, after_in_child=imports.release
)
