"""Who gets in: tokens, cookies, hosts, origins, proxies, signed assertions."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from google.auth import crypt, jwt

from audiostore import ConfigurationError
from audiostore.serve import Access, IapAssertions, Limits, TokenFile, TrustedProxy
from audiostore.serve.access import token_hash
from audiostore.serve.limits import Rates
from audiostore.serve.problems import RefusedError
from tests.assets import opened, tone
from tests.serve.conftest import TOKEN, Answer, Running, serving

LIST = "/v1/assets"


@pytest.fixture
def cookie(local: Running) -> str:
    """What a browser sends after it has opened the URL with the token."""
    answer = local("GET", f"/?token={TOKEN}&text=a%20b", token=None)
    assert (answer.status, answer.headers["location"]) == (303, "/?text=a+b")
    return answer.headers["set-cookie"].partition(";")[0]


def created(service: Running, **headers: str) -> Answer:
    token = None if "cookie" in headers else TOKEN
    return service("POST", LIST, tone(0.1), token=token, content_type="audio/wav", **headers)


# --- the start token ------------------------------------------------------------------------------


def test_nothing_is_told_without_a_token(local: Running) -> None:
    audio_id = local.store(tone())
    for method, path in (
        ("GET", "/"),
        ("GET", LIST),
        ("GET", f"{LIST}/{audio_id}/audio"),
        ("DELETE", f"{LIST}/{audio_id}"),
        ("GET", "/v1/check"),
        ("GET", "/nothing"),
    ):
        answer = local(method, path, token=None)
        assert (answer.status, answer.problem) == (401, "Unauthorized"), path
        assert answer.headers["www-authenticate"] == "Bearer"
        assert local(method, path, token="another").status == 401
    assert local.manager.exists(audio_id)


def test_health_and_contract_are_public(local: Running) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert local("GET", path, token=None).status == 200


def test_a_page_keeps_the_token_in_a_cookie_that_scripts_cannot_read(local: Running) -> None:
    answer = local("GET", f"/?token={TOKEN}", token=None)
    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=strict" in attributes
    assert str(local.port) in attributes.partition("=")[0]
    assert TOKEN not in answer.headers["location"]
    assert local("GET", "/?token=another", token=None).status == 401


def test_the_cookie_opens_what_the_token_does(local: Running, cookie: str) -> None:
    assert local("GET", LIST, token=None, cookie=cookie).status == 200
    assert local("GET", LIST, token=None, cookie=f"{cookie}x").status == 401
    assert created(local, cookie=cookie, sec_fetch_site="same-origin").status == 201


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8080", "127.0.0.1:99"]
)
def test_names_of_this_machine_are_served(local: Running, host: str) -> None:
    assert local("GET", LIST, host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", "10.0.0.1"],
)
def test_another_host_is_refused_even_with_the_token(local: Running, host: str) -> None:
    assert local("GET", LIST, host=host).status in (400, 421)
    assert local("GET", "/healthz", host=host).status in (400, 421)


# --- origins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "same-origin"}, 201),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
        ({"sec_fetch_site": "same-origin", "origin": "http://evil.example"}, 201),
        ({"origin": "http://HOST"}, 201),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_change_by_cookie_must_come_from_the_service_itself(
    local: Running, cookie: str, headers: dict[str, str], status: int
) -> None:
    host = f"127.0.0.1:{local.port}"
    given = {name: value.replace("HOST", host) for name, value in headers.items()}
    assert created(local, cookie=cookie, **given).status == status
    assert local.manager.count() == (status == 201)


def test_a_token_in_a_header_needs_no_origin(local: Running) -> None:
    assert created(local, sec_fetch_site="cross-site").status == 201


def test_other_sites_get_in_only_if_they_are_named(tmp_path: Path) -> None:
    ours, other = "https://app.example", "https://evil.example"
    with opened("local", tmp_path) as store, serving(store, origins=(ours,)) as service:
        for origin, is_allowed in ((ours, True), (other, False)):
            asked = service(
                "OPTIONS", LIST, token=None, origin=origin, access_control_request_method="PUT"
            )
            assert (asked.headers.get("access-control-allow-origin") == origin) is is_allowed
            answer = service("GET", LIST, origin=origin)
            assert (answer.headers.get("access-control-allow-origin") == origin) is is_allowed
            assert "access-control-allow-credentials" not in answer.headers


# --- a file of tokens -----------------------------------------------------------------------------


def token_file(folder: Path, text: str) -> Path:
    path = folder / "tokens"
    path.write_text(text)
    return path


def test_a_token_does_what_its_scopes_say(tmp_path: Path) -> None:
    lines = f"# ours\n\n{token_hash('r')} read web site\n{token_hash('w')}\tread,write\tstudio\n"
    access = TokenFile(token_file(tmp_path, lines))
    with opened("local", tmp_path) as store, serving(store, access=access) as service:
        for token, reads, writes in (("r", 200, 403), ("w", 200, 201), ("x", 401, 401)):
            assert service("GET", LIST, token=token, host="audio.example").status == reads
            answer = service("POST", LIST, tone(), token=token, content_type="audio/wav")
            assert answer.status == writes
        assert {"web site", "studio"} <= {line["user"] for line in service.lines(6)}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# nothing",
        "abc read x",
        f"{'g' * 64} read x",
        f"{'a' * 64} admin x",
        f"{'a' * 64} read",
    ],
)
def test_a_token_file_that_is_not_valid_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError):
        TokenFile(token_file(tmp_path, line))


# --- a trusted proxy ------------------------------------------------------------------------------


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Running]:
    access = TrustedProxy(["127.0.0.1"], "X-User")
    with opened("local", tmp_path) as store, serving(store, access=access) as running:
        yield running


def test_a_trusted_proxy_names_the_user(proxied: Running) -> None:
    assert proxied("GET", LIST, token=None, x_user="ada@example.org").status == 200
    assert proxied.lines(1)[0]["user"] == "ada@example.org"
    for headers in ({}, {"x_user": ""}, {"authorization": f"Bearer {TOKEN}"}):
        assert proxied("GET", LIST, token=None, **headers).status == 401


def test_the_header_of_anybody_else_is_refused(tmp_path: Path) -> None:
    access = TrustedProxy(["10.0.0.0/8"], "X-User")
    with opened("local", tmp_path) as store, serving(store, access=access) as service:
        assert service("GET", LIST, token=None, x_user="ada@example.org").status == 403


def test_a_proxy_needs_an_address_that_is_valid() -> None:
    for addresses in ([], ["proxy.example"], ["10.0.0.1/8"]):
        with pytest.raises(ValueError, match=r"."):
            TrustedProxy(addresses, "X-User")


def test_a_change_behind_a_proxy_must_come_from_the_service_itself(proxied: Running) -> None:
    for headers, status in (({}, 403), ({"sec_fetch_site": "same-origin"}, 201)):
        answer = proxied(
            "POST", LIST, tone(), token=None, content_type="audio/wav", x_user="ada", **headers
        )
        assert answer.status == status


# --- Identity-Aware Proxy -------------------------------------------------------------------------

AUDIENCE = "/projects/1/global/backendServices/2"


class Signer:
    """Signs assertions as Identity-Aware Proxy does."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._signer = crypt.EsSigner.from_string(private.decode(), "key-1")
        self.keys = {"key-1": public.decode()}

    def assertion(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://cloud.google.com/iap",
            "aud": AUDIENCE,
            "email": "ada@example.org",
            "sub": "accounts.google.com:1",
            "iat": now - 10,
            "exp": now + 600,
            **changes,
        }
        token: bytes = jwt.encode(self._signer, claims)
        return token.decode()


