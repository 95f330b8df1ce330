"""A manifest is checked completely, with errors by line number, and then read again unchanged."""

import json
import os
import pickle
import tracemalloc
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import pytest

from audiostore.bulk import Manifest, ManifestProblem, check_manifest
from audiostore.errors import (
    InvalidMetadataError,
    InvalidSourceError,
    SourceChangedError,
    SourceNotFoundError,
)

ONE = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
TWO = "4a2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("a.mp3", "b.mp3", "c.mp3", "Lied für Ümläute.flac", "a.jpg"):
        (folder / name).write_bytes(b"12345")
    return folder


def _write(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _check(path: Path, **options: object) -> tuple[Manifest, list[ManifestProblem]]:
    problems: list[ManifestProblem] = []
    return check_manifest(path, problems.append, **options), problems  # type: ignore[arg-type]


def _errors(path: Path, **options: object) -> list[tuple[int, str]]:
    manifest, problems = _check(path, **options)
    errors = [(p.line, p.message) for p in problems if not p.is_warning]
    assert manifest.errors == len(errors)
    assert manifest.warnings == len(problems) - len(errors)
    if errors:
        with pytest.raises(ValueError, match="errors"):
            next(manifest.items())
    return errors


def test_csv_and_json_are_equivalent(files: Path) -> None:
    rows: list[Mapping[str, object]] = [
        {"audio": "a.mp3", "thumbnail": "a.jpg", "id": ONE, "title": "A, B", "mood": "glad"},
        {"audio": "Lied für Ümläute.flac", "thumbnail": None, "artist": 'The "Ü"', "mood": ""},
    ]
    csv = _write(
        files,
        "audio,thumbnail,id,title,artist,mood\n"
        f'a.mp3,a.jpg,{ONE},"A, B",,glad\n'
        'Lied für Ümläute.flac,,,,"The ""Ü""",\n',
    )
    jsonl = _write(files, "".join(json.dumps(row) + "\n" for row in rows), "list.jsonl")
    for path in (csv, jsonl):
        manifest, problems = _check(path)
        assert problems == []
        assert (manifest.count, manifest.size_bytes) == (2, 15)
        first, second = manifest.items()
        assert (first.audio, first.thumbnail) == (files / "a.mp3", files / "a.jpg")
        assert (first.audio_id, first.metadata) == (ONE, {"title": "A, B", "mood": "glad"})
        assert (second.audio, second.thumbnail) == (files / "Lied für Ümläute.flac", None)
        assert (second.audio_id, second.metadata) == (None, {"artist": 'The "Ü"'})
        lines = (2, 3) if path is csv else (1, 2)
        assert [i.origin for i in (first, second)] == [f"{path.name}, line {n}" for n in lines]


def test_paths_are_relative_to_the_manifest(files: Path, tmp_path: Path) -> None:
    other = tmp_path / "lists"
    other.mkdir()
    path = _write(other, f"audio\n../music/a.mp3\n{files / 'b.mp3'}\n")
    manifest, problems = _check(path)
    assert problems == []
    assert [i.audio.resolve() for i in manifest.items()] == [files / "a.mp3", files / "b.mp3"]


@pytest.mark.parametrize(
    "content",
    [
        b"audio,title\na.mp3,x\n",
        b"\xef\xbb\xbfaudio,title\r\na.mp3,x\r\n",
        b"Audio, Title \na.mp3,x",
        b'\xef\xbb\xbf"audio","title"\n"a.mp3","x"\n,\n\n',
        b'\xef\xbb\xbf{"audio": "a.mp3", "title": "x"}',
        b'\n  {"title": "x", "audio": "a.mp3", "mood": null}\r\n\r\n',
    ],
)
def test_what_spreadsheets_and_scripts_write_is_read(files: Path, content: bytes) -> None:
    manifest, problems = _check(_write(files, content, "list.txt"))
    assert problems == []
    (item,) = manifest.items()
    assert (item.audio.name, item.metadata) == ("a.mp3", {"title": "x"})


def test_a_field_may_have_several_lines(files: Path) -> None:
    path = _write(files, 'audio,lyrics\na.mp3,"one\ntwo\n"\ngone.mp3,x\n')
    assert _errors(path) == [(5, f"no file at {str(files / 'gone.mp3')!r}")]


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        (b"", None),
        (b"\xef\xbb\xbf\n", [(1, "the manifest is empty")]),
        (b"title\nx\n", [(1, "no column 'audio', only 'title'")]),
        (b"LJ001-0001|text\n", [(1, "no column 'audio', only 'LJ001-0001|text'")]),
        (b"audio,mood,mood\n", [(1, "the column 'mood' occurs 2 times")]),
        (b"audio,AUDIO\n", [(1, "'audio' and 'AUDIO' are both for 'audio'")]),
        (b",audio,text\n0,a.mp3,x\n", [(1, "column 1 of the header has no name")]),
        (b"PK\x03\x04\x14\0", [(1, "save the manifest as CSV in UTF-8")]),
        (b"\x1f\x8b\x08\0", [(1, "is compressed: decompress the manifest")]),
        (b"audio,x\na.mp3," + b"y" * 140_000 + b"\n", [(2, "more than 131,072 characters")]),
        (b'audio\tx\na.mp3\t"y\n', [(2, "a quoted field is not closed")]),
        (b"audio_filepath,offset\na.mp3,1.5\n", [(2, "offset is '1.5': the row is for a part")]),
        (b"audio,,x\n", [(1, "column 2 of the header has no name")]),
        (b"audio,crc32c\n", [(1, "'crc32c' is one that audiostore writes itself")]),
        (b"audio,Duration_S\n", [(1, "'Duration_S' is one that audiostore writes itself")]),
        ("audio,v1/width,é\na.mp3,1,2\n".encode(), [(1, "'v1/width' has '/'"), (1, "'é' has 'é'")]),
        (b"audio,Mood,mood\na.mp3,1,2\n", [(1, "'Mood' and 'mood' differ only in case")]),
        (b"audio,title\na.mp3\nb.mp3,x\nc.mp3,x,y\n", [(2, "1 fields"), (4, "3 fields")]),
        (b"audio,title\n,x\n", [(2, "no audio file")]),
        (b'audio,x\na.mp3,"y\nb.mp3,z\n', [(2, "a quoted field is not closed")]),
        (b'audio,x\na.mp3,"y"z\nb.mp3,"\n', [(2, "follows a closing quote"), (3, "is not closed")]),
        (b'audio,"x\na.mp3,y\n', [(1, "a quoted field is not closed")]),
        (b"audio,x\ra.mp3,y\r", [(1, "a carriage return without line feed")]),
        (b"audio\n\xfc.mp3\n", [(2, "not UTF-8 (byte 0xfc at 1)")]),
        (b"audio,x\na.mp3,\xfc\nb.mp3,\xc3\xbc\n", [(2, "not UTF-8 (byte 0xfc at 7)")]),
        (b'audio,x\na.mp3,"\n\xfc"\nno.mp3,x\n', [(3, "not UTF-8"), (4, "no file at")]),
        ("audio\na.mp3\n".encode("utf-16"), [(1, "is UTF-16: save the manifest as UTF-8")]),
        (b"audio\n" + b"x" * (1 << 20) + b"\n", [(2, "longer than 1,048,576 bytes")]),
        (b"audio\n" + b"x" * 300 + b".mp3\n", [(2, "File name too long")]),
        (b"audio\na\0.mp3\n", [(2, "is not a valid path")]),
        (
            b"audio\n.\n",
            [(2, "is not a regular file"), (2, "unsupported audio extension (supported: .aac")],
        ),
        (b"audio\nempty.mp3\n", [(2, "is empty")]),
        (b"audio\na.jpg\n", [(2, "'a.jpg': unsupported audio extension")]),
        (
            b"audio,thumbnail\na.mp3,b.mp3\n",
            [(2, "'b.mp3': unsupported image extension (supported: .jpg")],
        ),
        (b"audio,thumbnail\na.mp3,no.jpg\n", [(2, "no file at")]),
        (b"audio,id\na.mp3,x\n", [(2, "audio id 'x' is not a UUID")]),
        (b"audio,x\na.mp3," + b"y" * 9000 + b"\n", [(2, "metadata takes")]),
        (
            b"audio,id,x\nno.mp3,1," + b"y" * 9000 + b"\n",
            [(2, "not a UUID"), (2, "metadata takes"), (2, "no file at")],
        ),
    ],
)
def test_every_error_is_reported_with_its_line(
    files: Path, content: bytes, errors: list[tuple[int, str]] | None
) -> None:
    (files / "empty.mp3").touch()
    path = _write(files, content)
    if errors is None:
        with pytest.raises(InvalidSourceError, match="is empty"):
            _check(path)
        return
    told = _errors(path)
    assert [line for line, _ in told] == [line for line, _ in errors], told
    for (_, message), (_, words) in zip(told, errors, strict=True):
        assert words in message


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        ("\n \n", [(1, "the manifest is empty")]),
        ("a.mp3\n", [(1, "not valid JSON")]),
        ('{"audio": "a.mp3"}\n{"audio": "b.mp3"\n', [(2, "not valid JSON")]),
        ('["a.mp3"]\n3\n"x"\nnull\ntrue', [(n, "instead of an object") for n in range(1, 6)]),
        ('{"title": "x"}', [(1, "no audio file")]),
        ('{"audio": null}', [(1, "no audio file")]),
        ('{"audio": 3}', [(1, "'audio' is a number, not text")]),
        ('{"audio": "a.mp3", "id": ["x"]}', [(1, "'id' is an array, not text")]),
        ('{"audio": "a.mp3", "id": true, "year": 1999, "words": ["x"], "x": {"y": 1}}', [
            (1, "'id' is true, not text"),
            (1, "'words' is an array, not text or a number"),
            (1, "'x' is an object, not text or a number"),
        ]),
        ('{"audio": "a.mp3", "x": -Infinity}', [(1, "not valid JSON: -Infinity is not a number")]),
        ('{"audio": "a.mp3", "x": 1.}', [(1, "not valid JSON")]),
        ('{"audio_filepath": "a.mp3", "offset": 3.45, "duration": 1}', [
            (1, "offset is '3.45': the row is for a part of a file"),
        ]),
        ('{"audio_filepath": "a.mp3", "offset": "x"}', [(1, "offset is 'x'")]),
        ('{"audio": "a.mp3", "crc32c": 1}\n' * 3, [(1, "audiostore writes itself")]),
        ('{"audio": "a.mp3", "audio": "b.mp3"}', [(1, "the key 'audio' occurs 2 times")]),
        ('{"audio": "a.mp3", "file_size": "3"}', [(1, "audiostore writes itself")]),
        ('{"audio": "a.mp3", "a:b": null}', [(1, "'a:b' has ':'")]),
        ('{"audio": "a.mp3", "Mood": "3", "mood": ""}', [(1, "differ only in case")]),
        ('{"audio": "a.mp3", "": "3"}', [(1, "is empty")]),
        ('{"audio": "a.mp3", "x": "\\ud800"}', [(1, "not valid Unicode")]),
        ('{"audio": "\\ud800.mp3"}', [(1, "is not a valid path")]),
        ('{"audio": "a.mp3", "x": ' + "[" * 100_000, [(1, "nested too deeply")]),
        ('{"audio": "a.mp3", "x": ' + "9" * 10_000 + "}", [(1, "metadata takes")]),
    ],
)  # fmt: skip
def test_every_error_in_json_is_reported_with_its_line(
    files: Path, content: str, errors: list[tuple[int, str]]
) -> None:
    told = _errors(_write(files, content, "list.jsonl"))
    assert [line for line, _ in told] == [line for line, _ in errors], told
    for (_, message), (_, words) in zip(told, errors, strict=True):
        assert words in message


