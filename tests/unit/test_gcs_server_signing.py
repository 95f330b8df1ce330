"""The strict server signs for service accounts, and checks what URLs they signed."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from google.oauth2 import service_account

from tests.gcs_server import ServiceAccount, StrictServer, faults
from tests.gcs_server.client import Answer, B, Client, md5

EMAIL = "signer@project.iam.gserviceaccount.com"
SIGN = f"/v1/projects/-/serviceAccounts/{EMAIL}:signBlob"
DATA = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def key() -> str:
    with StrictServer(B) as server:
        return server.service_account(EMAIL).private_key_pem


@pytest.fixture
def server(key: str) -> Iterator[StrictServer]:
    with StrictServer(B, tokens={"good"}) as made:
        made.service_account(EMAIL, key)
        made.put(B, "a b/ü~1.flac", DATA, contentType="audio/flac", metadata={"k": "v"})
        yield made


@pytest.fixture
def client(server: StrictServer) -> Iterator[Client]:
    made = Client(server)
    yield made
    made.line.close()


@pytest.fixture
def account(server: StrictServer) -> ServiceAccount:
    found = server.accounts.find(EMAIL)
    assert found is not None
    return found


def encoded(pairs: dict[str, str]) -> str:
    return urlencode(pairs, quote_via=quote, safe="~")


def sign(
    account: ServiceAccount,
    host: str,
    at: datetime,
    *,
    path: str = f"/{B}/{quote('a b/ü~1.flac', safe='/~')}",
    method: str = "GET",
    expires: int = 900,
    headers: dict[str, str] | None = None,
    **query: str,
) -> str:
    """Sign as the documentation says, written once more here: the two must agree."""
    signed = {"host": host, **(headers or {})}
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/auto/storage/goog4_request"
    pairs = {
        "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
        "X-Goog-Credential": f"{account.email}/{scope}",
        "X-Goog-Date": stamp,
        "X-Goog-Expires": str(expires),
        "X-Goog-SignedHeaders": ";".join(sorted(signed)),
        **query,
    }
    text = encoded(dict(sorted(pairs.items())))
    request = f"{method}\n{path}\n{text}\n"
    request += "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request += f"\n{';'.join(sorted(signed))}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    message = f"GOOG4-RSA-SHA256\n{stamp}\n{scope}\n{digest}"
    return f"{path}?{text}&X-Goog-Signature={account.sign(message.encode()).hex()}"


def code_of(answer: Answer) -> str:
    assert answer.headers["content-type"].startswith("application/xml")
    found = re.search("<Code>(.*?)</Code>", answer.body.decode())
    assert found is not None
    return found[1]


# -- signBlob --------------------------------------------------------------------------------------


def test_sign_blob_signs_with_the_accounts_key(
    server: StrictServer, client: Client, account: ServiceAccount
) -> None:
    good = {"Authorization": "Bearer good", "Content-Type": "application/json"}

    def ask(path: str, body: bytes, headers: dict[str, str]) -> Answer:
        return client("POST", path, body, headers)

    payload = b'{"payload": "%s"}' % base64.b64encode(b"message")
    got = ask(SIGN, payload, good).json
    assert got.keys() == {"keyId", "signedBlob"}
    assert account.signed(b"message", base64.b64decode(got["signedBlob"]))
    assert not account.signed(b"another", base64.b64decode(got["signedBlob"]))
    anonymous = ask(SIGN, payload, {})
    assert (anonymous.status, anonymous.json["error"]["status"]) == (401, "UNAUTHENTICATED")
    for bad in (b"", b"{}", b"[]", b'{"payload": "%%%"}', b'{"payload": 5}', b'{"bytes": "AA=="}'):
        assert ask(SIGN, bad, good).status == 400, bad
    assert ask(SIGN.replace("signer", "nobody"), payload, good).status == 404
    assert ask(SIGN.replace("signBlob", "signJwt"), payload, good).status == 404
    assert client("GET", SIGN, None, good).status == 405
    server.denied.add("iam.serviceAccounts.signBlob")
    denied = ask(SIGN, payload, good)
    assert (denied.status, denied.json["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert "iam.serviceAccounts.signBlob" in denied.json["error"]["message"]


def test_a_key_file_serves_google_auth(server: StrictServer, account: ServiceAccount) -> None:
    info = account.key_file(f"{server.url}/token")
    credentials: Any = service_account.Credentials.from_service_account_info(info)
    assert credentials.signer_email == EMAIL
    assert account.signed(b"message", credentials.sign_bytes(b"message"))


# -- signed URLs -----------------------------------------------------------------------------------


def test_a_signed_url_reads(server: StrictServer, client: Client, account: ServiceAccount) -> None:
    url = sign(account, server.host, server.now())
    whole = client("GET", url)
    assert (whole.status, whole.body) == (200, DATA)
    assert whole.headers["content-type"] == "audio/flac"
    assert whole.headers["etag"] == f'"{base64.b64decode(md5(DATA)).hex()}"'
    assert whole.headers["x-goog-meta-k"] == "v"
    assert "last-modified" in whole.headers
    part = client("GET", url, None, {"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, DATA[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(DATA)}"
    beyond = client("GET", url, None, {"Range": "bytes=9999-"})
    assert (beyond.status, code_of(beyond)) == (416, "InvalidRange")
    assert server.requests[0].operation == "xml"
    assert server.requests[0].name == "a b/ü~1.flac"


def test_a_head_has_the_headers_alone(
    server: StrictServer, client: Client, account: ServiceAccount
) -> None:
    url = sign(account, server.host, server.now(), method="HEAD")
    for _ in range(2):
        head = client("HEAD", url)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(DATA))
    assert client("HEAD", url.replace("flac", "mp3")).status == 403
    assert server.connections == 1
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        request = f"HEAD {url} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n"
        sock.sendall(request.encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
    assert client("GET", url).status == 403


def test_response_headers_and_generation_are_honoured(
    server: StrictServer, client: Client, account: ServiceAccount
) -> None:
    generation = server.generations(B, "a b/ü~1.flac")[0]
    query: dict[str, Any] = {
        "generation": str(generation),
        "response-content-disposition": "attachment; filename=\"a b\"; filename*=UTF-8''%C3%BC",
        "response-content-type": "application/x-flac",
    }
    url = sign(account, server.host, server.now(), **query)
    got = client("GET", url)
    assert (got.status, got.body) == (200, DATA)
    assert got.headers["content-disposition"] == query["response-content-disposition"]
    assert got.headers["content-type"] == "application/x-flac"
    broken: dict[str, Any] = {"response-content-type": "text/plain\r\nX-Mine: 1"}
    assert client("GET", sign(account, server.host, server.now(), **broken)).status == 400
    server.put(B, "a b/ü~1.flac", b"newer")
    gone = client("GET", url)
    assert (gone.status, code_of(gone)) == (404, "NoSuchKey")
    assert client("GET", sign(account, server.host, server.now())).body == b"newer"


def test_a_signed_header_must_come(
    server: StrictServer, client: Client, account: ServiceAccount
) -> None:
    url = sign(account, server.host, server.now(), headers={"x-goog-custom": "a b"})
    assert client("GET", url, None, {"X-Goog-Custom": "  a   b "}).status == 200
    assert client("GET", url, None, {"X-Goog-Custom": "c"}).status == 403
    missing = client("GET", url)
    assert (missing.status, code_of(missing)) == (400, "MalformedSecurityHeader")


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("~1.flac", "~2.flac"),
        lambda url: url.replace("X-Goog-Expires=900", "X-Goog-Expires=901"),
        lambda url: url[:-2] + ("00" if url[-2:] != "00" else "01"),
        lambda url: url[:-1],
        lambda url: url[:-2] + "zz",
        lambda url: url + "&response-content-type=text/html",
        lambda url: url.replace("signer%40", "another%40"),
    ],
)
def test_nothing_of_a_signed_url_can_be_changed(
    server: StrictServer, client: Client, account: ServiceAccount, change: Any
) -> None:
    server.put(B, "a b/ü~2.flac", b"secret")
    url = sign(account, server.host, server.now())
    refused = client("GET", change(url))
    assert (refused.status, code_of(refused)) == (403, "SignatureDoesNotMatch")
    assert b"<CanonicalRequest>GET\n" in refused.body
    assert client("GET", url).status == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"X-Goog-Date": "2026-01-01"}, "MalformedSecurityHeader"),
        ({"X-Goog-Date": "20200101T000000Z"}, "MalformedSecurityHeader"),
        ({"X-Goog-Expires": "604801"}, "MalformedSecurityHeader"),
        ({"X-Goog-Expires": "0"}, "MalformedSecurityHeader"),
        ({"X-Goog-Expires": "-5"}, "MalformedSecurityHeader"),
        ({"X-Goog-SignedHeaders": "accept-encoding"}, "MalformedSecurityHeader"),
        ({"X-Goog-SignedHeaders": "host;date"}, "MalformedSecurityHeader"),
        ({"X-Goog-SignedHeaders": "Host"}, "MalformedSecurityHeader"),
        ({"X-Goog-Algorithm": "GOOG4-HMAC-SHA256"}, "MalformedSecurityHeader"),
        ({"X-Goog-Credential": f"{EMAIL}/20200101/auto/s3/request"}, "MalformedSecurityHeader"),
        ({"X-Goog-Signature": ""}, "MissingSecurityHeader"),
        ({"X-Goog-Expires": ""}, "MissingSecurityHeader"),
    ],
)
def test_malformed_parameters_are_refused(
    server: StrictServer,
    client: Client,
    account: ServiceAccount,
    change: dict[str, str],
    code: str,
) -> None:
    path, _, query = sign(account, server.host, server.now()).partition("?")
    changed = dict(parse_qsl(query)) | change
    refused = client("GET", f"{path}?{encoded(changed)}")
    assert (refused.status, code_of(refused)) == (400, code)


def test_a_signed_url_lasts_as_long_as_it_says(
    server: StrictServer, client: Client, account: ServiceAccount
) -> None:
    url = sign(account, server.host, server.now(), expires=604_800)
    server.advance(604_800 - 30)
    assert client("GET", url).status == 200
    server.advance(31)
    expired = client("GET", url)
    assert (expired.status, code_of(expired)) == (400, "ExpiredToken")
    assert b"The provided token has expired." in expired.body
    soon = sign(account, server.host, server.now() + timedelta(minutes=20))
    assert (client("GET", soon).status, code_of(client("GET", soon))) == (
        403,
        "RequestTimeTooSkewed",
    )
    server.advance(20 * 60)
    assert client("GET", soon).status == 200


def test_who_signed_must_still_be_allowed(
    server: StrictServer, client: Client, account: ServiceAccount
) -> None:
    url = sign(account, server.host, server.now())
    server.denied.add("storage.objects.get")
    denied = client("GET", url)
    assert (denied.status, code_of(denied)) == (403, "AccessDenied")
    assert EMAIL.encode() in denied.body
    server.denied.clear()
    server.accounts.remove(EMAIL)
    assert code_of(client("GET", url)) == "SignatureDoesNotMatch"


def test_without_a_signature_a_token_is_asked(server: StrictServer, client: Client) -> None:
    path = f"/{B}/{quote('a b/ü~1.flac')}"
    anonymous = client("GET", path)
    assert (anonymous.status, code_of(anonymous)) == (403, "AccessDenied")
    assert client("GET", path, None, {"Authorization": "Bearer good"}).body == DATA
    bad = client("GET", path, None, {"Authorization": "Bearer bad"})
    assert (bad.status, code_of(bad)) == (401, "AuthenticationRequired")
    assert client("PUT", path, b"x").status == 405
    assert client("GET", f"/{B}").status == 404


def test_a_missing_object_gets_an_xml_error(
    server: StrictServer, client: Client, account: ServiceAccount
) -> None:
    none = client("GET", sign(account, server.host, server.now(), path=f"/{B}/none"))
    assert (none.status, code_of(none)) == (404, "NoSuchKey")
    none = client("GET", sign(account, server.host, server.now(), path="/no-bucket/x"))
    assert (none.status, code_of(none)) == (404, "NoSuchBucket")


def test_faults_befall_signed_reads_and_signing(
    server: StrictServer, client: Client, account: ServiceAccount
) -> None:
    server.fault(faults.signed_read & faults.named("flac"), faults.respond(503))
    server.fault(faults.sign_blob, faults.respond(503))
    url = sign(account, server.host, server.now())
    assert [client("GET", url).status for _ in range(2)] == [503, 200]
    head = {"Authorization": "Bearer good"}
    body = b'{"payload": "AAAA"}'
    assert [client("POST", SIGN, body, head).status for _ in range(2)] == [503, 200]
