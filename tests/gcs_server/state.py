"""What the service holds: buckets, and in them live, noncurrent and soft-deleted generations.

Every change is one step under one lock, which includes checking the preconditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

from .ageing import Done, carry_out
from .blobs import Blob, BlobWriter
from .buckets import NO_SOFT_DELETE_REASON, Bucket, check_lock, no_soft_delete, settled
from .clock import Clock, moment_of, written
from .encryption import DEFAULT, Chosen, Encryption, Keys
from .errors import ApiError, forbidden, invalid, no_bucket, no_object
from .listing import Page, Wanted, page
from .objects import Json, Preconditions, StoredObject, check_metadata_size
from .protection import REPORTED_HOLD_REASON, check_free
from .shelves import forget, of_generation, place, present, put_back, remove, versions

_NOT_KEPT = frozenset(["crc32c", "md5Hash", "name"])


class State:
    """The thread-safe store."""

    def __init__(
        self,
        directory: Path,
        buckets: tuple[str, ...],
        *,
        discard: bool = False,
        validate_checksums: bool = True,
        bucket_settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = directory
        self.discard = discard
        self.validate_checksums = validate_checksums
        self.hold_reason = REPORTED_HOLD_REASON
        self.soft_delete_reason = NO_SOFT_DELETE_REASON
        self.clock = Clock()
        self.keys = Keys()
        self.lock = RLock()
        self._bucket_settings = dict(bucket_settings or {})
        self._buckets = {name: self._new_bucket(name, {}) for name in buckets}
        self._last_generation = 0

    def writer(self) -> BlobWriter:
        """Start a new body."""
        return BlobWriter(self.directory, discard=self.discard)

    # -- buckets -------------------------------------------------------------------------------

    def bucket(self, name: str) -> Bucket:
        """Return a bucket, or raise 404; removes deleted objects whose time is over."""
        with self.lock:
            found = self._buckets.get(name)
            if found is None:
                raise no_bucket()
            if found.deleted:
                forget(found, self.clock.now())
            return found

    def bucket_names(self) -> list[str]:
        """Return the names of the buckets."""
        with self.lock:
            return list(self._buckets)

    def create_bucket(self, name: str, settings: Mapping[str, Any]) -> Bucket:
        """Create a bucket; 409 if it exists."""
        with self.lock:
            if name in self._buckets:
                raise ApiError(
                    409,
                    "conflict",
                    "Your previous request to create the named bucket succeeded and you already "
                    "own it.",
                )
            made = self._buckets[name] = self._new_bucket(name, settings)
            return made

    def patch_bucket(
        self, name: str, changes: Mapping[str, Any], conditions: Preconditions
    ) -> Bucket:
        """Merge `changes` into the settings; one more metageneration."""
        with self.lock:
            found = self.bucket(name)
            conditions.check_meta(found.metageneration)
            after = settled(changes, found.settings, self.clock.now())
            check_lock(found, after)
            return self._changed(found, after)

    def lock_retention(self, name: str, conditions: Preconditions) -> Bucket:
        """Lock the retention policy of a bucket, for ever."""
        with self.lock:
            found = self.bucket(name)
            conditions.check_meta(found.metageneration)
            policy = found.settings.get("retentionPolicy")
            if not policy:
                raise invalid("The bucket has no retention policy to lock.")
            locked = {"retentionPolicy": {**policy, "isLocked": True}}
            return self._changed(found, found.settings | locked)

    def _changed(self, bucket: Bucket, settings: Json) -> Bucket:
        bucket.settings = settings
        bucket.metageneration += 1
        bucket.updated = written(self.clock.now())
        return bucket

    def _new_bucket(self, name: str, settings: Mapping[str, Any]) -> Bucket:
        now = self.clock.now()
        made = settled(settings, settled(self._bucket_settings, None, now), now)
        made.setdefault("iamConfiguration", {"uniformBucketLevelAccess": {"enabled": True}})
        return Bucket(name, written(now), made)

    # -- reading -------------------------------------------------------------------------------

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """Return the live object, or None."""
        with self.lock:
            return self.bucket(bucket).objects.get(name)

    def get(
        self,
        bucket: str,
        name: str,
        generation: int | None,
        conditions: Preconditions,
        *,
        reading: bool = True,
    ) -> StoredObject:
        """Return the live object, or the requested generation, if the preconditions hold.

        The preconditions apply to the object returned: unverified for a noncurrent generation.
        """
        with self.lock:
            found = present(self.bucket(bucket), name, generation)
            conditions.check(found, reading=reading)
            return found

    def get_deleted(
        self, bucket: str, name: str, generation: int, conditions: Preconditions
    ) -> StoredObject:
        """Return a soft-deleted generation.

        https://cloud.google.com/storage/docs/json_api/v1/objects/get (softDeleted)
        """
        with self.lock:
            home = self.bucket(bucket)
            if not home.soft_delete_seconds:
                raise no_soft_delete("request a soft-deleted version", self.soft_delete_reason)
            found = of_generation(home.deleted.get(name, ()), generation)
            if found is None:
                raise no_object(bucket, name)
            conditions.check(found, reading=True)
            return found

    def check(self, bucket: str, name: str, conditions: Preconditions) -> None:
        """Check the preconditions of a write without writing."""
        with self.lock:
            conditions.check(self.find(bucket, name))

    def open(self, record: StoredObject) -> Any:
        """Open the bytes of a generation; 404 if it was replaced in the meantime."""
        try:
            stream = record.blob.open()
        except FileNotFoundError:
            raise no_object(record.bucket, record.name) from None
        if stream is None:
            raise ApiError(501, "notImplemented", "This server is configured to discard bytes.")
        return stream

    def page(self, bucket: str, wanted: Wanted) -> Page:
        """Return one page of the live objects."""
        with self.lock:
            home = self.bucket(bucket)
            return page(home.names, lambda name: [home.objects[name]], wanted, several=False)

    def page_of_versions(self, bucket: str, wanted: Wanted) -> Page:
        """Return one page of the live and the noncurrent objects."""
        with self.lock:
            home = self.bucket(bucket)
            names = sorted(home.objects.keys() | home.noncurrent.keys())
            return page(names, lambda name: versions(home, name), wanted, several=True)

    def page_of_deleted(self, bucket: str, wanted: Wanted) -> Page:
        """Return one page of the soft-deleted objects."""
        with self.lock:
            home = self.bucket(bucket)
            if not home.soft_delete_seconds:
                raise no_soft_delete("list soft-deleted versions", self.soft_delete_reason)
            return page(sorted(home.deleted), home.deleted.__getitem__, wanted, several=True)

    def objects(self, bucket: str) -> list[StoredObject]:
        """Return every live object of a bucket, in order of names."""
        with self.lock:
            home = self.bucket(bucket)
            return [home.objects[name] for name in home.names]

    def generations(self, bucket: str, name: str) -> list[int]:
        """Return every generation ever finalized under a name."""
        with self.lock:
            return [*self.bucket(bucket).history.get(name, [])]

    # -- writing -------------------------------------------------------------------------------

    def store(
        self,
        bucket: str,
        name: str,
        blob: Blob,
        fields: Json,
        conditions: Preconditions,
        *,
        may_overwrite: bool = True,
        encryption: Chosen = DEFAULT,
    ) -> StoredObject:
        """Make a new generation visible, bytes and metadata in one step.

        The replaced object becomes noncurrent or soft-deleted, or is removed, depending on the
        bucket's settings.
        """
        with self.lock:
            home = self.bucket(bucket)
            current = home.objects.get(name)
            conditions.check(current)
            if current is not None:
                if not may_overwrite:
                    raise forbidden("storage.objects.delete")
                self._check_free(home, current, becomes_noncurrent=home.versioned)
            self._verify(blob, fields)
            if encryption == DEFAULT:
                encryption = home.encryption
                self.keys.require(encryption)
            kept = {key: value for key, value in fields.items() if key not in _NOT_KEPT}
            kept.setdefault("storageClass", home.settings.get("storageClass", "STANDARD"))
            if home.decides_on_classes:
                kept["storageClass"] = "STANDARD"
            if home.settings.get("defaultEventBasedHold"):
                kept.setdefault("eventBasedHold", True)
            now = written(self.clock.now())
            made = StoredObject(
                bucket,
                name,
                self._next_generation(),
                1,
                kept,
                now,
                now,
                blob,
                time_storage_class_updated=now,
                encryption=encryption,
            )
            place(home, made, self.clock.now())
            return made

    def encrypt(self, bucket: str, encryption: Encryption | None, name: str) -> None:
        """Have the generations of a name, or of all names, under another key."""
        with self.lock:
            home = self.bucket(bucket)
            for each in (name,) if name else (*home.objects, *home.deleted, *home.noncurrent):
                if each in home.objects:
                    home.objects[each] = replace(home.objects[each], encryption=encryption)
                for shelf in (home.deleted, home.noncurrent):
                    if each in shelf:
                        shelf[each] = [replace(r, encryption=encryption) for r in shelf[each]]

    def patch(
        self,
        bucket: str,
        name: str,
        generation: int | None,
        conditions: Preconditions,
        changes: Json,
    ) -> StoredObject:
        """Merge `changes` into the writable fields; one more metageneration.

        customTime can only move later (https://cloud.google.com/storage/docs/metadata). The
        documentation names no status: that an earlier one is refused with 400, and that null
        leaves it unchanged, is unverified (users' reports).
        """
        with self.lock:
            home = self.bucket(bucket)
            found = present(home, name, generation)
            conditions.check(found)
            fields = dict(found.fields)
            for key, value in changes.items():
                if key == "customTime":
                    fields.update(_custom_time(found.custom_time, value))
                elif value is None:
                    fields.pop(key, None)
                elif key == "metadata":
                    merged = {**(fields.get("metadata") or {}), **value}
                    fields[key] = {k: v for k, v in merged.items() if v is not None}
                else:
                    fields[key] = value
            check_metadata_size(fields.get("metadata"))
            released = found.fields.get("eventBasedHold") and not fields.get("eventBasedHold")
            now = written(self.clock.now())
            made = replace(
                found,
                fields=fields,
                metageneration=found.metageneration + 1,
                updated=now,
                hold_released=now if released else found.hold_released,
            )
            put_back(home, found, made)
            return made

    def delete(
        self, bucket: str, name: str, generation: int | None, conditions: Preconditions
    ) -> None:
        """Remove the live object, or the generation named.

        Without a generation, the live object of a versioned bucket becomes noncurrent; a named one
        is deleted. Either way the bucket's soft delete keeps the deleted object; a soft-deleted
        generation cannot be deleted: 404
        (https://cloud.google.com/storage/docs/json_api/v1/objects/delete).
        """
        with self.lock:
            home = self.bucket(bucket)
            found = present(home, name, generation)
            conditions.check(found)
            becomes_noncurrent = generation is None and home.versioned
            self._check_free(home, found, becomes_noncurrent=becomes_noncurrent)
            remove(home, found, self.clock.now(), becomes_noncurrent=becomes_noncurrent)

    def restore(
        self,
        bucket: str,
        name: str,
        generation: int,
        conditions: Preconditions,
        *,
        may_overwrite: bool = True,
    ) -> StoredObject:
        """Make a live copy of a soft-deleted generation, as a new generation.

        https://cloud.google.com/storage/docs/json_api/v1/objects/restore. The preconditions
        apply to the live object. The soft-deleted generation stays as it is until its
        hardDeleteTime, because a copy is made: unverified. 412 for a generation that is not
        soft-deleted is what Google's storage-testbench does.
        """
        with self.lock:
            home = self.bucket(bucket)
            if not home.soft_delete_seconds:
                raise no_soft_delete("restore a soft-deleted version", self.soft_delete_reason)
            found = of_generation(home.deleted.get(name, ()), generation)
            if found is None:
                present(home, name, generation)
                raise ApiError(412, "objectNotSoftDeleted", f"{name} is not soft-deleted.")
            blob = found.blob.clone()
            try:
                fields = dict(found.fields)
                return self.store(
                    bucket,
                    name,
                    blob,
                    fields,
                    conditions,
                    may_overwrite=may_overwrite,
                    encryption=found.encryption,
                )
            except ApiError:
                blob.remove()
                raise

    def run_lifecycle(self, bucket: str) -> list[Done]:
        """Apply the bucket's lifecycle rules once, at the time of the clock."""
        with self.lock:
            home = self.bucket(bucket)
            return carry_out(home, self.clock.now(), lambda record: self._check_free(home, record))

    # -- steps ---------------------------------------------------------------------------------

    def _check_free(
        self, home: Bucket, record: StoredObject, *, becomes_noncurrent: bool = False
    ) -> None:
        """Refuse to delete or replace a held or retained object; a retained one may be archived."""
        now = self.clock.now()
        check_free(home, record, now, self.hold_reason, becomes_noncurrent=becomes_noncurrent)

    def _next_generation(self) -> int:
        self._last_generation = max(self.clock.time_ns() // 1000, self._last_generation + 1)
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


def _custom_time(old: str | None, new: str | None) -> Json:
    if new is None:
        return {} if old is None else {"customTime": old}
    if old is not None and moment_of(new) < moment_of(old):
        raise invalid(
            f"Custom time cannot be decreased. Previously: {old}. Attempting to set: {new}."
        )
    return {"customTime": new}
