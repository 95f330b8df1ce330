"""Drawings of a waveform: as SVG, as PNG, and of its overview in characters. Pure functions."""

import struct
import zlib
from collections.abc import Sequence
from typing import Final

from audiostore.analysis.waveform import Waveform

WIDTH_PX: Final = 1200
HEIGHT_PX: Final = 256
_COLOR = (0x33, 0x66, 0x99)
_BLOCKS = " ▁▂▃▄▅▆▇█"
_PNG = b"\x89PNG\r\n\x1a\n"


def columns_of(waveform: Waveform, width: int = WIDTH_PX) -> list[tuple[int, int]]:
    """Return the smallest and the largest value of each column of a drawing, from -128 to 127."""
    points = waveform.points
    columns: list[tuple[int, int]] = []
    for index in range(width if points else 0):
        start = index * len(points) // width
        part = points[start : max((index + 1) * len(points) // width, start + 1)]
        columns.append((min(low for low, _ in part), max(high for _, high in part)))
    return columns


def to_svg(waveform: Waveform) -> str:
    """Return a waveform as SVG: one shape, in the color of the text around it."""
    columns = columns_of(waveform)
    middle = HEIGHT_PX // 2
    upper = [f"{x} {middle - max(high, 1)}" for x, (_, high) in enumerate(columns)]
    lower = [f"{x} {middle - min(low, -1)}" for x, (low, _) in enumerate(columns)]
    outline = "M" + "L".join([*upper, *reversed(lower)]) + "Z" if columns else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{HEIGHT_PX}"'
        f' viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" preserveAspectRatio="none">'
        f'<path fill="currentColor" d="{outline}"/></svg>\n'
    )


def to_png(waveform: Waveform) -> bytes:
    """Return a waveform as PNG, on a transparent ground (W3C PNG 3: palette, one bit a pixel)."""
    pixels = [bytearray(WIDTH_PX) for _ in range(HEIGHT_PX)]
    middle = HEIGHT_PX // 2
    for x, (low, high) in enumerate(columns_of(waveform)):
        for y in range(middle - max(high, 0), middle - min(low, 0) + 1):
            pixels[min(y, HEIGHT_PX - 1)][x] = 1
    rows = b"".join(b"\0" + _packed(row) for row in pixels)  # each row unfiltered
    header = struct.pack(">IIBBBBB", WIDTH_PX, HEIGHT_PX, 1, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", bytes((0xFF, 0xFF, 0xFF, *_COLOR))),
        (b"tRNS", b"\x00\xff"),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return _PNG + b"".join(_chunk(name, data) for name, data in chunks)


def _packed(row: bytearray) -> bytes:
    """Return pixels of one bit, eight a byte, the leftmost in the highest bit."""
    return int.to_bytes(int(row.translate(_DIGITS), 2), len(row) // 8, "big")


_DIGITS = b"01".ljust(256, b"1")


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def to_blocks(bars: Sequence[int], columns: int, rows: int = 2) -> list[str]:
    """Return an overview as lines of block characters, the upper one first.

    The highest bar fills all lines.

    Args:
        bars: the heights, from 0 to 63.
        columns: how many characters a line may have.
        rows: how many lines.
    """
    width = min(columns, len(bars))
    steps, highest = len(_BLOCKS) - 1, max(bars, default=0) or 1
    heights: list[int] = []
    for index in range(width):
        part = bars[index * len(bars) // width : (index + 1) * len(bars) // width]
        height = round(sum(part) * rows * steps / (len(part) * highest))
        heights.append(max(height, 1 if any(part) else 0))
    return [
        "".join(_BLOCKS[min(max(height - row * steps, 0), steps)] for height in heights)
        for row in reversed(range(rows))
    ]
