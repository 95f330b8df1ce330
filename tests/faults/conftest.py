"""What the fault suite has in common: its marker, its servers, its files, its child processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.child import Nursery
from tests.faults.rig import Files, make_files, simulate_waits
from tests.faults.table import ROWS
from tests.gcs_server import StrictServer
from tests.timing import SimulatedTime

_LABELS = {row.label for row in ROWS}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        labels = [str(label) for mark in item.iter_markers("row") for label in mark.args]
        if unknown := set(labels) - _LABELS:
            raise pytest.UsageError(f"{item.nodeid}: no such rows: {unknown}")
        if labels:
            item.user_properties.append(("rows", ",".join(dict.fromkeys(labels))))


@pytest.fixture(autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(autouse=True)
def simulated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SimulatedTime:
    throttled = any("throttle" in mark.args for mark in request.node.iter_markers("row"))
    return simulate_waits(monkeypatch, throttled=throttled)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StrictServer]:
    with StrictServer("bucket", directory=tmp_path) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return make_files(tmp_path / "local")


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture
def count_points(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """Tell the table how many points of a matrix were tried, beside the case itself."""

    def count(points: int) -> None:
        record_property("points", max(0, points - 1))

    return count
