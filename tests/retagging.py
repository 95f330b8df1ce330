"""Changes the tags of audio files as tag editors do, by hand: not a byte of the audio changes."""

import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from uuid import UUID

from audiostore.media.faststart import needs_faststart, write_faststart
from audiostore.media.parsing.tags import id3v2_size
from tests.audio_samples import ID3V1, LYRICS3, ape, box, id3

TAG_BYTES = 70_001
"""More than a page of Ogg holds, and odd."""


def retagged(extension: str, data: bytes) -> Iterator[bytes]:
    """Yield versions of an audio file with other tags."""
    yield from _EDITORS[extension](data)


def _frames(data: bytes) -> Iterator[bytes]:
    yield id3(TAG_BYTES) + data
    yield data + ape(TAG_BYTES) + LYRICS3 + ID3V1
    yield id3(200, footer=True) + data + ID3V1


def _flac(data: bytes) -> Iterator[bytes]:
    at = data.index(b"fLaC") + 4 + 4 + 34  # after STREAMINFO
    picture = b"\6" + TAG_BYTES.to_bytes(3, "big") + b"p" * TAG_BYTES
    yield data[:at] + picture + data[at:]
    yield data[:at] + picture + data[at:] + ID3V1


def _wav(data: bytes) -> Iterator[bytes]:
    tags = b"LIST" + struct.pack("<I", TAG_BYTES) + b"t" * (TAG_BYTES + 1)
    at = data.index(b"data", 12)

    def grown(file: bytes) -> bytes:
        if file[:4] == b"RIFF" and file[4:8] != b"\xff\xff\xff\xff":
            return file[:4] + struct.pack("<I", len(file) - 8) + file[8:]
        if file[12:16] == b"ds64":
            return file[:20] + struct.pack("<Q", len(file) - 8) + file[28:]
        return file

    yield grown(data[:at] + tags + data[at:])
    if data[at + 4 : at + 8] != b"\xff\xff\xff\xff" or data[12:16] == b"ds64":
        yield grown(data + tags)


def _aiff(data: bytes) -> Iterator[bytes]:
    tags = b"ID3 " + struct.pack(">I", TAG_BYTES) + b"t" * (TAG_BYTES + 1)
    at = data.index(b"SSND")
    for file in (data[:at] + tags + data[at:], data + tags):
        yield file[:4] + struct.pack(">I", len(file) - 8) + file[8:]


def _caf(data: bytes) -> Iterator[bytes]:
    tags = b"info" + struct.pack(">Q", TAG_BYTES) + b"t" * TAG_BYTES
    at = data.index(b"data")
    yield data[:at] + tags + data[at:]
    if data[at + 4 : at + 12] != b"\xff" * 8:
        yield data + tags


def _mp4(data: bytes) -> Iterator[bytes]:
    moov = data.index(b"moov") - 4
    end = moov + int.from_bytes(data[moov : moov + 4], "big")
    tags = box(b"udta", bytes(TAG_BYTES))
    index = bytearray(data[moov:end] + tags)
    index[:4] = len(index).to_bytes(4, "big")
    is_fragmented = b"moof" in data
    if moov < data.index(b"mdat") and not is_fragmented:
        at = index.index(b"stco") + 8
        for i in range(at + 4, at + 4 + 4 * int.from_bytes(index[at : at + 4], "big"), 4):
            offset = int.from_bytes(index[i : i + 4], "big") + len(tags)
            index[i : i + 4] = offset.to_bytes(4, "big")
    grown = data[:moov] + bytes(index) + data[end:]
    yield grown
    if needs_faststart(BytesIO(grown)):
        write_faststart(BytesIO(grown), target := BytesIO())
        yield target.getvalue()


def _ogg(data: bytes) -> Iterator[bytes]:
    pages = list(_ogg_pages(data))
    codec = pages[0][3][:7]
    packets: list[bytes] = []
    used, packet = 0, b""
    while not _has_all_headers(packets, codec):
        _, _, lacing, body = pages[used]
        used += 1
        for length in lacing:
            packet, body = packet + body[:length], body[length:]
            if length < 255:
                packets.append(packet)
                packet = b""
    for size in (1, TAG_BYTES):
        if codec == b"\x7fFLAC\1\0":  # a block of its own, before the last one
            block = b"\6" + size.to_bytes(3, "big") + b"p" * size
            more = [packets[1], block, *packets[2:]] if len(packets) > 2 else [block, packets[1]]
            counted = packets[0][:7] + (len(more)).to_bytes(2, "big") + packets[0][9:]
            headers = [counted, *more]
        else:
            headers = [packets[0], packets[1] + b"c" * size, *packets[2:]]
        yield _ogg_file(pages[0][1], headers, pages[used:])


