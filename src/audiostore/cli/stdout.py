"""Standard output as a binary stream, for tables that other programs read."""

from __future__ import annotations

import sys
from codecs import getincrementaldecoder
from contextlib import contextmanager
from io import RawIOBase

from audiostore.cli.output import is_terminal

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from _typeshed import ReadableBuffer


@contextmanager
def binary_output() -> Iterator[IO[bytes]]:
    """Yield a stream of bytes in UTF-8: exact, but on a terminal, which it cannot control."""
    sys.stdout.flush()
    if is_terminal(sys.stdout):
        yield OnTerminal()  # type: ignore[misc]  # a RawIOBase has all that is used of it
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


class OnTerminal(RawIOBase):
    """Prints UTF-8 on standard output, as text: what it holds cannot control the terminal."""

    def __init__(self) -> None:
        """Print nothing yet."""
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Print some bytes; the lines of CSV end with CR LF."""
        sys.stdout.write(self._decoder.decode(bytes(data)).replace("\r\n", "\n"))
        return memoryview(data).nbytes
