"""What check="quick" adds to preparing a 5 MB track, compared with check="none", per format.

    python -m benchmarks.prepare

The target is less than 5 ms (median). The two levels take turns, so a busy moment of the machine
affects both. The sandbox worker (FFmpeg) is already running, as it is for all files but the first.
Two more tracks carry a cover of 600 or 1,400 pixels a side. Exits with 1 if the target is missed.
"""

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from PIL import Image

from audiostore.ingest import CheckLevel, UploadOptions, prepare_audio
from tests.audio_samples import encode

ROUNDS = 31
LIMIT_MS = 5.0
SIZE = 5_000_000

# Name -> (extension, FFmpeg's container, codec, bit rate).
TRACKS = {
    "MP3": (".mp3", "mp3", "libmp3lame", 320_000),
    "WAV": (".wav", "wav", "pcm_s16le", None),
    "FLAC": (".flac", "flac", "flac", None),
    "Ogg Vorbis": (".ogg", "ogg", "vorbis", 400_000),
    "Ogg Opus": (".opus", "ogg", "libopus", 400_000),
    "Ogg FLAC": (".oga", "ogg", "flac", None),
    "MP4 AAC": (".m4a", "ipod", "aac", 256_000),
    "MP4 ALAC": (".m4a", "ipod", "alac", None),
    "AAC": (".aac", "adts", "aac", 256_000),
    "AIFF": (".aiff", "aiff", "pcm_s16be", None),
    "WebM Opus": (".webm", "webm", "libopus", 400_000),
    "WMA": (".wma", "asf", "wmav2", 320_000),
    "CAF": (".caf", "caf", "pcm_s16be", None),
}


def track(container: str, codec: str, bit_rate: int | None) -> bytes:
    """Return a track of about 5 MB."""

    def make(seconds: float) -> bytes:
        return encode(container, codec, bit_rate=bit_rate, seconds=seconds, layout="stereo")

    return make(SIZE / (len(make(10)) / 10))


def with_cover(mp3: bytes, side: int) -> bytes:
    """Return the track with an ID3v2.4 tag that holds a JPEG of a photograph's size."""
    steps = np.linspace(0, 255, side)
    pixels = np.add.outer(steps, steps)[..., None] / 2 + np.array([0.0, 20.0, 40.0])
    pixels += np.random.default_rng(7).normal(0, 12, (side, side, 3))
    jpeg = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(jpeg, "JPEG", quality=85)

    def synchsafe(size: int) -> bytes:
        return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))

    picture = b"\0image/jpeg\0\3\0" + jpeg.getvalue()
    frame = b"APIC" + synchsafe(len(picture)) + b"\0\0" + picture
    return b"ID3\x04\0\0" + synchsafe(len(frame)) + frame + mp3


def tracks() -> Iterator[tuple[str, str, bytes]]:
    """Yield a name, an extension and the bytes of each track."""
    for name, (extension, container, codec, bit_rate) in TRACKS.items():
        data = track(container, codec, bit_rate)
        yield name, extension, data
        if name == "MP3":
            for side in (600, 1400):
                yield f"MP3, {side} px cover", extension, with_cover(data, side)


def timed(path: Path, check: CheckLevel) -> float:
    """Return the milliseconds that it takes to inspect and prepare a file."""
    options = UploadOptions(check=check)
    start = time.perf_counter()
    with prepare_audio(path, options) as prepared:
        taken = (time.perf_counter() - start) * 1000
    if check == "quick" and not prepared.facts:
        raise RuntimeError(f"{path} was not inspected")
    return taken


def measure(path: Path) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each round, with "none" and with "quick"."""
    levels: tuple[CheckLevel, CheckLevel] = ("none", "quick")
    times: dict[CheckLevel, list[float]] = {level: [] for level in levels}
    for level in levels:
        timed(path, level)  # starts the worker, and brings the file into the page cache
    for turn in range(ROUNDS):
        for level in levels if turn % 2 else reversed(levels):
            times[level].append(timed(path, level))
    return times["none"], times["quick"]


def main() -> int:
    row: Callable[..., str] = "{:<20} {:>8} {:>9} {:>9} {:>9} {:>9}".format
    print(row("track", "MB", "none ms", "quick ms", "adds ms", "p90 ms"))
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for name, extension, data in tracks():
            path = Path(folder) / f"track{extension}"
            path.write_bytes(data)
            none, quick = measure(path)
            added = [with_ - without for without, with_ in zip(none, quick, strict=True)]
            if median(added) >= LIMIT_MS:
                missed.append(name)
            figures = (median(none), median(quick), median(added), quantiles(added, n=10)[-1])
            print(row(name, f"{len(data) / 1e6:.2f}", *(f"{f:.2f}" for f in figures)), flush=True)
    print(f"{LIMIT_MS} ms or more: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
