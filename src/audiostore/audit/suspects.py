"""What may be wrong by an inventory report alone, found in bounded memory whatever its order.

Rows are sorted into parts by their ids, in a temporary file of 16 bytes an object (32 with known
ones, and 32 for each of those); then each part fits into memory. What is looked for: objects of
other programs, empty ones, wrong content types and extensions, several objects of one kind in an
asset, and objects without their audio; sizes and checksums other than they were known to be.
"""

import os
import random
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any
from uuid import UUID

from audiostore.asset import AUDIO, DATA_TYPES, PARTS, FilenameGenerator, FileOrganizer, part_of
from audiostore.audit.known import Known
from audiostore.audit.reports import Rows
from audiostore.files import explained, write_all
from audiostore.media import format_of

if TYPE_CHECKING:
    from pyarrow import RecordBatch

_PARTITIONS = 256
_BLOCK_BYTES = 1 << 15
_WORDS = struct.Struct("=QQ")
_AUDIO = 0
_KINDS = {name: number for number, name in enumerate(sorted(PARTS, key=AUDIO.name.__ne__))}
"""The numbers of parts; the audio is first."""
_SUSPECT = len(_KINDS)
_ROOT = f"{FileOrganizer.AUDIO_ROOT}/"
_ID_LENGTH = 36
_ANY_ID = str(UUID(int=0))
_UNKNOWN = bytes(8)


class Suspects:
    """Collects the rows of a report; then yields what must be looked at."""

    def __init__(self, descriptor: int, prefix: str, *, has_known: bool = False) -> None:
        """Write to a temporary file that is open.

        Args:
            descriptor: of the file.
            prefix: of the names of the store's objects in its bucket: "", or with a slash.
            has_known: whether sizes and checksums are to be compared with known ones.
        """
        parts = _PARTITIONS * (_SUSPECT + 1)
        self._rows = _Partitions(descriptor, parts, "16s16s" if has_known else "16s")
        self._known = _Partitions(descriptor, parts, "16s16s")
        self._foreign = _Partitions(descriptor, 1)
        self._prefix = prefix
        self._root = prefix + _ROOT
        self._has_known = has_known
        self._multiplier = random.getrandbits(64) | 1
        self.assets = self.objects = 0

    def add_known(self, known: Iterable[Known]) -> None:
        """Add what objects are known to be."""
        for audio_id, part, size_bytes, crc32c in known:
            key = bytes.fromhex(audio_id.replace("-", ""))
            self._known.add(self._number(key, _KINDS[part]), key + _content(size_bytes, crc32c))

    def add(self, rows: "Rows | RecordBatch") -> None:
        """Add objects of a report; those that are not the store's are left out."""
        if not isinstance(rows, Rows):
            rows = self._add_batch(rows)
        root, at = self._root, len(self._root)
        end = at + _ID_LENGTH
        buffers = self._rows.buffers
        from_hex, validate = bytes.fromhex, FilenameGenerator.validate_uuid
        contents: Iterable[bytes] = repeat(b"")
        if self._has_known:
            contents = map(_content, rows.sizes, rows.checksums)
        for name, size_bytes, content_type, content in zip(
            rows.names, rows.sizes, rows.content_types, contents, strict=False
        ):
            if not name.startswith(root):
                continue
            self.objects += 1
            audio_id, tail = name[at:end], name[end:]
            if tail[:1] != "/" or not validate(audio_id):
                self._foreign.add(0, f"{name[len(self._prefix) :]}\n".encode())
                continue
            kind, types = _expected(tail)
            self.assets += kind == _AUDIO
            if not size_bytes or content_type not in types:
                kind = _SUSPECT
            key = from_hex(audio_id.replace("-", ""))
            buffer = buffers[self._number(key, kind)]
            buffer += key
            buffer += content
        self._rows.flush()

    def _add_batch(self, batch: "RecordBatch") -> Rows:
        """Add objects in Arrow; return those that are not in the folder of an asset."""
        from audiostore.audit import batches  # noqa: PLC0415  (pyarrow is an extra)

        ours, odd = batches.by_id(batch, self._root)
        if len(ours):
            named, kinds, records = batches.records(
                ours, len(self._root.encode()), _expected, _SUSPECT, has_content=self._has_known
            )
            self.objects += len(ours)
            self.assets += named.to_pylist().count(_AUDIO)
            for number, data in batches.parted(kinds, records, self._multiplier, _PARTITIONS):
                self._rows.add(number, data)
        return odd

    def _number(self, key: bytes, kind: int) -> int:
        """Return the number of the part for an object: by its kind and, evenly, by its id."""
        first, second = _WORDS.unpack(key)
        mixed: int = (first ^ second) * self._multiplier
        return kind * _PARTITIONS + (mixed >> 56) % _PARTITIONS

    def foreign_names(self) -> Iterator[str]:
        """Yield the names of objects that belong to no asset."""
        left = b""
        for block in self._foreign.blocks(0):
            *names, left = (left + block).split(b"\n")
            yield from (name.decode() for name in names)

    def audio_ids(self) -> Iterator[str]:
        """Yield the ids of the assets that must be looked at, each once, in no order."""
        for number in range(_PARTITIONS):
            audios: set[bytes] = set()
            found = {key for key, *_ in self._rows.records(_SUSPECT * _PARTITIONS + number)}
            for kind in _KINDS.values():
                records = list(self._rows.records(kind * _PARTITIONS + number))
                distinct = {record[0] for record in records}
                if len(distinct) < len(records):
                    counts = Counter(record[0] for record in records)
                    found.update(key for key, count in counts.items() if count > 1)
                if self._has_known:
                    known = dict(self._known.records(kind * _PARTITIONS + number))
                    found.update(k for k, content in records if _differs(content, known.get(k)))
                if kind == _AUDIO:
                    audios = distinct
                else:
                    found |= distinct - audios
            yield from sorted(str(UUID(bytes=each)) for each in found)


