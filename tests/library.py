"""A music library as people keep them: over 300 small valid tracks, in all layouts that we know."""

import struct
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.audio_samples import encode

_WITHOUT_TAGS = {"id3v2_version": "0", "write_id3v1": "0"}
LONG = "Sinfonie Nr. 9 d-Moll op. 125, IV. Finale " * 6


def mp3(picture: bytes = b"", *, seconds: float = 2, **tags: str) -> bytes:
    """Return an MP3 file behind an ID3v2.4 tag (section 4), with embedded artwork if given."""
    frames = [(name.encode(), b"\3" + value.encode()) for name, value in tags.items()]
    if picture:
        frames.append((b"APIC", b"\0image/jpeg\0\3\0" + picture))
    body = b"".join(name + _synchsafe(len(data)) + b"\0\0" + data for name, data in frames)
    return b"ID3\x04\0\0" + _synchsafe(len(body)) + body + _sound("mp3", seconds)


def flac(**tags: str) -> bytes:
    """Return a FLAC file with Vorbis comments (RFC 9639, section 8.6) after its first block."""
    data = _sound("flac", 0.2)
    comments = [f"{name}={value}".encode() for name, value in tags.items()]
    block = struct.pack("<I", 0) + struct.pack("<I", len(comments))
    block += b"".join(struct.pack("<I", len(each)) + each for each in comments)
    end = 4 + 4 + 34  # the magic bytes, and STREAMINFO, which is not the last block
    return data[:end] + b"\x84" + len(block).to_bytes(3, "big") + block + _frames(data)


def cover(text: str) -> bytes:
    """Return a JPEG file that holds a text as a comment (ITU-T T.81, B.2.4.5)."""
    comment = text.encode()
    data = _jpeg()
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[2:]


def library() -> Mapping[bytes, bytes]:
    """Return the files of a library by their paths."""
    files: dict[str, bytes] = {}
    for artist in ("Nina Simone", "Björk", "Sigur Rós", "Cafe\u0301 Tacvba", "坂本龍一"):
        for year in (1965, 1974, 1993, 2001):
            album = f"{year} - Album of {year}"
            folder = f"{artist}/{album}"
            for number in range(1, 11):
                files[f"{folder}/{number:02} Song {number}.mp3"] = mp3(
                    TIT2=f"Song {number}",
                    TPE1=artist,
                    TALB=album,
                    TRCK=f"{number}/10",
                    TDRC=str(year),
                    TCON="Jazz",
                    TSRC=f"GBAYE{year % 100:02}{number:05}",
                )
            files[f"{folder}/cover.jpg"] = cover(folder)
    for disc in (1, 2):
        for number in range(1, 16):
            files[f"Prince/Sign 'O' the Times/CD{disc}/{number:02}.flac"] = flac(
                TITLE=f"Song {number}",
                ARTIST="Prince",
                ALBUM="Sign 'O' the Times",
                TRACKNUMBER=str(number),
                TRACKTOTAL="15",
                DISCNUMBER=str(disc),
                DISCTOTAL="2",
                DATE="1987-03-30",
            )
    files["Prince/Sign 'O' the Times/cover.jpg"] = cover("the parent of the discs")
    for number in range(1, 21):
        files[f"Compilations/Blue Note: 1939-1999/{number:02} Artist {number} - Song?.mp3"] = mp3(
            TIT2="Song?", TPE1=f"Artist {number}", TALB="Blue Note", TCMP="1", TRCK=str(number)
        )
    files["Compilations/Blue Note: 1939-1999/Folder.jpg"] = cover("a folder")
    for number in range(1, 21):
        files[f"Podcasts/Episode {number}.mp3"] = mp3(TIT2=f"Episode {number}")
        files[f"Podcasts/Episode {number}.jpg"] = cover(f"episode {number}")
    for number in range(1, 21):
        files[f"Embedded/{number}.mp3"] = mp3(cover(f"inside {number % 2}"), TIT2=str(number))
    for number in range(1, 11):
        files[f"Single {number}.mp3"] = mp3(TIT2=f"Single {number}")
    files["Single 1.jpg"] = cover("single")
    odd = (
        "...And Justice for All/01 Blackened.mp3",
        "NFC and NFD/caf\u00e9.mp3",
        "NFC and NFD/cafe\u0301.mp3",
        "Case/Song.mp3",
        "Case/song.mp3",
        "Emoji \U0001f3b5/\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f.mp3",
        "a\nnew line/and\r\n\tmore.mp3",
        "Latin-1/caf\udce9 \udcff\udcfe.mp3",
        "caf\udce9/a\udcffb.mp3",
        "-rf/--help.mp3",
        " spaces / around .mp3",
        'back\\slash/a:b*c?"<>|.mp3',
        "CON/NUL.mp3",
        "Upper/SONG.MP3",
        "Hash #1/100% $(echo) `echo` ;'.mp3",
        f"{LONG[:250]}/{LONG[:246]}.mp3",
        "\u00e9" * 125 + "/" + "\U0001f3b5" * 61 + ".mp3",
        "deep/" * 60 + "song.mp3",
    )
    for number, path in enumerate(odd):
        files[path] = mp3(TIT2=f"Odd {number}")
    files["caf\udce9/cover.jpg"] = cover("latin")
    files["...And Justice for All/front.jpeg"] = cover("justice")
    files["notes.txt"] = b"no music"
    return {path.encode("utf-8", "surrogateescape"): data for path, data in files.items()}


def write(root: Path, files: Mapping[bytes, bytes]) -> None:
    """Write files below a directory."""
    for name, data in files.items():
        path = Path(str(root), name.decode("utf-8", "surrogateescape"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def read(root: Path) -> dict[bytes, bytes]:
    """Return all files below a directory by their paths."""
    paths = (path for path in root.rglob("*") if path.is_file())
    return {bytes(path.relative_to(root)): path.read_bytes() for path in paths}


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


@cache
def _sound(container: str, seconds: float) -> bytes:
    codec, options = ("flac", None) if container == "flac" else ("libmp3lame", _WITHOUT_TAGS)
    return encode(container, codec, seconds=seconds, options=options)


def _frames(data: bytes) -> bytes:
    """Return what follows the metadata blocks of a FLAC file (RFC 9639, section 8.1)."""
    offset, is_last = 4, False
    while not is_last:
        is_last = bool(data[offset] & 0x80)
        offset += 4 + int.from_bytes(data[offset + 1 : offset + 4], "big")
    return data[offset:]


@cache
def _jpeg() -> bytes:
    with BytesIO() as stream:
        Image.new("RGB", (16, 16), (200, 120, 40)).save(stream, "JPEG")
        return stream.getvalue()
