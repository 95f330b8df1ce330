"""RetryingStore: the only layer that repeats failed requests, around any store.

A retry sends the same request again, so each must be safe to repeat: writes carry a precondition,
a broken read resumes at the next byte of the same generation, a broken listing after the last name
that it returned.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import update_wrapper
from typing import Concatenate, ParamSpec, TypeVar

from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.retry import Budget, Retry, RetryConfig, retry_operation, status_of
from audiostore.sources import Source
from audiostore.stores.capabilities import (
    ConcurrentWrites,
    Finding,
    ForeignFile,
    Store,
    SupportsFacts,
    SupportsNames,
    SupportsPermissions,
    SupportsReclass,
    SupportsSettings,
    SupportsSignedUrls,
    SupportsSoftDelete,
    SupportsUploadSessions,
    SupportsVersions,
    complete,
)
from audiostore.stores.outages import Outages
from audiostore.stores.protocol import (
    BlobReader,
    BlobSpec,
    ObjectStore,
    TransferListener,
    Transferred,
)
from audiostore.stores.stored import StoredSource
from audiostore.telemetry import store_call
from audiostore.values import BlobInfo, DeletedBlob

_REFUSALS = (BlobNotFoundError, PreconditionFailedError)
"""Such errors come from a store that is not down; those of a bucket have a status besides."""

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


def _repeated(
    method: Callable[Concatenate[S, P], T], describe: Callable[..., str]
) -> "Callable[Concatenate[RetryingStore, P], T]":
    """Return a method that calls the same method of the wrapped store, with retries.

    Args:
        method: the method of a protocol, with its signature and docstring.
        describe: returns the name of the operation, from the store and the arguments.
    """

    def call(self: "RetryingStore", /, *args: P.args, **kwargs: P.kwargs) -> T:
        step: Callable[P, T] = getattr(self._store, method.__name__)
        operation = describe(self, *args, **kwargs)
        retry = self._retry(method.__name__, operation, _subject(args))
        return retry.once(lambda: step(*args, **kwargs))

    update_wrapper(call, method)
    return call


def _subject(arguments: Sequence[object]) -> str | None:
    """Return the name of the object, or the prefix, that is the first argument of a method."""
    match arguments:
        case [str(name), *_]:
            return name
        case [BlobInfo(name=name), *_] | [DeletedBlob(blob=BlobInfo(name=name)), *_]:
            return name
    return None


class RetryingStore:
    """A store that retries requests as `config` says. It has every capability.

    A repetition after a lost response has these results: `put`, `copy` and `restore` find that the
    object exists and raise PreconditionFailedError, and the caller compares it; `update`, `reclass`
    and `change_settings` find another metageneration and raise the same, and the caller reads
    again; `delete` and `purge` find nothing left, which is a success.
    """

    def __init__(
        self,
        store: ObjectStore,
        config: RetryConfig,
        *,
        on_retry: Callable[[Retry], None] | None = None,
        on_retries_ended: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap a store.

        Args:
            store: makes each request once.
            config: how often to retry, and for how long.
            on_retry: called before each wait.
            on_retries_ended: called with the name of an operation that was retried, when it has
                succeeded or is given up.
            sleep: waits that many seconds.
            clock: in seconds.
        """
        if isinstance(store, RetryingStore):
            raise TypeError("this store already retries requests: pass the store that it wraps")
        self._store: Store = complete(store)
        self._config = config
        self._on_retry = on_retry
        self._on_retries_ended = on_retries_ended
        self._sleep = sleep
        self._clock = clock
        self._outages = Outages(config, store.url, clock)
        self.retries = 0
        """How many requests were repeated so far."""

    @property
    def url(self) -> str:
        """The URL of the wrapped store."""
        return self._store.url

    @property
    def service(self) -> str | None:
        """The service of the wrapped store (see `SupportsServerCopy`)."""
        return self._store.service

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
        """Write an object; the retry budget is renewed when the store has accepted more bytes."""
        retry = self._retry("put", f"store {self.uri(spec.name)}", spec.name)
        accepted_bytes = 0

        def watch(transferred: Transferred) -> None:
            nonlocal accepted_bytes
            if transferred.accepted_bytes > accepted_bytes:
                accepted_bytes = transferred.accepted_bytes
                retry.renew()
            if on_transfer:
                on_transfer(transferred)

        def put() -> BlobInfo:
            blob = self._store.put(
                spec, source, if_generation_match=if_generation_match, on_transfer=watch
            )
            if not self._copies(source):
                retry.call.add_bytes("transmit", blob.size_bytes)
            return blob

        return retry.once(put)

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        """Read an object; a broken read resumes after the last byte received."""
        retry = self._retry("open", f"read {self.uri(blob.name)}", blob.name)
        return _ResumingReader(self._store, retry, blob, start, stop)

    stat = _repeated(ObjectStore.stat, lambda store, name: f"look up {store.uri(name)}")
    update = _repeated(
        ObjectStore.update, lambda store, blob, *_, **__: f"update {store.uri(blob.name)}"
    )
    copy = _repeated(
        ObjectStore.copy,
        lambda store, source, target, **_: f"copy {store.uri(source.name)} to {store.uri(target)}",
    )
    restore = _repeated(
        SupportsSoftDelete.restore,
        lambda store, deleted, **_: f"restore {store.uri(deleted.blob.name)}",
    )
    noncurrent = _repeated(
        SupportsVersions.noncurrent,
        lambda store, prefix: f"list noncurrent versions of {store.url}/{prefix}",
    )
    names_after = _repeated(
        SupportsNames.names_after,
        lambda store, prefix, _: f"list the names in {store.url}/{prefix}",
    )
    settings = _repeated(
        SupportsSettings.settings, lambda store: f"read the settings of {store.url}"
    )
    change_settings = _repeated(
        SupportsSettings.change_settings,
        lambda store, *_, **__: f"change the settings of {store.url}",
    )
    facts = _repeated(SupportsFacts.facts, lambda store: f"read what is known of {store.url}")
    granted = _repeated(
        SupportsPermissions.granted, lambda store, _: f"read the permissions on {store.url}"
    )
    reclass = _repeated(
        SupportsReclass.reclass,
        lambda store, blob, _: f"change the storage class of {store.uri(blob.name)}",
    )
    signed_url = _repeated(
        SupportsSignedUrls.signed_url,
        lambda store, blob, **_: f"sign a URL of {store.uri(blob.name)}",
    )
    open_session = _repeated(
        SupportsUploadSessions.open_session,
        lambda store, spec, *_, **__: f"open an upload session for {store.uri(spec.name)}",
    )

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix; a broken listing resumes after the last one."""
        retry = self._retry("list", f"list {self.url}/{prefix}", prefix)
        after = start_after
        blobs: Iterator[BlobInfo] | None = None
        failure: Exception | None = None

        def resume() -> BlobInfo | None:
            nonlocal blobs, failure
            if failure:
                error, failure = failure, None
                raise error  # counts as the first attempt
            blobs = self._store.list(prefix, start_after=after)
            return next(blobs, None)

        with retry.call:
            while True:
                try:
                    is_first = blobs is None
                    if blobs is None:
                        blobs = self._store.list(prefix, start_after=after)
                    blob = next(blobs, None)
                    if is_first:
                        self._outages.responded("list")
                except Exception as error:  # noqa: BLE001  (the retry layer judges it)
                    failure = error
                    blob = retry(resume)
                    retry.renew()
                if blob is None:
                    return
                after = blob.name
                yield blob

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        """Delete an object."""
        operation = f"delete {self.uri(blob.name)}"
        self._remove(
            "delete",
            operation,
            blob.name,
            lambda: self._store.delete(blob, if_unchanged=if_unchanged),
        )

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield what can be restored; a broken listing starts again and skips what it returned."""
        seen: tuple[bytes, int] = (b"", 0)

        def position(item: DeletedBlob) -> tuple[bytes, int]:
            return item.blob.name.encode(), item.blob.generation

        items = self._restarting(
            self._retry("list_deleted", f"list deleted objects of {self.url}/{prefix}", prefix),
            lambda: self._store.list_deleted(prefix),
            lambda item: position(item) > seen,
        )
        for item in items:
            seen = position(item)
            yield item

    def purge(self, deleted: DeletedBlob) -> None:
        """Permanently remove a deleted generation."""
        operation = f"purge {self.uri(deleted.blob.name)}"
        self._remove("purge", operation, deleted.blob.name, lambda: self._store.purge(deleted))

    def foreign_files(self, prefix: str) -> Iterator[ForeignFile]:
        """Yield the files that are not objects; a broken listing starts again and skips them."""
        seen: set[str] = set()
        for file in self._restarting(
            self._retry("foreign_files", f"list foreign files of {self.url}/{prefix}", prefix),
            lambda: self._store.foreign_files(prefix),
            lambda file: file.path not in seen,
        ):
            seen.add(file.path)
            yield file

    def remove_foreign_file(self, file: ForeignFile) -> None:
        """Remove a file that is not an object."""
        self._remove(
            "remove_foreign_file",
            f"remove {file.path} from {self.url}",
            None,
            lambda: self._store.remove_foreign_file(file),
        )

    def diagnose(self) -> Iterator[Finding]:
        """Check what storing needs, without retries: the purpose is to find faults."""
        return self._store.diagnose()

    def concurrent_writes(self) -> ConcurrentWrites | None:
        """Return what the wrapped store has, which retries nothing; None if nothing may be retried.

        What it fails to write is written again with `put`.
        """
        if self._config.max_attempts == 1 or self._config.deadline_s == 0:
            return None
        writes = self._store.concurrent_writes()
        return None if writes is None else _NotedWrites(writes, self._outages)

    def close(self) -> None:
        """Close the wrapped store."""
        self._store.close()

    def _restarting(
        self, retry: "_Retry", start: Callable[[], Iterator[T]], is_new: Callable[[T], bool]
    ) -> Iterator[T]:
        items: Iterator[T] | None = None

        def resume() -> T | None:
            nonlocal items
            try:
                if items is None:
                    items = start()
                return next((item for item in items if is_new(item)), None)
            except Exception:
                items = None
                raise

        with retry.call:
            while (item := retry(resume)) is not None:
                retry.renew()
                yield item

    def _remove(
        self, kind: str, operation: str, name: str | None, step: Callable[[], None]
    ) -> None:
        attempts = 0

        def remove() -> None:
            nonlocal attempts
            attempts += 1
            try:
                step()
            except (BlobNotFoundError, PreconditionFailedError):
                if attempts == 1:
                    raise

        self._retry(kind, operation, name).once(remove)

    def _copies(self, source: Source) -> bool:
        """Say whether the service itself copies a source, so that no bytes pass through us."""
        return (
            self.service is not None
            and isinstance(source, StoredSource)
            and source.service == self.service
        )

    def _retry(self, kind: str, operation: str, name: str | None) -> "_Retry":
        self._outages.require_store(kind, operation)
        return _Retry(self, kind, operation, name)


