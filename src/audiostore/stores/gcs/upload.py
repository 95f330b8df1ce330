"""Writes an object: a small one in one request, a large one in a resumable session.

Protocol: cloud.google.com/storage/docs/uploading-objects (multipart) and
cloud.google.com/storage/docs/performing-resumable-uploads.

A session is recorded while it lasts (`sessions`): writing the same source under the same name
again resumes after the last byte that the server has.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial

from audiostore.dataclass import dataclass, field
from audiostore.errors import (
    AudioStoreError,
    SourceChangedError,
    StoreConnectionError,
    shown,
)
from audiostore.patterns import pattern
from audiostore.sources import Source, SourceReader
from audiostore.stores.gcs.body import BytesBody, SourceBody, json_bytes
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.described import FIELDS, described_again
from audiostore.stores.gcs.messages import Body, Response, origin_of, require_field_value
from audiostore.stores.gcs.objects import resource_of
from audiostore.stores.gcs.responses import blob_info, error_of, json_body, not_understood
from audiostore.stores.gcs.sessions import SessionNote, Sessions
from audiostore.stores.protocol import BlobSpec, TransferListener, Transferred
from audiostore.values import BlobInfo

ONE_REQUEST_BYTES = 8 << 20
"""Up to this size an object is sent in one request."""
IN_MEMORY_BYTES = 256 << 10
"""Up to this size it is read at once by the caller's thread, not piece by piece as it is sent."""
CHUNK_UNIT_BYTES = 256 << 10
"""All chunks but the last are multiples of this."""
CHUNK_BYTES = 128 << 20
"""Each chunk costs a round trip in which nothing is sent. Chunks are not held in memory, and the
server reports how much it has of one that broke off: see docs/decisions/0013."""

_RESUME_INCOMPLETE = 308
_SESSION_GONE = (404, 410)
_PASSING = (401, 408, 429)
_RANGE = pattern(r"bytes=0-([0-9]{1,19})")


class Furthest:
    """The furthest progress of one attempt."""

    def __init__(self) -> None:
        self._sent = self._accepted = -1

    def passes(self, sent: int, accepted: int) -> bool:
        """Record progress; say whether it is further than before."""
        if sent < self._sent or (sent, accepted) == (self._sent, self._accepted):
            return False
        self._sent, self._accepted = sent, max(accepted, self._accepted)
        return True


