"""Samples of WMA."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode

SAMPLES: Mapping[str, Sample] = {
    "wma": (".wma", "wmav2", lambda: encode("asf", "wmav2", bit_rate=96_000)),
}
