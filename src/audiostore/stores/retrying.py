"""Retries around any store: the one layer that repeats what failed.

Every method is the same request again, so each must be safe to repeat: writes carry a
precondition, a broken read goes on where it stopped at the same generation, a broken listing
behind the last name that it gave.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.model import BlobInfo
from audiostore.retry import Budget, Retry, RetryConfig, retry_operation
from audiostore.source import Source
from audiostore.store import BlobReader, BlobSpec, ObjectStore, TransferListener, Transferred

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

    def open(self, blob: BlobInfo, *, start: int = 0) -> BlobReader:
        """Read an object; a broken read goes on behind the last byte received."""
        return _ResumingReader(self._store, self._retry(f"read {self.uri(blob.name)}"), blob, start)

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

    def update(self, blob: BlobInfo, metadata: Mapping[str, str | None]) -> BlobInfo:
        """Set custom metadata keys.

        A repetition after a lost answer finds the metageneration moved: the caller looks again.
        """
        return self._retry(f"update {self.uri(blob.name)}")(
            lambda: self._store.update(blob, metadata)
        )

    def copy(self, source: BlobInfo, target: str, *, if_generation_match: int = 0) -> BlobInfo:
        """Copy an object; after a lost answer as `put`."""
        return self._retry(f"copy {self.uri(source.name)} to {self.uri(target)}")(
            lambda: self._store.copy(source, target, if_generation_match=if_generation_match)
        )

    def delete(self, blob: BlobInfo) -> None:
        """Delete an object; that this generation is gone on a repetition means it was deleted."""
        attempts = 0

        def delete() -> None:
            nonlocal attempts
            attempts += 1
            try:
                self._store.delete(blob)
            except (BlobNotFoundError, PreconditionFailedError):
                if attempts == 1:
                    raise

        self._retry(f"delete {self.uri(blob.name)}")(delete)

    def close(self) -> None:
        """Close the store inside."""
        self._store.close()

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

    def __init__(self, store: ObjectStore, retry: _Retry, blob: BlobInfo, start: int) -> None:
        self._store = store
        self._retry = retry
        self._blob = blob
        self._position = start
        self._reader: BlobReader | None = retry(lambda: store.open(blob, start=start))

    def read(self, size: int) -> bytes:
        if self._position >= self._blob.size_bytes:
            return b""
        piece = self._retry(lambda: self._read(size))
        self._retry.budget.renew()
        self._position += len(piece)
        return piece

    def close(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None

    def _read(self, size: int) -> bytes:
        if self._reader is None:
            self._reader = self._store.open(self._blob, start=self._position)
        try:
            return self._reader.read(size)
        except Exception:
            self.close()
            raise
