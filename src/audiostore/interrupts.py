"""Waiting so that Ctrl-C is noticed.

Python runs signal handlers in the main thread. The system may give a signal to another one: while
the main thread starts a thread, for example, as all signals are blocked in it meanwhile
(pthread_create). A main thread that then waits for a lock is not woken. So whatever it may wait for
while other threads run, it waits for this long, and again.
"""

from typing import Final

LOOK_UP_S: Final = 0.5
