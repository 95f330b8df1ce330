"""Samples of WAV, RF64 and BW64."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode, example

SAMPLES: Mapping[str, Sample] = {
    "wav": (".wav", "pcm", lambda: encode("wav", "pcm_s16le")),
    "wav of floats": (".wav", "pcm_float", lambda: encode("wav", "pcm_f32le")),
    "wav of 24 bits": (".wav", "pcm", lambda: encode("wav", "pcm_s24le")),
    "wav of a-law": (".wav", "alaw", lambda: encode("wav", "pcm_alaw")),
    "wav from a pipe": (".wav", "pcm", lambda: encode("wav", "pcm_s16le", pipe=True)),
    "rf64": (".wav", "pcm", lambda: encode("wav", "pcm_s16le", options={"rf64": "always"})),
    "bw64": (".wav", "pcm", lambda: b"BW64" + SAMPLES["rf64"][2]()[4:]),
    "wav example": (".wav", "pcm", lambda: example(".wav")),
}
