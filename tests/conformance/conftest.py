"""One fixture, every store."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audiostore.retry import RetryConfig
from audiostore.stores.capabilities import Store, StoreAdmin, complete
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.local import LocalStore
from audiostore.stores.memory import MemoryStore
from audiostore.stores.retrying import RetryingStore
from tests.gcs_server import AS_NEW, StrictServer

PAGE_OBJECTS = 3


class Clock:
    """Runs with the real time, as far ahead of it as a test has moved it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Made:
    """A store under test, and its clock."""

    store: Store
    advance: Callable[[float], None]


def _memory(stack: ExitStack, tmp_path: Path) -> Made:
    del stack, tmp_path
    clock = Clock()
    store = MemoryStore(now=clock.now)
    return Made(complete(store), clock.advance)


def _local(stack: ExitStack, tmp_path: Path) -> Made:
    del stack
    clock = Clock()
    store = LocalStore(tmp_path / "store", now=clock.now)
    return Made(complete(store), clock.advance)


def _gcs(stack: ExitStack, tmp_path: Path) -> Made:
    server = stack.enter_context(
        StrictServer("b", page_size=PAGE_OBJECTS, directory=tmp_path, bucket_settings=AS_NEW)
    )
    store = GcsStore("b", emulator=server.url, chunk_bytes=256 << 10)
    stack.callback(store.close)
    return Made(complete(store), server.advance)


def _retrying(stack: ExitStack, tmp_path: Path) -> Made:
    made = _memory(stack, tmp_path)
    once = RetryConfig(max_attempts=1)
    return Made(RetryingStore(made.store, once), made.advance)


STORES: dict[str, Callable[[ExitStack, Path], Made]] = {
    "memory": _memory,
    "local": _local,
    "gcs": _gcs,
    "retrying": _retrying,
}


@pytest.fixture(params=sorted(STORES))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    with ExitStack() as stack:
        yield STORES[request.param](stack, tmp_path)


@pytest.fixture
def store(made: Made) -> Store:
    return made.store


@pytest.fixture
def admin(made: Made) -> StoreAdmin:
    return made.store


@pytest.fixture
def advance(made: Made) -> Callable[[float], None]:
    """Let seconds pass for the store."""
    return made.advance


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """The name of the store under test, for what is not the same in all."""
    return str(request.node.callspec.params["made"])
