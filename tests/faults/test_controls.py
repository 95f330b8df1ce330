"""Negative controls: protocols that are broken on purpose must be noticed by this suite."""

from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from tests.assets import BUCKET
from tests.faults import broken
from tests.faults.child import Nursery
from tests.faults.kills import When, upload_scenario
from tests.faults.reader import PromiseBrokenError, Truth, check
from tests.faults.rig import AUDIO, ID, Files, assert_whole, managing, reader_of
from tests.faults.test_kills import at_file_operation, at_request, matrix, stored_whole
from tests.gcs_server import StrictServer, faults

pytestmark = pytest.mark.row("controls")
WHEN = pytest.mark.parametrize("when", ["before", "after"])
STORES = pytest.mark.parametrize("store", ["bucket", "directory"])


@WHEN
def test_audio_first_is_noticed_by_kills_at_requests(
    tmp_path: Path, nursery: Nursery, when: When
) -> None:
    with pytest.raises(PromiseBrokenError, match="without any"):
        matrix(
            tmp_path,
            "bucket",
            lambda place, files: upload_scenario(files, place, **{"break": "audio_first"}),
            at_request(nursery, when),
            stored_whole,
            nursery,
        )


@STORES
def test_audio_first_is_noticed_by_kills_at_file_operations(
    tmp_path: Path, nursery: Nursery, store: str
) -> None:
    with pytest.raises(PromiseBrokenError, match="without any"):
        matrix(
            tmp_path,
            store,
            lambda place, files: upload_scenario(files, place, **{"break": "audio_first"}),
            at_file_operation(nursery, "before"),
            stored_whole,
            nursery,
        )


@STORES
def test_unlinking_before_verifying_is_noticed_by_kills_at_file_operations(
    tmp_path: Path, nursery: Nursery, store: str
) -> None:
    with pytest.raises(PromiseBrokenError, match="gone and not stored"):
        matrix(
            tmp_path,
            store,
            lambda place, files: upload_scenario(files, place, **{"break": "unlink_first"}),
            at_file_operation(nursery, "before"),
            stored_whole,
            nursery,
        )


def test_unlinking_before_verifying_is_noticed_by_an_error(
    server: StrictServer, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken.unlink_first(monkeypatch.setattr)
    server.fault(faults.upload_of("audio."), faults.respond(503), times=None)

    with managing(server) as manager, pytest.raises(Exception, match="503"):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    server.clear_faults()
    with pytest.raises(PromiseBrokenError, match="gone and not stored"):
        check(reader_of(server).things(), files.truth, files.originals)


def test_no_comparison_is_noticed_by_a_flipped_byte(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken.no_comparison(monkeypatch.setattr)
    with StrictServer(BUCKET, validate_checksums=False) as server:
        carries = faults.operation("upload") & faults.named("audio.")
        server.fault(carries, faults.flip_request(10_000))

        with managing(server) as manager:
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

        with pytest.raises(PromiseBrokenError, match="other bytes than it says"):
            check(reader_of(server).things(), files.truth, files.originals)


def test_a_write_without_a_precondition_is_detected_by_a_lost_response(
    server: StrictServer, files: Files
) -> None:
    store_twice(server, files)

    with pytest.raises(AssertionError):
        assert_whole(server, files)


def store_twice(server: StrictServer, files: Files) -> None:
    """Do what a client does that repeats a lost write blindly."""
    with managing(server) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    stored = server.object(BUCKET, AUDIO)
    assert stored is not None
    server.put(BUCKET, AUDIO, files.audio_bytes, metadata=dict(stored.metadata))


@pytest.mark.parametrize("cover", ["gone", "another", "not named"])
def test_the_reader_notices_artwork_that_is_not_right(
    server: StrictServer, files: Files, cover: str
) -> None:
    with managing(server) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, None if cover == "not named" else files.cover, audio_id=ID
        )
    name = f"audio/{ID}/thumbnail.jpg"
    if cover == "gone":
        server.remove(BUCKET, name)
    elif cover == "another":
        server.put(BUCKET, name, b"\xff\xd8\xff another")
    assert result.audio is not None

    with pytest.raises(PromiseBrokenError):
        check(reader_of(server).things(), files.truth, files.originals)


def test_the_reader_notices_an_asset_that_is_lost(server: StrictServer, files: Files) -> None:
    truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)

    with pytest.raises(PromiseBrokenError, match="not to be found"):
        check(reader_of(server).things(), {ID: truth}, {})


def test_the_reader_and_a_library_that_shows_too_much_differ(
    server: StrictServer, files: Files
) -> None:
    from tests.faults.reader import agree  # noqa: PLC0415

    with managing(server) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        assert isinstance(manager, AudioStorageManager)
        with pytest.raises(PromiseBrokenError, match="list"):
            agree(manager, {})
