"""WMA: every count that a file states is compared with what is there."""

import re
from io import BytesIO

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.probe import read_audio
from tests.audio_samples import ID3V1, encode, sample
from tests.measuring import measured

FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
INDEX = bytes.fromhex("90080033b1e5cf1189f400a0c90349cb") + (64).to_bytes(8, "little") + bytes(40)
NOISE = bytes(range(1, 128)) * 200
SIZE, PACKETS, DURATION, PREROLL, FLAGS = 40, 56, 64, 80, 88
"""Places in the object of the file's properties."""
PACKET, COUNT = 3200, 8


def wma(
    *,
    packets: int = COUNT,
    size: int | None = None,
    counts: tuple[int, int] | None = None,
    seconds: float | None = None,
    live: bool = False,
) -> bytes:
    """Return the sample with so many packets and right sizes, and what it shall state."""
    data = bytearray(sample("wma"))
    properties, sound = data.index(FILE), data.index(DATA)
    end = sound + 50 + packets * PACKET
    first, second = (packets, packets) if counts is None else counts
    for place, value in (
        (properties + SIZE, end if size is None else size),
        (properties + PACKETS, first),
        (sound + 16, 0 if live else end - sound),
        (sound + 40, second),
    ):
        data[place : place + 8] = value.to_bytes(8, "little")
    data[properties + FLAGS] |= live
    if seconds is not None:
        preroll = int.from_bytes(data[properties + PREROLL :][:8], "little")
        value = round((seconds * 1000 + preroll) * 10_000)
        data[properties + DURATION : properties + DURATION + 8] = value.to_bytes(8, "little")
    return bytes(data[:end])


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        pytest.param(wma(), 2.006, id="as it should be"),
        pytest.param(wma(live=True), 1.963, id="a live stream"),
        pytest.param(wma(seconds=0), 1.963, id="no duration"),
        pytest.param(wma(size=0, counts=(0, 0)), 2.006, id="no counts"),
        pytest.param(wma(seconds=3.5), 3.5, id="silence at the end"),
        pytest.param(
            wma() + INDEX + ID3V1 + bytes(1 << 20), 2.006, id="an index and more after it"
        ),
        pytest.param(encode("asf", "wmav2", pipe=True, bit_rate=96_000), 1.963, id="of a pipe"),
    ],
)
def test_the_duration_is_that_of_the_packets(data: bytes, seconds: float) -> None:
    assert measured(data) == (seconds, "")
    assert read_audio(BytesIO(data), "WMA").duration_s == seconds


@pytest.mark.parametrize(
    ("data", "seconds", "words"),
    [
        (wma(seconds=7), 1.963, r"states 7\.0 s of sound, its packets end at 2\.0 s"),
        (wma() + INDEX + NOISE, 2.006, "followed by 25,400 bytes"),
    ],
)
def test_what_is_odd_but_plays_is_a_warning(data: bytes, seconds: float, words: str) -> None:
    measured_s, warnings = measured(data)
    assert measured_s == seconds
    assert re.search(words, warnings), warnings


@pytest.mark.parametrize(
    ("data", "words"),
    [
        # As a tool leaves it that has mended some of the counts of a cut file.
        (wma(packets=5, counts=(8, 5)), "counts 8 packets, 5 are there .62 %"),
        (wma(packets=5, counts=(5, 8)), "counts 8 packets, 5 are there"),
        (wma(seconds=60), r"states 60\.0 s of sound, its packets end at 2\.0 s"),
        (wma(size=30_000), "its header promises 30,000 bytes"),
        (wma()[:-100], "its sound promises"),
        (wma()[: -2 * PACKET] + bytes(2 * PACKET), "its last packet is empty"),
        (wma(packets=0), "contains no sound"),
    ],
)
def test_counts_that_promise_more_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(UnplayableAudioError, match=words):
        measured(data)
