"""The contest counts only completed runs, and the report states only what was measured."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from audiostore.ingest import UploadOptions, prepare_audio, prepare_image
from benchmarks.contest import lineup
from benchmarks.contest.inputs import Tree, make_large, make_tracks
from benchmarks.contest.lineup import Peer
from benchmarks.contest.measuring import Run
from benchmarks.contest.plots import plot
from benchmarks.contest.report import result_table, targets
from benchmarks.contest.rounds import Result, Row, contest
from benchmarks.contest.workloads import Target, Workload


def idle_peer() -> Peer:
    return Peer("idle", "", lambda job, file: ["true"])


def few(root: Path) -> Tree:
    return make_tracks(root, 4, audio_bytes=20_000, cover_bytes=20_000)


def work(*peers: Peer, fetches: bool = False) -> Workload:
    return Workload("few", "a few tracks", few, peers, [Target(lineup.LIMIT, 0.5)], fetches=fetches)


def test_inputs_are_valid_files_of_the_requested_size(tmp_path: Path) -> None:
    tree = make_tracks(tmp_path / "tracks", 4, audio_bytes=200_000, cover_bytes=60_000)
    make_large(tmp_path / "large", size_bytes=1 << 20)
    assert (tree.assets, tree.objects) == (4, 8)
    for path in sorted(tmp_path.rglob("audio.*")):
        with prepare_audio(path, UploadOptions(check="full")):
            pass
        assert path.stat().st_size == pytest.approx(200_000, rel=0.05) or "large" in str(path)
    for path in sorted(tmp_path.rglob("*.jpg")):
        prepare_image(path, UploadOptions())
        assert path.stat().st_size == pytest.approx(60_000, rel=0.1)


@pytest.mark.usefixtures("c_compiler")
def test_only_runs_that_stored_everything_count(tmp_path: Path) -> None:
    uploads = lineup.peers("upload", rclone_transfers=(), connections=(4,))
    chosen = [peer for peer in uploads if peer.family in (lineup.OURS, lineup.LIMIT)]
    workload = work(*chosen, idle_peer())
    result = contest(workload, few(tmp_path / "tree"), tmp_path, rounds=1)
    assert [(row.family, [run.failure for run in row.runs]) for row in result.rows] == [
        (lineup.OURS, [""]),
        (lineup.LIMIT, [""]),
        ("idle", ["did not complete the work"]),
    ]
    assert all(run.wall_s > 0 and run.cpu_s > 0 for row in result.rows[:2] for run in row.runs)
    assert all(5e6 < run.peak_bytes < 500e6 for row in result.rows[:2] for run in row.runs)


@pytest.mark.usefixtures("c_compiler")
def test_only_runs_that_fetched_everything_count(tmp_path: Path) -> None:
    downloads = lineup.peers("download", rclone_transfers=(), connections=(4,))
    chosen = [peer for peer in downloads if peer.family in (lineup.OURS, lineup.LIMIT)]
    workload = work(*chosen, idle_peer(), fetches=True)
    tree = make_tracks(tmp_path / "tree", 4, audio_bytes=20_000)
    result = contest(workload, tree, tmp_path, rounds=1)
    failed = {row.family: [bool(run.failure) for run in row.runs] for row in result.rows}
    assert failed == {lineup.OURS: [False], lineup.LIMIT: [False], "idle": [True]}


def test_the_report_gives_medians_and_ratios_to_the_best_mode() -> None:
    rows = (
        made(lineup.OURS, "", 2.0, 1.0, 9.0),
        made(lineup.LIMIT, "16", 1.0, 1.5, 1.2),
        made(lineup.LIMIT, "32", 4.0),
        Row("broken", "broken", (Run(1.0, 0.0, 0, "<failed>"),)),
    )
    result = Result(work(), Tree(Path(), 4, 8, 10**9, 0, ""), rows)
    [line] = targets([result])
    assert line.is_met
    assert "1.67 times" in line.measured
    assert "16" in line.measured
    assert "| **audiostore** | 2.00 s | 1.00-9.00 s | 1.00 |" in result_table(result)
    stricter = replace(work(), targets=[Target(lineup.LIMIT, 0.7)])
    [line] = targets([replace(result, workload=stricter)])
    assert not line.is_met
    assert ElementTree.fromstring(plot(result)).tag.endswith("svg")


def made(family: str, mode: str, *walls: float) -> Row:
    runs = tuple(Run(wall, 1.0, 50_000_000) for wall in walls)
    return Row(family, f"{family} {mode}".strip(), runs)