def test_the_same_id_twice_is_an_error_and_the_same_file_a_warning(files: Path) -> None:
    path = _write(
        files,
        f"audio,id\na.mp3,{ONE}\nb.mp3,{TWO}\nc.mp3,{ONE}\n./a.mp3,\n../music/a.mp3,{ONE}\n",
    )
    manifest, problems = _check(path)
    assert problems == [
        ManifestProblem(4, "same id as in line 2"),
        ManifestProblem(6, "same id as in line 2"),
        ManifestProblem(5, "same audio file as in line 2", is_warning=True),
        ManifestProblem(6, "same audio file as in line 2", is_warning=True),
    ]
    assert (manifest.errors, manifest.warnings) == (2, 2)


def test_a_warning_does_not_prevent_the_upload(files: Path) -> None:
    manifest, problems = _check(_write(files, "audio\na.mp3\na.mp3\n"))
    assert [p.is_warning for p in problems] == [True]
    assert len(list(manifest.items())) == 2


def test_a_row_overrides_common_metadata(files: Path) -> None:
    path = _write(files, "audio,mood\na.mp3,glad\nb.mp3,\n")
    manifest, _ = _check(path, metadata={"mood": "blue", "label": "X"})
    assert [dict(item.metadata) for item in manifest.items()] == [
        {"mood": "glad", "label": "X"},
        {"mood": "blue", "label": "X"},
    ]
    with pytest.raises(InvalidMetadataError):
        _check(path, metadata={"crc32c": "x"})
    assert "metadata takes" in _errors(path, metadata={"x": "y" * 9000})[0][1]


