"""The plan of an export: which assets are in which shard, fixed before the first one is written.

It is one object, ``plan.jsonl.gz``, which `zcat` reads: a gzip member with the request, then one
for each shard, with a line for each asset and a last line with their number and the size.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice, pairwise
from typing import IO, Any

from audiostore.catalog.query import Query
from audiostore.catalog.shards.samples import END, Sample, Samples
from audiostore.dataclass import dataclass
from audiostore.errors import IntegrityError
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo

NAME = "plan.jsonl.gz"
MAX_SAMPLES = 100_000
"""Of a shard: as many as WebDataset's own writer puts into one."""
_VERSION = 1
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 6
_PIECE_BYTES = 1 << 20

Request = Mapping[str, Any]
"""What is exported, and how: a JSON object. Two exports with the same are the same."""


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """A shard of a plan."""

    number: int
    """From 0."""
    samples: int
    """How many assets are in it, if no more are left out meanwhile."""
    size_bytes: int
    """Of the tar file, if nothing is left out meanwhile."""
    start: int
    """Where its part of the plan begins, in bytes."""
    stop: int

    @property
    def name(self) -> str:
        """The name of its tar file."""
        return f"shard-{self.number:06}.tar"

    @property
    def index_name(self) -> str:
        """The name of its index."""
        return f"shard-{self.number:06}.idx"


def request_of(
    source: str,
    query: Query,
    order: Mapping[str, Any],
    *,
    shard_bytes: int,
    thumbnails: bool,
) -> Request:
    """Return what is exported as a JSON object."""
    return {
        "version": _VERSION,
        "source": source,
        "query": {
            name: _plain(value)
            for name in Query.__dataclass_fields__
            if (value := getattr(query, name)) not in (None, frozenset(), {})
        },
        **order,
        "shard_bytes": shard_bytes,
        "thumbnails": thumbnails,
    }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(sorted(value.items()))
    if isinstance(value, frozenset):
        return sorted(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def write_plan(
    request: Request, samples: Iterable[Sample], stream: IO[bytes], shard_bytes: int
) -> int:
    """Write a plan; return how many shards it has. Memory is constant.

    A shard is begun when the next asset would make a tar file larger than `shard_bytes`, so a
    larger asset has one of its own.
    """
    head = zlib.compressobj(_LEVEL, wbits=_GZIP)
    stream.write(head.compress(json.dumps(request).encode() + b"\n") + head.flush())
    shards = 0
    member = _Member()
    for sample in samples:
        if not member.has_room(sample, shard_bytes):
            stream.write(member.end())
            shards += 1
            member = _Member()
        stream.write(member.add(sample))
    if member.lines:
        stream.write(member.end())
        shards += 1
    return shards


class _Member:
    """The part of a plan that is for one shard, while it is written."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        self.lines = 0
        self._samples = 0
        self._size = len(END)

    def has_room(self, sample: Sample, shard_bytes: int) -> bool:
        fits = self._size + sample.size_bytes <= shard_bytes and self.lines < MAX_SAMPLES
        return fits or not self.lines

    def add(self, sample: Sample) -> bytes:
        self.lines += 1
        self._samples += sample.left_out is None
        self._size += sample.size_bytes
        return self._packer.compress(sample.line())

    def end(self) -> bytes:
        summary = {"samples": self._samples, "size_bytes": self._size}
        return self._packer.compress(json.dumps(summary).encode() + b"\n") + self._packer.flush()


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A plan in the store that it is for."""

    store: ObjectStore
    blob: BlobInfo

    def request(self) -> Request:
        """Return what it was made for.

        Raises:
            IntegrityError: it is not a plan.
        """
        with _understood(self):
            line, _, _ = next(self._members(), (b"", 0, 0))
            request: Request = json.loads(line)
            return request

    def shards(self) -> Iterator[PlannedShard]:
        """Yield its shards, in order.

        Raises:
            IntegrityError: it is damaged.
        """
        with _understood(self):
            for number, (line, start, stop) in enumerate(islice(self._members(), 1, None)):
                summary = json.loads(line)
                yield PlannedShard(
                    number, int(summary["samples"]), int(summary["size_bytes"]), start, stop
                )

    def samples(self, shard: PlannedShard) -> Samples:
        """Return what yields the samples of a shard, in order, as often as it is called.

        Their part of the plan is read now, by one request, and kept as it is: compressed.

        Raises:
            IntegrityError: it is damaged.
        """
        with closing(self.store.open(self.blob, start=shard.start, stop=shard.stop)) as reader:
            packed = b"".join(iter(partial(reader.read, _PIECE_BYTES), b""))

        def samples() -> Iterator[Sample]:
            with _understood(self):
                for line, _ in pairwise(_lines(packed)):  # the last one is the summary
                    yield Sample.parse(line)

        return samples

    def _members(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield the last line of each gzip member, and where the member begins and ends."""
        start = position = 0
        unpacker = zlib.decompressobj(_GZIP)
        last = b""
        with closing(self.store.open(self.blob)) as reader:
            while piece := reader.read(_PIECE_BYTES):
                position += len(piece)
                while piece:
                    last = (last + unpacker.decompress(piece))[-_PIECE_BYTES:]
                    piece = unpacker.unused_data
                    if not unpacker.eof:
                        break
                    stop = position - len(piece)
                    yield last.rstrip(b"\n").rpartition(b"\n")[2], start, stop
                    start, last = stop, b""
                    unpacker = zlib.decompressobj(_GZIP)
        if start != self.blob.size_bytes:
            raise ValueError("the plan is cut short")


def _lines(packed: bytes) -> Iterator[bytes]:
    """Yield the lines of a gzip member."""
    unpacker = zlib.decompressobj(_GZIP)
    rest = b""
    while not unpacker.eof:
        text = unpacker.decompress(packed, _PIECE_BYTES)
        packed = unpacker.unconsumed_tail
        if not (text or unpacker.eof):
            raise ValueError("the plan is cut short")
        *lines, rest = (rest + text).split(b"\n")
        yield from lines


@contextmanager
def _understood(plan: ShardPlan) -> Iterator[None]:
    """Raise an IntegrityError where a plan has something else than `write_plan` writes."""
    try:
        yield
    except (ValueError, LookupError, TypeError, zlib.error) as error:
        raise IntegrityError(
            f"{plan.store.uri(plan.blob.name)} is damaged, or not the plan of an export"
        ) from error
