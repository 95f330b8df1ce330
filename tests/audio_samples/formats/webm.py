"""Samples of WebM."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode

SAMPLES: Mapping[str, Sample] = {
    "webm": (".webm", "opus", lambda: encode("webm", "libopus")),
    "webm of vorbis": (".webm", "vorbis", lambda: encode("webm", "vorbis", layout="stereo")),
    "webm from a pipe": (".webm", "opus", lambda: encode("webm", "libopus", pipe=True)),
    "webm from a browser": (
        ".webm",
        "opus",
        lambda: of_unknown_sizes(SAMPLES["webm from a pipe"][2]()),
    ),
}


def of_unknown_sizes(data: bytes) -> bytes:
    """Return a WebM file as browsers record it: its clusters have no sizes either."""
    parts = data.split(b"\x1f\x43\xb6\x75")
    unknown = b"\x01" + b"\xff" * 7
    cut = [part[9 - part[0].bit_length() :] for part in parts[1:]]
    return parts[0] + b"".join(b"\x1f\x43\xb6\x75" + unknown + part for part in cut)
