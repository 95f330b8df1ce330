"""A whole library goes in and comes out: the same paths, the same bytes, the covers in place."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, find_items
from tests.cli.conftest import Call
from tests.library import cover, flac, library, mp3, read, write


def _name(path: Path, root: Path) -> bytes:
    return os.fsencode(os.path.relpath(path, root))


@pytest.mark.slow
def test_a_library_comes_back_as_it_was_and_as_it_becomes(call: Call, bucket: str) -> None:
    music, fetched = Path("Music"), Path("fetched")
    files = library()
    write(music, files)
    items = list(find_items([music]))
    assert len(items) >= 300
    paths = [path for item in items for path in (item.audio, item.thumbnail) if path]
    wanted = {name: files[name] for name in {_name(path, music) for path in paths}}
    assert files.keys() - wanted.keys() == {b"notes.txt"}
    code, _, err = call("put", music)
    assert code == 0, err
    code, out, err = call("get", "--all", "--to", fetched, "--json")
    assert code == 0, err
    assert read(fetched) == wanted
    assert len(out.splitlines()) == len(wanted)  # each cover once
    code, out, _ = call("get", "--all", "--to", fetched, "--json")
    assert code == 0
    assert {json.loads(line)["status"] for line in out.splitlines()} == {"skipped"}
    with AudioStorageManager(bucket) as manager:
        found = [asset for asset in manager.list() if asset.disc == 2]
        assert {asset.disc_total for asset in found} == {2}
        assert sorted(asset.track or 0 for asset in found) == list(range(1, 16))
    wanted = _changed(music, wanted)
    planned = _reasons(call, "put", "--update", music, "--dry-run")
    reasons = _reasons(call, "put", "--update", music)
    assert planned == reasons
    assert _reasons(call, "put", "--update", music).keys() == {"stored"}
    with AudioStorageManager(bucket) as manager:
        blues = [asset.track or 0 for asset in manager.list() if asset.genre == "Blues"]
    assert (reasons["new"], reasons["moved"], reasons["superseded"]) == (1, 11, 1)
    assert reasons["retagged"] == 20  # ten tracks, and ten with another cover
    assert sorted(blues) == list(range(1, 11))
    code, _, err = call("get", "--all", "--to", "current")
    assert code == 0, err
    assert read(Path("current")) == wanted


def _reasons(call: Call, *words: str | Path) -> Counter[str]:
    code, out, err = call(*words, "--json")
    assert code == 0, err
    return Counter(json.loads(line)["reason"] for line in out.splitlines())


def _changed(music: Path, files: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Change a stored library; return what comes back of it: with the audio as first stored."""
    wanted = dict(files)
    for number in range(1, 11):
        path = music / "Nina Simone" / "1965 - Album of 1965" / f"{number:02} Song {number}.mp3"
        path.write_bytes(mp3(TIT2=f"Song {number}", TRCK=str(number), TCON="Blues"))
    album = music / "Björk" / "1974 - Album of 1974"
    album.rename(album.with_name("1974 - Renamed"))
    (music / "Singles").mkdir()
    (music / "Single 2.mp3").rename(music / "Singles" / "Single 2.mp3")
    for name in files:
        if name.startswith(os.fsencode(os.path.relpath(album, music))):
            wanted[name.replace(b"Album of 1974", b"Renamed")] = wanted.pop(name)
    wanted[b"Singles/Single 2.mp3"] = wanted.pop(b"Single 2.mp3")
    (music / "Podcasts" / "Episode 3.mp3").unlink()  # it stays in the store, with its cover
    (music / "Podcasts" / "Episode 3.jpg").unlink()
    others = {
        b"New/01.mp3": mp3(seconds=1, TIT2="new"),
        b"Single 5.mp3": mp3(seconds=0.5, TIT2="other audio"),
        "Sigur Rós/1993 - Album of 1993/cover.jpg".encode(): cover("another one"),
    }
    write(music, others)
    return wanted | others


