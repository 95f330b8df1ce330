"""Running the service: a server of its own, until a signal ends it."""

import asyncio
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from audiostore.serve.content import Stopping

_HEAD_S: Final = 20.0
"""How long a client may take for the head of a request; between requests, `_IDLE_S`."""
_IDLE_S: Final = 60
_CONNECTIONS: Final = 2000
_BACKLOG: Final = 512
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Listener = Callable[[str, int], object]
"""Called with the address and the port once the service listens."""


def run(app: Starlette, *, host: str, port: int, on_listening: Listener) -> None:
    """Serve an application until SIGINT or SIGTERM, then finish what runs.

    New connections are refused then, transfers to listeners end, and uploads are completed. A
    second signal ends the process at once.

    Args:
        app: from `create_app`.
        host: the address to listen on.
        port: the port; 0 for a free one.
        on_listening: called once clients can connect.

    Raises:
        CannotListenError: the address cannot be listened on.
    """
    Server(app, host=host, port=port, on_listening=on_listening).run()


def is_loopback(host: str) -> bool:
    """Say whether an address, or ``localhost``, can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class CannotListenError(OSError):
    """The address and port cannot be listened on: in use, not permitted, or not of this machine."""


class Server:
    """A server of an application.

    Args:
        app: from `create_app`.
        host: the address to listen on.
        port: the port; 0 for a free one.
        on_listening: called once clients can connect.

    Raises:
        CannotListenError: the address cannot be listened on.
    """

    def __init__(self, app: Starlette, *, host: str, port: int, on_listening: Listener) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_IDLE_S,
            limit_concurrency=_CONNECTIONS,
            backlog=_BACKLOG,
        )
        self._socket = _socket(host, port)
        self._server = _Uvicorn(config, self._tell_address)
        self._on_listening = on_listening
        self._stopping: Stopping = app.state.service.stopping

    @property
    def requests(self) -> int:
        """How many requests are being answered."""
        return len(self._server.server_state.tasks)

    def run(self) -> None:
        """Serve until `stop` is called; in the main thread, on the first signal, too."""
        with self._socket:
            asyncio.run(self._run())

    def stop(self) -> None:
        """Refuse new connections, end transfers to listeners, complete uploads, and end `run`."""
        self._stopping.is_set = True
        self._server.should_exit = True

    async def _run(self) -> None:
        with self._stopping_on_signals():
            await self._server.serve(sockets=[self._socket])

    def _tell_address(self) -> None:
        host, port = self._socket.getsockname()[:2]
        self._on_listening(host, port)

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread receives signals
            return
        loop = asyncio.get_running_loop()

        def stop() -> None:
            for each in SIGNALS:  # a second one ends the process
                loop.remove_signal_handler(each)
                signal.signal(each, signal.SIG_DFL)
            self.stop()

        before = [signal.getsignal(each) for each in SIGNALS]
        for each in SIGNALS:
            loop.add_signal_handler(each, stop)
        try:
            yield
        finally:
            for each, handler in zip(SIGNALS, before, strict=True):
                loop.remove_signal_handler(each)
                signal.signal(each, handler)


class _Uvicorn(uvicorn.Server):
    """Reports that it listens, and leaves signals alone."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """HTTP/1.1 that closes connections on which the head of a request takes too long."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._deadline is None:
            self._await_head()

    def shutdown(self) -> None:
        if self.conn.our_state is h11.ERROR:  # its response was cut off; what is left is being sent
            self.transport.close()
        else:
            super().shutdown()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(_HEAD_S, self._close_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close_late(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def _socket(host: str, port: int) -> socket.socket:
    try:
        return _listening(host, port)
    except OSError as error:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise CannotListenError(
            error.errno, f"cannot listen on {place}: {error.strerror}"
        ) from error


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening
