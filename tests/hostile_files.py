"""Small files that ask for a lot: memory, or time."""

import io
import struct
from pathlib import Path

from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"


def webp_of_one_colour(width: int, height: int) -> bytes:
    """A WebP of 28 bytes (RFC 9649, 3: five prefix codes of one symbol each)."""
    fields = [(width - 1, 14), (height - 1, 14), (0, 4), (0, 3), *[(1, 4)] * 5]
    bits = shift = 0
    for value, size in fields:
        bits |= value << shift
        shift += size
    body = b"\x2f" + bits.to_bytes(-(-shift // 8), "little")
    chunk = b"VP8L" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG of one colour, whose last scan comes again and again.

    A decoder takes as long for each of its scans as for a scan of a real picture of this size.
    """
    out = io.BytesIO()
    Image.new("L", (side, side), 100).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + data[-2:]


def flac_of_many_tags(path: Path) -> Path:
    """A FLAC whose tags take FFmpeg some 20 s: it compares each with all before it."""
    data = (EXAMPLES / "Lied für Ümläute.flac").read_bytes()
    tags = b"".join(struct.pack("<I", 9) + b"%07d=a" % n for n in range(100_000))
    comments = struct.pack("<II", 0, 100_000) + tags
    at, is_last = 4, False
    while not is_last:  # RFC 9639, 8.1: past the blocks of metadata
        is_last = bool(data[at] & 0x80)
        at += 4 + int.from_bytes(data[at + 1 : at + 4])
    block = struct.pack(">I", 0x84 << 24 | len(comments)) + comments
    path.write_bytes(data[:42] + block + data[at:])
    return path
