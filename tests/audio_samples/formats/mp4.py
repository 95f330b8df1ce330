"""Samples of MP4."""

import struct
from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode, example

SAMPLES: Mapping[str, Sample] = {
    "m4a": (".m4a", "aac", lambda: encode("ipod", "aac")),
    "m4a with moov in front": (
        ".m4a",
        "aac",
        lambda: encode("ipod", "aac", options={"movflags": "faststart"}),
    ),
    "m4a of brand isom": (".m4a", "aac", lambda: encode("mp4", "aac")),
    "m4a of brand 3gp": (".m4a", "aac", lambda: encode("3gp", "aac")),
    "m4a of wide sizes": (".m4a", "aac", lambda: with_wide_mdat(SAMPLES["m4a"][2]())),
    "m4a in fragments": (
        ".m4a",
        "aac",
        lambda: encode(
            "mp4",
            "aac",
            options={"movflags": "empty_moov+default_base_moof", "frag_duration": "5e5"},
        ),
    ),
    "m4a of alac": (".m4a", "alac", lambda: encode("ipod", "alac")),
    "m4a of opus": (".m4a", "opus", lambda: encode("mp4", "libopus")),
    "m4a of flac": (".m4a", "flac", lambda: encode("mp4", "flac")),
    "m4b with pictures": (".m4b", "aac", lambda: encode("mp4", "aac", video="mjpeg")),
    "m4a example": (".m4a", "aac", lambda: example(".m4a")),
}


def with_wide_mdat(data: bytes) -> bytes:
    """Return an MP4 whose mdat, which must come first, has a size of 64 bits."""
    at = data.index(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    free = data.index(b"free") - 4  # FFmpeg leaves room for just that in front of mdat
    assert free == at - 8
    return data[:free] + struct.pack(">I4sQ", 1, b"mdat", size + 8) + data[at + 8 :]
