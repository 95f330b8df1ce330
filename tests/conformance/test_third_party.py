"""A store that somebody else wrote, from public names alone, and the suite that it has to pass."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from audiostore import (
    AudioStorageManager,
    BlobInfo,
    BlobNotFoundError,
    BlobReader,
    BlobSpec,
    BytesSource,
    HeldError,
    IntegrityError,
    ObjectStore,
    PreconditionFailedError,
    Source,
    StorageClass,
    TransferListener,
    Transferred,
    UnsupportedByStoreError,
)
from audiostore.stores.testing import ObjectStoreTests
from tests.assets import JPG, MP3


@dataclass(frozen=True)
class Stored:
    blob: BlobInfo
    data: bytes


class DictStore:
    """The least that a store can be."""

    url = "dict://"

    def __init__(self) -> None:
        self._objects: dict[str, Stored] = {}
        self._lock = threading.RLock()
        self._generation = 0

    def uri(self, name: str) -> str:
        return f"{self.url}/{name}"

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        data = b""
        with closing(source.open()) as reader:
            while piece := reader.read(1 << 20):
                data += piece
                if on_transfer:
                    on_transfer(Transferred(len(data), len(data)))
        self._check(data, source)
        return self._publish(spec, data, if_generation_match, spec.storage_class or "STANDARD")

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        return BytesIO(self._find(blob).data[start:stop])

    def stat(self, name: str) -> BlobInfo:
        return self._get(name).blob

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        for name in sorted(self._objects, key=str.encode):
            stored = self._objects.get(name)
            if stored and name.startswith(prefix) and name.encode() > start_after.encode():
                yield stored.blob

    def update(
        self,
        blob: BlobInfo,
        metadata: Mapping[str, str | None],
        *,
        content_type: str | None = None,
        temporary_hold: bool | None = None,
        custom_time: datetime | None = None,
    ) -> BlobInfo:
        with self._lock:
            stored = self._get(blob.name)
            now = stored.blob
            if (now.generation, now.metageneration) != (blob.generation, blob.metageneration):
                raise PreconditionFailedError(f"{self.uri(blob.name)} has changed")
            if custom_time and now.custom_time and custom_time < now.custom_time:
                raise ValueError("a custom time can only be moved later")
            merged = {**now.metadata, **metadata}
            after = replace(
                now,
                metageneration=now.metageneration + 1,
                metadata={key: value for key, value in merged.items() if value is not None},
                content_type=content_type or now.content_type,
                temporary_hold=now.temporary_hold if temporary_hold is None else temporary_hold,
                custom_time=custom_time or now.custom_time,
            )
            self._objects[blob.name] = Stored(after, stored.data)
        return after

    def copy(
        self,
        source: BlobInfo,
        target: str,
        *,
        if_generation_match: int = 0,
        storage_class: StorageClass | None = None,
    ) -> BlobInfo:
        with self._lock:
            found = self._find(source)
            now = found.blob
            spec = BlobSpec(
                target,
                now.content_type,
                now.metadata,
                now.cache_control,
                now.content_disposition,
                now.custom_time,
            )
            kept = storage_class or now.storage_class
            return self._publish(spec, found.data, if_generation_match, kept)

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        with self._lock:
            present = self._get(blob.name).blob
            self._require(blob.name, blob.generation)
            if if_unchanged and present.metageneration != blob.metageneration:
                raise PreconditionFailedError(f"{self.uri(blob.name)} has changed")
            del self._objects[blob.name]

    def close(self) -> None:
        pass

    def _publish(
        self, spec: BlobSpec, data: bytes, if_generation_match: int, storage_class: str
    ) -> BlobInfo:
        source = BytesSource(data)
        with self._lock:
            self._require(spec.name, if_generation_match)
            self._generation += 1
            blob = BlobInfo(
                name=spec.name,
                size_bytes=len(data),
                content_type=spec.content_type,
                crc32c=source.crc32c,
                generation=self._generation,
                metageneration=1,
                storage_class=storage_class,
                created_at=datetime.now(UTC),
                metadata=dict(spec.metadata),
                cache_control=spec.cache_control,
                content_disposition=spec.content_disposition,
                custom_time=spec.custom_time,
            )
            self._objects[spec.name] = Stored(blob, data)
        return blob

    def _check(self, data: bytes, source: Source) -> None:
        if BytesSource(data).crc32c != source.crc32c:
            raise IntegrityError("other bytes arrived")

    def _require(self, name: str, generation: int) -> None:
        stored = self._objects.get(name)
        if (stored.blob.generation if stored else 0) != generation:
            raise PreconditionFailedError(f"{self.uri(name)} has another generation")
        if stored and stored.blob.temporary_hold:
            raise HeldError(f"{self.uri(name)} is under a hold")

    def _get(self, name: str) -> Stored:
        try:
            return self._objects[name]
        except KeyError:
            raise BlobNotFoundError(f"no object {self.uri(name)}") from None

    def _find(self, blob: BlobInfo) -> Stored:
        stored = self._get(blob.name)
        if stored.blob.generation != blob.generation:
            raise BlobNotFoundError(f"no generation {blob.generation} of {self.uri(blob.name)}")
        return stored


class TestDictStore(ObjectStoreTests):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return DictStore()


def test_a_manager_works_on_a_store_with_the_core_verbs_alone(tmp_path: Path) -> None:
    with AudioStorageManager(store=DictStore()) as manager:
        stored = manager.upload_audio_with_thumbnail(MP3, JPG)
        (listed,) = manager.list()
        assert listed.audio == stored.audio
        fetched = manager.download(stored.audio_id, tmp_path)
        assert fetched.read_bytes() == MP3.read_bytes()
        assert manager.admin.settings().soft_delete_s == 0
        assert list(manager.admin.foreign_files("")) == []
        assert [finding.ok for finding in manager.admin.diagnose()] == [True]
        with pytest.raises(UnsupportedByStoreError, match="bucket"):
            manager.signed_url(stored.audio_id)
        with pytest.raises(UnsupportedByStoreError):
            manager.admin.change_settings(manager.admin.settings(), soft_delete_s=60)
        assert stored.audio
        with pytest.raises(UnsupportedByStoreError, match="in place"):
            manager.admin.reclass(stored.audio, "ARCHIVE")
        manager.delete(stored.audio_id)
        assert list(manager.trash.list()) == []
        assert list(manager.list()) == []


class Overwriting(DictStore):
    def _require(self, name: str, generation: int) -> None:
        del name, generation


class Unchecked(DictStore):
    def _check(self, data: bytes, source: Source) -> None:
        del data, source


class IgnoringHolds(DictStore):
    def _require(self, name: str, generation: int) -> None:
        with suppress(HeldError):
            super()._require(name, generation)


class Unordered(DictStore):
    """Sorts names by UTF-16 instead of UTF-8."""

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        found = super().list(prefix, start_after=start_after)
        return iter(sorted(found, key=lambda blob: blob.name.encode("utf-16-be")))


class Reusing(DictStore):
    """Counts generations from one again when a name is free."""

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        super().delete(blob, if_unchanged=if_unchanged)
        self._generation = 0


class DeletingWhatHasChanged(DictStore):
    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        del if_unchanged
        super().delete(blob)


SUITE = ObjectStoreTests()
BROKEN: dict[type[DictStore], Callable[[ObjectStore], None]] = {
    Overwriting: SUITE.test_put_refuses_to_overwrite,
    Unchecked: SUITE.test_put_refuses_bytes_that_do_not_have_the_checksum,
    IgnoringHolds: SUITE.test_a_held_object_loses_its_name_to_nothing,
    Unordered: SUITE.test_list_is_in_the_order_of_the_bytes_of_names,
    DeletingWhatHasChanged: SUITE.test_delete_if_unchanged_minds_a_change_of_metadata,
    Reusing: SUITE.test_same_content_gets_another_generation_each_time,
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_store_that_breaks_a_promise_fails_the_suite(kind: type[DictStore]) -> None:
    BROKEN[kind](DictStore())
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        BROKEN[kind](kind())
