"""Serves stored objects: as seekable files, and as signed URLs."""

import io
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from typing import BinaryIO, cast

import google_crc32c

from audiostore.dataclass import dataclass
from audiostore.errors import BlobNotFoundError, IntegrityError, shown
from audiostore.forking import ForkSafeLock
from audiostore.sources import encode_crc32c
from audiostore.stores import BlobReader, ObjectStore, require_checksum
from audiostore.values import BlobInfo, same_bytes

MAX_EXPIRES_S = 7 * 24 * 3600
"""The longest life of a V4 URL (cloud.google.com/storage/docs/access-control/signed-urls)."""

_FIRST_RANGE_BYTES = 256 << 10
_LARGEST_RANGE_BYTES = 16 << 20
_BUFFER_BYTES = 128 << 10
_CACHED_URLS = 10_000


def open_blob(store: ObjectStore, blob: BlobInfo) -> BinaryIO:
    """Return an object as a buffered, seekable binary file.

    It reads the generation that `blob` describes, or one with the same bytes (such as the object
    gets in another storage class), and no other. It requests ranges, which grow while the file is
    read in order. If the file is read in order from its first byte to its last, its checksum is
    verified, and the last read raises IntegrityError if it differs.

    Raises:
        UnreadableBlobError: the store does not tell its checksum.
    """
    require_checksum(store, blob)
    raw = cast(io.RawIOBase, _RawBlob(store, blob))
    return cast(BinaryIO, io.BufferedReader(raw, _BUFFER_BYTES))


class BlobRanges:
    """Reads ranges of an object, each by a request of its own: none is kept open in between.

    It reads the generation that `blob` describes, or one with the same bytes, and no other. Safe to
    use from many threads, one after the other.

    Raises:
        UnreadableBlobError: the store does not tell its checksum.
    """

    def __init__(self, store: ObjectStore, blob: BlobInfo) -> None:
        require_checksum(store, blob)
        self._store = store
        self._blob = blob
        self._crc = self._checked_bytes = 0

    @property
    def size_bytes(self) -> int:
        """The size of the object."""
        return self._blob.size_bytes

    def read(self, start: int, stop: int) -> bytes:
        """Return all bytes of a range.

        Raises:
            IntegrityError: all bytes of the object were read in order, and their checksum differs.
        """
        reader, self._blob = _open_range(self._store, self._blob, start, stop)
        with closing(reader):
            data = b"".join(iter(lambda: reader.read(_BUFFER_BYTES), b""))
        if start == self._checked_bytes:
            self._crc = google_crc32c.extend(self._crc, data)
            self._checked_bytes += len(data)
            _require_same_crc(self._store, self._blob, self._checked_bytes, self._crc)
        return data


def _open_range(
    store: ObjectStore, blob: BlobInfo, start: int, stop: int
) -> tuple[BlobReader, BlobInfo]:
    """Open a range of an object; return a reader, and the generation that it reads."""
    try:
        return store.open(blob, start=start, stop=stop), blob
    except BlobNotFoundError:
        found = store.stat(blob.name)
        if not same_bytes(found, blob):
            raise
        # The same bytes, in another storage class or restored from the trash.
        return store.open(found, start=start, stop=stop), found


def _require_same_crc(store: ObjectStore, blob: BlobInfo, read_bytes: int, crc: int) -> None:
    """Compare the checksum of an object with that of its bytes, once all of them were read.

    Raises:
        IntegrityError: it differs.
    """
    if read_bytes == blob.size_bytes and encode_crc32c(crc) != blob.crc32c:
        raise IntegrityError(
            f"{store.uri(blob.name)} was received with wrong bytes (crc32c {encode_crc32c(crc)}, "
            f"not {blob.crc32c}): try again; if that repeats, the stored object is damaged"
        )


