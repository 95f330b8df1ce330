"""What is cut short or damaged is refused with a reason; what is whole passes, odd as it be."""

import struct
from io import BytesIO

import av
import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.probe import read_audio
from audiostore.media.recognition import recognise
from audiostore.media.structure import check_structure
from tests.audio_samples import (
    AUDIO,
    ID3V1,
    INFO,
    LYRICS3,
    PCM_FMT,
    adif,
    ape,
    box,
    encode,
    id3,
    riff,
    sample,
)

PERCENTS = (10, 50, 90, 99)

UNSEEN: dict[str, tuple[int, ...]] = {
    "wav from a pipe": PERCENTS,
    "caf from a pipe": PERCENTS,
    "mp3 with tags at the end": (99,),  # cut within the tags: no sound is missing
}
"""The cuts that structure does not show; every other cut of every sample is refused."""


def check(data: bytes) -> None:
    """Check the structure of a file of these bytes."""
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    check_structure(BytesIO(data), recognised, len(data), name="song")


def refused(data: bytes, words: str) -> None:
    """Check that the file is refused in these words."""
    with pytest.raises(UnplayableAudioError, match=words) as caught:
        check(data)
    assert str(caught.value).startswith("'song' ")


@pytest.mark.slow
@pytest.mark.parametrize("name", AUDIO)
def test_a_whole_file_passes(name: str) -> None:
    check(sample(name))


