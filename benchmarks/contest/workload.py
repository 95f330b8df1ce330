"""What a workload is: one table of the report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contest.inputs import Inputs, Tree, same_files
from benchmarks.contest.lineup import Peer
from benchmarks.contest.results import Target
from benchmarks.peers.job import FETCHED
from benchmarks.server import Server

Outcome = Callable[[Server, Tree, Path], bool]
"""Whether a run did the work, from the server, the inputs, and the run's scratch directory."""


def is_in_bucket(server: Server, tree: Tree, scratch: Path) -> bool:
    """Return whether the server holds exactly the inputs."""
    del scratch
    state = server.state()
    stored = (state.objects, state.bytes, state.crc32c_xor)
    return stored == (tree.objects, tree.size_bytes, tree.crc32c_xor)


def is_in_directory(server: Server, tree: Tree, scratch: Path) -> bool:
    """Return whether the run's directory holds exactly the inputs."""
    del server
    return same_files(scratch / FETCHED, tree)


def exits_with_0(server: Server, tree: Tree, scratch: Path) -> bool:
    """Accept what the peer says: it has counted itself."""
    del server, tree, scratch
    return True


@dataclass(frozen=True, slots=True)
class Workload:
    """One table of the report."""

    key: str
    title: str
    inputs: Inputs
    peers: Sequence[Peer]
    targets: Sequence[Target]
    outcome: Outcome = is_in_bucket
    is_filled: bool = False
    """The inputs are in the bucket already."""
    is_read_back: bool = False
    """The peers read what they have stored."""
    preloaded: int = 0
    """How many assets the bucket holds instead of the inputs."""
    delay_ms: float = 0
    repeats: int = 1
    """How often each peer runs in a round: more often if it is quick."""
    counts_bytes: bool = True
    """CPU per GB says more than CPU per asset."""
