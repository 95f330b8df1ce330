"""Renews state in a child process after `os.fork`: threads are gone, locks may be held."""

import os
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
