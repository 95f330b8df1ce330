"""Small objects that are written once: JSON, and JSON Lines."""

import json
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from audiostore.errors import IntegrityError, PreconditionFailedError
from audiostore.files import NewFile, explained
from audiostore.localfiles import LocalFile, OpenFile
from audiostore.sources import BytesSource, Source
from audiostore.stores import BlobSpec, ObjectStore, fetch_checked, has_content
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
    return _put(store, name, BytesSource(data), metadata or {})


def _put(store: ObjectStore, name: str, source: Source, metadata: Mapping[str, str]) -> bool:
    spec = BlobSpec(name, "application/x-ndjson", metadata, cache_control="no-store")
    try:
        store.put(spec, source)
    except PreconditionFailedError:
        return False
    return True


def create_spooled(
    store: ObjectStore, name: str, lines: Iterable[Fields], metadata: Mapping[str, str]
) -> bool:
    """Create an object of any number of JSON lines, in constant memory; see `create`.

    Raises:
        OSError: the directory for temporary files is full, or cannot be written to.
    """
    with _temporary_file() as (folder, stream):
        with explained(folder):
            for line in lines:
                stream.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            stream.flush()
        source = OpenFile(LocalFile.of_open(folder, stream.fileno()), stream)
        return _put(store, name, source, metadata)


def read_spooled(store: ObjectStore, blob: BlobInfo) -> Generator[Fields, None, None]:
    """Yield the lines of an object that `create_spooled` has written, once it is verified.

    Raises:
        IntegrityError: it has other bytes than it should, or is something else.
        OSError: the directory for temporary files is full, or cannot be written to.
    """
    with _temporary_file() as (folder, stream):
        with explained(folder):
            fetch_checked(store, blob, NewFile(folder, stream.fileno()))
        stream.seek(0)
        for line in stream:
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise damaged(store, blob.name) from error
            if not isinstance(fields, dict):
                raise damaged(store, blob.name)
            yield fields


@contextmanager
def _temporary_file() -> Iterator[tuple[Path, BinaryIO]]:
    folder = Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(prefix="audiostore-fleet-", dir=folder) as stream:
        yield folder, cast("BinaryIO", stream)


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
