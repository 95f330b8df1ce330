"""The workloads, and the targets for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contest import lineup
from benchmarks.contest.inputs import Tree, make_large, make_tracks
from benchmarks.contest.lineup import Peer


@dataclass(frozen=True, slots=True)
class Target:
    """How many times as fast as the best mode of a peer audiostore should be."""

    family: str
    factor: float


@dataclass(frozen=True, slots=True)
class Workload:
    """One table of the report."""

    key: str
    title: str
    make_tree: Callable[[Path], Tree]
    peers: Sequence[Peer]
    targets: Sequence[Target]
    fetches: bool = False
    """The objects are stored already, and are fetched."""
    delay_ms: float = 0
    most_cpu_s_per_gb: float | None = None
    most_memory_bytes: int | None = None


def workloads(*, quick: bool) -> list[Workload]:
    """Return all workloads; `quick`: so small that they only show that everything runs."""
    few = 20 if quick else 1
    tracks, small = 200 // few, 1500 // few
    large_bytes = (64 << 20) if quick else (1 << 30)
    large_name = "one file of 64 MiB" if quick else "one file of 1 GiB"

    def make_five_megabytes(root: Path) -> Tree:
        return make_tracks(root, tracks, audio_bytes=5_000_000, cover_bytes=60_000)

    def make_without_covers(root: Path) -> Tree:
        return make_tracks(root, tracks, audio_bytes=5_000_000)

    def make_small(root: Path) -> Tree:
        return make_tracks(root, small, audio_bytes=20_000, cover_bytes=20_000)

    def make_one(root: Path) -> Tree:
        return make_large(root, size_bytes=large_bytes)

    five = f"{tracks} tracks of 5 MB with covers of 60 kB"
    usual, many, more, at_30_ms = (8, 16, 32), (16,), (16, 32), (16, 64, 128)
    return [
        Workload(
            "tracks",
            five,
            make_five_megabytes,
            lineup.peers("upload", rclone_transfers=usual, connections=many),
            [
                Target(lineup.RCLONE, 1.5),
                Target(lineup.TRANSFER_MANAGER, 2.0),
                Target(lineup.GCLOUD, 8.0),
                Target(lineup.LIMIT, 1 / 1.4),
            ],
            most_cpu_s_per_gb=3.0,
            most_memory_bytes=150_000_000,
        ),
        Workload(
            "small",
            f"{small:,} tracks of 20 kB with covers of 20 kB",
            make_small,
            lineup.peers("upload", rclone_transfers=usual, connections=more),
            [
                Target(lineup.RCLONE, 3.0),
                Target(lineup.TRANSFER_MANAGER, 3.0),
                Target(lineup.GCLOUD, 10.0),
                Target(lineup.LIMIT, 1 / 1.4),
            ],
        ),
        Workload(
            "small-30ms",
            f"{small:,} tracks of 20 kB with covers of 20 kB, each response delayed by 30 ms",
            make_small,
            lineup.peers("upload", rclone_transfers=(16, 32, 64), connections=at_30_ms),
            [
                Target(lineup.RCLONE, 2.5),
                Target(lineup.TRANSFER_MANAGER, 6.0),
                Target(lineup.LIMIT, 1 / 1.4),
            ],
            delay_ms=30,
        ),
        Workload(
            "large",
            large_name,
            make_one,
            lineup.peers_of_one_file(),
            [
                Target(family, 1.0)
                for family in (
                    lineup.OBSTORE,
                    lineup.RCLONE,
                    lineup.TRANSFER_MANAGER,
                    lineup.GOOGLE,
                    lineup.GCLOUD,
                )
            ]
            + [Target(lineup.LIMIT, 1 / 1.4)],
            most_memory_bytes=100_000_000,
        ),
        Workload(
            "fetch",
            f"fetching {tracks} tracks of 5 MB, verified",
            make_without_covers,
            lineup.peers("download", rclone_transfers=usual, connections=many),
            [Target(lineup.RCLONE, 1.5)],
            fetches=True,
        ),
    ]
