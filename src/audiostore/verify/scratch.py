"""The part of a bucket that a check has for itself, and the ways to reach it."""

import json
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, Final

from audiostore.dataclass import dataclass, field
from audiostore.errors import AudioStoreError, BlobNotFoundError, StoreConnectionError
from audiostore.retry import RETRYABLE_STATUS_CODES, RetryConfig, retry_operation, status_of
from audiostore.sources import BytesSource
from audiostore.stores import BlobSpec, Store, StoreFacts
from audiostore.values import BlobInfo
from audiostore.verify.values import BrokenPromiseError, NotShownError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from audiostore.stores import Client, Response

CONTENT: Final = b"What audiostore writes to try a bucket.\n"
_CONTENT_TYPE = "application/octet-stream"


class _TooManyRequestsMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return status_of(instance) == 429


class _TooManyRequests(Exception, metaclass=_TooManyRequestsMeta):  # noqa: N818
    """Stands for any error with the status 429."""


THROTTLED = RetryConfig(max_attempts=6, retryable_exceptions=(_TooManyRequests,))
"""Only what was refused for now is sent again: a repetition of anything else could hide what a
bucket does. One object takes about one change a second."""


@dataclass(frozen=True, slots=True)
class Access:
    """As whom a bucket is used."""

    credentials: "Credentials | None" = field(default=None, repr=False)
    """Of google-auth; Application Default Credentials if None."""
    project: str | None = None
    """Billed for the requests."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A folder that one check has for itself."""

    store: Store
    """What lies under the prefix of the run; it repeats only what was throttled."""
    client: "Client" = field(repr=False)
    """For single requests under the same prefix, by `ask`."""
    facts: StoreFacts
    folder: str
    """Ends with a slash."""
    sessions: list[str] = field(repr=False, hash=False)
    """Upload sessions to cancel in the end."""
    access: Access
    sleep: Callable[[float], None] = field(repr=False)

    @property
    def url(self) -> str:
        """The folder as a store of its own."""
        return f"{self.store.url}/{self.folder.rstrip('/')}"

    def spec(self, name: str, metadata: Mapping[str, str] | None = None) -> BlobSpec:
        """Return the spec of an object in the folder."""
        return BlobSpec(self.folder + name, _CONTENT_TYPE, metadata or {})

    def put(self, name: str, data: bytes = CONTENT, *, over: BlobInfo | None = None) -> BlobInfo:
        """Write an object: a new one, or over another."""
        generation = 0 if over is None else over.generation
        return self.store.put(self.spec(name), BytesSource(data), if_generation_match=generation)

    def require_unchanged(self, blob: BlobInfo, after: str) -> None:
        """Check that an object is live, with the same bytes and metadata.

        Raises:
            BrokenPromiseError: it is not.
        """
        try:
            found = self.store.stat(blob.name)
        except BlobNotFoundError:
            raise BrokenPromiseError(f"{after}, the object is gone") from None
        if found != blob:
            raise BrokenPromiseError(
                f"{after}, the object is another one: {_difference(blob, found)}"
            )

    def require_absent(self, name: str, after: str) -> None:
        """Check that no object has a name.

        Raises:
            BrokenPromiseError: one has.
        """
        try:
            found = self.store.stat(self.folder + name)
        except BlobNotFoundError:
            return
        raise BrokenPromiseError(f"{after}, an object of {found.size_bytes} bytes is there")

    def open_session(self, name: str, size_bytes: int, crc32c: str | None = None) -> str:
        """Open an upload session for a new object."""
        session = self.store.open_session(self.spec(name), size_bytes, crc32c=crc32c)
        if session is None:
            raise NotShownError("the store has no upload sessions")
        self.sessions.append(session)
        return session

    def send_chunk(self, session: str, data: bytes, start: int, size_bytes: int) -> "Response":
        """Send some bytes of an object to its session."""
        span = f"{start}-{start + len(data) - 1}" if data else "*"
        headers = {"Content-Range": f"bytes {span}/{size_bytes}"}
        return self.ask(lambda: self.client.call_bytes("PUT", session, data, headers))

    def ask(self, request: Callable[[], "Response"]) -> "Response":
        """Send a request (see `ask`)."""
        return ask(self.client, request, self.sleep)

    def require_status(self, response: "Response", wanted: Container[int], to: str) -> None:
        """Check the status of a response.

        Raises:
            BrokenPromiseError: it is none of those that are wanted.
        """
        if response.status not in wanted:
            raise BrokenPromiseError(f"{to} was answered with {self.client.describe(response)}")

    def json_of(self, response: "Response", to: str) -> Mapping[str, Any]:
        """Return the JSON object in a response.

        Raises:
            BrokenPromiseError: there is none, or the response is an error.
        """
        self.require_status(response, (200,), to)
        try:
            value = json.loads(response.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise BrokenPromiseError(f"{to} was answered with what is not JSON")
        return value


def ask(
    client: "Client", request: Callable[[], "Response"], sleep: Callable[[float], None]
) -> "Response":
    """Send a request, and return a response that tells something of the bucket.

    Raises:
        StoreConnectionError: it tells of an outage.
    """

    def once() -> "Response":
        response = request()
        if response.status in RETRYABLE_STATUS_CODES:
            raise StoreConnectionError(client.describe(response), status=response.status)
        return response

    return retry_operation(once, THROTTLED, sleep=sleep)


def refused(
    action: Callable[[], object], kind: type[AudioStoreError], what: str
) -> AudioStoreError:
    """Return the error by which a request was refused.

    Raises:
        BrokenPromiseError: it was not refused.
        AudioStoreError: it was, with an error of another kind.
    """
    try:
        action()
    except kind as error:
        return error
    raise BrokenPromiseError(f"{what} was accepted")


def _difference(before: BlobInfo, after: BlobInfo) -> str:
    names = ("generation", "metageneration", "size_bytes", "crc32c", "metadata", "custom_time")
    changes = [
        f"{name} {getattr(before, name)} became {getattr(after, name)}"
        for name in names
        if getattr(before, name) != getattr(after, name)
    ]
    return ", ".join(changes) or "its headers differ"