class _NotedWrites:
    """Concurrent writes; what is written shows others that the store is not down."""

    def __init__(self, writes: ConcurrentWrites, outages: Outages) -> None:
        self._writes = writes
        self._outages = outages
        self.max_bytes = writes.max_bytes
        self.begin = writes.begin
        self.watch = writes.watch

    def turn(self, timeout_s: float) -> list[tuple[int, BlobInfo | Exception]]:
        ended = self._writes.turn(timeout_s)
        if any(isinstance(result, BlobInfo) for _, result in ended):
            self._outages.responded("put")
        return ended


class _Retry:
    """Repeats the steps of one operation, which share one budget."""

    def __init__(self, store: RetryingStore, kind: str, operation: str, name: str | None) -> None:
        self.call = store_call(kind, store.url, name)
        self.budget = Budget(
            store._config,
            clock=store._clock,
            outage_s=lambda: store._outages.failing_s(kind),
        )
        self._store = store
        self._kind = kind
        self._operation = operation
        self._has_retried = False

    def __call__(self, step: Callable[[], T]) -> T:
        store = self._store
        try:
            return retry_operation(
                lambda: self._attempt(step),
                store._config,
                self._operation,
                budget=self.budget,
                on_retry=self._report,
                sleep=store._sleep,
            )
        except Exception as error:
            if store._config.is_retryable(error):
                store._outages.given_up(self._kind, error)
            raise
        finally:
            if self._has_retried:
                self._has_retried = False
                if self._store._on_retries_ended:
                    self._store._on_retries_ended(self._operation)

    def once(self, step: Callable[[], T]) -> T:
        """Return what the only step of an operation returns."""
        with self.call, self.call.current():
            return self(step)

    def renew(self) -> None:
        """Restore the budget: the operation made progress."""
        self.budget.renew()
        self._store._outages.responded(self._kind)

    def _attempt(self, step: Callable[[], T]) -> T:
        try:
            result = step()
        except Exception as error:
            if self._store._config.is_retryable(error):
                self._store._outages.failed(self._kind, error)
            elif isinstance(error, _REFUSALS) or status_of(error) is not None:
                self._store._outages.responded(self._kind)
            raise
        self._store._outages.responded(self._kind)
        return result

    def _report(self, retry: Retry) -> None:
        self._has_retried = True
        self._store.retries += 1
        self.call.count_retry()
        if self._store._on_retry:
            self._store._on_retry(retry)


class _ResumingReader:
    """Reads one generation with as many requests as necessary."""

    def __init__(
        self, store: ObjectStore, retry: _Retry, blob: BlobInfo, start: int, stop: int | None
    ) -> None:
        self._store = store
        self._retry = retry
        self._blob = blob
        self._position = start
        self._stop = blob.size_bytes if stop is None else min(stop, blob.size_bytes)
        self._reader: BlobReader | None = self._step(self._open)

    def read(self, size: int, /) -> bytes:
        if self._position >= self._stop:
            return b""
        piece = self._step(lambda: self._read(size))
        self._retry.renew()
        self._position += len(piece)
        self._retry.call.add_bytes("receive", len(piece))
        if self._position >= self._stop:
            self._retry.call.end()
        return piece

    def close(self) -> None:
        self._release()
        self._retry.call.end()

    def _step(self, step: Callable[[], T]) -> T:
        try:
            return self._retry(step)
        except BaseException as error:
            self._retry.call.end(error)
            raise

    def _release(self) -> None:
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
            self._release()
            raise