@dataclass(frozen=True, slots=True)
class Upload:
    """One attempt to write one object."""

    client: Client
    sessions: Sessions
    spec: BlobSpec
    source: Source
    if_generation_match: int
    on_transfer: TransferListener | None
    chunk_bytes: int = CHUNK_BYTES
    furthest: Furthest = field(default_factory=Furthest)

    def run(self) -> BlobInfo:
        """Write the object and return the server's description of it."""
        if self.source.size_bytes <= ONE_REQUEST_BYTES:
            return self._in_one_request()
        return self._in_session()

    def _in_one_request(self) -> BlobInfo:
        with self.one_request() as (headers, body):
            return self._finished(self.client.call("POST", self.url, headers=headers, body=body))

    @property
    def url(self) -> str:
        """Where a small object is sent."""
        return self._start_url("multipart")

    @contextmanager
    def one_request(self) -> Iterator[tuple[Mapping[str, str], Callable[[], Body]]]:
        """Yield the headers and the body of the request that writes a small object.

        The body can be read within the block.
        """
        # It becomes a line in the body of the request, in front of the bytes.
        require_field_value("the content type", self.spec.content_type)
        boundary = f"audiostore-{os.urandom(16).hex()}"
        head = b"--%b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%b\r\n" % (
            boundary.encode(),
            json_bytes(self._resource()),
        )
        head += f"--{boundary}\r\nContent-Type: {self.spec.content_type}\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/related; boundary={boundary}"}
        with closing(self.source.open()) as reader:
            if self.source.size_bytes > IN_MEMORY_BYTES:
                yield headers, self._body(reader, head, tail)
                return
            content = b"".join(iter(partial(reader.read, IN_MEMORY_BYTES), b""))
        self._report(self.source.size_bytes, 0)
        whole = head + content + tail
        yield headers, lambda: BytesBody(whole)

    def _body(self, reader: SourceReader, head: bytes, tail: bytes) -> Callable[[], SourceBody]:
        def body() -> SourceBody:
            reader.seek(0)
            return SourceBody(
                reader,
                self.source.size_bytes,
                head=head,
                tail=tail,
                on_read=self._counter(0),
            )

        return body

    def _in_session(self) -> BlobInfo:
        require_field_value("the content type", self.spec.content_type)
        with self.sessions.claim(self._key) as note:
            return self._resume_or_start(note)

    def _resume_or_start(self, note: SessionNote) -> BlobInfo:
        session, accepted = note.get(), 0
        if session is not None and not self.client.is_own(session):
            session = None  # the note is damaged
        if session is not None:
            span = f"bytes */{self.source.size_bytes}"
            response = self._chunk(session, span, lambda: BytesBody(b""))
            if response.status == _RESUME_INCOMPLETE:
                with self._forgetting_nonsense(note):
                    accepted = self._accepted_bytes(response, self.source.size_bytes - 1)
            elif response.status in _SESSION_GONE:
                note.forget()
                session = None
            elif self._is_stored(response):
                return self._finished(response, note)
            else:
                note.forget()
                session = None
        if session is None:
            session = self._start_session()
            note.remember(session)
        try:
            with self._forgetting_nonsense(note):
                response = self._send_chunks(session, accepted)
        except SourceChangedError:
            note.forget()  # it may hold bytes of the changed file
            raise
        if response.status in _SESSION_GONE:
            note.forget()
            raise StoreConnectionError(
                f"the upload session for {self._what} is gone (HTTP {response.status}): a new one "
                "is needed"
            )
        return self._finished(response, note)

    def _is_stored(self, response: Response) -> bool:
        """Say whether the object that a finished session created still exists; True for an error.

        The server reports what a session created for as long as it knows the session, even if the
        object was deleted since.
        """
        if response.status not in (200, 201):
            return True
        try:
            made = blob_info(json_body(response), self.client.prefix, name=self.spec.name)
        except StoreConnectionError:
            return True  # what is stored will be looked at
        url = self.client.object_url(made.name, generation=made.generation, fields="generation")
        response = self.client.call("GET", url)
        if response.status not in (200, 404):
            raise error_of(response, self._what)
        return response.status == 200

    def _send_chunks(self, session: str, accepted: int) -> Response:
        """Send the rest and return the final response: anything but 308, "resume incomplete"."""
        total = self.source.size_bytes
        self._report(accepted, accepted)
        with closing(self.source.open()) as reader:
            while True:
                size = min(self.chunk_bytes, total - accepted)
                span = f"bytes {accepted}-{accepted + size - 1}/{total}"
                response = self._chunk(session, span, self._chunk_body(reader, accepted, size))
                if response.status != _RESUME_INCOMPLETE:
                    return response
                kept = self._accepted_bytes(response, accepted + size)
                if kept <= accepted:
                    raise StoreConnectionError(
                        f"the server accepted nothing of {self._what} after byte {accepted}"
                    )
                accepted = kept
                self._report(accepted, accepted)

    def _chunk_body(self, reader: SourceReader, start: int, size: int) -> Callable[[], SourceBody]:
        def body() -> SourceBody:
            reader.seek(start)
            return SourceBody(reader, size, on_read=self._counter(start))

        return body

    def _start_session(self) -> str:
        return open_session(
            self.client,
            self.spec,
            self.source.size_bytes,
            self.source.crc32c,
            self.if_generation_match,
        )

    def _chunk(self, session: str, span: str, body: Callable[[], Body]) -> Response:
        return self.client.call("PUT", session, headers={"Content-Range": span}, body=body)

    def written(self, response: Response) -> BlobInfo:
        """Return what the response to `one_request` says of the object, perhaps no checksum.

        Raises:
            AudioStoreError: it was not written, or the response cannot be understood.
        """
        if response.status != 200:
            raise error_of(response, self._what, checksum=self.source.crc32c)
        return blob_info(json_body(response), self.client.prefix, name=self.spec.name)

    def _finished(self, response: Response, note: SessionNote | None = None) -> BlobInfo:
        if response.status in (200, 201):
            try:
                blob = described_again(self.client, json_body(response), self.spec.name)
            except StoreConnectionError as error:
                if note is not None:
                    note.forget()  # if nothing is stored, the next attempt begins anew
                blob = self._found(error)
            self._report(self.source.size_bytes, self.source.size_bytes)
            if note is not None:
                note.forget()
            return blob
        # After these statuses the session may still be valid.
        if note is not None and response.status < 500 and response.status not in _PASSING:
            note.forget()
        raise error_of(response, self._what, checksum=self.source.crc32c)

    def _found(self, error: StoreConnectionError) -> BlobInfo:
        """Look for the object that a response, which cannot be understood, says is stored.

        Raises:
            StoreConnectionError: this error: no object is there with what was to be written.
        """
        url = self.client.object_url(self.spec.name, fields=FIELDS)
        try:
            response = self.client.call("GET", url)
            found = blob_info(json_body(response), self.client.prefix, name=self.spec.name)
        except AudioStoreError:
            raise error from None
        is_it = (
            response.status == 200
            and found.generation != self.if_generation_match
            and (found.size_bytes, found.crc32c) == (self.source.size_bytes, self.source.crc32c)
            and found.metadata == self.spec.metadata
        )
        if not is_it:
            raise error
        return found

    @contextmanager
    def _forgetting_nonsense(self, note: SessionNote) -> Iterator[None]:
        """Forget a session whose server says what cannot be: the next attempt begins anew."""
        try:
            yield
        except StoreConnectionError as error:
            if error.status == _RESUME_INCOMPLETE:
                note.forget()
            raise

    def _accepted_bytes(self, response: Response, most: int) -> int:
        """Return how many bytes a session has; without a Range, none."""
        text = response.headers.get("range", "")
        match = _RANGE.fullmatch(text)
        accepted = int(match[1]) + 1 if match else 0
        if (text and not match) or accepted > most:
            raise not_understood(response, f"says that it has {shown(text)} of {self._what}")
        return accepted

    def _counter(self, start: int) -> Callable[[int], None]:
        sent = start

        def count(size: int) -> None:
            nonlocal sent
            sent += size
            self._report(sent, start)

        return count

    def _report(self, sent: int, accepted: int) -> None:
        # Bytes that are sent again within one attempt (a refused token, a chunk accepted in part)
        # are reported once they are further than before.
        if self.on_transfer and self.furthest.passes(sent, accepted):
            self.on_transfer(Transferred(sent, accepted))

    def _resource(self) -> dict[str, object]:
        return _resource_of(self.client, self.spec, self.source.crc32c)

    def _start_url(self, upload_type: str) -> str:
        spec = self.spec
        return self.client.upload_url(
            upload_type, spec.name, self.if_generation_match, spec.kms_key
        )

    @property
    def _key(self) -> str:
        size_bytes = self.source.size_bytes
        return json.dumps([self._start_url("resumable"), self._resource(), size_bytes])

    @property
    def _what(self) -> str:
        return self.client.uri(self.spec.name)


