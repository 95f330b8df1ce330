"""Waiting for many sockets at once."""

import select
import sys
from contextlib import suppress


class Sockets:
    """The sockets to wait for, by epoll or, where it does not exist, poll.

    Both use the same names and numbers for events. `selectors` takes four times as long.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()
        if sys.platform == "linux":
            self._poller = select.epoll()
            self._units_a_second = 1
        else:
            self._poller = select.poll()
            self._units_a_second = 1000

    def watch(self, descriptor: int, events: int) -> None:
        """Wait for these events from now on."""
        if descriptor in self._known:
            try:
                self._poller.modify(descriptor, events)
            except FileNotFoundError:
                pass  # libcurl has closed it and opened one with the same number
            else:
                return
        self._poller.register(descriptor, events)
        self._known.add(descriptor)

    def forget(self, descriptor: int) -> None:
        """Stop waiting for it."""
        self._known.discard(descriptor)
        with suppress(OSError, KeyError):  # closed, or never watched
            self._poller.unregister(descriptor)

    def wait(self, timeout_s: float | None) -> list[tuple[int, int]]:
        """Wait for events; return the descriptors with their events."""
        return self._poller.poll(None if timeout_s is None else timeout_s * self._units_a_second)

    def close(self) -> None:
        """Stop waiting for all of them."""
        if sys.platform == "linux":
            self._poller.close()
