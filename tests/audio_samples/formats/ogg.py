"""Samples of Ogg, of Vorbis, Opus and FLAC."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode, example

SAMPLES: Mapping[str, Sample] = {
    "ogg vorbis": (".ogg", "vorbis", lambda: example(".ogg")),
    "ogg opus": (".opus", "opus", lambda: encode("ogg", "libopus")),
    "ogg flac": (".oga", "flac", lambda: encode("ogg", "flac")),
    "opus example": (".opus", "opus", lambda: example(".opus")),
}
