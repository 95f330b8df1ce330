"""Uploads in steps: bytes wait under ``incoming/``, until they are inspected and become an asset.

All there is to know of an upload is in the store, so that any process can go on with it:

- ``incoming/{id}/upload.json``: what was announced;
- ``incoming/{id}/content``: the bytes, in a bucket, where a resumable session creates it;
- ``incoming/{id}/{offset}``: pieces of them, in a store without sessions, where this service takes
  them. Each is created where the one before ends, so that of two writers one wins.

The id of the upload is that of the asset: completed again, it is found.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, BinaryIO, Final, cast

from audiostore.asset import FilenameGenerator, FileOrganizer
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import (
    AssetNotFoundError,
    AudioStoreError,
    BlobNotFoundError,
    PreconditionFailedError,
    SourceChangedError,
    UnsupportedByStoreError,
)
from audiostore.files import explained
from audiostore.ingest import Spool, StoredFile
from audiostore.manager import AudioStorageManager
from audiostore.serve.problems import RefusedError, status_of
from audiostore.sources import BytesSource, decode_crc32c, encode_crc32c, shifted_crc32c
from audiostore.stores import BlobSpec, StoredSource, has_content
from audiostore.values import BlobInfo, PathLike, StorageResult

_NOTE: Final = "upload.json"
_CONTENT: Final = "content"
_OFFSET_DIGITS: Final = 15
_READ_BYTES: Final = 1 << 20
_MOST_NOTE_BYTES: Final = 256 << 10
_MEMBERS: Final[Mapping[str, Any]] = {
    "filename": str,
    "size_bytes": int,
    "content_type": str,
    "crc32c": str | None,
    "metadata": dict,
    "fix_extension": bool,
    "owner": str,
}
"""Of a note, by their types."""
_REFUSED: Final = (415, 422)
"""The statuses of errors that the same bytes would always meet."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a client says of a file before it sends it."""

    filename: str
    size_bytes: int
    content_type: str = "application/octet-stream"
    crc32c: str | None = None
    """None: the client does not say."""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    fix_extension: bool = False
    owner: str = ""
    """The user whose upload it is; "": everybody's."""

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types; the class takes them again."""
        return {
            "filename": self.filename,
            "size_bytes": self.size_bytes,
            "content_type": self.content_type,
            "crc32c": self.crc32c,
            "metadata": dict(self.metadata),
            "fix_extension": self.fix_extension,
            "owner": self.owner,
        }


@dataclass(frozen=True, slots=True)
class Staged:
    """An upload that is not complete."""

    upload_id: str
    note: BlobInfo
    announced: Announced
    content: tuple[BlobInfo, ...]
    """What has arrived: one object, or the pieces in order, without a gap."""

    @property
    def received_bytes(self) -> int:
        """How many bytes have arrived."""
        return sum(blob.size_bytes for blob in self.content)

    @property
    def is_whole(self) -> bool:
        """Whether all have."""
        return self.received_bytes == self.announced.size_bytes

    @property
    def crc32c(self) -> str | None:
        """The checksum of what has arrived; None: the store does not tell."""
        total = 0
        for blob in self.content:
            if blob.crc32c is None:
                return None
            total = shifted_crc32c(total, blob.size_bytes) ^ decode_crc32c(blob.crc32c)
        return encode_crc32c(total)


class Staging:
    """The uploads of a store that are not complete. Every method blocks."""

    def __init__(self, manager: AudioStorageManager) -> None:
        self._manager = manager
        self._store = manager.store

    def begin(self, announced: Announced, *, origin: str | None) -> tuple[str, str | None]:
        """Begin an upload.

        Args:
            announced: what will be sent.
            origin: of the web page that sends it; None: it is no page.

        Returns:
            its id, and the URL of a session of the bucket, to send it to; None: bring it here.
        """
        upload_id = FilenameGenerator.generate_audio_id()
        note = BytesSource(json.dumps(announced.to_dict()).encode())
        self._put(BlobSpec(_name(upload_id, _NOTE), "application/json"), note)
        session = self._store.open_session(
            BlobSpec(_name(upload_id, _CONTENT), announced.content_type),
            announced.size_bytes,
            crc32c=announced.crc32c,
            origin=origin,
        )
        return upload_id, session

    def find(self, upload_id: str, owner: str) -> Staged:
        """Return an upload of this user.

        Raises:
            BlobNotFoundError: there is none: it is complete, was ended, or somebody else's.
        """
        prefix = _name(upload_id, "")
        found = {blob.name.removeprefix(prefix): blob for blob in self._store.list(prefix)}
        note = found.pop(_NOTE, None)
        if note is None or note.size_bytes > _MOST_NOTE_BYTES:
            raise _not_found(upload_id)
        with closing(self._store.open(note)) as reader:
            data = b"".join(iter(lambda: reader.read(_READ_BYTES), b""))
        announced = _announced(data)
        if announced is None or announced.owner != owner:
            raise _not_found(upload_id)
        if _CONTENT in found:
            return Staged(upload_id, note, announced, (found[_CONTENT],))
        return Staged(upload_id, note, announced, tuple(_pieces(found)))

    def add(self, staged: Staged, data: bytes) -> Staged:
        """Append bytes to what has arrived; they are kept from then on.

        Raises:
            PreconditionFailedError: another request has appended meanwhile.
        """
        offset = staged.received_bytes
        name = _name(staged.upload_id, f"{offset:0{_OFFSET_DIGITS}d}")
        blob = self._put(BlobSpec(name, "application/octet-stream"), BytesSource(data))
        return replace(staged, content=(*staged.content, blob))

    def _put(self, spec: BlobSpec, source: BytesSource) -> BlobInfo:
        try:
            return self._store.put(spec, source)
        except PreconditionFailedError:
            found = self._store.stat(spec.name)
            if not has_content(found, source):
                raise
            return found  # an earlier response was lost

    def require_intact(self, staged: Staged) -> None:
        """Compare what has arrived with what was announced; if it differs, end the upload.

        Raises:
            RefusedError: it differs (422).
        """
        stated = staged.announced.crc32c
        if staged.crc32c in (stated, None) or stated is None:
            return
        self.remove(staged)
        raise RefusedError(
            422,
            f"the bytes arrived with crc32c {staged.crc32c}, and {stated} was announced: they were "
            "removed. Send the file again",
            kind="IntegrityError",
        )

    def complete(self, upload_id: str, owner: str) -> StorageResult:
        """Inspect what has arrived, and store it as an asset; then remove it.

        The asset is committed like every other one (`Uploads.run`); in a bucket, its service copies
        the bytes. Killed at any instant, the same call completes it, and completed before, it
        returns the asset.

        Raises:
            AssetNotFoundError: there is neither such an upload nor such an asset.
            RefusedError: not all bytes have arrived (409).
            AudioStoreError: as for any upload; if the file is refused, it is removed.
        """
        try:
            return self._complete(upload_id, owner)
        except (SourceChangedError, BlobNotFoundError):
            # Another call has just completed it, and removed what this one was about to read.
            return self._complete(upload_id, owner)

    def _complete(self, upload_id: str, owner: str) -> StorageResult:
        try:
            staged = self.find(upload_id, owner)
        except BlobNotFoundError:
            return self._stored(upload_id)
        if not staged.is_whole:
            with suppress(AssetNotFoundError):
                stored = self._stored(upload_id)  # by a call that was killed while it removed
                self.remove(staged)
                return stored
            raise RefusedError(
                409,
                f"{staged.received_bytes:,} of {staged.announced.size_bytes:,} bytes have arrived: "
                "send the rest first",
                kind="UploadIncomplete",
            )
        self.require_intact(staged)
        announced = staged.announced
        try:
            with self._opened(staged) as file:
                result = self._manager.upload_audio_file(
                    file,
                    audio_id=upload_id,
                    filename=announced.filename,
                    metadata=announced.metadata or None,
                    fix_extension=announced.fix_extension,
                )
        except AudioStoreError as error:
            if status_of(error) in _REFUSED:
                self.remove(staged)
            raise
        try:
            self.remove(staged)
        except (AudioStoreError, OSError) as error:
            warning = f"its upload could not be removed, which a check will do: {error}"
            return replace(result, warnings=(*result.warnings, warning))
        return result

    def remove(self, staged: Staged) -> None:
        """Remove what has arrived, and last what was announced."""
        for blob in (*staged.content, staged.note):
            with suppress(BlobNotFoundError):
                self._store.delete(blob)
        if staged.content and not staged.content[0].name.endswith(_CONTENT):
            self._purge(_name(staged.upload_id, ""))

    def _purge(self, prefix: str) -> None:
        """Free the disk of what was never an asset; a bucket keeps it as its settings say."""
        for deleted in list(self._store.list_deleted(prefix)):
            with suppress(BlobNotFoundError, UnsupportedByStoreError):
                self._store.purge(deleted)

    def _stored(self, upload_id: str) -> StorageResult:
        return self._manager.get(upload_id)

    @contextmanager
    def _opened(self, staged: Staged) -> Iterator[PathLike]:
        """Yield the file: as a bucket holds it, or put together from its pieces."""
        announced, first = staged.announced, staged.content[0]
        if first.name.endswith(_CONTENT):
            yield StoredFile(StoredSource(self._store, first), filename=announced.filename)
            return
        folder = tempfile.gettempdir()
        with ExitStack() as files:
            with explained(folder):
                stream = files.enter_context(tempfile.TemporaryFile(prefix="audiostore-"))
            spool = Spool(
                cast("BinaryIO", stream),
                folder,
                announced.filename,
                size_bytes=announced.size_bytes,
                max_bytes=announced.size_bytes,
            )
            for blob in staged.content:
                with closing(StoredSource(self._store, blob).open()) as reader:
                    while piece := reader.read(_READ_BYTES):
                        spool.add(piece)
            yield spool.finish(announced.filename, is_named=True)


def _announced(data: bytes) -> Announced | None:
    """Return what a note says; None if it is not one of ours."""
    try:
        given = json.loads(data)
    except ValueError:
        return None
    if not isinstance(given, dict) or given.keys() != _MEMBERS.keys():
        return None
    is_valid = all(isinstance(given[name], kind) for name, kind in _MEMBERS.items())
    return Announced(**given) if is_valid else None


def _pieces(found: Mapping[str, BlobInfo]) -> Iterator[BlobInfo]:
    """Yield the pieces from the first byte on, as far as they join."""
    offset = 0
    while (blob := found.get(f"{offset:0{_OFFSET_DIGITS}d}")) is not None and blob.size_bytes:
        yield blob
        offset += blob.size_bytes


def _name(upload_id: str, what: str) -> str:
    return f"{FileOrganizer.INCOMING_ROOT}/{upload_id}/{what}"


def _not_found(upload_id: str) -> BlobNotFoundError:
    return BlobNotFoundError(
        f"no upload {upload_id} is open here: it was completed or cancelled, or belongs to "
        "somebody else"
    )
