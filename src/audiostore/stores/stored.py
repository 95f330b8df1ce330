"""Bytes that a store holds already, as a source: copied by its service, or read from it."""

from collections.abc import Iterator
from contextlib import contextmanager

import google_crc32c

from audiostore.dataclass import dataclass
from audiostore.errors import BlobNotFoundError, SourceChangedError, UnreadableBlobError
from audiostore.sources import SourceReader, encode_crc32c
from audiostore.stores.capabilities import SupportsServerCopy
from audiostore.stores.protocol import BlobReader, ObjectStore
from audiostore.values import BlobInfo

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A source: one generation of an object in a store, perhaps in another one than its target.

    Example::

        source = StoredSource(old, old.stat("music/song.mp3"))
        new.put(BlobSpec("copy.mp3", "audio/mpeg"), source)  # in a bucket: no bytes pass through us

    Raises:
        UnreadableBlobError: its store does not report its checksum, as of an object that is
            encrypted with a customer-supplied key.
    """

    store: ObjectStore
    blob: BlobInfo

    def __post_init__(self) -> None:
        """Require a checksum: a copy must be compared with it."""
        if self.blob.crc32c is None:
            raise UnreadableBlobError(f"{self.uri} cannot be copied: {self.blob.unreadable}")

    @property
    def uri(self) -> str:
        """The URI of the object."""
        return self.store.uri(self.blob.name)

    @property
    def service(self) -> str | None:
        """The service of its store (see `SupportsServerCopy`)."""
        return service_of(self.store)

    @property
    def size_bytes(self) -> int:
        """The number of bytes."""
        return self.blob.size_bytes

    @property
    def crc32c(self) -> str:
        """Their CRC-32C."""
        return self.blob.crc32c or ""

    def open(self) -> SourceReader:
        """Start reading at the first byte.

        Raises:
            SourceChangedError: the generation is gone.
        """
        return _StoredReader(self)

    @contextmanager
    def noticing_changes(self) -> Iterator[None]:
        """Raise `SourceChangedError` if reading fails as the generation is gone."""
        try:
            yield
        except BlobNotFoundError as error:
            raise self.changed() from error

    def changed(self) -> SourceChangedError:
        """Return the error of a generation that is gone."""
        return SourceChangedError(
            f"{self.uri} was replaced or deleted since it was looked at (generation "
            f"{self.blob.generation} is gone): nothing was stored"
        )

    def damaged(self) -> SourceChangedError:
        """Return the error of bytes that came otherwise than the checksum says."""
        return SourceChangedError(
            f"{self.uri} was read with other bytes than its checksum says: nothing was stored"
        )


def service_of(store: ObjectStore) -> str | None:
    """Return the service that copies between this store and others; None if there is none."""
    return store.service if isinstance(store, SupportsServerCopy) else None


class _StoredReader:
    def __init__(self, source: StoredSource) -> None:
        self._source = source
        self._position = self._crc = 0
        self._reader = self._start()

    def read(self, size: int, /) -> bytes:
        with self._source.noticing_changes():
            piece = self._reader.read(size)
        self._position += len(piece)
        self._crc = google_crc32c.extend(self._crc, piece)
        is_end = self._position >= self._source.size_bytes
        if is_end and encode_crc32c(self._crc) != self._source.crc32c:
            raise self._source.damaged()
        return piece

    def seek(self, offset: int) -> None:
        # The checksum at the end covers all bytes, including those before the offset.
        if offset < self._position:
            self.close()
            self._reader = self._start()
        while self._position < offset:
            self.read(min(_PIECE_BYTES, offset - self._position))

    def close(self) -> None:
        self._reader.close()

    def _start(self) -> BlobReader:
        self._position = self._crc = 0
        with self._source.noticing_changes():
            return self._source.store.open(self._source.blob)