@pytest.mark.parametrize("name", AUDIO)
@pytest.mark.parametrize("percent", PERCENTS)
def test_a_cut_file_is_refused_or_on_the_list(name: str, percent: int) -> None:
    data = sample(name)
    cut = data[: len(data) * percent // 100]
    if percent in UNSEEN.get(name, ()):
        check(cut)
    else:
        refused(cut, "cut short|moov")


# -- cuts between two frames or fragments --------------------------------------------------------


def frames(data: bytes, start: bytes) -> list[int]:
    """Return where these bytes stand."""
    places, at = [], data.find(start)
    while at >= 0:
        places.append(at)
        at = data.find(start, at + 1)
    return places


def test_a_cut_between_two_mp3_frames_shows_by_the_count_alone() -> None:
    for name, shows in (("mp3 without tags", True), ("mp3 without a count", False)):
        data = sample(name)
        cut = data[: 10 * 192]  # all frames of 64 kbit/s at 48 kHz have 192 bytes
        assert data[192:194] == data[:2]
        if shows:
            refused(cut, r"its header promises 16,\d+ bytes, 1,920 are there \(11 %\)")
        else:
            check(cut)


def test_a_cut_between_two_aac_frames_does_not_show() -> None:
    data = sample("aac")
    check(data[: frames(data, data[:2])[20]])


def test_a_cut_between_two_flac_frames_shows_by_the_count_alone() -> None:
    for name, shows in (("flac", True), ("flac from a pipe", False)):
        data = sample(name)
        begin = data.index(b"\xff\xf8")
        place = frames(data, data[begin : begin + 4] + b"\x05")[0]
        check(data[:place])  # all frames are counted, which is not done here
        if shows:
            words = r"promises 2\.0 s of sound, 0\.5 s are there \(24 %\)"
            with pytest.raises(UnplayableAudioError, match=words):
                read_audio(BytesIO(data[:place]), "FLAC")
        else:
            assert read_audio(BytesIO(data[:place]), "FLAC").duration_s == 0.48


def test_a_cut_between_two_fragments_does_not_show() -> None:
    data = sample("m4a in fragments")
    places = [place - 4 for place in frames(data, b"moof")]
    assert len(places) > 2
    check(data[: places[1]])
    refused(data[: places[0]], "no fragment with sound after it")


def test_a_cut_between_two_blocks_of_a_browsers_recording_does_not_show() -> None:
    data = sample("webm from a browser")
    block = data.index(b"\xa3", len(data) // 2)
    while data[block + 3 : block + 4] != b"\x81":  # its track, after a size of two bytes
        block = data.index(b"\xa3", block + 1)
    check(data[:block])
    refused(data[: block + 1], "last block of sound")
    refused(data[: block + 20], "its last block of sound promises")


# -- words ---------------------------------------------------------------------------------------


def test_errors_say_what_is_missing() -> None:
    wav = riff(PCM_FMT, (b"data", bytes(264_600)))
    refused(
        wav[: 44 + 120_000],
        r"^'song' is cut short: its header promises 264,600 bytes of sound,"
        r" 120,000 are there \(45 %\)$",
    )
    m4a = sample("m4a with moov in front")
    refused(m4a[:9000], r"is cut short: its sound promises .* are there")
    refused(sample("m4a")[: sample("m4a").index(b"moov") - 4], "its index .* is missing")


def test_a_file_without_a_name_is_called_the_file() -> None:
    data = riff(PCM_FMT)
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    with pytest.raises(UnplayableAudioError, match=r"^the file is cut short: its sound"):
        check_structure(BytesIO(data), recognised, len(data))


# -- odd, but whole ------------------------------------------------------------------------------

DATA = (b"data", bytes(1000))


def flac_without_a_count() -> bytes:
    data = bytearray(sample("flac"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def aiff_with_sound_first() -> bytes:
    comm = b"COMM" + struct.pack(">IhIh10s", 18, 1, 500, 16, b"\x40\x0e\xac\x44" + bytes(6))
    body = b"AIFFSSND" + struct.pack(">III", 1008, 0, 0) + bytes(1000) + comm
    return b"FORM" + struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(riff(PCM_FMT, DATA, INFO), id="LIST after the sound"),
        pytest.param(riff(PCM_FMT, DATA, (b"id3 ", id3())), id="ID3 at the end of a WAV"),
        pytest.param(riff((b"JUNK", b"odd"), PCM_FMT, (b"data", bytes(999))), id="odd sizes"),
        pytest.param(riff(PCM_FMT, (b"data", bytes(999)))[:-1], id="padding byte forgotten"),
        pytest.param(riff(PCM_FMT, DATA) + bytes(3000), id="bytes after a WAV"),
        pytest.param(
            riff(PCM_FMT, DATA).replace(struct.pack("<I", 1036), bytes(4)).replace(
                b"data" + struct.pack("<I", 1000), b"data" + bytes(4)
            ),
            id="a pipe's WAV with sizes of zero",
        ),
        pytest.param(
            riff(PCM_FMT, DATA).replace(struct.pack("<I", 1000), b"\0\xf0\xff\x7f"),
            id="a WAV of SoX into a pipe",
        ),
        pytest.param(aiff_with_sound_first(), id="AIFF with its description after the sound"),
    ],
)  # fmt: skip
def test_an_odd_file_made_by_hand_passes(data: bytes) -> None:
    check(data)


@pytest.mark.parametrize(
    ("name", "trailer"),
    [
        ("mp3", b"x" * 4000),
        ("mp3", bytes(4000)),
        ("mp3", ID3V1),
        ("mp3", ape() + ID3V1),
        ("mp3", LYRICS3 + ID3V1),
        ("mp3", id3(100, footer=True)),
        ("mp3 without a count", b"\xff" + b"x" * 1000),
        ("aac", ID3V1),
        ("aac", bytes(100)),
        ("flac", ID3V1),
        ("flac", ape() + ID3V1),
        ("ogg vorbis", bytes(1000)),
        ("ogg vorbis", ID3V1),
        ("m4a", box(b"free") * 3),
        ("m4a with moov in front", box(b"free", bytes(5))),
        ("m4a", bytes(2000)),
        ("m4a", b"\0\0\0"),
        ("webm", bytes(1000)),
    ],
)
def test_what_follows_the_sound_does_no_harm(name: str, trailer: bytes) -> None:
    check(sample(name) + trailer)


def test_flac_that_does_not_count_its_samples_passes() -> None:
    check(flac_without_a_count())


def test_flac_of_many_blocks_and_rates_passes() -> None:
    for rate, codec in ((8000, "flac"), (96_000, "flac"), (44_100, "flac"), (11_025, "flac")):
        check(encode("flac", codec, rate=rate, seconds=0.7))


def test_chained_ogg_passes() -> None:
    check(sample("ogg vorbis") + sample("opus example"))
    check(sample("ogg opus") * 3)


# -- damage, and no sound ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flac", "flac from a pipe", "ogg vorbis", "ogg opus"])
@pytest.mark.parametrize("from_end", [1, 2, 50, 200])
def test_a_wrong_bit_in_the_last_frame_or_page_is_found(name: str, from_end: int) -> None:
    data = bytearray(sample(name))
    data[-from_end] ^= 0x10
    refused(bytes(data), "damaged|cut short")


def test_an_index_that_points_elsewhere_is_found() -> None:
    data = sample("m4a with moov in front")
    at = data.index(b"stco") + 4 + 4
    count = int.from_bytes(data[at : at + 4], "big")
    last = at + 4 * count
    for offset, words in ((8, "points at bytes that are not sound"), (10**6, "its sound ends at")):
        refused(data[:last] + struct.pack(">I", offset) + data[last + 4 :], words)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (riff(PCM_FMT, (b"data", b"")), "contains no sound"),
        (riff(PCM_FMT, (b"data", b""), INFO), "contains no sound"),
        (riff(DATA), "no description of its sound .a fmt chunk. comes before it"),
        (riff((b"fmt ", bytes(16)), DATA), "zero channels"),
        (riff(PCM_FMT), "its sound .the data chunk. is missing"),
        (riff(PCM_FMT, DATA, (b"LIST", bytes(5000)))[:-4000], "cut short: after its sound"),
        (b"caff\0\1\0\0desc" + struct.pack(">Q", 32) + bytes(32), "data chunk. is missing"),
        (b"FORM\0\0\0\x04AIFF", "SSND chunk. is missing"),
        (b"fLaC\0\0\0\x22" + bytes(34), "cut short"),
        (b"fLaC\x80\0\0\x22" + bytes(34), "sample rate of zero"),
        (b"fLaC\x81\0\0\x01\0", "does not begin with STREAMINFO"),
        (b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm", "ends before its sound"),
        (b"\xff\xfb\x90\x64" + bytes(200), "not contain one whole MP3 frame"),
    ],
)
def test_a_file_without_sound_or_sense_is_refused(data: bytes, words: str) -> None:
    refused(data, words)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("aiff", "pcm_s16be"), ("caf", "pcm_s16be"), ("flac", "flac"),
     ("ogg", "libopus"), ("ogg", "flac"), ("webm", "libopus")],
)  # fmt: skip
def test_sound_of_no_length_is_refused(container: str, codec: str) -> None:
    refused(encode(container, codec, seconds=0), "contains no sound$")


