"""A shard as bytes to store: a tar file that is made while it is read, and never held as a whole.

The size and the checksum of a tar file follow from those of the objects in it, so a store knows
both before the first byte, and a broken upload goes on at any byte.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import IO, Generic, TypeVar, cast

import google_crc32c

from audiostore.catalog.shards.samples import END, Part, Samples, header, padding, size_of
from audiostore.errors import AudioStoreError, BlobNotFoundError
from audiostore.files import explained
from audiostore.sources import SourceReader, decode_crc32c, encode_crc32c, shifted_crc32c
from audiostore.stores import ObjectStore, fetch_checked
from audiostore.values import BlobInfo, same_bytes

_READERS = 16
"""So many objects of a shard are read at once, ahead of their turn."""
_MAX_BYTES_AHEAD = 64 << 20
_IN_MEMORY_BYTES = 1 << 20
"""A larger object waits for its turn in a temporary file."""


T = TypeVar("T")


class GoneError(Exception):
    """An object of a sample is not in the store any more."""


class UnreadError(Exception):
    """An object of a sample could not be read; `__cause__` says why.

    No layer above repeats it: reading has its own retries.
    """


class ShardSource:
    """The bytes of a shard (see `audiostore.sources.Source`)."""

    def __init__(self, store: ObjectStore, samples: Samples, gone: frozenset[str]) -> None:
        """Compute size and checksum; nothing is read from the store.

        Args:
            store: has the objects.
            samples: of the shard.
            gone: the names of objects that the store does not have any more.
        """
        self._store = store
        self._samples = samples
        self._gone = gone
        size = crc = 0
        for content in self._pieces():
            size += size_of(content)
            if isinstance(content, bytes):
                crc = google_crc32c.extend(crc, content)
            else:
                crc = shifted_crc32c(crc, content.size_bytes) ^ decode_crc32c(content.crc32c)
        self.size_bytes = size
        self.crc32c = encode_crc32c(crc)

    def open(self) -> SourceReader:
        """Start reading at the first byte."""
        return _Reader(self._pieces, partial(fetch, self._store))

    def _pieces(self) -> Iterator[bytes | Part]:
        """Yield what the file consists of, in order: objects, and all that is between them."""
        between = b""
        for sample in self._samples():
            for name, content in sample.files(self._gone):
                size = size_of(content)
                between += header(name, size)
                if isinstance(content, bytes):
                    between += content
                else:
                    yield between
                    yield content
                    between = b""
                between += bytes(padding(size))
        yield between + END


class _Reader:
    """Reads a shard: what comes next is fetched ahead, in threads, and verified before its turn."""

    def __init__(
        self, pieces: Callable[[], Iterator[bytes | Part]], fetch: Callable[[Part], IO[bytes]]
    ) -> None:
        self._make_pieces = pieces
        self._fetch = fetch
        self._pool: DaemonPool[IO[bytes]] = DaemonPool(_READERS)
        self._ahead: deque[bytes | tuple[int, Future[IO[bytes]]]] = deque()
        self._bytes_ahead = 0
        self._position = 0
        self._pieces = pieces()
        self._current: IO[bytes] | None = None

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        Raises:
            GoneError: an object is not there any more.
            UnreadError: an object could not be read, or is damaged.
        """
        while True:
            if self._current is not None:
                if piece := self._current.read(size):
                    self._position += len(piece)
                    return piece
                self._current.close()
                self._current = None
            self._fill()
            if not self._ahead:
                return b""
            first = self._ahead.popleft()
            if isinstance(first, bytes):
                piece, rest = first[:size], first[size:]
                if rest:
                    self._ahead.appendleft(rest)
                self._position += len(piece)
                return piece
            size_bytes, future = first
            self._bytes_ahead -= size_bytes
            try:
                self._current = future.result()
            except GoneError:
                raise
            except Exception as error:
                raise UnreadError from error

    def seek(self, offset: int) -> None:
        """Continue at `offset`."""
        if offset == self._position:
            return
        self._drop()
        self._pieces = self._make_pieces()
        self._position = 0
        for content in self._pieces:
            size = size_of(content)
            if self._position + size > offset:
                self._put(content)
                break
            self._position += size
        while self._position < offset:
            self.read(offset - self._position)

    def close(self) -> None:
        """Release all resources."""
        self._drop()
        self._pool.close()

    def _fill(self) -> None:
        while len(self._ahead) < 4 * _READERS and self._bytes_ahead < _MAX_BYTES_AHEAD:
            content = next(self._pieces, None)
            if content is None:
                return
            self._put(content)

    def _put(self, content: bytes | Part) -> None:
        if isinstance(content, bytes):
            self._ahead.append(content)
            return
        self._bytes_ahead += content.size_bytes
        self._ahead.append((content.size_bytes, self._pool.submit(partial(self._fetch, content))))

    def _drop(self) -> None:
        """Forget what was read ahead."""
        if self._current is not None:
            self._current.close()
            self._current = None
        for each in self._ahead:
            if not isinstance(each, bytes):
                future = each[1]
                if not future.cancel():
                    future.add_done_callback(_close_result)
        self._ahead.clear()
        self._bytes_ahead = 0


