"""Stored bytes: written once in pieces, checksummed on the way, in memory only if small."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

SMALL = 64 * 1024


@dataclass(frozen=True)
class Blob:
    """Finished bytes: in memory, in a file, or (discarded) nowhere, with their checksums."""

    size: int
    crc32c: str
    md5_hash: str
    data: bytes | None = None
    path: Path | None = None

    def open(self) -> BinaryIO | None:
        """Open the bytes for reading; None if they were discarded."""
        if self.data is not None:
            return io.BytesIO(self.data)
        return None if self.path is None else self.path.open("rb")

    def clone(self) -> Blob:
        """Return the same bytes under separate ownership."""
        if self.path is None:
            return self
        twin = self.path.with_name(uuid.uuid4().hex)
        os.link(self.path, twin)
        return Blob(self.size, self.crc32c, self.md5_hash, None, twin)

    def remove(self) -> None:
        """Release the bytes; an open reader keeps them."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class BlobWriter:
    """Takes bytes in order and turns them into a `Blob`; `abort` leaves nothing."""

    def __init__(self, directory: Path, *, discard: bool = False) -> None:
        self._directory = directory
        self._discard = discard
        self._small = bytearray()
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._crc = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._finished = False
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Append one piece."""
        if not piece:
            return
        self.size += len(piece)
        self._crc = google_crc32c.extend(self._crc, piece)
        self._md5.update(piece)
        if self._discard:
            return
        if self._file is None and len(self._small) + len(piece) <= SMALL:
            self._small += piece
            return
        if self._file is None:
            self._path = self._directory / uuid.uuid4().hex
            self._file = self._path.open("wb")
            self._file.write(self._small)
            self._small = bytearray()
        self._file.write(piece)

    def finish(self) -> Blob:
        """Close and give the blob."""
        self._finished = True
        crc32c = base64.b64encode(self._crc.to_bytes(4, "big")).decode()
        md5_hash = base64.b64encode(self._md5.digest()).decode()
        if self._file is not None:
            self._file.close()
            return Blob(self.size, crc32c, md5_hash, None, self._path)
        return Blob(self.size, crc32c, md5_hash, None if self._discard else bytes(self._small))

    def abort(self) -> None:
        """Discard everything written; a finished blob owns its bytes."""
        if self._finished:
            return
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
