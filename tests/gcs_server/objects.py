"""One generation of an object, and the preconditions that a request puts on it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from .blobs import Blob
from .encryption import Encryption
from .errors import condition_not_met, invalid, not_modified as not_modified_error

Json = dict[str, Any]


@dataclass(frozen=True)
class Preconditions:
    """The `if…Match` parameters of one request, on one object."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, current: StoredObject | None, *, reading: bool = False) -> None:
        """Raise 412 if a precondition does not hold (304 for a read of what did not change)."""
        generation = 0 if current is None else current.generation
        if self.generation_match is not None and self.generation_match != generation:
            raise condition_not_met()
        if self.generation_not_match is not None and self.generation_not_match == generation:
            raise not_modified_error() if reading else condition_not_met()
        self.check_meta(None if current is None else current.metageneration, reading=reading)

    def check_meta(self, metageneration: int | None, *, reading: bool = False) -> None:
        """Check the two preconditions on a metageneration, of an object or of a bucket."""
        if self.metageneration_match is not None and self.metageneration_match != metageneration:
            raise condition_not_met()
        if self.metageneration_not_match is not None and (
            metageneration is None or self.metageneration_not_match == metageneration
        ):
            raise not_modified_error() if reading else condition_not_met()


@dataclass(frozen=True)
class StoredObject:
    """One generation of one object, at one moment.

    `fields` holds the writable fields under their JSON names, `metadata` among them.
    `time_deleted` is set when it becomes noncurrent, `soft_delete_time` and `hard_delete_time` when
    it is soft-deleted, `hold_released` when its event-based hold is released.
    """

    bucket: str
    name: str
    generation: int
    metageneration: int
    fields: Mapping[str, Any]
    time_created: str
    updated: str
    blob: Blob = field(repr=False)
    time_storage_class_updated: str = ""
    time_deleted: str | None = None
    soft_delete_time: str | None = None
    hard_delete_time: str | None = None
    hold_released: str | None = None
    encryption: Encryption | None = None

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
    def custom_time(self) -> str | None:
        """The customTime, RFC 3339 in UTC."""
        return cast("str | None", self.fields.get("customTime"))

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
        """An ETag for this generation and metageneration."""
        raw = b"\x08" + self.generation.to_bytes(8, "big") + bytes([self.metageneration & 255])
        return base64.b64encode(raw).decode()


def check_metadata_size(metadata: Mapping[str, str] | None) -> None:
    """Refuse custom metadata over 8 KiB in all."""
    total = sum(len(k.encode()) + len((v or "").encode()) for k, v in (metadata or {}).items())
    if total > 8192:
        raise invalid(f"The total size of custom metadata is {total} bytes; the limit is 8192.")
