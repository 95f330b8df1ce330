"""Many uploads at once against a bucket that says that it is overloaded."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from audiostore import AudioStorageManager, RetryConfig
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from audiostore.stores.retrying import RetryingStore
from tests.assets import BUCKET
from tests.faults.rig import gcs, managing
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S, within

PATIENT = RetryConfig(1000, 0.001, 0.002)
WRITERS = 64

pytestmark = pytest.mark.row("throttle")


@pytest.mark.parametrize("status", [429, 503])
def test_many_uploads_do_not_hammer_an_overloaded_bucket(server: StrictServer, status: int) -> None:
    rule = server.fault(faults.any_request, faults.respond(status), times=None)
    store = gcs(server)
    retrying = RetryingStore(store, PATIENT)

    def put(number: int) -> None:
        retrying.put(BlobSpec(f"objects/{number}", "audio/mpeg"), BytesSource(b"data"))

    with ThreadPoolExecutor(WRITERS) as pool:
        writes = [pool.submit(put, n) for n in range(WRITERS)]
        time.sleep(1.2)
        refused = rule.fired
        server.clear_faults()
        for write in writes:
            write.result(PATIENCE_S)
    retrying.close()

    # Each waits some 2 ms: without a throttle there would be thousands.
    assert refused < 4 * WRITERS, f"{refused} requests in about a second"
    assert len(server.objects(BUCKET)) == WRITERS


def test_the_throttle_is_for_all_managers_of_the_process(server: StrictServer) -> None:
    rule = server.fault(faults.any_request, faults.respond(503), times=None)
    ended = threading.Event()

    def work(_: int) -> None:
        with managing(server, retry=PATIENT) as manager:
            while not ended.is_set():
                list(manager.list())

    with ThreadPoolExecutor(16) as pool:
        workers = [pool.submit(work, n) for n in range(16)]
        time.sleep(1.2)
        refused = rule.fired
        ended.set()
        server.clear_faults()
        for worker in workers:
            worker.result(PATIENCE_S)

    assert refused < 4 * 16, f"{refused} requests in about a second"


def test_the_throttle_opens_when_the_bucket_has_recovered(server: StrictServer) -> None:
    server.fault(faults.any_request, faults.respond(429), times=5)
    with managing(server, retry=PATIENT) as manager:
        list(manager.list())
        with within(2):
            for _ in range(50):
                list(manager.list())


def test_another_host_is_not_throttled(server: StrictServer) -> None:
    server.fault(faults.any_request, faults.respond(503), times=None)
    with StrictServer(BUCKET) as healthy, managing(server, retry=PATIENT) as sick:
        ended = threading.Thread(target=_list_quietly, args=(sick,), daemon=True)
        ended.start()
        time.sleep(0.2)
        with within(1), managing(healthy) as manager:
            for _ in range(20):
                list(manager.list())
        server.clear_faults()
        ended.join(PATIENCE_S)


def _list_quietly(manager: AudioStorageManager) -> None:
    list(manager.list())
