"""The store in a Google Cloud Storage bucket: its JSON API over our own transport.

Reference: cloud.google.com/storage/docs/json_api/v1/objects.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from audiostore.errors import StoreConnectionError
from audiostore.model import BlobInfo, with_metadata
from audiostore.source import Source
from audiostore.store import BlobReader, BlobSpec, Finding, TransferListener
from audiostore.stores.gcs.admin import diagnose
from audiostore.stores.gcs.answers import blob_info, error_of, json_body
from audiostore.stores.gcs.auth import GoogleAuthentication, NoAuthentication, require_signing
from audiostore.stores.gcs.body import BytesBody
from audiostore.stores.gcs.download import Download, Pipe
from audiostore.stores.gcs.sessions import Sessions, SessionsInMemory
from audiostore.stores.gcs.transport import (
    Body,
    Options,
    Request,
    Response,
    Sink,
    Transfer,
    Transport,
)
from audiostore.stores.gcs.upload import CHUNK_BYTES, Upload

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

PUBLIC_ENDPOINT = "https://storage.googleapis.com"
_PAGE_OBJECTS = 1000
_FIELDS = (
    "name,size,contentType,crc32c,md5Hash,generation,metageneration,storageClass,timeCreated,"
    "metadata,cacheControl,contentDisposition"
)


class GcsStore:
    """Objects in a bucket. Safe to use from many threads."""

    def __init__(
        self,
        bucket: str,
        *,
        credentials: "Credentials | None" = None,
        project: str | None = None,
        emulator: str | None = None,
        options: Options | None = None,
        sessions: Sessions | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """Connect to nothing yet.

        Args:
            bucket: its name.
            credentials: of google-auth; Application Default Credentials if None.
            project: billed for the requests, which requester-pays buckets demand.
            emulator: base URL of an emulator. Requests to it go out unsigned, unless credentials
                are given.
            options: how connections are made and watched.
            sessions: where the sessions of resumable uploads are kept; in memory if None.
            chunk_bytes: size of the pieces of a resumable upload, a multiple of 256 KiB.
        """
        if emulator is None:
            require_signing(credentials)
        self.bucket = bucket
        self._endpoint = emulator or PUBLIC_ENDPOINT
        self._user_project = project
        self._chunk_bytes = chunk_bytes
        self._transport = Transport(options or Options())
        self._sessions: Sessions = sessions or SessionsInMemory()
        self.authentication = (
            NoAuthentication()
            if emulator and credentials is None
            else GoogleAuthentication(self._transport, credentials)
        )

    @property
    def url(self) -> str:
        """``gs://bucket``."""
        return f"gs://{self.bucket}"

    @property
    def endpoint(self) -> str:
        """Base URL of the server."""
        return self._endpoint

    def uri(self, name: str) -> str:
        """Return ``gs://bucket/object``."""
        return f"{self.url}/{name}"

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        """Write an object (see `ObjectStore.put`)."""
        upload = Upload(
            wire=self,
            sessions=self._sessions,
            bucket=self.bucket,
            spec=spec,
            source=source,
            if_generation_match=if_generation_match,
            on_transfer=on_transfer,
            chunk_bytes=self._chunk_bytes,
        )
        return upload.run()

    def open(self, blob: BlobInfo, *, start: int = 0) -> BlobReader:
        """Read an object (see `ObjectStore.open`)."""
        if start >= blob.size_bytes:
            return self._open_end(blob)
        url = self._object_url(blob.name, alt="media", generation=blob.generation)
        # As it is stored: GCS would unpack an object that somebody stored gzipped.
        headers = {"Accept-Encoding": "gzip"}
        if start:
            headers["Range"] = f"bytes={start}-"
        transfer, pipe = self._open(url, headers)
        if transfer.response.status == 401 and self._renew(transfer):
            transfer, pipe = self._open(url, headers)
        if transfer.response.status >= 300:
            raise error_of(transfer.result(), self.uri(blob.name), of_object=True)
        if start and transfer.response.status != 206:
            transfer.cancel()
            raise StoreConnectionError(f"{self.uri(blob.name)}: the server ignored the range")
        return Download(transfer, pipe, blob.size_bytes - start)

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description."""
        response = self.call("GET", self._object_url(name, fields=_FIELDS))
        return self._blob(response, name)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix, page by page, in the order of their names' bytes."""
        token: str | None = None
        while True:
            url = self.url_of(
                f"/storage/v1/b/{quote(self.bucket, safe='')}/o",
                prefix=prefix,
                startOffset=start_after or None,
                pageToken=token,
                maxResults=_PAGE_OBJECTS,
                fields=f"items({_FIELDS}),nextPageToken",
            )
            response = self.call("GET", url)
            if response.status != 200:
                raise error_of(response, f"{self.uri(prefix)}")
            page = json_body(response)
            for resource in page.get("items", ()):
                blob = blob_info(resource)
                if blob.name != start_after:  # startOffset is inclusive
                    yield blob
            token = page.get("nextPageToken")
            if not token:
                return

    def update(self, blob: BlobInfo, metadata: Mapping[str, str | None]) -> BlobInfo:
        """Set custom metadata keys (see `ObjectStore.update`)."""
        url = self._object_url(
            blob.name,
            ifGenerationMatch=blob.generation,
            ifMetagenerationMatch=blob.metageneration,
            fields=_FIELDS,
        )
        response = self._call_json("PATCH", url, {"metadata": dict(metadata)})
        if response.status != 200:
            raise error_of(response, self.uri(blob.name), of_object=True)
        # Both preconditions held, so this is what it says now (fake-gcs-server's answer does not).
        return with_metadata(blob, metadata)

    def copy(self, source: BlobInfo, target: str, *, if_generation_match: int = 0) -> BlobInfo:
        """Copy an object (see `ObjectStore.copy`); large ones take several requests."""
        token: str | None = None
        path = (
            f"{self._object_path(source.name)}/rewriteTo/b/{quote(self.bucket, safe='')}"
            f"/o/{quote(target, safe='')}"
        )
        while True:
            url = self.url_of(
                path,
                sourceGeneration=source.generation,
                ifGenerationMatch=if_generation_match,
                rewriteToken=token,
            )
            response = self.call("POST", url, body=lambda: BytesBody(b""))
            if response.status != 200:
                raise error_of(response, self.uri(source.name), of_object=True)
            answer = json_body(response)
            if answer.get("done"):
                return blob_info(answer["resource"])
            token = answer["rewriteToken"]

    def delete(self, blob: BlobInfo) -> None:
        """Delete an object (see `ObjectStore.delete`)."""
        url = self._object_url(blob.name, ifGenerationMatch=blob.generation)
        response = self.call("DELETE", url)
        if response.status not in (200, 204):
            raise error_of(response, self.uri(blob.name), of_object=True)

    def diagnose(self) -> Iterator[Finding]:
        """Try what storing needs (see `BucketAdmin.diagnose`)."""
        return diagnose(self)

    def close(self) -> None:
        """Close all connections; what is under way fails."""
        self._transport.close()

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Body] | None = None,
    ) -> Response:
        """Send a signed request and return the answer, whatever its status.

        A token that is refused (401) is renewed once; the request is then sent again, its body
        made anew.
        """
        transfer = self._start(method, url, headers or {}, body=body)
        response = transfer.result()
        if response.status == 401 and self._renew(transfer):
            response = self._start(method, url, headers or {}, body=body).result()
        return response

    def is_own(self, url: str) -> bool:
        """Say whether a URL leads to the bucket's own server."""
        return urlsplit(url)[:2] == urlsplit(self._endpoint)[:2]

    def url_of(self, path: str, **query: object) -> str:
        """Return the URL of an API path; parameters that are None are left out."""
        given = {k: v for k, v in query.items() if v is not None}
        if self._user_project is not None:
            given["userProject"] = self._user_project
        return f"{self._endpoint}{path}?{urlencode(given)}" if given else f"{self._endpoint}{path}"

    def _start(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: Callable[[], Body] | None = None,
        sink: Sink | None = None,
    ) -> Transfer:
        signed = dict(headers)
        # The URL of an upload session comes from the server: no other host gets to see a token.
        if self.is_own(url):
            signed |= self.authentication.headers(method, url)
        return self._transport.start(Request(method, url, signed, body() if body else None, sink))

    def _open_end(self, blob: BlobInfo) -> BlobReader:
        """Read what has no bytes left; a range there would be refused (416)."""
        url = self._object_url(blob.name, generation=blob.generation, fields="generation")
        response = self.call("GET", url)
        if response.status != 200:
            raise error_of(response, self.uri(blob.name), of_object=True)
        return BytesIO()

    def _open(self, url: str, headers: Mapping[str, str]) -> tuple[Transfer, Pipe]:
        pipe = Pipe()
        transfer = self._start("GET", url, headers, sink=pipe)
        transfer.future.add_done_callback(pipe.end)
        try:
            pipe.wait()
        except BaseException:
            transfer.cancel()
            raise
        if transfer.response.status == 0:
            transfer.result()  # raises why there was no answer
        return transfer, pipe

    def _renew(self, transfer: Transfer) -> bool:
        return self.authentication.renew(transfer.request.headers)

    def _call_json(self, method: str, url: str, value: object) -> Response:
        data = json.dumps(value, ensure_ascii=False).encode()
        return self.call(
            method,
            url,
            headers={"Content-Type": "application/json; charset=UTF-8"},
            body=lambda: BytesBody(data),
        )

    def _blob(self, response: Response, name: str) -> BlobInfo:
        if response.status != 200:
            raise error_of(response, self.uri(name), of_object=True)
        return blob_info(json_body(response))

    def _object_path(self, name: str) -> str:
        return f"/storage/v1/b/{quote(self.bucket, safe='')}/o/{quote(name, safe='')}"

    def _object_url(self, name: str, **query: object) -> str:
        return self.url_of(self._object_path(name), **query)
