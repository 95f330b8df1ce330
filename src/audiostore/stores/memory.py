"""MemoryStore: a store in memory, for tests of audiostore and of programs that use it."""

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from io import BytesIO
from typing import Literal
from urllib.parse import quote, urlencode
from weakref import WeakValueDictionary

import google_crc32c

from audiostore.dataclass import dataclass, replace
from audiostore.errors import (
    BlobNotFoundError,
    IntegrityError,
    PreconditionFailedError,
)
from audiostore.sources import Source, encode_crc32c
from audiostore.stores.capabilities import StoreSettings
from audiostore.stores.clock import utc_now
from audiostore.stores.protection import held_error, refuse_kms_key, retained
from audiostore.stores.protocol import (
    BlobReader,
    BlobSpec,
    StorageClass,
    TransferListener,
    Transferred,
    spec_of,
)
from audiostore.values import BlobInfo, DeletedBlob, changed, same_version

_PIECE_BYTES = 1 << 20
_SOFT_DELETE_S = 7 * 24 * 3600
_LONGEST_URL_S = 7 * 24 * 3600
_PICKLED: "WeakValueDictionary[int, MemoryStore]" = WeakValueDictionary()
"""Stores that were pickled, while something else holds them."""


@dataclass(frozen=True, slots=True)
class _Blob:
    info: BlobInfo
    data: bytes


@dataclass(frozen=True, slots=True)
class _Trashed:
    info: DeletedBlob
    data: bytes


