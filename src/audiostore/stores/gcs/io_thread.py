"""The I/O thread, which drives all transfers of a transport."""

import os
import threading
from collections import deque
from collections.abc import Callable

from audiostore.errors import StoreConnectionError
from audiostore.log import logger
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.transfer_loop import TransferLoop

Action = Callable[[TransferLoop], None]


class IoThread:
    """A thread that turns a transfer loop, and does to it what other threads post."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._loop = TransferLoop(options)
        self._actions: deque[Action] = deque()
        self._actions_lock = threading.Lock()
        self._is_asleep = False
        """It waits for sockets: posting must wake it."""
        self._stopping = False
        self.ended = False
        self._wake_reader, self._wake_writer = os.pipe()
        self._loop.watch(self._wake_reader)
        self._thread = threading.Thread(target=self._run, name="audiostore-io", daemon=True)
        self._thread.start()

    def post(self, action: Action) -> bool:
        """Let the thread call a function; return False if the thread has ended, or will soon."""
        with self._actions_lock:
            if self.ended or self._stopping:
                return False
            self._actions.append(action)
            if self._is_asleep:
                self._is_asleep = False
                os.write(self._wake_writer, b"\0")
        return True

    def stop(self) -> None:
        """End the thread; transfers in flight fail."""
        with self._actions_lock:
            self.abandon()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def end_if_idle(self) -> bool:
        """End the thread if it has nothing to do; say whether it has ended."""
        looked = threading.Event()

        def look(loop: TransferLoop) -> None:
            with self._actions_lock:
                if not self._actions and loop.is_idle and not self._stopping:
                    self.abandon()
            looked.set()

        if self.post(look):
            looked.wait()
        if self._stopping:
            self._thread.join()
        return self._stopping

    @property
    def number(self) -> int | None:
        """What the system knows the thread by."""
        return self._thread.native_id

    def abandon(self) -> None:
        """Let the thread end soon. Called once, while nobody else posts.

        Takes no lock: the garbage collector may call it in any thread, whatever that thread holds.
        """
        self._stopping = True
        os.close(self._wake_writer)  # wakes it: the end of a pipe can be read

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wait()
                while self._actions:
                    self._actions.popleft()(self._loop)
                self._loop.go_on()
        except Exception as error:  # noqa: BLE001  (every waiting caller gets it)
            logger.exception("the I/O thread failed")
            self._fail_all(error)
        else:
            self._fail_all(StoreConnectionError("the store was closed during the transfer"))
        finally:
            self._loop.close()
            os.close(self._wake_reader)

    def _wait(self) -> None:
        with self._actions_lock:
            timeout_s = 0.0 if self._actions else self._loop.timeout_s
            self._is_asleep = timeout_s != 0.0
        ready = self._loop.wait(timeout_s)
        self._is_asleep = False
        if ready:
            os.read(self._wake_reader, 64)

    def _fail_all(self, error: Exception) -> None:
        with self._actions_lock:
            self.ended = True
        while self._actions:
            self._actions.popleft()(self._loop)
        self._loop.fail(error)
