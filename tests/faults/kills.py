"""The kill matrix: one call, killed at each of its steps, found by counting."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

from audiostore import AudioStorageManager, LocalStore
from tests.assets import BUCKET
from tests.faults.child import Child, Nursery
from tests.faults.reader import BucketReader, DirectoryReader, Reader, Truth, agree, check
from tests.faults.rig import ID, QUICK, Files, gcs, settled
from tests.gcs_server import Request, StrictServer

When = Literal["before", "after"]


class Place(Protocol):
    """A fresh store for one point of the matrix."""

    @property
    def reader(self) -> Reader:
        """Reads it independently."""
        ...

    @property
    def where(self) -> Mapping[str, object]:
        """Tells a child where it is."""
        ...

    def manager(self) -> AudioStorageManager:
        """Open it with the library."""
        ...

    def generations(self, name: str) -> list[int] | None:
        """Return all generations that the object ever had, if that is known."""
        ...


@dataclass(frozen=True)
class BucketPlace:
    """A strict server."""

    server: StrictServer

    @property
    def reader(self) -> Reader:
        """Reads it independently."""
        settled(self.server)
        return BucketReader(self.server.host, BUCKET)

    @property
    def where(self) -> Mapping[str, object]:
        """Tells a child where it is."""
        return {"url": self.server.url}

    def manager(self) -> AudioStorageManager:
        """Open it with the library."""
        return AudioStorageManager(store=gcs(self.server), retry_config=QUICK)

    def generations(self, name: str) -> list[int] | None:
        """Return all generations that the object ever had."""
        return self.server.generations(BUCKET, name)


@dataclass(frozen=True)
class DirectoryPlace:
    """A directory."""

    root: Path

    @property
    def reader(self) -> Reader:
        """Reads it independently."""
        return DirectoryReader(self.root)

    @property
    def where(self) -> Mapping[str, object]:
        """Tells a child where it is."""
        return {"root": str(self.root)}

    def manager(self) -> AudioStorageManager:
        """Open it with the library."""
        return AudioStorageManager(store=LocalStore(self.root), retry_config=QUICK)

    def generations(self, name: str) -> list[int] | None:
        """A directory does not remember them."""
        del name
        return None


class Gate:
    """Kills a child at its nth request, before it is handled or before it is answered."""

    def __init__(self, number: int, when: When) -> None:
        self._number = number
        self._when = when
        self._lock = Lock()
        self._count = 0
        self._index: int | None = None
        self.killed = False
        self.child: Child | None = None

    def request(self, request: Request) -> None:
        """Count a request; kill before it is handled."""
        with self._lock:
            self._count += 1
            if self._count != self._number:
                return
            self._index = request.index
        if self._when == "before":
            self.kill()

    def response(self, request: Request) -> None:
        """Kill after it was handled, whatever else has arrived in the meantime."""
        if self._when == "after" and request.index == self._index:
            self.kill()

    def kill(self) -> None:
        """Kill the child and drop its connection."""
        assert self.child is not None
        self.killed = True
        self.child.kill()
        raise ConnectionAbortedError("its client was killed")


@contextmanager
def gate(server: StrictServer, number: int, when: When) -> Iterator[Gate]:
    """Put a gate into a server."""
    made = Gate(number, when)
    server.on_request, server.on_response = made.request, made.response
    try:
        yield made
    finally:
        server.on_request = server.on_response = None


def run_killed_at_request(
    nursery: Nursery, server: StrictServer, call: Mapping[str, object], number: int, when: When
) -> dict[str, Any]:
    """Run a call in a child that is killed at its nth request."""
    with gate(server, number, when) as made:
        # The child stands still until the gate knows it.
        child = nursery.start({**call, "stopped": True})
        made.child = child
        child.go_on()
        return child.wait()


@dataclass(frozen=True)
class Scenario:
    """A call, what must be visible at each instant, and what at the end."""

    call: Mapping[str, object]
    during: Mapping[str, Truth]
    local: Mapping[Path, bytes]


def look(place: Place, scenario: Scenario) -> None:
    """See that the promise holds at this instant, and that the library agrees."""
    assets = check(place.reader.things(), scenario.during, scenario.local)
    with place.manager() as manager:
        agree(manager, assets, [ID])


def upload_scenario(files: Files, place: Place, **options: object) -> Scenario:
    """Store song and cover and delete the local files."""
    call = {
        "do": "upload",
        **place.where,
        "audio": str(files.audio),
        "cover": str(files.cover),
        "id": ID,
        "cleanup": True,
        **options,
    }
    return Scenario(call, files.truth, files.originals)
