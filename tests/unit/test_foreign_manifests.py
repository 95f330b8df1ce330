"""Manifests as other tools write them name the same files, with what they say of them."""

import json
import math
import pickle
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from audiostore import RemoteFile
from audiostore.bulk import BulkItem, ManifestProblem, check_manifest
from audiostore.errors import ConfigurationError, InvalidMetadataError

ONE = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp3", "b.mp3", "a.jpg", "clips/common_voice_ja_1.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    return tmp_path


def _read(path: Path, **options: object) -> Sequence[BulkItem]:
    problems: list[ManifestProblem] = []
    manifest = check_manifest(path, problems.append, **options)  # type: ignore[arg-type]
    assert problems == []
    items = list(manifest.items())
    assert len(items) == manifest.count
    return items


def _problems(path: Path, **options: object) -> list[tuple[int, str]]:
    problems: list[ManifestProblem] = []
    manifest = check_manifest(path, problems.append, **options)  # type: ignore[arg-type]
    assert manifest.errors + manifest.warnings == len(problems)
    return [(p.line, p.message) for p in problems]


COMMON_VOICE = (
    "client_id\tpath\tsentence_id\tsentence\tsentence_domain\tup_votes\tdown_votes\tage\tgender\t"
    "accents\tvariant\tlocale\tsegment\n"
    '3447\tcommon_voice_ja_1.mp3\t8f\t"では、危険だ"と彼は言った。\t\t2\t0\t\t\t\t\tja\t\n'
    '3447\tcommon_voice_ja_1.mp3\t90\t"quoted\t\t2\t0\t\t\t\t\tja\t\n'
)


@pytest.mark.parametrize(
    ("name", "content", "audio", "metadata"),
    [
        (
            "metadata.csv",
            "file_name,transcription\na.mp3,Hello\n",
            "a.mp3",
            {"transcription": "Hello"},
        ),
        (
            "metadata.jsonl",
            '{"file_name": "a.mp3", "label": 3, "noisy": false, "snr_db": 12.50, "x": NaN}\n',
            "a.mp3",
            {"label": "3", "noisy": "false", "snr_db": "12.50"},
        ),
        (
            "train_manifest.json",
            '{"audio_filepath": "a.mp3", "duration": 11.3, "text": "the mind", "offset": 0.0}\n',
            "a.mp3",
            {"duration": "11.3", "text": "the mind", "offset": "0.0"},
        ),
        (
            "old.json",
            '{"audio_filename": "a.mp3", "n": 123456789012345678901}\n',
            "a.mp3",
            {"n": "123456789012345678901"},
        ),
        ("list.tsv", 'audio\ttitle\na.mp3\t"one\ttwo ""x"""\n', "a.mp3", {"title": 'one\ttwo "x"'}),
        ("list.txt", "audio\ttitle\r\na.mp3\tx, y\r\n", "a.mp3", {"title": "x, y"}),
        ("excel.csv", '\ufeff"audio";"Title"\r\na.mp3;3,5\r\n', "a.mp3", {"title": "3,5"}),
        ("one.csv", "audio\na.mp3\n", "a.mp3", {}),
        (
            "own.csv",
            "audio,file_name,path\na.mp3,x,y\n",
            "a.mp3",
            {"file_name": "x", "path": "y"},
        ),
        ("case.jsonl", '{"Audio": "a.mp3", "TITLE": "x"}', "a.mp3", {"title": "x"}),
    ],
)
def test_a_manifest_of_another_tool_is_read(
    folder: Path, name: str, content: str, audio: str, metadata: dict[str, str]
) -> None:
    (folder / name).write_text(content, newline="")
    (item,) = _read(folder / name)
    assert (item.audio, item.metadata) == (folder / audio, metadata)
    assert all(type(value) is str for value in item.metadata.values())


