"""Samples of CAF."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode

SAMPLES: Mapping[str, Sample] = {
    "caf": (".caf", "pcm", lambda: encode("caf", "pcm_s16be")),
    "caf of alac": (".caf", "alac", lambda: encode("caf", "alac")),
    "caf from a pipe": (".caf", "pcm", lambda: encode("caf", "pcm_s16be", pipe=True)),
}
