"""Remote files become local ones: fetched from buckets and web servers into files without names."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from audiostore.bulk.items import BulkItem
from audiostore.errors import (
    AudioStoreError,
    BlobNotFoundError,
    InvalidSourceError,
    SourceNotFoundError,
)
from audiostore.files import NewFile, explained
from audiostore.forking import ForkSafeLock
from audiostore.localfiles import FetchedFile, LocalFile, OpenFile
from audiostore.remotefiles import RemoteFile
from audiostore.retry import Retry, RetryConfig
from audiostore.sources import Source
from audiostore.stores import RetryingStore, fetch_checked, open_store, require_checksum
from audiostore.values import PathLike

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from audiostore.manager import AudioStorageManager
    from audiostore.stores import WebClient


@contextmanager
def local_files(
    manager: "AudioStorageManager", item: BulkItem, *, max_bytes: int
) -> Iterator[tuple[PathLike, PathLike | None]]:
    """Yield the audio and the thumbnail of an item as files on this machine, for the block.

    Raises:
        AudioStoreError: a remote file cannot be fetched.
        OSError: the temporary directory is full, or cannot be written to.
    """
    audio: PathLike = item.audio
    thumbnail: PathLike | None = item.thumbnail
    with ExitStack() as files:
        if item.remote_audio is not None:
            audio = files.enter_context(manager._remote.fetched(item.remote_audio, max_bytes))
        if item.remote_thumbnail is not None:
            cover = manager._remote.fetched(item.remote_thumbnail, max_bytes)
            thumbnail = files.enter_context(cover)
        yield audio, thumbnail


def snapshot_of(file: PathLike, *, max_bytes: int) -> Source:
    """Return a snapshot of a local file, or of one that was fetched (see `LocalFile.snapshot`)."""
    if isinstance(file, FetchedFile):
        return OpenFile(LocalFile.of_open(Path(file), file.stream.fileno()), file.stream)
    return LocalFile.snapshot(Path(file), max_bytes=max_bytes)


def refuse_remote(item: BulkItem, what: str) -> None:
    """Refuse an item with a remote file.

    Raises:
        InvalidSourceError: it has one.
    """
    if item.is_remote:
        raise InvalidSourceError(
            f"{item.remote_audio or item.remote_thumbnail} is not on this machine: {what} is for "
            "local files"
        )


class RemoteFiles:
    """Fetches remote files. Safe to use from many threads."""

    def __init__(
        self,
        *,
        credentials: "Credentials | None",
        project: str | None,
        config: RetryConfig,
        on_retry: Callable[[Retry], None] | None = None,
        on_retries_ended: Callable[[str], None] | None = None,
    ) -> None:
        """Connect with the first request; credentials and project are for buckets alone."""
        self._credentials = credentials
        self._project = project
        self._config = config
        self._on_retry = on_retry
        self._on_retries_ended = on_retries_ended
        self._lock = ForkSafeLock()
        self._buckets: dict[str, RetryingStore] = {}
        self._web: WebClient | None = None

    @contextmanager
    def fetched(self, remote: RemoteFile, max_bytes: int) -> Iterator[FetchedFile]:
        """Yield a remote file, fetched whole and verified; it is gone when the block ends.

        The file has no name (O_TMPFILE, or unlinked at once): nothing is left after a kill.

        Raises:
            SourceNotFoundError, InvalidSourceError: it is not there, empty or too large; or the
                server refuses it.
            IntegrityError: it was never received with the checksum that the server states.
            AudioStoreError, OSError: it cannot be fetched, or written to the temporary directory.
        """
        import tempfile  # noqa: PLC0415  (imports compression; only remote files need it)

        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="audiostore-", dir=folder) as stream:
            file = NewFile(Path(folder), stream.fileno())
            with explained(folder):
                self._fetch(remote, file, max_bytes)
            os.lseek(file.descriptor, 0, os.SEEK_SET)
            yield FetchedFile(remote.name, cast("BinaryIO", stream))

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for store in self._buckets.values():
                store.close()
            if self._web is not None:
                self._web.close()

    def _fetch(self, remote: RemoteFile, file: NewFile, max_bytes: int) -> None:
        try:
            if remote.in_bucket is None:
                self._web_client().fetch(remote, file, max_bytes=max_bytes)
            else:
                self._from_bucket(remote, *remote.in_bucket, file, max_bytes)
        except AudioStoreError as error:
            if error.status is not None:
                error.affects_all = False  # other items have other sources
            raise

    def _from_bucket(
        self, remote: RemoteFile, bucket: str, name: str, file: NewFile, max_bytes: int
    ) -> None:
        store = self._bucket(bucket)
        try:
            blob = store.stat(name)
            if blob.size_bytes > max_bytes:
                raise InvalidSourceError(
                    f"{remote} has {blob.size_bytes:,} bytes: the limit is {max_bytes:,}; pass a "
                    "larger max_size_bytes to store it"
                )
            if not blob.size_bytes:
                raise InvalidSourceError(f"{remote} is empty: there is nothing to store")
            require_checksum(store, blob)
            fetch_checked(store, blob, file, on_retry=self._on_retry)
        except BlobNotFoundError as error:
            raise SourceNotFoundError(f"no object at {remote}", status=error.status) from error

    def _bucket(self, bucket: str) -> RetryingStore:
        with self._lock:
            if bucket not in self._buckets:
                self._buckets[bucket] = RetryingStore(
                    open_store(
                        f"gs://{bucket}", credentials=self._credentials, project=self._project
                    ),
                    self._config,
                    on_retry=self._on_retry,
                    on_retries_ended=self._on_retries_ended,
                )
            return self._buckets[bucket]

    def _web_client(self) -> "WebClient":
        with self._lock:
            if self._web is None:
                from audiostore.stores import open_web_client  # noqa: PLC0415  (libcurl)

                self._web = open_web_client(
                    self._config,
                    on_retry=self._on_retry,
                    on_retries_ended=self._on_retries_ended,
                )
            return self._web
