"""What the objects of an asset say of each other, and what a reader makes of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from audiostore.asset import PreparedFile
from audiostore.asset.record import (
    MAX_METADATA_BYTES,
    assemble,
    belongs_to_audio,
    came_with_audio,
    changed_metadata,
    check_custom_metadata,
    copied_metadata,
    facts_of,
    file_metadata,
    is_committed_audio,
    names_content_of,
    names_the_same,
    names_thumbnail,
    refreshed_metadata,
    replaces,
    thumbnail_reference,
    waits_for_audio,
)
from audiostore.errors import InvalidMetadataError
from audiostore.media import AudioInfo
from audiostore.sources import BytesSource
from audiostore.values import OWN_KEYS, BlobInfo

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
OTHER_ID = "00000000-0000-4000-8000-000000000000"
SOUND = BytesSource(b"sound")
COVER = BytesSource(b"cover")


def blob(
    name: str, source: BytesSource, generation: int, kind: str, **metadata: str | None
) -> BlobInfo:
    own = file_metadata(ID, kind, name.rpartition("/")[2], source, {})
    return BlobInfo(
        name=name,
        size_bytes=source.size_bytes,
        content_type="a/b",
        crc32c=source.crc32c,
        generation=generation,
        metageneration=1,
        storage_class="STANDARD",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        metadata={k: v for k, v in {**own, **metadata}.items() if v is not None},
    )


def audio(thumbnail: BlobInfo | None = None, **metadata: str | None) -> BlobInfo:
    reference = thumbnail_reference(thumbnail)
    return blob(f"audio/{ID}/audio.mp3", SOUND, 100, "audio", **{**reference, **metadata})


def cover(generation: int = 50, ext: str = "jpg", **metadata: str | None) -> BlobInfo:
    return blob(f"audio/{ID}/thumbnail.{ext}", COVER, generation, "thumbnail", **metadata)


# -- the commit record -------------------------------------------------------------------------


def test_without_audio_no_asset_exists() -> None:
    assert assemble(ID, []) is None
    assert assemble(ID, [cover()]) is None


def test_audio_alone_is_an_asset() -> None:
    asset = assemble(ID, iter([audio()]))
    assert asset is not None
    assert (asset.audio, asset.thumbnail, asset.thumbnail_missing) == (audio(), None, False)


def test_audio_brings_the_thumbnail_that_it_names() -> None:
    asset = assemble(ID, [audio(cover()), cover()])
    assert asset is not None
    assert asset.thumbnail == cover()
    assert not asset.thumbnail_missing


def test_a_thumbnail_that_is_not_named_is_not_part_of_the_asset() -> None:
    asset = assemble(ID, [audio(), cover()])
    assert asset is not None
    assert (asset.thumbnail, asset.thumbnail_missing) == (None, False)


@pytest.mark.parametrize(
    "other",
    [cover(50, "png"), replace(cover(), crc32c="AAAAAA==")],
    ids=["name", "content"],
)
def test_another_thumbnail_than_the_named_one_is_missing(other: BlobInfo) -> None:
    asset = assemble(ID, [audio(cover()), other])
    assert asset is not None
    assert (asset.thumbnail, asset.thumbnail_missing) == (None, True)


def test_the_same_bytes_under_the_name_are_as_good_as_the_named_generation() -> None:
    restored = cover(51)
    asset = assemble(ID, [audio(cover()), restored])
    assert asset is not None
    assert (asset.thumbnail, asset.thumbnail_missing) == (restored, False)
    assert names_content_of(asset.audio, restored)
    assert not names_thumbnail(asset.audio, restored)


def test_of_several_thumbnails_the_named_one_counts() -> None:
    asset = assemble(ID, [cover(60, "jpg"), cover(70, "png"), audio(cover(50, "webp"))])
    assert asset is not None
    assert asset.thumbnail_missing
    asset = assemble(ID, [cover(60, "jpg"), audio(cover(70, "png")), cover(70, "png")])
    assert asset is not None
    assert asset.thumbnail == cover(70, "png")


def test_a_replacement_counts_before_the_audio_names_it() -> None:
    present = assemble(ID, [audio(cover()), cover()])
    assert present is not None
    successor = replace(cover(200, **replaces(present, present.thumbnail)), crc32c="AAAAAA==")
    asset = assemble(ID, [audio(cover()), successor])
    assert asset is not None
    assert asset.thumbnail == successor
    moved = assemble(ID, [replace(audio(cover()), generation=300), successor])
    assert moved is not None
    assert moved.thumbnail == successor
    asset = assemble(ID, [audio(successor), successor])
    assert asset is not None
    assert asset.thumbnail == successor


def test_a_replacement_of_another_thumbnail_does_not_count() -> None:
    for keys in (
        {"audio_generation": "100", "replaces_generation": "49"},
        {"audio_generation": "100"},
    ):
        other = replace(cover(200), crc32c="AAAAAA==")
        asset = assemble(ID, [audio(cover()), replace(other, metadata={**other.metadata, **keys})])
        assert asset is not None
        assert asset.thumbnail_missing


def test_a_replacement_under_another_name_does_not_count_until_it_is_named() -> None:
    present = assemble(ID, [audio(cover()), cover()])
    assert present is not None
    successor = cover(200, "png", **replaces(present, None))
    for folder in ([audio(cover()), cover(), successor], [successor, cover(), audio(cover())]):
        asset = assemble(ID, folder)
        assert asset is not None
        assert asset.thumbnail == cover()


def test_of_two_audio_objects_the_older_one_counts() -> None:
    younger = replace(audio(), name=f"audio/{ID}/audio.flac", generation=101)
    for folder in ([audio(), younger], [younger, audio()]):
        asset = assemble(ID, folder)
        assert asset is not None
        assert asset.audio == audio()


def test_of_two_audio_objects_of_one_instant_all_readers_choose_the_same() -> None:
    twin = replace(audio(), name=f"audio/{ID}/audio.flac")
    found = [assemble(ID, folder) for folder in ([audio(), twin], [twin, audio()])]
    assert found[0] is not None
    assert found[0].audio == twin
    assert found[0] == found[1]


# -- objects that are not commit records ------------------------------------------------------


@pytest.mark.parametrize(
    "damaged",
    [
        replace(audio(), size_bytes=4),
        replace(audio(), crc32c="AAAAAA=="),
        replace(audio(), metadata={}),
        replace(audio(), name=f"audio/{ID}/other.mp3"),
        replace(audio(), name=f"audio/{OTHER_ID}/audio.mp3"),
        replace(audio(), name=f"x/audio/{ID}/audio.mp3"),
        replace(cover(), name=f"audio/{ID}/thumbnail.mp3"),
        audio(audio_id=None),
        audio(audio_id=OTHER_ID),
        audio(crc32c=None),
        audio(file_size=None),
        audio(file_size="5.0"),
    ],
)
def test_a_foreign_or_damaged_object_is_not_a_commit_record(damaged: BlobInfo) -> None:
    assert not is_committed_audio(damaged)
    assert assemble(ID, [damaged, cover()]) is None
    asset = assemble(ID, [damaged, replace(audio(), generation=900)])
    assert asset is not None
    assert asset.audio.generation == 900


def test_a_reference_is_all_of_its_keys() -> None:
    assert names_thumbnail(audio(cover()), cover())
    assert names_thumbnail(audio(), None)
    assert not names_thumbnail(audio(cover()), None)
    assert not names_thumbnail(audio(), cover())
    assert not names_thumbnail(audio(cover(), thumbnail_crc32c=None), cover())


def test_audio_that_moved_to_another_class_is_the_same_and_with_other_artwork_is_not() -> None:
    moved = replace(audio(cover()), generation=200, storage_class="COLDLINE")
    assert names_the_same(moved, audio(cover()))
    assert not names_the_same(moved, audio(cover(51)))
    assert not names_the_same(moved, audio())
    assert not names_the_same(replace(moved, crc32c="AAAAAA=="), audio(cover()))


def test_artwork_records_which_audio_it_belongs_to() -> None:
    waiting, together = cover(), cover(audio_crc32c=SOUND.crc32c)
    assert belongs_to_audio(SOUND) == {"audio_crc32c": SOUND.crc32c}
    assert waits_for_audio(waiting)
    assert not waits_for_audio(together)
    assert not waits_for_audio(cover(audio_generation="100"))
    assert not waits_for_audio(audio())
    assert not waits_for_audio(cover(file_type=None))
    assert came_with_audio(together, SOUND)
    assert not came_with_audio(together, BytesSource(b"another sound"))
    assert not came_with_audio(waiting, SOUND)


# -- the caller's metadata ---------------------------------------------------------------------


@pytest.mark.parametrize("key", sorted(OWN_KEYS))
def test_our_own_keys_are_refused_in_any_case(key: str) -> None:
    for written in (key, key.upper(), key.title()):
        with pytest.raises(InvalidMetadataError, match="writes itself"):
            check_custom_metadata({written: "x"})


@pytest.mark.parametrize(
    "bad",
    [
        {"": "x"},
        {"  ": "x"},
        {"a\nb": "x"},
        {"a\0": "x"},
        {"a": "x\0"},
        {"a": "\ud800"},
        {"\udc80": "x"},
        {"a": 1},
        {"a": None},
        {"a": b"x"},
        {1: "x"},
    ],
)
def test_metadata_that_is_not_text_is_refused(bad: dict[str, str]) -> None:
    with pytest.raises(InvalidMetadataError):
        check_custom_metadata(bad)


@pytest.mark.parametrize(
    "key", ["v1/width", "a b", "é", "a:b", "a(b)", "x=y", 'q"', "\u212a", " a"]
)
def test_a_key_that_no_header_can_have_is_refused_with_the_rule(key: str) -> None:
    with pytest.raises(InvalidMetadataError, match="only ASCII letters, digits and any of !"):
        check_custom_metadata({key: "x"})


def test_keys_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(InvalidMetadataError, match="'Mood' and 'mood' differ only in case"):
        check_custom_metadata({"Mood": "x", "mood": "y"})


def test_a_key_replaces_the_one_that_differs_only_in_case() -> None:
    present = {"audio_id": ID, "mood": "calm", "title": "of the file", "tag_keys": "title"}
    update = changed_metadata(present, {"Mood": "glad", "Title": "mine"}, replace=False)
    assert update == {
        "Mood": "glad", "mood": None, "Title": "mine", "title": None, "tag_keys": None
    }  # fmt: skip
    file = PreparedFile(SOUND, None, "MP3", ".mp3", "audio/mpeg", "a.mp3", {"title": "of the file"})
    update = refreshed_metadata(present, file, {"MOOD": "glad"})
    assert (update["MOOD"], update["mood"], "title" in update) == ("glad", None, False)


def test_a_stored_duration_stays_and_so_does_whether_it_is_exact() -> None:
    facts = {"duration_s": "2.0", "duration_is_exact": "false"}
    file = PreparedFile(SOUND, None, "MP3", ".mp3", "audio/mpeg", "a.mp3", facts)
    assert not facts.keys() & refreshed_metadata({"duration_s": "1.0"}, file, {}).keys()
    assert facts.items() <= refreshed_metadata({}, file, {}).items()


def test_a_bad_key_of_an_earlier_version_can_be_copied_and_removed() -> None:
    present = {"audio_id": ID, "a b": "x"}
    assert copied_metadata(present) == present
    assert changed_metadata(present, {"a b": None}, replace=False) == {"a b": None}


def test_no_tag_of_a_file_becomes_a_key_that_is_refused() -> None:
    tags = {"A B/ü:": "x", "Mood": "y", "mood": "z", "\U0001f3b5": "w", "TXXX:é": "v"}
    facts = facts_of(AudioInfo("MP3", "mp3", 1.0, True, 44100, 2, tags=tags))
    check_custom_metadata({key: value for key, value in facts.items() if key not in OWN_KEYS})


def test_good_metadata_is_copied() -> None:
    given = {"Title": "Süß\n🎵", "empty": "", "!#$%&'*+-.^_`|~": ""}
    checked = check_custom_metadata(given)
    assert checked == given
    assert checked is not given
    assert check_custom_metadata(None) == {}


def test_ours_win_over_the_callers() -> None:
    metadata = file_metadata(ID, "audio", "a.mp3", SOUND, {"audio_id": "forged", "title": "x"})
    assert metadata["audio_id"] == ID
    assert metadata["title"] == "x"


def test_a_reference_always_finds_room() -> None:
    room = 0
    while True:
        try:
            metadata = file_metadata(ID, "audio", "a.mp3", SOUND, {"k": "x" * (room + 1)})
        except InvalidMetadataError as error:
            assert "shorten the values" in str(error)  # noqa: PT017
            break
        room += 1
    longest = replace(cover(2**63), name=f"audio/{ID}/thumbnail.{'x' * 16}")
    metadata |= {**thumbnail_reference(longest), "superseded_by": OTHER_ID, "share_epoch": "65535"}
    size = sum(len(k.encode()) + len(v.encode()) for k, v in metadata.items())
    assert MAX_METADATA_BYTES - 50 < size <= MAX_METADATA_BYTES
