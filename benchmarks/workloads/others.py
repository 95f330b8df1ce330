"""Beside all other tools: MP3 and WAV files into a bucket, and out of it."""

from benchmarks.contest import lineup
from benchmarks.contest.lineup import Peer
from benchmarks.contest.targets import CPU_PER_GB, MEMORY, Faster, Limit, Within
from benchmarks.contest.workload import Workload, is_in_directory
from benchmarks.workloads.files import Files

_SMALL = "[what a small file costs](decisions/0015-what-a-small-file-costs.md)"
_LARGE = (
    "[it is read for its checksum first, then sent in one stream]"
    "(decisions/0013-large-files-in-one-stream.md)"
)
_FETCHED = "it takes twice the processor time of bare libcurl; the syncs cost a tenth of its time"
_READ_TWICE = "each file is read twice: for its checksum, and to send it"


def _with_before(peers: list[Peer]) -> list[Peer]:
    own, *rest = peers
    return [own, lineup.before(own), *rest]


def workloads(files: Files) -> list[Workload]:
    """Return the workloads in which all tools take part."""
    usual, many, more, at_30_ms = (8, 16, 32), (16,), (16, 32), (16, 64, 128)
    return [
        Workload(
            "tracks",
            files.tracks.title,
            files.tracks,
            lineup.peers("upload", rclone_transfers=usual, connections=many),
            [
                Faster(1.5, lineup.RCLONE),
                Faster(2.0, lineup.TRANSFER_MANAGER, _READ_TWICE),
                Faster(8.0, lineup.GCLOUD),
                Within(1.4, lineup.LIMIT, reason=_READ_TWICE),
                Limit(3.0, CPU_PER_GB),
                Limit(150, MEMORY),
            ],
        ),
        Workload(
            "small",
            files.small.title,
            files.small,
            lineup.peers("upload", rclone_transfers=usual, connections=more),
            [
                Faster(3.0, lineup.RCLONE, _SMALL),
                Faster(3.0, lineup.TRANSFER_MANAGER, _SMALL),
                Faster(10.0, lineup.GCLOUD, _SMALL),
                Within(1.4, lineup.LIMIT, reason=_SMALL),
            ],
            counts_bytes=False,
        ),
        Workload(
            "small-30ms",
            f"{files.small.title}, each response delayed by 30 ms",
            files.small,
            lineup.peers("upload", rclone_transfers=(16, 32, 64), connections=at_30_ms),
            [
                Faster(2.5, lineup.RCLONE, _SMALL),
                Faster(6.0, lineup.TRANSFER_MANAGER, _SMALL),
                Within(1.4, lineup.LIMIT, reason=_SMALL),
            ],
            delay_ms=30,
            counts_bytes=False,
        ),
        Workload(
            "large",
            files.large.title,
            files.large,
            _with_before(lineup.peers_of_one_file()),
            [
                Within(1.15, lineup.OBSTORE, reason=_LARGE),
                *(
                    Faster(1.0, family)
                    for family in (
                        lineup.RCLONE,
                        lineup.TRANSFER_MANAGER,
                        lineup.GOOGLE,
                        lineup.GCLOUD,
                    )
                ),
                Within(1.4, lineup.LIMIT, reason=_LARGE),
                Limit(100, MEMORY),
            ],
        ),
        Workload(
            "fetch",
            f"fetching {files.tracks_alone.title}, verified",
            files.tracks_alone,
            lineup.peers("download", rclone_transfers=usual, connections=many),
            [Faster(1.5, lineup.RCLONE, _FETCHED)],
            outcome=is_in_directory,
            is_filled=True,
        ),
    ]