def _has_all_headers(packets: list[bytes], codec: bytes) -> bool:
    if codec == b"\x7fFLAC\1\0":
        return len(packets) > 1 and packets[-1][0] & 0x80 > 0
    return len(packets) == (3 if codec == b"\1vorbis" else 2)


def _ogg_pages(data: bytes) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    at = 0
    while at < len(data):
        start = at + 27 + data[at + 26]
        lacing = data[at + 27 : start]
        end = start + sum(lacing)
        yield data[at : at + 27], data[at + 14 : at + 18], lacing, data[start:end]
        at = end


def _ogg_file(
    serial: bytes, headers: list[bytes], rest: list[tuple[bytes, bytes, bytes, bytes]]
) -> bytes:
    """Return the file: the first header has a page of its own, the others follow each other."""
    first = bytes([255] * (len(headers[0]) // 255) + [len(headers[0]) % 255])
    pages = [(2, 0, first, headers[0])]
    lacing, body = b"", b"".join(headers[1:])
    for packet in headers[1:]:
        lacing += bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    for at in range(0, len(lacing), 255):
        some = lacing[at : at + 255]
        starts = at > 0 and lacing[at - 1] == 255
        pages.append((int(starts), 0 if 0 <= min(some) < 255 else -1, some, body[: sum(some)]))
        body = body[sum(some) :]
    written = b""
    for number, (flags, position, laced, data) in enumerate(pages):
        head = struct.pack("<4sBBq", b"OggS", 0, flags, position) + serial
        written += _ogg_page(head, number, laced, data)
    for number, (head, _, laced, data) in enumerate(rest, len(pages)):
        written += _ogg_page(head[:18], number, laced, data)
    return written


def _ogg_page(head: bytes, number: int, lacing: bytes, data: bytes) -> bytes:
    head += struct.pack("<I", number)
    page = head + bytes(4) + bytes([len(lacing)]) + lacing + data
    crc = 0
    for byte in page:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _OGG_CRC[crc >> 24 ^ byte]
    return page[:22] + struct.pack("<I", crc) + page[26:]


def _ogg_crc(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = crc << 1 ^ (0x104C11DB7 if crc & 1 << 31 else 0)
    return crc


_OGG_CRC = [_ogg_crc(byte) for byte in range(256)]


def _wma(data: bytes) -> Iterator[bytes]:
    size, count = struct.unpack("<QI", data[16:28])
    padding = UUID("1806D474-CADF-4509-A4BA-9AABCB96AAE8").bytes_le
    tags = padding + struct.pack("<Q", 24 + TAG_BYTES) + bytes(TAG_BYTES)
    head = data[:16] + struct.pack("<QI", size + len(tags), count + 1) + data[28:size]
    yield head + tags + data[size:]


def _webm(data: bytes) -> Iterator[bytes]:
    tags = b"\x12\x54\xc3\x67" + (1 << 56 | TAG_BYTES).to_bytes(8, "big") + bytes(TAG_BYTES)
    at = data.index(b"\x1f\x43\xb6\x75")
    segment = data.index(b"\x18\x53\x80\x67") + 4
    size = int.from_bytes(data[segment : segment + 8], "big")
    grown = size if size & (1 << 56) - 1 == (1 << 56) - 1 else size + len(tags)
    for file in (data[:at] + tags + data[at:], data + tags):
        yield file[:segment] + grown.to_bytes(8, "big") + file[segment + 8 :]


_EDITORS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    ".mp3": _frames,
    ".aac": _frames,
    ".flac": _flac,
    ".wav": _wav,
    ".aiff": _aiff,
    ".aif": _aiff,
    ".caf": _caf,
    ".m4a": _mp4,
    ".m4b": _mp4,
    ".ogg": _ogg,
    ".oga": _ogg,
    ".opus": _ogg,
    ".wma": _wma,
    ".webm": _webm,
}


def titled(data: bytes, title: str, picture: bytes = b"", album: str = "") -> bytes:
    """Return an MP3 with a title, and perhaps a picture, instead of the tags in front of it."""
    frames = _id3_frame(b"TIT2", b"\3" + title.encode())
    if album:
        frames += _id3_frame(b"TALB", b"\3" + album.encode())
    if picture:
        frames += _id3_frame(b"APIC", b"\0image/jpeg\0\3\0" + picture)
    start = id3v2_size(data[:10])
    return b"ID3\4\0\0" + _synchsafe(len(frames)) + frames + data[start:]


def _id3_frame(name: bytes, content: bytes) -> bytes:
    return name + _synchsafe(len(content)) + bytes(2) + content


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