def test_files_are_named_by_their_tags(call: Call, bucket: str) -> None:
    for name in ("a", "b"):
        path = Path("in", f"{name}.mp3")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(mp3(TIT2="../T", TPE1="A", TALB="B", TRCK="3/12", TCON=name))
    assert call("put", "in", "--no-journal")[0] == 0
    template = "{album_artist}/{album}/{disc}-{track:02} {title}"
    code, out, err = call("get", "--all", "--to", "out", "--name", template)
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "warning: " in err
    assert "another asset has this name: the id was added" in err
    names = sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.mp3"))
    assert [name[:14] for name in names] == ["A/B/1-03 .._T-", "A/B/1-03 .._T."]
    code, out, err = call("get", "--all", "--to", "out", "--name", "{titel}")
    assert (code, out) == (2, "")
    assert "unknown field 'titel'" in err
    assert "album_artist" in err


def test_what_was_stored_twice_comes_back_once(call: Call, bucket: str) -> None:
    path = Path("in", "a", "song.mp3")
    path.parent.mkdir(parents=True)
    path.write_bytes(mp3(TIT2="x"))
    (path.parent / "cover.jpg").write_bytes(cover("x"))
    for _ in range(2):
        assert call("put", "in", "--no-journal")[0] == 0
    code, _, err = call("get", "--all", "--to", "out")
    assert (code, read(Path("out"))) == (0, read(Path("in")))
    assert "warning" not in err


def test_what_supersedes_an_asset_takes_its_place(call: Call, bucket: str) -> None:
    old, new = Path("in", "a", "song.mp3"), Path("new.flac")
    old.parent.mkdir(parents=True)
    old.write_bytes(mp3(TIT2="old"))
    new.write_bytes(flac(TITLE="new"))
    code, out, _ = call("put", "in", "--json")
    assert code == 0
    assert call("put", new, "--supersedes", json.loads(out)["audio_id"])[0] == 0
    code, out, err = call("get", "--all", "--to", "out")
    assert (code, read(Path("out"))) == (0, {b"a/song.flac": new.read_bytes()})
    assert "1 superseded asset left out: --with-superseded" in err
    assert call("get", "--all", "--to", "out", "--with-superseded")[0] == 0
    assert read(Path("out")).keys() == {b"a/song.flac", b"a/song.mp3"}


def test_a_file_name_of_another_format_is_warned_of(call: Call, bucket: str) -> None:
    Path("song.flac").write_bytes(flac(TITLE="x"))
    code, out, _ = call("put", "song.flac", "--json")
    audio_id = json.loads(out)["audio_id"]
    code, _, err = call("get", audio_id, "-o", "x.mp3")
    assert code == 0
    assert "x.mp3 is FLAC, as it was stored, not MP3: nothing is converted" in err
    code, _, err = call("get", audio_id, "-o", "x.flac")
    assert "warning" not in err
    assert Path("x.mp3").read_bytes() == Path("x.flac").read_bytes()


def test_tags_are_filtered_and_exported(call: Call, bucket: str) -> None:
    Path("in", "a").mkdir(parents=True)
    tags = {"TITLE": "T", "TRACKNUMBER": "03/12", "DATE": "12/05/1999", "COMPILATION": "1"}
    Path("in", "a", "x.flac").write_bytes(flac(**tags, ALBUMARTIST="V", MOOD="calm"))
    assert call("put", "in")[0] == 0
    for given in ("track=3", "track=03", "year=1999", "album_artist=V", "mood=calm"):
        assert len(call("list", "--meta", given)[1].splitlines()) == 1, given
    for given in ("track=4", "year=12", "album_artist=v"):
        assert call("list", "--meta", given)[1] == "", given
    code, out, _ = call("export", "--format", "jsonl")
    assert code == 0
    row = json.loads(out)
    assert (row["track"], row["track_total"], row["year"], row["date"]) == (
        3,
        12,
        1999,
        "12/05/1999",
    )
    assert (row["album_artist"], row["is_compilation"], row["source_path"]) == (
        "V",
        True,
        "a/x.flac",
    )
    assert json.loads(row["metadata"])["mood"] == "calm"
