"""One throttle for a host: thousands of uploads do not hammer a bucket that is overloaded."""

import threading

import pytest
from google.api_core import exceptions

from audiostore.sources import BytesSource
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.gcs.throttle import LONGEST_PAUSE_S, Throttle
from audiostore.stores.protocol import BlobSpec
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S


def test_an_open_throttle_admits_all() -> None:
    throttle = Throttle()
    assert all(throttle.admit(0.0) for _ in range(200))


def test_a_refusal_halves_what_may_be_under_way_and_pauses() -> None:
    throttle = Throttle()
    for _ in range(64):
        throttle.admit(0.0)
    throttle.done(503, 1.0)
    for _ in range(63):  # sent before: one refusal, not sixty-four
        throttle.done(503, 1.0)

    assert not throttle.admit(1.0)
    admitted = sum(throttle.admit(1.0 + 1.5 * LONGEST_PAUSE_S) for _ in range(64))
    assert admitted == 32


def test_refusals_in_a_row_close_it_to_one_at_a_time() -> None:
    throttle = Throttle()
    now = 0.0
    for _ in range(20):
        now += 1.5 * LONGEST_PAUSE_S
        assert throttle.admit(now)
        throttle.done(429, now)
    now += 1.5 * LONGEST_PAUSE_S
    assert [throttle.admit(now), throttle.admit(now)] == [True, False]


def test_a_host_that_goes_silent_is_not_asked_one_at_a_time() -> None:
    throttle = Throttle()
    for second in range(0, 40, 2):
        assert throttle.admit(second)
        throttle.done(503, second)
    now, rounds, asked = 100.0, 0, 0
    while asked < 64:
        admitted = sum(throttle.admit(now) for _ in range(64))
        for _ in range(admitted):
            throttle.done(0, now + 60)
        now, rounds, asked = now + 60, rounds + 1, asked + admitted
    assert rounds <= 4


def test_success_opens_it_again() -> None:
    throttle = Throttle()
    throttle.admit(0.0)
    throttle.done(503, 0.0)
    for _ in range(40):
        assert throttle.admit(10.0)
        throttle.done(200, 10.0)
    assert sum(throttle.admit(10.0) for _ in range(100)) > 30


@pytest.mark.slow
def test_an_overloaded_bucket_is_asked_seldom_and_served_once_it_recovers() -> None:
    with StrictServer("bucket") as server:
        store = GcsStore("bucket", emulator=server.url)
        refusing = server.fault(faults.any_upload, faults.respond(503), times=None)
        stop = threading.Event()
        stored: list[str] = []

        def upload(number: int) -> None:
            while not stop.is_set():
                try:
                    spec = BlobSpec(f"object-{number}", "a/b")
                    stored.append(store.put(spec, BytesSource(b"bytes")).name)
                except exceptions.ServiceUnavailable:
                    continue  # at once: nothing but the throttle holds it back
                return

        threads = [threading.Thread(target=upload, args=(n,)) for n in range(50)]
        for thread in threads:
            thread.start()
        stop.wait(1.0)
        asked = len(server.requests)
        refusing.cancel()
        for thread in threads:
            thread.join(PATIENCE_S)
        stop.set()
        store.close()

    assert len(stored) == 50
    # Unthrottled, 50 threads ask thousands of times a second.
    assert asked < 200
