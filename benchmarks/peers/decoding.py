"""FFmpeg alone: all audio of the tree is decoded from local files, in one process and thread."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph

from benchmarks.peers.job import Job, run

_PEAKS = "measure_overall=Min_level+Max_level"
_LOW, _HIGH = "lavfi.astats.Overall.Min_level", "lavfi.astats.Overall.Max_level"


def decode(job: Job) -> None:
    """Decode each file to its end."""
    for path in _audio(job):
        with av.open(str(path)) as file:
            for _ in file.decode(audio=0):
                pass


def measure(job: Job) -> None:
    """Decode each file to its end; measure its loudness, and its peaks 20 times a second."""
    for path in _audio(job):
        with av.open(str(path)) as file:
            graph, rate = Graph(), file.streams.audio[0].rate
            frames = file.decode(audio=0)
            first = next(frames)
            source = graph.add_abuffer(
                sample_rate=rate,
                format=first.format.name,
                layout=first.layout.name,
                time_base=Fraction(1, rate),
            )
            sink = graph.add("abuffersink")
            filters = (
                graph.add("ebur128", "metadata=1:peak=sample"),
                graph.add("aformat", "channel_layouts=mono"),
                graph.add("asetnsamples", f"n={rate // 20}"),
                graph.add("astats", f"metadata=1:reset=1:measure_perchannel=none:{_PEAKS}"),
            )
            graph.link_nodes(source, *filters, sink)
            graph.configure()
            points: list[tuple[str, str]] = []
            for frame in (first, *frames, None):
                source.push(frame)
                try:
                    while True:
                        found = sink.pull().metadata
                        points.append((found[_LOW], found[_HIGH]))
                except (av.error.BlockingIOError, av.error.EOFError):
                    pass


def _audio(job: Job) -> Iterator[Path]:
    files = 0
    for name in job.names:
        if "/audio." in name:
            yield job.path(name)
            files += 1
    assert files == job.assets


if __name__ == "__main__":
    run({"decode": decode, "measure": measure})
