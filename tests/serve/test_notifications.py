"""What others write is found once the bucket has reported it."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from google.auth import crypt, jwt

from audiostore import AudioStorageManager, GcsStore
from audiostore.serve import PushSubscription
from audiostore.serve.notifications import PATH, changed_asset
from audiostore.serve.problems import RefusedError
from audiostore.testing import cover
from tests.assets import BUCKET, tone
from tests.gcs_server import StrictServer
from tests.serve.conftest import ONCE, TOKEN, Running, serving

ACCOUNT = "pusher@project.iam.gserviceaccount.com"
URL = "https://audio.example"
NEVER_S = 1e6


class Signer:
    """Signs tokens as Google does for a push subscription."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._signer = crypt.RSASigner.from_string(private.decode(), "key-1")
        self.keys = {"key-1": public.decode()}

    def token(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": f"{URL}/v1/notifications",
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now - 10,
            "exp": now + 600,
            **changes,
        }
        token: bytes = jwt.encode(self._signer, claims)
        return token.decode()


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def store(bucket: StrictServer) -> Iterator[GcsStore]:
    with closing(GcsStore(BUCKET, emulator=bucket.url)) as store:
        yield store


@pytest.fixture
def service(store: GcsStore, signer: Signer) -> Iterator[Running]:
    subscription = PushSubscription(ACCOUNT, f"{URL}/", fetch_keys=lambda: signer.keys)
    with serving(store, refresh_s=NEVER_S, subscription=subscription) as running:
        yield running


@pytest.fixture
def others(store: GcsStore) -> AudioStorageManager:
    """Another program that writes to the bucket."""
    return AudioStorageManager(store=store, retry_config=ONCE)


def message(name: str, event: str = "OBJECT_FINALIZE", bucket: str = BUCKET) -> dict[str, Any]:
    attributes = {
        "eventType": event,
        "bucketId": bucket,
        "objectId": name,
        "objectGeneration": "1",
        "payloadFormat": "NONE",
    }
    return {"message": {"attributes": attributes, "messageId": "1"}, "subscription": "s"}


def found(service: Running) -> list[tuple[str, str]]:
    items = service("GET", "/v1/assets?sort=id").json["items"]
    return [(each["audio_id"], each["custom"].get("mood", "")) for each in items]


def test_what_others_write_is_found_when_the_bucket_reports_it(
    service: Running, others: AudioStorageManager, signer: Signer
) -> None:
    def report(event: str) -> None:
        answer = service("POST", PATH, message(name, event), token=signer.token())
        assert (answer.status, answer.body) == (204, b"")

    stored = others.upload_audio_with_thumbnail(tone(), cover(), filename="a.wav")
    audio_id = stored.audio_id
    assert stored.audio is not None
    name = stored.audio.name
    assert found(service) == []
    report("OBJECT_FINALIZE")
    assert found(service) == [(audio_id, "")]
    others.update_metadata(audio_id, {"mood": "calm"})
    assert found(service) == [(audio_id, "")]
    report("OBJECT_METADATA_UPDATE")
    report("OBJECT_FINALIZE")  # late, or twice
    assert found(service) == [(audio_id, "calm")]
    others.delete(audio_id)
    report("OBJECT_DELETE")
    assert found(service) == []
    others.restore(audio_id)
    report("OBJECT_FINALIZE")
    assert found(service) == [(audio_id, "calm")]


def test_what_a_token_does_not_prove_is_refused(
    service: Running, others: AudioStorageManager, signer: Signer
) -> None:
    stored = others.upload_audio_file(tone(), filename="a.wav").audio
    assert stored is not None
    now = int(time.time())
    tokens = (
        None,
        TOKEN,
        Signer().token(),
        signer.token(aud=f"{URL}/v1"),
        signer.token(email="other@project.iam.gserviceaccount.com"),
        signer.token(email_verified=False),
        signer.token(iss="https://evil.example"),
        signer.token(iat=now - 2000, exp=now - 1000),
        ".".join((*signer.token().split(".")[:2], "")),
    )
    for token in tokens:
        answer = service("POST", PATH, message(stored.name), token=token)
        assert (answer.status, answer.problem) == (401, "Unauthorized"), token
    assert found(service) == []
    assert service("GET", "/v1/assets", token=signer.token()).status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"message": {"data": ""}}', 422),
        (b'{"message": {"attributes": {"bucketId": "b", "objectId": 7}}}', 422),
        (b"x" * 70_000, 413),
    ],
)
def test_what_is_no_notification_is_refused(
    service: Running, signer: Signer, body: bytes, status: int
) -> None:
    answer = service("POST", PATH, body, token=signer.token(), content_type="application/json")
    assert answer.status == status, answer.body


def test_what_is_about_nothing_of_the_store_costs_it_no_request(
    service: Running, bucket: StrictServer, signer: Signer
) -> None:
    before = len(bucket.requests)
    audio_id = "11111111-1111-4111-8111-111111111111"
    for name in ("x", "audio/x", "incoming/x/content", f"audio/{audio_id}/thumbnail.jpg"):
        assert service("POST", PATH, message(name), token=signer.token()).status == 204
    other = message(f"audio/{audio_id}/audio.wav", bucket="other")
    assert service("POST", PATH, other, token=signer.token()).status == 204
    assert len(bucket.requests) == before


def test_of_a_bucket_that_is_shared_only_what_is_below_the_prefix_counts() -> None:
    name = "audio/11111111-1111-4111-8111-111111111111/audio.wav"
    url = "gs://shared/prod"
    assert changed_asset(message(f"prod/{name}", bucket="shared"), url) == name.split("/")[1]
    assert changed_asset(message(name, bucket="shared"), url) is None
    assert changed_asset(message(f"production/{name}", bucket="shared"), url) is None
    with pytest.raises(RefusedError):
        changed_asset({"message": {}}, url)


def test_without_a_subscription_nobody_can_report(local: Running, signer: Signer) -> None:
    assert local("POST", PATH, message("x"), token=signer.token()).status == 501
    assert local("POST", PATH, message("x"), token=TOKEN).status == 501
