"""Into a directory, where everything that is stored must be on the disk."""

from benchmarks.contest import lineup
from benchmarks.contest.targets import Faster, Within
from benchmarks.contest.workload import Workload, is_in_directory
from benchmarks.workloads.files import Files

_SYNCED = (
    "[the processor time of inspecting and reading twice, and the syncs]"
    "(decisions/0004-directory-store-with-the-same-guarantees.md)"
)


def workloads(files: Files) -> list[Workload]:
    """Return the workloads, with the version before."""
    return [
        Workload(
            "clips-directory",
            f"{files.clips.title}, into a directory",
            files.clips,
            lineup.peers_of_a_directory(),
            [Faster(4.0, lineup.BEFORE, _SYNCED)],
            outcome=is_in_directory,
            counts_bytes=False,
        ),
        Workload(
            "tracks-directory",
            f"{files.mission_tracks.title}, into a directory",
            files.mission_tracks,
            lineup.peers_of_a_directory(),
            [Within(1.5, lineup.COPY, reason=_SYNCED)],
            outcome=is_in_directory,
        ),
    ]
