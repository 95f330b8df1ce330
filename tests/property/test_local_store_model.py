"""The store in a directory does what the store in memory does, whatever is done to both."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)

from audiostore.errors import BlobNotFoundError, HeldError, PreconditionFailedError
from audiostore.sources import BytesSource
from audiostore.stores.local import LocalStore
from audiostore.stores.memory import MemoryStore
from audiostore.stores.protocol import BlobSpec, StorageClass
from audiostore.values import BlobInfo, DeletedBlob
from tests.fuzzing import examples

Store = LocalStore | MemoryStore

# No name is a folder of another: a directory cannot hold both (see the docs of the local store).
NAMES = ["a/1", "a/2", "a-b", "a.b/c", "ab", "b/1/x", "b/1/y", "b/10/x", "é/ü"]
PREFIXES = ["", "a", "a/", "a.", "b/1", "b/1/", "b/1/x", "é", "zz", "a//"]
names = st.sampled_from(NAMES)
contents = st.sampled_from([b"", b"x", b"data" * 50, b"\0" * 3000])
metadata = st.dictionaries(st.sampled_from("kqü"), st.sampled_from(["", "1", "\n🎵"]))
classes: st.SearchStrategy[StorageClass] = st.sampled_from(["STANDARD", "NEARLINE", "ARCHIVE"])
moments = st.builds(
    lambda days: datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=days), st.integers(0, 3)
)
changes = st.dictionaries(st.sampled_from("kqü"), st.sampled_from([None, "", "2"]), min_size=1)

Pair = tuple[BlobInfo, BlobInfo]
Made = Pair | MultipleResults[Pair]
"""The same object, as either store described it at some time."""
Graves = list[DeletedBlob]
Grave = tuple[DeletedBlob, DeletedBlob]
"""The same in the trash."""


def described(blob: BlobInfo) -> tuple[object, ...]:
    """All that must be equal in both stores; a directory has no MD5."""
    return (
        *(blob.name, blob.size_bytes, blob.crc32c, blob.content_type),
        *(blob.metageneration, blob.storage_class, dict(blob.metadata)),
        *(blob.temporary_hold, blob.custom_time, blob.class_changed_at is None),
    )


class Model(RuleBasedStateMachine):
    blobs: Bundle[Pair] = Bundle("blobs")
    graves: Bundle[Grave] = Bundle("graves")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="audiostore-model-"))
        self.local = LocalStore(self.folder)
        self.memory = MemoryStore()
        self.stores: tuple[Store, Store] = (self.local, self.memory)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def both(self, step: Callable[[Store, int], BlobInfo], *, copying: bool = False) -> Pair | None:
        """Do it to both; the same must come of it."""
        outcomes: list[BlobInfo | type[Exception]] = []
        for side, store in enumerate(self.stores):
            try:
                outcomes.append(step(store, side))
            except (
                BlobNotFoundError,
                PreconditionFailedError,
                HeldError,
                ValueError,
            ) as error:
                outcomes.append(type(error))
        one, two = outcomes
        if isinstance(one, BlobInfo) and isinstance(two, BlobInfo):
            assert described(one) == described(two)
            return one, two
        # Of a copy whose source and whose target are both wrong, either may be said.
        either = copying and not isinstance(one, BlobInfo) and not isinstance(two, BlobInfo)
        assert either or one == two
        return None

    @rule(target=blobs, name=names, data=contents, keys=metadata)
    def create(self, name: str, data: bytes, keys: dict[str, str]) -> Made:
        spec = BlobSpec(name, "x/y", keys)
        pair = self.both(lambda store, _: store.put(spec, BytesSource(data)))
        return pair or multiple()

    @rule(target=blobs, over=blobs, data=contents, keys=metadata)
    def replace(self, over: Pair, data: bytes, keys: dict[str, str]) -> Made:
        spec = BlobSpec(over[0].name, "x/z", keys)
        pair = self.both(
            lambda store, side: store.put(
                spec, BytesSource(data), if_generation_match=over[side].generation
            )
        )
        return pair or multiple()

    @rule(target=blobs, blob=blobs, keys=changes)
    def update(self, blob: Pair, keys: dict[str, str | None]) -> Made:
        pair = self.both(lambda store, side: store.update(blob[side], keys))
        return pair or multiple()

    @rule(target=blobs, blob=blobs, held=st.booleans(), kind=st.sampled_from([None, "x/w"]))
    def hold(self, blob: Pair, held: bool, kind: str | None) -> Made:
        latest = self.latest(blob)
        pair = self.both(
            lambda store, side: store.update(
                latest[side], {}, temporary_hold=held, content_type=kind
            )
        )
        return pair or multiple()

    @rule(target=blobs, blob=blobs, moment=moments)
    def set_custom_time(self, blob: Pair, moment: datetime) -> Made:
        latest = self.latest(blob)
        pair = self.both(lambda store, side: store.update(latest[side], {}, custom_time=moment))
        return pair or multiple()

    @rule(target=blobs, blob=blobs, storage_class=classes)
    def reclass(self, blob: Pair, storage_class: StorageClass) -> Made:
        pair = self.both(lambda store, side: store.reclass(blob[side], storage_class))
        return pair or multiple()

    @rule(target=blobs, blob=blobs, name=names, storage_class=st.none() | classes)
    def copy(self, blob: Pair, name: str, storage_class: StorageClass | None) -> Made:
        # Of the latest description: see test_copy_takes_the_metadata_that_the_object_has_now.
        latest = self.latest(blob)
        pair = self.both(
            lambda store, side: store.copy(latest[side], name, storage_class=storage_class),
            copying=True,
        )
        return pair or multiple()

    @rule(target=blobs, blob=blobs, over=blobs)
    def copy_over(self, blob: Pair, over: Pair) -> Made:
        latest = self.latest(blob)
        pair = self.both(
            lambda store, side: store.copy(
                latest[side], over[side].name, if_generation_match=over[side].generation
            ),
            copying=True,
        )
        return pair or multiple()

    @rule(blob=blobs)
    def delete(self, blob: Pair) -> None:
        def delete(store: Store, side: int) -> BlobInfo:
            store.delete(blob[side])
            return blob[side]

        self.both(delete)

    @rule(target=graves, number=st.integers(0, 20))
    def find_deleted(self, number: int) -> "Grave | MultipleResults[Grave]":
        one, two = self.deleted()
        return (one[number % len(one)], two[number % len(one)]) if one else multiple()

    @rule(target=blobs, grave=graves, over=st.none() | blobs)
    def restore(self, grave: Grave, over: Pair | None) -> Made:
        pair = self.both(
            lambda store, side: store.restore(
                grave[side], if_generation_match=over[side].generation if over else 0
            )
        )
        return pair or multiple()

    @rule(grave=graves)
    def purge(self, grave: Grave) -> None:
        def purge(store: Store, side: int) -> BlobInfo:
            store.purge(grave[side])
            return grave[side].blob

        self.both(purge)

    @rule(soft_delete_s=st.sampled_from([0, 3600, 7 * 86400]))
    def change_settings(self, soft_delete_s: int) -> None:
        for store in self.stores:
            store.change_settings(store.settings(), soft_delete_s=soft_delete_s)

    @rule(prefix=st.sampled_from(PREFIXES))
    def list_deleted(self, prefix: str) -> None:
        one, two = self.deleted(prefix)
        assert [described(d.blob) for d in one] == [described(d.blob) for d in two]

    @rule(blob=blobs, start=st.integers(0, 5), stop=st.none() | st.integers(0, 300))
    def read(self, blob: Pair, start: int, stop: int | None) -> None:
        read: list[bytes | None] = []
        for side, store in enumerate(self.stores):
            try:
                with closing(store.open(blob[side], start=start, stop=stop)) as it:
                    read.append(b"".join(iter(lambda: it.read(1000), b"")))
            except BlobNotFoundError:
                read.append(None)
        assert read[0] == read[1]

    @rule(name=names)
    def stat(self, name: str) -> None:
        self.both(lambda store, _: store.stat(name))

    @rule(prefix=st.sampled_from(PREFIXES), after=st.sampled_from(["", *NAMES, "a", "b/", "zz"]))
    def list(self, prefix: str, after: str) -> None:
        # A name that begins the prefix: test_list_gives_nothing_that_is_shorter_than_the_prefix.
        one, two = (
            [described(b) for b in store.list(prefix, start_after=after)] for store in self.stores
        )
        assert one == two

    @invariant()
    def the_same_objects_are_there(self) -> None:
        found = [described(b) for b in self.local.list("")]
        assert found == [described(b) for b in self.memory.list("")]

    @invariant()
    def no_file_is_left_over(self) -> None:
        ours = ("lock", "queue", "settings.json")
        files = [p for p in self.folder.rglob("*") if p.is_file() and p.name not in ours]
        assert len(files) == 2 * len(list(self.local.list(""))) + 2 * len(self.deleted()[0])

    @invariant()
    def the_same_can_be_restored(self) -> None:
        one, two = self.deleted()
        assert [described(d.blob) for d in one] == [described(d.blob) for d in two]

    @invariant()
    def nothing_is_astray(self) -> None:
        # Deleting leaves a folder that only folders were in.
        assert {s.description for s in self.local.foreign_files("")} <= {"an empty folder"}

    def deleted(self, prefix: str = "") -> "tuple[Graves, Graves]":
        return [*self.local.list_deleted(prefix)], [*self.memory.list_deleted(prefix)]

    def latest(self, blob: Pair) -> Pair:
        try:
            found = self.local.stat(blob[0].name), self.memory.stat(blob[1].name)
        except BlobNotFoundError:
            return blob
        current = (found[0].generation, found[1].generation)
        return found if current == (blob[0].generation, blob[1].generation) else blob


TestLocalStoreAgainstMemory = Model.TestCase
TestLocalStoreAgainstMemory.settings = settings(max_examples=examples(25), stateful_step_count=25)
