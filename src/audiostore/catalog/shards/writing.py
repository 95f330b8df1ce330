"""Writing the shards of a plan: each appears whole, verified, with its index, and never changes."""

import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from audiostore.catalog.shards.planning import (
    NAME,
    PlannedShard,
    Request,
    ShardPlan,
    write_plan,
)
from audiostore.catalog.shards.samples import Part, Sample, Samples, index_of
from audiostore.catalog.shards.source import (
    DaemonPool,
    GoneError,
    ShardSource,
    UnreadError,
    current,
)
from audiostore.catalog.shards.values import ExportedShard
from audiostore.dataclass import dataclass
from audiostore.errors import (
    AssetConflictError,
    BlobNotFoundError,
    ExportConflictError,
)
from audiostore.files import explained
from audiostore.localfiles import LocalFile, OpenFile
from audiostore.sources import BytesSource, Source
from audiostore.stores import BlobReader, BlobSpec, ObjectStore, has_content, put_checked
from audiostore.values import BlobInfo

_INDEX = "index.json"
_SAMPLES = "samples"
"""Metadata of the index of a shard: how many it has."""
_TYPES = {
    ".tar": "application/x-tar",
    ".idx": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".gz": "application/gzip",
}
_LOOKUPS = 32
"""So many objects are looked up at once, when some of a shard are gone."""


def plan_export(
    target: ObjectStore, request: Request, samples: Iterable[Sample]
) -> ShardPlan | None:
    """Return the plan of an export: that of an earlier call, else a new one; None for no assets.

    Args:
        target: where it goes to.
        request: what is exported.
        samples: the assets; not read if there is a plan.

    Raises:
        ExportConflictError: the target has another export.
        OSError: the directory for temporary files is full, or cannot be written to.
    """
    other = next(target.list("shard-"), None)
    plan = find_plan(target)  # afterwards: another process may be writing its first shards
    if plan is None:
        if other is not None:
            raise ExportConflictError(
                f"{target.url} has {other.name}, but no plan of an export: name an empty place"
            )
        folder = tempfile.gettempdir()
        with explained(folder), tempfile.TemporaryFile(prefix="audiostore-", dir=folder) as file:
            stream = cast("IO[bytes]", file)
            if not write_plan(request, samples, stream, request["shard_bytes"]):
                return None
            stream.flush()
            source = OpenFile(LocalFile.of_open(Path(folder), file.fileno()), file)
            _create(target, NAME, source)
        plan = find_plan(target)
    if plan is None or plan.request() != request:
        raise ExportConflictError(
            f"{target.url} has an export of other assets, or with other options: name another "
            "place. A plan never changes, so what was stored since is not part of it"
        )
    return plan


def find_plan(target: ObjectStore) -> ShardPlan | None:
    """Return the plan that a target has; None without one."""
    found = _stat(target, NAME)
    return None if found is None else ShardPlan(target, found)


