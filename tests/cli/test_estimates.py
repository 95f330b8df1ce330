"""A duration that is an estimate is stored, shown, counted and exported as one."""

import csv
import json
from pathlib import Path

import pytest

from audiostore import LocalStore
from audiostore.asset import PreparedFile, record
from audiostore.media import AudioInfo
from audiostore.sources import BytesSource
from tests.catalog_samples import put_asset
from tests.cli.conftest import Call

EXACT = "00000000-0000-4000-8000-00000000000a"
ESTIMATE = "00000000-0000-4000-8000-00000000000b"
UNKNOWN = "00000000-0000-4000-8000-00000000000c"


def facts(duration_s: float, *, is_exact: bool) -> dict[str, str]:
    return record.facts_of(AudioInfo("MP3", "mp3", duration_s, is_exact, 44100, 2))


@pytest.fixture
def filled(bucket: str, tmp_path: Path) -> str:
    store = LocalStore(tmp_path / "store")
    put_asset(store, EXACT, facts=facts(3600.0, is_exact=True), data=b"one")
    put_asset(store, ESTIMATE, facts=facts(1848.71, is_exact=False), data=b"two")
    put_asset(store, UNKNOWN, data=b"three")
    return bucket


@pytest.mark.usefixtures("filled")
def test_every_view_tells_an_estimate(call: Call) -> None:
    assert "duration        about 1848.7 s" in call("show", ESTIMATE)[1]
    assert "duration        3600.000 s" in call("show", EXACT)[1]
    metadata = json.loads(call("show", "--json", ESTIMATE)[1])["metadata"]
    assert (metadata["duration_s"], metadata["duration_is_exact"]) == (1848.71, False)
    assert "duration_is_exact" not in metadata["custom"]

    listed = call("list", "--format", "{id} {duration} {duration_is_exact}")[1]
    assert listed.splitlines() == [
        f"{EXACT} 1:00:00 true",
        f"{ESTIMATE} ~30:49 false",
        f"{UNKNOWN}  ",
    ]
    rows = [json.loads(line) for line in call("export", "--format", "jsonl")[1].splitlines()]
    assert [row["duration_is_exact"] for row in rows] == [True, False, None]
    table = csv.DictReader(call("export", "--format", "csv")[1].splitlines())
    assert [row["duration_is_exact"] for row in table] == ["true", "false", ""]

    estimates = ("--where", "duration_is_exact=false")
    assert call("list", *estimates, "--format", "{id}")[1].split() == [ESTIMATE]
    assert call("list", "--where", "duration_is_exact=true")[1].split()[0] == EXACT
    assert call("list", "--max-duration", "31:00", "--format", "{id}")[1].split() == [ESTIMATE]


@pytest.mark.usefixtures("filled")
def test_statistics_count_estimates_apart(call: Call) -> None:
    total = json.loads(call("stats", "--json")[1])
    assert (total["duration_s"], total["estimated_duration_s"]) == (5448.71, 1848.71)
    assert total["by_format"]["mp3"]["estimated_duration_s"] == 1848.71
    shown = call("stats")[1]
    assert "hours    ~1.5 (0.5 of them estimated; 1 of unknown duration)" in shown


def test_statistics_do_not_say_that_none_of_it_is_estimated(call: Call, bucket: str) -> None:
    store = LocalStore(Path(bucket.removeprefix("file://")))
    put_asset(store, ESTIMATE, facts=facts(1.0, is_exact=False), data=b"short")
    assert "hours    ~0.0 (less than 0.1 of them estimated)" in call("stats")[1]


def test_other_tags_change_neither_a_duration_nor_whether_it_is_exact() -> None:
    """A full check had counted the samples; the file is read quickly later, and the reverse."""
    source = BytesSource(b"sound")
    for was_exact in (True, False):
        stored = facts(10.0, is_exact=was_exact)
        present = record.file_metadata(EXACT, "audio", "a.mp3", source, {}, facts=stored)
        later = {**facts(11.0, is_exact=not was_exact), "title": "new"}
        file = PreparedFile(source, None, "MP3", ".mp3", "audio/mpeg", "a.mp3", later)
        changes = record.refreshed_metadata(present, file, {})
        assert changes == {"title": "new", "tag_keys": "title"}
