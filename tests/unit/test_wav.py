"""WAV: every count that a file states is compared with what is there."""

import re
import struct
from collections.abc import Sequence
from io import BytesIO

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.probe import read_audio
from audiostore.media.probe.decode import decode_frames
from tests.audio_samples import ID3V1, INFO, encode, id3, riff
from tests.measuring import FFMPEG_S, measured

RATE = 8000
PCM = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
ALAW = struct.pack("<HHIIHHH", 6, 1, RATE, RATE, 1, 8, 0)
GSM = struct.pack("<HHIIHHHH", 0x31, 1, RATE, 1625, 65, 0, 2, 320)
FLOAT = struct.pack("<HHIIHHH", 3, 2, RATE, 8 * RATE, 8, 32, 0)
SOUND = b"\x37\x01\xf9\xfe" * (RATE // 2)
"""1 s of 16 bits."""
NOISE = bytes(range(1, 128)) * 200
OPEN = (1 << 32) - 1


def wav(
    sound: bytes = SOUND,
    *,
    fields: bytes = PCM,
    size: int | None = None,
    whole: int | None = None,
    before: Sequence[tuple[bytes, bytes]] = (),
    after: bytes = b"",
    kind: bytes = b"RIFF",
) -> bytes:
    """Return a WAV; `size` and `whole` are what it states of its data and of itself."""
    head = b"WAVE" + riff((b"fmt ", fields), *before)[12:]
    size = len(sound) if size is None else size
    body = head + b"data" + struct.pack("<I", size) + sound + after
    return kind + struct.pack("<I", len(body) if whole is None else whole) + body


def extensible(container: int, valid: int, channels: int = 1) -> bytes:
    """Return a fmt chunk of WAVE_FORMAT_EXTENSIBLE, of PCM."""
    block = channels * container // 8
    guid = b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    plain = struct.pack("<HHIIHH", 0xFFFE, channels, RATE, RATE * block, block, container)
    return plain + struct.pack("<HHI", 22, valid, 4) + guid


def ds64(whole: int, data: int, samples: int) -> tuple[bytes, bytes]:
    """Return the chunk with the sizes of RF64."""
    return b"ds64", struct.pack("<QQQI", whole, data, samples, 0)


def fact(samples: int) -> tuple[bytes, bytes]:
    """Return the chunk with the count of samples."""
    return b"fact", struct.pack("<I", samples)


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        pytest.param(wav(), 1.0, id="as it should be"),
        pytest.param(wav(SOUND * 2, fields=extensible(32, 24)), 1.0, id="24 bits in 32"),
        pytest.param(wav(SOUND * 4, fields=extensible(32, 20, 2)), 1.0, id="20 bits in 32"),
        pytest.param(wav(SOUND[:12000], fields=extensible(24, 20)), 0.5, id="20 bits in 24"),
        pytest.param(wav(fields=extensible(16, 12)), 1.0, id="12 bits in 16"),
        pytest.param(
            wav(SOUND * 2, fields=struct.pack("<HHIIHH", 1, 1, RATE, 4 * RATE, 4, 24)),
            1.0,
            id="24 bits in blocks of 4 bytes",
        ),
        pytest.param(
            wav(fields=struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 4, 16)),
            1.0,
            id="a wrong size of blocks",
        ),
        pytest.param(wav(fields=ALAW), 2.0, id="a-law"),
        pytest.param(wav(bytes(65 * 25), fields=GSM, before=[fact(7900)]), 7900 / RATE, id="GSM"),
        pytest.param(wav(SOUND * 4, fields=FLOAT, before=[fact(RATE)]), 1.0, id="floats"),
        pytest.param(
            wav(SOUND * 4, fields=FLOAT, before=[fact(2 * RATE)]), 1.0, id="a count of all channels"
        ),
        *(
            pytest.param(wav(size=len(SOUND) + more, whole=len(SOUND) + 36), 1.0, id=f"+{more}")
            for more in (8, 16, 28, 36, 44)
        ),
        pytest.param(
            wav(size=len(SOUND) + 44, whole=len(SOUND) + 80), 1.0, id="both sizes count the header"
        ),
        pytest.param(wav(whole=len(SOUND) + 80), 1.0, id="the header counted twice in RIFF"),
        pytest.param(wav(whole=0), 1.0, id="RIFF of no size"),
        pytest.param(wav(after=riff(INFO)[12:])[:-20], 1.0, id="cut within a later header"),
        pytest.param(wav(size=OPEN, whole=OPEN), 1.0, id="of a pipe"),
        pytest.param(wav(size=0x7FFFF000, whole=0x7FFFF024), 1.0, id="of SoX into a pipe"),
        pytest.param(
            wav(whole=OPEN, size=OPEN, kind=b"BW64", before=[ds64(16080, 16000, RATE)]),
            1.0,
            id="BW64",
        ),
        pytest.param(
            wav(kind=b"RF64", before=[ds64(9999, 9999, 0)]), 1.0, id="RF64 with sizes of 32 bits"
        ),
        pytest.param(wav(after=bytes(3 << 20)), 1.0, id="zeros after it"),
        pytest.param(wav(after=id3(90_000) + ID3V1), 1.0, id="tags after it"),
        pytest.param(wav(after=b"odd") + b"\0\0\0", 1.0, id="a little text after it"),
        pytest.param(
            wav().replace(b"data", b"odd \3\0\0\0abcdata"), 1.0, id="an odd chunk without padding"
        ),
        pytest.param(
            wav(SOUND[:-1] + b"\0\0" + riff(INFO)[12:], size=len(SOUND) - 1),
            7999 / RATE,
            id="odd sound",
        ),
        pytest.param(wav(before=[fact(500)]), 1.0, id="PCM with a count of less"),
    ],
)
def test_the_duration_is_that_of_the_bytes(data: bytes, seconds: float) -> None:
    assert measured(data) == (seconds, "")