def test_an_index_of_no_samples_and_a_count_of_no_frames_are_refused() -> None:
    m4a = bytearray(sample("m4a"))
    at = m4a.index(b"stsz") + 4 + 8
    m4a[at : at + 4] = bytes(4)
    refused(bytes(m4a), "contains no sound$")
    refused(sample("mp3 without tags")[:192], "contains no sound$")


# -- cost ----------------------------------------------------------------------------------------


class CountingStream(BytesIO):
    """Counts what is read from it."""

    total = reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.total += len(piece)
        self.reads += 1
        return piece


@pytest.mark.parametrize("name", AUDIO)
def test_the_file_is_not_read_through(name: str) -> None:
    stream = CountingStream(sample(name))
    recognised = recognise(stream)
    assert recognised is not None
    stream.total = stream.reads = 0
    check_structure(stream, recognised, len(sample(name)))
    assert stream.total <= 150 << 10
    assert stream.reads <= 100


@pytest.mark.parametrize("name", ["mp3 example", "mp3 without a count", "aac example"])
def test_a_few_frames_show_that_the_last_one_is_whole(name: str) -> None:
    stream = CountingStream(sample(name))
    recognised = recognise(stream)
    assert recognised is not None
    stream.total = 0
    check_structure(stream, recognised, len(sample(name)))
    assert stream.total < 8 << 10


def test_an_outdated_size_does_no_harm() -> None:
    for name in AUDIO:
        data = sample(name)
        recognised = recognise(BytesIO(data))
        assert recognised is not None
        for stream, size in ((BytesIO(b""), len(data)), (BytesIO(data), 0), (BytesIO(data), 9)):
            with pytest.raises(UnplayableAudioError):
                check_structure(stream, recognised, size)


def test_aac_that_ffmpeg_cannot_read_is_refused_as_that() -> None:
    data = adif()
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    assert recognised.format.name == "AAC"
    refused(data, "is AAC in the old ADIF form, which FFmpeg cannot read: convert it")
    with pytest.raises(av.error.InvalidDataError):  # else we should take it
        av.open(BytesIO(data))
    with pytest.raises(UnplayableAudioError):
        read_audio(BytesIO(data), "AAC")
