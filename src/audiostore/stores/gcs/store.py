"""GcsStore: the store in a Google Cloud Storage bucket, over its JSON API and our transport."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audiostore.errors import BlobNotFoundError, StoreConnectionError
from audiostore.sources import Source
from audiostore.stores.capabilities import (
    ConcurrentWrites,
    Finding,
    ForeignFile,
    StoreFacts,
    StoreSettings,
)
from audiostore.stores.clock import utc_now
from audiostore.stores.gcs import (
    bucket as settings_of_bucket,
    objects,
    rewrites,
    signed_urls,
    trash,
)
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.download import Download, check_range
from audiostore.stores.gcs.facts import facts
from audiostore.stores.gcs.folders import Folders
from audiostore.stores.gcs.responses import error_of
from audiostore.stores.gcs.sessions import SessionFiles, Sessions, SessionsInMemory
from audiostore.stores.gcs.signers import IAM_ENDPOINT
from audiostore.stores.gcs.upload import CHUNK_BYTES, Upload, open_session
from audiostore.stores.gcs.writes import GcsWrites
from audiostore.stores.protocol import BlobReader, BlobSpec, StorageClass, TransferListener
from audiostore.stores.stored import StoredSource
from audiostore.values import BlobInfo, DeletedBlob

if TYPE_CHECKING:
    from google.auth.credentials import Credentials


class GcsStore:
    """Objects in a Google Cloud Storage bucket. Safe to use from many threads, and after a fork.

    Pickling sends the constructor's arguments: the other process opens connections of its own, and
    gets the credentials, unless they are the default ones.

    Example::

        from google.oauth2.service_account import Credentials

        credentials = Credentials.from_service_account_file("key.json")
        manager = AudioStorageManager(store=GcsStore("my-bucket", credentials=credentials))
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        credentials: "Credentials | None" = None,
        project: str | None = None,
        emulator: str | None = None,
        connections: ConnectionOptions | None = None,
        session_folder: Path | None = None,
        chunk_bytes: int = CHUNK_BYTES,
        iam_endpoint: str = IAM_ENDPOINT,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Create a store; it connects with the first request.

        Args:
            bucket: its name.
            prefix: the store is what lies under it, as in ``gs://bucket/prefix``; "": the whole
                bucket.
            credentials: of google-auth; Application Default Credentials if None.
            project: billed for the requests, which requester-pays buckets demand.
            emulator: base URL of an emulator. Requests to it are unsigned, unless credentials are
                given.
            connections: how connections are made and watched.
            session_folder: directory, private to the user, that records unfinished uploads, so
                that another process can resume them; None: only this store can.
            chunk_bytes: size of the pieces of a resumable upload, a multiple of 256 KiB.
            iam_endpoint: base URL of the IAM Service Account Credentials API, which signs URLs for
                accounts whose key is not on this machine.
            now: the clock for signed URLs.

        Raises:
            ConfigurationError: the credentials are anonymous, and no emulator is used; or the
                prefix is not valid.
        """
        self._reopen = partial(
            type(self),
            bucket,
            prefix=prefix,
            credentials=credentials,
            project=project,
            emulator=emulator,
            connections=connections,
            session_folder=session_folder,
            chunk_bytes=chunk_bytes,
            iam_endpoint=iam_endpoint,
            now=now,
        )
        self._connections = connections or ConnectionOptions()
        self._client = Client(
            bucket,
            prefix=prefix,
            credentials=credentials,
            user_project=project,
            emulator=emulator,
            iam_endpoint=iam_endpoint,
            options=self._connections,
        )
        self._folders = Folders(self._client)
        self._chunk_bytes = chunk_bytes
        self._sessions: Sessions = (
            SessionsInMemory() if session_folder is None else SessionFiles(session_folder)
        )
        self._rewrites = SessionsInMemory()
        self._now = now

    def __reduce__(self) -> tuple[object, ...]:
        return self._reopen, ()

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._client.bucket

    @property
    def url(self) -> str:
        """``gs://bucket`` or ``gs://bucket/prefix``."""
        return self._client.url

    @property
    def service(self) -> str:
        """The endpoint of the service, whose buckets copy from each other."""
        return self._client.endpoint

    def uri(self, name: str) -> str:
        """Return ``gs://bucket/object``."""
        return self._client.uri(name)

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        """Write an object (see `ObjectStore.put`)."""
        if isinstance(source, StoredSource) and source.service == self.service:
            with objects.telling_holds(self._client, spec.name, if_generation_match):
                return rewrites.put_stored(
                    self._client,
                    self._rewrites,
                    spec,
                    source,
                    if_generation_match=if_generation_match,
                    on_transfer=on_transfer,
                )
        upload = Upload(
            client=self._client,
            sessions=self._sessions,
            spec=spec,
            source=source,
            if_generation_match=if_generation_match,
            on_transfer=on_transfer,
            chunk_bytes=self._chunk_bytes,
        )
        with objects.telling_holds(self._client, spec.name, if_generation_match):
            return upload.run()

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        """Read an object (see `ObjectStore.open`).

        Ranges: cloud.google.com/storage/docs/json_api/v1/objects/get (alt=media).
        """
        end = blob.size_bytes if stop is None else min(stop, blob.size_bytes)
        if start >= end:
            return self._open_nothing(blob)
        url = self._client.object_url(blob.name, alt="media", generation=blob.generation)
        # The bytes as stored: GCS would decompress an object that was stored gzipped.
        headers = {"Accept-Encoding": "gzip"}
        is_part = (start, end) != (0, blob.size_bytes)
        if is_part:
            headers["Range"] = f"bytes={start}-{end - 1}"
        transfer, pipe = self._client.stream(url, headers)
        if transfer.response.status >= 300:
            raise objects.read_error(self._client, transfer.result(), blob.name)
        try:
            check_range(transfer.response, start, end, blob.size_bytes)
        except StoreConnectionError as error:
            transfer.cancel()
            error.add_note(f"while reading {self.uri(blob.name)}")
            raise
        return Download(transfer, pipe, end - start)

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description."""
        return objects.stat(self._client, name)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix, page by page, in the order of their names' bytes."""
        return objects.list_objects(self._client, prefix, start_after)

    def update(
        self,
        blob: BlobInfo,
        metadata: Mapping[str, str | None],
        *,
        content_type: str | None = None,
        temporary_hold: bool | None = None,
        custom_time: datetime | None = None,
    ) -> BlobInfo:
        """Change an object's metadata (see `ObjectStore.update`)."""
        return objects.update(
            self._client,
            blob,
            metadata,
            content_type=content_type,
            temporary_hold=temporary_hold,
            custom_time=custom_time,
        )

    def copy(
        self,
        source: BlobInfo,
        target: str,
        *,
        if_generation_match: int = 0,
        storage_class: StorageClass | None = None,
    ) -> BlobInfo:
        """Copy an object (see `ObjectStore.copy`)."""
        with objects.telling_holds(self._client, target, if_generation_match):
            return rewrites.copy(
                self._client,
                self._rewrites,
                source,
                target,
                if_generation_match=if_generation_match,
                storage_class=storage_class,
            )

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        """Delete an object (see `ObjectStore.delete`)."""
        try:
            with objects.telling_holds(self._client, blob.name, blob.generation):
                objects.delete(self._client, blob, if_unchanged=if_unchanged)
        except BlobNotFoundError:  # perhaps deleted by an attempt that came no further
            self._folders.tidy(blob.name)
            raise
        self._folders.tidy(blob.name)

    def names_after(self, prefix: str, start_after: str) -> tuple[str, ...]:
        """Return a page of names (see `SupportsNames.names_after`)."""
        return objects.names_after(self._client, prefix, start_after)

    def noncurrent(self, prefix: str) -> tuple[BlobInfo, ...]:
        """Return the noncurrent versions of a bucket with Object Versioning."""
        return objects.noncurrent(self._client, prefix)

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield what can be restored (see `SupportsSoftDelete.list_deleted`).

        A restored generation is still among them until it expires.
        """
        return trash.list_deleted(self._client, prefix)

    def restore(self, deleted: DeletedBlob, *, if_generation_match: int = 0) -> BlobInfo:
        """Make a deleted generation live again (see `SupportsSoftDelete.restore`)."""
        with objects.telling_holds(self._client, deleted.blob.name, if_generation_match):
            return trash.restore(self._client, deleted, if_generation_match=if_generation_match)

    def purge(self, deleted: DeletedBlob) -> None:
        """Refuse, and say when it expires (see `SupportsSoftDelete.purge`)."""
        trash.purge(self._client, deleted)

    def settings(self) -> StoreSettings:
        """Return the settings of the bucket."""
        return settings_of_bucket.read(self._client)

    def facts(self) -> StoreFacts:
        """Return what is known of the bucket, whether or not its settings may be read."""
        return facts(self._client)

    def foreign_files(self, prefix: str) -> Iterator[ForeignFile]:
        """Yield the empty folders of a bucket with a hierarchical namespace."""
        return self._folders.empty(prefix)

    def remove_foreign_file(self, file: ForeignFile) -> None:
        """Delete an empty folder (see `SupportsForeignFiles.remove_foreign_file`)."""
        self._folders.remove(file)

    def change_settings(
        self,
        present: StoreSettings,
        *,
        lifecycle_rules: tuple[Mapping[str, object], ...] | None = None,
        soft_delete_s: int | None = None,
        retention_s: int | None = None,
    ) -> StoreSettings:
        """Change settings of the bucket (see `SupportsSettings.change_settings`)."""
        return settings_of_bucket.change(
            self._client,
            present,
            lifecycle_rules=lifecycle_rules,
            soft_delete_s=soft_delete_s,
            retention_s=retention_s,
        )

    def granted(self, permissions: Sequence[str]) -> frozenset[str]:
        """Return which of these permissions the caller has on the bucket."""
        return settings_of_bucket.granted(self._client, permissions)

    def signed_url(
        self,
        blob: BlobInfo,
        *,
        expires_s: int,
        download_as: str | None = None,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> str:
        """Return a URL by which anyone can read an object (see `SupportsSignedUrls.signed_url`)."""
        return signed_urls.signed_url(
            self._client,
            blob,
            now=self._now(),
            expires_s=expires_s,
            download_as=download_as,
            method=method,
        )

    def open_session(
        self,
        spec: BlobSpec,
        size_bytes: int,
        *,
        crc32c: str | None = None,
        origin: str | None = None,
    ) -> str:
        """Open a resumable session for others (see `SupportsUploadSessions.open_session`)."""
        return open_session(self._client, spec, size_bytes, crc32c, origin=origin)

    def concurrent_writes(self) -> ConcurrentWrites:
        """Return a way to write from one thread (see `SupportsConcurrentWrites`)."""
        return GcsWrites(self._client, self._connections)

    def diagnose(self) -> Iterator[Finding]:
        """Check what storing needs (see `SupportsDiagnosis.diagnose`)."""
        from audiostore.stores.gcs.diagnosis import diagnose  # noqa: PLC0415  (google.api_core)

        return diagnose(self._client)

    def close(self) -> None:
        """Close all connections; transfers in flight fail."""
        self._client.close()

    def _open_nothing(self, blob: BlobInfo) -> BlobReader:
        """Read an empty range, for which the server would respond 416."""
        url = self._client.object_url(blob.name, generation=blob.generation, fields="generation")
        response = self._client.call("GET", url)
        if response.status != 200:
            raise error_of(response, self.uri(blob.name), of_object=True)
        return BytesIO()
