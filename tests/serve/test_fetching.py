"""Files from URLs that others choose: what is fetched, and what nobody reaches through us."""

import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from audiostore.errors import InvalidSourceError
from audiostore.serve.fetching import Address, fetched, is_public
from tests.faults.test_tls import signed
from tests.webserver import DATA, Web, redirect, refuse, serving, whole

MOST = 8 << 20


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    authority = signed(tmp_path / "authority.pem")
    with serving(signed(tmp_path / "server.pem", by=authority), authority.path) as running:
        running.trust = ssl.create_default_context(cafile=str(authority.path))  # type: ignore[attr-defined]
        yield running


def anywhere(_: Address) -> bool:
    return True


def fetch(web: Web, path: str = "/song.mp3", *, most_bytes: int = MOST) -> tuple[str, bytes]:
    trust: ssl.SSLContext = web.trust  # type: ignore[attr-defined]
    with fetched(web.url(path), most_bytes=most_bytes, may_connect=anywhere, tls=trust) as file:
        return file.name, b"".join(file.pieces)


def test_a_file_is_fetched_with_its_name(web: Web) -> None:
    web.serve("/song.mp3", whole())
    assert fetch(web, "/song.mp3?signature=x") == ("song.mp3", DATA)


def test_redirects_are_followed_to_the_name_at_their_end(web: Web) -> None:
    web.serve("/a", redirect("/b/track.mp3"))
    web.serve("/b/track.mp3", whole())
    assert fetch(web, "/a") == ("track.mp3", DATA)


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1/x", "file:///etc/passwd", "gs://bucket/x", "https://user:pw@host/x", ""],
)
def test_a_redirect_elsewhere_is_not_followed(web: Web, location: str) -> None:
    web.serve("/a", redirect(location))
    with pytest.raises(InvalidSourceError):
        fetch(web, "/a")


def test_a_circle_of_redirects_ends(web: Web) -> None:
    web.serve("/a", redirect("/a"))
    with pytest.raises(InvalidSourceError, match="more than 5 times"):
        fetch(web, "/a")
    assert len(web.handler.seen) == 6


@pytest.mark.parametrize("most_bytes", [len(DATA) - 1, 1])
def test_what_is_too_large_is_refused_before_it_is_read(web: Web, most_bytes: int) -> None:
    web.serve("/song.mp3", whole())
    with pytest.raises(InvalidSourceError, match=f"more than {most_bytes} bytes"):
        fetch(web, most_bytes=most_bytes)


def test_what_does_not_say_its_size_is_cut_off_at_the_limit(web: Web) -> None:
    web.serve("/song.mp3", whole({"Content-Length": "", "Connection": "close"}, cut=1))
    with pytest.raises(InvalidSourceError, match="more than 1000 bytes"):
        fetch(web, most_bytes=1000)


def test_what_is_cut_short_is_an_error(web: Web) -> None:
    web.serve("/song.mp3", whole(cut=100))
    with pytest.raises(InvalidSourceError, match="cut short"):
        fetch(web)


@pytest.mark.parametrize("status", [206, 401, 404, 500])
def test_an_error_of_the_server_is_one(web: Web, status: int) -> None:
    web.serve("/song.mp3", refuse(status))
    with pytest.raises(InvalidSourceError, match=f"status {status}"):
        fetch(web)


def test_a_server_that_is_not_trusted_is_not_asked(web: Web) -> None:
    web.serve("/song.mp3", whole())
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        fetched(web.url("/song.mp3"), most_bytes=MOST, may_connect=anywhere),
    ):
        pass
    assert web.handler.seen == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a00:1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
    ],
)
def test_what_is_not_public_is_never_connected_to(web: Web, host: str) -> None:
    port = web.url("/").rpartition(":")[2].strip("/")
    with (
        pytest.raises(InvalidSourceError),
        fetched(f"https://{host}:{port}/song.mp3", most_bytes=MOST),
    ):
        pass
    assert web.handler.seen == []


def test_a_redirect_to_what_is_not_public_is_never_followed(web: Web) -> None:
    web.serve("/a", redirect("https://169.254.169.254/computeMetadata/v1/instance"))
    seen: list[Address] = []

    def may_connect(address: Address) -> bool:
        seen.append(address)
        return str(address) == "127.0.0.1"  # as if our server were public

    trust: ssl.SSLContext = web.trust  # type: ignore[attr-defined]
    with (
        pytest.raises(InvalidSourceError, match="not public"),
        fetched(web.url("/a"), most_bytes=MOST, may_connect=may_connect, tls=trust),
    ):
        pass
    assert [str(each) for each in seen] == ["127.0.0.1", "169.254.169.254"]


def test_the_address_that_was_checked_is_the_one_connected_to(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere when it is resolved again (DNS rebinding) leads nowhere else."""
    web.serve("/song.mp3", whole())
    resolve = socket.getaddrinfo
    names: list[str] = []

    def counting(host: Any, *args: Any, **kwargs: Any) -> Any:
        names.append(host)
        return resolve("127.0.0.1" if host == "rebound.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    trust: ssl.SSLContext = web.trust  # type: ignore[attr-defined]
    trust.check_hostname = False
    url = web.url("/song.mp3").replace("127.0.0.1", "rebound.example")
    with fetched(url, most_bytes=MOST, may_connect=anywhere, tls=trust) as file:
        assert b"".join(file.pieces) == DATA
    assert names.count("rebound.example") == 1


@pytest.mark.parametrize("addresses", [("127.0.0.1", "10.0.0.1"), ("10.0.0.1", "127.0.0.1")])
def test_one_address_that_is_not_public_is_one_too_many(
    web: Web, monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    web.serve("/song.mp3", whole())
    port = urlsplit(web.url("/")).port

    def resolved(*_: object, **__: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with (
        pytest.raises(InvalidSourceError, match="not public"),
        fetched(
            f"https://both.example:{port}/song.mp3",
            most_bytes=MOST,
            may_connect=lambda address: str(address) == "127.0.0.1",  # as if that were public
        ),
    ):
        pass
    assert web.handler.seen == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("::ffff:169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.168.0.1", False),
        ("172.16.0.1", False),
        ("224.0.0.1", False),
        ("ff0e::1", False),
        ("fe80::1", False),
        ("::", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
    ],
)
def test_public_addresses_are_told_from_others(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public
