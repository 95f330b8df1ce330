"""Where a file was: kept exactly, and never trusted when it is read."""

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from audiostore import BulkItem, UploadOptions, check_manifest, find_items
from audiostore.bulk.naming import name_by_source_path, original_name
from audiostore.manager import AudioStorageManager
from audiostore.sourcepaths import (
    FILENAME_BYTES_KEY,
    MAX_SOURCE_PATH_BYTES,
    exact_filename_of,
    filename_metadata,
    is_source_path,
    path_beside,
    source_path_metadata,
    source_path_of,
)
from tests.assets import JPG, MP3

ODD = (
    "Nina Simone/Pastel Blues/01 Be My Husband.mp3",
    "...And Justice for All/01 Blackened.mp3",
    "a\nb/c\td.mp3",
    "Cafe\u0301/\U0001f3b5.mp3",
    "back\\slash.mp3",
    " /-rf",
    "caf\udce9/\udcff\udcfe.mp3",  # Latin-1, and no encoding at all
    "\ufffd.mp3",
    "\udc80" * MAX_SOURCE_PATH_BYTES,
)
HOSTILE = (
    "/etc/cron.d/x.mp3",
    "../x.mp3",
    "a/../../x.mp3",
    "a/..",
    "./x.mp3",
    "a/./x.mp3",
    "a//x.mp3",
    "a/",
    "",
    ".",
    "a\0b.mp3",
    "\ud800.mp3",
    "x" * (MAX_SOURCE_PATH_BYTES + 1),
)


@pytest.mark.parametrize("path", ODD)
def test_a_source_path_comes_back_byte_for_byte(path: str) -> None:
    kept = source_path_metadata(path)
    assert source_path_of(kept) == path
    assert sum(len(k.encode() + v.encode()) for k, v in kept.items()) < 7_500
    text = kept["source_path"]
    assert ("source_path_bytes" in kept) == (text != path)
    assert text == text.strip()
    assert not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in text)


@pytest.mark.parametrize(
    "name",
    ["back\\slash.mp3", "caf\udce9 \udcff.mp3", " a.mp3", "曲" * 83 + "\udce9.mp3", "a.mp3"],
)
def test_the_name_of_a_file_comes_back_byte_for_byte(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(MP3.read_bytes())
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        stored = manager.upload_audio_file(tmp_path / name)
        assert original_name(stored) == name
        assert (stored.original_filename or "").encode()
        (outcome,) = manager.bulk.download([stored], tmp_path / "back", names=name_by_source_path)
    assert outcome.path == tmp_path / "back" / name
    # Whatever a store claims, it is one component, and the one that its text shows.
    for claimed in ("../x.mp3", "a/b.mp3", "other.mp3", "..", "a\0b"):
        metadata = {"original_filename": claimed, **filename_metadata(f"{claimed}\\")}
        assert exact_filename_of(metadata) is None
        metadata = {"original_filename": claimed, FILENAME_BYTES_KEY: "Li4veC5tcDM=", "x": "y"}
        assert exact_filename_of(metadata) is None


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_elsewhere_is_refused_and_never_read(path: str) -> None:
    assert not is_source_path(path)
    assert source_path_of({"source_path": path}) is None
    with pytest.raises(ValueError, match="source_path"):
        UploadOptions(source_path=path)


@pytest.mark.parametrize("raw", [b"../x.mp3", b"b.mp3", b"\xff/../../x", b"/\xff"])
def test_bytes_that_are_not_those_of_the_text_do_not_count(raw: bytes) -> None:
    encoded = urlsafe_b64encode(raw).decode()
    assert source_path_of({"source_path": "a.mp3", "source_path_bytes": encoded}) == "a.mp3"
    text = raw.decode("utf-8", "replace")
    found = source_path_of({"source_path": text, "source_path_bytes": encoded})
    assert found is None or found == "b.mp3"


@pytest.mark.parametrize("encoded", ["é", "!", "a", "====", ""])
def test_broken_bytes_do_not_count(encoded: str) -> None:
    assert source_path_of({"source_path": "a.mp3", "source_path_bytes": encoded}) == "a.mp3"
    assert source_path_of({"source_path_bytes": encoded}) is None


@pytest.mark.parametrize(
    ("cover", "expected"),
    [
        ("/m/a/CD1/01.jpg", "a/CD1/01.jpg"),
        ("/m/a/Scans/front.jpg", "a/Scans/front.jpg"),
        ("/m/caf\udce9/x/../c.jpg", "caf\udce9/c.jpg"),
        ("/m/c.jpg", "c.jpg"),
        ("/c.jpg", None),
        ("/elsewhere/c.jpg", None),
    ],
)
def test_a_cover_is_where_it_is_from_its_track(cover: str, expected: str | None) -> None:
    assert path_beside("a/CD1/01.mp3", "/m/a/CD1/01.mp3", cover) == expected


def test_the_path_below_the_named_directory_is_stored_and_kept(tmp_path: Path) -> None:
    album = tmp_path / "Music" / "Nina Simone" / "caf\udce9"
    album.mkdir(parents=True)
    (album / "01.mp3").write_bytes(MP3.read_bytes())
    (album / "Cover.JPG").write_bytes(JPG.read_bytes())
    items = list(find_items([tmp_path / "Music"]))
    assert [item.source_path for item in items] == ["Nina Simone/caf\udce9/01.mp3"]
    assert [item.source_path for item in find_items([album / "01.mp3"])] == [None]
    with (
        AudioStorageManager((tmp_path / "store").as_uri()) as manager,
        AudioStorageManager((tmp_path / "other").as_uri()) as other,
    ):
        (outcome,) = manager.bulk.upload(items)
        assert outcome.error is None
        stored = manager.get(outcome.audio_id or "")
        assert stored.source_path == items[0].source_path
        assert "source_path" not in stored.custom
        manager.update_metadata(stored.audio_id, {"mood": "calm"}, replace=True)
        manager.delete(stored.audio_id)
        manager.restore(stored.audio_id)
        manager.set_class(stored.audio_id, "NEARLINE")
        list(manager.bulk.copy(other))
        for each in (manager, other):
            kept = each.get(stored.audio_id)
            assert kept.source_path == items[0].source_path
            assert kept.thumbnail is not None
            assert source_path_of(kept.thumbnail.metadata) == "Nina Simone/caf\udce9/Cover.JPG"


@pytest.mark.parametrize(
    ("named", "source_path"),
    [
        ("a/b.mp3", "a/b.mp3"),
        ("./a//b.mp3", "a/b.mp3"),
        ("a/../b.mp3", "b.mp3"),
        ("../b.mp3", None),
    ],
)
def test_the_path_below_the_manifest_is_the_source_path(
    tmp_path: Path, named: str, source_path: str | None
) -> None:
    folder = tmp_path / "lists"
    (folder / "a").mkdir(parents=True)
    for path in (folder / "a" / "b.mp3", folder / "b.mp3", tmp_path / "b.mp3"):
        path.write_bytes(MP3.read_bytes())
    manifest = folder / "songs.csv"
    for row in (named, str(folder / named)):
        manifest.write_text(f"audio\n{row}\n")
        (item,) = check_manifest(manifest, print).items()
        assert item.source_path == source_path


def test_an_item_with_a_hostile_source_path_fails_alone(tmp_path: Path) -> None:
    with AudioStorageManager(tmp_path.as_uri()) as manager:
        (outcome,) = manager.bulk.upload([BulkItem(MP3, source_path="../x.mp3")])
        assert isinstance(outcome.error, ValueError)
