"""The strict server's customers' keys: what each response shows, and what is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.gcs_server import AS_NEW, Encryption, StrictServer, supplied
from tests.gcs_server.client import OBJECTS, Answer, B, Client, crc, md5, path_of
from tests.gcs_server.encryption import VERSION, sha256_of

KEY = "projects/p/locations/us/keyRings/r/cryptoKeys/k"
OTHER = "projects/p/locations/us/keyRings/r/cryptoKeys/other"
OWN = bytes(32)
HASHES = {"crc32c": crc(b"bytes"), "md5Hash": md5(b"bytes")}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    settings = {**AS_NEW, "encryption": {"defaultKmsKeyName": KEY}}
    with StrictServer(B, bucket_settings=settings) as made:
        yield made


@pytest.fixture
def client(server: StrictServer) -> Iterator[Client]:
    made = Client(server)
    yield made
    made.line.close()


def with_key(key: bytes, prefix: str = "x-goog-encryption") -> dict[str, str]:
    return {
        f"{prefix}-algorithm": "AES256",
        f"{prefix}-key": base64.b64encode(key).decode(),
        f"{prefix}-key-sha256": sha256_of(key),
    }


def hashes(resource: dict[str, str]) -> dict[str, str]:
    return {key: resource[key] for key in HASHES if key in resource}


def rewrite(client: Client, headers: dict[str, str] | None = None, **query: str) -> Answer:
    return client("POST", f"{path_of('a')}/rewriteTo/b/{B}/o/b", None, headers, **query)


def test_only_its_own_resource_shows_the_checksums_of_an_object_under_a_kms_key(
    server: StrictServer, client: Client
) -> None:
    stored = client.multipart("a", b"bytes").json
    assert (hashes(stored), stored["kmsKeyName"]) == (HASHES, f"{KEY}{VERSION}")
    assert hashes(client("GET", path_of("a")).json) == HASHES
    (listed,) = client("GET", OBJECTS).json["items"]
    assert (hashes(listed), listed["kmsKeyName"]) == ({}, f"{KEY}{VERSION}")
    patched = client.json("PATCH", path_of("a"), {"metadata": {"a": "b"}}).json
    assert hashes(patched) == hashes(rewrite(client).json["resource"]) == {}

    client("DELETE", path_of("a"))
    generation = stored["generation"]
    (deleted,) = client("GET", OBJECTS, softDeleted="true").json["items"]
    assert hashes(deleted) == {}
    found = client("GET", path_of("a"), generation=generation, softDeleted="true")
    assert hashes(found.json) == HASHES
    restored = client("POST", f"{path_of('a')}/restore", b"", generation=generation).json
    assert (hashes(restored), restored["kmsKeyName"]) == ({}, f"{KEY}{VERSION}")


def test_an_object_without_a_key_shows_its_checksums_everywhere(
    server: StrictServer, client: Client
) -> None:
    server.put(B, "a", b"bytes", encryption=None)
    (listed,) = client("GET", OBJECTS).json["items"]
    assert hashes(listed) == HASHES
    assert "kmsKeyName" not in listed


def test_a_rewrite_takes_the_default_key_or_the_one_it_names(
    server: StrictServer, client: Client
) -> None:
    server.put(B, "a", b"bytes", encryption=Encryption(OTHER))
    assert rewrite(client).json["resource"]["kmsKeyName"] == f"{KEY}{VERSION}"
    made = rewrite(client, destinationKmsKeyName=OTHER).json["resource"]
    assert made["kmsKeyName"] == f"{OTHER}{VERSION}"
    assert rewrite(client, destinationKmsKeyName=f"{OTHER}{VERSION}").status == 400


def test_a_disabled_or_denied_kms_key_refuses_data_but_not_metadata(
    server: StrictServer, client: Client
) -> None:
    server.put(B, "a", b"bytes")
    for keys, status, reason in (
        (server.keys.disabled, 400, "cloudKmsDisabledKey"),
        (server.keys.denied, 403, "forbidden"),
    ):
        keys.add(KEY)
        read = client("GET", path_of("a"), alt="media")
        assert (read.status, b"Cloud KMS key" in read.body) == (status, True)
        assert hashes(client("GET", path_of("a")).json) == {}
        for refused in (client.multipart("new", b"bytes"), rewrite(client)):
            assert (refused.status, refused.reason) == (status, reason)
        assert client.json("PATCH", path_of("a"), {"cacheControl": "private"}).status == 200
        keys.clear()
    assert hashes(client("GET", path_of("a")).json) == HASHES


def test_a_supplied_key_is_demanded_for_data_and_checksums(
    server: StrictServer, client: Client
) -> None:
    server.put(B, "a", b"bytes", encryption=supplied(OWN))
    stated = {"encryptionAlgorithm": "AES256", "keySha256": sha256_of(OWN)}
    (listed,) = client("GET", OBJECTS).json["items"]
    unread = client("GET", path_of("a")).json
    assert hashes(listed) == hashes(unread) == {}
    assert listed["customerEncryption"] == unread["customerEncryption"] == stated
    assert hashes(client("GET", path_of("a"), None, with_key(OWN)).json) == HASHES

    assert client("GET", path_of("a"), alt="media").status == 400
    read = client("GET", path_of("a"), None, with_key(OWN), alt="media")
    assert (read.status, read.body) == (200, b"bytes")
    source = "x-goog-copy-source-encryption"
    assert rewrite(client).reason == "resourceIsEncryptedWithCustomerEncryptionKey"
    wrong = rewrite(client, with_key(b"x" * 32, source))
    assert wrong.reason == "customerEncryptionKeyIsIncorrect"
    assert rewrite(client, with_key(OWN, source)).status == 200

    server.put(B, "plain", b"bytes")
    given = client("GET", path_of("plain"), None, with_key(OWN))
    assert given.reason == "resourceNotEncryptedWithCustomerEncryptionKey"


def test_malformed_keys_are_refused(server: StrictServer, client: Client) -> None:
    server.put(B, "a", b"bytes", encryption=supplied(OWN))
    prefix = "x-goog-encryption"
    for change, reason in (
        ({f"{prefix}-algorithm": "AES128"}, "customerEncryptionAlgorithmIsInvalid"),
        ({f"{prefix}-key": "AAAA"}, "customerEncryptionKeyFormatIsInvalid"),
        ({f"{prefix}-key-sha256": "AAAA"}, "customerEncryptionKeySha256IsInvalid"),
    ):
        assert client("GET", path_of("a"), None, with_key(OWN) | change).reason == reason
    assert client.json("PATCH", f"/storage/v1/b/{B}", {"encryption": {}}).status == 200
    bad = {"encryption": {"defaultKmsKeyName": f"{KEY}{VERSION}"}}
    assert client.json("PATCH", f"/storage/v1/b/{B}", bad).status == 400
