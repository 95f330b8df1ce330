"""The files to store: real audio and real JPEGs, no two with the same bytes."""

import base64
import hashlib
import random
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import google_crc32c
import numpy as np
from PIL import Image

from tests.audio_samples import encode

_RATE = 44_100
_PIECE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files to store. Workloads with the same inputs share them."""

    title: str
    make: Callable[[Path], "Tree"]


@dataclass(frozen=True, slots=True)
class Tree:
    """A directory of files ``audio/{uuid}/audio.mp3`` and perhaps ``thumbnail.jpg``; or others."""

    root: Path
    assets: int
    objects: int
    size_bytes: int
    crc32c_xor: int
    """The CRC-32C of all files, combined by XOR."""
    md5_table: str
    """One line "size crc32c md5" per file: where the server takes md5Hash from."""


def make_tracks(root: Path, count: int, *, audio_bytes: int, cover_bytes: int = 0) -> Tree:
    """Write `count` tracks, three MP3 and one WAV in turn, and covers if `cover_bytes` is set."""
    mp3 = _mp3(audio_bytes)
    cover = covers(cover_bytes) if cover_bytes else None
    for index in range(count):
        directory = new_directory(root, index)
        if index % 4 == 3:
            (directory / "audio.wav").write_bytes(_wav(audio_bytes, index))
        else:
            (directory / "audio.mp3").write_bytes(_id3(f"Track {index}") + mp3)
        if cover:
            (directory / "thumbnail.jpg").write_bytes(cover(index))
    return read_tree(root, count)


def make_large(root: Path, *, size_bytes: int) -> Tree:
    """Write one WAV file of this size."""
    path = new_directory(root, 0) / "audio.wav"
    generator = random.Random(7)
    with path.open("wb") as file:
        file.write(_wav_head(size_bytes - 44))
        while file.tell() < size_bytes:
            file.write(generator.randbytes(min(_PIECE_BYTES, size_bytes - file.tell())))
    return read_tree(root, 1)


def new_directory(root: Path, index: int) -> Path:
    """Make the directory of the asset of this number."""
    identity = uuid.UUID(bytes=random.Random(index).randbytes(16), version=4)
    directory = root / "audio" / str(identity)
    directory.mkdir(parents=True)
    return directory


def _mp3(size_bytes: int) -> bytes:
    """Return an MP3 file of about this size, without tags."""
    bit_rate, layout = (320_000, "stereo") if size_bytes > 1_000_000 else (64_000, "mono")
    return encode(
        "mp3",
        "libmp3lame",
        bit_rate=bit_rate,
        layout=layout,
        rate=_RATE,
        seconds=size_bytes * 8 / bit_rate,
        options={"id3v2_version": "0", "write_id3v1": "0"},
    )


def _id3(title: str) -> bytes:
    """Return an ID3v2.3 tag with a title (id3.org/id3v2.3.0)."""
    text = b"\0" + title.encode("latin-1")
    frame = b"TIT2" + struct.pack(">IH", len(text), 0) + text
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame


def _wav(size_bytes: int, seed: int) -> bytes:
    data_bytes = (size_bytes - 44) // 4 * 4
    return _wav_head(data_bytes) + random.Random(seed).randbytes(data_bytes)


def _wav_head(data_bytes: int) -> bytes:
    return struct.pack(
        "<4sI8sIHHIIHH4sI",
        *(b"RIFF", 36 + data_bytes, b"WAVEfmt ", 16, 1, 2),
        *(_RATE, _RATE * 4, 4, 16, b"data", data_bytes),
    )


def covers(size_bytes: int, kind: str = "JPEG") -> Callable[[int], bytes]:
    """Return a function that makes images of this kind, of about this size, from a seed."""
    side = 64

    def cover(seed: int) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
        out = BytesIO()
        Image.fromarray(pixels).save(out, kind, quality=85)
        return out.getvalue()

    for _ in range(4):  # the fixed part of a file matters less the larger it is
        side = int(side * (size_bytes / len(cover(0))) ** 0.5)
    return cover


def read_tree(root: Path, assets: int) -> Tree:
    """Read all files below "audio", but hidden ones; this also brings them into the page cache."""
    lines, sizes, xor = [], 0, 0
    files = sorted(path for path in root.glob("audio/*/[!.]*") if path.is_file())
    for path in files:
        crc32c, size, md5 = 0, 0, hashlib.md5(usedforsecurity=False)
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                crc32c = google_crc32c.extend(crc32c, piece)
                md5.update(piece)
                size += len(piece)
        lines.append(f"{size} {crc32c:08x} {base64.b64encode(md5.digest()).decode()}\n")
        sizes += size
        xor ^= crc32c
    return Tree(root, assets, len(files), sizes, xor, "".join(lines))


def same_files(root: Path, tree: Tree) -> bool:
    """Return whether a directory holds the same files as a tree."""
    found = read_tree(root, tree.assets)
    return found.objects == tree.objects and found.crc32c_xor == tree.crc32c_xor


def write_manifest(tree: Tree, file: Path) -> None:
    """Write a manifest that gives each asset of a tree the id that its directory is named after."""
    lines = ["audio,thumbnail,id\n"]
    for directory in sorted(tree.root.glob("audio/*")):
        names = sorted(path.name for path in directory.iterdir())
        files = [str(directory / name) for name in names]
        lines.append(",".join([*files, *[""] * (2 - len(files)), directory.name]) + "\n")
    file.write_text("".join(lines))
