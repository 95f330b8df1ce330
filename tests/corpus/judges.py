"""What others find in an audio file: FFmpeg, left to itself, decodes it; mutagen reads its tags.

Nothing here is confined: look only at files that you would play on your machine.
"""

import base64
import binascii
import io
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import av.error
import mutagen
from av.audio.frame import AudioFrame
from av.stream import Disposition
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3
from PIL import Image

from tests.corpus.names import names_of

_CPU_S: Final = 120.0
"""How long one file may take."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What FFmpeg makes of a file, with the demuxer that it chooses itself."""

    demuxer: str
    codec: str
    rate: int
    channels: int
    seconds: float
    """Of the samples that it returns."""
    failures: int
    """How many packets do not decode."""
    is_video: bool
    is_whole: bool
    """Whether it came to the end in time."""


def decoded(path: Path) -> Decoded | str:
    """Decode a file from its first packet to its last; return why that is impossible."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                return "no stream of sound"
            audio = container.streams.audio[0]
            if not audio.codec_context:
                return "no decoder"
            audio.codec_context.thread_count = 1
            samples: dict[int, int] = {}
            failures = 0
            until = time.process_time() + _CPU_S
            is_whole = True
            try:
                for packet in container.demux(audio):
                    try:
                        for frame in audio.codec_context.decode(packet):
                            assert isinstance(frame, AudioFrame)
                            samples[frame.sample_rate] = (
                                samples.get(frame.sample_rate, 0) + frame.samples
                            )
                    except av.error.EOFError:
                        break
                    except av.error.FFmpegError:
                        failures += 1
                    if time.process_time() > until:
                        is_whole = False
                        break
            except av.error.FFmpegError:
                failures += 1
            if not samples:
                return "nothing decodes"
            return Decoded(
                demuxer=container.format.name,
                codec=audio.codec_context.codec.canonical_name,
                rate=max(samples, key=samples.__getitem__),
                channels=audio.codec_context.channels,
                seconds=sum(count / rate for rate, count in samples.items()),
                failures=failures,
                is_video=any(
                    not stream.disposition & Disposition.attached_pic
                    for stream in container.streams.video
                ),
                is_whole=is_whole,
            )
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        return f"FFmpeg: {getattr(error, 'strerror', None) or error}"


@dataclass(slots=True)
class Tags:
    """What mutagen finds."""

    seconds: float | None = None
    values: dict[str, list[str]] = field(default_factory=dict)
    """By audiostore's names; only those that mean the same everywhere."""
    covers: list[tuple[int, bytes]] = field(default_factory=list)
    """Types and bytes of the pictures that Pillow takes for JPEG, PNG or WebP."""


def tags(path: Path) -> Tags | None:
    """Read a file's tags; None if mutagen does not know its format, or fails."""
    try:
        file = mutagen.File(path)
    except Exception:  # noqa: BLE001 - mutagen raises whatever comes
        return None
    if file is None:
        return None
    found = Tags(seconds=getattr(file.info, "length", None))
    for each in (file.tags, *_other_tags(path, file)):
        if each is not None:
            for name, values in names_of(each):
                found.values.setdefault(name, values)
    for kind, data in (*_pictures(file), *_ape_pictures(path)):
        if is_cover(data):
            found.covers.append((kind, data))
    return found


def _other_tags(path: Path, file: Any) -> Iterator[Any]:
    for reader in (ID3, APEv2):
        if not isinstance(file.tags, reader):
            with suppress(Exception):
                yield reader(path)


def _pictures(file: Any) -> Iterator[tuple[int, bytes]]:
    if isinstance(file, FLAC):
        yield from ((each.type, each.data) for each in file.pictures)
    if file.tags is None:
        return
    if hasattr(file.tags, "getall"):
        yield from ((int(each.type), each.data) for each in file.tags.getall("APIC"))
        return
    with suppress(KeyError, ValueError):
        yield from ((3, bytes(each)) for each in file.tags["covr"])
    with suppress(KeyError, ValueError):
        yield from ((3, _base64(each)) for each in file.tags["coverart"])
    with suppress(KeyError, ValueError):
        for each in file.tags["metadata_block_picture"]:
            with suppress(Exception):
                picture = Picture(_base64(each))
                yield picture.type, picture.data
    with suppress(KeyError, ValueError):
        yield from map(_asf_picture, (each.value for each in file.tags["WM/Picture"]))


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _asf_picture(value: bytes) -> tuple[int, bytes]:
    """A type, the size of the data, two texts in UTF-16 that end in a NUL, the data."""
    size = int.from_bytes(value[1:5], "little")
    return value[0], value[-size:] if 0 < size <= len(value) else b""


def _ape_pictures(path: Path) -> Iterable[tuple[int, bytes]]:
    with suppress(Exception):
        for key, value in APEv2(path).items():
            if key.lower().startswith("cover art"):
                yield (3 if "front" in key.lower() else 0), bytes(value.value).partition(b"\0")[2]


def is_cover(data: bytes) -> bool:
    """Tell whether Pillow takes these bytes for a picture that audiostore stores."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
            image.load()
    except Exception:  # noqa: BLE001 - Pillow raises whatever comes
        return False
    return True
