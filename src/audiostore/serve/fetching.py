"""Fetching files from URLs that others choose: over HTTPS, and from public addresses alone.

A URL must not lead to what only this machine can reach: services on it, in
its network, or the metadata server of a cloud (CWE-918). So each name is resolved once, every
address that it has must be public, and the connection goes to one of these very addresses: a name
that is resolved anew could lead elsewhere by then. That holds again for each redirect. No proxy
and no credentials of the environment are used.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urljoin, urlsplit

import certifi

from audiostore.dataclass import dataclass
from audiostore.errors import InvalidSourceError, shown
from audiostore.remotefiles import RemoteFile

Address = IPv4Address | IPv6Address
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_SILENT_S: Final = 30.0
_LONGEST_S: Final = 900.0
_PIECE_BYTES: Final = 256 << 10
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that lead to the IPv4 address in their last 32 bits (RFC 6052)."""


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file that is being fetched."""

    name: str
    """Its name, by the URL that it was found at."""
    size_bytes: int | None
    """As the server says; None: it does not say."""
    pieces: Iterator[bytes]
    """Its bytes; fewer than were announced, more than are allowed, or too slow, is an error."""


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet, and so is what it may lead to."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


@contextmanager
def fetched(
    url: str,
    *,
    most_bytes: int,
    may_connect: Callable[[Address], bool] = is_public,
    tls: ssl.SSLContext | None = None,
) -> Iterator[WebFile]:
    """Yield the file at a URL, while the block lasts.

    Args:
        url: ``https://…``.
        most_bytes: how large it may be.
        may_connect: whether an address may be connected to.
        tls: whom to trust; None: the authorities of certifi.

    Raises:
        InvalidSourceError: the URL, or one that it redirects to, is not valid or leads to an
            address that is not public; the server answers with an error, or not as HTTP; the file
            is too large, cut short or too slow.
        OSError: the server cannot be reached.
    """
    tls = tls or ssl.create_default_context(cafile=certifi.where())
    file = _remote_file(url)
    for _ in range(_MOST_REDIRECTS + 1):
        connection = _connected(file, may_connect, tls)
        try:
            response = _response(connection, file)
            if response.status not in _REDIRECTS:
                yield _web_file(file, response, most_bytes)
                return
            target = urljoin(file.url, response.headers.get("Location", ""))
        finally:
            connection.close()
        file = _remote_file(target)
    raise InvalidSourceError(f"{file} is redirected more than {_MOST_REDIRECTS} times")


def _remote_file(url: str) -> RemoteFile:
    if not url.startswith("https://"):
        raise InvalidSourceError(f"{shown(url.partition('?')[0])} is not an https:// URL")
    return RemoteFile(url.partition("#")[0])


def _connected(
    file: RemoteFile, may_connect: Callable[[Address], bool], tls: ssl.SSLContext
) -> HTTPSConnection:
    """Return a connection to one of the addresses that were checked."""
    parts = urlsplit(file.url)
    try:
        host, port = parts.hostname or "", parts.port or 443
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError) as error:
        raise InvalidSourceError(f"{file}: its server is not found") from error
    addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    if not addresses or not all(may_connect(each) for each in addresses):
        raise InvalidSourceError(
            f"{file}: its server has an address that is not public: give the URL of a file on the "
            "internet"
        )
    connection = HTTPSConnection(host, port, timeout=_SILENT_S, context=tls)
    raw = _socket([str(each) for each in addresses], port)
    try:
        connection.sock = tls.wrap_socket(raw, server_hostname=host)
    except BaseException:
        raw.close()
        raise
    return connection


def _socket(addresses: list[str], port: int) -> socket.socket:
    failure: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), _SILENT_S)
        except OSError as error:
            failure = error
    assert failure is not None  # noqa: S101  (there is an address)
    raise failure


def _response(connection: HTTPSConnection, file: RemoteFile) -> HTTPResponse:
    parts = urlsplit(file.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {"User-Agent": "audiostore", "Accept": "*/*", "Accept-Encoding": "identity"}
    try:
        connection.request("GET", target, headers=headers)
        return connection.getresponse()
    except HTTPException as error:
        raise InvalidSourceError(f"{file}: its server does not speak HTTP") from error


def _web_file(file: RemoteFile, response: HTTPResponse, most_bytes: int) -> WebFile:
    if response.status != 200:
        raise InvalidSourceError(f"{file}: its server responds with status {response.status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise InvalidSourceError(f"{file}: its server sends it compressed, although asked not to")
    size_bytes = response.length  # of Content-Length, unless the body comes in chunks
    if size_bytes is not None and size_bytes > most_bytes:
        raise _too_large(file, most_bytes)
    return WebFile(file.name, size_bytes, _pieces(file, response, size_bytes, most_bytes))


def _pieces(
    file: RemoteFile, response: HTTPResponse, size_bytes: int | None, most_bytes: int
) -> Iterator[bytes]:
    count, until = 0, time.monotonic() + _LONGEST_S
    while True:
        try:
            piece = response.read1(_PIECE_BYTES)
        except HTTPException as error:
            raise InvalidSourceError(f"{file} is cut short") from error
        if not piece:
            break
        count += len(piece)
        if count > most_bytes:
            raise _too_large(file, most_bytes)
        if time.monotonic() > until:
            raise InvalidSourceError(f"{file} takes longer than {_LONGEST_S / 60:.0f} minutes")
        yield piece
    if size_bytes is not None and count != size_bytes:
        raise InvalidSourceError(f"{file} is cut short: {count} of {size_bytes} bytes")


def _too_large(file: RemoteFile, most_bytes: int) -> InvalidSourceError:
    return InvalidSourceError(f"{file} has more than {most_bytes} bytes")
