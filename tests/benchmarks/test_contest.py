"""The contest counts only completed runs, and the report states only what was measured."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from audiostore.ingest import UploadOptions, prepare_audio, prepare_image
from benchmarks.contest import lineup
from benchmarks.contest.inputs import Inputs, Tree, make_large, make_tracks
from benchmarks.contest.lineup import Peer
from benchmarks.contest.measuring import Run
from benchmarks.contest.mission import make_mission
from benchmarks.contest.plots import plot
from benchmarks.contest.report import result_table, target_table
from benchmarks.contest.results import Result, Row, Target
from benchmarks.contest.rounds import contest
from benchmarks.contest.targets import CPU, WALL, Faster, Limit, OnTop, Within, compare_all
from benchmarks.contest.workload import Outcome, Workload, is_in_bucket, is_in_directory
from benchmarks.workloads import workloads


def idle_peer() -> Peer:
    return Peer("idle", "", lambda job, file: ["true"])


def few(root: Path) -> Tree:
    return make_tracks(root, 4, audio_bytes=20_000, cover_bytes=20_000)


def one(root: Path) -> Tree:
    return make_mission(root, 1, seconds=0.1, cover_bytes=500)


def two(root: Path) -> Tree:
    return make_mission(root, 2, seconds=0.1, cover_bytes=500)


def work(*peers: Peer, outcome: Outcome = is_in_bucket, is_filled: bool = False) -> Workload:
    inputs = Inputs("a few tracks", few)
    return Workload("few", inputs.title, inputs, peers, [], outcome=outcome, is_filled=is_filled)


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


def test_a_report_names_the_versions_of_the_peers_that_are_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lineup, "rclone_path", lambda: str(tmp_path / "rclone"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = lineup.versions()
    assert "rclone" not in found
    assert {"pycurl", "av"} <= set(found)


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
    workload = work(*chosen, idle_peer(), outcome=is_in_directory, is_filled=True)
    tree = make_tracks(tmp_path / "tree", 4, audio_bytes=20_000)
    result = contest(workload, tree, tmp_path, rounds=1)
    failed = {row.family: [bool(run.failure) for run in row.runs] for row in result.rows}
    assert failed == {lineup.OURS: [False], lineup.LIMIT: [False], "idle": [True]}


def test_mission_files_are_tagged_valid_and_in_equal_shares(tmp_path: Path) -> None:
    tree = make_mission(tmp_path, 24, audio_bytes=20_000, cover_bytes=2_000)
    formats, covers = Counter[str](), Counter[str]()
    for index, path in enumerate(sorted(tmp_path.rglob("audio.*"))):
        with prepare_audio(path, UploadOptions(check="full")) as prepared:
            formats[prepared.content_type.partition(";")[0]] += 1
            assert prepared.facts["title"].startswith("Track 00000"), index
        assert path.stat().st_size == pytest.approx(20_000, rel=0.1)
    for path in tmp_path.rglob("thumbnail.*"):
        with prepare_image(path, UploadOptions()) as prepared:
            covers[prepared.content_type] += 1
    assert set(formats.values()) == {4}
    assert len(formats) == 6
    assert set(covers.values()) == {8}
    assert len(set(tree.md5_table.splitlines())) == 48


# The families that need nothing but audiostore and the system.
_OWN = {lineup.OURS, lineup.FIND, lineup.AGAIN, lineup.GENERATED, lineup.DECODING, lineup.COPY}


@pytest.mark.slow
@pytest.mark.usefixtures("c_compiler")
@pytest.mark.parametrize(
    "key", ["one", "ids-30ms", "clips-directory", "list", "check", "check-full", "growth-1000"]
)
def test_workloads_run(key: str, tmp_path: Path) -> None:
    [workload] = [each for each in workloads(quick=True) if each.key == key]
    chosen = [peer for peer in workload.peers if peer.family in _OWN]
    tiny = Inputs("few", one if key == "one" else two)
    inputs = workload.inputs if workload.preloaded else tiny
    workload = replace(workload, peers=chosen, inputs=inputs, repeats=1, delay_ms=1)
    result = contest(workload, inputs.make(tmp_path / "tree"), tmp_path, rounds=1)
    assert [run.failure for row in result.rows for run in row.runs] == [""] * len(chosen)
    has_requests = [run.requests > 0 for row in result.rows for run in row.runs]
    assert has_requests[0] == (workload.outcome is not is_in_directory)


def test_the_report_gives_medians_and_ratios_to_the_best_mode() -> None:
    rows = (
        made(lineup.OURS, "", 2.0, 1.0, 9.0),
        made(lineup.LIMIT, "16", 1.0, 1.5, 1.2),
        made(lineup.LIMIT, "32", 4.0),
        Row("broken", "broken", (Run(1.0, 0.0, 0, "<failed>"),)),
    )
    result = measured(rows, Within(2.0, lineup.LIMIT))
    [line] = compare_all([result])
    assert line.is_met
    assert "1.67 times" in line.measured
    assert "16" in line.measured
    assert "| **audiostore** | 2.00 s | 1.00-9.00 s | 1.00 |" in result_table(result)
    assert ElementTree.fromstring(plot(result)).tag.endswith("svg")


def test_each_kind_of_target_is_met_and_missed() -> None:
    rows = (made(lineup.OURS, "", 2.0), made("other", "", 1.2), made("another", "", 0.4))
    near = replace(measured((made(lineup.OURS, "", 1.5),)), workload=replace(work(), key="near"))

    def is_met(target: Target) -> bool:
        [line] = compare_all([measured(rows, target), near])
        return line.is_met

    assert [is_met(Limit(most, WALL)) for most in (2.1, 1.9)] == [True, False]
    assert [is_met(Within(factor, "other")) for factor in (1.7, 1.6)] == [True, False]
    assert [is_met(Within(factor, "other", CPU)) for factor in (1.0, 0.9)] == [True, False]
    assert [is_met(Faster(factor, "other")) for factor in (0.5, 0.7)] == [True, False]
    of_near = [Within(factor, lineup.OURS, work="near") for factor in (1.4, 1.3)]
    assert [is_met(target) for target in of_near] == [True, False]
    # 0.4 s more than both, for 4 assets
    assert [is_met(OnTop(ms, ["other", "another"])) for ms in (101, 99)] == [True, False]


def test_a_missed_target_says_why_and_what_was_not_measured_is_left_out() -> None:
    rows = (made(lineup.OURS, "", 2.0), made("other", "", 1.0))
    targets: list[Target] = [
        Within(1.5, "other", reason="it does more"),
        Faster(2.0, "other"),
        Within(3.0, "other", reason="never shown"),
        Within(1.0, lineup.OURS, work="not run"),
        OnTop(1, ["other", "not run"]),
    ]
    table = target_table(compare_all([measured(rows, *targets)]))
    verdicts = [line.split(" | ")[-1].removesuffix(" |") for line in table.splitlines()[2:]]
    assert verdicts == ["**no**: it does more", "**no**: the reason is not known yet", "yes"]
    [failed] = compare_all([measured((made("other", "", 1.0),), *targets)])
    assert not failed.is_met


def measured(rows: tuple[Row, ...], *targets: Target) -> Result:
    return Result(replace(work(), targets=targets), Tree(Path(), 4, 8, 10**9, 0, ""), rows)


def made(family: str, mode: str, *walls: float) -> Row:
    runs = tuple(Run(wall, 1.0, 50_000_000) for wall in walls)
    return Row(family, f"{family} {mode}".strip(), runs)
