"""A faulty TCP proxy between a client and a server, both on 127.0.0.1."""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from tests.timing import PATIENCE_S

_PIECE = 16 << 10


@dataclass(frozen=True)
class Trouble:
    """What befalls one connection: in which direction, behind how many bytes, and what.

    `rst` and `cut` end it (by a reset, by an orderly close), `flip` changes one bit of the next
    byte, `stall` forwards nothing any more in that direction.
    """

    kind: Literal["rst", "cut", "flip", "stall"]
    after: int = 0
    direction: Literal["up", "down"] = "up"


class Proxy:
    """Forwards to `port`; the nth connection meets the nth trouble (None: none), then none."""

    def __init__(
        self, port: int, *troubles: Trouble | None, bytes_per_second: float | None = None
    ) -> None:
        self._target = port
        self._troubles = list(troubles)
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.met: list[Trouble] = []
        self.connections = 0
        self._listener = socket.socket()
        # A small window, so that a slow link is felt by who sends.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._run(self._accept)

    def close(self) -> None:
        """End all connections."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets, threads = list(self._sockets), list(self._threads)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE_S)
        for sock in sockets:
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self._target))
            for sock in (client, upstream):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets += [client, upstream]
                trouble = self._troubles.pop(0) if self._troubles else None
                self.connections += 1
            dead = threading.Event()
            self._run(self._pump, client, upstream, "up", trouble, dead)
            self._run(self._pump, upstream, client, "down", trouble, dead)

    def _pump(
        self,
        source: socket.socket,
        target: socket.socket,
        direction: str,
        trouble: Trouble | None,
        dead: threading.Event,
    ) -> None:
        if trouble is not None and trouble.direction != direction:
            trouble = None
        passed = 0
        try:
            while not self._ended.is_set():
                left = trouble.after - passed if trouble else _PIECE
                if trouble is not None and left <= 0:
                    trouble = self._befall(trouble, source, target, dead)
                    continue
                piece = source.recv(min(_PIECE, left))
                if not piece:
                    break
                target.sendall(piece)
                passed += len(piece)
                if self._rate:
                    self._ended.wait(len(piece) / self._rate)
        except OSError:
            pass
        if dead.is_set():
            return  # a farewell would come before the reset
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _befall(
        self,
        trouble: Trouble,
        source: socket.socket,
        target: socket.socket,
        dead: threading.Event,
    ) -> Trouble | None:
        self.met.append(trouble)
        if trouble.kind == "flip":
            piece = source.recv(1)
            target.sendall(bytes(b ^ 0x10 for b in piece))
            return None
        if trouble.kind == "stall":
            self._ended.wait(30)
        if trouble.kind == "rst":
            dead.set()
            with self._lock:
                self._sockets = [s for s in self._sockets if s not in (source, target)]
            for sock in (source, target):
                # Close sends the reset once the other thread has left recv().
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RD)
            time.sleep(0.002)
            source.close()
            target.close()
        else:
            for sock in (source, target):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        raise OSError(trouble.kind)
