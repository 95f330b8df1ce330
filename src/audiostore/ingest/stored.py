"""Files that a store holds already: inspected by ranges, stored by a copy within the service."""

import os
import posixpath
from collections.abc import Iterator
from contextlib import closing, contextmanager

from audiostore.dataclass import dataclass
from audiostore.errors import InvalidSourceError
from audiostore.files import explained
from audiostore.ingest.options import UploadOptions
from audiostore.media import PartialFile
from audiostore.stores import StoredSource

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFile(os.PathLike[str]):
    """A file in a store, in place of the path of a local one; as a path, the name of its object.

    It is never fetched: what inspection needs of it is read, in blocks of 256 KiB, and its bytes
    are copied by the service, if that is the target's (`StoredSource`). So it cannot be decoded
    (``check="full"``) or rewritten (``faststart``), and gets no checksum of its audio data.
    """

    source: StoredSource
    storage_class: str | None = None
    """That of the new object, such as its own; None for the target's default."""
    kms_key: str | None = None
    """The Cloud KMS key of the new object; None for the target's default."""
    filename: str | None = None
    """The name of the file; None: the last part of the object's."""

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.filename or posixpath.basename(self.source.blob.name)

    def __fspath__(self) -> str:
        return self.source.blob.name

    @contextmanager
    def opened(self, options: UploadOptions) -> Iterator[PartialFile]:
        """Yield the file, to be inspected as an upload with these options does.

        Raises:
            InvalidSourceError: it is empty, or too large.
            ValueError: the options need all of its bytes.
            SourceChangedError: from a read: this generation is gone.
            OSError: the directory for temporary files is full, or cannot be written to.
        """
        if options.takes_all_bytes:
            what = "moving its index" if options.faststart else "decoding"
            raise ValueError(f"{what} needs all bytes of {self.source.uri}: fetch it instead")
        size_bytes, limit = self.source.size_bytes, options.max_size_bytes
        if not size_bytes:
            raise InvalidSourceError(f"{self.source.uri} is empty: there is nothing to store")
        if size_bytes > limit:
            raise InvalidSourceError(
                f"{self.source.uri} has {size_bytes:,} bytes: the limit is {limit:,}; pass a "
                "larger max_size_bytes to store it"
            )
        import tempfile  # noqa: PLC0415  (imports compression; only such files need it)

        folder = tempfile.gettempdir()
        with explained(folder), tempfile.TemporaryFile(prefix="audiostore-", dir=folder) as file:
            yield PartialFile(file.fileno(), size_bytes, self._fetch)

    def _fetch(self, start: int, stop: int) -> Iterator[bytes]:
        store, blob = self.source.store, self.source.blob
        with (
            self.source.noticing_changes(),
            closing(store.open(blob, start=start, stop=stop)) as reader,
        ):
            while piece := reader.read(_PIECE_BYTES):
                yield piece
