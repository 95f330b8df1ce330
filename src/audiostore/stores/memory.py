"""A store in memory, for tests: ours, and those of programs that use audiostore."""

import base64
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO

import google_crc32c

from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.model import BlobInfo, with_metadata
from audiostore.source import Source, encode_crc32c
from audiostore.store import (
    BlobReader,
    BlobSpec,
    Finding,
    TransferListener,
    Transferred,
    spec_of,
)

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Blob:
    info: BlobInfo
    data: bytes


class MemoryStore:
    """Objects in a dictionary; gone with the process. Safe to use from many threads."""

    def __init__(self, name: str = "memory") -> None:
        self._name = name
        self._blobs: dict[str, _Blob] = {}
        self._lock = threading.Lock()
        self._last_generation = 0

    @property
    def url(self) -> str:
        """``memory://name``."""
        return f"memory://{self._name}"

    def uri(self, name: str) -> str:
        """Return ``memory://name/object``."""
        return f"{self.url}/{name}"

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        """Write an object (see `ObjectStore.put`)."""
        self._require_generation(spec.name, if_generation_match)
        data = bytearray()
        with closing(source.open()) as reader:
            while piece := reader.read(_PIECE_BYTES):
                data += piece
                if on_transfer:
                    on_transfer(Transferred(len(data), 0))
        return self._commit(spec, bytes(data), if_generation_match)

    def open(self, blob: BlobInfo, *, start: int = 0) -> BlobReader:
        """Read an object (see `ObjectStore.open`)."""
        stream = BytesIO(self._get_generation(blob).data)
        stream.seek(start)
        return stream

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description."""
        return self._get(name).info

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix in the order of their names' bytes."""
        with self._lock:
            names = [n for n in self._blobs if n.startswith(prefix)]
        after = start_after.encode()
        for name in sorted(names, key=str.encode):
            blob = self._blobs.get(name)
            if blob is not None and name.encode() > after:
                yield blob.info

    def update(self, blob: BlobInfo, metadata: Mapping[str, str | None]) -> BlobInfo:
        """Set custom metadata keys (see `ObjectStore.update`)."""
        with self._lock:
            found = self._get(blob.name)
            present = found.info
            if (present.generation, present.metageneration) != (
                blob.generation,
                blob.metageneration,
            ):
                raise PreconditionFailedError(f"{self.uri(blob.name)} was changed meanwhile")
            info = with_metadata(present, metadata)
            self._blobs[blob.name] = _Blob(info, found.data)
        return info

    def copy(self, source: BlobInfo, target: str, *, if_generation_match: int = 0) -> BlobInfo:
        """Copy an object (see `ObjectStore.copy`)."""
        blob = self._get_generation(source)
        spec = spec_of(blob.info, target)
        return self._commit(spec, blob.data, if_generation_match)

    def delete(self, blob: BlobInfo) -> None:
        """Delete an object (see `ObjectStore.delete`)."""
        with self._lock:
            self._get(blob.name)
            self._require_generation(blob.name, blob.generation)
            del self._blobs[blob.name]

    def diagnose(self) -> Iterator[Finding]:
        """Say that memory is always ready."""
        yield Finding("store", ok=True, detail=f"{self.url}, gone with this process")

    def close(self) -> None:
        """Keep everything: the objects live as long as this store."""

    def _commit(self, spec: BlobSpec, data: bytes, if_generation_match: int) -> BlobInfo:

        with self._lock:
            self._require_generation(spec.name, if_generation_match)
            now = datetime.now(UTC)
            generation = max(int(now.timestamp() * 1e6), self._last_generation + 1)
            self._last_generation = generation
            info = BlobInfo(
                name=spec.name,
                size_bytes=len(data),
                content_type=spec.content_type,
                crc32c=encode_crc32c(google_crc32c.value(data)),
                generation=generation,
                metageneration=1,
                storage_class="STANDARD",
                created_at=now,
                md5_hash=base64.b64encode(
                    hashlib.md5(data, usedforsecurity=False).digest()
                ).decode(),
                metadata=dict(spec.metadata),
                cache_control=spec.cache_control,
                content_disposition=spec.content_disposition,
            )
            self._blobs[spec.name] = _Blob(info, data)
        return info

    def _get(self, name: str) -> _Blob:
        try:
            return self._blobs[name]
        except KeyError:
            raise BlobNotFoundError(f"no object {self.uri(name)}") from None

    def _get_generation(self, blob: BlobInfo) -> _Blob:
        found = self._get(blob.name)
        if found.info.generation != blob.generation:
            raise BlobNotFoundError(f"no {self.uri(blob.name)} of generation {blob.generation}")
        return found

    def _require_generation(self, name: str, generation: int) -> None:
        blob = self._blobs.get(name)
        present = blob.info.generation if blob else 0
        if present != generation:
            raise PreconditionFailedError(
                f"{self.uri(name)} has generation {present}, not {generation} (0: does not exist)"
            )
