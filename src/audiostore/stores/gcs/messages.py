"""HTTP messages: requests and responses, and where their bodies come from and go to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol


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

    @cached_property
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
