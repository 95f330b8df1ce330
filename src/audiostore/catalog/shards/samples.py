"""The content of a shard: its assets, and how they follow each other in a tar file.

::

    3f2b….mp3     the audio, byte for byte as it is stored
    3f2b….json    what is known of it: the columns of an export, custom metadata as an object
    3f2b….jpg     its artwork, if it is wanted and there is any

WebDataset groups what follows each other and has the same name up to the first dot, so an id, which
has none, is the key. Everything but the bytes of the store is fixed: no times, no owners.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from audiostore.asset import require_known
from audiostore.catalog.columns import row_of
from audiostore.dataclass import dataclass
from audiostore.errors import UnsupportedFormatError
from audiostore.values import BlobInfo, StorageResult

BLOCK_BYTES = 512
END = bytes(2 * BLOCK_BYTES)
"""The end of a tar file: two empty blocks."""
_MODE = 0o644
_UNKNOWN = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a sample whose bytes are in the store."""

    extension: str
    """``.mp3``."""
    name: str
    """Of the object."""
    generation: int
    size_bytes: int
    crc32c: str

    @property
    def blob(self) -> BlobInfo:
        """The object, as far as the plan tells: enough to read and verify it."""
        return BlobInfo(
            self.name, self.size_bytes, "", self.crc32c, self.generation, 0, "", _UNKNOWN
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """An asset as the plan has it, at the time when it was planned."""

    audio_id: str
    parts: tuple[Part, ...]
    """The audio, and its artwork if it is wanted; () if it is left out."""
    document: bytes
    """The content of its JSON file."""
    left_out: str | None = None
    """Why it is left out, if it is."""

    @classmethod
    def of(cls, asset: StorageResult, *, thumbnails: bool) -> "Sample | None":
        """Return an asset as a sample; None for artwork without its audio."""
        row = row_of(asset)
        if row is None:
            return None
        blobs = [asset.audio, asset.thumbnail if thumbnails else None]
        parts: list[Part] = []
        for blob in blobs:
            if blob is None:
                continue
            try:
                require_known(blob)
            except UnsupportedFormatError as error:
                return cls(asset.audio_id, (), b"", str(error))
            if blob.crc32c is None:
                why = f"{blob.name} cannot be read and verified: {blob.unreadable}"
                return cls(asset.audio_id, (), b"", why)
            extension = f".{blob.name.rpartition('.')[2]}"
            parts.append(Part(extension, blob.name, blob.generation, blob.size_bytes, blob.crc32c))
        fields: dict[str, Any] = {
            key: value.isoformat() if isinstance(value, datetime) else value
            for key, value in row.items()
        }
        fields["metadata"] = json.loads(fields["metadata"])
        return cls(asset.audio_id, tuple(parts), json.dumps(fields).encode() + b"\n")

    def line(self) -> bytes:
        """Return the sample as a line of a plan."""
        fields = {
            "id": self.audio_id,
            "left_out": self.left_out,
            "parts": [
                [each.extension, each.name, each.generation, each.size_bytes, each.crc32c]
                for each in self.parts
            ],
            "json": self.document.decode(),
        }
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "Sample":
        """Return what `line` has written.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        fields = json.loads(line)
        parts = tuple(Part(*part) for part in fields["parts"])
        return cls(fields["id"], parts, fields["json"].encode(), fields["left_out"])

    def files(self, gone: frozenset[str]) -> Iterator[tuple[str, bytes | Part]]:
        """Yield its files in a tar file by name: bytes, or what is to be read from the store.

        Args:
            gone: names of objects that the store does not have any more; without its audio, there
                is nothing.
        """
        if not self.parts or self.parts[0].name in gone:
            return
        audio, *others = self.parts
        yield self.audio_id + audio.extension, audio
        yield f"{self.audio_id}.json", self.document
        for part in others:
            if part.name not in gone:
                yield self.audio_id + part.extension, part

    @property
    def size_bytes(self) -> int:
        """How many bytes it takes in a tar file."""
        sizes = (size_of(content) for _, content in self.files(frozenset()))
        return sum(BLOCK_BYTES + size + padding(size) for size in sizes)


Samples = Callable[[], Iterable[Sample]]
"""Returns the samples of a shard, from the first one, as often as it is called."""


def size_of(content: bytes | Part) -> int:
    """Return the size of a file of a sample."""
    return len(content) if isinstance(content, bytes) else content.size_bytes


def padding(size_bytes: int) -> int:
    """Return how many bytes fill up the last block of a file."""
    return -size_bytes % BLOCK_BYTES


def header(name: str, size_bytes: int) -> bytes:
    """Return the block in front of a file in a tar file (POSIX.1-1988; from 8 GiB on GNU's)."""
    import tarfile  # noqa: PLC0415  (imports compression)

    info = tarfile.TarInfo(name)
    info.size, info.mode = size_bytes, _MODE
    return info.tobuf(tarfile.GNU_FORMAT)


def index_of(samples: Iterable[Sample], gone: frozenset[str]) -> tuple[bytes, int]:
    """Return the index of a tar file, and how many samples it has.

    A line for each sample, with four words for each of its files: extension, offset and size of the
    content, name. The first line has a version and the number of samples. That is the format which
    NVIDIA DALI reads (tools/wds2idx.py, v1.2).
    """
    lines: list[str] = []
    offset = 0
    for sample in samples:
        words: list[str] = []
        for name, content in sample.files(gone):
            size = size_of(content)
            offset += BLOCK_BYTES
            words += [name.partition(".")[2], str(offset), str(size), name]
            offset += size + padding(size)
        if words:
            lines.append(" ".join(words))
    text = "".join(f"{line}\n" for line in (f"v1.2 {len(lines)}", *lines))
    return text.encode(), len(lines)
