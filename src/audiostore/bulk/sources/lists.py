"""Lists of file names, such as ``find -print0`` prints: read once, as they come."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources.directories import IgnoredPathListener
from audiostore.bulk.sources.folders import Search, SearchOptions
from audiostore.errors import InvalidSourceError
from audiostore.pathforms import on_disk

_MOST_BYTES = 64 << 10
"""Of a name. Linux allows 4,096."""
_PIECE_BYTES = 64 << 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def find_listed_items(
    names: Iterable[str],
    root: Path,
    on_ignored: IgnoredPathListener = lambda _: None,
    options: SearchOptions | None = None,
) -> Iterator[BulkItem]:
    """Yield an item for each audio file in a list, in its order.

    The files are chosen, and their covers found, as below a directory; what is not in the list is
    not looked at, except images, which may be covers of what is. A name that is given twice counts
    once. A file that does not exist is yielded, to fail when it is uploaded. The source path is
    relative to the root; a file outside of it has none.

    Memory: 16 bytes for each name, and the names in one directory.

    Args:
        names: paths, relative to the root or absolute; in any Unicode form.
        root: a directory.
        on_ignored: called with everything that is in the list and ignored.
        options: which files, and which covers; None: all, and the usual ones.
    """
    search = Search(options or SearchOptions(), on_ignored, root)
    seen: set[bytes] = set()
    for name in names:
        with suppress(InvalidSourceError):  # several: it fails when it is uploaded
            name = on_disk(name, root)  # noqa: PLW2901
        path = root / name
        digest = hashlib.blake2b(os.fsencode(path), digest_size=16).digest()
        if digest in seen:
            continue
        seen.add(digest)
        yield from search.listed(path)


def read_names(
    stream: BinaryIO, name: str, root: Path, *, null_separated: bool = False
) -> Iterator[str]:
    """Yield the names in a list, as they come.

    Without NULs, a name is a line: empty lines, and comments (after ``#`` or ``;``), are left out,
    and so is white space around a name (a carriage return, too), unless a file has the whole line
    as its name.

    Args:
        stream: the list, as bytes: names need not be valid text.
        name: of the list, for messages.
        root: the directory that the names are relative to.
        null_separated: each name ends with a NUL byte, and is taken as it is.

    Raises:
        InvalidSourceError: it is not such a list.
        OSError: it cannot be read.
    """
    for number, raw in enumerate(_split(stream, b"\0" if null_separated else b"\n", name), 1):
        if null_separated:
            if raw:
                yield os.fsdecode(raw)
            continue
        if b"\0" in raw:
            raise InvalidSourceError(
                f"{name}, line {number}: it has NUL bytes: the list is separated by these, or is "
                "not UTF-8 text",
            )
        line = os.fsdecode(raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw)
        stripped = line.strip()
        is_plain = stripped == line and not line.startswith(("#", ";"))
        if is_plain or os.path.lexists(root / line):
            if line:
                yield line
        elif stripped and not stripped.startswith(("#", ";")):
            yield stripped


def _split(stream: BinaryIO, separator: bytes, name: str) -> Iterator[bytes]:
    rest = b""
    while piece := _read(stream):
        *whole, rest = (rest + piece).split(separator)
        yield from whole
        if len(rest) > _MOST_BYTES:
            raise InvalidSourceError(f"{name} is not a list of file names: one has no end")
    if rest:
        yield rest


def _read(stream: BinaryIO) -> bytes:
    """Read what is there: of a pipe, without waiting for more."""
    read = getattr(stream, "read1", stream.read)
    piece: bytes = read(_PIECE_BYTES)
    return piece
