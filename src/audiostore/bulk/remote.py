"""Remote files: copied by the service where that can be, else fetched into files without names."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast
from urllib.parse import urlsplit

from audiostore.bulk.items import BulkItem
from audiostore.errors import (
    AudioStoreError,
    BlobNotFoundError,
    InvalidSourceError,
    SourceNotFoundError,
)
from audiostore.files import NewFile, explained
from audiostore.forking import ForkSafeLock
from audiostore.ingest import StoredFile, UploadOptions
from audiostore.localfiles import FetchedFile, LocalFile, OpenFile
from audiostore.log import logger
from audiostore.remotefiles import RemoteFile
from audiostore.retry import Retry, RetryConfig
from audiostore.sources import Source
from audiostore.stores import (
    RetryingStore,
    StoredSource,
    fetch_checked,
    open_store,
    require_checksum,
    service_of,
)
from audiostore.values import PathLike

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from audiostore.manager import AudioStorageManager
    from audiostore.stores import WebClient


Files = tuple[PathLike, PathLike | None]
"""The audio and the thumbnail: paths, fetched files, or stored ones."""
T = TypeVar("T")
_REFUSED = (400, 403, 405, 501)
"""The statuses of a copy that the service does not make. The bytes may be read and written even so,
as with other credentials than those of the store; or the errors of that say what is missing."""


def store_remote(
    manager: "AudioStorageManager",
    item: BulkItem,
    options: UploadOptions,
    store: Callable[[Files], T],
) -> T:
    """Store an item with remote files; fetch them if the service refuses to copy.

    Args:
        manager: of the store.
        item: the files.
        options: how they are inspected and stored.
        store: stores the files that it is given. Doing it again completes what a refusal left.

    Raises:
        AudioStoreError: a remote file cannot be copied, read or fetched; or `store` raises it.
        OSError: the temporary directory is full, or cannot be written to.
    """
    files: Files = item.audio, item.thumbnail
    try:
        with inspectable_files(manager, item, options) as files:
            return store(files)
    except AudioStoreError as error:
        is_copy = any(isinstance(file, StoredFile) for file in files)
        if not is_copy or error.affects_all or error.status not in _REFUSED:
            raise
        logger.info("the service refuses to copy, so files are fetched: %s", error)
    with inspectable_files(manager, item, options, copies=False) as files:
        return store(files)


@contextmanager
def inspectable_files(
    manager: "AudioStorageManager", item: BulkItem, options: UploadOptions, *, copies: bool = True
) -> Iterator[Files]:
    """Yield the files of an item, ready to be inspected and stored, for the block.

    Those in a bucket of the store's own service are not fetched, unless all of their bytes are
    needed, or `copies` is False.

    Raises:
        AudioStoreError: a remote file cannot be found or fetched.
        OSError: the temporary directory is full, or cannot be written to.
    """
    copies = copies and not options.takes_all_bytes
    service = service_of(manager.store) if copies else None
    with ExitStack() as files:

        def ready(remote: RemoteFile) -> PathLike:
            stored = None if service is None else manager._remote.stored(remote, service)
            if stored is not None:
                return stored
            return files.enter_context(manager._remote.fetched(remote, options.max_size_bytes))

        audio = item.audio if item.remote_audio is None else ready(item.remote_audio)
        thumbnail: PathLike | None = item.thumbnail
        if item.remote_thumbnail is not None:
            thumbnail = ready(item.remote_thumbnail)
        yield audio, thumbnail


def snapshot_of(file: PathLike, *, max_bytes: int) -> Source:
    """Return a snapshot of a file (see `LocalFile.snapshot`), whether it is local or not."""
    if isinstance(file, FetchedFile):
        return OpenFile(LocalFile.of_open(Path(file), file.stream.fileno()), file.stream)
    if isinstance(file, StoredFile):
        return file.source
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
    """Finds and fetches remote files. Safe to use from many threads."""

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
        self._stores: dict[str, RetryingStore] = {}
        self._web: WebClient | None = None

    def stored(self, remote: RemoteFile, service: str) -> StoredFile | None:
        """Return a remote file as what a store holds; None if it is not in a bucket of a service.

        Raises:
            SourceNotFoundError: it is not there.
            UnreadableBlobError: its bucket does not tell its checksum.
            AudioStoreError: it cannot be looked up.
        """
        if remote.in_bucket is None:
            return None
        bucket, name = remote.in_bucket
        store = self.store_at(f"gs://{bucket}")
        if store.service != service:
            return None
        with _of_one_item(remote):
            return StoredFile(StoredSource(store, store.stat(name)))

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
            for store in self._stores.values():
                store.close()
            if self._web is not None:
                self._web.close()

    def _fetch(self, remote: RemoteFile, file: NewFile, max_bytes: int) -> None:
        with _of_one_item(remote):
            if remote.in_bucket is None:
                self._web_client().fetch(remote, file, max_bytes=max_bytes)
            else:
                self._from_bucket(remote, *remote.in_bucket, file, max_bytes)

    def _from_bucket(
        self, remote: RemoteFile, bucket: str, name: str, file: NewFile, max_bytes: int
    ) -> None:
        store = self.store_at(f"gs://{bucket}")
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

    def store_at(self, url: str) -> RetryingStore:
        """Return the store at a URL, which is opened once.

        Raises:
            ConfigurationError: the URL does not name a store.
        """
        with self._lock:
            if url not in self._stores:
                self._stores[url] = RetryingStore(
                    open_store(url, credentials=self._credentials, project=self._project),
                    self._config,
                    on_retry=self._on_retry,
                    on_retries_ended=self._on_retries_ended,
                )
            return self._stores[url]

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


@contextmanager
def _of_one_item(remote: RemoteFile) -> Iterator[None]:
    """Have what a server says of a file affect no other item: these have other sources."""
    try:
        yield
    except BlobNotFoundError as error:
        raise SourceNotFoundError(f"no object at {remote}", status=error.status) from error
    except AudioStoreError as error:
        if error.status is not None:
            error.affects_all = False
        if remote.in_bucket is None:
            error.host = urlsplit(remote.url).hostname
        raise
