"""The inputs of all workloads."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from benchmarks.contest.inputs import Inputs, Tree, make_large, make_tracks
from benchmarks.contest.mission import make_mission


def _nothing(assets: int, root: Path) -> Tree:
    return Tree(root, assets, 2 * assets, 0, 0, "")


@dataclass(frozen=True, slots=True)
class Files:
    """What the workloads store."""

    tracks: Inputs
    """MP3 and WAV, as all that have no "mission"."""
    tracks_alone: Inputs
    small: Inputs
    large: Inputs
    mission_tracks: Inputs
    clips: Inputs
    one: Inputs
    one_second: Inputs
    minutes: Inputs
    grown: tuple[Inputs, ...]
    """Ten times as many each."""
    listed: Inputs
    """Nothing: the server makes them up."""
    listed_assets: int

    @classmethod
    def sized(cls, *, quick: bool) -> Self:
        """Return the inputs; `quick`: so few that they only show that everything runs."""
        few = 20 if quick else 1
        tracks, small, seconds = 200 // few, 1500 // few, 240 // few
        large_bytes, large = ((64 << 20), "64 MiB") if quick else ((1 << 30), "1 GiB")
        listed = 50_000 // few
        minutes = 6 if quick else 36
        return cls(
            tracks=Inputs(
                f"{tracks} tracks of 5 MB with covers of 60 kB",
                partial(make_tracks, count=tracks, audio_bytes=5_000_000, cover_bytes=60_000),
            ),
            tracks_alone=Inputs(
                f"{tracks} tracks of 5 MB",
                partial(make_tracks, count=tracks, audio_bytes=5_000_000),
            ),
            small=Inputs(
                f"{small:,} tracks of 20 kB with covers of 20 kB",
                partial(make_tracks, count=small, audio_bytes=20_000, cover_bytes=20_000),
            ),
            large=Inputs(f"one file of {large}", partial(make_large, size_bytes=large_bytes)),
            mission_tracks=Inputs(
                f"{tracks} tracks of 5 MB in six formats, with covers of 60 kB",
                partial(make_mission, count=tracks, audio_bytes=5_000_000, cover_bytes=60_000),
            ),
            clips=Inputs(
                f"{small:,} clips of 20 kB in six formats, with covers of 20 kB",
                partial(make_mission, count=small, audio_bytes=20_000, cover_bytes=20_000),
            ),
            one=Inputs(
                "one track of 5 MB with its cover",
                partial(make_tracks, count=1, audio_bytes=5_000_000, cover_bytes=60_000),
            ),
            one_second=Inputs(
                f"{seconds} clips of one second in six formats, with covers of 2 kB",
                partial(make_mission, count=seconds, seconds=1, cover_bytes=2_000),
            ),
            minutes=Inputs(
                f"{minutes} tracks of a minute in six formats, with covers of 60 kB",
                partial(make_mission, count=minutes, seconds=60, cover_bytes=60_000),
            ),
            grown=tuple(
                Inputs(
                    f"{count:,} clips of 5 kB in six formats, with covers of 1 kB",
                    partial(make_mission, count=count, audio_bytes=5_000, cover_bytes=1_000),
                )
                for count in (1_000 // few, 10_000 // few, 100_000 // few)
            ),
            listed=Inputs(f"{listed:,} assets", partial(_nothing, listed)),
            listed_assets=listed,
        )
