"""Messages between two processes of one program, over a socket pair: pickled, one behind another.

One of the two was forked from the other, so what comes is as trustworthy as what went.
"""

import pickle
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

_LENGTH = struct.Struct("<Q")
_AT_ONCE_BYTES = 1 << 18


class Channel:
    """One end. Many threads may send through it, and one may receive."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._received = bytearray()

    def fileno(self) -> int:
        """Return the descriptor, to wait on."""
        return self._end.fileno()

    def send(self, message: object) -> None:
        """Send a message; wait while the other end is slow to receive.

        Raises:
            OSError: the other end is gone.
        """
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        with self._lock:
            self._end.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> list[Any]:
        """Wait for something, and return the messages that are there whole: be it none.

        Raises:
            EOFError: the other end is gone, and everything that it sent was received.
        """
        try:
            piece = self._end.recv(_AT_ONCE_BYTES)
        except ConnectionResetError:  # it ended with something unread
            piece = b""
        if not piece:
            raise EOFError
        self._received += piece
        messages, at = [], 0
        with memoryview(self._received) as received:
            while len(received) >= at + _LENGTH.size:
                start = at + _LENGTH.size
                end = start + _LENGTH.unpack_from(received, at)[0]
                if len(received) < end:
                    break
                messages.append(pickle.loads(received[start:end]))  # noqa: S301
                at = end
        del self._received[:at]
        return messages

    def close(self) -> None:
        """Close this end here; another process that has it as well keeps it."""
        self._end.close()

    def end(self) -> None:
        """End it for all, whoever else may have inherited this end."""
        with suppress(OSError):  # the other end is gone
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()
