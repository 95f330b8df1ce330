"""Checked transfers: upload or download an object, and verify its bytes.

After a write, the size and checksum that the store reports are compared with those of the source;
after a download, those of the bytes received with what the store reports.
"""

import base64
import hashlib
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import NoReturn, Protocol

import google_crc32c

from audiostore.dataclass import dataclass
from audiostore.errors import (
    AssetConflictError,
    AudioStoreError,
    BlobNotFoundError,
    IntegrityError,
    PreconditionFailedError,
    UnreadableBlobError,
)
from audiostore.files import whole_file
from audiostore.log import logger
from audiostore.retry import Retry
from audiostore.sources import Source, encode_crc32c
from audiostore.stores.protocol import BlobSpec, ObjectStore, TransferListener, Transferred
from audiostore.stores.stored import StoredSource
from audiostore.values import BlobInfo

_PIECE_BYTES = 1 << 20
_VANISHED_ROUNDS = 3
_DAMAGED_ROUNDS = 3
"""A damaged download is repeated so often; what is damaged every time is stored so."""

IsOurs = Callable[[BlobInfo], bool]


class Sink(Protocol):
    """Takes the bytes of an object, in order."""

    def write(self, data: bytes, /) -> None:
        """Append bytes."""
        ...

    def clear(self) -> None:
        """Forget all of them, to start again."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """A stored object whose bytes were verified."""

    blob: BlobInfo
    created: bool
    """False if it existed already: written by an earlier attempt, or by another writer."""
    is_sent: bool
    """Whether this call sent all of its bytes. Otherwise size and crc32c alone say that they are
    those of the source, which proves nothing against someone who forges them; `has_bytes` does."""


def has_content(blob: BlobInfo, source: Source) -> bool:
    """Say whether the stored object is known to have the size and crc32c of the source."""
    return blob.size_bytes == source.size_bytes and blob.crc32c == source.crc32c


def require_checksum(store: ObjectStore, blob: BlobInfo) -> str:
    """Return the crc32c of an object.

    Raises:
        UnreadableBlobError: the store does not tell it.
    """
    if blob.crc32c is None:
        raise UnreadableBlobError(
            f"{store.uri(blob.name)} cannot be read and verified: {blob.unreadable}"
        )
    return blob.crc32c


def has_bytes(
    store: ObjectStore, blob: BlobInfo, source: Source, *, downloads: bool = True
) -> bool:
    """Say whether a stored object has the very bytes of the source, by more than a crc32c.

    A bucket's md5 is compared; where there is none, or the object is a local file, all bytes are.

    Args:
        store: the store.
        blob: the object.
        source: the bytes to compare it with.
        downloads: whether to read the objects of a bucket that have no md5; if not, their size and
            crc32c decide.

    Raises:
        SourceChangedError: the source has changed.
        BlobNotFoundError: this generation is gone.
    """
    if not has_content(blob, source):
        return False
    if not store.url.startswith("file:"):
        if blob.md5_hash is not None:
            return md5_of(source) == blob.md5_hash
        if not downloads:
            return True
    with closing(source.open()) as local, closing(store.open(blob)) as stored:
        return _digest(local.read, "sha256") == _digest(stored.read, "sha256")


def md5_of(source: Source) -> str:
    """Return the MD5 of a source, in base64 as a store has it; read it, unless a store tells.

    Raises:
        SourceChangedError: the source has changed.
    """
    if isinstance(source, StoredSource) and source.blob.md5_hash is not None:
        return source.blob.md5_hash
    with closing(source.open()) as reader:
        return base64.b64encode(_digest(reader.read, "md5")).decode("ascii")


def _digest(read: Callable[[int], bytes], algorithm: str) -> bytes:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while piece := read(_PIECE_BYTES):
        digest.update(piece)
    return digest.digest()


class _Watched:
    """Notices whether the store had some of the bytes before any were sent."""

    def __init__(self, report: TransferListener | None) -> None:
        self._report = report
        self._resumed: bool | None = None

    @property
    def is_resumed(self) -> bool:
        return bool(self._resumed)

    def __call__(self, transferred: Transferred) -> None:
        if self._resumed is None:
            self._resumed = transferred.accepted_bytes > 0
        if self._report:
            self._report(transferred)


def put_checked(
    store: ObjectStore,
    spec: BlobSpec,
    source: Source,
    *,
    is_ours: IsOurs,
    if_generation_match: int = 0,
    on_transfer: TransferListener | None = None,
) -> Written:
    """Write an object, and verify what was stored.

    Args:
        store: the target.
        spec: name, content type, metadata.
        source: the bytes.
        is_ours: says whether an object found under the name, with the same content, is the one
            that was to be written (its response was lost), and not another writer's.
        if_generation_match: 0 to create; else the generation to replace.
        on_transfer: called with the progress from time to time.

    Raises:
        AssetConflictError: another object has the name; it was left untouched.
        IntegrityError: other bytes were stored; that generation was removed again.
    """
    conflict = PreconditionFailedError()
    watched = _Watched(on_transfer)
    for _ in range(_VANISHED_ROUNDS):
        logger.debug("sending %d bytes to %s", source.size_bytes, store.uri(spec.name))
        try:
            blob = store.put(
                spec, source, if_generation_match=if_generation_match, on_transfer=watched
            )
        except PreconditionFailedError as error:
            conflict = error
            try:
                found = store.stat(spec.name)
            except BlobNotFoundError:
                if if_generation_match:
                    raise error from None
                continue  # the object in the way is gone
            if has_content(found, source) and is_ours(found):
                logger.debug("%s is already stored, with the same content", store.uri(spec.name))
                return Written(found, created=False, is_sent=False)
            if _is_damaged(found, spec) and not if_generation_match:
                _discard(store, found)
                continue
            raise AssetConflictError(
                f"cannot store {store.uri(spec.name)}: object exists (generation "
                f"{found.generation}, {found.size_bytes} bytes, crc32c "
                f"{found.crc32c or 'unknown'}) with other content than these {source.size_bytes} "
                f"bytes (crc32c {source.crc32c}), or for another use; it was not touched. Use "
                "another id, or delete the asset first"
            ) from error
        if not has_content(blob, source):
            blob = _looked_at_again(store, blob, source)
            if not (has_content(blob, source) and is_ours(blob)):
                _remove_damaged(store, blob, source)
        logger.debug("%s is stored and verified (%s)", store.uri(spec.name), blob.crc32c)
        return Written(blob, created=True, is_sent=not watched.is_resumed)
    raise conflict


def _looked_at_again(store: ObjectStore, blob: BlobInfo, source: Source) -> BlobInfo:
    """Return what is stored, if it is right after all: it may be the response that is damaged."""
    with suppress(AudioStoreError):
        found = store.stat(blob.name)
        if has_content(found, source):
            return found
    return blob


def _is_damaged(found: BlobInfo, spec: BlobSpec) -> bool:
    """Say whether an object should have the content to be written, but does not.

    An earlier writer stored wrong bytes, noticed, and could not remove them.
    """
    meant, present = spec.metadata.get("crc32c"), found.crc32c
    return None not in (meant, present) and found.metadata.get("crc32c") == meant != present


def _discard(store: ObjectStore, blob: BlobInfo) -> None:
    with suppress(BlobNotFoundError, PreconditionFailedError):  # deleted or replaced meanwhile
        store.delete(blob)


def _remove_damaged(store: ObjectStore, blob: BlobInfo, source: Source) -> NoReturn:
    what = "with wrong bytes" if blob.crc32c else "but cannot be verified"
    error = IntegrityError(
        f"{store.uri(blob.name)} was stored {what} ({blob.size_bytes} bytes, crc32c "
        f"{blob.crc32c or 'unknown'}, not {source.size_bytes} bytes, crc32c {source.crc32c}): "
        "local files are kept; try again"
    )
    if blob.unreadable:
        error.add_note(blob.unreadable)
    try:
        store.delete(blob)
    except (BlobNotFoundError, PreconditionFailedError):
        error.add_note(f"generation {blob.generation}, the damaged one, was already deleted")
    except Exception as failure:
        error.add_note(f"generation {blob.generation}, the damaged one, could not be removed")
        raise error from failure
    else:
        error.add_note(f"generation {blob.generation}, the damaged one, was removed")
    raise error


def get_checked(
    store: ObjectStore,
    blob: BlobInfo,
    destination: Path,
    *,
    on_received: Callable[[int], None] | None = None,
    on_retry: Callable[[Retry], None] | None = None,
) -> None:
    """Download one generation of an object to a file, which appears only whole and verified.

    The checksum is of all bytes together and cannot tell which are wrong: if it does not match, all
    are read again, from the same generation, three times in all.

    Args:
        store: the store to download from.
        blob: the object, as the store described it.
        destination: path of the file; an existing one is replaced in one step.
        on_received: called with the number of bytes received.
        on_retry: called before the bytes are read again; their number starts from 0.

    Raises:
        BlobNotFoundError: this generation is gone.
        UnreadableBlobError: the store does not tell its checksum.
        IntegrityError: the bytes received never match the checksum; no file was left.
        ValueError: the destination is a directory, a device or a pipe.
        OSError: the file cannot be written; no file was left.
    """
    if destination.exists() and not destination.is_file():
        raise ValueError(f"{str(destination)!r} is not a regular file: name another destination")
    require_checksum(store, blob)
    logger.debug("downloading %s", store.uri(blob.name))
    try:
        with whole_file(destination) as file:
            fetch_checked(store, blob, file, on_received, on_retry)
    except OSError as error:
        error.add_note(f"while downloading {store.uri(blob.name)} to {str(destination)!r}")
        raise


def fetch_checked(
    store: ObjectStore,
    blob: BlobInfo,
    file: Sink,
    on_received: Callable[[int], None] | None = None,
    on_retry: Callable[[Retry], None] | None = None,
) -> None:
    """Write one generation of an object to something empty, verified (see `get_checked`)."""
    operation = f"read {store.uri(blob.name)}"
    for attempt in count(1):
        size, crc32c = _read(store, blob, file, on_received)
        if (size, crc32c) == (blob.size_bytes, blob.crc32c):
            return
        error = IntegrityError(
            f"{store.uri(blob.name)} was received with wrong bytes ({size} bytes, crc32c {crc32c}, "
            f"not {blob.size_bytes} bytes, crc32c {blob.crc32c}): nothing was kept. Try again; if "
            "that repeats, the stored object is damaged"
        )
        if attempt == _DAMAGED_ROUNDS:
            error.add_note(f"while: {operation} (attempt {attempt})")
            raise error
        logger.warning("%s failed on attempt %d, next at once: %s", operation, attempt, error)
        if on_retry:
            on_retry(Retry(operation, attempt, 0.0, error))
        file.clear()


def _read(
    store: ObjectStore, blob: BlobInfo, file: Sink, on_received: Callable[[int], None] | None
) -> tuple[int, str]:
    """Write the bytes of an object to a file; return their number and crc32c."""
    size = crc = 0
    with closing(store.open(blob)) as reader:
        while piece := reader.read(_PIECE_BYTES):
            crc = google_crc32c.extend(crc, piece)
            size += len(piece)
            file.write(piece)
            del piece  # frees its memory for the next one
            if on_received:
                on_received(size)
    return size, encode_crc32c(crc)