@contextmanager
def collecting(prefix: str, *, has_known: bool) -> Iterator[Suspects]:
    """Collect suspects, with a temporary file that no other process sees."""
    with tempfile.TemporaryFile(prefix="audiostore-check-", buffering=0) as file:
        yield Suspects(file.fileno(), prefix, has_known=has_known)


class _Partitions:
    """Records in parts, in blocks of one file."""

    def __init__(self, descriptor: int, parts: int, form: str = "") -> None:
        self._descriptor = descriptor
        self._form = form
        self.buffers = [bytearray() for _ in range(parts)]
        self._blocks: list[list[tuple[int, int]]] = [[] for _ in range(parts)]

    def add(self, number: int, records: bytes) -> None:
        self.buffers[number] += records
        if len(self.buffers[number]) >= _BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is enough for a block."""
        for buffer, blocks in zip(self.buffers, self._blocks, strict=True):
            if len(buffer) >= _BLOCK_BYTES:
                offset = os.lseek(self._descriptor, 0, os.SEEK_END)
                with explained(tempfile.gettempdir()):
                    write_all(self._descriptor, bytes(buffer))
                blocks.append((offset, len(buffer)))
                buffer.clear()

    def blocks(self, number: int) -> Iterator[bytes]:
        """Yield what a part has."""
        for offset, size in self._blocks[number]:
            yield os.pread(self._descriptor, size, offset)
        yield bytes(self.buffers[number])

    def records(self, number: int) -> Iterator[Any]:
        """Yield the records of a part, each a tuple."""
        return struct.iter_unpack(self._form, b"".join(self.blocks(number)))


def _content(size_bytes: int, crc32c: str | None) -> bytes:
    """Return size and checksum in 16 bytes."""
    checksum = (crc32c or "").encode()
    return size_bytes.to_bytes(8, sys.byteorder) + (checksum if len(checksum) == 8 else _UNKNOWN)


def _differs(found: bytes, known: bytes | None) -> bool:
    if known in (found, None):
        return False
    checksums = {found[8:], known[8:]}
    return found[:8] != known[:8] or (len(checksums) == 2 and _UNKNOWN not in checksums)


@lru_cache(maxsize=4096)
def _expected(tail: str) -> tuple[int, frozenset[str | None]]:
    """Return the kind of an object by what follows the id in its name, and its content types.

    Which of a format's types is right, its codec tells, which a report does not have.
    """
    part = part_of(f"{_ROOT}{_ANY_ID}{tail}")
    if part is None:
        return _SUSPECT, frozenset()
    if part.holds == "data":
        return _KINDS[part.name], frozenset((DATA_TYPES[tail[tail.rindex(".") :]],))
    found = format_of(tail, part.holds)
    if found is None:
        return _SUSPECT, frozenset()
    return _KINDS[part.name], frozenset(found.content_types)
