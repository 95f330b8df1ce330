"""The file that a worker makes: it sends its bytes, and this process writes them.

A worker cannot write to any file. What it sends is bounded, and as foreign as what it was made of:
the caller looks at it as at any file.
"""

import os
import struct
from typing import Final

from audiostore.media.info import PREVIEW_HEAD_BYTES

PART_PREFIX: Final = struct.Struct("<II")
"""What is sent instead of a response's sizes: which part of the file follows, of how many bytes."""
NEXT_PART: Final = 0xFFFF_FFFF
"""The next bytes, from `PREVIEW_HEAD_BYTES` on."""
HEAD_PART: Final = 0xFFFF_FFFE
"""The beginning, which is known last."""
MAX_PART_BYTES: Final = PREVIEW_HEAD_BYTES


class OutputFile:
    """A file of this process, for what a worker sends.

    Args:
        descriptor: the file, open for writing.
        max_bytes: how large it may become.
    """

    def __init__(self, descriptor: int, max_bytes: int) -> None:
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._head_bytes = 0

    def restart(self) -> None:
        """Forget what another worker has sent."""
        os.ftruncate(self._descriptor, 0)
        self._size_bytes = self._head_bytes = 0

    def check(self, part: int, size_bytes: int) -> None:
        """Require that a part may come now.

        Raises:
            ValueError: an honest worker does not send it.
        """
        is_head = part == HEAD_PART
        is_allowed = part in (HEAD_PART, NEXT_PART) and 0 < size_bytes <= MAX_PART_BYTES
        if is_head and self._size_bytes and size_bytes != PREVIEW_HEAD_BYTES:
            is_allowed = False  # it would leave a hole
        if self._head_bytes or not is_allowed:
            raise ValueError("not a part of the file")
        if PREVIEW_HEAD_BYTES + self._size_bytes + size_bytes > self._max_bytes and not is_head:
            raise ValueError("too large a file")

    def take(self, part: int, data: bytes | bytearray) -> None:
        """Write a part.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        place = 0 if part == HEAD_PART else PREVIEW_HEAD_BYTES + self._size_bytes
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, place)
            view, place = view[written:], place + written
        if part == HEAD_PART:
            self._head_bytes = len(data)
        else:
            self._size_bytes += len(data)

    @property
    def is_complete(self) -> bool:
        """Whether all parts have come."""
        return self._head_bytes > 0
