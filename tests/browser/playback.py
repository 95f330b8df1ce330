"""Every sample, stored and played: what a browser makes of it, and the page that tells."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from audiostore.manager import AudioStorageManager
from audiostore.values import BlobInfo
from tests.audio_samples import AUDIO, encode, sample
from tests.browser.chromium import opened
from tests.browser.server import Faults, Request, StoreServer

PAGE = Path(__file__).parents[2] / "docs" / "playback.md"
PATIENCE_S = 180.0

TOLERANCE_S = 0.05
"""How far a browser's duration may be from ours.

Two MP3 frames (1,152 samples each at 48 kHz) are 0.048 s; the delay at the start of Opus (0.007 s)
and the last block of Vorbis (0.023 s), which Chromium counts in and we do not, are less.
"""
ESTIMATE = 0.05
"""The same as a share of the duration, for AAC without a container.

Nothing in such a file says how long it is: Chromium goes by the bit rate of its first frames, and
so do we in a long one. The examples are off by 2 %.
"""

# Name -> (extension, FFmpeg's container, codec, bit rate): a minute of each format that plays, too
# large to be fetched before anybody seeks in it.
_MINUTES: Mapping[str, tuple[str, str, str, int | None]] = {
    "a minute of mp3": (".mp3", "mp3", "libmp3lame", 320_000),
    "a minute of wav": (".wav", "wav", "pcm_s16le", None),
    "a minute of flac": (".flac", "flac", "flac", None),
    "a minute of ogg vorbis": (".ogg", "ogg", "vorbis", 400_000),
    "a minute of ogg opus": (".opus", "ogg", "libopus", 400_000),
    "a minute of ogg flac": (".oga", "ogg", "flac", None),
    "a minute of m4a": (".m4a", "ipod", "aac", 256_000),
    "a minute of aac": (".aac", "adts", "aac", 256_000),
    "a minute of webm": (".webm", "webm", "libopus", 400_000),
}
MINUTES = tuple(_MINUTES)

HEAD = """\
# What plays in a browser

Written by `python -m tests.browser` from what happened in Debian's Chromium; a test plays all of
them again and holds the page to it. Other browsers may differ.

Each sample was stored in a directory and served with the headers that the store keeps for it, in
the parts that the browser asked for (`Range`, answered by 206).

- **plays**: it states our duration, goes to the middle, sounds from there, and ends.
- **plays, from the start only**: the file does not say how long it is, so that the browser shows
  no duration. Files that were written to a pipe, or recorded by a browser, can be so.
- **no**: the browser refuses it (`MediaError` 4, not supported). For a web page, store such music
  as MP3, AAC in MP4, Opus or FLAC.

`canPlayType` is what the browser says to the stored content type before it has seen a byte. It
knows containers better than codecs: what it calls "maybe" may still not play.

"""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a browser did with one track."""

    name: str
    blob: BlobInfo
    content_type: str | None
    """As the browser got it."""
    can_play: str
    duration_s: float | None
    advanced_s: float
    events: tuple[str, ...]
    error_code: int | None
    problem: str | None
    requests: tuple[Request, ...] = field(repr=False)

    @property
    def verdict(self) -> str:
        """What the page says."""
        if self.error_code == 4:
            return "no"
        if not {"playing", "ended"} <= set(self.events) or self.advanced_s <= 0 or self.problem:
            return f"fails: {self.problem}"
        if not self.can_play:
            return f"plays, but says no to {self.content_type}"
        if self.duration_s is None:
            return "plays, from the start only"
        return "plays" if self.is_timed_right else f"says {self.duration_s:.3f} s"

    @property
    def is_timed_right(self) -> bool:
        """Whether the stated duration is ours."""
        ours_s = float(self.blob.metadata["duration_s"])
        allowed_s = ESTIMATE * ours_s if self.blob.name.endswith(".aac") else TOLERANCE_S
        return self.duration_s is not None and abs(self.duration_s - ours_s) <= allowed_s

    @property
    def parts_after_seek(self) -> tuple[Request, ...]:
        """The answers to what was asked for from within the file, once it had to seek."""
        marks = [i for i, r in enumerate(self.requests) if r.path.endswith("?before=seek")]
        later = self.requests[marks[0] + 1 :] if marks else ()
        return tuple(r for r in later if r.range and not r.range.startswith("bytes=0-"))


@cache
def _bytes_of(name: str) -> tuple[str, bytes]:
    if name in AUDIO:
        return AUDIO[name][0], sample(name)
    extension, container, codec, bit_rate = _MINUTES[name]
    return extension, encode(container, codec, bit_rate=bit_rate, seconds=60, layout="stereo")


@contextmanager
def stored(*names: str) -> Iterator[tuple[Path, dict[str, BlobInfo]]]:
    """Yield a directory store of these samples, and the object of each."""
    with tempfile.TemporaryDirectory(prefix="audiostore-") as folder:
        root, blobs = Path(folder) / "store", {}
        with AudioStorageManager(root.as_uri()) as manager:
            for name in names:
                extension, data = _bytes_of(name)
                path = Path(folder) / f"song{extension}"
                path.write_bytes(data)
                blob = manager.upload_audio_with_thumbnail(path).audio
                assert blob is not None
                blobs[name] = blob
        yield root, blobs


def observe(
    program: str, *names: str, faults: Faults | None = None, patience_s: float = 20.0
) -> dict[str, Observation]:
    """Store these samples and play them all in one session of a browser.

    Args:
        program: the browser.
        names: the samples.
        faults: what the server does wrong.
        patience_s: how long the page waits for each thing that should happen.
    """
    with stored(*names) as (root, blobs):
        paths = {f"/{blob.name}": name for name, blob in blobs.items()}
        pages = {
            "player.html": ("text/html", Path(__file__).with_name("player.html").read_bytes()),
            "tracks.json": ("application/json", json.dumps([*paths]).encode()),
            "patience.json": ("application/json", json.dumps(patience_s * 1000).encode()),
            "favicon.ico": ("image/x-icon", b""),
        }
        with (
            StoreServer(root, pages=pages, faults=faults) as server,
            opened(program, f"{server.url}/player.html") as notes,
        ):
            if not server.reported.wait(PATIENCE_S):
                raise TimeoutError(f"no report from {program}: {notes.read_text()[-2000:]}")
        report = json.loads(server.report or b"{}")
        if "found" not in report:
            raise RuntimeError(f"the page failed: {report}")
        return {
            (name := paths[found["path"]]): Observation(
                name,
                blobs[name],
                found.get("content_type"),
                found.get("can_play", ""),
                found["duration_s"],
                found["advanced_s"],
                tuple(found["events"]),
                found["error_code"],
                found["problem"],
                tuple(r for r in server.requests if r.path.partition("?")[0] == found["path"]),
            )
            for found in report["found"]
        }


def page(observed: Mapping[str, Observation]) -> str:
    """Return the whole page."""
    rows = [
        (name, f"`{o.content_type}`", o.can_play or "no", o.verdict)
        for name, o in ((name, observed[name]) for name in AUDIO)
    ]
    lines = [("Sample", "Content type", "`canPlayType`", "Chromium"), ("---",) * 4, *rows]
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)
