"""FFmpeg's filters for decoded frames, and the conversion of frames from one kind to another."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import av.error
from av.audio.frame import AudioFrame
from av.filter import Graph

_USUAL_LAYOUTS = {3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""What so many channels are, in a file that does not say: FFmpeg's defaults."""


class Kind(NamedTuple):
    """What the samples of frames are."""

    rate_hz: int
    sample_format: str
    layout: str

    @classmethod
    def of(cls, frame: AudioFrame) -> "Kind":
        """Return what the samples of a frame are."""
        return cls(frame.sample_rate, frame.format.name, frame.layout.name)

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return AudioFrame(self.sample_format, self.layout, 1).layout.nb_channels

    @property
    def usual_layout(self) -> str:
        """What the channels are: as the file says, or else what so many of them usually are."""
        is_unknown = self.layout.endswith(" channels")
        return _USUAL_LAYOUTS.get(self.channels, self.layout) if is_unknown else self.layout


class Filters:
    """A chain of filters for frames of one kind."""

    def __init__(self, kind: Kind, *filters: tuple[str, str]) -> None:
        self._graph = graph = Graph()  # its filters do not keep it
        graph.threads = 1  # the sandbox can start none
        self._source = graph.add_abuffer(
            sample_rate=kind.rate_hz,
            format=kind.sample_format,
            layout=kind.layout,
            time_base=Fraction(1, kind.rate_hz),
        )
        self._sink = graph.add("abuffersink")
        between = [graph.add(name, arguments) for name, arguments in filters]
        graph.link_nodes(self._source, *between, self._sink)
        graph.configure()

    def run(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """Yield what comes out after a frame; after None, the rest."""
        self.push(frame)
        yield from self.pull()

    def push(self, frame: AudioFrame | None) -> None:
        """Put in a frame, which waits until something is pulled; None: there are no more."""
        self._source.push(frame)

    def pull(self) -> Iterator[AudioFrame]:
        """Yield what comes out now. That nothing more does costs 15 us: not for every frame."""
        while True:
            try:
                filtered = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if isinstance(filtered, AudioFrame):
                yield filtered


class Converter:
    """Converts frames of one kind to another."""

    def __init__(self, kind: Kind, target: Kind) -> None:
        self.kind = kind
        rate_hz, sample_format, layout = target
        wanted = f"sample_rates={rate_hz}:sample_fmts={sample_format}:channel_layouts={layout}"
        named = ("aformat", f"channel_layouts={kind.usual_layout}")
        filters = (
            (("aformat", wanted),) if kind.layout == target.layout else (named, ("aformat", wanted))
        )
        self._filters = Filters(kind, *filters)

    def convert(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """Yield a frame, converted, or a part of it; after None, the rest."""
        return self._filters.run(frame)
