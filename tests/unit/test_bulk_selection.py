"""Which files are taken: patterns, lists, leftovers of others, and what only looks like audio."""

import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources import (
    IgnoredPath,
    PathPatterns,
    SearchOptions,
    find_items,
    find_listed_items,
    read_names,
)
from audiostore.errors import InvalidSourceError
from tests.assets import JPG
from tests.audio_samples import sample


def _make(folder: Path, *names: str, data: bytes = b"x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _found(
    *paths: Path, options: SearchOptions | None = None
) -> tuple[list[str], list[IgnoredPath]]:
    ignored: list[IgnoredPath] = []
    items = list(find_items(list(paths), ignored.append, options))
    return [item.source_path or item.audio.name for item in items], ignored


def _kinds(ignored: Sequence[IgnoredPath]) -> Counter[str]:
    return Counter(each.reason for each in ignored)


# -- patterns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("*.mp3", "a.mp3|d/b.mp3", "a.flac|d/mp3"),
        ("/*.mp3", "a.mp3", "d/b.mp3"),
        ("song.mp3", "song.mp3|d/song.mp3", "a song.mp3|d/my-song.mp3|song.mp3/x"),
        ("d/*.mp3", "d/a.mp3|c/d/a.mp3", "d/e/a.mp3|cd/a.mp3"),
        ("d/**", "d/a|d/e/b|c/d/a", "cd/a|da"),
        ("/d/**.mp3", "d/a.mp3|d/e/a.mp3", "c/d/a.mp3|d/a.ogg"),
        ("d/", "d/a|d/e/b|c/d/a", "d"),
        ("/d/", "d/a|d/e/b", "c/d/a"),
        ("**", "a|d/b", ""),
        ("a?.mp3", "ab.mp3|d/a1.mp3", "a.mp3|abc.mp3|a/.mp3"),
        ("*.[mo][pg]*", "a.mp3|a.ogg", "a.flac"),
        ("[!a-c]*", "d.mp3", "a.mp3|c.mp3"),
        ("*.{mp3,fla*}", "a.mp3|a.flac|d/a.flaxx", "a.ogg"),
        ("/{a,b}/*", "a/x|b/y", "c/z|a/b/z"),
        (r"\[19??\]*/**", "[1965] A/x", "1965 A/x"),
        (r"*\d.mp3", "a1.mp3", "a.mp3"),
        ("(*) + $^.mp3", "(x) + $^.mp3", "x + $^.mp3"),
        ("Ume\u0301*", "Um\u00e9.mp3|Ume\u0301.mp3", "Ume.mp3"),
        ("a*z", "a\nz", "a/z"),
    ],
)
def test_patterns_mean_what_they_mean_to_rclone(pattern: str, taken: str, left: str) -> None:
    for names, is_match in ((taken, True), (left, False)):
        for name in filter(None, names.split("|")):
            assert PathPatterns([pattern]).takes(name) == is_match, name
            assert PathPatterns([], [pattern]).takes(name) != is_match, name


def test_what_is_excluded_is_not_included_and_case_counts_unless_told() -> None:
    both = PathPatterns(["*.mp3"], ["Live/**"])
    assert both.takes("a/b.mp3")
    assert not both.takes("Live/b.mp3")
    assert both.takes("live/b.mp3")
    assert not PathPatterns(["*.mp3"], ["Live/**"], ignore_case=True).takes("live/b.MP3")


@pytest.mark.parametrize(
    "pattern", ["", "/", "***", "a]", "[a", "[]", "{a", "a}", "{a{b}}", "{{a}}", "a\\", "[b-a]"]
)
def test_a_malformed_pattern_is_refused_with_its_text(pattern: str) -> None:
    with pytest.raises(ValueError, match="invalid pattern"):
        PathPatterns([pattern])


