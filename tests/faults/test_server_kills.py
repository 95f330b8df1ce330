"""A server process that is killed at any instant of a request, and started again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from audiostore import AudioStorageManager
from audiostore.serve.staging import Announced, Staging
from tests.assets import BUCKET, JPG, OTHER_JPG, SOFT_DELETE, mp3_bytes
from tests.faults.child import Child, Nursery
from tests.faults.kills import BucketPlace, DirectoryPlace, Place, When, gate
from tests.faults.reader import Thing, Truth, check
from tests.faults.requesting import TOKEN
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S, wait_until

pytestmark = pytest.mark.slow
MOST_POINTS = 2_000
EVERY = 13
"""File operation; of requests to a bucket, each is tried."""
DATA, COVER, OTHER = mp3_bytes(50_000), JPG.read_bytes(), OTHER_JPG.read_bytes()


@dataclass
class Service:
    """A server process."""

    child: Child
    port: int
    was_killed: bool = False

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Send a request; return status, headers and document.

        Raises:
            OSError, HTTPException: the server was killed before it had answered.
        """
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given["Authorization"] = f"Bearer {TOKEN}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, json.loads(text or b"null")

    def ids(self) -> list[str]:
        """Return what a search finds, once the store was listed."""
        while True:
            _, _, found = self.ask("GET", "/v1/assets?sort=id")
            if found["is_complete"]:
                return [each["audio_id"] for each in found["items"]]


@dataclass(frozen=True)
class Work:
    """Requests that a client sends, and sends again if they were not answered."""

    name: str
    prepare: Callable[[AudioStorageManager], str]
    """Return the id that it is about."""
    send: Callable[[Service, str], int]
    """Return the status of the last response."""
    covers: tuple[bytes | None, ...]
    """That may be seen."""
    end: bytes | None
    """The cover at the end."""
    is_there_at_the_end: bool = True

    def truth(self, audio_id: str) -> dict[str, Truth]:
        """Return what may be seen."""
        return {audio_id: Truth(DATA, self.covers)}

    def end_truth(self, audio_id: str) -> dict[str, Truth]:
        """Return what must be seen once it was answered."""
        if not self.is_there_at_the_end:
            return {}
        return {audio_id: Truth(DATA, (self.end,), must_be_there=True)}


def new(manager: AudioStorageManager) -> str:
    del manager
    return str(uuid4())


def stored(manager: AudioStorageManager) -> str:
    return manager.upload_audio_with_thumbnail(DATA, COVER, filename="song.mp3").audio_id


def deleted(manager: AudioStorageManager) -> str:
    audio_id = stored(manager)
    manager.delete(audio_id)
    return audio_id


def begun(manager: AudioStorageManager) -> str:
    """Announce an upload; a bucket gets its bytes, which do not go through the service."""
    announced = Announced("song.mp3", len(DATA), owner="owner")
    upload_id, session = Staging(manager).begin(announced, origin=None)
    if session is not None:
        place = urlsplit(session)
        connection = HTTPConnection(place.netloc, timeout=PATIENCE_S)
        connection.request("PUT", f"{place.path}?{place.query}", DATA)
        assert connection.getresponse().status == 200
        connection.close()
    return upload_id


def raw(service: Service, audio_id: str) -> int:
    path = f"/v1/assets/{audio_id}/audio?filename=song.mp3"
    return service.ask("PUT", path, DATA, content_type="audio/mpeg")[0]


def form(service: Service, audio_id: str) -> int:
    body = b""
    for name, file, data in (("audio", "song.mp3", DATA), ("thumbnail", "cover.jpg", COVER)):
        head = f'Content-Disposition: form-data; name="{name}"; filename="{file}"'
        body += f"--B\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    kind = "multipart/form-data; boundary=B"
    path = f"/v1/assets/{audio_id}/audio"
    return service.ask("PUT", path, body + b"--B--\r\n", content_type=kind)[0]


def delete(service: Service, audio_id: str) -> int:
    status = service.ask("DELETE", f"/v1/assets/{audio_id}")[0]
    return 204 if status == 404 else status  # nothing is left


def restore(service: Service, audio_id: str) -> int:
    return service.ask("POST", f"/v1/assets/{audio_id}/restore")[0]


def artwork(service: Service, audio_id: str) -> int:
    path = f"/v1/assets/{audio_id}/thumbnail"
    return service.ask("PUT", path, OTHER, content_type="image/jpeg")[0]


def steps(service: Service, upload_id: str) -> int:
    """Send what has not arrived, and complete the upload, as a client resumes it."""
    at, size = f"/v1/uploads/{upload_id}", len(DATA)
    status, headers, _ = service.ask("PUT", f"{at}/content", content_range=f"bytes */{size}")
    if status == 308:
        first = int(headers.get("range", "bytes=0--1").removeprefix("bytes=0-")) + 1
        span = f"bytes {first}-{size - 1}/{size}"
        service.ask("PUT", f"{at}/content", DATA[first:], content_range=span)
    return service.ask("POST", f"{at}/complete")[0]


