"""Samples of AIFF and AIFF-C."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode

SAMPLES: Mapping[str, Sample] = {
    "aiff": (".aiff", "pcm", lambda: encode("aiff", "pcm_s16be")),
    "aifc": (".aif", "pcm", lambda: encode("aiff", "pcm_s16le")),
    "aifc of mu-law": (".aiff", "mulaw", lambda: encode("aiff", "pcm_mulaw")),
}
