"""Writing files back to the disk while they are still being filled."""

import sys
from collections.abc import Callable
from functools import cache

_WRITE = 2
"""SYNC_FILE_RANGE_WRITE in <fcntl.h>: begin to write, wait for nothing."""


def begin_to_write_back(descriptor: int) -> bool:
    """Have the kernel begin to write what a file holds; say whether that is possible here.

    The disk works while the rest is read, and a later sync has less to wait for. Nothing is certain
    before that sync, which reports the errors of what was begun here, too. Only Linux can do this.
    """
    call = _sync_file_range()
    return call is not None and call(descriptor, 0, 0, _WRITE) == 0


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415  (only large files need it)

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "sync_file_range"):
        return None
    call = libc.sync_file_range
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call
