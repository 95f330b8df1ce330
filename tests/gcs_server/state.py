"""What the service holds: buckets, live objects, every generation ever finalized.

Every change is made in one step under one lock, with the preconditions judged in that same step.
"""

from __future__ import annotations

import base64
import bisect
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, cast

from .blobs import Blob, BlobWriter
from .errors import ApiError, condition_not_met, forbidden, invalid, no_bucket, no_object
from .errors import not_modified as not_modified_error

Json = dict[str, Any]


@dataclass(frozen=True)
class Preconditions:
    """The `if…Match` parameters of one request, on one object."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, current: StoredObject | None, *, reading: bool = False) -> None:
        """Refuse with 412 (or 304, when reading what did not change) what does not hold."""
        generation = 0 if current is None else current.generation
        if self.generation_match is not None and self.generation_match != generation:
            raise condition_not_met()
        if self.generation_not_match is not None and self.generation_not_match == generation:
            raise not_modified_error() if reading else condition_not_met()
        meta = None if current is None else current.metageneration
        if self.metageneration_match is not None and self.metageneration_match != meta:
            raise condition_not_met()
        if self.metageneration_not_match is not None and (
            meta is None or self.metageneration_not_match == meta
        ):
            raise not_modified_error() if reading else condition_not_met()


@dataclass(frozen=True)
class StoredObject:
    """One generation of one object, as it stood at one moment.

    `fields` holds the writable fields under their JSON names, `metadata` among them.
    """

    bucket: str
    name: str
    generation: int
    metageneration: int
    fields: Mapping[str, Any]
    time_created: str
    updated: str
    blob: Blob = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.blob.size

    @property
    def crc32c(self) -> str:
        """The CRC32C, base64 of big-endian."""
        return self.blob.crc32c

    @property
    def md5_hash(self) -> str:
        """The MD5, base64."""
        return self.blob.md5_hash

    @property
    def content_type(self) -> str | None:
        """The media type."""
        return cast("str | None", self.fields.get("contentType"))

    @property
    def cache_control(self) -> str | None:
        """The Cache-Control of the object."""
        return cast("str | None", self.fields.get("cacheControl"))

    @property
    def content_disposition(self) -> str | None:
        """The Content-Disposition of the object."""
        return cast("str | None", self.fields.get("contentDisposition"))

    @property
    def storage_class(self) -> str:
        """The storage class."""
        return cast("str", self.fields.get("storageClass", "STANDARD"))

    @property
    def metadata(self) -> dict[str, str]:
        """The custom metadata (a copy)."""
        return dict(self.fields.get("metadata") or {})

    @property
    def etag(self) -> str:
        """A tag of this generation and metageneration."""
        raw = b"\x08" + self.generation.to_bytes(8, "big") + bytes([self.metageneration & 255])
        return base64.b64encode(raw).decode()


def now() -> str:
    """Give the moment as the service writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass
class Bucket:
    """One bucket: its live objects, their names in order, and the generations it ever saw."""

    name: str
    time_created: str
    objects: dict[str, StoredObject] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    history: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """One page of a listing; `last` is the entry to continue after, None when it is the end."""

    items: list[StoredObject]
    prefixes: list[str]
    last: str | None


