"""Moves the index of an MP4 file to the front, without loss.

A player needs the ``moov`` box before it can play the ``mdat`` boxes; if moov is last, it must
fetch the end of the file first. Moving moov to the front moves the sound back, so the chunk offsets
of every track grow by as much (ISO/IEC 14496-12, 8.7.5). Nothing else changes, not a byte.
"""

import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from audiostore.dataclass import dataclass
from audiostore.errors import UnplayableAudioError, UnsupportedFormatError

MAX_MOOV_BYTES: Final = 64 << 20
_MAX_BOXES = 100_000
_MAX_DEPTH = 4
"""moov, trak, mdia, minf, stbl."""
_PIECE_BYTES = 1 << 20
_OFFSET_32_MAX = 0xFFFF_FFFF
_PATH_TO_OFFSETS = frozenset((b"trak", b"mdia", b"minf", b"stbl"))


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    header_bytes: int
    end: int


def needs_faststart(stream: BinaryIO) -> bool:
    """Say whether an MP4 file has its index (moov) after its sound (mdat).

    False for fragmented files: each fragment has an index of its own.

    Raises:
        UnplayableAudioError: the boxes are broken, or the moov box is missing.
        UnsupportedFormatError: too many boxes stand before the moov box.
    """
    boxes = _top_boxes(stream)
    kinds = [box.kind for box in boxes]
    if b"moof" in kinds or b"mdat" not in kinds:
        return False
    if b"moov" not in kinds:
        raise UnplayableAudioError("it has no index (moov box): it was cut short")
    return kinds.index(b"moov") > kinds.index(b"mdat")


def write_faststart(source: BinaryIO, target: BinaryIO) -> None:
    """Copy an MP4 file with its index before its sound; the sound, tags and pictures stay as is.

    A file that has its index in front already is copied as is. Holds only the index in memory.

    Args:
        source: the file; seekable.
        target: where to write the copy, from its position on.

    Raises:
        UnsupportedFormatError: fragmented, with a compressed index, with one over
            `MAX_MOOV_BYTES` or of too many boxes, or with positions that cannot be adjusted.
        UnplayableAudioError: the boxes are broken.
    """
    if not needs_faststart(source):
        boxes = _top_boxes(source)
        if any(box.kind == b"moof" for box in boxes):
            raise UnsupportedFormatError("the MP4 file is fragmented: it needs no index in front")
        _copy(source, target, 0, boxes[-1].end)
        return
    boxes = _top_boxes(source)
    moovs = [box for box in boxes if box.kind == b"moov"]
    if len(moovs) > 1:
        raise UnplayableAudioError(f"it has {len(moovs)} indexes (moov boxes) instead of one")
    moov = moovs[0]
    if any(box.kind == b"meta" for box in boxes):
        raise UnsupportedFormatError(
            "the MP4 file has items besides its tracks (meta box), which cannot be adjusted"
        )
    first_mdat = next(box for box in boxes if box.kind == b"mdat")
    source.seek(moov.start + moov.header_bytes)
    size = moov.end - moov.start - moov.header_bytes
    if size > MAX_MOOV_BYTES:
        raise UnsupportedFormatError(
            f"the MP4 file's index has {size:,} bytes: the limit is {MAX_MOOV_BYTES:,}"
        )
    body = source.read(size)
    if len(body) != size:
        raise UnplayableAudioError("it was shortened while it was read")
    index = _moved_index(body, first_mdat.start, moov, boxes[-1].end)
    _copy(source, target, 0, first_mdat.start)
    target.write(index)
    _copy(source, target, first_mdat.start, moov.start)
    _copy(source, target, moov.end, boxes[-1].end)


def _moved_index(body: bytes, first_mdat: int, moov: _Box, file_end: int) -> bytes:
    for wide in (False, True):
        # The new size is needed to compute the offsets: rewrite once without moving to find it.
        size = 8 + len(_rewritten(memoryview(body), None, wide=wide, left=iter(range(_MAX_BOXES))))

        def moved(offset: int, size: int = size) -> int:
            if not 0 <= offset < file_end or moov.start <= offset < moov.end:
                raise UnplayableAudioError(
                    f"its index points to byte {offset:,}, where there is no sound"
                )
            if offset < first_mdat:
                return offset
            return offset + size - (moov.end - moov.start if offset >= moov.end else 0)

        try:
            left = iter(range(_MAX_BOXES))
            return _box(b"moov", _rewritten(memoryview(body), moved, wide=wide, left=left))
        except OverflowError:
            continue
    raise UnplayableAudioError("its index points beyond any file")


