"""Audio and artwork over HTTP: whole, by ranges, conditional; with the headers of safety."""

import os
from http.client import IncompleteRead
from os import SEEK_END
from pathlib import Path

import pytest

from audiostore.serve.ranges import OPEN_RANGE_BYTES
from audiostore.testing import cover
from tests.assets import make_silence, tone
from tests.serve.conftest import TOKEN, Running

AUDIO = tone(4.0)  # 353 kB: more than one window


@pytest.fixture
def path(service: Running) -> str:
    return f"/v1/assets/{service.store(AUDIO, filename='a%20song.wav')}/audio"


def test_audio_is_served_whole_with_its_stored_headers(service: Running, path: str) -> None:
    answer = service("GET", path)
    assert (answer.status, answer.body) == (200, AUDIO)
    headers = answer.headers
    assert headers["content-type"] == "audio/wav"
    assert headers["content-length"] == str(len(AUDIO))
    assert headers["accept-ranges"] == "bytes"
    assert headers["content-disposition"] == 'inline; filename="a song.wav"'
    assert headers["cache-control"].startswith("private, max-age=")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=350000-", 350_000, len(AUDIO)),
        ("bytes=-100", len(AUDIO) - 100, len(AUDIO)),
        ("bytes=0-", 0, len(AUDIO)),
    ],
)
def test_a_range_is_served(service: Running, path: str, asked: str, start: int, stop: int) -> None:
    answer = service("GET", path, range=asked)
    assert (answer.status, answer.body) == (206, AUDIO[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(AUDIO)}"
    assert answer.headers["content-length"] == str(stop - start)


def test_a_range_after_the_end_is_refused_with_the_size(service: Running, path: str) -> None:
    answer = service("GET", path, range=f"bytes={len(AUDIO)}-")
    assert (answer.status, answer.problem) == (416, "RangeNotSatisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(AUDIO)}"


def test_head_answers_as_get_without_a_body(service: Running, path: str) -> None:
    for asked in ("", "bytes=5-"):
        got, head = service("GET", path, range=asked), service("HEAD", path, range=asked)
        assert head.body == b""
        assert head.status == got.status
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


def test_what_the_client_has_is_not_sent_again(service: Running, path: str) -> None:
    etag = service("HEAD", path).headers["etag"]
    answer = service("GET", path, if_none_match=f'"other", {etag}')
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag
    assert service("GET", path, if_none_match='"other"').status == 200


def test_a_range_of_another_version_gets_all(service: Running, path: str) -> None:
    etag = service("HEAD", path).headers["etag"]
    assert service("GET", path, range="bytes=0-9", if_range=etag).status == 206
    stale = service("GET", path, range="bytes=0-9", if_range='"stale"')
    assert (stale.status, stale.body) == (200, AUDIO)


def test_the_entity_tag_is_that_of_the_bytes(service: Running, path: str) -> None:
    etag = service("HEAD", path).headers["etag"]
    audio_id = path.split("/")[3]
    service.manager.update_metadata(audio_id, {"mood": "calm"})
    assert service("HEAD", path).headers["etag"] == etag
    assert service("GET", path.replace(audio_id, service.store(tone(1.0)))).headers["etag"] != etag


def test_artwork_is_served_and_missing_artwork_is_not_found(service: Running, path: str) -> None:
    artwork = path.replace("/audio", "/thumbnail")
    assert service("GET", artwork).problem == "AssetNotFoundError"
    assert service("PUT", artwork, cover(), content_type="image/png").status == 200
    answer = service("GET", artwork)
    assert (answer.status, answer.body) == (200, cover())
    assert answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize("audio_id", ["11111111-1111-4111-8111-111111111111", "x", "..", "%00"])
def test_unknown_and_malformed_ids_are_not_found_alike(service: Running, audio_id: str) -> None:
    for path in ("", "/audio", "/thumbnail"):
        answer = service("GET", f"/v1/assets/{audio_id}{path}")
        assert answer.status == 404
        assert answer.problem in ("AssetNotFoundError", "NotFound")


@pytest.mark.slow
def test_an_open_range_of_a_large_file_is_capped(
    local: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("large") / "large.wav"
    size = OPEN_RANGE_BYTES + 100_000
    make_silence(file, size)
    result = local.manager.upload_audio_file(file)
    answer = local("GET", f"/v1/assets/{result.audio_id}/audio", range="bytes=0-")
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes 0-{OPEN_RANGE_BYTES - 1}/{size}"
    assert answer.body == file.read_bytes()[:OPEN_RANGE_BYTES]


def damage(folder: Path) -> None:
    """Change the last byte of the stored audio, and nothing that a store would notice."""
    stored = next(path for path in folder.rglob("audio.wav") if path.is_file())
    before = stored.stat()
    stored.chmod(0o644)
    with stored.open("r+b") as file:
        file.seek(-1, SEEK_END)
        file.write(b"\x55")
    os.utime(stored, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_damaged_bytes_are_never_served_as_complete(local: Running, tmp_path: Path) -> None:
    audio_id = local.store(AUDIO)
    damage(tmp_path)
    connection = local.connect()
    connection.request(
        "GET", f"/v1/assets/{audio_id}/audio", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with pytest.raises(IncompleteRead):
        connection.getresponse().read()
    connection.close()


def test_damage_of_what_is_sent_in_one_piece_is_answered_as_an_error(
    local: Running, tmp_path: Path
) -> None:
    audio_id = local.store(tone(0.5))
    damage(tmp_path)
    answer = local("GET", f"/v1/assets/{audio_id}/audio")
    assert (answer.status, answer.problem) == (502, "IntegrityError")
    assert "wrong bytes" in answer.json["detail"]
