"""What audiostore is for, into a bucket: six formats, near and far, given ids, one track."""

from benchmarks.contest import lineup
from benchmarks.contest.targets import CPU, MEMORY, REQUESTS, WALL, Faster, Limit, Within
from benchmarks.contest.workload import Workload
from benchmarks.workloads.files import Files

_CLIP = "[where the time of a clip goes](decisions/0015-what-a-small-file-costs.md)"
_START = (
    "[the start of Python, and what it imports]"
    "(decisions/0021-dataclasses-made-when-they-are-used.md)"
)
_FAR = "{}, each response delayed by {} ms"


def workloads(files: Files) -> list[Workload]:
    """Return the workloads, with the version before."""
    clips = files.clips
    return [
        Workload(
            "mission-tracks",
            files.mission_tracks.title,
            files.mission_tracks,
            lineup.peers_of_missions(rclone_transfers=(8, 16), connections=16),
            [Faster(1.5, lineup.RCLONE), Limit(150, MEMORY)],
        ),
        Workload(
            "clips",
            clips.title,
            clips,
            lineup.peers_of_missions(rclone_transfers=(16, 32), connections=32),
            [
                Within(0.5, lineup.BEFORE, CPU, reason=_CLIP),
                Faster(1.5, lineup.RCLONE, _CLIP),
                Limit(2.01, REQUESTS),  # and two for the whole run
            ],
            counts_bytes=False,
        ),
        *(
            Workload(
                f"clips-{delay_ms}ms",
                _FAR.format(clips.title, delay_ms),
                clips,
                lineup.peers_of_missions(rclone_transfers=(64,), connections=connections),
                [
                    Within(1.3, lineup.OURS, reason=_CLIP, work="clips", work_name="without delay"),
                    Faster(1.5, lineup.RCLONE, _CLIP),
                ],
                delay_ms=delay_ms,
                counts_bytes=False,
            )
            for delay_ms, connections in ((30, 128), (100, 256))
        ),
        Workload(
            "ids-30ms",
            _FAR.format(f"{clips.title} and given ids", 30),
            clips,
            lineup.peers_with_given_ids(),
            [Limit(2.01, REQUESTS), Within(1.1, lineup.GENERATED)],
            delay_ms=30,
            counts_bytes=False,
        ),
        Workload(
            "one",
            files.one.title,
            files.one,
            lineup.peers_of_one_asset(),
            # 0.15 s, where the version before took 0.36 s: 0.42 of it on any machine.
            [Limit(0.15, WALL, _START), Within(0.42, lineup.BEFORE, reason=_START)],
            repeats=5,
        ),
    ]
