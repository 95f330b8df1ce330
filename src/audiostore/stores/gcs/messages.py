"""HTTP messages: requests and responses, and where their bodies come from and go to.

Everything that is sent is a `Request`: what HTTP does not allow in a request line or a header is
refused when one is made, wherever it comes from. A store's text must never become a request.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from audiostore.dataclass import dataclass, field
from audiostore.errors import InvalidRequestError, shown
from audiostore.lazyproperty import lazy_property
from audiostore.patterns import pattern

# RFC 9110, sections 5.1 and 5.6.2: a name, like a method, is a token. Section 5.5: no CR, LF, NUL
# or other control character in a value, no white space around it; what is not ASCII is obsolete.
_TOKEN = pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = pattern(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
# RFC 3986: only the characters that it allows; no fragment, which is never sent.
_URL = pattern(
    r"(https?://[\w.~!$&'()*+,;=:@%\[\]-]+)(?:[/?][\w.~!$&'()*+,;=:@%/?\[\]-]*)?",
    re.ASCII | re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SECRET_QUERY = frozenset({"upload_id", "x-goog-signature", "access_token", "rewritetoken"})
_SECRET_HEADERS = ("authorization", "encryption-key", "encryption-key-sha256")

MAX_RESPONSE_BYTES = 64 << 20
"""The largest response that is collected in memory."""


class Body(Protocol):
    """The body of a request: a known number of bytes, read once, front to back."""

    @property
    def size_bytes(self) -> int:
        """Its length in bytes."""
        ...

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end; the caller gets what it raises."""
        ...


class Sink(Protocol):
    """Receives the body of a successful response as it arrives."""

    def write(self, data: bytes) -> bool:
        """Accept some bytes; False has them offered again after `Transfer.resume`."""
        ...

    def end(self) -> None:
        """No more bytes will come: the transfer is over, successful or not."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    url: str = field(repr=False)
    """May be the secret URL of an upload session."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    sink: Sink | None = field(default=None, repr=False)
    """Without one, the body of the response is collected in memory."""

    def __post_init__(self) -> None:
        """Check all that is sent in front of the body.

        Raises:
            InvalidRequestError: HTTP does not allow it.
        """
        if not _TOKEN.fullmatch(self.method):
            raise InvalidRequestError(f"{shown(self.method)} is not an HTTP method")
        if origin_of(self.url) is None:
            raise InvalidRequestError(
                f"cannot send a {self.method} request: its URL is not a valid HTTP URL"
            )
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name):
                raise InvalidRequestError(
                    f"cannot send a {self.method} request: {shown(name)} cannot be a header's name"
                )
            require_field_value(f"the header {name}", value)

    @property
    def host(self) -> str:
        """Its host, and port if any: without a password, and without the path and its secrets."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets in it, which a response may repeat: of a session, a token, a key."""
        query = parse_qsl(urlsplit(self.url).query)
        return (
            *(value for name, value in query if name.lower() in _SECRET_QUERY),
            *(
                value.rpartition(" ")[2]
                for name, value in self.headers.items()
                if name.lower().endswith(_SECRET_HEADERS)
            ),
        )


def require_field_value(what: str, value: object) -> None:
    """Check that HTTP allows a text as the value of a header (RFC 9110, section 5.5).

    Args:
        what: whose value it is, for the message, which does not show the value.
        value: the text.

    Raises:
        InvalidRequestError: it does not.
    """
    if not (isinstance(value, str) and _VALUE.fullmatch(value)):
        raise InvalidRequestError(
            f"cannot send {what}: its value has characters that HTTP does not allow in a header; "
            "nothing was sent"
        )


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Return the scheme, host and port of a URL (RFC 6454); None if it is not an HTTP URL."""
    match = _URL.fullmatch(url)
    return _origin_at(match[1]) if match else None


@lru_cache(maxsize=16)
def _origin_at(start: str) -> tuple[str, str, int] | None:
    """Return the origin of all URLs with this scheme and authority: few, of many requests."""
    try:
        parts = urlsplit(start)
        port = parts.port
    except ValueError:  # a port that is not a number, brackets that do not match
        return None
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


class Head(Mapping[str, str]):
    """The headers of a response, names in lower case; parsed when first read, as few ever are."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @lazy_property
    def _values(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for line in self._lines:
            name, colon, value = line.decode("iso-8859-1").partition(":")
            if line.startswith(b"HTTP/"):
                values.clear()  # the lines before were of an interim (1xx) response
            elif colon:
                values[name.strip().lower()] = value.strip()
        return values


@dataclass(slots=True)
class Response:
    """One HTTP response."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)
    payer: str | None = None
    """The project that was to be billed for the request."""
    request: Request | None = field(default=None, repr=False)
    """What it responds to."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets of its request, which the server may have repeated in it."""
        return self.request.secrets if self.request else ()
