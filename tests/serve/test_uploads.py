"""Uploads over HTTP: raw bodies and forms, the client's ids, refusals in our words."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from audiostore.serve import Limits
from audiostore.testing import cover
from tests.assets import opened, tone
from tests.serve.conftest import TOKEN, Answer, Running, serving
from tests.timing import wait_until

WAV = {"content_type": "audio/wav"}


Fields = list[tuple[str, str | None, bytes]]


def send_form(service: Running, fields: Fields) -> Answer:
    """Send a form."""
    body = b""
    for name, filename, data in fields:
        head = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
        body += f"--B\r\nContent-Disposition: {head}\r\n\r\n".encode() + data + b"\r\n"
    body += b"--B--\r\n"
    kind = "multipart/form-data; boundary=B"
    return service("POST", "/v1/assets", body, content_type=kind)


def new_path() -> str:
    return f"/v1/assets/{uuid4()}/audio"


def test_a_raw_body_is_stored_complete_with_its_name_and_metadata(service: Running) -> None:
    data = tone(title="A title")
    path = "/v1/assets?filename=C%3A%5Cmusic%5Cm%C3%BCsik.wav&meta.mood=calm"
    answer = service("POST", path, data, **WAV)
    assert answer.status == 201
    asset = answer.json
    assert asset["original_filename"] == "müsik.wav"
    assert (asset["title"], asset["custom"]) == ("A title", {"mood": "calm"})
    assert answer.headers["location"] == asset["links"]["self"]
    assert service.manager.read_bytes(asset["audio_id"]) == data
    assert service("GET", asset["links"]["self"]).json == asset


def test_a_form_stores_audio_artwork_and_metadata_in_any_order(service: Running) -> None:
    fields: Fields = [
        ("thumbnail", "front.png", cover()),
        ("metadata", None, b'{"mood": "calm"}'),
        ("audio", "song.wav", tone()),
    ]
    for order in (fields, fields[::-1]):
        answer = send_form(service, order)
        assert answer.status == 201, answer.body
        audio_id = answer.json["audio_id"]
        assert service.manager.read_bytes(audio_id) == tone()
        assert service.manager.read_bytes(audio_id, part="thumbnail") == cover()
        assert answer.json["custom"] == {"mood": "calm"}
        assert answer.json["original_filename"] == "song.wav"


def test_the_same_put_again_is_stored_once(service: Running) -> None:
    path = new_path()
    statuses = [service("PUT", path, tone(), **WAV).status for _ in range(3)]
    assert statuses == [201, 200, 200]
    other = service("PUT", path, tone(hz=441), **WAV)
    assert (other.status, other.problem) == (409, "AssetConflictError")
    assert other.json["audio_id"] in path
    assert service.manager.count() == 1
    assert service.manager.read_bytes(path.split("/")[3]) == tone()


@pytest.mark.parametrize(
    ("query", "data", "status", "problem"),
    [
        ("", b"not a sound" * 100, 415, "UnsupportedFormatError"),
        ("?filename=song.mp3", tone(), 415, "UnsupportedFormatError"),
        ("?filename=notes.txt", b"notes", 415, "UnsupportedFormatError"),
        ("", tone()[:1000], 422, "UnplayableAudioError"),
        ("", b"", 422, "InvalidSourceError"),
        ("?meta.audio_id=x", tone(), 422, "InvalidMetadataError"),
        ("?colour=red", tone(), 400, "BadRequest"),
        ("?fix_extension=maybe", b"", 400, "BadRequest"),  # before a body is taken
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_reason(
    local: Running, query: str, data: bytes, status: int, problem: str
) -> None:
    answer = local("POST", f"/v1/assets{query}", data, **WAV)
    assert (answer.status, answer.problem) == (status, problem), answer.body
    assert len(answer.json["detail"]) > 10
    assert local.manager.count() == 0


def test_a_wrong_extension_can_be_accepted(local: Running) -> None:
    refused = local("POST", "/v1/assets?filename=song.mp3", tone(), **WAV)
    assert "fix_extension=true" in refused.json["detail"]
    accepted = local("POST", "/v1/assets?filename=song.mp3&fix_extension=true", tone(), **WAV)
    assert (accepted.status, accepted.json["format"]) == (201, "wav")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"--B--\r\n", "multipart/form-data; boundary=B", 422),
        (b"", "multipart/form-data; boundary=B", 400),
        (b"--B\r\n", "multipart/form-data; boundary=B", 400),
        (b"garbage", "multipart/form-data; boundary=B", 400),
        (b"--B--\r\n", "multipart/form-data", 400),
        (b"--B\r\nX: y\r\n\r\nz\r\n--B--\r\n", "multipart/form-data; boundary=B", 400),
        (b"--B\r\nContent-Disposition: form-data; name=", "multipart/form-data; boundary=B", 400),
        (b"--B\r\n" + b"a" * 20_000, "multipart/form-data; boundary=B", 400),
        (b"{}", "application/json", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_malformed_form_is_refused(
    local: Running, body: bytes, content_type: str, status: int
) -> None:
    answer = local("POST", "/v1/assets", body, content_type=content_type)
    assert answer.status == status, answer.body
    assert answer.problem


@pytest.mark.parametrize(
    "fields",
    [
        [("audio", "a.wav", tone()), ("audio", "b.wav", tone())],
        [("audio", "a.wav", tone()), ("picture", "b.png", cover())],
        [("audio", "a.wav", tone()), ("metadata", None, b'{"a": 1}')],
        [("audio", "a.wav", tone()), ("metadata", None, b"[]")],
    ],
)
def test_a_form_with_other_fields_is_refused(local: Running, fields: Fields) -> None:
    answer = send_form(local, fields)
    assert answer.status == 422
    assert local.manager.count() == 0


def test_artwork_is_replaced_and_never_stored_for_an_unknown_asset(service: Running) -> None:
    audio_id = service.store(tone())
    path = f"/v1/assets/{audio_id}/thumbnail"
    for rgb in ((1, 2, 3), (4, 5, 6)):
        answer = service("PUT", path, cover(rgb=rgb), content_type="image/png")
        assert answer.json["has_thumbnail"]
        assert service("GET", path).body == cover(rgb=rgb)
    refused = service("PUT", path, b"\x89PNG\r\n\x1a\nbroken", content_type="image/png")
    assert (refused.status, refused.problem) == (422, "InvalidImageError")
    assert service("GET", path).body == cover(rgb=(4, 5, 6))
    unknown = f"/v1/assets/{uuid4()}/thumbnail"
    assert service("PUT", unknown, cover(), content_type="image/png").status == 404
    assert [each.audio_id for each in service.manager.list()] == [audio_id]


# --- limits ---------------------------------------------------------------------------------------


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Running]:
    """A service that allows little."""
    limits = Limits(
        upload_bytes=100_000, json_bytes=100, uploads=1, body_window_s=0.3, body_window_bytes=1000
    )
    with opened("local", tmp_path) as store, serving(store, limits=limits) as running:
        yield running


def test_a_body_that_is_too_large_is_refused(tight: Running) -> None:
    data = bytes(100_001)
    announced = tight("POST", "/v1/assets", data, **WAV)
    assert (announced.status, announced.problem) == (413, "ContentTooLarge")
    fields: Fields = [("metadata", None, b'{"a": "' + b"x" * 100 + b'"}')]
    assert send_form(tight, fields).status == 413


def sent(service: Running, head: str, body: bytes = b"") -> socket.socket:
    """Send the head of a request and some of its body by hand."""
    sock = socket.create_connection(("127.0.0.1", service.port))
    lines = f"POST /v1/assets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    sock.sendall(f"{lines}Content-Type: audio/wav\r\n{head}\r\n\r\n".encode() + body)
    return sock


def test_a_body_of_unknown_length_that_is_too_large_is_refused(tight: Running) -> None:
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    with sent(tight, "Transfer-Encoding: chunked", 10 * chunk) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 413 ")
    assert tight.manager.count() == 0


def test_a_body_that_ends_early_stores_nothing(tight: Running) -> None:
    with sent(tight, f"Content-Length: {len(tone()) - 10}", tone()[:50_000]):
        pass
    assert tight.lines(1)[0]["status"] in (0, 400)
    assert tight.manager.count() == 0


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: {less}", tone()),
        ("Content-Length: {all}\r\nContent-Length: {less}", tone()),
        ("Content-Length: -1", tone()),
        ("Content-Length: +10", tone()),
        ("Content-Length: {all}\r\nTransfer-Encoding: chunked", tone()),
        ("Transfer-Encoding: chunked", b"-9\r\n" + tone()),
        ("Transfer-Encoding: gzip, chunked", tone()),
    ],
)
def test_a_body_that_lies_about_its_length_stores_nothing(
    local: Running, head: str, body: bytes
) -> None:
    size = len(tone())
    with sent(local, head.format(all=size, less=size - 10), body) as sock:
        status = int(sock.recv(100).split()[1])
    assert status in (400, 422, 501)
    assert local.manager.count() == 0
    assert local("GET", "/v1/assets").json["total"] == 0


def test_slow_bodies_take_no_more_than_their_places_and_give_them_back(tight: Running) -> None:
    with sent(tight, "Content-Length: 1000") as sock:
        wait_until(lambda: tight.server.requests)
        refused = tight("POST", "/v1/assets", tone(0.1), **WAV)
        assert (refused.status, refused.problem) == (503, "TooManyUploads")
        assert tight("GET", "/v1/assets").status == 200
        assert sock.recv(100).startswith(b"HTTP/1.1 408 ")
    wait_until(lambda: tight("POST", "/v1/assets", tone(0.1), **WAV).status == 201)


@pytest.mark.slow
def test_sixty_four_uploads_at_once_are_all_stored(local: Running) -> None:
    def upload(number: int) -> int:
        return local("POST", "/v1/assets", tone(0.1, hz=440 + number), **WAV).status

    with ThreadPoolExecutor(64) as pool:
        assert list(pool.map(upload, range(64))) == [201] * 64
    assert local.manager.count() == 64
    assert list(local.manager.audit.check()) == []


def test_a_body_that_says_nothing_is_cut_off(tight: Running) -> None:
    with sent(tight, "Content-Length: 1000") as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.slow
def test_a_body_of_one_byte_after_the_other_is_cut_off(tight: Running) -> None:
    with sent(tight, "Content-Length: 100000") as sock:
        sock.settimeout(0.02)
        while True:
            sock.sendall(b"x")
            try:
                answer = sock.recv(100)
            except TimeoutError:
                continue
            break
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_more_uploads_than_allowed_are_asked_to_come_back(tmp_path: Path) -> None:
    with opened("local", tmp_path) as store, serving(store, limits=Limits(uploads=1)) as service:
        with sent(service, "Content-Length: 1000"):
            wait_until(lambda: service.server.requests)
            answer = service("POST", "/v1/assets", tone(0.1), **WAV)
            assert (answer.status, answer.problem) == (503, "TooManyUploads")
            assert int(answer.headers["retry-after"]) > 0
        wait_until(lambda: service("POST", "/v1/assets", tone(0.1), **WAV).status == 201)