class DaemonPool(Generic[T]):
    """Calls functions in threads that an interrupted program does not wait for."""

    def __init__(self, threads: int) -> None:
        """Start threads as they are needed, so many at most."""
        self._most = threads
        self._calls: SimpleQueue[tuple[Callable[[], T], Future[T]] | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def submit(self, call: Callable[[], T]) -> "Future[T]":
        """Call a function soon; by one thread at a time."""
        future: Future[T] = Future()
        self._calls.put((call, future))
        if len(self._threads) < self._most:
            self._threads.append(Thread(target=self._run, name="audiostore-shard", daemon=True))
            self._threads[-1].start()
        return future

    def close(self) -> None:
        """Let each thread end after its present call; do not wait."""
        for _ in self._threads:
            self._calls.put(None)

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            call, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001  (raised where the result is asked for)
                future.set_exception(error)


def _close_result(future: "Future[IO[bytes]]") -> None:
    if future.exception() is None:
        future.result().close()


class _Spool:
    """Takes the bytes of an object: in memory, if they are few."""

    def __init__(self) -> None:
        import tempfile  # noqa: PLC0415  (imports compression)

        self.folder = tempfile.gettempdir()
        self.file = cast(
            "IO[bytes]",
            tempfile.SpooledTemporaryFile(  # noqa: SIM115  (closed by the reader)
                _IN_MEMORY_BYTES, prefix="audiostore-shard-", dir=self.folder
            ),
        )

    def write(self, data: bytes) -> None:
        with explained(self.folder):
            self.file.write(data)

    def clear(self) -> None:
        self.file.seek(0)
        self.file.truncate()


def fetch(store: ObjectStore, part: Part) -> IO[bytes]:
    """Return the bytes of an object, verified, as a file to read from its start.

    Raises:
        GoneError: it is not there any more, with these bytes.
        IntegrityError: it was never received with the bytes that it should have.
        AudioStoreError, OSError: it cannot be read.
    """
    spool = _Spool()
    try:
        try:
            fetch_checked(store, part.blob, spool)
        except BlobNotFoundError:
            spool.clear()
            fetch_checked(store, current(store, part), spool)
    except BaseException as error:
        spool.file.close()
        if isinstance(error, BlobNotFoundError):
            raise GoneError from error
        if isinstance(error, AudioStoreError) and error.audio_id is None:
            error.audio_id = part.name.split("/")[1]
        raise
    spool.file.seek(0)
    return spool.file


def current(store: ObjectStore, part: Part) -> BlobInfo:
    """Return the present generation of an object, if it has the same bytes as the planned one.

    A change of the storage class, for example, makes another generation.

    Raises:
        BlobNotFoundError: it is gone, or was replaced.
    """
    found = store.stat(part.name)
    if not same_bytes(found, part.blob):
        raise BlobNotFoundError(f"{store.uri(part.name)} was replaced since the export was planned")
    return found
