"""Messages between two processes over a socket pair: pickled, each after its length.

One process was forked from the other, so received data is as trustworthy as sent data.
"""

import pickle
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

_LENGTH = struct.Struct("<Q")
_RECEIVE_BYTES = 1 << 18


class Channel:
    """One end of the pair. Many threads may send, one may receive."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._received = bytearray()

    def fileno(self) -> int:
        """Return the file descriptor, to poll."""
        return self._end.fileno()

    def send(self, message: object) -> None:
        """Send a message; block while the other end does not receive.

        Raises:
            OSError: the other end is closed.
        """
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        with self._lock:
            self._end.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> list[Any]:
        """Wait for data, and return the messages that are complete, possibly none.

        Raises:
            EOFError: the other end is closed, and everything that it sent was received.
        """
        try:
            piece = self._end.recv(_RECEIVE_BYTES)
        except ConnectionResetError:  # the other end was closed with unread data
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
        """Close this end in this process only; other processes that inherited it keep it."""
        self._end.close()

    def shut_down(self) -> None:
        """Close this end for every process that inherited it."""
        with suppress(OSError):  # the other end is closed
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()