def test_any_extension_is_allowed_with_fix_extension(files: Path) -> None:
    (files / "take.bin").write_bytes(b"x")
    path = _write(files, "audio,thumbnail\ntake.bin,take.bin\n")
    assert len(_errors(path)) == 2
    assert _errors(path, fix_extension=True) == []


def test_missing_files_are_allowed_with_cleanup(files: Path) -> None:
    path = _write(files, "audio,thumbnail\ngone.mp3,gone.jpg\nb.mp3,no.jpg\n./,\n")
    assert [line for line, _ in _errors(path)] == [2, 2, 3, 4, 4]
    assert [line for line, _ in _errors(path, cleanup=True)] == [4, 4]


def test_with_cleanup_an_audio_file_named_twice_is_an_error(files: Path) -> None:
    path = _write(files, "audio,thumbnail\na.mp3,a.jpg\nb.mp3,./a.jpg\na.mp3,\n")
    assert _errors(path) == []
    assert _errors(path, cleanup=True) == [
        (4, "same audio file as in line 2, which would be deleted when that is stored"),
    ]


def test_a_thumbnail_named_by_several_rows_is_kept(files: Path) -> None:
    (files / "b.jpg").write_bytes(b"x")
    path = _write(files, "audio,thumbnail\na.mp3,a.jpg\nb.mp3,b.jpg\n\n\nc.mp3,./a.jpg\n")
    manifest, problems = _check(path, cleanup=True)
    assert problems == []
    assert [item.keeps_thumbnail for item in manifest.items()] == [True, False, True]


