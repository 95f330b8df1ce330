"""One fixture, every store."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from audiostore.retry import RetryConfig
from audiostore.store import ObjectStore
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.local import LocalStore
from audiostore.stores.memory import MemoryStore
from audiostore.stores.retrying import RetryingStore
from tests.gcs_server import StrictServer

PAGE_OBJECTS = 3


def _memory(stack: ExitStack, tmp_path: Path) -> ObjectStore:
    del stack, tmp_path
    return MemoryStore()


def _local(stack: ExitStack, tmp_path: Path) -> ObjectStore:
    del stack
    return LocalStore(tmp_path / "store")


def _gcs(stack: ExitStack, tmp_path: Path) -> ObjectStore:
    server = stack.enter_context(StrictServer("b", page_size=PAGE_OBJECTS, directory=tmp_path))
    store = GcsStore("b", emulator=server.url, chunk_bytes=256 << 10)
    stack.callback(store.close)
    return store


def _retrying(stack: ExitStack, tmp_path: Path) -> ObjectStore:
    del stack, tmp_path
    return RetryingStore(MemoryStore(), RetryConfig(max_attempts=1))


STORES: dict[str, Callable[[ExitStack, Path], ObjectStore]] = {
    "memory": _memory,
    "local": _local,
    "gcs": _gcs,
    "retrying": _retrying,
}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    with ExitStack() as stack:
        yield STORES[request.param](stack, tmp_path)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """The name of the store under test, for a known bug of one of them."""
    return str(request.node.callspec.params["store"])