@dataclass(frozen=True, slots=True)
class ShardWriter:
    """Writes shards. Safe to use from many threads."""

    store: ObjectStore
    """Has the assets."""
    plan: ShardPlan
    open_target: Callable[[], ObjectStore]
    """Opens the target again. While a shard is sent, the thread that sends waits for assets, so
    each has a target of its own."""

    def write(self, shard: PlannedShard) -> ExportedShard:
        """Write a shard and its index, unless they are there.

        Raises:
            ExportConflictError: something else has the name.
            IntegrityError: an asset is damaged, or other bytes were stored; nothing was left.
            AudioStoreError, OSError: an asset cannot be read, or the target cannot be written.
        """
        samples = self.plan.samples(shard)
        with closing(self.open_target()) as target:
            created, gone, size_bytes = self._write_tar(target, shard, samples)
            index, count = index_of(samples(), gone)
            metadata = {_SAMPLES: str(count)}
            if not _create(target, shard.index_name, BytesSource(index), metadata):
                raise conflict(target, shard.index_name)
            uri = target.uri(shard.name)
        left_out = tuple(_left_out(samples(), gone))
        return ExportedShard(shard.number, uri, count, size_bytes, created, left_out)

    def _write_tar(
        self, target: ObjectStore, shard: PlannedShard, samples: Samples
    ) -> tuple[bool, frozenset[str], int]:
        """Return whether the tar file was created now, what is left out of it, and its size."""
        gone: frozenset[str] = frozenset()
        while True:
            source = ShardSource(self.store, samples, gone)
            found = _stat(target, shard.name)
            if found is not None:
                gone = self._left_out_before(target, found, source, samples)
                return False, gone, found.size_bytes
            try:
                if _create(target, shard.name, source):
                    return True, gone, source.size_bytes
            except GoneError:
                gone |= self._gone(samples)
            except UnreadError as error:
                raise error.__cause__ or error from None

    def _left_out_before(
        self, target: ObjectStore, found: BlobInfo, whole: ShardSource, samples: Samples
    ) -> frozenset[str]:
        """Return what was left out of a tar file that is there, without its index."""
        if has_content(found, whole):
            return frozenset()
        try:
            with (
                closing(_Stream(target.open(found))) as stream,
                tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as tar,
            ):
                names = {member.name for member in tar}
        except tarfile.TarError:
            names = set()
        gone = frozenset(
            content.name
            for sample in samples()
            for name, content in sample.files(frozenset())
            if isinstance(content, Part) and name not in names
        )
        if not has_content(found, ShardSource(self.store, samples, gone)):
            raise conflict(target, found.name)
        return gone

    def _gone(self, samples: Samples) -> frozenset[str]:
        """Look which objects of a shard are not in the store any more."""

        def is_gone(part: Part) -> bool:
            try:
                current(self.store, part)
            except BlobNotFoundError:
                return True
            return False

        parts = [part for sample in samples() for part in sample.parts]
        with closing(DaemonPool[bool](_LOOKUPS)) as pool:
            looked_up = [(part.name, pool.submit(partial(is_gone, part))) for part in parts]
            return frozenset(name for name, each in looked_up if each.result())


def _left_out(samples: Iterable[Sample], gone: frozenset[str]) -> Iterator[str]:
    for sample in samples:
        if sample.left_out is not None:
            yield f"{sample.audio_id}: {sample.left_out}"
        for n, part in enumerate(sample.parts):
            if part.name in gone:
                what = "its artwork" if n else "it"
                yield f"{sample.audio_id}: {what} was deleted or replaced since the plan was made"
                break


class _Stream:
    """A reader as a file, as `tarfile` reads one."""

    def __init__(self, reader: BlobReader) -> None:
        self._reader = reader
        self.close = reader.close

    def read(self, size: int) -> bytes:
        return self._reader.read(size)


def finish_export(target: ObjectStore, planned: Iterable[PlannedShard]) -> bool:
    """Write the index of all shards of a plan, if all are there; say whether they are.

    The format is that of wids: https://github.com/webdataset/webdataset, ``wids-shard-index-v1``.
    """
    found = {blob.name: blob for blob in target.list("shard-")}
    shards: list[dict[str, Any]] = []
    for shard in planned:
        tar, index = found.get(shard.name), found.get(shard.index_name)
        if tar is None or index is None:
            return False
        count = samples_in(target, index)
        shards.append({"url": shard.name, "nsamples": count, "filesize": tar.size_bytes})
    whole = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
    if not _create(target, _INDEX, BytesSource(json.dumps(whole, indent=1).encode() + b"\n")):
        raise conflict(target, _INDEX)
    return True


def samples_in(target: ObjectStore, index: BlobInfo) -> int:
    """Return how many samples a shard has, by the description of its index.

    Raises:
        ExportConflictError: it was not written by an export.
    """
    try:
        return int(index.metadata[_SAMPLES])
    except (KeyError, ValueError) as error:
        raise conflict(target, index.name) from error


def _create(
    target: ObjectStore, name: str, source: Source, metadata: Mapping[str, str] | None = None
) -> bool:
    """Create an object; return False if something else has the name."""
    spec = BlobSpec(name, _TYPES[Path(name).suffix], metadata or {})
    try:
        put_checked(target, spec, source, is_ours=lambda _: True)
    except AssetConflictError:
        return False
    return True


def _stat(target: ObjectStore, name: str) -> BlobInfo | None:
    try:
        return target.stat(name)
    except BlobNotFoundError:
        return None


def conflict(target: ObjectStore, name: str) -> ExportConflictError:
    """Return the error of an object that is not what an export writes under its name."""
    return ExportConflictError(
        f"{target.uri(name)} exists, and is not what this export writes there: it was not "
        "touched. Delete it, or name another place"
    )