class _RawBlob(io.RawIOBase):
    """The bytes of one generation, a range at a time."""

    def __init__(self, store: ObjectStore, blob: BlobInfo) -> None:
        super().__init__()
        self.name = store.uri(blob.name)
        self._store = store
        self._blob = blob
        self._position = 0
        self._reader: BlobReader | None = None
        self._reader_at = 0
        self._range_bytes = _FIRST_RANGE_BYTES
        self._crc = 0
        self._checked_bytes = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        self._require_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._require_open()
        origins = {
            io.SEEK_SET: 0,
            io.SEEK_CUR: self._position,
            io.SEEK_END: self._blob.size_bytes,
        }
        if whence not in origins:
            raise ValueError(f"whence is {shown(whence)}: it must be 0, 1 or 2")
        position = origins[whence] + offset
        if position < 0:
            raise ValueError(f"cannot seek to {position}, before the beginning of {self.name}")
        self._position = position
        return position

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer
        self._require_open()
        view = memoryview(buffer).cast("B")
        if self._position >= self._blob.size_bytes or not view:
            return 0
        piece = self._read(len(view))
        view[: len(piece)] = piece
        self._check(piece)
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        self._stop_reading()
        super().close()

    def _read(self, size: int) -> bytes:
        if self._reader is not None and self._reader_at == self._position:
            piece = self._reader.read(size)
            if piece:
                self._reader_at += len(piece)
                return piece
            # The range was read to its end, and reading goes on: request a larger one.
            self._range_bytes = min(2 * self._range_bytes, _LARGEST_RANGE_BYTES)
        else:
            self._range_bytes = _FIRST_RANGE_BYTES
        self._stop_reading()
        stop = self._position + max(size, self._range_bytes)
        self._reader, self._blob = _open_range(self._store, self._blob, self._position, stop)
        piece = self._reader.read(size)
        self._reader_at = self._position + len(piece)
        return piece

    def _check(self, piece: bytes) -> None:
        if self._position != self._checked_bytes:
            return
        self._crc = google_crc32c.extend(self._crc, piece)
        self._checked_bytes += len(piece)
        _require_same_crc(self._store, self._blob, self._checked_bytes, self._crc)

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError(f"{self.name} is closed")


@dataclass(frozen=True, slots=True)
class _SignedUrl:
    url: str
    made_at: float


class SignedUrls:
    """Signed URLs, each reused until a tenth of its life is left.

    A URL names one generation of an object, so it is reused for that generation only, and the
    caller looks the object up each time (one request). The cache saves the signature: 1.7 ms of
    CPU time with a private key (measured, RSA of 2048 bits), or one more request with credentials
    that sign through IAM `signBlob`, which has a quota. See
    docs/decisions/0016-rooms-parts-and-one-commit.md.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._urls: OrderedDict[tuple[object, ...], _SignedUrl] = OrderedDict()
        self._lock = ForkSafeLock()

    def get(
        self, blob: BlobInfo, expires_s: int, download_as: str | None, sign: Callable[[], str]
    ) -> str:
        """Return the cached URL for these arguments, or a new one.

        Args:
            blob: the object, as just looked up.
            expires_s: the URL's lifetime in seconds.
            download_as: the file name that browsers save it under, if any.
            sign: returns a new URL.
        """
        now = self._clock()
        key = (blob.name, blob.generation, expires_s, download_as)
        with self._lock:
            known = self._urls.get(key)
        if known is not None and now - known.made_at < 0.9 * expires_s:
            return known.url
        signed = _SignedUrl(sign(), now)
        with self._lock:
            self._urls[key] = signed
            self._urls.move_to_end(key)
            while len(self._urls) > _CACHED_URLS:
                self._urls.popitem(last=False)
        return signed.url


def check_expires_s(expires_s: object) -> int:
    """Return the lifetime of a URL in seconds, if it is valid.

    Raises:
        ValueError: it is not a whole number of seconds from 1 second to 7 days.
    """
    is_number = isinstance(expires_s, int) and not isinstance(expires_s, bool)
    if not (isinstance(expires_s, int) and is_number and 1 <= expires_s <= MAX_EXPIRES_S):
        raise ValueError(
            f"expires_s is {shown(expires_s)}: it must be from 1 to {MAX_EXPIRES_S} seconds "
            "(seven days)"
        )
    return expires_s
