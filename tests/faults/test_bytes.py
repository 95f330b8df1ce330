"""Rows 13, 14: a byte that changes on the way."""

import pytest

from audiostore import AssetConflictError, IntegrityError
from tests.assets import BUCKET
from tests.faults.proxy import Proxy, Trouble
from tests.faults.reader import Truth, check
from tests.faults.rig import (
    AUDIO,
    COVER,
    ID,
    Files,
    assert_whole,
    in_sessions,
    managing,
    reader_of,
    settled,
)
from tests.gcs_server import StrictServer, faults

WAYS = pytest.mark.parametrize("way", ["one request", "session"])
PARTS = pytest.mark.parametrize("part", ["thumbnail", "audio."])


@pytest.fixture(autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "way" in request.fixturenames and request.getfixturevalue("way") == "session":
        in_sessions(monkeypatch)


def carries(part: str) -> faults.Matcher:
    return faults.operation("upload", "session_chunk") & faults.named(part)


@pytest.mark.row(13)
@WAYS
@PARTS
def test_a_flipped_byte_that_the_server_notices_is_sent_again_or_an_error(
    server: StrictServer, files: Files, way: str, part: str
) -> None:
    server.fault(carries(part), faults.flip_request(10_000))

    with managing(server) as manager:
        try:
            result = manager.upload_audio_with_thumbnail(
                files.audio, files.cover, audio_id=ID, cleanup=True
            )
        except IntegrityError:
            assert files.both_kept()
            return

    assert_whole(server, files, result)


@pytest.mark.row(13)
@WAYS
@PARTS
def test_a_flipped_byte_that_the_server_notices_is_never_stored(
    server: StrictServer, files: Files, way: str, part: str
) -> None:
    rule = server.fault(carries(part), faults.flip_request(10_000), times=None)

    with managing(server) as manager, pytest.raises(Exception, match=r"crc32c|Provided|wrong"):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert rule.fired >= 1
    settled(server)
    server.clear_faults()
    assert check(reader_of(server).things(), {}, files.originals) == {}
    assert server.generations(BUCKET, AUDIO) == []
    assert files.both_kept()


@pytest.mark.row(13)
@WAYS
@PARTS
def test_the_next_call_after_a_flipped_byte_starts_clean(
    server: StrictServer, files: Files, way: str, part: str
) -> None:
    server.fault(carries(part), faults.flip_request(10_000), times=5)

    with managing(server) as manager:
        for _ in range(6):
            try:
                result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
                break
            except Exception:  # noqa: BLE001
                assert_no_audio(server)

    assert_whole(server, files, result)


def assert_no_audio(server: StrictServer) -> None:
    assert server.object(BUCKET, AUDIO) is None


@pytest.mark.row(14)
@WAYS
@PARTS
def test_a_flipped_byte_that_only_we_notice_is_removed(files: Files, way: str, part: str) -> None:
    with StrictServer(BUCKET, validate_checksums=False) as server:
        server.fault(carries(part), faults.flip_request(10_000))

        with managing(server) as manager, pytest.raises(IntegrityError) as raised:
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

        name = AUDIO if part == "audio." else COVER
        (bad,) = server.generations(BUCKET, name)
        removals = [r for r in server.requests if r.operation == "delete"]
        assert [r.query["generation"] for r in removals] == [str(bad)]
        assert str(bad) in f"{raised.value} {raised.value.__notes__}"
        assert check(reader_of(server).things(), {}, files.originals) == {}
        assert files.both_kept()
        with managing(server) as manager:
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        assert server.read(BUCKET, AUDIO) == files.audio_bytes


@pytest.mark.row(14)
@WAYS
def test_the_bad_object_is_removed_even_if_its_response_was_lost(files: Files, way: str) -> None:
    with StrictServer(BUCKET, validate_checksums=False) as server:
        last = (faults.simple_upload | faults.last_chunk) & faults.named("audio.")
        server.fault(last, faults.Fault(flip_request=10_000, lose="rst"))

        with managing(server) as manager:
            try:
                manager.upload_audio_with_thumbnail(
                    files.audio, files.cover, audio_id=ID, cleanup=True
                )
            except (IntegrityError, AssetConflictError):
                assert check_ignoring_damage(server, files) == {}
                assert files.both_kept()
                assert list(manager.list()) == []
            else:  # it was found damaged, removed, and sent again
                truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
                check(reader_of(server).things(), {ID: truth}, files.originals)


def check_ignoring_damage(server: StrictServer, files: Files) -> dict[str, object]:
    """Damaged audio may stay, but is no asset."""
    things = {
        name: thing
        for name, thing in reader_of(server).things().items()
        if thing.metadata.get("crc32c") == thing.crc32c
    }
    return dict(check(things, {}, files.originals))


@pytest.mark.row(14)
@WAYS
def test_a_damaged_object_that_could_not_be_removed_does_not_block_the_next_call(
    files: Files, way: str
) -> None:
    with StrictServer(BUCKET, validate_checksums=False) as server:
        server.fault(carries("audio."), faults.flip_request(10_000))
        server.fault(faults.delete, faults.respond(503), times=None)
        with managing(server) as manager, pytest.raises(Exception, match=r"503|wrong bytes"):
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        server.clear_faults()

        with managing(server) as manager:
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

        assert server.read(BUCKET, AUDIO) == files.audio_bytes


@pytest.mark.row(14)
def test_a_failed_removal_of_a_damaged_object_is_an_integrity_error(
    files: Files,
) -> None:
    with StrictServer(BUCKET, validate_checksums=False) as server:
        server.fault(carries("audio."), faults.flip_request(10_000))
        server.fault(faults.delete, faults.respond(503), times=None)

        with managing(server) as manager, pytest.raises(IntegrityError):
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

        assert check_ignoring_damage(server, files) == {}


@pytest.mark.row(13, 14)
@pytest.mark.parametrize("validates", [True, False])
@pytest.mark.parametrize("after", [100, 300, 800, 1500, 5_000, 100_000, 700_000])
def test_a_byte_flipped_anywhere_never_leaves_a_wrong_asset(
    files: Files, after: int, validates: bool
) -> None:
    with (
        StrictServer(BUCKET, validate_checksums=validates) as server,
        Proxy(server.port, *[Trouble("flip", after)] * 2) as proxy,
    ):
        try:
            with managing(proxy.url) as manager:
                manager.upload_audio_with_thumbnail(
                    files.audio, files.cover, audio_id=ID, cleanup=True
                )
        except Exception:  # noqa: BLE001
            assert files.both_kept()
        assert proxy.met
        check(reader_of(server).things(), files.truth, files.originals)