@pytest.mark.parametrize(
    ("data", "seconds", "words"),
    [
        (wav(size=8000, whole=8036), 0.5, r"states 0\.5 s .* 8,000 bytes .* 0\.5 s more"),
        (wav(size=8000), 0.5, r"states 0\.5 s .* most players do not play"),
        (wav(whole=99_999), 1.0, "ends 83,963 bytes before its stated end"),
        (wav(size=0, whole=36), 1.0, "was never finished"),
        (wav(size=0, whole=0), 1.0, "was never finished"),
        (wav(size=OPEN, whole=OPEN, kind=b"RF64", before=[ds64(0, 0, 0)]), 1.0, "never finished"),
        (wav(after=riff(INFO)[12:] + NOISE), 1.0, "followed by 25,400 bytes"),
        (wav() + wav(), 1.0, "followed by another file"),
        (wav(before=[fact(10_000)]), 1.0, "counts 10,000 samples, 8,000 are there"),
        (wav(after=b"abcd\0\0\0\0" * 600), 1.0, "too many parts"),
    ],
)  # fmt: skip
def test_what_is_odd_but_plays_is_a_warning(data: bytes, seconds: float, words: str) -> None:
    measured_s, warnings = measured(data)
    assert measured_s == seconds
    assert re.search(words, warnings), warnings


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (wav()[:-100], "promises 16,000 bytes of sound, 15,900 are there .99 %"),
        (wav(size=len(SOUND) + 45, whole=len(SOUND) + 36), "promises 16,045 bytes of sound"),
        (wav(size=len(SOUND) + 20, whole=len(SOUND) + 56), "promises 16,020 bytes of sound"),
        (wav(after=riff(INFO)[12:])[:-15], "cut short: after its sound"),
        (wav(kind=b"RF64", whole=OPEN, size=OPEN, before=[ds64(0, 20000, 0)]), "promises 20,000"),
        (wav(SOUND * 4, fields=FLOAT, before=[fact(9000)]), "9,000 samples, 8,000 are there .88 %"),
        (wav(bytes(65 * 25), fields=GSM, before=[fact(16000)]), "counts 16,000 samples, 8,000 are"),
        (wav(size=0, whole=99_999), "promises 100,007 bytes, 16,044 are there"),
        (wav(b"", size=0), "contains no sound"),
        (wav(b"", size=0, after=riff(INFO)[12:]), "contains no sound"),
        (wav(b"", size=OPEN, whole=OPEN), "contains no sound"),
    ],
)  # fmt: skip
def test_counts_that_promise_more_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(UnplayableAudioError, match=words):
        measured(data)


def test_absurd_fields_are_no_crash() -> None:
    for channels, bits in ((65535, 65535), (1, 65535), (40000, 16)):
        absurd = wav(fields=struct.pack("<HHIIHH", 1, channels, RATE, 0, 0, bits))
        assert measured(absurd) == (FFMPEG_S, "")


def test_decoding_agrees_with_the_bytes() -> None:
    odd = [
        wav(SOUND * 2, fields=extensible(32, 24)),
        wav(SOUND[:12000], fields=extensible(24, 20)),
        wav(kind=b"RF64", whole=OPEN, size=OPEN, before=[ds64(0, 0, 0)]),
        wav(size=8000, whole=8036, after=bytes(2 << 20)),
        wav(size=len(SOUND) + 44, whole=len(SOUND) + 36),
        *(encode("wav", codec, seconds=0.5) for codec in ("adpcm_ms", "adpcm_ima_wav")),
    ]
    for data in odd:
        seconds, _ = measured(data)
        assert not read_audio(BytesIO(data), "WAV").warnings
        assert decode_frames(BytesIO(data), "WAV").duration_s == pytest.approx(seconds, abs=1e-3)