def delete_version(service: Service, audio_id: str) -> int:
    path = f"/v1/assets/{audio_id}"
    if audio_id not in SEEN:
        SEEN[audio_id] = service.ask("GET", path)[1]["etag"]
    status = service.ask("DELETE", path, if_match=SEEN[audio_id])[0]
    return 204 if status == 404 else status  # nothing is left


SEEN: dict[str, str] = {}
"""The entity tags that a client keeps, by ids."""
WORKS = (
    Work("raw", new, raw, (None,), None),
    Work("form", new, form, (COVER,), COVER),
    Work("delete", stored, delete, (COVER,), None, is_there_at_the_end=False),
    Work("delete version", stored, delete_version, (COVER,), None, is_there_at_the_end=False),
    Work("restore", deleted, restore, (COVER,), COVER),
    Work("artwork", stored, artwork, (COVER, OTHER), OTHER),
)
STEPS = Work("steps", begun, steps, (None,), None)


@contextmanager
def serving(nursery: Nursery, place: Place, folder: Path, die_at: int = 0) -> Iterator[Service]:
    """Start a server of a store, and kill it at the end, if it lives so long."""
    port = folder / f"port-{uuid4()}"
    child = nursery.start({"do": "serve", "port": str(port), "die_at": die_at, **place.where})
    wait_until(port.exists)
    service = Service(child, int(port.read_text()))
    try:
        yield service
    finally:
        if not service.was_killed:
            child.kill()
        child.wait()


def of(place: Place, root: str) -> dict[str, Thing]:
    return {n: each for n, each in place.reader.things().items() if n.startswith(root)}


def sent(work: Work, service: Service, audio_id: str) -> bool:
    """Say whether all was answered; else the server was killed meanwhile."""
    try:
        status = work.send(service, audio_id)
    except (OSError, HTTPException):
        service.was_killed = True
        return False
    assert status in (200, 201, 204), status
    return True


def sent_again(nursery: Nursery, place: Place, folder: Path, work: Work, audio_id: str) -> bool:
    """Start a new server, which knows nothing of the old one; return what was seen before."""
    before = check(of(place, "audio/"), work.truth(audio_id), {})
    with serving(nursery, place, folder) as service:
        assert service.ids() == list(before)
        assert sent(work, service, audio_id)
        things = of(place, "audio/")
        assets = check(things, work.end_truth(audio_id), {})
        assert service.ids() == list(assets)
        assert len(things) == len(assets) + (1 if work.end else 0)
        assert of(place, "incoming/") == {}
        for each in assets:
            assert service.ask("DELETE", f"/v1/assets/{each}")[0] == 204
    return bool(before)


def killed_at_every_request(nursery: Nursery, folder: Path, work: Work, when: When) -> int:
    """Kill at the first request to a bucket, the second, … until all is answered."""
    with StrictServer(BUCKET, bucket_settings=SOFT_DELETE) as server:
        place = BucketPlace(server)
        for number in range(1, MOST_POINTS):
            with place.manager() as manager:
                audio_id = work.prepare(manager)
            with serving(nursery, place, folder) as service, gate(server, number, when) as made:
                made.child = service.child
                is_answered = sent(work, service, audio_id)
            sent_again(nursery, place, folder, work, audio_id)
            if is_answered:
                return number - 1
    raise AssertionError("it never came to its end")


def killed_at_file_operations(nursery: Nursery, folder: Path, work: Work) -> set[bool]:
    """Kill at file operations until all is answered; return whether the asset was there."""
    place, seen = DirectoryPlace(folder / "store"), set()
    for number in range(1, MOST_POINTS, EVERY):
        with place.manager() as manager:
            audio_id = work.prepare(manager)
        with serving(nursery, place, folder, number) as service:
            is_answered = sent(work, service, audio_id)
        seen.add(sent_again(nursery, place, folder, work, audio_id))
        if is_answered:
            return seen
    raise AssertionError("it never came to its end")


@pytest.mark.row("service")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_killed_at_each_request_to_a_bucket_the_same_request_finishes_it(
    nursery: Nursery,
    tmp_path: Path,
    work: Work,
    when: When,
    count_points: Callable[[int], None],
) -> None:
    points = killed_at_every_request(nursery, tmp_path, work, when)
    assert points >= 2
    count_points(points)


@pytest.mark.row("service", 32)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_killed_at_file_operations_the_same_request_finishes_it(
    nursery: Nursery, tmp_path: Path, work: Work
) -> None:
    seen = killed_at_file_operations(nursery, tmp_path, work)
    assert seen == ({True} if work.name == "artwork" else {False, True})


@pytest.mark.row("steps")
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_each_request_to_a_bucket_an_upload_in_steps_goes_on(
    nursery: Nursery, tmp_path: Path, when: When, count_points: Callable[[int], None]
) -> None:
    points = killed_at_every_request(nursery, tmp_path, STEPS, when)
    assert points >= 6
    count_points(points)


@pytest.mark.row("steps", 32)
def test_killed_at_file_operations_an_upload_in_steps_goes_on(
    nursery: Nursery, tmp_path: Path
) -> None:
    assert killed_at_file_operations(nursery, tmp_path, STEPS) == {False, True}