def test_what_is_excluded_is_neither_read_nor_a_cover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(tmp_path, "a/x.mp3", "a/x.wv", "a/cover.jpg", "a/Live/y.mp3", "b/z.flac", "b/n.txt")
    _make(tmp_path, "b/Artwork/front.jpg")
    read: list[str] = []
    scandir = os.scandir

    def watched(path: Path) -> object:
        read.append(path.name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    patterns = PathPatterns(["*.mp3", "*.flac"], ["Live/", "/b/Artwork/**", "cover.*"])
    ignored: list[IgnoredPath] = []
    items = list(find_items([tmp_path], ignored.append, SearchOptions(patterns)))
    assert [(item.source_path, item.thumbnail) for item in items] == [
        ("a/x.mp3", None),
        ("b/z.flac", None),
    ]
    assert "Live" not in read
    assert "Artwork" not in read
    assert _kinds(ignored) == {
        "directories excluded by a pattern": 2,
        "files excluded by a pattern": 3,  # the cover, x.wv and n.txt, which are not included
    }


# -- names of others -------------------------------------------------------------------------------


def test_leftovers_of_systems_and_tools_are_skipped_under_their_own_names(tmp_path: Path) -> None:
    _make(tmp_path, "a.mp3", "...And Justice for All/b.mp3", "..Baby One More Time/c.mp3")
    _make(tmp_path, ".38 Special/d.mp3", ".hack/x.mp3", ".x.mp3", ".config")
    for folder in (
        *("@eaDir", "#recycle", "$RECYCLE.BIN", ".Trash-1000", "System Volume Information"),
        *("lost+found", ".AppleDouble", ".stversions", "__MACOSX"),
    ):
        _make(tmp_path, f"sub/{folder}/x.mp3")
    _make(tmp_path, "._a.mp3", ".d.mp3.AbCdEf", "~syncthing~e.mp3.tmp", ".syncthing.f.mp3.tmp")
    _make(tmp_path, "g.mp3.part", "h.mp3.crdownload", "i.mp3.partial", "j.tmp", ".k.mp3.icloud")
    _make(tmp_path, "l.mp3", "l.mp3.part")  # a browser's empty file, and what it has so far
    found, ignored = _found(tmp_path)
    assert found == [
        "a.mp3",
        "...And Justice for All/b.mp3",
        "..Baby One More Time/c.mp3",
        ".38 Special/d.mp3",
    ]
    hidden = [each for each in ignored if each.reason == "hidden files and directories"]
    assert {each.path.name for each in hidden if each.content} == {".hack", ".x.mp3"}
    assert _kinds(ignored) == {
        "hidden files and directories": 3,
        **{
            f"{name} directories": 1
            for name in (
                *("@eaDir", "#recycle", "$RECYCLE.BIN", ".Trash-1000", "lost+found"),
                *("System Volume Information", ".AppleDouble", ".stversions", "__MACOSX"),
            )
        },
        "AppleDouble files (._*)": 1,
        "iCloud placeholders": 1,
        "temporary files of rsync": 1,
        "temporary files of Syncthing": 2,
        ".part files": 2,
        ".crdownload files": 1,
        ".partial files": 1,
        ".tmp files": 1,
        "unfinished downloads": 1,
    }


# -- what looks like audio -------------------------------------------------------------------------


def test_nothing_that_looks_like_audio_is_left_out_without_a_word(tmp_path: Path) -> None:
    m4a, mp3 = sample("m4a"), sample("mp3")
    _make(tmp_path, "a.mp3", data=mp3)
    _make(tmp_path, "b.mp4", "c.m4r", data=m4a)
    _make(tmp_path, "d.wv", data=b"wvpk" + bytes(60))
    _make(tmp_path, "track 5", data=mp3)
    _make(tmp_path, "e.mp4", data=sample("film in mp4"))
    _make(tmp_path, "f.webm", data=sample("film in webm"))
    _make(tmp_path, "g.webm", data=sample("webm"))
    _make(tmp_path, "h.m4p", data=sample("protected mp4"))
    _make(tmp_path, *(f"f{extension}" for extension in (".ape", ".mka", ".tta", ".dsf", ".shn")))
    _make(tmp_path, "README", "list.m3u", "album.cue", "a.log", "clip.avi")
    found, ignored = _found(tmp_path)
    assert found == ["a.mp3", "g.webm"]
    named = {each.path.name: (each.content, each.is_audio) for each in ignored if each.content}
    for name, format_name in (("b.mp4", "MP4"), ("track 5", "MP3")):
        hint = "under another extension: pass fix_extension=True to store it"
        assert named[name] == (f"{format_name} audio {hint}", True)
    assert named["d.wv"] == ("WavPack audio", True)
    assert named["e.mp4"] == ("video (H.264 with sound)", False)
    assert named["f.webm"] == ("video (VP8 with sound)", False)
    assert named["h.m4p"][1]
    assert set(named) == {
        *("b.mp4", "c.m4r", "d.wv", "e.mp4", "f.webm", "h.m4p", "track 5"),
        *("f.ape", "f.mka", "f.tta", "f.dsf", "f.shn"),
    }
    found, ignored = _found(tmp_path, options=SearchOptions(fix_extension=True))
    assert found == ["a.mp3", "b.mp4", "c.m4r", "g.webm", "track 5"]


# -- images among given files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "covers"),
    [
        ("s.mp3 art.png", {"s.mp3": "art.png"}),
        ("a/s.mp3 b/art.png", {"s.mp3": "b/art.png"}),
        ("a/s.mp3 b/s.png c/t.mp3", {"s.mp3": "b/s.png", "t.mp3": None}),
        ("a/s.mp3 a/t.mp3 b/art.png", {"s.mp3": "b/art.png", "t.mp3": "b/art.png"}),
        ("a/s.mp3 a/cover.jpg b/art.png", "b/art.png"),
        ("a/s.mp3 b/art.png c/art.png", "b/art.png"),
        ("a/s.mp3 a/cover.jpg a/back.jpg", {"s.mp3": "a/cover.jpg"}),
        ("a/s.mp3 a/s.jpg b/t.mp3 b/cover.jpg", {"s.mp3": "a/s.jpg", "t.mp3": "b/cover.jpg"}),
    ],
)
def test_a_given_image_is_a_cover_or_refused(
    tmp_path: Path, given: str, covers: dict[str, str | None] | str
) -> None:
    names = given.split()
    _make(tmp_path, *names)
    _make(tmp_path, "a/front.jpg")  # what is given goes before what is found
    paths = [tmp_path / name for name in names]
    if isinstance(covers, str):
        with pytest.raises(InvalidSourceError, match=covers):
            next(find_items(paths))
        return
    found = {
        item.audio.name: item.thumbnail and str(item.thumbnail.relative_to(tmp_path))
        for item in find_items(paths)
    }
    assert found == covers


