"""WebM: its blocks decide how long it plays, whatever its header states, or leaves out."""

import re
import struct
from io import BytesIO

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.kinds import Measured, Stated
from audiostore.media.parsing.reading import Reader
from audiostore.media.probe import decode_frames
from audiostore.media.recognition import recognise
from audiostore.media.structure import check_structure
from tests.audio_samples import ID3V1, encode, sample

WHOLE, RECORDED = "webm", "webm from a browser"
JUNK = bytes(range(1, 256)) * 40
CLUSTER, BLOCK, TIME = b"\x1f\x43\xb6\x75", b"\xa3", b"\xe7"


def measured(data: bytes) -> Measured:
    """Return the duration, which FFmpeg need not know."""
    found = recognise(BytesIO(data))
    assert found is not None
    assert found.format.measure is not None
    reads, total = 5000 + len(data) // (64 << 10), len(data) + (1 << 20)
    reader = Reader(BytesIO(data), reads=reads, total=total, window=4 << 10)
    result = found.format.measure(Stated(0.0, "opus", b"", reader, found.offset))
    if isinstance(result, str):
        raise UnplayableAudioError(result)
    assert result is not None
    return result


def stating(seconds: float) -> bytes:
    """Return a file whose header states this duration."""
    data = sample(WHOLE)
    at = data.index(b"\x44\x89\x88") + 3
    return data[:at] + struct.pack(">d", seconds * 1000) + data[at + 8 :]


def starting_at(milliseconds: int) -> bytes:
    """Return a recording that was cut out of a longer one, with its times."""
    (before, *clusters) = sample(RECORDED).split(CLUSTER)
    out = before
    for cluster in clusters:
        at = cluster.index(TIME)
        size = cluster[at + 1] & 0x7F
        time = int.from_bytes(cluster[at + 2 : at + 2 + size], "big") + milliseconds
        end = at + 2 + size
        out += CLUSTER + cluster[:at] + TIME + b"\x84" + struct.pack(">I", time) + cluster[end:]
    return out


TWO = "is made of 2 recordings, of which some players play only the first"


@pytest.mark.parametrize(
    ("data", "seconds", "warning"),
    [
        (sample(WHOLE), 2, ""),
        (sample("webm of vorbis"), 2, ""),
        (sample("webm from a pipe"), 2, ""),
        (sample(RECORDED), 2, ""),
        (stating(0), 2, ""),
        (stating(float("nan")), 2, ""),
        (stating(2.4), 2, ""),
        (stating(20), 2, "states a duration of 20.00 s, its sound lasts 2.00 s"),
        (stating(0.5), 2, "states a duration of 0.50 s, its sound lasts 2.00 s"),
        (starting_at(3_600_000), 2, ""),
        (sample(RECORDED) * 2, 4, TWO),
        (sample(WHOLE) * 2, 4, TWO),
        (sample(WHOLE) + ID3V1, 2, ""),
        (sample(WHOLE) + JUNK, 2, f"is followed by {len(JUNK):,} bytes that are not sound"),
        (sample(RECORDED) + ID3V1, 2, ""),
        (sample(RECORDED) + JUNK, 2, f"is followed by {len(JUNK):,} bytes that are not sound"),
    ],
    ids=range(16),
)
def test_the_blocks_decide_how_long_it_plays(data: bytes, seconds: float, warning: str) -> None:
    found = measured(data)
    assert found.is_exact
    assert found.seconds == pytest.approx(seconds, abs=0.025)
    assert found.warnings == (warning,) * bool(warning)
    if not warning:
        decoded = decode_frames(BytesIO(data), "WebM")
        assert decoded.samples / decoded.sample_rate_hz == pytest.approx(found.seconds, abs=0.02)
        assert decoded.warnings == ()


def test_a_long_recording_is_measured_to_the_last_cluster() -> None:
    data = encode("webm", "libopus", seconds=17, bit_rate=16_000)
    assert data.count(CLUSTER) > 3
    assert measured(data).seconds == pytest.approx(17, abs=0.02)


def test_hours_of_sound_are_examined_to_the_end() -> None:
    data = sample("webm from a pipe")
    first, second, *_ = (i.start() for i in re.finditer(re.escape(CLUSTER), data))
    at = data.index(TIME + b"\x81\x00", first) - first  # its time, in one byte
    cluster = data[first:second]
    size_at = len(CLUSTER)
    size_size = 9 - cluster[size_at].bit_length()
    body = cluster[size_at + size_size :]
    at -= size_at + size_size
    head = CLUSTER + (1 << 56 | len(body) + 3).to_bytes(8, "big")  # the time takes 3 bytes more
    long = data[:first] + b"".join(
        head + body[:at] + TIME + b"\x84" + struct.pack(">I", i * 1000) + body[at + 3 :]
        for i in range(2500)
    )
    found = recognise(BytesIO(long))
    assert found is not None
    assert check_structure(BytesIO(long), found, len(long)) == ()
    assert 2499 < measured(long).seconds < 2502
    with pytest.raises(UnplayableAudioError, match=r"its sound ends at byte [\d,]+, the file at"):
        measured(long[:-1])


def test_clusters_that_are_missing_or_empty_are_refused() -> None:
    data = sample("webm from a pipe")
    with pytest.raises(UnplayableAudioError, match=r"its sound ends at byte [\d,]+, the file at"):
        measured(data[:9_000])
    at = data.index(CLUSTER)
    with pytest.raises(UnplayableAudioError, match="contains no sound"):
        measured(data[:at])
