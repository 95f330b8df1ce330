"""What a store can do beyond the core verbs, each capability a protocol of its own.

A store implements the ones that it can. `complete` supplies what it lacks: without
`SupportsSoftDelete`, the trash is empty; without `SupportsSignedUrls`, signing is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from audiostore.dataclass import dataclass, field
from audiostore.errors import BlobNotFoundError, UnsupportedByStoreError
from audiostore.sources import Source
from audiostore.stores.protocol import BlobSpec, ObjectStore, StorageClass, TransferListener
from audiostore.values import BlobInfo, DeletedBlob


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one diagnostic check of a store."""

    subject: str
    ok: bool
    detail: str
    hint: str = ""
    """What to do about it, if anything."""

    @property
    def mark(self) -> Literal["ok", "note", "failed"]:
        """Whether it is fine, something to know that has a remedy, or what must be repaired."""
        if not self.ok:
            return "failed"
        return "note" if self.hint else "ok"

    def to_dict(self) -> dict[str, object]:
        """Return the fields, and the mark, as JSON types."""
        return {
            "subject": self.subject,
            "mark": self.mark,
            "ok": self.ok,
            "detail": self.detail,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The settings of a store."""

    metageneration: int
    """Counts the changes of these settings."""
    location: str
    storage_class: str
    """The default storage class of new objects."""
    soft_delete_s: int = 0
    """How long a deleted or overwritten object can be restored, in seconds; 0: not at all."""
    versioning: bool = False
    uniform_access: bool = True
    """Whether access is granted on the whole bucket only, not on single objects."""
    retention_s: int = 0
    """How long after its creation an object cannot be deleted or overwritten, in seconds."""
    retention_is_locked: bool = False
    autoclass: bool = False
    """Whether the store decides on the storage class of each object itself, and ignores others'."""
    cors: tuple[Mapping[str, object], ...] = field(default=(), hash=False)
    """As in the JSON API's bucket resource."""
    lifecycle_rules: tuple[Mapping[str, object], ...] = field(default=(), hash=False)
    """As in the JSON API's bucket resource: ``{"action": {…}, "condition": {…}}``."""
    prefix: str = ""
    """What stands before the names of this store's objects in these rules: the settings are those
    of a whole bucket, of which the store is the part under a prefix."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What is known of a store, even to a caller that may not read its settings."""

    keeps_deleted: bool
    """Whether an object that is deleted now can be restored."""
    location: str | None
    """None: unknown."""
    settings: StoreSettings | None = None
    """None: the caller may not read them, so that all else is unknown."""

    @classmethod
    def of(cls, settings: StoreSettings) -> "StoreFacts":
        """Return what settings tell."""
        return cls(settings.soft_delete_s > 0, settings.location, settings)


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A file or folder in a store that is not part of an object."""

    path: str
    """The path below the store's root."""
    description: str
    """What it is."""
    is_removable: bool
    """Whether it contains no data: an empty folder, or metadata of a deleted object."""
    changed_at: datetime


@runtime_checkable
class SupportsSoftDelete(Protocol):
    """Deleted and overwritten objects can be restored for a while."""

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield the deleted and overwritten generations that can still be restored.

        In the order of the names' UTF-8 bytes, then of generations.
        """
        ...

    def restore(self, deleted: DeletedBlob, *, if_generation_match: int = 0) -> BlobInfo:
        """Make a deleted generation live again: its bytes and metadata, as a new generation.

        Raises:
            BlobNotFoundError: it was permanently deleted.
            PreconditionFailedError: the live object of that name has another generation.
        """
        ...

    def purge(self, deleted: DeletedBlob) -> None:
        """Permanently remove a deleted generation before `gone_at`.

        Raises:
            BlobNotFoundError: it was permanently deleted already.
            UnsupportedByStoreError: the store keeps it until `gone_at` in any case.
        """
        ...


@runtime_checkable
class SupportsVersions(Protocol):
    """What is replaced, or deleted by other programs, may stay readable as a noncurrent version."""

    def noncurrent(self, prefix: str) -> tuple[BlobInfo, ...]:
        """Return the noncurrent versions of the objects under a prefix, such as one asset's.

        `ObjectStore.delete` deletes such a version, `ObjectStore.copy` makes it live again.
        """
        ...


@runtime_checkable
class SupportsServerCopy(Protocol):
    """`ObjectStore.put` of a `StoredSource` copies within a service: nobody reads the bytes."""

    @property
    def service(self) -> str | None:
        """What identifies the service, such as its URL: its stores copy from each other.

        None: there is none, so that bytes are read.
        """
        ...


@runtime_checkable
class SupportsNames(Protocol):
    """Names are listed for much less than the descriptions of objects."""

    def names_after(self, prefix: str, start_after: str) -> tuple[str, ...] | None:
        """Return some of the next names under a prefix, at least one; () if none is left.

        In the order of the names' UTF-8 bytes, as many as one request returns. None: the store can
        only list descriptions.
        """
        ...


@runtime_checkable
class SupportsSettings(Protocol):
    """The store has settings of its own."""

    def settings(self) -> StoreSettings:
        """Return the settings."""
        ...

    def change_settings(
        self,
        present: StoreSettings,
        *,
        lifecycle_rules: tuple[Mapping[str, object], ...] | None = None,
        soft_delete_s: int | None = None,
        retention_s: int | None = None,
    ) -> StoreSettings:
        """Change settings of the store; None leaves one as it is.

        Raises:
            PreconditionFailedError: the settings are no longer those in `present`.
            ValueError: the store does not accept such a setting.
            UnsupportedByStoreError: its settings cannot be changed.
        """
        ...


@runtime_checkable
class SupportsFacts(Protocol):
    """Some of a store's settings are known even to a caller that may not read them."""

    def facts(self) -> StoreFacts:
        """Return what is known of the store."""
        ...


@runtime_checkable
class SupportsPermissions(Protocol):
    """The store distinguishes what a caller may do."""

    def granted(self, permissions: Sequence[str]) -> frozenset[str]:
        """Return which of these permissions (``storage.objects.create`` …) the caller has."""
        ...


@runtime_checkable
class SupportsReclass(Protocol):
    """An object can change its storage class in place."""

    def reclass(self, blob: BlobInfo, storage_class: StorageClass) -> BlobInfo:
        """Change an object's storage class in place, as a bucket's own lifecycle rules do.

        Bytes, generation and creation time stay; `class_changed_at` becomes now.

        Raises:
            BlobNotFoundError: no such object.
            PreconditionFailedError: the object no longer has the generation and metageneration of
                `blob`.
            UnsupportedByStoreError: only `ObjectStore.copy` changes the class, and the generation.
        """
        ...


@runtime_checkable
class SupportsForeignFiles(Protocol):
    """Other programs can put files among the store's own."""

    def foreign_files(self, prefix: str) -> Iterator[ForeignFile]:
        """Yield the files and folders under a prefix that are not objects."""
        ...

    def remove_foreign_file(self, file: ForeignFile) -> None:
        """Remove something that `foreign_files` found, if it has not changed since.

        Raises:
            BlobNotFoundError: it is gone, or has changed.
            ValueError: it is not removable.
        """
        ...


@runtime_checkable
class SupportsSignedUrls(Protocol):
    """Anyone who holds a URL can read an object for a while."""

    def signed_url(
        self,
        blob: BlobInfo,
        *,
        expires_s: int,
        download_as: str | None = None,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> str:
        """Return a URL by which anyone can read this generation of an object for a while.

        Args:
            blob: the object.
            expires_s: its lifetime in seconds from now, 1 to 604,800 (seven days).
            download_as: the file name that browsers save it under; None: they play it.
            method: of the request that the URL is for.

        Raises:
            UnsupportedByStoreError: the store has no such URLs.
            CredentialsError: these credentials cannot sign; the message says what to do.
            ValueError: `expires_s` is out of range.
        """
        ...


@runtime_checkable
class SupportsUploadSessions(Protocol):
    """Anyone who holds the URL of a session can write one object, by requests of their own."""

    def open_session(
        self,
        spec: BlobSpec,
        size_bytes: int,
        *,
        crc32c: str | None = None,
        origin: str | None = None,
    ) -> str | None:
        """Open a session that creates an object, for a program that holds no credentials.

        Its protocol is that of cloud.google.com/storage/docs/performing-resumable-uploads: PUT with
        Content-Range, resumed after a break where the service says. The object appears whole.

        Args:
            spec: the object; it must not exist when the last byte arrives.
            size_bytes: how many bytes it must have.
            crc32c: the checksum that they must have, if that is known.
            origin: the origin of the web page that sends them, such as ``https://app.example``:
                browsers let only its pages read what the session answers.

        Returns:
            the URL, a secret; None: the store has no sessions.
        """
        ...


class ConcurrentWrites(Protocol):
    """New objects that one thread writes, many at once. Used by the thread that turns it.

    Each request is sent once. After an error, the object may have been written all the same: write
    it again with `ObjectStore.put`, which retries, and compare what is there.
    """

    @property
    def max_bytes(self) -> int:
        """The largest object that can be written so."""
        ...

    def begin(
        self,
        key: int,
        spec: BlobSpec,
        source: Source,
        on_transfer: TransferListener | None = None,
    ) -> None:
        """Start writing an object that must not exist; `turn` returns what became of it.

        Args:
            key: identifies it.
            spec: name, content type, metadata.
            source: the bytes.
            on_transfer: called with the progress from time to time.

        Raises:
            Exception: it cannot even be started.
        """
        ...

    def turn(self, timeout_s: float) -> list[tuple[int, BlobInfo | Exception]]:
        """Wait until something can go on, let it, and return those that have ended, by their keys.

        Args:
            timeout_s: return after so long without any.
        """
        ...

    def watch(self, descriptor: int) -> None:
        """Let `turn` return, too, when this descriptor can be read."""
        ...


@runtime_checkable
class SupportsConcurrentWrites(Protocol):
    """One thread can write many small objects at once."""

    def concurrent_writes(self) -> ConcurrentWrites | None:
        """Return a way to do so, which opens nothing before its first use; None: there is none."""
        ...


@runtime_checkable
class SupportsDiagnosis(Protocol):
    """The store can check whether everything that it needs is in place."""

    def diagnose(self) -> Iterator[Finding]:
        """Check everything that storing needs, step by step, without leaving a trace."""
        ...


class StoreAdmin(
    SupportsVersions,
    SupportsServerCopy,
    SupportsSettings,
    SupportsFacts,
    SupportsPermissions,
    SupportsReclass,
    SupportsForeignFiles,
    SupportsSignedUrls,
    SupportsUploadSessions,
    SupportsDiagnosis,
    Protocol,
):
    """Everything about a store that is not reading and writing objects."""


@runtime_checkable
class Store(
    ObjectStore,
    SupportsSoftDelete,
    SupportsNames,
    SupportsConcurrentWrites,
    StoreAdmin,
    Protocol,
):
    """A store with every capability, its own or supplied by `complete`."""


def complete(store: ObjectStore) -> Store:
    """Return a store with every capability: its own, and `Absent` for those that it lacks."""
    return store if isinstance(store, Store) else _Completed(store)


class Absent:
    """Implements the capabilities that a store lacks, by returning nothing or refusing."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield nothing: a deleted object is gone."""
        del prefix
        return iter(())

    def restore(self, deleted: DeletedBlob, *, if_generation_match: int = 0) -> BlobInfo:
        """Find nothing to restore."""
        del if_generation_match
        raise BlobNotFoundError(f"{self._store.uri(deleted.blob.name)} is gone: no trash to search")

    def purge(self, deleted: DeletedBlob) -> None:
        """Find nothing to purge."""
        self.restore(deleted)

    def noncurrent(self, prefix: str) -> tuple[BlobInfo, ...]:
        """Return nothing: only the live objects can be read."""
        del prefix
        return ()

    service = None
    """No service copies: what is stored is read."""

    def names_after(self, prefix: str, start_after: str) -> None:
        """Return None: names come with descriptions only."""
        del prefix, start_after

    def concurrent_writes(self) -> None:
        """Return None: each object is written by a thread."""

    def settings(self) -> StoreSettings:
        """Return the settings of a store that keeps nothing deleted and has no rules."""
        return StoreSettings(metageneration=1, location=self._store.url, storage_class="STANDARD")

    def change_settings(
        self,
        present: StoreSettings,
        *,
        lifecycle_rules: tuple[Mapping[str, object], ...] | None = None,
        soft_delete_s: int | None = None,
        retention_s: int | None = None,
    ) -> StoreSettings:
        """Refuse.

        Raises:
            UnsupportedByStoreError: always.
        """
        del present, lifecycle_rules, soft_delete_s, retention_s
        raise UnsupportedByStoreError(f"{self._store.url} has no settings that could be changed")

    def facts(self) -> StoreFacts:
        """Return what the settings tell."""
        known = self._store if isinstance(self._store, SupportsSettings) else self
        return StoreFacts.of(known.settings())

    def granted(self, permissions: Sequence[str]) -> frozenset[str]:
        """Grant everything: the store checks no permissions."""
        return frozenset(permissions)

    def reclass(self, blob: BlobInfo, storage_class: StorageClass) -> BlobInfo:
        """Refuse.

        Raises:
            UnsupportedByStoreError: always.
        """
        raise UnsupportedByStoreError(
            f"cannot change {self._store.uri(blob.name)} to {storage_class} in place: copy it "
            "onto itself with that storage class"
        )

    def foreign_files(self, prefix: str) -> Iterator[ForeignFile]:
        """Yield nothing: everything in the store is an object."""
        del prefix
        return iter(())

    def remove_foreign_file(self, file: ForeignFile) -> None:
        """Find nothing to remove.

        Raises:
            BlobNotFoundError: always.
        """
        raise BlobNotFoundError(f"no foreign file {file.path} in {self._store.url}")

    def signed_url(
        self,
        blob: BlobInfo,
        *,
        expires_s: int,
        download_as: str | None = None,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> str:
        """Refuse.

        Raises:
            UnsupportedByStoreError: always.
        """
        del expires_s, download_as, method
        raise UnsupportedByStoreError(
            f"{self._store.uri(blob.name)} has no URL that others could open: copy the asset to a "
            "bucket, and sign it there"
        )

    def open_session(
        self,
        spec: BlobSpec,
        size_bytes: int,
        *,
        crc32c: str | None = None,
        origin: str | None = None,
    ) -> None:
        """Return None: there are no sessions."""
        del spec, size_bytes, crc32c, origin

    def diagnose(self) -> Iterator[Finding]:
        """Name the store, which has no checks of its own."""
        yield Finding("store", ok=True, detail=self._store.url)


class _Completed:
    """A store, its capabilities, and the absence of the others."""

    def __init__(self, store: ObjectStore) -> None:
        absent = Absent(store)
        self.url = store.url
        self.uri, self.put, self.open, self.stat = store.uri, store.put, store.open, store.stat
        self.list, self.update, self.copy = store.list, store.update, store.copy
        self.delete, self.close = store.delete, store.close
        trash: SupportsSoftDelete = store if isinstance(store, SupportsSoftDelete) else absent
        self.list_deleted, self.restore, self.purge = trash.list_deleted, trash.restore, trash.purge
        versions: SupportsVersions = store if isinstance(store, SupportsVersions) else absent
        self.noncurrent = versions.noncurrent
        copies: SupportsServerCopy = store if isinstance(store, SupportsServerCopy) else absent
        self.service = copies.service
        names: SupportsNames = store if isinstance(store, SupportsNames) else absent
        self.names_after = names.names_after
        writes: SupportsConcurrentWrites = (
            store if isinstance(store, SupportsConcurrentWrites) else absent
        )
        self.concurrent_writes = writes.concurrent_writes
        settings: SupportsSettings = store if isinstance(store, SupportsSettings) else absent
        self.settings, self.change_settings = settings.settings, settings.change_settings
        facts: SupportsFacts = store if isinstance(store, SupportsFacts) else absent
        self.facts = facts.facts
        permissions: SupportsPermissions = (
            store if isinstance(store, SupportsPermissions) else absent
        )
        self.granted = permissions.granted
        classes: SupportsReclass = store if isinstance(store, SupportsReclass) else absent
        self.reclass = classes.reclass
        files: SupportsForeignFiles = store if isinstance(store, SupportsForeignFiles) else absent
        self.foreign_files = files.foreign_files
        self.remove_foreign_file = files.remove_foreign_file
        urls: SupportsSignedUrls = store if isinstance(store, SupportsSignedUrls) else absent
        self.signed_url = urls.signed_url
        sessions: SupportsUploadSessions = (
            store if isinstance(store, SupportsUploadSessions) else absent
        )
        self.open_session = sessions.open_session
        diagnosis: SupportsDiagnosis = store if isinstance(store, SupportsDiagnosis) else absent
        self.diagnose = diagnosis.diagnose
