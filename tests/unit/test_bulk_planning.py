"""A dry run finds what an upload would do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, MemoryStore
from audiostore.bulk import BulkItem, Planned, find_items, plan_items
from audiostore.errors import (
    InvalidAudioIdError,
    InvalidImageError,
    InvalidMetadataError,
    SourceNotFoundError,
    UnplayableAudioError,
    UnsupportedFormatError,
)
from audiostore.ingest import UploadOptions
from tests.assets import JPG, MP3, OGG
from tests.audio_samples import sample

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


def _plan(*items: BulkItem, covers_are_given: bool = False, **options: object) -> list[Planned]:
    with AudioStorageManager(store=MemoryStore()) as manager:
        chosen = UploadOptions(**options)  # type: ignore[arg-type]
        return list(plan_items(manager, items, chosen, covers_are_given=covers_are_given))


def _tree(folder: Path) -> Path:
    for name, data in {
        "own/song.mp3": MP3.read_bytes(),
        "own/song.jpg": JPG.read_bytes(),
        "shared/one.ogg": OGG.read_bytes(),
        "shared/Cover.jpg": JPG.read_bytes(),
        "bare/take.wav": sample("wav"),
        "bad/cut.mp3": MP3.read_bytes()[:60_000],
        "bad/text.mp3": b"hello " * 100,
        "bad/empty.flac": b"",
        "bad/image.jpg": b"\xff\xd8\xff\xe0 no image",
        "bad/image.ogg": OGG.read_bytes(),
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return folder


def test_the_origin_of_each_cover_is_reported(tmp_path: Path) -> None:
    embedded = Path(__file__).parents[2] / "examples" / "paper-lanterns.m4a"
    folder = _tree(tmp_path)
    found = find_items([folder / "own", folder / "shared", folder / "bare"], lambda _: None)
    plans = _plan(*found, BulkItem(embedded))
    assert [(p.item.audio.name, p.cover, p.error) for p in plans] == [
        ("song.mp3", "same stem", None),
        ("one.ogg", "folder image", None),
        ("take.wav", "none", None),
        ("paper-lanterns.m4a", "embedded", None),
    ]
    assert plans[0].size_bytes == MP3.stat().st_size + JPG.stat().st_size
    assert plans[1].content_type == "audio/ogg; codecs=vorbis"
    assert plans[2].duration_s == pytest.approx(2.0, abs=0.1)


def test_a_cover_named_in_a_manifest_is_given(tmp_path: Path) -> None:
    (plan,) = _plan(BulkItem(MP3, JPG), covers_are_given=True)
    assert (plan.cover, plan.error) == ("given", None)


def test_embedded_artwork_counts_only_if_it_is_used() -> None:
    item = BulkItem(Path(__file__).parents[2] / "examples" / "paper-lanterns.m4a")
    assert [p.cover for p in _plan(item, artwork="none")] == ["none"]


def test_refused_items_are_reported_among_the_others(tmp_path: Path) -> None:
    found = list(find_items([_tree(tmp_path)]))
    plans = _plan(*found)
    assert [p.item for p in plans] == found
    refused = {p.item.audio.name: type(p.error) for p in plans if p.error}
    assert refused.pop("empty.flac").__name__ == "InvalidSourceError"
    assert refused == {
        "cut.mp3": UnplayableAudioError,
        "text.mp3": UnsupportedFormatError,
        "image.ogg": InvalidImageError,
    }


def test_what_is_stored_is_skipped_with_its_id_and_whether_it_has_artwork(tmp_path: Path) -> None:
    options = UploadOptions()
    with AudioStorageManager(store=MemoryStore()) as manager:
        song = manager.upload_audio_with_thumbnail(MP3, JPG)
        items = [BulkItem(MP3), BulkItem(OGG)]

        same, new = plan_items(manager, items, options, skip_stored=True)

    assert (same.skipped, same.audio_id, same.has_artwork) == (True, song.audio_id, True)
    assert (new.skipped, new.error) == (False, None)


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (BulkItem(MP3, audio_id="x"), InvalidAudioIdError),
        (BulkItem(MP3, metadata={"crc32c": "x"}), InvalidMetadataError),
        (BulkItem(MP3, metadata={"x": "y" * 8192}), InvalidMetadataError),
        (BulkItem(Path("gone.mp3")), SourceNotFoundError),
        (BulkItem(MP3, Path("gone.jpg")), SourceNotFoundError),
        (BulkItem(MP3, OGG), UnsupportedFormatError),
    ],
)
def test_bad_arguments_are_refused(item: BulkItem, error: type[Exception]) -> None:
    (plan,) = _plan(item)
    assert type(plan.error) is error
    fields = plan.to_dict()
    assert (fields["status"], fields["error"]) == ("failed", str(plan.error))


def test_a_plan_is_ready_for_json() -> None:
    (plan,) = _plan(BulkItem(MP3, JPG, ID, {"mood": "glad"}, "list.csv, line 2"))
    fields = plan.to_dict()
    assert isinstance(fields.pop("duration_s"), float)
    tags = fields.pop("tags")
    assert isinstance(tags, dict)
    assert tags["title"] == "Morning, in C"
    assert fields == {
        "audio": str(MP3),
        "status": "stored",
        "reason": "new",
        "error": None,
        "cover": "same stem",
        "thumbnail": str(JPG),
        "audio_id": ID,
        "metadata": {"mood": "glad"},
        "content_type": "audio/mpeg",
        "size_bytes": MP3.stat().st_size + JPG.stat().st_size,
        "warnings": [],
        "matched": None,
        "origin": "list.csv, line 2",
        "has_artwork": True,
        "source_path": None,
        "duration_is_exact": True,
    }


def test_items_are_read_a_few_at_a_time() -> None:
    read = 0

    def items() -> Iterator[BulkItem]:
        nonlocal read
        for _ in range(10_000):
            read += 1
            yield BulkItem(Path("gone.mp3"))

    manager = AudioStorageManager(store=MemoryStore())
    plans = plan_items(manager, items(), UploadOptions())
    for taken in range(1, 10):
        next(plans)
        assert read <= 16 + taken
    plans.close()
