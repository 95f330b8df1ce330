"""list, stats and export, as typed."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from audiostore import LocalStore
from audiostore.catalog.columns import COLUMNS
from audiostore.cli.commands.stats import bar
from audiostore.cli.progress.count import CountProgress
from audiostore.cli.values import duration, moment, size
from tests.catalog_samples import audio_ids, put_asset
from tests.cli.conftest import Call
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S

A, B, C, D = sorted(audio_ids(4))


@pytest.fixture
def filled(bucket: str, tmp_path: Path) -> LocalStore:
    del bucket
    store = LocalStore(tmp_path / "store")
    simone = {"artist": "Nina Simone", "title": "Feeling Good", "duration_s": "177.000"}
    put_asset(store, A, facts=simone, data=b"a" * 3000, filename="feeling.mp3")
    put_asset(store, B, facts={"title": "Adagio"}, extension=".flac", data=b"b" * 1000, cover=False)
    put_asset(store, C, facts={"duration_s": "600.000"}, data=b"c" * 2000, custom={"mood": "Blue"})
    put_asset(store, D, data=b"d" * 500)
    (cover,) = store.list(f"audio/{D}/thumbnail")
    store.delete(cover)
    (audio,) = store.list(f"audio/{C}/audio")
    store.update(audio, {"superseded_by": A}, temporary_hold=True)
    return store


def listed(call: Call, *args: str) -> list[str]:
    code, out, _ = call("list", "--json", *args)
    assert code == 0
    return [json.loads(line)["audio_id"] for line in out.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], [A, B, C, D]),
        (["--type", "FLAC"], [B]),
        (["--type", "flac", "--type", "mp3"], [A, B, C, D]),
        (["--artist", "simone"], [A]),
        (["--title", "ad", "--artist", "nina"], []),
        (["--contains", "mood=blue"], [C]),
        (["--meta", "mood=blue"], []),
        (["--meta", "mood=Blue"], [C]),
        (["--min-duration", "3:00"], [C]),
        (["--max-duration", "177"], [A]),
        (["--min-size", "1kB", "--max-size", "2000"], [B, C]),
        (["--since", "2001-01-01"], [A, B, C, D]),
        (["--before", "2001-01-01"], []),
        (["--storage-class", "standard"], [A, B, C, D]),
        (["--storage-class", "archive"], []),
        (["--with-thumbnail"], [A, C]),
        (["--without-thumbnail"], [B, D]),
        (["--missing-artwork"], [D]),
        (["--superseded"], [C]),
        (["--not-superseded", "--with-thumbnail"], [A]),
        (["--held"], [C]),
        (["--not-held"], [A, B, D]),
        (["--sort", "size"], [D, B, C, A]),
        (["--sort", "size", "--reverse", "--limit", "2"], [A, C]),
        (["--sort", "title"], [B, A, C, D]),
        (["--sort", "duration", "--reverse"], [C, A, B, D]),
        (["--sort", "track"], [B, A, C, D]),
        (["--reverse"], [D, C, B, A]),
        (["--limit", "3"], [A, B, C]),
        (["--text", "nina GOOD"], [A]),
        (["--text", "nina adagio"], []),
        (["--after", A, "--limit", "2"], [B, C]),
        (["--after", C[:13]], [D]),
    ],
)
def test_list_filters_and_sorts(
    call: Call, filled: LocalStore, args: list[str], expected: list[str]
) -> None:
    del filled
    assert listed(call, *args) == expected


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--type", "mp33"], "unknown format 'mp33'"),
        (["--min-size", "5 parsecs"], "invalid size '5 parsecs' (examples: 500K, 5M)"),
        (["--min-duration", "1:2"], "invalid duration '1:2' (examples: 90, 1:30, 1:02:03, 2h)"),
        (["--since", "yesterday"], "invalid date 'yesterday' (examples: 2026-01-31"),
        (["--since", "2026-02-01", "--before", "2026-01-01"], "is not earlier than"),
        (["--min-size", "2", "--max-size", "1"], "minimum size 2 exceeds the maximum 1"),
        (["--meta", "a=1", "--meta", "a=2"], "--where: 'a' is given twice"),
        (["--artist", "x", "--contains", "artist=y"], "--contains: 'artist' is given twice"),
        (["--held", "--not-held"], "not allowed with"),
        (["--sort", "colour"], "invalid choice"),
        (["--text", ""], "the text to look for is empty"),
        (["--after", "song.mp3"], "'song.mp3' is not an ID"),
        (["--after", A, "--sort", "title"], "--after goes on in the order of ids"),
        (["--after", A, "--reverse"], "--after goes on in the order of ids"),
        (["--limit", "0"], "at least 1"),
    ],
)
@pytest.mark.parametrize("command", ["list", "export"])
def test_wrong_filters_are_rejected(
    call: Call, bucket: str, command: str, args: list[str], reason: str
) -> None:
    del bucket
    code, out, err = call(command, *args)
    assert (code, out) == (2, "")
    assert reason in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5000000", 5_000_000),
        ("5MB", 5_000_000),
        ("5m", 5 << 20),
        ("1.5 KiB", 1536),
        ("2gib", 2 << 30),
        ("0", 0),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90.5", 90.5), ("1:30", 90), ("1:02:03", 3723), ("90m", 5400), ("2H", 7200)],
)
def test_durations(text: str, expected: float) -> None:
    assert duration(text) == expected


def test_dates_are_utc_unless_they_say_otherwise() -> None:
    assert moment("2026-01-31").isoformat() == "2026-01-31T00:00:00+00:00"
    assert moment("2026-01-31T18:00+02:00").isoformat() == "2026-01-31T16:00:00+00:00"


def test_stats_count_what_is_stored(call: Call, filled: LocalStore) -> None:
    del filled
    code, out, _ = call("stats", "--json")
    figures = json.loads(out)
    assert code == 0
    assert (figures["assets"], figures["audio_bytes"]) == (4, 6500)
    assert (figures["duration_s"], figures["unknown_durations"]) == (777.0, 2)
    assert {k: v["assets"] for k, v in figures["by_format"].items()} == {"flac": 1, "mp3": 3}
    assert figures["cost"] is None


def test_stats_show_bars(call: Call, filled: LocalStore) -> None:
    del filled
    code, out, _ = call("stats", "--location", "US", "--type", "mp3")
    assert code == 0
    lines = out.splitlines()
    assert lines[:4] == [
        "assets   3",
        "audio    5.4 KiB",
        "artwork  4.9 KiB",
        "hours    0.2 (1 of unknown duration)",
    ]
    assert lines[4] == "cost     0.00 USD a month"
    assert "multi-region us, by https://cloud.google.com/storage/pricing of 20" in lines[5]
    assert next(line for line in lines if line.startswith("mp3 ")).endswith("█" * 24)
    assert next(x for x in lines if x.startswith("STANDARD")).endswith("0.00 USD a month")


def test_stats_can_use_another_price_table(call: Call, filled: LocalStore, tmp_path: Path) -> None:
    del filled
    table = tmp_path / "ours.toml"
    table.write_text(
        'currency = "EUR"\n[locations.here]\nread_on = 2026-02-01\nprices = { STANDARD = 1e6 }\n'
    )
    args = ["stats", "--json", "--prices", str(table)]
    cost = json.loads(call(*args, "--location", "here")[1])["cost"]
    assert (cost["currency"], cost["read_on"]) == ("EUR", "2026-02-01")
    assert cost["total"] > 6
    code, out, err = call(*args, "--location", "there")
    assert (code, out) == (2, "")
    assert "no prices for 'there', only for here" in err
    assert call("stats", "--location", "here", "--prices", str(tmp_path / "none"))[0] == 1


def test_stats_of_an_empty_store(call: Call, bucket: str) -> None:
    del bucket
    assert call("stats") == (0, "assets   0\naudio    0 B\nartwork  0 B\nhours    0.0\n", "")


def test_bars_use_blocks_where_the_encoding_has_them() -> None:
    assert bar(1.0, "utf-8") == "█" * 24
    assert bar(0.5, "utf-8") == "█" * 12
    assert bar(0.52, "utf-8") == "█" * 12 + "▌"
    assert bar(1e-9, "utf-8") == "▏"
    assert bar(0.0, "utf-8") == bar(0.0, "ascii") == ""
    assert bar(0.5, "ascii") == bar(0.5, "no such encoding") == "#" * 12
    assert bar(1e-9, "latin-1") == "#"


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_export_writes_a_file_that_other_programs_read(
    call: Call, filled: LocalStore, tmp_path: Path, name: str
) -> None:
    del filled
    target = tmp_path / name
    target.write_text("something older")
    assert call("export", "-o", target, "--sort", "size", "--with-thumbnail") == (0, "", "")
    if name.endswith("jsonl"):
        found = [json.loads(line)["audio_id"] for line in target.read_text().splitlines()]
    elif name.endswith("csv"):
        with target.open(newline="") as stream:
            found = [row["audio_id"] for row in csv.DictReader(stream)]
    else:
        found = parquet.read_table(target)["audio_id"].to_pylist()
    assert found == [C, A]
    assert not list(tmp_path.glob(".audiostore-*"))


def test_export_goes_to_standard_output(call: Call, filled: LocalStore) -> None:
    del filled
    code, out, _ = call("export")
    assert code == 0
    assert [list(json.loads(line)) for line in out.splitlines()] == [list(COLUMNS)] * 4


@pytest.mark.slow
def test_parquet_goes_into_a_pipe(filled: LocalStore) -> None:
    del filled
    command = [sys.executable, "-m", "audiostore", "export", "--format", "parquet"]
    ran = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_S)
    assert parquet.read_table(io.BytesIO(ran.stdout)).num_rows == 4


def test_an_export_to_an_unusable_path_is_reported_with_a_hint(
    call: Call, filled: LocalStore, tmp_path: Path
) -> None:
    for output, says in (
        (tmp_path, "is a directory: name a file"),
        ("no/x.csv", "create it first"),
    ):
        code, out, err = call("export", "-o", output)
        assert (code, out) == (2, "")
        assert says in err


def test_an_export_that_fails_leaves_the_older_file(
    call: Call, server: StrictServer, tmp_path: Path
) -> None:
    target = tmp_path / "out.csv"
    target.write_text("something older")
    server.fault(faults.listing, faults.respond(403))
    assert call("export", "-o", target)[0] == 1
    assert target.read_text() == "something older"


def _on_terminal(*args: str) -> str:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "audiostore", *args]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        try:
            while piece := os.read(ours, 4096):
                seen += piece
        except OSError:  # it has ended
            pass
        process.wait(30)
    os.close(ours)
    return seen.decode()


@pytest.mark.slow
def test_list_notes_on_a_terminal_that_nothing_matches(filled: LocalStore) -> None:
    del filled
    assert "note: no asset in file://" in _on_terminal("list", "--artist", "nobody")
    assert "Parquet is binary, not for a terminal" in _on_terminal("export", "--format", "parquet")
    assert _on_terminal("list", "--limit", "1").startswith("ID ")


def test_progress_is_drawn_after_two_seconds_and_removed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("audiostore.cli.progress.display.is_terminal", lambda stream: True)
    times = iter([0.0, 1.0, 2.05, 2.1, 2.15, 4.0])
    with CountProgress(lambda: next(times)) as progress:
        progress(100)
        progress(200)
        assert capsys.readouterr().err == ""
        progress(2_100)
        progress(2_150)
        progress(8_000)
        err = capsys.readouterr().err
        drawn = [part.partition("\x1b")[0] for part in err.split("\r")[1:]]
        assert drawn == ["2,100 assets checked, 1,000/s", "8,000 assets checked, 2,000/s"]
    assert capsys.readouterr().err == "\r\x1b[J"


def test_list_works_on_a_bucket(call: Call, server: StrictServer) -> None:
    from audiostore.stores.gcs.store import GcsStore  # noqa: PLC0415

    store = GcsStore("bucket", emulator=server.url)
    for audio_id in audio_ids(5):
        put_asset(store, audio_id)
    store.close()
    assert listed(call) == sorted(audio_ids(5))
    code, out, _ = call("stats", "--json")
    assert code == 0
    assert json.loads(out)["cost"]["location"] in ("region", "multi-region", "dual-region")
    server.denied.add("storage.buckets.get")  # the storage layout tells the location as well
    assert call("stats", "--json")[1] == out


def test_duplicates_are_listed_with_what_to_do(call: Call, bucket: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    assert call("duplicates")[:2] == (0, "")
    put_asset(store, A, data=b"same", cover=False, facts={"source_path": "a\x1b.mp3"})
    put_asset(store, B, data=b"same", facts={"source_path": "b/b.mp3"})
    put_asset(store, C, data=b"other")
    code, out, err = call("duplicates")
    assert code == 0
    assert out.splitlines()[0] == "2 assets with the same bytes"
    assert f"keep  {B}" in out
    assert f"or    {A}" in out
    assert "\x1b" not in out
    assert "keep all if 'get --all' is to bring back all of them" in out
    assert f"-> audiostore rm {A} --bucket {bucket}\n" in out
    assert "1 group of the same audio: 1 asset (4 B) could be deleted" in err
    (line,) = call("duplicates", "--json")[1].splitlines()
    command = f"audiostore rm {A} --bucket {bucket}"
    assert json.loads(line) == {"same": "bytes", "keep": B, "others": [A], "command": command}
    assert call("duplicates", "--with-thumbnail")[1] == ""


# -- tar files for training ----------------------------------------------------------------------


def test_export_writes_tar_files_and_continues(call: Call, filled: LocalStore) -> None:
    code, out, err = call("export", "--shards", "./out", "--size", "12K", "--covers")
    assert code == 0
    shards = sorted(Path("out").glob("*.tar"))
    assert sorted(out.splitlines()) == [each.absolute().as_uri() for each in shards]
    assert len(shards) > 1
    assert f"done: {len(shards)} shards: 4 assets" in err
    (Path("out") / "index.json").unlink()
    code, again, err = call("export", "--shards", "./out", "--size", "12K", "--covers")
    assert (code, sorted(again.splitlines())) == (0, sorted(out.splitlines()))
    assert f"{len(shards)} shards, {len(shards)} of them there before: 4 assets" in err
    assert call("export", "--shards", "./none", "--artist", "nobody")[0] == 0
    assert not Path("none").exists()


def test_export_of_tar_files_as_a_fleet_run(call: Call, filled: LocalStore) -> None:
    command = ("export", "--shards", "./out", "--size", "12K")
    code, out, _ = call(*command, "--run", "train")
    assert (code, out.split()[0]) == (0, "train")
    assert call("fleet", "work", "train")[0] == 0
    code, out, _ = call("fleet", "results", "train")
    assert (code, out.splitlines()) == (
        0,
        [each.absolute().as_uri() for each in sorted(Path("out").glob("*.tar"))],
    )
    code, lines, _ = call("fleet", "results", "train", "--json")
    assert (code, sum(json.loads(each)["samples"] for each in lines.splitlines())) == (0, 4)
    assert "parts   " in call("fleet", "status", "train")[1]
    assert call("fleet", "results", "train", "-o", "x.csv")[0] == 2
    assert call(*command, "--run", "other", "--chunks", "3")[0] == 2
    assert not Path("out/index.json").exists()
    assert call(*command)[1] == out
    assert Path("out/index.json").exists()


def test_export_of_tar_files_tells_what_failed_and_what_is_left_out(
    call: Call, filled: LocalStore, tmp_path: Path
) -> None:
    (audio,) = filled.list(f"audio/{B}/audio")
    path = tmp_path / "store" / audio.name
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    code, _, err = call("export", "--shards", "./out", "--size", "1", "--where", "title=Adagio")
    assert code == 1
    assert "shard-000000.tar" in err
    assert "was received with wrong bytes" in err
    code, out, err = call("export", "--shards", "./all", "--size", "1")
    assert (code, len(out.splitlines())) == (4, 3)
    assert "3 shards: 3 assets" in err
    assert "1 failed" in err
    filled.delete(audio)
    code, out, err = call("export", "--shards", "./all", "--size", "1")
    assert (code, len(out.splitlines())) == (0, 4)
    assert f"left out: {B}: it was deleted" in err


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--shards", "./out", "-o", "x"], "choose one"),
        (["--shards", "./out", "--format", "csv"], "choose one"),
        (["--size", "1G"], "--size is for tar files"),
        (["--covers"], "--covers is for tar files"),
        (["--shards", "./out", "--size", "0"], "invalid size '0'"),
        (["--shards", "gs://a b"], "is not a bucket"),
        (["--shards", "./cwd/file"], "is a file: name a directory"),
        (["--shards", "./cwd/file/x/y"], "/cwd/file' is a file: name a directory"),
        (["--shards", "./new", "--run", "Bad Name"], "invalid run name"),
        (["--shards", "./store/audio/x"], "keeps its assets"),
        (["--shards", "./other"], "an export of other assets"),
    ],
)
def test_export_of_tar_files_refuses_what_makes_no_sense(
    call: Call, filled: LocalStore, monkeypatch: pytest.MonkeyPatch, args: list[str], reason: str
) -> None:
    monkeypatch.chdir("..")
    Path("cwd/file").touch()
    if "./other" in args:
        assert call("export", "--shards", "./other", "--type", "flac")[0] == 0
    code, out, err = call("export", *args)
    assert (code, out) == (2, "")
    assert reason in err
    assert not Path("store/audio/x").exists()
    assert not Path("new").exists()
