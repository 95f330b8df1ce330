"""Many files at once, by the real command."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import AudioStoreError
from audiostore.cli.failures import UsageError
from audiostore.cli.output import human_time
from audiostore.cli.parser import build_parser
from audiostore.cli.progress.bulk import BulkProgress, abandoning
from audiostore.cli.progress.count import CountProgress
from audiostore.cli.values import rate
from audiostore.events import Begun, BulkBegun, Progress, Retried, RetriesEnded
from tests.assets import JPG, mp3_bytes
from tests.cli.conftest import COMMAND, COVER, EXAMPLES, FLAC, MP3, Call, Run
from tests.cli.test_terminal import _interrupted, _on_terminal
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S, wait_until

UNKNOWN = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
OGG = EXAMPLES / "harbour-lights.ogg"
_PAUSES = (
    "from audiostore.cli.commands import _put_watch; _put_watch._FIRST_PAUSE_S = 0.3; "
    "watching.SETTLE_S"
)


@pytest.fixture
def music() -> Path:
    """Three good files with covers of three kinds, and what is no audio."""
    for name, source in {
        "a/one.mp3": MP3,
        "a/one.jpg": COVER,
        "a/two.ogg": OGG,
        "b/three.flac": FLAC,
        "b/Cover.jpg": COVER,
        "b/notes.txt": EXAMPLES / "README.md",
    }.items():
        path = Path("music", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
    return Path("music")


def _lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def _stored(call: Call) -> dict[str, str]:
    """Return the names of what is stored, and the extensions of the covers."""
    code, out, err = call("list", "--json")
    assert (code, err) == (0, "")
    assets = _lines(out)
    found = {
        a["metadata"]["original_filename"]: Path(a["thumbnail_path"] or "").suffix  # type: ignore
        for a in assets
    }
    assert len(found) == len(assets)
    return found


def _id_of(line: str) -> str:
    return line.partition("  ")[0]


@pytest.mark.slow
def test_a_directory_is_stored_with_its_covers(call: Call, bucket: str, music: Path) -> None:
    code, out, err = call("put", music)
    assert code == 0
    assert {line.partition("  ")[2] for line in out.splitlines()} == {
        "music/a/one.mp3",
        "music/a/two.ogg",
        "music/b/three.flac",
    }
    done, left_out = err.splitlines()
    assert re.fullmatch(
        r"audiostore: done: 3 stored \([\d.]+ KiB in .* s, .*/s\); 1 of 3 without artwork", done
    )
    assert left_out == "audiostore: note: ignored: .txt files (1)"
    assert _stored(call) == {"one.mp3": ".jpg", "two.ogg": "", "three.flac": ".jpg"}
    assert call("show", _id_of(out))[0] == 0


def test_a_single_file_is_stored_once_however_often_it_is_put(
    call: Call, bucket: str, music: Path
) -> None:
    song = music / "b/three.flac"
    code, out, err = call("put", song, "--no-artwork")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"[0-9a-f-]{36}\naudio      file://.*/audio\.flac\n", out)
    audio_id = out.splitlines()[0]
    note = f"audiostore: note: {audio_id} is already stored, with the same content\n"
    assert call("put", song) == (0, out, note)
    assert [line["stored"] for line in _lines(call("jobs", "--json")[1])] == [0, 1]
    assert call("rm", audio_id, "--yes")[0] == 0
    code, out, err = call("put", song)
    assert (code, out) == (4, "")
    assert f"{song}: {audio_id} is in the trash: not stored again" in err
    code, out, err = call("put", song, "--again", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["audio_id"] != audio_id
    code, out, _ = call("put", song, "--cleanup", "--json")
    assert (code, song.exists()) == (0, False)
    assert call("put", song, "--cleanup", "--json")[1] == out
    assert call("put", song)[0] == 2  # it may well be a mistyped name
    assert len(_stored(call)) == 1


@pytest.mark.slow
def test_a_single_file_that_is_stored_gets_the_check_that_is_asked_for(
    call: Call, bucket: str
) -> None:
    data = bytearray(FLAC.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4_000] = b"\x55" * 4_000
    Path("broken.flac").write_bytes(data)
    audio_id = call("put", "broken.flac")[1].splitlines()[0]
    code, out, err = call("put", "broken.flac", "--check", "full")
    assert (code, out) == (2, "")
    assert err.endswith(f"; it stays stored as {audio_id}\n")
    assert call("put", "broken.flac", "--check", "full", "--dry-run")[1].startswith("reject  ")
    code, _, err = call("put", "broken.flac", FLAC, "--check", "full")
    assert code == 4
    assert "audiostore: error: broken.flac: its sound misses " in err
    assert "audiostore: done: 1 stored " in err
    assert call("put", "broken.flac")[0] == 0


def test_a_single_file_is_put_without_a_journal_if_asked(
    call: Call, bucket: str, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = music / "b/three.flac"
    (tmp_path / "state").write_text("no directory")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    code, _, err = call("put", song)
    assert code == 1
    for way_out in ("--journal FILE", "XDG_STATE_HOME=DIR", "--no-journal"):
        assert way_out in err
    for ways in (("--no-journal",), ("--no-journal",), ("--journal", str(tmp_path / "mine"))):
        code, out, _ = call("put", song, *ways)
        assert (code, len(out.splitlines())) == (0, 3)
    assert len(_lines(call("list", "--json")[1])) == 3


@pytest.mark.slow
def test_superseding_with_one_file_is_completed_by_the_same_command(
    call: Call, bucket: str, music: Path
) -> None:
    old = call("put", MP3)[1].splitlines()[0]
    song = music / "b/three.flac"
    new = call("put", song, "--supersedes", old)[1].splitlines()[0]
    assert call("put", song, "--supersedes", old)[1].splitlines()[0] == new
    assert call("show", old)[0] == 0
    options = ("--supersedes", old, "--trash-superseded")
    assert call("put", song, *options)[1].splitlines()[0] == new
    assert call("show", old)[0] == 3
    assert call("put", song, *options)[1].splitlines()[0] == new


@pytest.mark.slow
def test_a_single_file_imports_no_engine(bucket: str) -> None:
    program = (
        "import sys; from audiostore.cli import main; main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "put", str(MP3)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "audiostore.manager" in done.stderr.split()
    assert "audiostore.bulk.executors" not in done.stderr


def test_the_display_has_no_thread_until_work_has_begun() -> None:
    # Else no process could be forked, and all work were done on one core.
    before = threading.active_count()
    with BulkProgress() as progress:
        progress.expect([(1, 1)])
        assert threading.active_count() == before
        progress(BulkBegun())
        assert threading.active_count() == before + 2


def test_a_paused_terminal_blocks_no_transfer() -> None:
    progress = BulkProgress()
    with progress.aside():  # somebody writes, for as long as it may take
        told = threading.Thread(target=progress, args=(Progress("x", 1, 2),))
        told.start()
        told.join(10)
        assert not told.is_alive()


def test_named_files_are_stored_with_covers_next_to_them(
    call: Call, bucket: str, music: Path
) -> None:
    code, out, _ = call("put", *sorted((music / "a").iterdir()))
    assert (code, len(out.splitlines())) == (0, 2)
    assert _stored(call) == {"one.mp3": ".jpg", "two.ogg": ""}


def test_a_second_run_stores_nothing_twice(call: Call, bucket: str, music: Path) -> None:
    first = call("put", music)[1]
    code, second, err = call("put", f"{music}/", "--json")
    assert code == 0
    assert {line["status"] for line in _lines(second)} == {"stored before"}
    assert {line["audio_id"] for line in _lines(second)} == set(map(_id_of, first.splitlines()))
    assert "3 already stored" in err
    shutil.copyfile(MP3, music / "b/four.mp3")
    assert "done: 1 stored" in call("put", music)[2]
    assert len(_stored(call)) == 4


def test_what_the_journal_calls_stored_is_looked_up_in_the_store(
    call: Call, bucket: str, music: Path, tmp_path: Path
) -> None:
    ids = list(map(_id_of, call("put", music)[1].splitlines()))
    assert call("rm", ids[0], "--yes")[0] == 0
    code, out, err = call("put", music)
    assert (code, set(map(_id_of, out.splitlines()))) == (4, set(ids[1:]))
    assert f"{ids[0]} is in the trash: not stored again" in err
    assert "done: 2 already stored, 1 in the trash, not stored again" in err
    code, _, err = call("put", music, "--again")
    assert code == 0
    assert re.search(r"done: 1 stored \(.*\), 2 already stored", err)
    shutil.rmtree(tmp_path / "store")
    code, _, err = call("put", music)
    assert (code, "done: 3 stored (" in err) == (0, True)
    assert len(_stored(call)) == 3


def test_bad_files_are_named_and_the_others_stored(call: Call, bucket: str, music: Path) -> None:
    (music / "a/cut.mp3").write_bytes(MP3.read_bytes()[:60_000])
    (music / "b/empty.wav").touch()
    (music / "b/bad.mp3").write_bytes(MP3.read_bytes())
    (music / "b/bad.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    code, out, err = call("put", music)
    assert (code, len(out.splitlines())) == (4, 3)
    errors = [line for line in err.splitlines() if line.startswith("audiostore: error: ")]
    assert len(errors) == 3
    assert "error: music/a/cut.mp3 is cut short" in err
    assert "3 failed" in err
    assert f"'audiostore jobs 1 --bucket {bucket}' lists it" in err

    code, out, err = call("jobs", "1")
    assert (code, err) == (0, "")
    assert out.count("  -> not tried again\n") == len(out.splitlines()) / 2 == 3
    assert re.search(r"music/a/cut\.mp3 is cut short", out)
    shutil.copyfile(MP3, music / "a/cut.mp3")
    code, out, err = call("put", music)
    assert (code, len(out.splitlines())) == (4, 4)
    assert "done: 1 stored" in err
    failed = _lines(call("jobs", "2", "--json")[1])
    assert {Path(str(line["audio"])).name for line in failed} == {"empty.wav", "bad.mp3"}
    out = call("jobs", "1")[1]
    assert re.search(r"cut\.mp3 is cut short: .*\n  -> stored by run 2 as [0-9a-f-]{36}\n", out)
    assert out.count("  -> failed again in run 2\n") == 2  # of the same error
    (music / "b/empty.wav").unlink()
    assert (
        "empty.wav" in call("jobs", "2")[1].partition("  -> not tried again: the file is gone")[0]
    )


def test_the_command_that_lists_failures_can_be_pasted(
    call: Call, music: Path, tmp_path: Path
) -> None:
    (music / "a/cut.mp3").write_bytes(MP3.read_bytes()[:60_000])
    url = (tmp_path / "elsewhere").as_uri()
    for options in (("--bucket", url), ("--bucket", url, "--journal", "my.journal")):
        err = call("put", music, *options)[2]
        hint = re.search("'audiostore (jobs .*)' lists it", err)
        assert hint is not None
        assert "cut.mp3" in call(*hint[1].split())[1]


def test_a_warning_on_many_files_is_printed_a_few_times(call: Call, bucket: str) -> None:
    Path("many").mkdir()
    for number in range(6):
        shutil.copyfile(EXAMPLES / "paper-lanterns.m4a", f"many/{number}.m4a")
    for options in (("--dry-run",), ("--in-order",)):
        code, _, err = call("put", "many", *options)
        assert code == 0
        words = (
            "its index is at the end, so players must fetch the whole file first: pass --faststart "
            "to move the index to the front"
        )
        assert err.splitlines()[:-1] == [
            *(f"audiostore: warning: many/{number}.m4a: {words}" for number in range(3)),
            f"audiostore: warning: 3 more files: {words}",
        ]


def test_fail_fast_starts_nothing_more(call: Call, bucket: str) -> None:
    Path("many").mkdir()
    Path("many/00.mp3").write_bytes(b"not audio at all")
    for number in range(1, 60):
        shutil.copyfile(OGG, f"many/{number:02}.ogg")
    for paths in (
        ["many"],
        [f"many/{number:02}.{'ogg' if number else 'mp3'}" for number in range(9)],
    ):
        code, out, _ = call("put", *paths, "--fail-fast", "--concurrency", "1")
        assert code == 4
        assert len(out.splitlines()) < 5
        assert next(iter(_lines(call("jobs", "--json")[1])))["state"] == "stopped"


def test_what_is_left_out_is_named_and_what_is_selected_stored(
    call: Call, bucket: str, music: Path
) -> None:
    for number in range(5):
        Path(music, f"a/{number}.wv").write_bytes(b"wvpk" + bytes(40))
    code, out, err = call("put", music, "--include", "/b/**", "--exclude", "Cover.*")
    assert (code, out.count("\n")) == (0, 1)
    assert ".wv" not in err  # not included on purpose
    assert _stored(call) == {"three.flac": ".png"}  # embedded
    code, out, err = call("put", music)
    assert (code, out.count("\n")) == (4, 3)
    assert err.count("left out: music/a/") == 3
    assert "left out: .wv files (2 more)" in err
    code, out, err = call("put", music, "--dry-run", "--json")
    assert code == 4
    assert sum(line.get("status") == "left out" for line in _lines(out)) == 5

    os.mkfifo("pipe")  # read once: a second reader would wait forever
    writer = threading.Thread(
        target=Path("pipe").write_bytes, args=(b"a/one.mp3\0gone.mp3\0a/0.wv\0",)
    )
    writer.start()
    code, out, _ = call("put", music, "--files-from", "pipe", "-0", "--no-journal", "--json")
    writer.join()
    outcomes = {str(line["audio"]): line["status"] for line in _lines(out)}
    assert outcomes == {
        "music/a/one.mp3": "stored",
        "music/gone.mp3": "failed",
        "music/a/0.wv": "left out",
    }
    assert code == 4


def test_a_bad_cover_is_passed_over_if_told(call: Call, bucket: str, music: Path) -> None:
    Path(music, "b/Cover.jpg").write_bytes(b"broken")
    assert call("put", music / "b", "--no-journal")[0] == 4
    code, _, err = call("put", music / "b", "--skip-bad-covers")
    assert code == 0
    assert err.count("b/Cover.jpg: not used as a cover") == 1
    Path("list.csv").write_text("audio,thumbnail\nmusic/b/three.flac,music/b/Cover.jpg\n")
    code, out, err = call("put", "--manifest", "list.csv", "--skip-bad-covers", "--no-journal")
    assert (code, out.count("\n")) == (0, 1)


@pytest.mark.slow
def test_a_watched_directory_is_stored_until_stopped(
    server: StrictServer, music: Path, tmp_path: Path
) -> None:
    inbox = Path("inbox")
    inbox.mkdir()
    program = (
        "import sys; from audiostore.bulk import watching; watching.SETTLE_S = 0.3;"
        "from audiostore.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    server.denied.add("storage.objects.create")
    arguments = ["put", "--watch", "inbox", "--cleanup"]
    with subprocess.Popen(
        [sys.executable, "-c", program.replace("watching.SETTLE_S", _PAUSES), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        data = MP3.read_bytes()
        with (inbox / "song.mp3").open("wb", buffering=0) as song:  # it arrives in pieces
            for start in range(0, len(data), len(data) // 5):
                song.write(data[start : start + len(data) // 5])
        # A thread has tried again at once what the interleaver was refused.
        wait_until(lambda: sum(each.status == 403 for each in server.requests) > 1)
        server.denied.clear()  # the store is back
        shutil.copyfile(FLAC, inbox / ".three.flac.AbCdEf")
        assert process.stdout is not None
        song_id, _, name = process.stdout.readline().rstrip().partition("  ")
        assert name == "inbox/song.mp3"
        (inbox / ".three.flac.AbCdEf").rename(inbox / "three.flac")
        assert process.stdout.readline().endswith("inbox/three.flac\n")
        assert list(inbox.iterdir()) == []
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert server.read("bucket", f"audio/{song_id}/audio.mp3") == data
    assert "storage.objects.create" in err
    assert "unexpected" not in err


def test_what_every_file_would_meet_is_one_sentence(
    call: Call, server: StrictServer, music: Path, tmp_path: Path
) -> None:
    server.denied.add("storage.objects.create")
    for arguments in (["put", music], ["put", music, "--json", "--in-order"]):
        code, out, err = call(*arguments)
        assert (code, out) == (1, "")
        assert err.count("\n") == 1
        assert "storage.objects.create" in err
    server.denied.clear()
    assert call("put", music)[0] == 0
    server.denied.add("storage.objects.get")
    code, out, err = call("get", "--all", "--to", tmp_path / "to")
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_every_item_is_a_line_of_json(call: Call, bucket: str, music: Path) -> None:
    (music / "a/cut.mp3").write_bytes(MP3.read_bytes()[:60_000])
    code, out, _ = call("put", music, "--json", "--in-order", "--meta", "mood=glad")
    assert code == 4
    failed, one, _two, three = _lines(out)
    assert failed["audio"] == "music/a/cut.mp3"
    assert failed["status"] == "failed"
    assert "is cut short" in str(failed["error"])
    assert (one["status"], one["thumbnail"]) == ("stored", "music/a/one.jpg")
    assert (three["thumbnail"], three["origin"]) == ("music/b/Cover.jpg", None)
    assert str(three["audio_path"]).endswith(f"/audio/{three['audio_id']}/audio.flac")
    shown = json.loads(call("show", str(three["audio_id"]), "--json")[1])
    assert shown["metadata"]["custom"]["mood"] == "glad"


def test_a_dry_run_prints_everything_and_stores_nothing(
    call: Call, bucket: str, music: Path, tmp_path: Path
) -> None:
    (music / "a/cut.mp3").write_bytes(MP3.read_bytes()[:60_000])
    shutil.copyfile(EXAMPLES / "paper-lanterns.m4a", music / "b/four.m4a")
    (music / "b/Cover.jpg").rename(music / "b/three.jpg")
    shutil.copyfile(COVER, music / "a/front.jpg")
    code, out, err = call("put", music, "--dry-run")
    assert code == 4
    refused, *lines = out.splitlines()
    stored, tags = zip(*(re.split(", (?=title=)", line) for line in lines), strict=True)
    assert refused.startswith("reject  music/a/cut.mp3 is cut short")
    assert list(stored) == [
        "store   music/a/one.mp3, with one.jpg",
        "store   music/a/two.ogg, with front.jpg, the cover of the folder",
        "store   music/b/four.m4a, with its embedded artwork",
        "store   music/b/three.flac, with three.jpg",
    ]
    assert tags[0].startswith("title='Morning, in C', artist='The audiostore developers', album=")
    assert re.search(r"dry run: 4 new \(.* KiB\), 1 would be rejected\n", err)
    assert "ignored: .txt files (1)" in err
    plans = _lines(call("put", music, "--dry-run", "--json", "--no-artwork")[1])
    assert [plan["cover"] for plan in plans] == [
        "none",
        "same stem",
        "folder image",
        "none",
        "same stem",
    ]
    assert [*(tmp_path / "store").iterdir()] == []
    assert call("jobs")[1] == ""


def test_a_dry_run_of_one_file_agrees_with_its_upload(call: Call, bucket: str, music: Path) -> None:
    one = music / "a/one.mp3"
    out = call("put", one, "--dry-run", "--no-artwork")[1]
    assert out.startswith(f"store   {one}, without artwork, title=")
    code, out, _ = call("put", one, "--dry-run", "--thumbnail", COVER, "--id", UNKNOWN)
    assert (code, out.startswith(f"store   {one}, with {COVER.name}, title=")) == (0, True)
    assert out.endswith(f", as {UNKNOWN}\n")


def test_a_manifest_is_stored(call: Call, bucket: str, music: Path) -> None:
    Path("music/list.csv").write_text(
        "audio,thumbnail,id,title,mood\n"
        f"a/one.mp3,b/Cover.jpg,{UNKNOWN},First,glad\n"
        "b/three.flac,,,,\n"
    )
    code, out, _ = call("put", "--manifest", "music/list.csv", "--json", "--artist", "Nina")
    assert code == 0
    lines = {line["origin"]: line for line in _lines(out)}
    assert set(lines) == {"list.csv, line 2", "list.csv, line 3"}
    assert lines["list.csv, line 2"]["audio_id"] == UNKNOWN
    custom = json.loads(call("show", UNKNOWN, "--json")[1])["metadata"]["custom"]
    assert (custom["title"], custom["artist"], custom["mood"]) == ("First", "Nina", "glad")
    plan = call("put", "--manifest", "music/list.csv", "--dry-run")[1].splitlines()[0]
    assert plan.startswith("store   music/a/one.mp3, with Cover.jpg, title='First', artist=")
    assert plan.endswith(f", as {UNKNOWN}")
    Path("music/list.csv").write_text(f"audio,id\nb/three.flac,{UNKNOWN}\n")
    for dry_run in ((), ("--dry-run",)):  # another asset has this id
        code, out, _ = call("put", "--manifest", "music/list.csv", "--json", *dry_run)
        assert (code, [line["status"] for line in _lines(out)]) == (4, ["failed"])


def test_columns_of_a_manifest_are_mapped(call: Call, bucket: str, music: Path) -> None:
    Path("music/list.tsv").write_text("wav\tSpeaker ID\tcrc32c\na/one.mp3\t7\tx\n")
    code, _, err = call("put", "--manifest", "music/list.tsv", "--dry-run")
    assert code == 2
    assert err.splitlines()[0].endswith(
        "list.tsv, line 1: the header has no column 'audio', only 'wav', 'Speaker ID', 'crc32c'"
    )
    assert err.splitlines()[-1].startswith("audiostore: note: --column audio=NAME says which")
    mapped = ["--column", "audio=wav", "--column", "speaker=Speaker ID"]
    given = ["put", "--manifest", "music/list.tsv", *mapped, "--ignore-column", "crc32c", "--json"]
    code, out, err = call(*given)
    assert (code, err.count("error")) == (0, 0)
    shown = json.loads(call("show", _lines(out)[0]["audio_id"], "--json")[1])
    assert shown["metadata"]["custom"] == {"speaker": "7"}


def test_a_manifest_names_files_in_buckets(call: Call, server: StrictServer) -> None:
    server.put("bucket", "old/song.mp3", MP3.read_bytes())
    Path("list.csv").write_text("audio\ngs://bucket/old/song.mp3\ngs://bucket/old/gone.mp3\n")
    code, out, err = call("put", "--manifest", "list.csv", "--bucket", "gs://bucket/new")
    assert (code, out.splitlines()[0].partition("  ")[2]) == (4, "gs://bucket/old/song.mp3")
    assert "list.csv, line 3: gs://bucket/old/gone.mp3: no object at" in err
    run = call("jobs", "1", "--bucket", "gs://bucket/new")[1]
    assert run.startswith("list.csv, line 3: gs://bucket/old/gone.mp3: no object at gs://bucket/")
    assert "the file is gone" not in run


def test_a_manifest_with_errors_stores_nothing(
    call: Call, bucket: str, music: Path, tmp_path: Path
) -> None:
    Path("music/list.jsonl").write_text(
        '{"audio": "a/one.mp3"}\n{"audio": "gone.mp3"}\n{"audio": "a/one.mp3", "id": "x"}\n'
    )
    for dry_run in ((), ("--dry-run",)):
        code, out, err = call("put", "--manifest", "music/list.jsonl", *dry_run)
        assert (code, out) == (2, "")
        assert err.splitlines() == [
            "audiostore: error: music/list.jsonl, line 2: no file at 'music/gone.mp3'",
            "audiostore: error: music/list.jsonl, line 3: audio id 'x' is not a UUID such as "
            f"'{UNKNOWN}' (lower case, 8-4-4-4-12)",
            "audiostore: warning: music/list.jsonl, line 3: same audio file as in line 1",
            "audiostore: error: music/list.jsonl has 2 errors: nothing was stored",
        ]
    assert [*(tmp_path / "store").iterdir()] == []


def test_checking_a_long_manifest_shows_progress(
    call: Call, bucket: str, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    times = itertools.count(step=1.5)
    monkeypatch.setattr("audiostore.cli.progress.display.is_terminal", lambda stream: True)
    monkeypatch.setattr(
        "audiostore.cli.commands._put_work.CountProgress",
        lambda what: CountProgress(lambda: next(times), what=what),
    )
    Path("list.csv").write_text("audio\nmusic/a/one.mp3\nmusic/a/two.ogg\ngone.mp3\n")
    code, _, err = call("put", "--manifest", "list.csv")
    assert code == 2
    _, second, third, blank, problem = err.partition("\n")[0].split("\r")
    assert (second, third) == ("2 lines checked, 1/s", "3 lines checked, 1/s")
    assert blank.strip() == ""
    assert problem.startswith("audiostore: error: list.csv, line 4: no file at 'gone.mp3'")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["put"], "nothing to store"),
        (["put", "music", "--thumbnail", str(COVER)], "--thumbnail is for one FILE"),
        (["put", "music", "--id", UNKNOWN], "--id is for one FILE"),
        (["put", str(MP3), str(FLAC), "--title", "x"], "--title is for one FILE"),
        (["put", str(MP3), str(FLAC), "--supersedes", UNKNOWN], "--supersedes is for one FILE"),
        (
            ["put", str(MP3), "--skip-stored", "--supersedes", UNKNOWN],
            "--supersedes cannot be combined with",
        ),
        (["put", str(MP3), "--no-journal", "--id", "x"], "'x' is not a UUID"),
        (["put", "music", "--trash-superseded"], "--trash-superseded is for one FILE"),
        (["put", "--manifest", "list.csv", "--title", "x"], "a column for it"),
        (["put", "music", "--manifest", "list.csv"], "give no FILE with it"),
        (["put", "music", "--column", "audio=x"], "are for --manifest LIST"),
        (
            ["put", "https://h/song.mp3?sig=1"],
            "'https://h/song.mp3' is a URL: list it in a manifest",
        ),
        (
            ["put", "--manifest", "list.csv", "--column", "audio=x", "--column", "audio=y"],
            "--column audio= is given twice",
        ),
        (["put", "--manifest", "gone.csv"], "no file at 'gone.csv'"),
        (["put", "music", "gone"], "no file or directory at 'gone'"),
        (["put", "music", str(COVER)], "belongs to none of the given audio files"),
        (["put", "music", "--include", "a]"], "invalid pattern 'a]'"),
        (["put", "music", "--cover-names", ","], "names no cover"),
        (["put", "music", "-0"], "-0 is for --files-from LIST"),
        (["put", str(MP3), "--exclude", "*.mp3"], "is excluded by a pattern"),
        (["put", "--files-from", "gone"], "no file at 'gone'"),
        (["put", "--files-from", "x", "music", "empty"], "takes one directory"),
        (["put", "--manifest", "list.csv", "--exclude", "a"], "patterns do not apply"),
        (["put", "--watch", str(MP3)], "--watch needs directories"),
        (["put", "--watch", "music", "--dry-run"], "give only directories"),
        (["put", "--watch", "music", "--no-journal"], "--watch needs the journal"),
        (["put", "music", "--meta", "crc32c=x"], "audiostore writes itself"),
        (["put", "music", "--journal", "x", "--no-journal"], "not allowed with"),
        (["put", "music", "--journal", "list.csv"], "is not an audiostore journal"),
        (["put", "music", "--concurrency", "0"], "not a number of at least 1"),
        (
            ["put", "music", "--max-rate", "fast"],
            "invalid rate 'fast' (examples: 500K, 5M",
        ),
        (["put", "music", "--max-writes-per-s", "0"], "not a number of at least 1"),
        (["put", "empty"], "no audio file in empty"),
        (["put", "list.csv", str(COVER)], None),
        (["jobs", "x"], "not a number"),
        (["jobs", "--journal", "gone"], "no journal at 'gone'"),
        (["get"], "no assets given: give IDs"),
        (["meta", UNKNOWN, "=x"], "'=x' is not KEY=VALUE"),
        (["adopt", "music"], "give --run NAME; or --clean RUN"),
        (["export", "-o", "table.xyz"], "'table.xyz' has the extension of no table"),
        (["get", UNKNOWN, UNKNOWN], "give it with --to DIR"),
        (["get", "--all"], "give it with --to DIR"),
        (["get", "--all", UNKNOWN, "--to", "x"], "assets are named in two ways"),
        (["get", UNKNOWN, "--to", "x", "-o", "y"], "-o is for one asset"),
        (["get", UNKNOWN, "--max-rate", "5M"], "--max-rate is for many assets"),
        (["get", "x", "--to", "y"], "'x' is neither an audio id"),
    ],
)
def test_wrong_usage_is_rejected_before_anything_is_done(
    call: Call, bucket: str, music: Path, tmp_path: Path, args: list[str], words: str | None
) -> None:
    Path("empty").mkdir()
    Path("list.csv").write_text("audio\nmusic/a/one.mp3\n")
    code, out, err = call(*args)
    assert out == ""
    if words is None:  # a file that was named is taken, whatever its extension
        assert (code, "list.csv has the extension '.csv'" in err) == (4, True)
        return
    assert code == 2
    assert err.startswith("audiostore: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "store").glob("audio/*"))


def test_a_cover_of_several_files_is_never_deleted_with_them(
    call: Call, bucket: str, music: Path
) -> None:
    shutil.copyfile(MP3, music / "b/four.mp3")
    code, _, err = call("put", music, "--cleanup")
    assert code == 0
    assert sorted(path.name for path in music.rglob("*.*")) == ["Cover.jpg", "notes.txt"]
    assert _stored(call) == {
        "one.mp3": ".jpg",
        "two.ogg": "",
        "three.flac": ".jpg",
        "four.mp3": ".jpg",
    }
    shutil.copyfile(MP3, music / "b/five.mp3")
    shutil.copyfile(FLAC, music / "b/six.flac")
    Path("list.csv").write_text(
        "audio,thumbnail\nmusic/b/five.mp3,music/b/Cover.jpg\nmusic/b/six.flac,music/b/Cover.jpg\n"
    )
    code, out, err = call("put", "--manifest", "list.csv", "--cleanup")
    assert (code, len(out.splitlines())) == (0, 2), err
    assert sorted(path.name for path in music.rglob("*.*")) == ["Cover.jpg", "notes.txt"]


def test_cleaned_up_files_are_not_missing_later(call: Call, bucket: str, music: Path) -> None:
    Path("list.csv").write_text("audio,thumbnail\nmusic/a/one.mp3,music/a/one.jpg\n")
    assert call("put", "--manifest", "list.csv", "--cleanup")[0] == 0
    assert not (music / "a/one.jpg").exists()
    code, out, err = call("put", "--manifest", "list.csv", "--cleanup", "--json")
    assert code == 0
    assert [line["status"] for line in _lines(out)] == ["stored before"]
    assert call("put", music, "--cleanup")[0] == 0
    assert sorted(path.name for path in music.rglob("*.*")) == ["Cover.jpg", "notes.txt"]
    code, out, err = call("put", music, "--cleanup")  # an inbox is empty now and then
    assert (code, out) == (0, "")
    assert err.startswith("audiostore: note: ignored: ")


def test_without_a_journal_only_skip_stored_prevents_duplicates(
    call: Call, bucket: str, music: Path
) -> None:
    first = call("put", music, "--no-journal")[1]
    code, out, err = call("put", music, "--no-journal", "--skip-stored", "--json")
    assert code == 0
    assert {line["status"] for line in _lines(out)} == {"skipped"}
    assert {line["audio_id"] for line in _lines(out)} == set(map(_id_of, first.splitlines()))
    done = "3 skipped, already in the store; 1 of 3 without artwork"
    assert _lines(err)[0] == {"done": done}
    assert "were kept" not in err
    err = call("put", music, "--no-journal", "--skip-stored", "--cleanup")[2]
    assert "note: the local files of skipped assets were kept" in err
    assert len(list(music.rglob("*.*"))) == 6
    assert call("jobs") == (0, "", "")
    assert "3 stored" in call("put", music, "--no-journal")[2]


def test_a_new_journal_says_that_the_store_has_other_assets(
    call: Call, bucket: str, music: Path
) -> None:
    assert "not in this journal" not in call("put", music, "--no-journal")[2]
    for arguments in ((music, "--dry-run"), (music,)):
        err = call("put", *arguments)[2]
        assert "has assets that are not in this journal: --skip-stored skips audio" in err
    for arguments in ((music, "--dry-run"), (music,), (music, "--skip-stored")):
        assert "not in this journal" not in call("put", *arguments)[2]


def test_a_dry_run_fails_where_the_run_would(call: Call, server: StrictServer, music: Path) -> None:
    for dry_run in ((), ("--dry-run",)):
        code, out, err = call("put", music, "--bucket", "gs://another", *dry_run)
        assert (code, out) == (1, "")
        assert "another" in err.splitlines()[-1]


def test_a_killed_run_is_listed_and_resumed(run: Run, server: StrictServer, music: Path) -> None:
    stalled = server.fault(faults.upload_of("audio.ogg"), faults.stall_after(60))
    process = subprocess.Popen([*COMMAND, "put", "music"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # one is stored
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    stalled.cancel()
    assert " killed " in run("jobs").stdout
    code, shown = _on_terminal("jobs", "1")
    assert code == 0
    assert "run the same command again to resume" in shown
    assert run("put", music).returncode == 0
    assert len([o for o in server.objects("bucket") if "/audio." in o.name]) == 3


def test_a_folder_that_cannot_be_read_is_a_failure(
    call: Call, bucket: str, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir  # the superuser, whom tests may run as, reads every folder

    def guarded(path: str | Path | int = ".") -> object:
        if not isinstance(path, int) and Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    code, out, err = call("put", music)
    assert (code, len(out.splitlines())) == (4, 2)
    assert "audiostore: error: 'music/b': Permission denied\n" in err
    assert "1 folder could not be read" in err


def test_a_journal_can_be_named(call: Call, bucket: str, music: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journals" / "mine.sqlite"
    assert call("put", music, "--journal", journal)[0] == 0
    assert call("jobs") == (0, "", "")
    heading, row = call("jobs", "--journal", journal)[1].splitlines()
    assert heading.split()[:3] == ["RUN", "BEGAN", "(UTC)"]
    assert row.split()[0] == "1"
    assert row.split()[-7:] == ["ended", "3", "0", "0", "0", "0", "0"]
    (line,) = _lines(call("jobs", "--journal", journal, "--json")[1])
    assert (line["state"], line["stored"], line["failed"]) == ("ended", 3, 0)
    assert call("jobs", "7", "--journal", journal)[0] == 3
    assert call("jobs", "7")[0] == 3


def test_each_store_has_a_journal_of_its_own(
    call: Call, bucket: str, music: Path, tmp_path: Path
) -> None:
    assert call("put", music)[0] == 0
    other = (tmp_path / "other").as_uri()
    assert "done: 3 stored (" in call("put", music, "--bucket", other)[2]
    assert len(_lines(call("jobs", "--json")[1])) == 1


def test_a_bucket_and_its_emulator_have_journals_of_their_own(
    call: Call, server: StrictServer, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("put", music)[0] == 0
    assert len(_lines(call("jobs", "--json")[1])) == 1
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    assert call("jobs") == (0, "", "")  # the journal is asked, not the bucket


def test_the_store_is_not_stored_in_itself(call: Call, music: Path) -> None:
    url = (Path.cwd() / "music" / "store").as_uri()
    assert call("put", music, "--bucket", url)[0] == 0
    code, _, err = call("put", music, "--bucket", url)
    assert code == 0
    assert "done: 3 already stored" in err
    assert "directories of the store itself (1)" in err


def test_all_assets_are_downloaded_into_a_directory(call: Call, bucket: str, music: Path) -> None:
    call("put", music)
    code, out, err = call("get", "--all", "--to", "out/deep")
    assert code == 0
    assert "done: 3 downloaded (" in err
    assert "; covers: 2 downloaded" in err
    fetched = {str(path) for path in Path("out/deep").rglob("*") if path.is_file()}
    assert {os.path.relpath(path, "out/deep") for path in fetched} == {
        os.path.relpath(path, "music")
        for path in map(str, music.rglob("*"))
        if path.endswith((".mp3", ".ogg", ".flac", ".jpg"))
    }
    assert {str(Path(line).relative_to(Path.cwd())) for line in out.splitlines()} == fetched
    (one,) = Path("out/deep").rglob("one.mp3")
    one.write_bytes(b"mine")
    code, _, err = call("get", "--all", "--to", "out/deep", "--json")
    assert code == 4
    assert "exists with other content" in err
    assert one.read_bytes() == b"mine"
    code, out, _ = call("get", "--all", "--to", "out/deep", "--json", "--overwrite")
    assert code == 0
    assert sorted(str(line["status"]) for line in _lines(out)) == ["fetched"] + ["skipped"] * 4
    assert one.read_bytes() == MP3.read_bytes()


def test_some_assets_are_downloaded_and_an_unknown_one_is_reported(
    call: Call, bucket: str, music: Path
) -> None:
    ids = list(map(_id_of, call("put", music)[1].splitlines()))
    code, out, err = call("get", ids[0], UNKNOWN, ids[0], "--to", "out", "--part", "audio")
    assert (code, len(out.splitlines())) == (4, 1)
    assert f"audiostore: error: {UNKNOWN}: no asset {UNKNOWN}" in err
    assert "1 downloaded" in err
    assert "1 failed" in err


def test_assets_without_artwork_are_skipped_when_artwork_is_downloaded(
    call: Call, bucket: str, music: Path
) -> None:
    call("put", music)
    code, out, _ = call("get", "--all", "--part", "thumbnail", "--to", "out")
    assert code == 0
    assert sorted(re.sub(r"-[0-9a-f-]{36}", "", Path(x).name) for x in out.splitlines()) == [
        "one.jpg",
        "three.jpg",
    ]


def test_an_empty_store_has_nothing_to_download(call: Call, bucket: str) -> None:
    assert call("get", "--all", "--to", "out") == (0, "", "")


def test_ctrl_c_says_how_to_resume_and_the_next_run_does(
    run: Run, server: StrictServer, music: Path
) -> None:
    stalled = server.fault(faults.upload_of("audio.ogg"), faults.stall_after(60))
    code, stderr = _interrupted(stalled, "put", music, limit_s=3)
    assert code == 130
    assert re.fullmatch(
        r"audiostore: stopped: (nothing was done|\d stored.*)\n"
        "audiostore: interrupted: run the same command again to resume; nothing is stored twice\n",
        stderr,
    )
    stalled.cancel()
    assert " stopped " in run("jobs").stdout
    again = run("put", music)
    assert again.returncode == 0
    assert [line["state"] for line in _lines(run("jobs", "--json").stdout)] == ["ended", "stopped"]
    assert len([o for o in server.objects("bucket") if "/audio." in o.name]) == 3


@pytest.mark.slow
def test_ctrl_c_without_a_journal_says_how_to_resume(server: StrictServer, music: Path) -> None:
    stalled = server.fault(faults.upload_of("audio.ogg"), faults.stall_after(60))
    code, stderr = _interrupted(stalled, "put", music, "--no-journal")
    assert code == 130
    assert "run the same command with --skip-stored to resume" in stderr


@pytest.mark.parametrize(
    ("error", "seen"), [(KeyboardInterrupt, "KeyboardInterrupt"), (OSError, "GeneratorExit")]
)
def test_only_ctrl_c_waits_for_nothing(error: type[BaseException], seen: str) -> None:
    told: list[str] = []

    def outcomes() -> Iterator[int]:
        try:
            yield 1
            yield 2
        except BaseException as thrown:
            told.append(type(thrown).__name__)
            raise

    def work() -> None:
        under_way = outcomes()
        with abandoning(under_way):
            next(under_way)
            raise error

    with pytest.raises(error):
        work()
    assert told == [seen]


@pytest.mark.slow
def test_progress_is_a_block_on_a_terminal(server: StrictServer) -> None:
    Path("many").mkdir()
    for number in range(6):
        shutil.copyfile(OGG, f"many/{number:02}.ogg")
    code, shown = _on_terminal("put", "many", "--max-rate", f"{6 * OGG.stat().st_size / 2.5:.0f}")
    assert code == 0
    assert "\r\x1b[1A\x1b[J" in shown
    assert re.search(r"\d of 6 assets  [\d.]+ KiB of [\d.]+ KiB  \d+%  [\d.]+ KiB/s", shown)
    assert re.search(r"\d in progress, the oldest \d\d\.ogg: [\d.]+ KiB of", shown)
    before = re.findall(r"(.?)[0-9a-f-]{36}  many/", shown, re.DOTALL)
    assert (len(before), set(before) - {"", "\n", "J"}) == (6, set())
    end = shown.rpartition("\x1b[J")[2]
    assert re.fullmatch(r"(\S{36}  many/\d\d\.ogg\r\n)*audiostore: done: 6 stored .*\r\n", end)
    assert all(len(line) < 80 for line in re.findall(r"\d+ assets[^\r\n]*", shown))


def _without_cursor_keys(text: str) -> str:
    return re.sub(r"\x1b\[\??\d*[A-Za-z]", "", text)


def test_no_line_of_the_block_is_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.cli.progress.display._size", lambda: (60, 24))
    monkeypatch.setattr("audiostore.cli.progress.display.is_terminal", lambda _: True)
    progress = BulkProgress()
    progress(Begun("x", Path("music", "\u65e5\u672c\u8a9e\u0301\x1b[1m" * 30)))
    progress(Progress("x", 1, 2))
    progress.draw()
    summary, slowest = _without_cursor_keys(capsys.readouterr().err).lstrip("\r").splitlines()
    assert "assets" in summary
    shown = slowest.partition("the oldest ")[2]
    assert slowest.startswith("1 in progress, the oldest ")
    assert "\\x1b" in shown  # a name plays no tricks
    wide = sum(character in "\u65e5\u672c\u8a9e" for character in shown)
    assert 58 <= len(slowest) + wide - shown.count("\u0301") <= 59


@pytest.mark.slow
def test_a_dumb_terminal_gets_no_progress_block(server: StrictServer, music: Path) -> None:
    code, shown = _on_terminal("put", music, "--max-rate", "200K", TERM="dumb")
    assert code == 0
    assert "\x1b" not in shown


def test_the_block_says_what_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.cli.progress.display.is_terminal", lambda _: True)
    progress = BulkProgress()
    busy = AudioStoreError("x", status=503)

    def shown() -> str:
        return _without_cursor_keys(capsys.readouterr().err).rpartition("\r")[2]

    progress(Retried("list", 1, 1.0, busy, "gs://b", 119.6))
    assert shown() == "waiting for gs://b for up to 2 min 00 s: 503 Service Unavailable"
    progress(RetriesEnded("list"))
    progress._has_begun = True
    capsys.readouterr()
    for number in range(3):
        progress(Retried(f"store {number}", 1, 1.0, busy, "gs://b", 60.0 - number))
    assert shown() == ""  # events do not flood a terminal: it is drawn from time to time
    progress.draw()
    assert shown().splitlines()[-1] == "waiting for gs://b for up to 58 s: 503 Service Unavailable"
    progress(RetriesEnded("store 2"))
    progress.draw()
    assert "for up to 59 s" in shown()
    progress(RetriesEnded("store 0"))
    progress(RetriesEnded("store 1"))
    progress.draw()
    assert "waiting" not in shown()


class _Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_progress_is_printed_in_lines_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    clock = _Clock()
    progress = BulkProgress(clock=clock)
    a, b = (f"audio/{digit * 8}-7d4a-4e6f-9a1b-2c3d4e5f6a7b/audio.mp3" for digit in "ab")
    progress.count([(3, 3 << 20), (1, 1 << 20)])
    progress(Progress(a, 1 << 19, 1 << 20))
    clock.now_s += 2
    progress.report()
    progress(Retried("store", 1, 0.5, OSError("x")))
    progress(Progress(a, 0, 1 << 20))
    progress(Progress(b, 1 << 19, 1 << 20))
    progress.finished(a.split("/")[1], 1 << 20, failed=False)
    progress.finished(None, 1 << 20, failed=True)
    clock.now_s += 2
    progress.report()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "audiostore: progress: 0 of 4 assets, 512.0 KiB of 4.0 MiB, 12%, 256.0 KiB/s, 14 s left",
        "audiostore: progress: 2 of 4 assets, 2.5 MiB of 4.0 MiB, 62%, 1.0 MiB/s, 1.5 s left, "
        "1 failed, 1 retry",
    ]


def test_what_was_stored_before_does_not_count_as_speed(capsys: pytest.CaptureFixture[str]) -> None:
    clock = _Clock()
    progress = BulkProgress(clock=clock)
    progress.count([(4, 4 << 30)])
    progress.finished(None, 3 << 30, failed=False, moved=False)
    progress.finished(None, 1 << 20, failed=False)
    clock.now_s += 1
    progress.report()
    assert "3.0 GiB of 4.0 GiB, 75%, 1.0 MiB/s, 17 min 03 s left" in capsys.readouterr().err


def test_a_count_that_fails_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    def sizes() -> Iterator[tuple[int, int]]:
        yield 1, 1
        raise OSError("gone")

    progress = BulkProgress()
    progress.count(sizes())  # the run itself will meet it, and tell
    progress.report()
    assert "0 assets (1 found so far)" in capfd.readouterr().err


def test_no_forecast_before_all_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    clock = _Clock()
    progress = BulkProgress(clock=clock)
    progress.finished(None, 3 << 20, failed=False)
    clock.now_s += 1
    progress.report()
    assert capsys.readouterr().err == "audiostore: progress: 1 asset, 3.0 MiB, 3.0 MiB/s\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (360_000, "4 days 4 h"),
    ],
)
def test_durations_are_printed_in_suitable_units(seconds: float, text: str) -> None:
    assert human_time(seconds) == text


@pytest.mark.parametrize(
    ("text", "bytes_s"),
    [
        ("500", 500),
        ("500K", 512_000),
        ("50m", 50 << 20),
        ("1.5G", 1.5 * (1 << 30)),
        ("2MiB/s", 2 << 20),
    ],
)
def test_rates_are_parsed_in_the_units_that_sizes_are_printed_in(text: str, bytes_s: float) -> None:
    assert rate(text) == bytes_s


@pytest.mark.parametrize("text", ["", "M", "0", "-1", "1e3", "1.2.3", "inf", "5P", "5 bananas"])
def test_an_invalid_rate_is_rejected(text: str) -> None:
    with pytest.raises(UsageError, match="invalid rate"):
        build_parser().parse_args(["put", "x", f"--max-rate={text}"])


@pytest.mark.slow
def test_a_closed_pipe_ends_the_run_quietly(bucket: str, music: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, "put", "music"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.slow
def test_update_reports_what_it_changed(call: Call, bucket: str, tmp_path: Path) -> None:
    del bucket
    music = tmp_path / "Music"
    music.mkdir()
    for name, frames in (("audio", 9), ("tags", 10), ("path", 11), ("same", 12)):
        (music / f"{name}.mp3").write_bytes(mp3_bytes(frames * 417))
    arguments = ("put", str(music), "--check", "none", "--update")
    assert "4 stored (" in call(*arguments)[2]
    (music / "audio.mp3").write_bytes(mp3_bytes(13 * 417))
    (music / "tags.jpg").write_bytes(JPG.read_bytes())
    (music / "path.mp3").rename(music / "moved.mp3")
    code, planned, err = call(*arguments, "--dry-run")
    assert code == 0
    assert "1 superseded (" in err
    assert "1 retagged, 1 moved, 1 already stored" in err
    assert sorted(line.split()[0] for line in planned.splitlines()) == [
        "move",
        "retag",
        "store",
        "stored",
    ]
    code, out, err = call(*arguments, "--json")
    assert code == 0
    assert "1 superseded (" in err
    assert "1 retagged, 1 moved, 1 already stored" in err
    found = {Path(line["audio"]).stem: line for line in map(json.loads, out.splitlines())}
    assert {name: (line["status"], line["reason"]) for name, line in found.items()} == {
        "audio": ("changed", "superseded"),
        "tags": ("changed", "retagged"),
        "moved": ("changed", "moved"),
        "same": ("stored before", "stored"),
    }
    assert "4 already stored" in call(*arguments)[2]
    assert call(*arguments, "--skip-stored")[0] == 2