class State:
    """The thread-safe store."""

    def __init__(
        self,
        directory: Path,
        buckets: tuple[str, ...],
        *,
        discard: bool = False,
        validate_checksums: bool = True,
    ) -> None:
        self.directory = directory
        self.discard = discard
        self.validate_checksums = validate_checksums
        self.lock = RLock()
        self._buckets = {name: Bucket(name, now()) for name in buckets}
        self._last_generation = 0

    def writer(self) -> BlobWriter:
        """Start a new body."""
        return BlobWriter(self.directory, discard=self.discard)

    def bucket(self, name: str) -> Bucket:
        """Give a bucket or refuse with 404."""
        with self.lock:
            found = self._buckets.get(name)
        if found is None:
            raise no_bucket()
        return found

    def create_bucket(self, name: str) -> Bucket:
        """Make a bucket; 409 when it is there."""
        with self.lock:
            if name in self._buckets:
                raise ApiError(
                    409,
                    "conflict",
                    "Your previous request to create the named bucket succeeded and you already "
                    "own it.",
                )
            made = self._buckets[name] = Bucket(name, now())
            return made

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """Give the live object, None when there is none."""
        with self.lock:
            return self.bucket(bucket).objects.get(name)

    def get(
        self, bucket: str, name: str, generation: int | None, conditions: Preconditions
    ) -> StoredObject:
        """Give the live object if it is the generation asked for and the preconditions hold."""
        with self.lock:
            found = self._live(bucket, name, generation)
            conditions.check(found, reading=True)
            return found

    def check(self, bucket: str, name: str, conditions: Preconditions) -> None:
        """Judge the preconditions of a write without writing."""
        with self.lock:
            conditions.check(self.find(bucket, name))

    def store(
        self,
        bucket: str,
        name: str,
        blob: Blob,
        fields: Json,
        conditions: Preconditions,
        *,
        may_overwrite: bool = True,
    ) -> StoredObject:
        """Make a new generation visible, bytes and metadata in one step."""
        with self.lock:
            home = self.bucket(bucket)
            current = home.objects.get(name)
            conditions.check(current)
            if current is not None and not may_overwrite:
                raise forbidden("storage.objects.delete")
            self._verify(blob, fields)
            kept = {k: v for k, v in fields.items() if k not in {"crc32c", "md5Hash", "name"}}
            moment = now()
            made = StoredObject(
                bucket, name, self._next_generation(), 1, kept, moment, moment, blob
            )
            home.objects[name] = made
            home.history.setdefault(name, []).append(made.generation)
            if current is None:
                bisect.insort(home.names, name)
            else:
                current.blob.remove()
            return made

    def patch(
        self,
        bucket: str,
        name: str,
        generation: int | None,
        conditions: Preconditions,
        changes: Json,
    ) -> StoredObject:
        """Merge `changes` into the writable fields; one more metageneration."""
        with self.lock:
            found = self._live(bucket, name, generation)
            conditions.check(found)
            fields = dict(found.fields)
            for key, value in changes.items():
                if value is None:
                    fields.pop(key, None)
                elif key == "metadata":
                    merged = {**(fields.get("metadata") or {}), **value}
                    fields[key] = {k: v for k, v in merged.items() if v is not None}
                else:
                    fields[key] = value
            check_metadata_size(fields.get("metadata"))
            made = replace(
                found, fields=fields, metageneration=found.metageneration + 1, updated=now()
            )
            self.bucket(bucket).objects[name] = made
            return made

    def delete(
        self, bucket: str, name: str, generation: int | None, conditions: Preconditions
    ) -> None:
        """Remove the live object."""
        with self.lock:
            found = self._live(bucket, name, generation)
            conditions.check(found)
            home = self.bucket(bucket)
            del home.objects[name]
            del home.names[bisect.bisect_left(home.names, name)]
            found.blob.remove()

    def open(self, record: StoredObject) -> Any:
        """Open the bytes of a generation; 404 when it was replaced in the meantime."""
        try:
            stream = record.blob.open()
        except FileNotFoundError:
            raise no_object(record.bucket, record.name) from None
        if stream is None:
            raise ApiError(501, "notImplemented", "This server was told to discard the bytes.")
        return stream

    def page(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        start: str = "",
        end: str = "",
        after: str | None = None,
        limit: int = 1000,
        trailing: bool = False,
    ) -> Page:
        """Give one page, items and prefixes counted together, in UTF-8 order of names."""
        items: list[StoredObject] = []
        prefixes: list[str] = []
        last: str | None = None
        with self.lock:
            home = self.bucket(bucket)
            names = home.names
            at = bisect.bisect_left(names, max(prefix, start))
            if after is not None:
                at = max(at, bisect.bisect_right(names, after))
            while at < len(names) and names[at].startswith(prefix):
                name = names[at]
                if end and name >= end:
                    break
                cut = name.find(delimiter, len(prefix)) if delimiter else -1
                group = name[: cut + len(delimiter)] if cut >= 0 else None
                seen = group is not None and (
                    group == after
                    or (bool(prefixes) and prefixes[-1] == group)
                    or (after is not None and after.startswith(group))
                )
                whole = group is None or (trailing and name == group)
                if seen and not whole:
                    at += 1
                    continue
                if len(items) + len(prefixes) >= limit:
                    return Page(items, prefixes, last)
                if group is not None and not seen:
                    prefixes.append(group)
                    last = group
                if whole:
                    items.append(home.objects[name])
                    last = name
                at += 1
        return Page(items, prefixes, None)

    def objects(self, bucket: str) -> list[StoredObject]:
        """Give every live object of a bucket, in order of names."""
        with self.lock:
            home = self.bucket(bucket)
            return [home.objects[name] for name in home.names]

    def generations(self, bucket: str, name: str) -> list[int]:
        """Give every generation ever finalized under a name."""
        with self.lock:
            return [*self.bucket(bucket).history.get(name, [])]

    def _live(self, bucket: str, name: str, generation: int | None) -> StoredObject:
        found = self.find(bucket, name)
        if found is None or generation not in (None, found.generation):
            raise no_object(bucket, name)
        return found

    def _next_generation(self) -> int:
        self._last_generation = max(time.time_ns() // 1000, self._last_generation + 1)
        return self._last_generation

    def _verify(self, blob: Blob, fields: Json) -> None:
        if not self.validate_checksums:
            return
        for key, label, actual in (
            ("crc32c", "CRC32C", blob.crc32c),
            ("md5Hash", "MD5 hash", blob.md5_hash),
        ):
            given = fields.get(key)
            if given is not None and given != actual:
                raise invalid(
                    f'Provided {label} "{given}" doesn\'t match calculated {label} "{actual}".'
                )


def check_metadata_size(metadata: Mapping[str, str] | None) -> None:
    """Refuse custom metadata over 8 KiB in all."""
    total = sum(len(k.encode()) + len((v or "").encode()) for k, v in (metadata or {}).items())
    if total > 8192:
        raise invalid(f"The total size of custom metadata is {total} bytes; the limit is 8192.")