def test_common_voice_names_clips_and_quotes_nothing(folder: Path) -> None:
    path = folder / "validated.tsv"
    path.write_text(COMMON_VOICE.partition("3447\tcommon_voice_ja_1.mp3\t90")[0])
    (item,) = _read(path)
    assert item.audio == folder / "clips/common_voice_ja_1.mp3"
    assert item.source_path == "clips/common_voice_ja_1.mp3"
    assert item.metadata == {
        "client_id": "3447",
        "sentence_id": "8f",
        "sentence": '"では、危険だ"と彼は言った。',
        "up_votes": "2",
        "down_votes": "0",
        "locale": "ja",
    }
    path.write_text(COMMON_VOICE)
    problems: list[ManifestProblem] = []
    manifest = check_manifest(path, problems.append)  # one file twice: a warning
    assert [p.is_warning for p in problems] == [True]
    assert [item.metadata["sentence"] for item in manifest.items()][1] == '"quoted'
    beside = folder / "beside"
    beside.mkdir()
    (beside / "c.mp3").write_bytes(b"x")
    (beside / "x.csv").write_text("path,sentence,client_id\nc.mp3,x,y\n")
    assert [item.audio for item in _read(beside / "x.csv")] == [beside / "c.mp3"]


def test_files_may_be_in_buckets_and_on_web_servers(folder: Path) -> None:
    path = folder / "x.csv"
    path.write_text(
        "audio,thumbnail\ngs://my-bucket/x/a b.mp3,https://host/c.jpg?sig=1\na.mp3,gs://b-1/c.png\n"
    )
    first, second = _read(path)
    assert first.remote_audio == RemoteFile("gs://my-bucket/x/a b.mp3")
    assert first.remote_thumbnail == RemoteFile("https://host/c.jpg?sig=1")
    assert (first.audio, first.source_path, first.thumbnail) == (Path("a b.mp3"), "a b.mp3", None)
    assert (first.audio_place, first.thumbnail_place) == (
        "gs://my-bucket/x/a b.mp3",
        "https://host/c.jpg",
    )
    assert (second.audio, second.remote_audio) == (folder / "a.mp3", None)
    assert second.thumbnail_place == "gs://b-1/c.png"
    assert pickle.loads(pickle.dumps([first, second])) == [first, second]
    path.write_text(
        "audio\nhttp://host/a.mp3\ns3://b/a.mp3\ngs://bucket/a.txt\nhttps://u:pw@host/a.mp3\n"
        "https://host/a.mp3\nhttps://host/a.mp3\n"
    )
    told = dict(_problems(path))
    assert [*told] == [2, 3, 4, 5, 7]
    assert "is not the URL of a file: give gs://bucket/object, or https://" in told[2]
    assert "'a.txt': unsupported audio extension" in told[4]
    assert "pw@" not in told[5]
    assert told[7] == "same audio file as in line 6"
    path.write_text("audio\nhttps://host/a.mp3\n")
    assert _problems(path, cleanup=True) == [(2, "a remote file cannot be deleted")]
    path.write_text("path,client_id,sentence\nhttps://host/a.mp3,x,y\n")
    assert [item.audio_place for item in _read(path)] == ["https://host/a.mp3"]


def test_columns_can_be_renamed_and_left_out(folder: Path) -> None:
    rows = [
        {"Unnamed: 0": 0, "wav": "a.mp3", "cover": "a.jpg", "key": ONE, "Länge": 3, "crc32c": "x"},
        {"Unnamed: 0": 1, "wav": "b.mp3", "cover": "", "key": "", "Länge": 4, "crc32c": None},
    ]
    csv = folder / "x.csv"
    csv.write_text(
        ",wav,cover,key,Länge,crc32c\n0,a.mp3,a.jpg," + ONE + ",3,x\n1,b.mp3,,,4,\n",
    )
    jsonl = folder / "x.jsonl"
    jsonl.write_text("".join(json.dumps({**row, "words": [{"w": 1}]}) + "\n" for row in rows))
    table = folder / "x.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), table)
    for path in (csv, jsonl, table):
        first, second = _read(
            path,
            columns={"audio": "wav", "thumbnail": "cover", "id": "key", "source": "wav",
                     "length": "Länge"},
            ignored_columns=["Unnamed: 0", "", "crc32c", "words"],
        )  # fmt: skip
        assert (first.audio, first.thumbnail) == (folder / "a.mp3", folder / "a.jpg")
        assert (first.audio_id, first.metadata) == (ONE, {"source": "a.mp3", "length": "3"})
        assert (second.audio_id, second.metadata) == (None, {"source": "b.mp3", "length": "4"})


