"""What audiostore is for: tagged files of six formats with covers, in equal shares.

A file of each format is encoded once and kept in build/benchmarks; the title in its tags makes each
copy another file. The same versions of the libraries make the same files.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import av

from benchmarks.contest.inputs import Tree, covers, new_directory, read_tree
from tests.audio_samples import encode, ogg_changed, ogg_pages

CACHE = Path(__file__).parents[2] / "build" / "benchmarks"
_TITLE = "Track {:07}"
_TAGS = {
    "artist": "The audiostore developers",
    "album": "Measured",
    "genre": "Ambient",
    "date": "2025",
    "track": "7",
}
_COVERS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_IS_LARGE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class _Sound:
    """How a file is encoded."""

    extension: str
    container: str
    codec: str
    bit_rate: int | None = None
    """Of a track; a clip has a fifth of it."""
    options: tuple[tuple[str, str], ...] = ()


_OTHERS = (
    _Sound(".mp3", "mp3", "libmp3lame", 320_000),
    _Sound(".wav", "wav", "pcm_s16le"),
    _Sound(".flac", "flac", "flac"),
    _Sound(".m4a", "ipod", "aac", 256_000, (("movflags", "faststart"),)),
    _Sound(".aac", "adts", "aac", 256_000, (("write_id3v2", "1"),)),
)
# Every second Ogg file is Vorbis.
_IN_TURN = (
    _Sound(".ogg", "ogg", "vorbis", 400_000),
    *_OTHERS,
    _Sound(".opus", "ogg", "libopus", 400_000),
    *_OTHERS,
)


def make_mission(
    root: Path, count: int, *, audio_bytes: int = 0, cover_bytes: int, seconds: float = 0
) -> Tree:
    """Write `count` assets; their audio has about this size, or this duration."""
    variants = [_variants(_template(sound, audio_bytes, seconds)) for sound in _IN_TURN]
    images = [(extension, covers(cover_bytes, kind)) for extension, kind in _COVERS.items()]
    for index in range(count):
        directory = new_directory(root, index)
        turn, of_format = divmod(index, len(_IN_TURN))
        name = "audio" + _IN_TURN[of_format].extension
        (directory / name).write_bytes(variants[of_format](index))
        extension, cover = images[(turn + of_format) % len(images)]
        (directory / f"thumbnail{extension}").write_bytes(cover(index))
    return read_tree(root, count)


def _template(sound: _Sound, size_bytes: int, seconds: float) -> bytes:
    """Return a file with the title 0, from the cache if it was made before."""
    what = repr((astuple(sound), size_bytes, seconds, _TITLE, _TAGS, av.__version__))
    file = CACHE / (hashlib.sha256(what.encode()).hexdigest()[:20] + sound.extension)
    if not file.exists():
        data = _encoded(sound, size_bytes, seconds)
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(data)
        unfinished.rename(file)
    return file.read_bytes()


def _encoded(sound: _Sound, size_bytes: int, seconds: float) -> bytes:
    is_large = size_bytes > _IS_LARGE_BYTES
    bit_rate = sound.bit_rate and (sound.bit_rate if is_large else sound.bit_rate // 5)

    def make(seconds: float) -> bytes:
        return encode(
            sound.container,
            sound.codec,
            bit_rate=bit_rate,
            seconds=seconds,
            layout="stereo" if is_large or sound.codec == "vorbis" else "mono",
            options={"fflags": "+bitexact", **dict(sound.options)},
            tags={"title": _TITLE.format(0), **_TAGS},
        )

    if seconds:
        return make(seconds)
    seconds = 10.0 if is_large else 0.5
    for _ in range(2):  # the fixed part of a small file matters
        seconds *= size_bytes / len(make(seconds))
    return make(seconds)


def _variants(template: bytes) -> Callable[[int], bytes]:
    """Return a function that gives the file another title of the same length."""
    title = _TITLE.format(0).encode()
    pieces = ogg_pages(template) if template.startswith(b"OggS") else [template]
    [place] = [i for i, piece in enumerate(pieces) if title in piece]
    before, after = b"".join(pieces[:place]), b"".join(pieces[place + 1 :])

    def variant(number: int) -> bytes:
        piece = pieces[place].replace(title, _TITLE.format(number).encode())
        return before + (ogg_changed(piece) if len(pieces) > 1 else piece) + after

    return variant
