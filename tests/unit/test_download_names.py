"""What downloads are named: after where they were, or by their tags; never outside, never twice."""

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from audiostore import (
    AudioStorageManager,
    CoverNames,
    MemoryStore,
    NameTemplate,
    StorageResult,
    name_by_source_path,
)
from audiostore.bulk.targets import NameRules, Targets
from audiostore.sourcepaths import source_path_metadata
from tests.catalog_samples import audio_ids, made_up, result

IDS = audio_ids(40)
TEMPLATE = "{album_artist}/{album}/{disc}-{track:02} {title}"


def asset(
    number: int = 0, metadata: Mapping[str, str] | None = None, *, extension: str = "mp3"
) -> StorageResult:
    audio, cover = made_up(number, IDS[number])
    name = f"audio/{IDS[number]}/audio.{extension}"
    return result(replace(audio, name=name, metadata=metadata or {}), replace(cover, metadata={}))


def at(number: int, path: str) -> StorageResult:
    return asset(number, source_path_metadata(path))


# -- where it was ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        (source_path_metadata("a/caf\udce9.mp3"), "a/caf\udce9.mp3"),
        (source_path_metadata("a/song.WAV"), "a/song.WAV"),
        (source_path_metadata(".ssh/authorized_keys"), ".ssh/authorized_keys.mp3"),
        (source_path_metadata("a/site.py"), "a/site.py.mp3"),
        ({"source_path": "../x.mp3", "original_filename": "x.mp3"}, "x.mp3"),
        ({"source_path": "/etc/x.mp3", "original_filename": "/etc/x.mp3"}, "x.mp3"),
        ({}, f"{IDS[0]}.mp3"),
    ],
)
def test_an_audio_file_goes_where_it_was(metadata: Mapping[str, str], name: str) -> None:
    assert name_by_source_path(asset(0, metadata)) == name


# -- covers ------------------------------------------------------------------------------------


def covers_of(*assets: StorageResult) -> list[str]:
    covers = CoverNames()
    for each in assets:
        covers.of_audio(each)
    return [covers(each) for each in covers.select(assets)]


def with_cover(
    given: StorageResult, content: str | None, path: str | None = None, *, embedded: bool = False
) -> StorageResult:
    if content is None or given.thumbnail is None:
        return replace(given, thumbnail=None)
    metadata = {"embedded": "true"} if embedded else source_path_metadata(path)
    return replace(given, thumbnail=replace(given.thumbnail, crc32c=content, metadata=metadata))


def test_covers_go_where_they_were_each_once() -> None:
    songs = [at(number, f"A/CD{number % 2}/{number}.mp3") for number in range(4)]
    assert covers_of(*(with_cover(song, "x", "A/scan.JPEG") for song in songs)) == ["A/scan.JPEG"]
    new = [with_cover(songs[0], "x", "A/c.jpg"), with_cover(songs[1], "y", "A/c.jpg")]
    assert covers_of(*new) == ["A/c.jpg", "A/CD1/1.jpg"]  # replaced since: next to its track
    other_kind = with_cover(songs[0], "x", "A/c.png")  # what is stored was converted to JPEG
    assert covers_of(other_kind) == ["A/c.jpg"]
    assert covers_of(with_cover(songs[0], "x", "../../c.jpg")) == ["A/CD0/0.jpg"]


def test_covers_of_an_unknown_place_are_shared_by_a_folder_or_next_to_the_track() -> None:
    songs = [at(number, f"A/{number}.mp3") for number in range(3)]
    other = at(3, "B/3.mp3")
    shared = [with_cover(song, "x") for song in songs]
    assert covers_of(*shared, with_cover(other, "x")) == ["A/cover.jpg", "B/3.jpg"]
    assert covers_of(*shared[:2], with_cover(songs[2], "y")) == ["A/0.jpg", "A/1.jpg", "A/2.jpg"]
    assert covers_of(*shared[:2], with_cover(songs[2], None)) == ["A/0.jpg", "A/1.jpg"]
    assert covers_of(*shared[:2], with_cover(songs[2], "x", "A/f.jpg")) == [
        "A/0.jpg",
        "A/1.jpg",
        "A/f.jpg",
    ]
    assert covers_of(*(with_cover(song, "x", embedded=True) for song in songs)) == []


