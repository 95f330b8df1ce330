"""The bytes of a stored object for coroutines: read range by range, as fast as they are taken."""

import time
from collections.abc import AsyncGenerator
from typing import Final

from audiostore.aio.running import Threads
from audiostore.asset import BlobRanges

_LEAST_BYTES: Final = 256 << 10
_MOST_BYTES: Final = 512 << 10
"""The buffers of a kernel take megabytes at once: behind a socket, the slowest client seems fast at
first, and then keeps the piece that it has."""
_FAST_BYTES_S: Final = 16e6
"""A client that takes bytes at this pace is not playing them. Slow fetching does not count: on a
busy machine, it always is."""


async def stream(
    threads: Threads, blob: BlobRanges, start: int, stop: int
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a range of an object, in order.

    Each piece is a request of its own. Between two, neither a thread nor a connection is held: a
    slow listener costs a piece of memory. Pieces have 512 KiB for clients that take more than
    16 MB a second, and 256 KiB for all others.

    Raises:
        IntegrityError: all of the object was read, and its checksum differs.
        AudioStoreError: it cannot be read.
    """
    size_bytes = _LEAST_BYTES
    while start < stop:
        until = min(stop, start + size_bytes)
        piece = await threads.run(blob.read, start, until)
        fetched_at = time.monotonic()
        yield piece
        is_fast = (time.monotonic() - fetched_at) * _FAST_BYTES_S < len(piece)
        size_bytes = _MOST_BYTES if is_fast else _LEAST_BYTES
        start = until
