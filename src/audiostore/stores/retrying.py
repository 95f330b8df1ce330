"""Retries around any store: the one layer that repeats what failed.

Every method is the same request again, so each must be safe to repeat: writes carry a
precondition, a broken read goes on where it stopped at the same generation, a broken listing
behind the last name that it gave.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeVar

from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.retry import Budget, Retry, RetryConfig, retry_operation
from audiostore.sources import Source
from audiostore.stores.protocol import (
    BlobReader,
    BlobSpec,
    BucketAdmin,
    Finding,
    ObjectStore,
    StorageClass,
    StoreSettings,
    Stray,
    TransferListener,
    Transferred,
)
from audiostore.values import BlobInfo, DeletedBlob

T = TypeVar("T")


class RetryingStore:
    """A store whose requests are tried again as `config` says."""

    def __init__(
        self,
        store: ObjectStore,
        config: RetryConfig,
        *,
        on_retry: Callable[[Retry], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._config = config
        self._on_retry = on_retry
        self._sleep = sleep

    @property
    def url(self) -> str:
        """The URL of the store inside."""
        return self._store.url

    def uri(self, name: str) -> str:
        """Return the URI of an object."""
        return self._store.uri(name)

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        """Write an object; the budget starts anew when the store has accepted more bytes.

        A repetition finds what an attempt with a lost answer had stored: PreconditionFailedError
        says so, and the caller compares.
        """
        retry = self._retry(f"store {self.uri(spec.name)}")
        accepted_bytes = 0

        def watch(transferred: Transferred) -> None:
            nonlocal accepted_bytes
            if transferred.accepted_bytes > accepted_bytes:
                accepted_bytes = transferred.accepted_bytes
                retry.budget.renew()
            if on_transfer:
                on_transfer(transferred)

        return retry(
            lambda: self._store.put(
                spec, source, if_generation_match=if_generation_match, on_transfer=watch
            )
        )

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        """Read an object; a broken read goes on behind the last byte received."""
        retry = self._retry(f"read {self.uri(blob.name)}")
        return _ResumingReader(self._store, retry, blob, start, stop)

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description."""
        return self._retry(f"look at {self.uri(name)}")(lambda: self._store.stat(name))

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix; a broken listing goes on behind the last one."""
        retry = self._retry(f"list {self.url}/{prefix}")
        after = start_after
        blobs: Iterator[BlobInfo] | None = None
        failure: Exception | None = None

        def go_on() -> BlobInfo | None:
            nonlocal blobs, failure
            if failure:
                error, failure = failure, None
                raise error  # counts as the first attempt
            blobs = self._store.list(prefix, start_after=after)
            return next(blobs, None)

        while True:
            try:
                if blobs is None:
                    blobs = self._store.list(prefix, start_after=after)
                blob = next(blobs, None)
            except Exception as error:  # noqa: BLE001  (the retry layer judges it)
                failure = error
                blob = retry(go_on)
                retry.budget.renew()
            if blob is None:
                return
            after = blob.name
            yield blob

    def update(
        self,
        blob: BlobInfo,
        metadata: Mapping[str, str | None],
        *,
        content_type: str | None = None,
        temporary_hold: bool | None = None,
        custom_time: datetime | None = None,
    ) -> BlobInfo:
        """Change what an object says of itself.

        A repetition after a lost answer finds the metageneration moved: the caller looks again.
        """
        return self._retry(f"update {self.uri(blob.name)}")(
            lambda: self._store.update(
                blob,
                metadata,
                content_type=content_type,
                temporary_hold=temporary_hold,
                custom_time=custom_time,
            )
        )

    def copy(
        self,
        source: BlobInfo,
        target: str,
        *,
        if_generation_match: int = 0,
        storage_class: StorageClass | None = None,
    ) -> BlobInfo:
        """Copy an object; after a lost answer as `put`."""
        return self._retry(f"copy {self.uri(source.name)} to {self.uri(target)}")(
            lambda: self._store.copy(
                source,
                target,
                if_generation_match=if_generation_match,
                storage_class=storage_class,
            )
        )

    def delete(self, blob: BlobInfo) -> None:
        """Delete an object; that this generation is gone on a repetition means it was deleted."""
        self._remove(f"delete {self.uri(blob.name)}", lambda: self._store.delete(blob))

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield what can be restored; a listing that breaks is read again, the known left out."""
        retry = self._retry(f"list what was deleted from {self.url}/{prefix}")
        seen: tuple[bytes, int] = (b"", 0)
        deleted = self._store.list_deleted(prefix)

        def position(item: DeletedBlob) -> tuple[bytes, int]:
            return item.blob.name.encode(), item.blob.generation

        def go_on() -> DeletedBlob | None:
            nonlocal deleted
            try:
                return next((item for item in deleted if position(item) > seen), None)
            except Exception:
                deleted = self._store.list_deleted(prefix)
                raise

        while (item := retry(go_on)) is not None:
            seen = position(item)
            yield item

    def restore(self, deleted: DeletedBlob, *, if_generation_match: int = 0) -> BlobInfo:
        """Make a deleted generation live again; after a lost answer as `put`."""
        return self._retry(f"restore {self.uri(deleted.blob.name)}")(
            lambda: self._store.restore(deleted, if_generation_match=if_generation_match)
        )

    def purge(self, deleted: DeletedBlob) -> None:
        """Let a deleted generation go; that it is gone on a repetition means it was purged."""
        operation = f"purge {self.uri(deleted.blob.name)}"
        self._remove(operation, lambda: self._store.purge(deleted))

    def close(self) -> None:
        """Close the store inside."""
        self._store.close()

    def _remove(self, operation: str, step: Callable[[], None]) -> None:
        attempts = 0

        def remove() -> None:
            nonlocal attempts
            attempts += 1
            try:
                step()
            except (BlobNotFoundError, PreconditionFailedError):
                if attempts == 1:
                    raise

        self._retry(operation)(remove)

    def _retry(self, operation: str) -> "_Retry":
        return _Retry(operation, self._config, self._on_retry, self._sleep)


