"""Small objects that are written once: JSON, and JSON Lines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from audiostore.errors import IntegrityError, PreconditionFailedError
from audiostore.sources import BytesSource
from audiostore.stores import BlobSpec, ObjectStore, has_content
from audiostore.values import BlobInfo

_PIECE_BYTES = 1 << 20
_MOST_BYTES = 256 << 20
"""Of an object that is read whole: more than any chunk has."""
Fields = Mapping[str, Any]
"""A JSON object."""


def create(
    store: ObjectStore,
    name: str,
    lines: Iterable[Fields],
    metadata: Mapping[str, str] | None = None,
) -> bool:
    """Create an object of JSON lines; return False if the name is taken."""
    data = "".join(f"{json.dumps(each, separators=(',', ':'))}\n" for each in lines).encode()
    spec = BlobSpec(name, "application/x-ndjson", metadata or {}, cache_control="no-store")
    try:
        store.put(spec, BytesSource(data))
    except PreconditionFailedError:
        return False
    return True


def read(store: ObjectStore, blob: BlobInfo) -> Sequence[Fields]:
    """Return the lines of an object that `create` has written.

    Raises:
        IntegrityError: it has other bytes than it should, or is something else.
    """
    if blob.size_bytes > _MOST_BYTES:
        raise damaged(store, blob.name)
    pieces = []
    with closing(store.open(blob)) as reader:
        while piece := reader.read(_PIECE_BYTES):
            pieces.append(piece)
    data = b"".join(pieces)
    if not has_content(blob, BytesSource(data)):
        raise IntegrityError(f"{store.uri(blob.name)} was read with a wrong checksum: try again")
    try:
        lines = [json.loads(line) for line in data.splitlines()]
    except (ValueError, RecursionError):
        lines = []
    if not lines or not all(isinstance(line, dict) for line in lines):
        raise damaged(store, blob.name)
    return lines


def damaged(store: ObjectStore, name: str) -> IntegrityError:
    """Return the error of an object that is not as this library writes it."""
    return IntegrityError(
        f"{store.uri(name)} is not what this release of audiostore writes there: it was written by "
        "another program, or by a newer release"
    )
