"""The journal: ids outlive the process; one process at a time stores an item."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import ConfigurationError
from audiostore.bulk.items import BulkItem, UploadStatus
from audiostore.bulk.journal import (
    Claim,
    ItemResult,
    ItemSnapshot,
    Journal,
    Run,
    begin_run,
    has_runs,
    read_run,
)
from audiostore.bulk.journal.database import read_only
from tests.faults.child import ROOT

URL = "gs://bucket"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal") as journal:
        yield journal


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"first")
    return path


def claim(run: Run, path: Path, **options: object) -> Claim:
    (made,) = run.claim([ItemSnapshot.of(BulkItem(path, **options))])  # type: ignore[arg-type]
    return made


def record(run: Run, made: Claim, error: str | None = None, *, skipped: bool = False) -> None:
    status: UploadStatus = "failed" if error else "skipped" if skipped else "stored"
    run.record([ItemResult(made, made.audio_id, status, error)])


def test_a_new_item_gets_an_id_that_nothing_was_stored_under(journal: Journal, song: Path) -> None:
    made = claim(begin_run(journal, URL), song)
    assert (made.status, made.is_new, made.is_resumed) == ("claimed", True, False)


def test_a_claim_is_on_the_disk_before_it_is_returned(journal: Journal, song: Path) -> None:
    made = claim(begin_run(journal, URL), song)
    with sqlite3.connect(f"file:{journal.path}?mode=ro", uri=True) as other:
        assert other.execute("SELECT audio_id FROM items").fetchall() == [(made.audio_id,)]
    other.close()


def test_nobody_else_can_hold_a_lock_on_a_journal(journal: Journal, song: Path) -> None:
    claim(begin_run(journal, URL), song)
    files = {path.name: path.stat().st_mode & 0o777 for path in journal.path.parent.iterdir()}
    assert {name: mode for name, mode in files.items() if name != song.name} == dict.fromkeys(
        files.keys() - {song.name}, 0o600
    )
    assert len(files) >= 4, "the database, its log and index, a lock"


def test_claims_are_synced_and_results_are_not(journal: Journal, song: Path) -> None:
    run = begin_run(journal, URL)
    levels: list[int] = []

    def note() -> None:
        levels.extend(journal._database._connection.execute("PRAGMA synchronous").fetchone())

    made = claim(run, song)
    note()
    record(run, made)
    note()
    assert levels == [2, 1]  # FULL, NORMAL
    assert journal._database._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.slow
def test_items_of_a_dead_run_are_resumed_at_once_under_their_ids(
    tmp_path: Path, song: Path
) -> None:
    path = tmp_path / "journal"
    script = (
        "import os, sys; from pathlib import Path\n"
        "from audiostore.bulk.journal import ItemSnapshot, Journal, begin_run\n"
        "from audiostore.bulk.items import BulkItem\n"
        f"run = begin_run(Journal({str(path)!r}), {URL!r})\n"
        f"item = BulkItem(Path({str(song)!r}))\n"
        "print(run.claim([ItemSnapshot.of(item)])[0].audio_id, flush=True)\n"
        "sys.stdin.read(); os._exit(9)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT / "src",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    audio_id = child.stdout.readline().decode().strip()
    with Journal(path) as journal:
        run = begin_run(journal, URL)
        while_it_lives = claim(run, song)
        assert [r.is_running for r in journal.runs()] == [True, True]
        child.communicate()
        made = claim(run, song)
        assert [r.is_running for r in journal.runs()] == [True, False]

    assert while_it_lives.status == "busy"
    assert (made.status, made.audio_id) == ("claimed", audio_id)
    assert (made.is_new, made.is_resumed) == (False, True)


def test_an_item_given_twice_is_busy_until_its_result_is_recorded(
    journal: Journal, song: Path
) -> None:
    run = begin_run(journal, URL)
    first, second = run.claim([ItemSnapshot.of(BulkItem(song)), ItemSnapshot.of(BulkItem(song))])
    assert (first.status, second.status) == ("claimed", "busy")
    record(run, first)
    third = claim(run, song)
    assert (third.status, third.audio_id) == ("stored", first.audio_id)


def test_stored_items_are_known_in_the_next_run(journal: Journal, song: Path) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song)
    record(run, made)
    run.close()
    again = claim(begin_run(journal, URL), song)
    assert (again.status, again.audio_id) == ("stored", made.audio_id)


def test_a_failed_item_is_tried_again_under_its_id(journal: Journal, song: Path) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song)
    record(run, made, "OSError: the line is down")
    again = claim(run, song)
    assert (again.status, again.audio_id, again.is_new) == ("claimed", made.audio_id, False)


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_changed_file_is_another_item(journal: Journal, song: Path, change: str) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song)
    record(run, made)
    before = song.stat()
    if change == "size":
        song.write_bytes(b"longer than before")
        os.utime(song, ns=(before.st_mtime_ns, before.st_mtime_ns))
    elif change == "time":
        os.utime(song, ns=(before.st_mtime_ns, before.st_mtime_ns + 1))
    else:
        other = song.with_suffix(".new")
        other.write_bytes(b"other")
        os.utime(other, ns=(before.st_mtime_ns, before.st_mtime_ns))
        other.replace(song)
    again = claim(run, song)
    assert (again.status, again.is_new) == ("claimed", True)
    assert again.audio_id != made.audio_id


def test_other_metadata_artwork_id_or_store_make_another_item(
    journal: Journal, song: Path, tmp_path: Path
) -> None:
    cover = tmp_path / "cover.jpg"
    cover.write_bytes(b"cover")
    given = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
    run = begin_run(journal, URL)
    other_store = begin_run(journal, "gs://other")
    claims = [
        claim(run, song),
        claim(run, song, metadata={"k": "v"}),
        claim(run, song, metadata={"k": "w"}),
        claim(run, song, thumbnail=cover),
        claim(run, song, audio_id=given),
        claim(other_store, song),
    ]
    assert [c.status for c in claims] == ["claimed"] * 6
    assert len({c.audio_id for c in claims}) == 6
    cover.write_bytes(b"another cover")
    assert claim(run, song, thumbnail=cover).status == "claimed"


def test_what_is_stored_with_artwork_is_stored_if_none_is_given(
    journal: Journal, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "cover.jpg").write_bytes(b"cover")
    first = begin_run(journal, URL)
    made = claim(first, song, thumbnail=tmp_path / "cover.jpg")
    record(first, made)
    again = claim(begin_run(journal, URL), song)
    assert (again.status, again.audio_id) == ("stored", made.audio_id)


def test_a_given_id_is_used_and_not_new(journal: Journal, song: Path) -> None:
    given = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
    made = claim(begin_run(journal, URL), song, audio_id=given)
    assert (made.audio_id, made.is_new) == (given, False)


def test_metadata_in_another_order_is_the_same(journal: Journal, song: Path) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song, metadata={"a": "1", "b": "2"})
    record(run, made)
    assert claim(run, song, metadata={"b": "2", "a": "1"}).status == "stored"


def test_a_file_cleaned_up_after_its_upload_is_stored(journal: Journal, song: Path) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song)
    record(run, made)
    song.unlink()
    again = claim(run, song)
    assert (again.status, again.audio_id) == ("stored", made.audio_id)


def test_a_missing_file_without_a_result_is_looked_up_under_its_id(
    journal: Journal, song: Path
) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song)
    run.close()
    song.unlink()
    again = claim(begin_run(journal, URL), song)
    assert (again.status, again.audio_id, again.is_resumed) == ("claimed", made.audio_id, True)
    assert again.audio_state == made.audio_state


def test_a_released_new_item_leaves_no_trace(journal: Journal, song: Path) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song)
    run.release([made])
    again = claim(run, song)
    assert again.is_new
    assert again.audio_id != made.audio_id


def test_a_released_resumed_item_keeps_its_id(journal: Journal, song: Path) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song)
    record(run, made, "failed")
    run.release([claim(run, song)])
    again = claim(run, song)
    assert (again.audio_id, again.is_new) == (made.audio_id, False)


def test_runs_are_listed_with_their_results(tmp_path: Path, journal: Journal) -> None:
    songs = [tmp_path / f"{n}.mp3" for n in range(4)]
    for path in songs:
        path.write_bytes(path.name.encode())
    first = begin_run(journal, URL)
    stored, failed, skipped, broken = (claim(first, path, origin=path.stem) for path in songs)
    record(first, stored)
    record(first, failed, "OSError: down")
    record(first, skipped, skipped=True)
    record(first, broken, "ValueError: no song")
    first.close()
    second = begin_run(journal, URL)
    before = claim(second, songs[0])
    second.record([ItemResult(before, before.audio_id, "stored before")])
    record(second, claim(second, songs[1]))
    second.close()

    newest, oldest = journal.runs()
    assert (newest.stored, newest.stored_before, newest.failed) == (1, 1, 0)
    assert (oldest.stored, oldest.skipped, oldest.failed) == (1, 1, 2)
    assert oldest.ended_at is not None
    assert oldest.started_at <= oldest.ended_at <= newest.started_at
    assert not oldest.is_running
    since, failure = journal.failures(oldest.run)
    assert (since.audio, since.became, since.later_run) == (songs[1], "stored", newest.run)
    assert (failure.audio, failure.origin) == (songs[3], "3")
    assert (failure.became, failure.later_run) == ("not tried again", None)
    assert (failure.audio_id, failure.error) == (broken.audio_id, "ValueError: no song")
    assert list(journal.failures(newest.run)) == []


def test_what_became_of_each_failure_is_told(tmp_path: Path, journal: Journal) -> None:
    songs = [tmp_path / f"{n}.mp3" for n in range(8)]
    for path in songs:
        path.write_bytes(path.name.encode())
    first, second, third = (begin_run(journal, URL) for _ in range(3))
    other = begin_run(journal, "memory://other")
    for path in songs:
        record(first, claim(first, path), "OSError: down")
    stored, failed, tried, freed, changed, twice, tagged, elsewhere = songs
    record(second, claim(second, stored))
    record(second, claim(second, failed), "ValueError: no song")
    claim(second, tried)
    second.release([claim(second, freed)])
    changed.write_bytes(b"mended, and another item since")
    record(second, claim(second, changed))
    record(second, claim(second, twice), "OSError: down")
    record(third, claim(third, twice), "OSError: still down")
    record(third, claim(third, tagged, metadata={"title": "other"}))
    record(other, claim(other, elsewhere))
    expected = [
        ("stored", 2, None),
        ("failed again", 2, "ValueError: no song"),
        ("in progress", 2, None),
        ("interrupted", 2, None),
        ("stored", 2, None),
        ("failed again", 3, "OSError: still down"),
        ("stored", 3, None),
        ("not tried again", None, None),
    ]
    for while_it_runs in (True, False):
        failures = list(journal.failures(first.number))
        assert [f.audio for f in failures] == songs
        assert {f.error for f in failures} == {"OSError: down"}
        assert [(f.became, f.later_run, f.later_error) for f in failures] == expected
        if while_it_runs:
            second.close()
            expected[2] = ("interrupted", 2, None)
    assert [(f.audio, f.became) for f in journal.failures(second.number)] == [
        (failed, "not tried again"),
        (twice, "failed again"),
    ]


@pytest.mark.slow
def test_more_runs_and_failures_than_a_page_are_listed(journal: Journal, tmp_path: Path) -> None:
    run = begin_run(journal, URL)
    claims = run.claim([ItemSnapshot.of(BulkItem(tmp_path / f"{n}.mp3")) for n in range(1201)])
    run.record([ItemResult(made, made.audio_id, "failed", "gone") for made in claims])
    assert len(list(journal.failures(run.number))) == 1201


def test_names_that_are_not_utf8_are_kept(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xfe.mp3")
    run = begin_run(journal, URL)
    record(run, claim(run, path), "gone")
    (failure,) = journal.failures(run.number)
    assert failure.audio == path


@pytest.mark.parametrize("content", [b"no database" * 100, b"short"])
def test_a_file_that_is_not_a_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"song\.mp3' is not an audiostore journal"):
        Journal(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    content = path.read_bytes()
    with pytest.raises(ConfigurationError, match="database of another program"):
        Journal(path)
    assert path.read_bytes() == content


def test_a_journal_says_in_its_header_what_it_is(tmp_path: Path) -> None:
    """sqlite.org/fileformat2.html, 1.3.14: every release finds the journals of the others by it."""
    Journal(tmp_path / "journal").close()
    assert (tmp_path / "journal").read_bytes()[68:72] == b"aujl"


def test_a_journal_of_a_newer_audiostore_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(ConfigurationError, match="has version 99"):
        Journal(path)


def test_only_the_runs_of_a_store_are_known_of_it(tmp_path: Path, journal: Journal) -> None:
    assert not has_runs(tmp_path / "nowhere", URL)
    begin_run(journal, URL).close()
    assert has_runs(tmp_path / "journal", URL)
    assert not has_runs(tmp_path / "journal", "gs://another")


def test_who_reads_a_journal_waits_as_long_for_its_lock_as_who_writes(
    tmp_path: Path, journal: Journal
) -> None:
    with read_only(tmp_path / "journal") as connection:
        assert connection is not None
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (60_000,)


def test_a_run_that_cannot_be_recorded_does_not_begin(tmp_path: Path, journal: Journal) -> None:
    other = sqlite3.connect(tmp_path / "journal")
    other.execute("DROP TABLE runs")
    other.close()
    with pytest.raises(ConfigurationError, match="no such table"):
        begin_run(journal, URL)
    assert list(tmp_path.glob("*.lock")) == []


def test_a_changed_file_names_what_was_stored_before_in_later_attempts_too(
    journal: Journal, song: Path
) -> None:
    run = begin_run(journal, URL)
    record(run, first := claim(run, song))
    song.write_bytes(b"the second")
    made = claim(run, song)
    record(run, made, "OSError: down")
    again = claim(run, song)
    assert (again.audio_id, made.previous_id, again.previous_id) == (
        made.audio_id, first.audio_id, first.audio_id
    )  # fmt: skip


def test_a_missing_cover_is_remembered_as_it_was(
    journal: Journal, song: Path, tmp_path: Path
) -> None:
    (cover := tmp_path / "cover.jpg").write_bytes(b"cover")
    run = begin_run(journal, URL)
    made = claim(run, song, thumbnail=cover)
    record(run, made, "OSError: down")
    cover.unlink()
    again = claim(run, song, thumbnail=cover)
    assert again.audio_id == made.audio_id
    assert again.thumbnail_state == made.thumbnail_state


def test_a_journal_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Journal(tmp_path / "nowhere" / "journal")


def test_many_processes_may_create_one_journal_at_once(tmp_path: Path, song: Path) -> None:
    for round_ in range(5):
        path = tmp_path / f"journal {round_}"
        barrier = threading.Barrier(8)
        made: list[Claim] = []

        def work(
            path: Path = path,
            barrier: threading.Barrier = barrier,
            made: list[Claim] = made,
        ) -> None:
            barrier.wait()
            with Journal(path) as journal:
                made.append(claim(begin_run(journal, URL), song))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 8
        assert len({c.audio_id for c in made}) == 1
        assert [c.status for c in made].count("claimed") == 1


def test_a_run_that_ends_leaves_no_file_behind(tmp_path: Path, song: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        run = begin_run(journal, URL)
        assert len(list(tmp_path.glob("*.lock"))) == 1
        claim(run, song)
        run.close()
        run.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["journal", "song.mp3"]


def test_the_lock_file_of_a_killed_run_is_removed(tmp_path: Path, journal: Journal) -> None:
    killed = begin_run(journal, URL)
    os.close(killed._lock_file)  # as the kernel does
    begin_run(journal, URL)
    assert len(list(tmp_path.glob("*.lock"))) == 1


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_journal_of_an_older_version_is_kept(tmp_path: Path, song: Path, version: int) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        run = begin_run(journal, URL)
        made = claim(run, song)
        record(run, made)
        record(run, claim(run, tmp_path / "gone.mp3"), "OSError: gone")
        run.close()
    old = sqlite3.connect(path)
    for column in ("changed", "deleted") if version == 2 else ():
        old.execute(f"ALTER TABLE runs DROP COLUMN {column}")
    if version < 4:
        old.execute("DROP TABLE failures")
        old.execute("CREATE INDEX items_that_failed ON items (run, id) WHERE status = 3")
    old.execute("ALTER TABLE items DROP COLUMN asked")
    old.execute(f"PRAGMA user_version = {version}")
    old.close()
    planned = claim(read_run(path, URL), song)
    assert planned.audio_id == made.audio_id
    assert planned.asked == frozenset({"quick"})
    with Journal(path) as journal:
        assert [info.stored for info in journal.runs()] == [1]
        assert [failure.error for failure in journal.failures(1)] == ["OSError: gone"]
        again = claim(begin_run(journal, URL), song)
    assert (again.status, again.audio_id) == ("stored", made.audio_id)
    assert again.asked == {"quick"}


def test_an_asset_that_is_gone_gets_a_new_id_from_one_run_alone(
    journal: Journal, song: Path
) -> None:
    run = begin_run(journal, URL)
    made = claim(run, song)
    record(run, made)
    snapshot = ItemSnapshot.of(BulkItem(song))
    first, second = begin_run(journal, URL), begin_run(journal, URL)
    (lost,), (late,) = first.claim([snapshot]), second.claim([snapshot])
    (renewed,) = first.renew([(lost, snapshot)])
    assert (renewed.status, renewed.is_new, renewed.is_resumed) == ("claimed", True, False)
    assert renewed.audio_id != made.audio_id
    assert [each.status for each in second.renew([(late, snapshot)])] == ["busy"]
    assert claim(second, song).status == "busy"
    record(first, renewed)
    assert claim(second, song) == Claim("stored", renewed.audio_id, key=renewed.key)


def state_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    return {
        each.name: (status.st_ino, status.st_size, status.st_mtime_ns)
        for each in folder.iterdir()
        for status in (each.stat(),)
    }


def test_reading_a_journal_writes_nothing(tmp_path: Path, song: Path) -> None:
    path = tmp_path / "state" / "journal"
    path.parent.mkdir()
    assert claim(read_run(path, URL), song).status == "claimed"
    assert list(path.parent.iterdir()) == []
    with Journal(path) as journal:
        run = begin_run(journal, URL)
        made = claim(run, song)
        assert claim(read_run(path, URL), song) == Claim("busy", made.audio_id, key=made.key)
        record(run, made)
        run.close()
    before = state_of(path.parent)
    assert claim(read_run(path, URL), song) == Claim("stored", made.audio_id, key=made.key)
    assert state_of(path.parent) == before