def test_a_row_may_supersede_an_asset(files: Path) -> None:
    for content, name in (
        (f"audio,Supersedes\na.mp3,{ONE}\nb.mp3,\n", "x.csv"),
        (f'{{"audio": "a.mp3", "supersedes": "{ONE}"}}\n{{"audio": "b.mp3"}}\n', "x.jsonl"),
    ):
        manifest, problems = _check(_write(files, content, name))
        assert problems == []
        assert [item.supersedes for item in manifest.items()] == [ONE, None]
        assert all(item.metadata == {} for item in manifest.items())


def test_what_cannot_be_superseded_is_an_error(files: Path) -> None:
    path = _write(
        files,
        f"audio,id,supersedes\na.mp3,,{ONE}\nb.mp3,,nothing\nc.mp3,,{ONE}\na.mp3,{TWO},{TWO}\n",
    )
    told = dict(_errors(path))
    assert sorted(told) == [3, 4, 5]
    assert "'nothing'" in told[3]
    assert told[4] == "supersedes the same asset as line 2"
    assert told[5] == f"{TWO} cannot supersede itself"


def test_every_row_is_counted_as_it_is_checked(files: Path) -> None:
    counts: list[int] = []
    _check(_write(files, "audio\na.mp3\nno.mp3\nb.mp3\n"), on_row=counts.append)
    assert counts == [1, 2, 3]


def test_a_manifest_that_cannot_be_read_is_refused(files: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        _check(files / "no.csv")
    with pytest.raises(InvalidSourceError):
        _check(files)
    os.mkfifo(files / "pipe.csv")
    with pytest.raises(InvalidSourceError):
        _check(files / "pipe.csv")


def test_a_manifest_changed_since_the_check_is_refused(files: Path) -> None:
    path = _write(files, "audio\na.mp3\n")
    manifest, _ = _check(path)
    status = path.stat()
    path.write_text("audio\nb.mp3\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # only its bytes differ
    with pytest.raises(SourceChangedError, match="changed since it was checked"):
        next(manifest.items())


def test_a_manifest_changed_during_the_check_is_refused(files: Path) -> None:
    path = _write(files, "audio\nno.mp3\n")
    with pytest.raises(SourceChangedError, match="changed since it was checked"):
        check_manifest(path, lambda _: _append(path))


@pytest.mark.slow
def test_a_manifest_changed_while_it_is_read_is_refused(files: Path) -> None:
    path = _write(files, "audio\n" + "a.mp3\n" * 5_000)
    manifest, _ = _check(path)
    items = manifest.items()
    next(items)
    _append(path)
    assert len(list(islice(items, 900))) == 900  # it is checked now and then
    with pytest.raises(SourceChangedError):
        list(islice(items, 200))


def _append(path: Path) -> None:
    with path.open("a") as file:
        file.write("b.mp3\n")


@pytest.mark.slow
def test_memory_grows_only_by_what_finds_duplicates(files: Path) -> None:
    path = files / "long.csv"

    def peak_bytes(lines: int) -> int:
        with path.open("w") as file:
            file.write("audio,thumbnail,id,title\n")
            for number in range(lines):
                audio_id = f"{number:08x}-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
                file.write(f"./{'/' * (number % 7)}a.mp3,a.jpg,{audio_id},Title {number}\n")
        tracemalloc.start()
        try:
            manifest = check_manifest(path, lambda _: None)
            assert sum(1 for _ in manifest.items()) == lines
            assert (manifest.errors, manifest.warnings) == (0, lines - 1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(1)  # one-time allocations
    # For each line: two tables of 24 bytes, the duplicates, and room to grow.
    assert peak_bytes(3000) - peak_bytes(500) < 150 * 2500


def test_a_manifest_can_be_pickled(files: Path) -> None:
    manifest, _ = _check(_write(files, "audio\na.mp3\nb.mp3\n"), metadata={"mood": "calm"})
    copy = pickle.loads(pickle.dumps(manifest))
    assert copy == manifest
    assert list(copy.items()) == list(manifest.items())