def _rewritten(
    body: memoryview,
    moved: Callable[[int], int] | None,
    *,
    wide: bool,
    left: Iterator[int],
    kind: bytes = b"moov",
    depth: int = 0,
) -> bytearray:
    # Boxes on the path to the offsets are rebuilt, all others are copied.
    if depth > _MAX_DEPTH:
        raise UnplayableAudioError("its boxes are nested too deeply")
    out = bytearray()
    rest_at = 0
    for box in _boxes(body, 0, left):
        content = body[box.start + box.header_bytes : box.end]
        rest_at = box.end
        if box.kind in (b"cmov", b"mvex", b"saio", b"iloc"):
            what = {b"cmov": "a compressed index", b"mvex": "fragments"}.get(
                box.kind, f"positions in a {box.kind.decode()} box"
            )
            raise UnsupportedFormatError(f"the MP4 file has {what}, which cannot be adjusted")
        if box.kind in _PATH_TO_OFFSETS:
            out += _box(
                box.kind,
                _rewritten(content, moved, wide=wide, left=left, kind=box.kind, depth=depth + 1),
            )
        elif kind == b"stbl" and box.kind in (b"stco", b"co64"):
            out += _offsets(box.kind, content, moved, wide=wide)
        else:
            if box.kind == b"meta" and _has_items(content, left):
                raise UnsupportedFormatError("the MP4 file has positions in an iloc box")
            out += body[box.start : box.end]
    out += body[rest_at:]  # QuickTime ends some lists of boxes with four zero bytes
    return out


def _has_items(meta: memoryview, left: Iterator[int]) -> bool:
    # QuickTime's meta box has no version and flags before its boxes.
    start = 0 if bytes(meta[4:8]) == b"hdlr" else 4
    return any(box.kind == b"iloc" for box in _boxes(meta, start, left))


def _offsets(
    kind: bytes, content: memoryview, moved: Callable[[int], int] | None, *, wide: bool
) -> bytes:
    code = "I" if kind == b"stco" else "Q"
    width = 4 if kind == b"stco" else 8
    count = int.from_bytes(content[4:8], "big") if len(content) >= 8 else -1
    if count < 0 or 8 + count * width > len(content):
        raise UnplayableAudioError(f"its index is broken: a {kind.decode()} box is cut short")
    offsets = array(code, bytes(content[8 : 8 + count * width]))
    if sys.byteorder == "little":
        offsets.byteswap()
    target = "Q" if wide or code == "Q" else "I"
    # OverflowError: more than 32 bits
    result = array(target, map(moved, offsets) if moved else offsets)
    if sys.byteorder == "little":
        result.byteswap()
    return _box(b"stco" if target == "I" else b"co64", bytes(content[:8]) + result.tobytes())


def _box(kind: bytes, content: bytes | bytearray) -> bytes:
    if len(content) + 8 > _OFFSET_32_MAX:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _boxes(body: memoryview, start: int, left: Iterator[int]) -> Iterator[_Box]:
    while start + 8 <= len(body):
        if next(left, None) is None:
            raise _too_many("in its index")
        yield (box := _box_at(body[start : start + 16], start, len(body)))
        start = box.end


def _too_many(where: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"the MP4 file has more than {_MAX_BOXES:,} boxes {where}: that is the limit"
    )


def _top_boxes(stream: BinaryIO) -> list[_Box]:
    end = stream.seek(0, os.SEEK_END)
    boxes: list[_Box] = []
    start = 0
    while start < end:
        if len(boxes) >= _MAX_BOXES:
            if all(box.kind != b"moov" for box in boxes):
                raise _too_many("before its index")
            boxes.append(_Box(b"", start, 0, end))  # keep these bytes
            break
        stream.seek(start)
        head = stream.read(16)
        try:
            boxes.append(_box_at(head, start, end))
        except (struct.error, UnplayableAudioError):
            if len(head) >= 8 and all(box.kind != b"moov" for box in boxes):
                raise
            boxes.append(_Box(b"", start, 0, end))  # not a whole box: keep these bytes
        start = boxes[-1].end
    if not boxes:
        raise UnplayableAudioError("it is empty")
    return boxes


def _box_at(head: bytes | memoryview, start: int, end: int) -> _Box:
    # ISO/IEC 14496-12, 4.2: size 1 means that 64 bits follow, 0 that the box ends with the file.
    size, kind = struct.unpack_from(">I4s", head)
    header = 8
    if size == 1 and len(head) >= 16:
        header, size = 16, int.from_bytes(head[8:16], "big")
    elif size == 0:
        size = end - start
    if size < header or start + size > end:
        raise UnplayableAudioError(
            f"its {kind.decode('latin-1')!r} box at byte {start:,} says {size:,} bytes, "
            f"and {end - start:,} are there: it was cut short"
        )
    return _Box(kind, start, header, start + size)


def _copy(source: BinaryIO, target: BinaryIO, start: int, end: int) -> None:
    source.seek(start)
    while start < end:
        piece = source.read(min(_PIECE_BYTES, end - start))
        if not piece:
            raise UnplayableAudioError("it was shortened while it was read")
        target.write(piece)
        start += len(piece)
