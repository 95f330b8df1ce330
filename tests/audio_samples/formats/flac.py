"""Samples of FLAC."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode, example, id3

SAMPLES: Mapping[str, Sample] = {
    "flac": (".flac", "flac", lambda: encode("flac", "flac")),
    "flac after ID3": (".flac", "flac", lambda: id3() + SAMPLES["flac"][2]()),
    "flac from a pipe": (".flac", "flac", lambda: encode("flac", "flac", pipe=True)),
    "flac example": (".flac", "flac", lambda: example(".flac")),
}