def open_session(
    client: Client,
    spec: BlobSpec,
    size_bytes: int,
    crc32c: str | None,
    if_generation_match: int = 0,
    *,
    origin: str | None = None,
) -> str:
    """Return the URL of a new session (see `SupportsUploadSessions.open_session`).

    A session that was opened with an Origin header answers this origin with CORS headers to its
    end; that of another request does not count
    (cloud.google.com/storage/docs/cross-origin).
    """
    require_field_value("the content type", spec.content_type)
    body = json_bytes(_resource_of(client, spec, crc32c))
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "X-Upload-Content-Type": spec.content_type,
        "X-Upload-Content-Length": str(size_bytes),
    }
    if origin is not None:
        headers["Origin"] = origin
    response = client.call(
        "POST",
        client.upload_url("resumable", spec.name, if_generation_match, spec.kms_key),
        headers=headers,
        body=lambda: BytesBody(body),
    )
    if response.status not in (200, 201):
        raise error_of(response, client.uri(spec.name))
    return session_of(client, response)


def _resource_of(client: Client, spec: BlobSpec, crc32c: str | None) -> dict[str, object]:
    checksum = {} if crc32c is None else {"crc32c": crc32c}
    return {"name": client.full_name(spec.name), **checksum, **resource_of(spec)}


def session_of(client: Client, response: Response) -> str:
    """Return the URL of the upload session that a response opened.

    Raises:
        StoreConnectionError: it has none; or it is on another server than the bucket, which must
            get neither the token nor the bytes.
    """
    location = response.headers.get("location", "")
    if client.is_own(location):
        return location
    origin = origin_of(location)
    if origin is None:
        raise not_understood(response, "has no valid URL of an upload session")
    raise not_understood(
        response,
        f"names an upload session on another server ({origin[0]}://{origin[1]}:{origin[2]}), to "
        "which nothing is sent; configure an emulator with the address at which clients reach it",
    )
