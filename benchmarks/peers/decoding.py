"""FFmpeg alone: all audio of the tree is decoded from local files, in one process and thread."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph

from benchmarks.peers.job import Job, run


def decode(job: Job) -> None:
    """Decode each file to its end."""
    for path in _audio(job):
        with av.open(str(path)) as file:
            for _ in file.decode(audio=0):
                pass


def measure(job: Job) -> None:
    """Decode each file to its end, measure its loudness, and convert it to 8 bit."""
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
            loudness = graph.add("ebur128", "metadata=1:peak=sample")
            graph.link_nodes(source, loudness, graph.add("aformat", "sample_fmts=u8"), sink)
            graph.configure()
            for frame in (first, *frames, None):
                source.push(frame)
                try:
                    while True:
                        sink.pull()
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