class MemoryStore:
    """Objects in a dictionary, which is lost with the process. Safe to use from many threads.

    Pickled and unpickled in one process, it is the same store; in any other it cannot be unpickled,
    because it would be a different one. Its signed URLs name what they are for, as those of a
    bucket do, but nothing answers them.
    """

    def __init__(self, name: str = "memory", *, now: Callable[[], datetime] = utc_now) -> None:
        """Create an empty store.

        Args:
            name: of the store, in its URL.
            now: the clock for the times of objects, and for the expiry of deleted ones.
        """
        self._name = name
        self._now = now
        self._blobs: dict[str, _Blob] = {}
        self._trash: list[_Trashed] = []
        self._settings = StoreSettings(
            metageneration=1,
            location="this process",
            storage_class="STANDARD",
            soft_delete_s=_SOFT_DELETE_S,
        )
        self._lock = threading.RLock()
        self._last_generation = 0

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as a reference, which only this process can follow."""
        _PICKLED[id(self)] = self
        return _same_store, (self.url, os.getpid(), id(self))

    @property
    def url(self) -> str:
        """``memory://name``."""
        return f"memory://{self._name}"

    def uri(self, name: str) -> str:
        """Return ``memory://name/object``."""
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
        refuse_kms_key(spec, self.url)
        self._require_generation(spec.name, if_generation_match)
        data = bytearray()
        with closing(source.open()) as reader:
            while piece := reader.read(_PIECE_BYTES):
                data += piece
                if on_transfer:
                    on_transfer(Transferred(len(data), 0))
        crc32c = encode_crc32c(google_crc32c.value(bytes(data)))
        if crc32c != source.crc32c:
            raise IntegrityError(
                f"{self.uri(spec.name)} was not stored: the bytes that were read have crc32c "
                f"{crc32c}, not {source.crc32c}"
            )
        return self._commit(spec, bytes(data), if_generation_match)

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        """Read an object (see `ObjectStore.open`)."""
        return BytesIO(self._get_generation(blob).data[start:stop])

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description."""
        return self._retained(self._get(name).info)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix in the order of their names' bytes."""
        with self._lock:
            names = [n for n in self._blobs if n.startswith(prefix)]
        after = start_after.encode()
        for name in sorted(names, key=str.encode):
            blob = self._blobs.get(name)
            if blob is not None and name.encode() > after:
                yield self._retained(blob.info)

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
        with self._lock:
            found = self._get(blob.name)
            present = found.info
            self._require_unchanged(present, blob)
            info = changed(
                present,
                metadata,
                content_type=content_type,
                temporary_hold=temporary_hold,
                custom_time=custom_time,
            )
            self._blobs[blob.name] = _Blob(info, found.data)
        return info

    def copy(
        self,
        source: BlobInfo,
        target: str,
        *,
        if_generation_match: int = 0,
        storage_class: StorageClass | None = None,
    ) -> BlobInfo:
        """Copy an object (see `ObjectStore.copy`)."""
        with self._lock:
            blob = self._get_generation(source)
            spec = spec_of(blob.info, target)
            if storage_class is not None:
                spec = replace(spec, storage_class=storage_class)
            return self._commit(spec, blob.data, if_generation_match)

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        """Delete an object (see `ObjectStore.delete`)."""
        with self._lock:
            present = self._get(blob.name).info
            self._require_generation(blob.name, blob.generation)
            if if_unchanged:
                self._require_unchanged(present, blob)
            self._remove(blob.name)

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield what can be restored (see `SupportsSoftDelete.list_deleted`)."""
        with self._lock:
            self._expire()
            found = [t.info for t in self._trash if t.info.blob.name.startswith(prefix)]
        yield from sorted(found, key=lambda d: (d.blob.name.encode(), d.blob.generation))

    def restore(self, deleted: DeletedBlob, *, if_generation_match: int = 0) -> BlobInfo:
        """Make a deleted generation live again (see `SupportsSoftDelete.restore`)."""
        with self._lock:
            trashed = self._trashed(deleted)
            blob = trashed.info.blob
            info = self._commit(spec_of(blob, blob.name), trashed.data, if_generation_match)
            self._trash.remove(trashed)
        return info

    def purge(self, deleted: DeletedBlob) -> None:
        """Permanently remove a deleted generation (see `SupportsSoftDelete.purge`)."""
        with self._lock:
            trashed = self._trashed(deleted)
            self._trash.remove(trashed)

    def settings(self) -> StoreSettings:
        """Return the settings of the store."""
        return self._settings

    def change_settings(
        self,
        present: StoreSettings,
        *,
        lifecycle_rules: tuple[Mapping[str, object], ...] | None = None,
        soft_delete_s: int | None = None,
        retention_s: int | None = None,
    ) -> StoreSettings:
        """Change settings of the store (see `SupportsSettings.change_settings`)."""
        for name, value in (("soft_delete_s", soft_delete_s), ("retention_s", retention_s)):
            if value is not None and value < 0:
                raise ValueError(f"{name} is {value!r}: give whole seconds, from 0")
        with self._lock:
            if present.metageneration != self._settings.metageneration:
                raise PreconditionFailedError(
                    f"the settings of {self.url} have changed: read them again"
                )
            now = self._settings
            self._settings = replace(
                now,
                metageneration=now.metageneration + 1,
                lifecycle_rules=now.lifecycle_rules if lifecycle_rules is None else lifecycle_rules,
                soft_delete_s=now.soft_delete_s if soft_delete_s is None else soft_delete_s,
                retention_s=now.retention_s if retention_s is None else retention_s,
            )
            return self._settings

    def reclass(self, blob: BlobInfo, storage_class: StorageClass) -> BlobInfo:
        """Change an object's storage class in place (see `SupportsReclass.reclass`)."""
        with self._lock:
            info = replace(
                self.update(blob, {}), storage_class=storage_class, class_changed_at=self._now()
            )
            self._blobs[blob.name] = replace(self._blobs[blob.name], info=info)
        return info

    def signed_url(
        self,
        blob: BlobInfo,
        *,
        expires_s: int,
        download_as: str | None = None,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> str:
        """Return a URL that names a generation of an object, when it expires, and the rest.

        Raises:
            ValueError: `expires_s` is out of range.
        """
        if not 1 <= expires_s <= _LONGEST_URL_S:
            raise ValueError(
                f"expires_s is {expires_s}: a signed URL lasts 1 to {_LONGEST_URL_S} seconds"
            )
        expires = self._now() + timedelta(seconds=expires_s)
        query = {
            "generation": str(blob.generation),
            "method": method,
            "expires": f"{expires:%Y%m%dT%H%M%SZ}",
            **({} if download_as is None else {"download_as": download_as}),
        }
        return f"{self.url}/{quote(blob.name)}?{urlencode(query)}"

    def close(self) -> None:
        """Keep everything: the objects live as long as this store."""

    def _commit(self, spec: BlobSpec, data: bytes, if_generation_match: int) -> BlobInfo:
        with self._lock:
            self._require_generation(spec.name, if_generation_match)
            if if_generation_match:
                self._remove(spec.name)
            now = self._now()
            generation = max(int(now.timestamp() * 1e6), self._last_generation + 1)
            self._last_generation = generation
            info = BlobInfo(
                name=spec.name,
                size_bytes=len(data),
                content_type=spec.content_type,
                crc32c=encode_crc32c(google_crc32c.value(data)),
                generation=generation,
                metageneration=1,
                storage_class=spec.storage_class or "STANDARD",
                created_at=now,
                md5_hash=base64.b64encode(
                    hashlib.md5(data, usedforsecurity=False).digest()
                ).decode(),
                metadata=dict(spec.metadata),
                cache_control=spec.cache_control,
                content_disposition=spec.content_disposition,
                custom_time=spec.custom_time,
            )
            self._blobs[spec.name] = _Blob(info, data)
        return info

    def _retained(self, info: BlobInfo) -> BlobInfo:
        return retained(info, self._settings.retention_s, self._now())

    def _remove(self, name: str) -> None:
        """Move an object to the trash, if there is one; the caller holds the lock."""
        blob = self._blobs[name]
        now = self._now()
        info = self._retained(blob.info)
        if info.kept_by:
            raise held_error(info, self.uri(name), "it was not changed")
        del self._blobs[name]
        if self._settings.soft_delete_s:
            gone_at = now + timedelta(seconds=self._settings.soft_delete_s)
            self._trash.append(_Trashed(DeletedBlob(blob.info, now, gone_at), blob.data))

    def _trashed(self, deleted: DeletedBlob) -> _Trashed:
        self._expire()
        wanted = (deleted.blob.name, deleted.blob.generation)
        for trashed in self._trash:
            if (trashed.info.blob.name, trashed.info.blob.generation) == wanted:
                return trashed
        raise BlobNotFoundError(
            f"no deleted {self.uri(deleted.blob.name)} of generation {deleted.blob.generation}"
        )

    def _expire(self) -> None:
        now = self._now()
        self._trash = [trashed for trashed in self._trash if trashed.info.gone_at > now]

    def _get(self, name: str) -> _Blob:
        try:
            return self._blobs[name]
        except KeyError:
            raise BlobNotFoundError(f"no object {self.uri(name)}") from None

    def _get_generation(self, blob: BlobInfo) -> _Blob:
        found = self._get(blob.name)
        if found.info.generation != blob.generation:
            raise BlobNotFoundError(f"no {self.uri(blob.name)} of generation {blob.generation}")
        return found

    def _require_unchanged(self, present: BlobInfo, expected: BlobInfo) -> None:
        if not same_version(present, expected):
            raise PreconditionFailedError(f"{self.uri(present.name)} has changed")

    def _require_generation(self, name: str, generation: int) -> None:
        blob = self._blobs.get(name)
        present = blob.info.generation if blob else 0
        if present != generation:
            raise PreconditionFailedError(
                f"{self.uri(name)} has generation {present}, not {generation} (0: does not exist)"
            )


def _same_store(url: str, process: int, number: int) -> MemoryStore:
    found = _PICKLED.get(number) if process == os.getpid() else None
    if found is None:
        raise TypeError(
            f"{url} lives in the memory of the process {process}, and only while something there "
            "holds it: to share a store, use a LocalStore"
        )
    return found
