"""Finding audio files and their covers below paths."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources import IgnoredPath, find_items, is_same_stem
from audiostore.errors import SourceNotFoundError


def _make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _found(
    *paths: Path, store_folder: Path | None = None
) -> tuple[list[tuple[str, str | None]], list[IgnoredPath]]:
    ignored: list[IgnoredPath] = []
    items = list(find_items(list(paths), ignored.append, store_folder=store_folder))
    assert all(item.audio_id is None and not item.metadata for item in items)
    return [(i.audio.name, i.thumbnail.name if i.thumbnail else None) for i in items], ignored


def _kinds(ignored: Iterable[IgnoredPath]) -> Counter[str]:
    return Counter(each.reason for each in ignored)


@pytest.mark.parametrize(
    ("images", "cover"),
    [
        (["song.jpg", "cover.jpg"], "song.jpg"),
        (["SONG.JPG", "cover.jpg"], "SONG.JPG"),
        (["song.webp", "song.png", "song.jpeg", "song.jpg"], "song.jpg"),
        (["Song.jpg", "song.webp"], "song.webp"),
        (["front.jpg", "folder.jpg", "cover.webp"], "cover.webp"),
        (["front.jpg", "Folder.JPG"], "Folder.JPG"),
        (["FRONT.jpeg"], "FRONT.jpeg"),
        (["back.jpg", "song2.jpg", "cover.gif", ".cover.jpg"], None),
        ([], None),
    ],
)
def test_a_cover_has_the_same_stem_or_is_the_folders(
    tmp_path: Path, images: list[str], cover: str | None
) -> None:
    _make(tmp_path, "song.mp3", *images)
    assert _found(tmp_path)[0] == [("song.mp3", cover)]
    assert _found(tmp_path / "song.mp3")[0] == [("song.mp3", cover)]


def test_a_cover_is_found_however_its_accents_are_encoded(tmp_path: Path) -> None:
    _make(tmp_path, "Ume\u0301.mp3", "Um\u00e9.jpg")
    assert _found(tmp_path)[0] == [("Ume\u0301.mp3", "Um\u00e9.jpg")]


def test_a_cover_in_another_folder_is_not_used(tmp_path: Path) -> None:
    _make(tmp_path, "cover.jpg", "a/song.mp3", "b/song.jpg")
    items, ignored = _found(tmp_path)
    assert items == [("song.mp3", None)]
    assert _kinds(ignored) == {"images that belong to no audio file": 2}


def test_the_folders_cover_is_ignored_if_every_file_has_its_own(tmp_path: Path) -> None:
    _make(tmp_path, "a.mp3", "a.jpg", "cover.jpg")
    items, ignored = _found(tmp_path)
    assert items == [("a.mp3", "a.jpg")]
    assert [each.path.name for each in ignored] == ["cover.jpg"]


def test_items_are_ordered_by_name_within_each_folder(tmp_path: Path) -> None:
    _make(tmp_path, "z.mp3", "b/2.flac", "b/1.ogg", "b/c/0.WAV", "a/3.m4a", "y.opus")
    names = [name for name, _ in _found(tmp_path)[0]]
    assert names == ["y.opus", "z.mp3", "3.m4a", "1.ogg", "2.flac", "0.WAV"]


def test_ignored_paths_are_reported_with_a_reason(tmp_path: Path) -> None:
    _make(tmp_path, "a.mp3", "x.TXT", "y.txt", "README", "back.png", ".hidden.mp3", ".git/b.mp3")
    (tmp_path / "gone.mp3").symlink_to("nowhere")
    (tmp_path / "circle.mp3").symlink_to("circle.mp3")
    os.mkfifo(tmp_path / "pipe.mp3")
    items, ignored = _found(tmp_path)
    assert items == [("a.mp3", None)]
    assert _kinds(ignored) == {
        ".txt files": 2,
        "files without an extension": 1,
        "images that belong to no audio file": 1,
        "hidden files and directories": 2,
        "broken links": 2,
        "devices and pipes": 1,
    }


def test_a_link_to_a_file_is_followed_and_a_link_to_a_folder_is_not(tmp_path: Path) -> None:
    _make(tmp_path, "music/a/one.mp3", "other/two.mp3")
    (tmp_path / "music/a/up").symlink_to("..")
    (tmp_path / "music/other").symlink_to(tmp_path / "other")
    (tmp_path / "music/two.mp3").symlink_to(tmp_path / "other/two.mp3")
    items, ignored = _found(tmp_path / "music")
    assert [name for name, _ in items] == ["two.mp3", "one.mp3"]
    assert _kinds(ignored) == {"links to directories": 2}
    assert [name for name, _ in _found(tmp_path / "music/other")[0]] == ["two.mp3"]


def test_a_path_given_twice_is_yielded_once(tmp_path: Path) -> None:
    _make(tmp_path, "m/a/one.mp3", "m/a/cover.jpg", "m/two.mp3", "m/a/b/three.mp3")
    (tmp_path / "link").symlink_to("m")
    items, ignored = _found(
        tmp_path / "m/a/one.mp3",
        tmp_path / "m/a/../a/one.mp3",
        tmp_path / "link/a/one.mp3",
        tmp_path / "m/a",
        tmp_path / "m",
        tmp_path / "link",
        tmp_path / "m",
    )
    assert items == [("one.mp3", "cover.jpg"), ("two.mp3", None), ("three.mp3", None)]
    assert ignored == []


def test_given_files_are_taken_whatever_their_extensions(tmp_path: Path) -> None:
    _make(tmp_path, "take.bin", ".hidden.mp3", "notes.txt")
    given = [tmp_path / name for name in ("take.bin", ".hidden.mp3", "notes.txt")]
    assert not any(each.path in given[::2] for each in _found(*given, tmp_path)[1])
    items, ignored = _found(*given)
    assert items == [("take.bin", None), (".hidden.mp3", None), ("notes.txt", None)]
    assert ignored == []


def test_images_among_given_files_are_covers(tmp_path: Path) -> None:
    names = ("a.jpg", "a.mp3", "b.mp3", "b.png", "c.webp")
    _make(tmp_path, *names)
    items, ignored = _found(*(tmp_path / name for name in names))
    assert items == [("a.mp3", "a.jpg"), ("b.mp3", "b.png")]
    assert [each.path.name for each in ignored] == ["c.webp"]


def test_a_missing_path_is_refused_before_anything_is_yielded(tmp_path: Path) -> None:
    _make(tmp_path, "a.mp3")
    items = find_items([tmp_path / "a.mp3", tmp_path / "gone"], lambda _: None)
    with pytest.raises(SourceNotFoundError, match="gone"):
        next(items)
    gone = find_items([tmp_path / "gone.mp3"], lambda _: None, allow_missing=True)
    assert [item.audio.name for item in gone] == ["gone.mp3"]


def test_an_unreadable_folder_is_reported_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(tmp_path, "a/one.mp3", "locked/two.mp3", "z/three.mp3")
    scandir = os.scandir  # tests may run as root, who can read every folder

    def guarded(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    items, ignored = _found(tmp_path)
    assert [name for name, _ in items] == ["one.mp3", "three.mp3"]
    assert [(each.path.name, type(each.error)) for each in ignored] == [("locked", PermissionError)]


def test_the_folder_of_the_store_is_ignored(tmp_path: Path) -> None:
    _make(tmp_path, "a.mp3", "store/audio/x/audio.mp3")
    items, ignored = _found(tmp_path, store_folder=tmp_path / "store")
    assert items == [("a.mp3", None)]
    assert _kinds(ignored) == {"directories of the store itself": 1}


@pytest.mark.slow
def test_a_tree_deeper_than_the_stack_is_walked(tmp_path: Path) -> None:
    depth = 1_200
    where = Path.cwd()
    os.chdir(tmp_path)
    try:
        for _ in range(depth):
            Path("d").mkdir()
            os.chdir("d")
        _make(Path(), "song.mp3")
        assert _found(tmp_path) == ([("song.mp3", None)], [])
        Path("song.mp3").unlink()
        for _ in range(depth):  # the cleanup of tmp_path recurses
            os.chdir("..")
            Path("d").rmdir()
    finally:
        os.chdir(where)


def test_only_one_folder_is_read_at_a_time(tmp_path: Path) -> None:
    for folder in "abc":
        _make(tmp_path, f"{folder}/song.mp3")
    items = find_items([tmp_path], lambda _: None)
    assert next(items) == BulkItem(tmp_path / "a/song.mp3", source_path="a/song.mp3")
    _make(tmp_path, "c/later.mp3")
    assert [item.audio.name for item in items] == ["song.mp3", "later.mp3", "song.mp3"]


def test_whether_a_cover_is_a_files_own() -> None:
    assert is_same_stem(Path("Ume\u0301.mp3"), Path("UM\u00c9.jpg"))
    assert not is_same_stem(Path("a.mp3"), Path("cover.jpg"))


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["one.mp3", "one.jpg"], {"one.mp3": False}),
        (["one.mp3", "cover.jpg"], {"one.mp3": True}),
        (["one.mp3", "two.mp3", "one.jpg"], {"one.mp3": False, "two.mp3": False}),
        (["one.mp3", "one.flac", "one.jpg"], {"one.mp3": True, "one.flac": True}),
        (["cover.mp3", "cover.jpg", "one.mp3"], {"cover.mp3": True, "one.mp3": True}),
        (["one.mp3", "One.mp3", "one.jpg"], {"one.mp3": True, "One.mp3": True}),
    ],
)
def test_a_cover_that_several_files_may_share_is_kept(
    tmp_path: Path, names: list[str], kept: dict[str, bool]
) -> None:
    _make(tmp_path, *names)
    everything = [tmp_path, *tmp_path.iterdir()]
    for paths in ([tmp_path], everything, [tmp_path / "one.mp3", tmp_path]):
        found = {i.audio.name: i.keeps_thumbnail for i in find_items(paths, lambda _: None)}
        assert found == kept


def test_a_given_file_shares_its_cover_whatever_its_extension(tmp_path: Path) -> None:
    _make(tmp_path, "one.mp3", "one.bin", "one.jpg")
    for paths in ([tmp_path / "one.bin", tmp_path], [tmp_path / "one.bin", tmp_path / "one.mp3"]):
        items = list(find_items(paths, lambda _: None))
        assert [item.keeps_thumbnail for item in items] == [True, True]


def test_several_directories_keep_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("...And Justice/1.mp3", "R.E.M./x/1.mp3", "here/1.mp3", "2.mp3"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.chdir(tmp_path / "here")
    paths = [Path("../...And Justice"), Path("../R.E.M."), Path(), Path("../2.mp3")]
    assert [item.source_path for item in find_items(paths)] == [
        None,
        "...And Justice/1.mp3",
        "R.E.M./x/1.mp3",
        "here/1.mp3",
    ]
    (alone,) = find_items([tmp_path / "R.E.M."])
    assert alone.source_path == "x/1.mp3"
