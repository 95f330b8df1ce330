"""Chunks as elements of a Beam pipeline: each file is stored once, however often a bundle runs."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, BulkItem, FleetChunk, RunNotFoundError, fleet
from tests.assets import MP3

pytestmark = pytest.mark.slow
STORED: list[FleetChunk] = []


@pytest.fixture
def manager(tmp_path: Path) -> AudioStorageManager:
    return AudioStorageManager((tmp_path / "store").as_uri())


def keep(chunk: FleetChunk) -> None:
    STORED.append(chunk)


def plan(manager: AudioStorageManager, folder: Path, count: int) -> None:
    folder.mkdir()
    items = [BulkItem(folder / f"{n}.mp3") for n in range(count)]
    for item in items:
        item.audio.write_bytes(MP3.read_bytes())
    fleet.plan(manager, items, run="nov", chunk_items=2, check="none")


def test_without_beam_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['apache_beam'] = None; import audiostore.fleet.beam"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError" in done.stderr
    assert "pip install 'audiostore[beam]'" in done.stderr


def test_a_pipeline_stores_each_file_once(manager: AudioStorageManager, tmp_path: Path) -> None:
    beam = pytest.importorskip("apache_beam", reason="needs Beam: make beam")
    from audiostore.fleet.beam import StoreRun  # noqa: PLC0415  (needs Beam)

    plan(manager, tmp_path / "in", 9)
    (tmp_path / "in" / "4.mp3").unlink()
    for expected in ([0, 1, 2, 3, 4], []):
        STORED.clear()
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            pipeline | StoreRun(manager.url, "nov", concurrency=4) | beam.Map(keep)
        assert sorted(each.number for each in STORED) == expected
        assert all(each.failures == () for each in STORED)
    status = fleet.status(manager, "nov")
    assert (status.is_done, status.stored, status.failed) == (True, 8, 1)
    assert len(list(manager.list())) == 8
    with pytest.raises(RunNotFoundError), beam.Pipeline(runner="FnApiRunner") as pipeline:
        pipeline | StoreRun(manager.url, "dec")


def test_a_bundle_that_runs_again_or_twice_at_once_stores_nothing_twice(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    beam = pytest.importorskip("apache_beam", reason="needs Beam: make beam")
    from audiostore.fleet.beam import StoreChunks  # noqa: PLC0415  (needs Beam)

    plan(manager, tmp_path / "in", 8)
    first, second = (pickle.loads(pickle.dumps(StoreChunks(manager.url, "nov"))) for _ in range(2))
    ends = list(first.process(0)), list(second.process(0))
    assert [each.stored for (each,) in ends] == [2, 2]
    (tmp_path / "in").rename(tmp_path / "not mounted")
    with pytest.raises(FileNotFoundError, match="is the disk mounted"):
        list(first.process(1))
    (tmp_path / "not mounted").rename(tmp_path / "in")
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        numbers = pipeline | beam.Create([1, 2, 3, 1, 2, 3, 0])
        numbers | "once" >> beam.ParDo(first)
        numbers | "twice" >> beam.ParDo(second)
    results = list(fleet.results(manager, "nov"))
    assert [each.status for each in results] == ["stored"] * 8
    assert {each.audio_id for each in manager.list()} == {each.audio_id for each in results}
