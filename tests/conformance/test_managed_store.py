"""What every store promises of what it holds: changed, held, moved, deleted, had back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from audiostore.errors import (
    BlobNotFoundError,
    CredentialsError,
    HeldError,
    PreconditionFailedError,
    UnsupportedByStoreError,
)
from audiostore.sources import BytesSource
from audiostore.stores.capabilities import ForeignFile, Store, StoreAdmin, StoreSettings
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, DeletedBlob

NAME = "audio/3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b/audio.mp3"
DATA = bytes(range(256)) * 40
NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)
DAY_S = 86400
WEEK_S = 7 * DAY_S
A_MOMENT = timedelta(minutes=1)
Advance = Callable[[float], None]


def put(
    store: Store,
    name: str = NAME,
    data: bytes = DATA,
    *,
    over: int = 0,
    metadata: Mapping[str, str] | None = None,
    custom_time: datetime | None = None,
) -> BlobInfo:
    spec = BlobSpec(name, "audio/mpeg", metadata or {}, "max-age=60", "inline", custom_time)
    return store.put(spec, BytesSource(data), if_generation_match=over)


def read(
    store: Store, blob: BlobInfo, *, start: int = 0, stop: int | None = None, size: int = 1000
) -> bytes:
    with closing(store.open(blob, start=start, stop=stop)) as reader:
        return b"".join(iter(lambda: reader.read(size), b""))


def trash(store: Store, prefix: str = "") -> list[tuple[str, int]]:
    return [(d.blob.name, d.blob.generation) for d in store.list_deleted(prefix)]


def deleted(store: Store, blob: BlobInfo) -> DeletedBlob:
    """Return the generation as it lies in the trash."""
    wanted = (blob.name, blob.generation)
    (found,) = (
        d for d in store.list_deleted(blob.name) if (d.blob.name, d.blob.generation) == wanted
    )
    return found


def put_and_delete(store: Store, name: str = NAME, data: bytes = DATA) -> DeletedBlob:
    blob = put(store, name, data)
    store.delete(blob)
    return deleted(store, blob)


# -- ranges ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, None),
        (0, len(DATA)),
        (0, 1),
        (0, 0),
        (5, 9),
        (9, 5),
        (1000, 5001),
        (len(DATA) - 1, len(DATA)),
        (len(DATA) - 3, None),
        (len(DATA), len(DATA)),
        (len(DATA), None),
        (7, len(DATA) + 100),
        (len(DATA) + 5, len(DATA) + 100),
        (len(DATA) + 5, None),
    ],
)
def test_open_reads_exactly_the_range(store: Store, start: int, stop: int | None) -> None:
    assert read(store, put(store), start=start, stop=stop) == DATA[start:stop]


def test_a_range_is_never_exceeded_by_a_large_read(store: Store) -> None:
    assert read(store, put(store), start=10, stop=20, size=1 << 20) == DATA[10:20]


def test_a_range_of_no_bytes_has_none(store: Store) -> None:
    blob = put(store, data=b"")
    assert read(store, blob, start=0, stop=5) == b""


def test_a_range_of_what_is_gone_is_not_found(store: Store) -> None:
    blob = put(store)
    put(store, data=b"other", over=blob.generation)
    with pytest.raises(BlobNotFoundError):
        read(store, blob, start=2, stop=5)


# -- update ------------------------------------------------------------------------------------


def test_update_changes_the_content_type_alone(store: Store) -> None:
    blob = put(store, metadata={"colour": "blue"})
    updated = store.update(blob, {}, content_type="audio/ogg")
    assert updated == replace(blob, content_type="audio/ogg", metageneration=2)
    assert store.stat(NAME) == updated
    assert list(store.list("")) == [updated]
    assert read(store, updated) == DATA


def test_update_changes_all_in_one_step(store: Store) -> None:
    blob = put(store, metadata={"colour": "blue", "old": "yes"})
    updated = store.update(
        blob,
        {"colour": "red", "old": None},
        content_type="audio/ogg",
        temporary_hold=True,
        custom_time=NOON,
    )
    assert updated == replace(
        blob,
        metageneration=2,
        metadata={"colour": "red"},
        content_type="audio/ogg",
        temporary_hold=True,
        custom_time=NOON,
    )
    assert store.stat(NAME) == updated


def test_update_leaves_what_is_not_named(store: Store) -> None:
    blob = store.update(
        put(store, metadata={"colour": "blue"}), {}, temporary_hold=True, custom_time=NOON
    )
    updated = store.update(blob, {"more": "yes"})
    assert updated == replace(blob, metageneration=3, metadata={"colour": "blue", "more": "yes"})
    assert store.stat(NAME) == updated


def test_update_of_nothing_still_counts(store: Store) -> None:
    blob = put(store)
    assert store.update(blob, {}).metageneration == blob.metageneration + 1


def test_update_refuses_what_was_updated_meanwhile(store: Store) -> None:
    blob = put(store)
    held = store.update(blob, {}, temporary_hold=True)
    with pytest.raises(PreconditionFailedError):
        store.update(blob, {}, content_type="x/y")
    with pytest.raises(PreconditionFailedError):
        store.update(blob, {}, custom_time=NOON)
    assert store.stat(NAME) == held


def test_custom_time_comes_with_put(store: Store) -> None:
    blob = put(store, custom_time=NOON)
    assert blob.custom_time == NOON
    assert store.stat(NAME) == blob
    assert put(store, "other").custom_time is None


def test_custom_time_moves_later(store: Store) -> None:
    blob = put(store, custom_time=NOON)
    for hours in (0, 1, 24 * 365):
        blob = store.update(blob, {}, custom_time=NOON + timedelta(hours=hours))
        assert blob.custom_time == NOON + timedelta(hours=hours)
        assert store.stat(NAME) == blob


@pytest.mark.parametrize("earlier", [timedelta(seconds=1), timedelta(days=4000)])
def test_custom_time_never_moves_earlier(store: Store, earlier: timedelta) -> None:
    blob = put(store, custom_time=NOON)
    with pytest.raises(ValueError, match="later"):
        store.update(blob, {"lost": "yes"}, custom_time=NOON - earlier)
    assert store.stat(NAME) == blob


def test_custom_time_is_a_moment_whatever_its_zone(store: Store) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    blob = store.update(put(store), {}, custom_time=NOON.astimezone(east))
    assert store.stat(NAME).custom_time == NOON
    with pytest.raises(ValueError, match="later"):
        store.update(blob, {}, custom_time=datetime(2030, 6, 1, 12, tzinfo=east))


# -- copy --------------------------------------------------------------------------------------


def test_copy_takes_the_storage_class_that_is_named(store: Store) -> None:
    blob = put(store, metadata={"colour": "blue"})
    copied = store.copy(blob, "copy", storage_class="COLDLINE")
    assert copied.storage_class == "COLDLINE"
    assert dict(copied.metadata) == {"colour": "blue"}
    assert store.stat("copy") == copied
    assert store.stat(NAME) == blob
    assert read(store, copied) == DATA


def test_copy_keeps_the_storage_class_of_its_source(store: Store) -> None:
    cold = store.copy(put(store), "cold", storage_class="ARCHIVE")
    assert store.copy(cold, "copy").storage_class == "ARCHIVE"


@pytest.mark.parametrize("storage_class", ["NEARLINE", "COLDLINE", "ARCHIVE"])
def test_copy_onto_itself_changes_the_storage_class(store: Store, storage_class: str) -> None:
    blob = put(store, metadata={"colour": "blue"}, custom_time=NOON)
    copied = store.copy(
        blob,
        NAME,
        if_generation_match=blob.generation,
        storage_class=storage_class,  # type: ignore[arg-type]
    )
    assert copied.storage_class == storage_class
    assert copied.generation > blob.generation
    assert (copied.crc32c, copied.size_bytes) == (blob.crc32c, blob.size_bytes)
    assert dict(copied.metadata) == {"colour": "blue"}
    assert copied.custom_time == NOON
    assert (copied.cache_control, copied.content_disposition) == ("max-age=60", "inline")
    assert list(store.list("")) == [copied]
    assert read(store, copied) == DATA
    assert trash(store) == [(NAME, blob.generation)]


def test_copy_onto_itself_refuses_another_generation(store: Store) -> None:
    blob = put(store)
    newer = put(store, data=b"newer", over=blob.generation)
    with pytest.raises((BlobNotFoundError, PreconditionFailedError)):
        store.copy(blob, NAME, if_generation_match=blob.generation, storage_class="ARCHIVE")
    assert store.stat(NAME) == newer


def test_copy_takes_the_custom_time_but_not_the_hold(store: Store) -> None:
    blob = store.update(put(store), {}, temporary_hold=True, custom_time=NOON)
    copied = store.copy(blob, "copy")
    assert copied.custom_time == NOON
    assert not copied.temporary_hold
    assert store.stat("copy") == copied
    store.delete(copied)


def test_a_class_that_was_not_changed_has_no_time_of_change(store: Store) -> None:
    assert put(store).class_changed_at is None


def test_reclass_changes_the_class_alone(store: Store, admin: StoreAdmin, advance: Advance) -> None:
    blob = put(store, metadata={"colour": "blue"})
    advance(3 * DAY_S)
    try:
        changed = admin.reclass(blob, "NEARLINE")
    except UnsupportedByStoreError:
        assert store.stat(NAME) == blob
        return
    assert changed.class_changed_at is not None
    age = changed.class_changed_at - blob.created_at
    assert timedelta(days=3) <= age < timedelta(days=3) + A_MOMENT
    assert changed == replace(
        blob,
        metageneration=2,
        storage_class="NEARLINE",
        class_changed_at=changed.class_changed_at,
    )
    assert store.stat(NAME) == changed
    assert trash(store) == []
    with pytest.raises(PreconditionFailedError):
        admin.reclass(blob, "COLDLINE")
    store.delete(changed)
    restored = store.restore(deleted(store, changed))
    assert restored.storage_class == "NEARLINE"
    assert restored.class_changed_at is None
    assert restored.metageneration == 1


# -- holds -------------------------------------------------------------------------------------


def taking(store: Store, blob: BlobInfo) -> Iterator[Callable[[], object]]:
    """Yield all that would take the name from an object that has an earlier generation trashed."""
    other = put(store, "other", b"other")
    (earlier,) = store.list_deleted(blob.name)
    over = blob.generation
    yield lambda: store.delete(blob)
    yield lambda: put(store, data=b"over", over=over)
    yield lambda: store.copy(other, NAME, if_generation_match=over)
    yield lambda: store.copy(blob, NAME, if_generation_match=over, storage_class="ARCHIVE")
    yield lambda: store.restore(earlier, if_generation_match=over)


def held(store: Store) -> BlobInfo:
    """Return a held object that has an earlier generation in the trash."""
    first = put(store, data=b"first")
    return store.update(put(store, over=first.generation), {}, temporary_hold=True)


def test_a_held_object_loses_its_name_to_nothing(store: Store) -> None:
    blob = held(store)
    before = trash(store)
    for take in taking(store, blob):
        with pytest.raises(HeldError):
            take()
        assert store.stat(NAME) == blob
        assert read(store, blob) == DATA
    assert trash(store) == before


def test_a_held_object_can_be_read_copied_and_updated(store: Store) -> None:
    blob = held(store)
    assert read(store, store.copy(blob, "copy")) == DATA
    updated = store.update(blob, {"colour": "blue"})
    assert updated.temporary_hold
    assert dict(store.stat(NAME).metadata) == {"colour": "blue"}


def test_what_was_released_can_be_deleted(store: Store) -> None:
    blob = held(store)
    released = store.update(blob, {}, temporary_hold=False)
    assert released == replace(blob, temporary_hold=False, metageneration=blob.metageneration + 1)
    store.delete(released)
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)


def test_a_wrong_generation_is_said_before_a_hold(store: Store) -> None:
    blob = held(store)
    with pytest.raises(PreconditionFailedError):
        put(store)
    with pytest.raises(PreconditionFailedError):
        store.delete(replace(blob, generation=blob.generation - 1))


def test_what_is_too_young_loses_its_name_to_nothing(
    store: Store, admin: StoreAdmin, advance: Advance
) -> None:
    first = put(store, data=b"first")
    blob = put(store, over=first.generation)
    admin.change_settings(admin.settings(), retention_s=DAY_S)
    for take in taking(store, blob):
        with pytest.raises(HeldError):
            take()
        assert store.stat(NAME) == blob
    advance(DAY_S + 1)
    store.delete(blob)
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)


# -- the trash ---------------------------------------------------------------------------------


def test_a_new_store_has_an_empty_trash(store: Store) -> None:
    assert trash(store) == []
    put(store)
    assert trash(store) == []


def test_delete_puts_the_object_into_the_trash(store: Store) -> None:
    blob = store.update(put(store, metadata={"colour": "blue"}), {"more": "yes"}, custom_time=NOON)
    store.delete(blob)
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)
    with pytest.raises(BlobNotFoundError):
        store.open(blob)
    assert list(store.list("")) == []
    (found,) = store.list_deleted("")
    assert found.blob == blob
    assert abs(found.deleted_at - datetime.now(UTC)) < A_MOMENT
    kept_for = found.gone_at - found.deleted_at
    assert abs(kept_for - timedelta(seconds=WEEK_S)) < timedelta(seconds=1)


def test_put_over_puts_what_was_there_into_the_trash(store: Store) -> None:
    first = put(store, data=b"first", metadata={"number": "1"})
    second = put(store, data=b"second", over=first.generation)
    put(store, data=b"third", over=second.generation)
    assert [d.blob for d in store.list_deleted("")] == [first, second]


def test_copy_over_puts_what_was_there_into_the_trash(store: Store) -> None:
    blob, target = put(store), put(store, "target", b"precious")
    store.copy(blob, "target", if_generation_match=target.generation)
    assert [d.blob for d in store.list_deleted("")] == [target]


def test_what_fails_puts_nothing_into_the_trash(store: Store) -> None:
    blob = put(store)
    with pytest.raises(PreconditionFailedError):
        put(store, data=b"other")
    with pytest.raises(PreconditionFailedError):
        store.delete(replace(blob, generation=blob.generation + 1))
    assert trash(store) == []


def test_the_trash_is_listed_by_prefix_in_the_order_of_names_then_generations(
    store: Store,
) -> None:
    names = ["a/b/1", "a/b/10", "a/b/2", "a-b", "a.b/c", "ab", "a/c", "é/ü", "z", "a/b-c"]
    expected = []
    for name in names:
        generation = 0
        for data in (b"1", b"2"):
            generation = put(store, name, data, over=generation).generation
            expected.append((name, generation))
        store.delete(store.stat(name))
    expected.sort(key=lambda pair: (pair[0].encode(), pair[1]))
    for prefix in ("", "a", "a/", "a/b", "a/b/", "a/b/1", "a-", "é", "nothing", "z/"):
        assert trash(store, prefix) == [pair for pair in expected if pair[0].startswith(prefix)]


@pytest.mark.parametrize("name", ["with space/a?#%.mp3", "Zürich/北京/🎵.mp3", "a.1.data", "x/1.2"])
def test_any_name_can_be_had_back(store: Store, name: str) -> None:
    blob = put(store, name)
    store.delete(blob)
    assert trash(store) == [(name, blob.generation)]
    assert read(store, store.restore(deleted(store, blob))) == DATA


def test_a_name_in_the_trash_can_be_a_folder_of_others(store: Store) -> None:
    names = ["a", "a/b", "a/b/c", "a.5", "a.5/x", "a.5.data/x"]
    for name in names:
        store.delete(put(store, name, name.encode()))
    assert [name for name, _ in trash(store)] == sorted(names, key=str.encode)


def test_restore_gives_back_bytes_and_metadata_as_a_new_generation(store: Store) -> None:
    blob = put(store, metadata={"colour": "blue"}, custom_time=NOON)
    blob = store.copy(blob, NAME, if_generation_match=blob.generation, storage_class="NEARLINE")
    store.delete(blob)
    restored = store.restore(deleted(store, blob))
    assert restored.generation > blob.generation
    same = replace(
        restored,
        generation=blob.generation,
        metageneration=blob.metageneration,
        created_at=blob.created_at,
    )
    assert same == blob
    assert store.stat(NAME) == restored
    assert list(store.list("")) == [restored]
    assert read(store, restored) == DATA


def test_what_was_restored_is_an_object_like_any_other(store: Store) -> None:
    restored = store.restore(put_and_delete(store))
    assert restored.metageneration == 1
    updated = store.update(restored, {"colour": "blue"})
    copied = store.copy(updated, "copy")
    assert read(store, copied) == DATA
    store.delete(updated)
    again = store.restore(deleted(store, restored))
    assert dict(again.metadata) == {"colour": "blue"}
    assert read(store, again) == DATA


def test_restore_takes_what_it_gives_back_out_of_the_trash(store: Store, kind: str) -> None:
    gone = put_and_delete(store)
    store.restore(gone)
    # A bucket restores a copy: the deleted generation stays until its time.
    assert trash(store) == ([(NAME, gone.blob.generation)] if kind == "gcs" else [])


def test_restore_refuses_a_name_that_is_taken(store: Store) -> None:
    gone = put_and_delete(store)
    newer = put(store, data=b"newer")
    for wrong in (0, newer.generation + 1, gone.blob.generation):
        with pytest.raises(PreconditionFailedError):
            store.restore(gone, if_generation_match=wrong)
    assert store.stat(NAME) == newer
    assert trash(store) == [(NAME, gone.blob.generation)]


def test_restore_refuses_a_name_that_is_free_where_a_generation_is_named(
    store: Store,
) -> None:
    gone = put_and_delete(store)
    with pytest.raises(PreconditionFailedError):
        store.restore(gone, if_generation_match=gone.blob.generation)
    assert trash(store) == [(NAME, gone.blob.generation)]


def test_restore_over_the_generation_that_is_named_puts_that_into_the_trash(
    store: Store, kind: str
) -> None:
    gone = put_and_delete(store, data=b"older")
    newer = put(store, data=b"newer")
    restored = store.restore(gone, if_generation_match=newer.generation)
    assert restored.generation > newer.generation
    assert store.stat(NAME) == restored
    assert read(store, restored) == b"older"
    kept = [(NAME, gone.blob.generation)] if kind == "gcs" else []
    assert trash(store) == [*kept, (NAME, newer.generation)]
    back = store.restore(deleted(store, newer), if_generation_match=restored.generation)
    assert read(store, back) == b"newer"


def test_of_many_generations_each_can_be_had_back(store: Store) -> None:
    generation = 0
    for data in (b"1", b"2", b"3"):
        generation = put(store, data=data, over=generation).generation
    store.delete(store.stat(NAME))
    by_age = list(store.list_deleted(""))
    for number in (1, 0, 2):
        blob = store.restore(by_age[number])
        assert read(store, blob) == b"123"[number : number + 1]
        store.delete(blob)


def test_purge_lets_go_for_good_or_says_that_the_store_keeps_it(store: Store, kind: str) -> None:
    gone, other = put_and_delete(store), put_and_delete(store, "other")
    if kind == "gcs":
        with pytest.raises(UnsupportedByStoreError):
            store.purge(gone)
        assert len(trash(store)) == 2
        return
    store.purge(gone)
    assert trash(store) == [("other", other.blob.generation)]
    with pytest.raises(BlobNotFoundError):
        store.purge(gone)
    with pytest.raises(BlobNotFoundError):
        store.restore(gone)
    assert put(store).generation > gone.blob.generation


def test_what_is_past_its_time_is_gone(store: Store, advance: Advance) -> None:
    gone = put_and_delete(store)
    advance(WEEK_S - 60)
    assert trash(store) == [(NAME, gone.blob.generation)]
    younger = put_and_delete(store, "younger")
    advance(61)
    assert trash(store) == [("younger", younger.blob.generation)]
    with pytest.raises(BlobNotFoundError):
        store.restore(gone)
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)


def test_a_reader_goes_on_reading_what_is_trashed_meanwhile(store: Store, kind: str) -> None:
    blob = put(store, data=bytes(3 << 20))
    with closing(store.open(blob)) as reader:
        length = len(reader.read(1000))
        store.delete(blob)
        if kind != "gcs":
            store.purge(deleted(store, blob))
        length += sum(map(len, iter(lambda: reader.read(1 << 16), b"")))
    assert length == 3 << 20


def test_a_reader_goes_on_reading_what_is_overwritten_and_restored_meanwhile(
    store: Store,
) -> None:
    data = b"".join(number.to_bytes(4, "big") for number in range(500_000))
    blob = put(store, data=data)
    with closing(store.open(blob, start=4, stop=len(data) - 4)) as reader:
        pieces = [reader.read(1000)]
        newer = put(store, data=b"newer", over=blob.generation)
        pieces.append(reader.read(1000))
        store.restore(deleted(store, blob), if_generation_match=newer.generation)
        pieces += iter(lambda: reader.read(1 << 16), b"")
    assert b"".join(pieces) == data[4:-4]


# -- settings ----------------------------------------------------------------------------------

RULES: tuple[Mapping[str, object], ...] = (
    {"action": {"type": "Delete"}, "condition": {"age": 365, "matchesPrefix": ["audio/"]}},
    {
        "action": {"type": "SetStorageClass", "storageClass": "COLDLINE"},
        "condition": {"age": 30, "matchesStorageClass": ["STANDARD"]},
    },
)


def test_a_new_store_keeps_what_is_deleted_for_a_week(admin: StoreAdmin) -> None:
    settings = admin.settings()
    assert settings.soft_delete_s == WEEK_S
    assert settings.retention_s == 0
    assert settings.storage_class == "STANDARD"
    assert settings.lifecycle_rules == ()
    assert settings.location
    assert admin.settings() == settings


def test_change_settings_changes_what_is_named(admin: StoreAdmin) -> None:
    first = admin.settings()
    second = admin.change_settings(first, lifecycle_rules=RULES)
    assert second.metageneration > first.metageneration
    assert second == replace(
        first, metageneration=second.metageneration, lifecycle_rules=second.lifecycle_rules
    )
    assert [dict(rule) for rule in second.lifecycle_rules] == [dict(rule) for rule in RULES]
    assert admin.settings() == second
    third = admin.change_settings(second, soft_delete_s=30 * DAY_S)
    assert (third.soft_delete_s, third.lifecycle_rules) == (30 * DAY_S, second.lifecycle_rules)
    fourth = admin.change_settings(third, lifecycle_rules=(), retention_s=60)
    assert (fourth.lifecycle_rules, fourth.retention_s) == ((), 60)
    assert fourth.soft_delete_s == 30 * DAY_S
    assert admin.settings() == fourth


def test_change_settings_refuses_what_was_changed_meanwhile(admin: StoreAdmin) -> None:
    first = admin.settings()
    second = admin.change_settings(first, soft_delete_s=30 * DAY_S)
    outdated: tuple[StoreSettings, ...] = (first, replace(second, metageneration=99))
    for present in outdated:
        with pytest.raises(PreconditionFailedError):
            admin.change_settings(present, soft_delete_s=0)
    assert admin.settings() == second


@pytest.mark.parametrize(("setting", "value"), [("soft_delete_s", -1), ("retention_s", -1)])
def test_settings_that_cannot_be_are_refused(admin: StoreAdmin, setting: str, value: int) -> None:
    before = admin.settings()
    with pytest.raises(ValueError, match=r"."):
        admin.change_settings(before, **{setting: value})  # type: ignore[arg-type]
    assert admin.settings() == before


def test_without_soft_delete_what_is_deleted_or_overwritten_is_gone(
    store: Store, admin: StoreAdmin
) -> None:
    admin.change_settings(admin.settings(), soft_delete_s=0)
    blob = put(store)
    newer = put(store, data=b"newer", over=blob.generation)
    store.delete(newer)
    assert trash(store) == []
    assert list(store.list("")) == []
    assert put(store).generation > newer.generation


def test_every_permission_is_asked_for_by_its_name(admin: StoreAdmin) -> None:
    wanted = [f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update")]
    wanted += ["storage.buckets.get", "storage.buckets.update"]
    assert admin.granted(wanted) == frozenset(wanted)
    assert admin.granted(wanted[:1]) == frozenset(wanted[:1])
    assert admin.granted([]) == frozenset()


def test_a_url_is_signed_or_it_says_what_to_do(store: Store, admin: StoreAdmin) -> None:
    blob = put(store)
    try:
        url = admin.signed_url(blob, expires_s=60)
    except (UnsupportedByStoreError, CredentialsError) as error:
        assert len(str(error)) > 20  # noqa: PT017
    else:
        assert blob.name.rpartition("/")[2] in url


def test_objects_are_not_foreign_files(store: Store, admin: StoreAdmin) -> None:
    assert list(admin.foreign_files("audio/")) == []
    put_and_delete(store)
    put(store)
    assert list(admin.foreign_files("audio/")) == []
    assert list(admin.foreign_files("")) == []


def test_a_foreign_file_that_is_gone_is_not_removed(admin: StoreAdmin) -> None:
    file = ForeignFile("audio/x", "an empty folder", is_removable=True, changed_at=NOON)
    with pytest.raises(BlobNotFoundError):
        admin.remove_foreign_file(file)


def test_diagnose_leaves_nothing_behind(store: Store, admin: StoreAdmin) -> None:
    blob = put(store)
    assert list(admin.diagnose())
    assert list(store.list("")) == [blob]