# -- by tags -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "metadata", "name"),
    [
        (
            TEMPLATE,
            {"album_artist": "A", "album": "B", "disc": "2", "track": "3/12", "title": "T"},
            "A/B/2-03 T.mp3",
        ),
        (TEMPLATE, {"original_filename": "x.mp3"}, "Unknown Artist/Unknown Album/1-00 x.mp3"),
        ("{album_artist}/{title}", {"compilation": "1", "title": "T"}, "Various Artists/T.mp3"),
        ("{artist}/{title}", {"artist": "../..", "title": "/etc/passwd"}, "_.__/_etc_passwd.mp3"),
        ("{artist}/{title}", {"artist": "..", "title": "."}, "__/_.mp3"),
        ("{artist}{album}/x", {"artist": ".", "album": "."}, "__/x.mp3"),
        ("{title}", {"title": "a\0\n\x1b[2J\u202e\\b:c?"}, "a___[2J__b_c_.mp3"),
        ("{title}", {"title": "CON"}, "_CON.mp3"),
        ("{title}", {"title": "-rf"}, "_rf.mp3"),
        ("{title}", {"title": "{artist.__class__}"}, "{artist.__class__}.mp3"),
        ("{title}", {"title": " "}, f"{IDS[0]}.mp3"),
        ("{title}.{format}", {"title": "T"}, "T.mp3"),
        ("{year} {{x}}", {"date": "12/05/1999"}, "1999 {x}.mp3"),
    ],
)
def test_a_template_makes_one_safe_name(
    template: str, metadata: Mapping[str, str], name: str
) -> None:
    assert NameTemplate(template)(asset(0, metadata)) == name


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{titel}", "unknown field 'titel' in the template: known are title, artist"),
        ("{title.__class__}", "unknown field"),
        ("{title[0]}", "unknown field"),
        ("{}", "unknown field ''"),
        ("{title!r}", "unknown field"),
        ("{title:x}", "is not a width"),
        ("{title:{track}}", "not valid"),
        ("{title", "not valid"),
        ("", "relative path"),
        ("/{title}", "relative path"),
        ("{artist}/../{title}", "relative path"),
        ("{artist}//{title}", "relative path"),
    ],
)
def test_a_template_that_means_nothing_is_refused(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        NameTemplate(template)


# -- the paths ---------------------------------------------------------------------------------


def test_a_name_too_long_keeps_what_fits(tmp_path: Path) -> None:
    target = Targets(tmp_path)
    part, name = "\u00e9" * 200, "\U0001f3b5" * 100 + ".flac"
    path, warnings = target.give(asset(), f"{part}/{name}")
    assert path.relative_to(tmp_path).parts == ("\u00e9" * 127, "\U0001f3b5" * 62 + ".flac")
    assert "too long" in warnings[0]
    path.parent.mkdir()
    path.touch()
    twin, warnings = target.give(asset(1), f"{part}/{name}x.flac")
    assert twin.parent == path.parent
    assert twin.name.endswith(f"\U0001f3b5-{IDS[1]}.flac")
    assert len(warnings) == 2
    twin.touch()
    deep, warnings = target.give(asset(2), f"{'d' * 250}/" * 20 + "song.mp3")
    assert deep.name == "song.mp3"
    assert len(os.fsencode(deep)) < os.pathconf(tmp_path, "PC_PATH_MAX")
    assert warnings
    deep.parent.mkdir(parents=True)
    deep.touch()


@pytest.mark.parametrize(
    ("folds_case", "folds_form", "distinct"),
    [(False, False, 4), (True, False, 2), (False, True, 2), (True, True, 1)],
)
def test_names_that_are_one_to_the_file_system_get_their_ids(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folds_case: bool,
    folds_form: bool,
    distinct: int,
) -> None:
    def lexists(path: Path) -> bool:
        return folds_form if path.name == "e\u0301" else folds_case

    names = [f"{stem}.mp3" for stem in ("Caf\u00e9", "CAF\u00c9", "Cafe\u0301", "CAFE\u0301")]
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "lexists", lexists)
        given = Targets(tmp_path)
    found = [given.give(asset(number), name) for number, name in enumerate(names)]
    assert sum(not warnings for _, warnings in found) == distinct
    assert len({path for path, _ in found}) == 4
    again = given.give(asset(9), names[0])
    assert again[0].name == f"Caf\u00e9-{IDS[9]}.mp3"
    assert again[1] == ("another asset has this name: the id was added",)


@pytest.mark.parametrize(
    ("refused", "name"),
    [("", 'a?/b\udcff:"c.mp3'), (":", "a_/b\udcff__c.mp3"), ("\udce9", 'a?/b_:"c.mp3')],
)
def test_what_the_file_system_refuses_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, name: str
) -> None:
    touch = Path.touch

    def refusing(path: Path) -> None:
        if refused and refused in path.name:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        touch(path)

    monkeypatch.setattr(Path, "touch", refusing)
    path, warnings = Targets(tmp_path).give(asset(), 'a?/b\udcff:"c.mp3')
    assert str(path.relative_to(tmp_path)) == name
    assert len(warnings) == (1 if refused else 0)


def test_what_the_file_system_folds_is_found_out(tmp_path: Path) -> None:
    rules = NameRules.of(tmp_path)
    (tmp_path / "Caf\u00e9").touch()
    for name in ("CAF\u00c9", "Cafe\u0301"):
        assert (tmp_path / name).exists() == (rules.folded(name) == rules.folded("Caf\u00e9"))
    assert [path.name for path in tmp_path.iterdir()] == ["Caf\u00e9"]
    assert NameRules.of(tmp_path / "missing") == NameRules()


def test_an_unknown_id_is_one_failure_when_files_are_named(tmp_path: Path) -> None:
    with AudioStorageManager(store=MemoryStore()) as manager:
        names = NameTemplate("{title}")
        (outcome,) = manager.bulk.download([IDS[0]], tmp_path, names=names)
    assert outcome.error is not None
    assert outcome.audio_id == IDS[0]
