"""Ctrl-C is noticed while the main thread waits, whichever thread the signal is given to."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from audiostore.bulk.executors.tasks import Task
from audiostore.bulk.executors.thread_pool import ThreadPool
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.messages import Request
from audiostore.stores.gcs.transport import Transport
from tests.timing import PATIENCE_S, within

ENOUGH_S = 10.0


@dataclass(frozen=True)
class Outcome:
    index: int = 0
    error: Exception | None = None
    size_bytes: int = 0


@contextmanager
def signal_to_another_thread() -> Iterator[threading.Event]:
    """Interrupt the process by a signal that another thread receives; set the event at the end."""
    over = threading.Event()
    other = threading.Thread(target=over.wait, args=[PATIENCE_S])
    other.start()

    def interrupt() -> None:
        signal.pthread_kill(other.ident or 0, signal.SIGINT)

    timer = threading.Timer(0.2, interrupt)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield over
    finally:
        over.set()
        timer.join()
        other.join()


def wait_for_a_task(over: threading.Event) -> None:
    def wait(outcome: Outcome) -> Outcome:
        over.wait(ENOUGH_S)
        return outcome

    pool = ThreadPool(wait)
    pool.submit([Task(Outcome(), 0)])
    try:
        pool.collect(low=0)
    finally:
        over.set()
        pool.shutdown(wait=True)


def wait_for_a_response(over: threading.Event) -> None:
    del over
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = Transport(ConnectionOptions(stall_timeout_s=ENOUGH_S))
        try:
            transport.send(Request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        finally:
            transport.close()


@pytest.mark.slow
@pytest.mark.parametrize("wait", [wait_for_a_task, wait_for_a_response])
def test_ctrl_c_is_noticed(wait: Callable[[threading.Event], None]) -> None:
    assert threading.current_thread() is threading.main_thread()
    with within(2, busy_limit_s=ENOUGH_S - 1), signal_to_another_thread() as over:
        wait(over)