def test_an_image_beside_a_directory_is_refused_and_one_within_is_not(tmp_path: Path) -> None:
    _make(tmp_path, "m/a.mp3", "m/x.jpg", "m/y.jpg", "art.jpg")
    with pytest.raises(InvalidSourceError, match=r"art\.jpg"):
        next(find_items([tmp_path / "m", tmp_path / "art.jpg"]))
    assert len(list(find_items([tmp_path / "m", tmp_path / "m/x.jpg"]))) == 1


# -- lists -----------------------------------------------------------------------------------------


def _names(data: bytes, root: Path, *, null_separated: bool = False) -> list[str]:
    return list(read_names(io.BytesIO(data), "list", root, null_separated=null_separated))


def test_a_list_is_read_as_rclone_reads_it_but_loses_no_file(tmp_path: Path) -> None:
    _make(tmp_path, "#1 Crush.mp3", " spaced.mp3 ", ";x.mp3")
    text = b"\xef\xbb\xbfa.mp3\r\n\n# a comment\n; another\n  b.mp3\t\n#1 Crush.mp3\n;x.mp3\n"
    text += b" spaced.mp3 \nc\xff.mp3"
    assert _names(text, tmp_path) == [
        *("a.mp3", "b.mp3", "#1 Crush.mp3", ";x.mp3", " spaced.mp3 ", "c\udcff.mp3"),
    ]
    raw = b"a\nb.mp3\0# c.mp3\0\0 d.mp3"
    assert _names(raw, tmp_path, null_separated=True) == ["a\nb.mp3", "# c.mp3", " d.mp3"]
    for wrong in (raw, "a.mp3".encode("utf-16"), b"x" * 200_000):
        with pytest.raises(InvalidSourceError, match="list"):
            _names(wrong, tmp_path)


def test_what_a_list_names_is_found_with_its_cover_and_its_place(tmp_path: Path) -> None:
    _make(tmp_path, "m/a/x.mp3", "m/a/cover.jpg", "m/a/y.mp3", "m/a/n.txt", "m/b.wv", "out.mp3")
    _make(tmp_path, "m/@eaDir/x.mp3", "m/folder.jpg", "m/c.mp3")
    root = tmp_path / "m"
    names = ["a/x.mp3", "./c.mp3", "a/x.mp3", "gone.mp3", str(root / "a/y.mp3"), "../out.mp3"]
    names += ["a/n.txt", "b.wv", "@eaDir/x.mp3", "a/cover.jpg", "n" * 5000 + ".mp3"]
    ignored: list[IgnoredPath] = []
    items = list(find_listed_items(names, root, ignored.append))
    covers = {"a": root / "a/cover.jpg", ".": root / "folder.jpg"}
    assert items == [
        *(
            BulkItem(
                root / name,
                covers[str(Path(name).parent)],
                keeps_thumbnail=True,
                source_path=name,
            )
            for name in ("a/x.mp3", "c.mp3", "gone.mp3", "a/y.mp3")
        ),
        BulkItem(root / "../out.mp3"),
        items[-1],
    ]
    assert items[-1].audio.name == "n" * 5000 + ".mp3"  # to fail when it is uploaded
    assert _kinds(ignored) == {
        ".txt files": 1,
        ".wv files": 1,
        "@eaDir directories": 1,
        "listed images": 1,
    }


def test_a_bad_cover_gives_way_to_the_next_best(tmp_path: Path) -> None:
    _make(tmp_path, "A/a.mp3", "A/a.jpg", "A/cover.jpg", "B/b.mp3", "B/cover.jpg")
    _make(tmp_path, "A/cover.png", data=JPG.read_bytes())
    tried: list[str] = []

    def is_good(path: Path) -> bool:
        tried.append(str(path.relative_to(tmp_path)))
        return path.read_bytes() != b"x"

    items = list(find_items([tmp_path], options=SearchOptions(is_usable_cover=is_good)))
    assert [item.thumbnail for item in items] == [tmp_path / "A/cover.png", None]
    assert set(tried) == {"A/a.jpg", "A/cover.jpg", "A/cover.png", "B/cover.jpg"}


def test_cover_names_replace_the_list(tmp_path: Path) -> None:
    _make(tmp_path, "A/a.mp3", "A/cover.jpg", "A/My Scan 1.png", "A/poster.jpg")
    for names, cover in (
        (("poster",), "poster.jpg"),
        (("none", "MY scan*"), "My Scan 1.png"),
        (("front",), None),
    ):
        (item,) = find_items([tmp_path], options=SearchOptions(cover_names=names))
        assert item.thumbnail == (tmp_path / "A" / cover if cover else None)