class RetryingAdmin:
    """The settings of a store, its requests tried again as `config` says."""

    def __init__(
        self,
        admin: BucketAdmin,
        config: RetryConfig,
        *,
        on_retry: Callable[[Retry], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._admin = admin
        self._config = config
        self._on_retry = on_retry
        self._sleep = sleep

    def diagnose(self) -> Iterator[Finding]:
        """Try what storing needs, once: a fault is what is looked for."""
        return self._admin.diagnose()

    def settings(self) -> StoreSettings:
        """Return what the store does of itself."""
        return self._retry("read the store's settings")(self._admin.settings)

    def change_settings(
        self,
        present: StoreSettings,
        *,
        lifecycle_rules: tuple[Mapping[str, object], ...] | None = None,
        soft_delete_s: int | None = None,
        retention_s: int | None = None,
    ) -> StoreSettings:
        """Change settings.

        A repetition after a lost answer finds the metageneration moved: the caller looks again.
        """
        return self._retry("change the store's settings")(
            lambda: self._admin.change_settings(
                present,
                lifecycle_rules=lifecycle_rules,
                soft_delete_s=soft_delete_s,
                retention_s=retention_s,
            )
        )

    def reclass(self, blob: BlobInfo, storage_class: StorageClass) -> BlobInfo:
        """Change an object's storage class in place; after a lost answer as `change_settings`."""
        return self._retry(f"change the storage class of {blob.name}")(
            lambda: self._admin.reclass(blob, storage_class)
        )

    def strays(self, prefix: str) -> Iterator[Stray]:
        """Yield what is no object."""
        return self._admin.strays(prefix)

    def remove_stray(self, stray: Stray) -> None:
        """Remove what is no object."""
        self._retry(f"remove {stray.path}")(lambda: self._admin.remove_stray(stray))

    def granted(self, permissions: Sequence[str]) -> frozenset[str]:
        """Return which permissions the caller has."""
        return self._retry("ask for permissions")(lambda: self._admin.granted(permissions))

    def signed_url(
        self,
        blob: BlobInfo,
        *,
        expires_s: int,
        download_as: str | None = None,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> str:
        """Return a URL by which anybody can read an object for a while."""
        return self._retry(f"sign a URL of {blob.name}")(
            lambda: self._admin.signed_url(
                blob, expires_s=expires_s, download_as=download_as, method=method
            )
        )

    def _retry(self, operation: str) -> "_Retry":
        return _Retry(operation, self._config, self._on_retry, self._sleep)


class _Retry:
    """Repeats the steps of one operation, which share one budget."""

    def __init__(
        self,
        operation: str,
        config: RetryConfig,
        on_retry: Callable[[Retry], None] | None,
        sleep: Callable[[float], None],
    ) -> None:
        self.budget = Budget(config)
        self._operation = operation
        self._config = config
        self._on_retry = on_retry
        self._sleep = sleep

    def __call__(self, step: Callable[[], T]) -> T:
        return retry_operation(
            step,
            self._config,
            self._operation,
            budget=self.budget,
            on_retry=self._on_retry,
            sleep=self._sleep,
        )


class _ResumingReader:
    """Reads one generation through as many requests as it takes."""

    def __init__(
        self, store: ObjectStore, retry: _Retry, blob: BlobInfo, start: int, stop: int | None
    ) -> None:
        self._store = store
        self._retry = retry
        self._blob = blob
        self._position = start
        self._stop = blob.size_bytes if stop is None else min(stop, blob.size_bytes)
        self._reader: BlobReader | None = retry(self._open)

    def read(self, size: int) -> bytes:
        if self._position >= self._stop:
            return b""
        piece = self._retry(lambda: self._read(size))
        self._retry.budget.renew()
        self._position += len(piece)
        return piece

    def close(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None

    def _open(self) -> BlobReader:
        return self._store.open(self._blob, start=self._position, stop=self._stop)

    def _read(self, size: int) -> bytes:
        if self._reader is None:
            self._reader = self._open()
        try:
            return self._reader.read(size)
        except Exception:
            self.close()
            raise