def test_a_column_that_is_not_there_is_an_error(folder: Path) -> None:
    (folder / "x.csv").write_text("wav,title\na.mp3,x\n")
    (folder / "x.jsonl").write_text('{"audio": "a.mp3"}\n{"audio": "b.mp3", "title": "x"}\n')
    parquet.write_table(pa.table({"wav": ["a.mp3"]}), folder / "x.parquet")
    assert _problems(folder / "x.csv", columns={"audio": "path"}) == [
        (1, "the header has no column 'path', only 'wav', 'title'")
    ]
    assert _problems(folder / "x.csv", columns={"audio": "wav", "title": "titel"}) == [
        (1, "the header has no column 'titel', only 'wav', 'title'")
    ]
    assert _problems(folder / "x.jsonl", columns={"title": "titel"}) == [
        (2, "no line has the key 'titel'")
    ]
    assert _problems(folder / "x.parquet") == [(1, "the header has no column 'audio', only 'wav'")]
    (folder / "x.csv").write_text("wav,title,name\na.mp3,x,y\n")
    assert _problems(folder / "x.csv", columns={"audio": "wav", "title": "name"}) == [
        (1, "'title' and 'name' are both for 'title'")
    ]
    for key in ("crc32c", "a b", ""):
        with pytest.raises(InvalidMetadataError):
            check_manifest(folder / "x.csv", print, columns={key: "title"})


def test_parquet_is_read_in_batches_with_values_as_text(folder: Path) -> None:
    table = pa.table(
        {
            "file_name": pa.array(["a.mp3", "b.mp3"] * 1_500).dictionary_encode(),
            "year": pa.array([1999, None] * 1_500),
            "score": pa.array([0.1, math.nan] * 1_500, pa.float32()),
            "live": pa.array([True, False] * 1_500),
            "day": pa.array([date(2024, 1, 2), None] * 1_500),
            "nothing": pa.nulls(3_000),
        }
    )
    path = folder / "no-extension"
    parquet.write_table(table, path, row_group_size=700)
    problems: list[ManifestProblem] = []
    manifest = check_manifest(path, problems.append)
    assert manifest.count == 3_000
    assert all(p.is_warning for p in problems)  # each file is named often
    assert problems[0].message == "same audio file as in row 1"
    assert {p.unit for p in problems} == {"row"}
    first, second, *_, last = manifest.items()
    assert first.audio == folder / "a.mp3"
    expected = {"year": "1999", "score": "0.1", "live": "true", "day": "2024-01-02"}
    assert first.metadata == expected
    assert second.metadata == {"live": "false"}
    assert last.origin == "no-extension, row 3000"


def test_what_is_wrong_with_parquet_is_reported(folder: Path) -> None:
    path = folder / "x.parquet"

    def problems(table: pa.Table) -> list[tuple[int, str]]:
        parquet.write_table(table, path)
        return _problems(path)

    audio = pa.array([{"bytes": b"x", "path": "a.mp3"}])
    assert "'audio' holds files, not their names" in problems(pa.table({"audio": audio}))[0][1]
    assert problems(pa.table({"audio": [3]})) == [(1, "the column 'audio' is int64, not text")]
    words = problems(pa.table({"audio": ["a.mp3"], "words": [["x"]], "raw": [b"x"]}))
    assert [line for line, _ in words] == [1, 1]
    assert "'words' is list<element: string>, not text or a number" in words[0][1]
    assert problems(pa.table({"audio": pa.array([], pa.string())})) == [
        (1, "the manifest is empty: it has no rows")
    ]
    assert problems(pa.table({"audio": ["a.mp3", None]})) == [(2, "no audio file")]
    twice = pa.table([["a.mp3"], ["b.mp3"]], names=["audio", "audio"])
    assert problems(twice) == [(1, "the column 'audio' occurs 2 times")]
    invalid = pa.StringArray.from_buffers(
        1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")
    )
    assert problems(pa.table({"audio": invalid}))[0][1].startswith("not valid Parquet")
    path.write_bytes(path.read_bytes()[:-5])
    assert _problems(path)[0][1].startswith("not valid Parquet, from here on: ")


def test_parquet_without_pyarrow_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'audiostore\[parquet\]'"):
        check_manifest(folder / "x.parquet", print)
