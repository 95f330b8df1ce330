"""Who may do what: identities, and the ways to prove one."""

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, Literal, Protocol

from starlette.requests import HTTPConnection

from audiostore.dataclass import dataclass
from audiostore.serve.problems import RefusedError

Scope = Literal["read", "write"]
ALL_SCOPES: Final[frozenset[Scope]] = frozenset({"read", "write"})
_TOKEN_BYTES: Final = 24
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who makes a request, and what they may do."""

    name: str
    scopes: frozenset[Scope]
    is_ambient: bool = False
    """Whether a browser proves it by itself, with a cookie or behind a proxy: then another site
    could make it send requests, and their origin is checked."""


class Access(Protocol):
    """A way to prove who one is."""

    is_for_loopback: bool
    """Whether the service is for this machine alone: requests for other hosts are refused."""
    has_tokens: bool
    """Whether a token proves it: pages get it from their URL, once, and keep it in a cookie."""

    async def identify(self, request: HTTPConnection, cookie: str | None) -> Identity | None:
        """Return who makes a request; None if nothing in it says so.

        Args:
            request: its headers and its address.
            cookie: the token of the service's own cookie, if it has one.

        Raises:
            RefusedError: what it says is not believed (401, 403).
        """
        ...


class StartToken:
    """One random token, made when the service starts: anyone who has it may do everything."""

    is_for_loopback = True
    has_tokens = True

    def __init__(self, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(_TOKEN_BYTES)

    async def identify(self, request: HTTPConnection, cookie: str | None) -> Identity | None:
        """Return the owner, for the token."""
        given = bearer_token(request)
        token = cookie if given is None else given
        if token is None:
            return None
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise refused_token()
        return Identity("owner", ALL_SCOPES, is_ambient=given is None)


class TrustedProxy:
    """A proxy in front of the service that has authenticated the user, and names them in a header.

    Args:
        addresses: of the proxies, such as ``10.0.0.7`` or ``10.0.0.0/24``.
        user_header: the header that names the user.

    Raises:
        ValueError: an address is not valid, or none is given.
    """

    is_for_loopback = False
    has_tokens = False

    def __init__(self, addresses: Iterable[str], user_header: str) -> None:
        self._networks = [ipaddress.ip_network(each) for each in addresses]
        if not self._networks:
            raise ValueError("a trusted proxy needs an address")
        self._user_header = user_header.lower()

    async def identify(self, request: HTTPConnection, cookie: str | None) -> Identity | None:
        """Return the user that the header names.

        Raises:
            RefusedError: the request comes from elsewhere (403).
        """
        del cookie
        users = request.headers.getlist(self._user_header)
        host = request.client.host if request.client else ""
        if not self._trusts(host):
            raise RefusedError(403, f"requests from {host or 'this address'} are not accepted")
        if len(users) != 1 or not users[0].strip():
            return None
        return Identity(users[0].strip(), ALL_SCOPES, is_ambient=True)

    def _trusts(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def bearer_token(request: HTTPConnection) -> str | None:
    """Return the token of the Authorization header (RFC 6750); None without one."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def refused_token() -> RefusedError:
    """Return the refusal of a token that is not known."""
    return RefusedError(
        401,
        "this token is not valid: ask the service's owner for one",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal digits: what is kept of it."""
    return sha256(token.encode()).hexdigest()