def asserted(access: Access, tmp_path: Path, *assertions: str) -> list[int]:
    with opened("local", tmp_path) as store, serving(store, access=access) as service:
        return [
            service("GET", LIST, token=None, x_goog_iap_jwt_assertion=each).status
            for each in assertions
        ]


def test_a_signed_assertion_names_the_user(tmp_path: Path) -> None:
    signer = Signer()
    access = IapAssertions(AUDIENCE, fetch_keys=lambda: signer.keys)
    with opened("local", tmp_path) as store, serving(store, access=access) as service:
        answer = service("GET", LIST, token=None, x_goog_iap_jwt_assertion=signer.assertion())
        assert answer.status == 200
        assert service.lines(1)[0]["user"] == "ada@example.org"
        forged = service("GET", LIST, token=None, x_goog_authenticated_user_email="ada")
        assert forged.status == 401


def test_an_assertion_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    signer, other = Signer(), Signer()
    now = int(time.time())
    unsigned = ".".join((*signer.assertion().split(".")[:2], ""))
    statuses = asserted(
        IapAssertions(AUDIENCE, fetch_keys=lambda: signer.keys),
        tmp_path,
        other.assertion(),
        signer.assertion(aud="/projects/1/global/backendServices/3"),
        signer.assertion(iss="https://evil.example"),
        signer.assertion(iat=now - 2000, exp=now - 1000),
        signer.assertion(email=None),
        unsigned,
        "a.b.c",
        "x",
    )
    assert statuses == [401] * 8


def test_no_key_lets_nobody_in(tmp_path: Path) -> None:
    def unreachable() -> dict[str, str]:
        raise ConnectionError

    access = IapAssertions(AUDIENCE, fetch_keys=unreachable)
    assert asserted(access, tmp_path, Signer().assertion()) == [503]


# --- rates and the log ----------------------------------------------------------------------------


def test_a_client_that_asks_too_often_is_told_when_to_come_back() -> None:
    now = 0.0
    rates = Rates(Limits(requests_per_s=2, burst=3), clock=lambda: now)
    for _ in range(3):
        rates.spend("a")
    with pytest.raises(RefusedError) as refused:
        rates.spend("a")
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    rates.spend("b")
    now = 0.5
    rates.spend("a")


def test_too_many_requests_are_refused_over_http(tmp_path: Path) -> None:
    limits = Limits(requests_per_s=0.001, burst=2)
    with opened("local", tmp_path) as store, serving(store, limits=limits) as service:
        statuses = [service("GET", LIST).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert service("GET", "/healthz").status == 200


def test_the_log_has_a_line_a_request_and_no_secret(local: Running) -> None:
    local("GET", f"/?token={TOKEN}", token=None)
    local("GET", f"{LIST}?text=secret-words")
    local("GET", "/v1/%0Aforged")
    assert [(line["status"], line["user"]) for line in local.lines(3)] == [
        (303, None),
        (200, "owner"),
        (404, "owner"),
    ]
    text = str(local.log)
    assert TOKEN not in text
    assert "secret-words" not in text
    assert local.log[-1]["path"] == r"/v1/\nforged"
