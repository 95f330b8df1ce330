"""What every test has: no metadata server of a cloud, bounded and repeatable properties."""

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

os.environ["NO_GCE_CHECK"] = "true"  # before google.auth looks for a machine of Google's
# A shell ignores SIGINT in a command that it starts in the background; tests interrupt themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import HealthCheck, settings

from audiostore.media.sandbox import pool
from tests.fuzzing import FUZZ, examples

settings.register_profile(
    "bounded",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=examples(100),
)
settings.register_profile("ci", settings.get_profile("bounded"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" and FUZZ == 1 else "bounded")


_MARKED_FOLDERS: Final = {"faults", "property", "browser", "benchmarks"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of some folders by the folder's name, so that `-m` can leave them out."""
    for item in items:
        folder = _folder(item.path)
        if folder in _MARKED_FOLDERS:
            item.add_marker(folder)


@cache
def _folder(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector pass over thousands of collected tests, now and while they run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders that no test has used, and that do not exist before it uses them."""
    folder = tmp_path_factory.mktemp("states")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def state_of_its_own(states: Iterator[Path]) -> Iterator[None]:
    """What a test leaves unfinished is not taken up by another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(next(states)))
        yield


@pytest.fixture
def slept() -> list[float]:
    """The seconds that code under test wanted to wait: pass `slept.append` as its `sleep`."""
    return []


@pytest.fixture
def without_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The extra is not installed."""
    monkeypatch.setitem(sys.modules, "av", None)  # what Python makes "not found" of
    with pool.SandboxPool() as fresh:
        monkeypatch.setattr(pool, "_shared_pools", {os.getpid(): fresh})
        yield
