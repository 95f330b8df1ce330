"""fleet plan, work, status, results and retry, as typed; and which worker an engine says it is."""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from audiostore import AudioStorageManager
from audiostore.cli.commands.fleet._place import place_of
from audiostore.cli.failures import UsageError
from audiostore.fleet import FleetResult
from audiostore.fleet.objects import create
from tests.cli.conftest import COVER, MP3, Call
from tests.gcs_server import StrictServer

ENGINES = (
    "CLOUD_RUN_TASK_INDEX",
    "BATCH_TASK_INDEX",
    "JOB_COMPLETION_INDEX",
    "SLURM_ARRAY_TASK_ID",
)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENGINES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A manifest of five songs, two with a cover, one with accents in another form."""
    folder = tmp_path / "songs"
    folder.mkdir()
    names = ["a.mp3", "b.mp3", "e\u0301.mp3", "c.mp3", "d.mp3"]
    for name in names:
        shutil.copy(MP3, folder / name)
    shutil.copy(COVER, folder / "cover.jpg")
    rows = [
        {"audio": "a.mp3", "thumbnail": "cover.jpg", "mood": "calm"},
        {"audio": "b.mp3", "thumbnail": "cover.jpg"},
        {"audio": "\u00e9.mp3"},
        {"audio": "c.mp3"},
        {"audio": "d.mp3"},
    ]
    path = folder / "list.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def plan(call: Call, songs: Path, *args: str) -> tuple[int, str, str]:
    return call(
        "fleet", "plan", "--manifest", songs, "--run", "nov", "--chunk", "2", "--check", "none",
        *args,
    )  # fmt: skip


def test_a_run_from_the_plan_to_the_table(
    call: Call, bucket: str, songs: Path, tmp_path: Path
) -> None:
    assert plan(call, songs, "--dry-run")[2].endswith("dry run: nov: 5 files in 3 chunks\n")
    assert call("fleet", "status", "nov")[0] == 3
    code, out, _ = plan(call, songs, "--meta", "label=x")
    assert (code, out) == (0, "nov  5 files in 3 chunks\n")
    (songs.parent / "d.mp3").unlink()

    code, out, err = call("fleet", "work", "nov")

    assert code == 4
    assert sorted(out.splitlines()) == [
        "chunk 0: 2 done",
        "chunk 1: 2 done",
        "chunk 2: 0 done, 1 failed",
    ]
    assert "list.jsonl, line 5: " in err
    assert "done: 4 of 5 in 3 chunks, 1 failed" in err
    assert call("fleet", "work", "nov")[0] == 0
    code, out, err = call("fleet", "status", "nov")
    assert (code, out) == (
        0,
        "files   5: 4 stored, 1 failed, 0 left\n"
        "chunks  3: 3 done, 0 begun, 0 not begun\n"
        "failed  1 with SourceNotFoundError\n",
    )

    shutil.copy(MP3, songs.parent / "d.mp3")
    assert call("fleet", "retry", "nov")[1] == "1 file to try again\n"
    code, out, err = call("fleet", "results", "nov", "-o", tmp_path / "early.csv")
    assert (code, "1 chunk to be tried again: what failed" in err) == (4, True)
    assert call("fleet", "work", "nov")[0] == 0
    assert call("fleet", "retry", "nov")[1] == ""

    for name in ("map.jsonl", "map.csv", "map.parquet"):
        assert call("fleet", "results", "nov", "-o", tmp_path / name)[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "map.jsonl").read_text().splitlines()]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "map.csv").read_text(), newline="")))
    table = pq.read_table(tmp_path / "map.parquet").to_pylist()
    assert table == lines
    assert list(lines[0]) == list(FleetResult.__match_args__) == list(rows[0])
    assert [each["index"] for each in lines] == [0, 1, 2, 3, 4]
    assert [each["audio_id"] for each in rows] == [each["audio_id"] for each in lines]
    with AudioStorageManager(bucket) as manager:
        assert {each.audio_id for each in manager.list()} == {each["audio_id"] for each in lines}
        first, third = (manager.get(lines[n]["audio_id"]) for n in (0, 2))
    assert first.audio is not None
    assert first.audio.metadata["mood"] == "calm"
    assert first.audio.metadata["label"] == "x"
    assert first.thumbnail is not None
    assert third.original_filename == "e\u0301.mp3"
    assert call("fleet", "results", "nov", "--failed")[1] == ""


def test_a_table_of_results_says_what_to_do_as_it_is_typed(
    call: Call, bucket: str, tmp_path: Path
) -> None:
    shutil.copy(MP3, tmp_path / "a.wav")
    (tmp_path / "list.csv").write_text("audio\na.wav\n")
    assert plan(call, tmp_path / "list.csv")[0] == 0
    assert "1 chunk not done yet: 1 of 1 results" in call("fleet", "results", "nov")[2]
    assert "--fix-extension" in call("fleet", "work", "nov")[2]
    (row,) = call("fleet", "results", "nov", "--failed")[1].splitlines()
    assert "--fix-extension" in json.loads(row)["error"]


def test_each_file_that_fails_for_now_is_named(
    call: Call, bucket: str, server: StrictServer, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("audio\nhttps://127.0.0.1:9/a.mp3\nhttps://127.0.0.1:9/b.mp3\n")
    assert plan(call, path)[0] == 0
    code, out, err = call("fleet", "work", "nov", "--retry-for", "0s")
    assert (code, out) == (4, "chunk 0: 0 done, 2 failed for now\n")
    for line, name in ((2, "a"), (3, "b")):
        assert f"list.csv, line {line}: https://127.0.0.1:9/{name}.mp3: " in err
    assert "chunk" not in err.partition("done:")[0]


def test_json(call: Call, bucket: str, songs: Path) -> None:
    _, out, _ = plan(call, songs, "--json")
    assert json.loads(out) == {
        "run": "nov", "items": 5, "chunks": 3, "chunk_items": 2, "created": True,
    }  # fmt: skip
    _, out, _ = call("fleet", "work", "nov", "--json")
    found = sorted((each["chunk"], each["stored"]) for each in map(json.loads, out.splitlines()))
    assert found == [(0, 2), (1, 2), (2, 1)]
    status = json.loads(call("fleet", "status", "nov", "--json")[1])
    assert (status["is_done"], status["stored"], status["left"]) == (True, 5, 0)
    assert json.loads(call("fleet", "retry", "nov", "--json")[1]) == {"run": "nov", "items": 0}


def test_the_same_list_is_planned_once_and_another_is_refused(
    call: Call, bucket: str, songs: Path
) -> None:
    plan(call, songs)
    assert plan(call, songs)[0] == 0
    code, out, err = plan(call, songs, "--meta", "label=x")
    assert (code, out) == (2, "")
    assert "planned with other options" in err
    assert "--run" in err
    code, _, err = plan(call, songs, "--chunk", "3")
    assert (code, "in chunks of 2, not of 3" in err) == (2, True)
    assert call("export", "--shards", "./tars", "--run", "nov")[0] == 2
    assert not Path("tars").exists()
    songs.write_text('{"audio": "a.mp3"}\n{"audio": "a"}\n{"audio": "b.mp3", "id": "x"}\n')
    code, out, err = plan(call, songs)
    assert (code, out) == (2, "")
    assert "nothing was planned" in err


def test_chunks_that_others_have_begun_are_reported(call: Call, bucket: str, songs: Path) -> None:
    plan(call, songs)
    with AudioStorageManager(bucket) as manager:
        create(manager.store, "fleet/nov/000001/begun-0", [{}], {"by": "another host"})

    code, out, err = call("fleet", "work", "nov")

    assert code == 0
    assert len(out.splitlines()) == 2
    assert "1 chunk begun by other workers" in err
    assert len(call("fleet", "work", "nov", "--takeover-after", "0s")[1].splitlines()) == 1


def test_workers_share_a_run_and_what_is_written_each_second(
    call: Call, server: StrictServer, songs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(call, songs)
    monkeypatch.setenv("CLOUD_RUN_TASK_INDEX", "1")
    monkeypatch.setenv("CLOUD_RUN_TASK_COUNT", "2")
    code, out, _ = call("fleet", "work", "nov", "--max-writes-per-s", "1000", "--concurrency", "1")
    assert code == 0
    assert out.splitlines()[0] == "chunk 1: 2 done"
    assert len(out.splitlines()) == 3
    monkeypatch.setenv("CLOUD_RUN_TASK_INDEX", "0")
    assert call("fleet", "work", "nov")[1] == ""


@pytest.mark.parametrize(
    ("environ", "given", "expected"),
    [
        ({}, (None, None), (0, 1)),
        ({}, (3, 4), (3, 4)),
        ({"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "3"}, (None, None), (0, 3)),
        ({"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "3"}, (1, None), (1, 3)),
        ({"BATCH_TASK_INDEX": "2", "BATCH_TASK_COUNT": "3"}, (None, None), (2, 3)),
        ({"JOB_COMPLETION_INDEX": "7"}, (None, 9), (7, 9)),
        ({"JOB_COMPLETION_INDEX": "11"}, (None, 9), (2, 9)),
        ({"BATCH_TASK_INDEX": "3", "BATCH_TASK_COUNT": "3"}, (None, None), (0, 3)),
        ({"SLURM_ARRAY_TASK_ID": "16", "SLURM_ARRAY_TASK_COUNT": "16"}, (None, None), (0, 16)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "8",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_STEP": "4",
            },
            (None, None),
            (2, 4),
        ),
        ({"SLURM_ARRAY_TASK_ID": "9"}, (None, None), (0, 1)),
    ],
)
def test_engines_tell_which_worker_it_is(
    environ: dict[str, str], given: tuple[int | None, int | None], expected: tuple[int, int]
) -> None:
    assert place_of(*given, environ) == expected


@pytest.mark.parametrize("first", [0, 1, 100])
@pytest.mark.parametrize("step", [1, 3])
def test_every_task_of_a_slurm_array_is_another_worker(first: int, step: int) -> None:
    def places() -> Iterator[tuple[int, int]]:
        for number in range(8):
            yield place_of(
                None,
                None,
                {
                    "SLURM_ARRAY_TASK_ID": str(first + number * step),
                    "SLURM_ARRAY_TASK_COUNT": "8",
                    "SLURM_ARRAY_TASK_STEP": str(step),
                },
            )

    assert sorted(places()) == [(number, 8) for number in range(8)]


@pytest.mark.parametrize(
    ("environ", "given", "message"),
    [
        ({"JOB_COMPLETION_INDEX": "7"}, (None, None), "--count"),
        ({}, (None, 4), "--index"),
        ({}, (4, 4), "from 0"),
        ({"BATCH_TASK_INDEX": "x", "BATCH_TASK_COUNT": "3"}, (None, None), "BATCH_TASK_INDEX"),
    ],
)
def test_a_worker_that_does_not_know_its_place_is_refused(
    environ: dict[str, str], given: tuple[int | None, int | None], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        place_of(*given, environ)


@pytest.mark.parametrize("command", ["work", "status", "results", "retry"])
def test_a_run_that_is_not_planned_is_not_found(call: Call, bucket: str, command: str) -> None:
    code, out, err = call("fleet", command, "nov")
    assert (code, out) == (3, "")
    assert err.startswith("audiostore: error: no run 'nov'")


@pytest.mark.parametrize("command", ["plan", "work", "status", "results", "retry"])
def test_a_name_that_no_run_can_have_is_a_usage_error(
    call: Call, bucket: str, songs: Path, command: str
) -> None:
    words = ("--manifest", songs, "--run", "Bad Run") if command == "plan" else ("Bad Run",)
    code, out, err = call("fleet", command, *words)
    assert (code, out) == (2, "")
    assert err.startswith("audiostore: error: invalid run name 'Bad Run': give up to 63")


@pytest.mark.parametrize("way", [(), ("--dry-run",)])
def test_a_list_without_files_is_a_usage_error(
    call: Call, bucket: str, tmp_path: Path, way: tuple[str, ...]
) -> None:
    path = tmp_path / "head.csv"
    path.write_text("audio,thumbnail\n")
    code, out, err = call("fleet", "plan", "--manifest", path, "--run", "nov", *way)
    assert (code, out) == (2, "")
    assert err == f"audiostore: error: no audio file in {path}\n"
    assert call("fleet", "status", "nov")[0] == 3


# -- runs over the parts of a store --------------------------------------------------------------


@pytest.mark.slow
def test_what_looks_at_a_whole_store_is_done_by_many_machines(
    call: Call, server: StrictServer
) -> None:
    del server
    ids = [f"{digit}f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b" for digit in "048c"]
    for audio_id in ids:
        assert call("put", MP3, "--thumbnail", COVER, "--id", audio_id)[0] == 0
    for command in ("list", "stats", "check"):
        whole = call(command, "--json")
        assert whole[0] == 0
        code, out, err = call(command, "--run", command, "--chunks", "3")
        assert (code, out, err) == (0, f"{command}  3 chunks\n", "")
        code, out, err = call("fleet", "results", command, "--json")
        assert (code, "3 chunks not done yet" in err) == (4, True)
        assert call("fleet", "work", command)[0] == 0
        assert call("fleet", "status", command)[1].startswith("parts   3: 3 done, 0 failed")
        assert call("fleet", "results", command, "--json") == whole
        assert call("fleet", "results", command)[1] == call(command)[1]
    code, _, err = call("list", "--run", "list", "--chunks", "4")
    assert (code, "planned in 3 parts, not in 4" in err) == (2, True)
    assert call("export", "--run", "tables", "--chunks", "3")[0] == 0
    assert call("fleet", "work", "tables")[0] == 0
    assert call("fleet", "status", "tables")[1].startswith("parts   3: 3 done, 0 failed")
    assert call("fleet", "results", "tables") == call("export")
    assert call("export", "-o", "a.csv")[0] == 0
    for run in ("list", "tables"):
        assert call("fleet", "results", run, "-o", "b.csv")[0] == 0
        assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    with AudioStorageManager("bucket") as manager:
        cover = manager.store.stat(f"audio/{ids[1]}/thumbnail.jpg")
        manager.store.delete(cover)
    assert call("check", "--run", "again")[0] == 0
    assert call("fleet", "work", "again")[0] == 0
    code, out, err = call("fleet", "results", "again")
    assert (code, out) == (1, call("check")[1])
    assert err.endswith("error: checked 4 assets (7 objects): 1 problem\n")


def test_options_that_cross_the_parts_of_a_store_exclude_a_run(call: Call) -> None:
    for command, *options in (
        ("list", "--sort", "size"),
        ("list", "--limit", "3"),
        ("list", "--columns", "id"),
        ("export", "--output", "x.csv"),
        ("stats", "--prices", "x"),
        ("check", "--repair"),
        ("check", "--shard", "1/2"),
    ):
        code, _, err = call(command, "--run", "r", *options)
        assert (code, f"{options[0]} and --run exclude" in err) == (2, True)
    assert "--chunks needs --run" in call("stats", "--chunks", "3")[2]
    assert call("check", "--run", "No Name")[0] == 2


def test_a_shard_of_a_list_of_an_export_and_of_statistics(call: Call) -> None:
    ids = [f"{digit}f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b" for digit in "048c"]
    for audio_id in ids:
        assert call("put", MP3, "--id", audio_id)[0] == 0
    parts = [["--shard", f"{n}/3"] for n in (1, 2, 3)]
    found = [call("list", "--format", "{id}", *part)[1].split() for part in parts]
    assert [each for part in found for each in part] == ids
    assert "".join(call("export", *part)[1] for part in parts) == call("export")[1]
    counts = [json.loads(call("stats", "--json", *part)[1])["assets"] for part in parts]
    assert counts == [len(part) for part in found]
    assert max(counts) < 4
