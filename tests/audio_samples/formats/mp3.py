"""Samples of MP3: MPEG audio layers II and III."""

from collections.abc import Mapping

from tests.audio_samples.making import ID3V1, LYRICS3, Sample, ape, encode, example, id3

_PLAIN = {"id3v2_version": "0", "write_id3v1": "0"}
_NO_COUNT = {**_PLAIN, "write_xing": "0"}
SAMPLES: Mapping[str, Sample] = {
    "mp3": (".mp3", "mp3", lambda: encode("mp3", "libmp3lame")),
    "mp3 without tags": (".mp3", "mp3", lambda: encode("mp3", "libmp3lame", options=_PLAIN)),
    "mp3 without a count": (".mp3", "mp3", lambda: encode("mp3", "libmp3lame", options=_NO_COUNT)),
    "mp3 of 22 kHz": (
        ".mp3",
        "mp3",
        lambda: encode("mp3", "libmp3lame", rate=22050, options=_NO_COUNT),
    ),
    "mp3 after two tags": (
        ".mp3",
        "mp3",
        lambda: id3() + id3(7) + SAMPLES["mp3 without tags"][2](),
    ),
    "mp3 after APE": (".mp3", "mp3", lambda: ape() + SAMPLES["mp3 without tags"][2]()),
    "mp3 with tags at the end": (
        ".mp3",
        "mp3",
        lambda: SAMPLES["mp3"][2]() + ape() + LYRICS3 + ID3V1,
    ),
    "mp3 example": (".mp3", "mp3", lambda: example(".mp3")),
    "mp2": (".mp3", "mp2", lambda: encode("mp2", "mp2", seconds=2.02)),
}
