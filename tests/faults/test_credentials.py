"""Rows 17, 18: tokens that are refused, and tokens that cannot be had."""

import datetime
from pathlib import Path
from types import SimpleNamespace

import google.oauth2.credentials
import pytest

from audiostore import CredentialsError, Event, RetryConfig
from tests.assets import BUCKET
from tests.faults.rig import ID, Files, assert_whole, in_sessions, make_files, managing, reader_of
from tests.faults.test_connections import assert_progress_is_honest
from tests.gcs_server import StrictServer, faults

WAYS = pytest.mark.parametrize("way", ["one request", "session"])


@pytest.fixture(autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "way" in request.fixturenames and request.getfixturevalue("way") == "session":
        in_sessions(monkeypatch)


@pytest.fixture
def guarded(server: StrictServer) -> StrictServer:
    """A server that lets nobody in without a token that it gave out."""
    server.tokens = set()
    return server


def credentials(server: StrictServer) -> google.oauth2.credentials.Credentials:
    made: google.oauth2.credentials.Credentials = google.oauth2.credentials.Credentials(
        token=None,
        refresh_token="the-refresh-token",
        token_uri=f"{server.url}/token",
        client_id="client",
        client_secret="the-client-secret",
    )
    return made


def without_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let google-auth's own repetitions not wait."""
    quick = SimpleNamespace(sleep=lambda _seconds: None)
    monkeypatch.setattr("google.auth._exponential_backoff.time", quick)


def refreshes(server: StrictServer) -> int:
    return sum(r.operation == "token" for r in server.requests)


@pytest.mark.row(17)
@WAYS
@pytest.mark.parametrize("nth", range(7))
def test_a_token_revoked_at_any_request_is_renewed(
    guarded: StrictServer, files: Files, way: str, nth: int
) -> None:
    count = [0]

    def revoke(request: object) -> None:
        if getattr(request, "operation", "") == "token":
            return
        count[0] += 1
        if count[0] == nth + 1:
            guarded.tokens = set()

    guarded.on_request = revoke
    with managing(guarded, credentials=credentials(guarded), retry=RetryConfig(1)) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    guarded.on_request = None
    assert refreshes(guarded) == (2 if nth < count[0] - 1 or nth + 1 == count[0] else 1)
    guarded.tokens = None
    assert_whole(guarded, files, result)


@pytest.mark.row(17)
def test_a_service_account_signs_for_its_tokens(guarded: StrictServer, files: Files) -> None:
    service_account = pytest.importorskip("google.oauth2.service_account")
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = service_account.Credentials.from_service_account_info(
        {
            "client_email": "robot@example.iam.gserviceaccount.com",
            "private_key": key.decode(),
            "token_uri": f"{guarded.url}/token",
        },
        scopes=["https://www.googleapis.com/auth/devstorage.read_write"],
    )

    with managing(guarded, credentials=account) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    guarded.tokens = None
    assert_whole(guarded, files, result)


@pytest.mark.row(17)
@WAYS
def test_a_token_that_runs_out_is_renewed_ahead(
    guarded: StrictServer, files: Files, way: str
) -> None:
    expired = credentials(guarded)
    expired.token = "run-out"
    expired.expiry = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)

    with managing(guarded, credentials=expired) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert refreshes(guarded) == 1
    assert not [r for r in guarded.requests if r.status == 401]


@pytest.mark.row(17, 29)
@WAYS
def test_a_renewed_token_does_not_turn_progress_back_silently(
    guarded: StrictServer, tmp_path: Path, way: str
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=4 << 20)  # read in more than one piece
    seen: list[Event] = []
    carries = faults.operation("upload", "session_chunk") & faults.named("audio.")
    guarded.fault(carries, faults.respond(401))

    with managing(
        guarded,
        credentials=credentials(guarded),
        on_event=seen.append,
        chunk_bytes=4 << 20,
    ) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert_progress_is_honest(seen)


@pytest.mark.row(18)
@WAYS
@pytest.mark.parametrize("nth", [0, 2, 3])
def test_a_refused_token_refresh_is_a_clear_error(
    guarded: StrictServer, files: Files, way: str, nth: int
) -> None:
    count = [0]

    def revoke(request: object) -> None:
        if getattr(request, "operation", "") == "token":
            return
        count[0] += 1
        if count[0] == nth + 1:
            guarded.tokens = set()
            guarded.auth.token_error = "invalid_grant"

    guarded.on_request = revoke
    with (
        managing(guarded, credentials=credentials(guarded)) as manager,
        pytest.raises(CredentialsError, match="gcloud auth") as raised,
    ):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert "the-refresh-token" not in str(raised.value)
    assert refreshes(guarded) == 2
    if count[0] <= 3:
        assert files.both_kept()
    guarded.on_request = None
    guarded.tokens = None
    from tests.faults.reader import check  # noqa: PLC0415

    check(reader_of(guarded).things(), files.truth, files.originals)
    assert files.both_kept()


@pytest.mark.row(18)
def test_a_token_server_that_is_down_for_a_moment_is_waited_for(
    guarded: StrictServer, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_sleep(monkeypatch)
    guarded.fault(faults.token, faults.respond(503, body={"error": "internal_failure"}), times=2)

    with managing(guarded, credentials=credentials(guarded)) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    guarded.tokens = None
    assert_whole(guarded, files, result)


@pytest.mark.row(18)
def test_attempts_to_fetch_a_token_do_not_multiply(
    guarded: StrictServer, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_sleep(monkeypatch)
    rule = guarded.fault(
        faults.token, faults.respond(503, body={"error": "internal_failure"}), times=None
    )

    with (
        managing(
            guarded, credentials=credentials(guarded), retry=RetryConfig(2, 0.01, 0.02)
        ) as manager,
        pytest.raises(Exception, match=r"token|credentials"),
    ):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert files.both_kept()
    assert guarded.objects(BUCKET) == []
    assert rule.fired == 2
