"""Waiting and measuring in tests, so that a busy machine fails none of them."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

PATIENCE_S: Final = 180.0
"""How long a test waits for something that is certain to happen: only a hang takes longer."""
_CPU_PRESSURE = Path("/proc/pressure/cpu")


def wait_until(
    condition: Callable[[], object], message: str = "", *, timeout_s: float = PATIENCE_S
) -> None:
    """Poll until a condition holds; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, message or "it never happened"
        time.sleep(0.002)


class SimulatedTime:
    """A clock that only sleeping moves. Several threads may sleep at the same time."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        """Return the seconds that have passed."""
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Return at once, as much later."""
        self.slept.append(seconds)
        self._now_s = self._now_s + seconds


@contextmanager
def within(limit_s: float, *, busy_limit_s: float = 20.0) -> Iterator[None]:
    """Fail if the block takes longer than `limit_s`, less the time that the machine was too busy.

    That is the time during which some process was ready to run and waited for a core, as the
    kernel counts it (Linux: pressure stall information). Whatever the machine does, the block may
    not take longer than `busy_limit_s`: choose it smaller than what the block must not wait for.
    """
    started, waited = time.monotonic(), _waited_for_a_core_s()
    yield
    took_s = time.monotonic() - started
    if waited is None:
        limit_s = busy_limit_s  # this kernel cannot tell
    else:
        limit_s = min(limit_s + (_waited_for_a_core_s() or 0.0) - waited, busy_limit_s)
    assert took_s < limit_s, f"it took {took_s:.2f} s, of {limit_s:.2f} s allowed"


def _waited_for_a_core_s() -> float | None:
    try:
        some = _CPU_PRESSURE.read_text().splitlines()[0]
    except OSError:
        return None
    return int(some.rpartition("total=")[2]) / 1e6


@contextmanager
def few_calls(limit: int, *, cpu_limit_s: float = 20.0) -> Iterator[None]:
    """Fail if the block makes more calls, in this thread, than `limit`.

    A count is the same on a busy machine, where even processor time is not. What the block calls
    may still take long, as code in C can: it fails after `cpu_limit_s` of processor time, too.
    """
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before, started_s = sys.getprofile(), time.thread_time()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert calls <= limit, f"{calls:,} calls, of {limit:,} allowed"
    took_s = time.thread_time() - started_s
    assert took_s < cpu_limit_s, f"it took {took_s:.2f} s of processor time"
