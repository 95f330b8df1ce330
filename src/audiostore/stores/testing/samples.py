"""Objects and helpers that the tests share."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Barrier

from audiostore.errors import PreconditionFailedError, SourceChangedError
from audiostore.sources import BytesSource, SourceReader
from audiostore.stores.capabilities import SupportsSoftDelete
from audiostore.stores.protocol import BlobSpec, ObjectStore
from audiostore.values import BlobInfo

NAME = "audio/3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b/audio.mp3"
DATA = bytes(range(256)) * 40
NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)
ODD_METADATA = {
    "plain": "text",
    "empty": "",
    "lines": "one\ntwo\r\nthree\t",
    "emoji": "🎵 naïve 北京 e\u0301 \u202eright to left",
    "Schlüssel": "key that is not ASCII",
    "Case": "kept",
    "quotes": "\"'\\ {} [] , : <&>",
    "edges": "  spaces around  ",
}
_PATIENCE_S = 60.0


def put(
    store: ObjectStore,
    name: str = NAME,
    data: bytes = DATA,
    *,
    over: int = 0,
    content_type: str = "audio/mpeg",
    metadata: Mapping[str, str] | None = None,
    custom_time: datetime | None = None,
) -> BlobInfo:
    """Store bytes under a name that is free, or over the generation `over`."""
    spec = BlobSpec(name, content_type, metadata or {}, "max-age=60", "inline", custom_time)
    return store.put(spec, BytesSource(data), if_generation_match=over)


def read(
    store: ObjectStore,
    blob: BlobInfo,
    *,
    start: int = 0,
    stop: int | None = None,
    size: int = 1 << 20,
) -> bytes:
    """Return the bytes of an object, read `size` at a time."""
    with closing(store.open(blob, start=start, stop=stop)) as reader:
        return b"".join(iter(lambda: reader.read(size), b""))


def names(store: ObjectStore, prefix: str = "", start_after: str = "") -> list[str]:
    """Return the names that a listing yields."""
    return [blob.name for blob in store.list(prefix, start_after=start_after)]


def trash(store: ObjectStore, prefix: str = "") -> list[tuple[str, int]]:
    """Return names and generations of deleted objects; none if the store keeps none."""
    if not isinstance(store, SupportsSoftDelete):
        return []
    return [(d.blob.name, d.blob.generation) for d in store.list_deleted(prefix)]


@dataclass(frozen=True)
class Watched:
    """A source that calls `look` before each of its pieces, and breaks at an offset."""

    data: bytes
    look: Callable[[], None] = lambda: None
    breaks_at: int | None = None

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return len(self.data)

    @property
    def crc32c(self) -> str:
        """Of all of it."""
        return BytesSource(self.data).crc32c

    def open(self) -> SourceReader:
        """Start reading at the first byte."""
        return _WatchedReader(self)


class _WatchedReader:
    def __init__(self, source: Watched) -> None:
        self._source = source
        self._position = 0

    def read(self, size: int, /) -> bytes:
        self._source.look()
        end = self._position + min(size, 1000)
        if self._source.breaks_at is not None and end > self._source.breaks_at:
            raise SourceChangedError("changed")
        piece = self._source.data[self._position : end]
        self._position += len(piece)
        return piece

    def seek(self, offset: int) -> None:
        self._position = offset

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Corrupted:
    """A source whose bytes are not those of its checksum."""

    data: bytes
    crc32c: str = "AAAAAA=="

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return len(self.data)

    def open(self) -> SourceReader:
        """Start reading at the first byte."""
        return BytesSource(self.data).open()


def race(count: int, step: Callable[[int], BlobInfo | None]) -> list[BlobInfo]:
    """Take the step `count` times at once; return what the winners got."""
    barrier = Barrier(count)

    def run(number: int) -> BlobInfo | None:
        barrier.wait(_PATIENCE_S)
        try:
            return step(number)
        except PreconditionFailedError:
            return None

    with ThreadPoolExecutor(count) as pool:
        return [blob for blob in pool.map(run, range(count)) if blob is not None]
