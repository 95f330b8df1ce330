"""Recognition and the structure check hold for any bytes: our two errors, little read, no wait."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

import google_crc32c
import pytest
from hypothesis import example, given, settings, strategies as st

from audiostore.errors import UnplayableAudioError, UnsupportedFormatError
from audiostore.media.formats import AUDIO_FORMATS
from audiostore.media.kinds import Format, Measured, Recognised, Stated
from audiostore.media.parsing import ogg_links
from audiostore.media.parsing.asf import guid
from audiostore.media.parsing.reading import BudgetSpentError, Reader
from audiostore.media.recognition import describe, identify
from audiostore.media.structure import check_structure, find_audio_data
from tests.audio_samples import (
    AUDIO,
    IMPOSTORS,
    PCM_FMT,
    box,
    id3,
    ogg_changed,
    ogg_page,
    recognise_audio,
    recognise_image,
    riff,
    sample,
)
from tests.fuzzing import examples
from tests.timing import few_calls

MAX_CALLS = 1_500_000
MAX_BYTES = 2 << 20
MAX_READS = 20_000
NAMES = [*AUDIO, "film in mp4", "film in webm", "film in wma", "film in ogg", "matroska"]


@pytest.fixture(autouse=True, scope="module")
def small_ends() -> Iterator[None]:
    """Have the ends of Ogg files, which stand for all of one that is fetched, fit in samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ogg_links, "_END_BYTES", 6 << 10)
        yield


class GuardedStream(BytesIO):
    """Counts what is read, and lets nobody read all of it or from places that are none."""

    total = reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        piece = super().read(size)
        self.total += len(piece)
        self.reads += 1
        return piece

    def seek(self, offset: int, whence: int = 0, /) -> int:
        assert abs(offset) <= len(self.getbuffer())
        return super().seek(offset, whence)


def survives(data: bytes) -> None:
    """Do all that is done with a file of these bytes."""
    stream = GuardedStream(data)
    found = identify(stream)
    if not isinstance(found, str):
        assert 0 <= found.offset < len(data)
        assert found.content_type.isascii()
        bounded_check(stream, found, len(data))
        bounded_audio_data(stream, found, data)
        bounded_describe(found, data)
        bounded_embedded(found, data)
        bounded_measure(found, data)
    assert stream.total < MAX_BYTES
    assert stream.reads < MAX_READS
    for recognise in (recognise_audio, recognise_image):
        words = ""
        try:
            recognise("a.mp3", BytesIO(data))
        except UnsupportedFormatError as error:
            words = str(error)
        assert words.isprintable()


def bounded_audio_data(stream: GuardedStream, found: Recognised, data: bytes) -> None:
    """Find the audio data; if they can be told, they are a part of the file."""
    audio_data = find_audio_data(stream, found, len(data))
    if audio_data is not None:
        audio_data.add(data, 0, google_crc32c.value(data))
        size, _ = audio_data.result() or (0, 0)
        assert 0 <= size <= len(data)


def bounded_describe(found: Recognised, data: bytes) -> None:
    """Read the headers, which may take little."""
    stream = GuardedStream(data)
    reader = Reader(stream, len(data), reads=2_000, total=512 << 10, window=4 << 10)
    with suppress(BudgetSpentError):
        header = found.format.describe(reader, found) if found.format.describe else None
        assert header is None or (header.rate_hz >= 0 and header.channels > 0)


def bounded_embedded(found: Recognised, data: bytes) -> None:
    """Read the tags, and each picture once; a warning is a line of print."""
    size = len(data)
    reader = Reader(BytesIO(data), size, reads=5_000, total=size + (4 << 20), window=4 << 10)
    with suppress(BudgetSpentError):
        read = found.format.read_embedded
        for embedded in read(reader, found.offset) if read else ():
            assert all(each.isprintable() and len(each) < 300 for each in embedded.warnings)
            assert all(isinstance(part.start_s, float) for part in embedded.chapters)
            assert all(len(picture.data) <= size for picture in embedded.pictures[:16])


def bounded_check(stream: GuardedStream, found: Recognised, size: int) -> None:
    """Check the structure; if there is a flaw, it must be one line of print."""
    words = ""
    try:
        check_structure(stream, found, size, name="a")
    except UnplayableAudioError as error:
        words = str(error)
    assert words.isprintable()
    assert len(words) < 300


def bounded_measure(found: Recognised, data: bytes, *, is_fetched: bool = False) -> None:
    """Measure the sound, which may read all of the file once; its texts must be printable."""
    stream = GuardedStream(data)
    reader = Reader(stream, reads=5000, total=len(data) + (4 << 20), window=4 << 10)
    if found.format.measure is None:
        return
    measured: Measured | str | None = None
    with suppress(BudgetSpentError):  # then the duration is FFmpeg's, as an estimate
        measured = found.format.measure(
            Stated(1.0, found.codec or "", b"", reader, found.offset, is_fetched)
        )
    words = (measured,) if isinstance(measured, str) else measured.warnings if measured else ()
    assert "".join(words).isprintable()
    assert not isinstance(measured, Measured) or 0 <= measured.seconds < float("inf")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return one of the samples, cut, with wrong bits, spliced with another or with zeros in it."""
    data = bytearray(sample(draw(st.sampled_from(NAMES))))
    places = st.integers(0, len(data))
    # Headers stand in the first bytes, and indexes and last pages in the last: aim there.
    near = st.one_of(
        places,
        st.integers(0, min(700, len(data))),
        st.integers(max(0, len(data) - 700), len(data)),
    )
    for _ in range(draw(st.integers(1, 4))):
        at = min(draw(near), len(data))
        kind = draw(st.sampled_from(["bits", "number", "cut", "zeros", "splice", "drop", "double"]))
        if kind == "bits" and at < len(data):
            data[at] ^= draw(st.integers(1, 255))
        elif kind == "number":
            data[at : at + 4] = draw(st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff"]))
        elif kind == "cut":
            del data[at:]
        elif kind == "zeros":
            data[at:at] = bytes(draw(st.integers(1, 5000)))
        elif kind == "splice":
            other = sample(draw(st.sampled_from(NAMES)))
            data[at:] = other[min(at, len(other)) :][:100_000]
        elif kind == "drop":
            del data[at : at + draw(st.integers(1, 300))]
        elif kind == "double":
            data[at:at] = data[max(0, at - draw(st.integers(1, 3000))) : at]
    return bytes(data)


@settings(max_examples=examples(600))
@given(mutated())
def test_mutations_of_real_files_are_survived(data: bytes) -> None:
    survives(data)


@settings(max_examples=examples(300))
@given(mutated())
def test_the_ends_of_mutated_files_are_survived(data: bytes) -> None:
    found = identify(BytesIO(data))
    if isinstance(found, Recognised):
        bounded_measure(found, data, is_fetched=True)


BEGINNINGS = [
    b"",
    b"ID3\x04\0\0\0\0\0\0",
    b"RIFF\xff\xff\xff\xffWAVE",
    b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0",
    b"FORM\0\0\xff\xffAIFF",
    b"FORM\0\0\xff\xffAIFC",
    b"caff\0\1\0\0desc\0\0\0\0\0\0\0\x20",
    b"fLaC\0\0\0\x22",
    b"OggS\0\2",
    b"OggS\0\2" + bytes(20) + b"\x01\x13OpusHead",
    b"\0\0\0\x10ftypM4A \0\0\0\0",
    b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\xff\xffmoov",
    b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    b"\xff\xfb\x90\x64",
    b"\xff\xf1\x50\x80",
]


@settings(max_examples=examples(400))
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=8 << 10), st.integers(1, 8))
@example(b"", b"", 1)
def test_arbitrary_bytes_are_survived(head: bytes, body: bytes, times: int) -> None:
    survives(head + body * times)
    assert describe(head + body)


MIB = 1 << 20
FLAC_HEAD = b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\0\xff\xff\xff\x0a\xc4\x42\xf0\0\x10\0\0" + bytes(16)
FLAC_FRAME = b"\xff\xf8\xc9\xa8\x00"
OPUS = ogg_page(b"OpusHead\1\1" + bytes(9))
EBML = b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm"
LIVE = EBML + (b"\x18\x53\x80\x67\x01" + b"\xff" * 7) + (b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7)
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
FTYP = box(b"ftyp", b"M4A ", bytes(4))
TRACK = box(b"trak", box(b"mdia", box(b"xxxx") * 3000))

GREEDY_LIST = b"\0\0\0\x14meta\0\0\0\0\0\x0f\0\0ilst"
SOUND = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8), b"soun")))
ITEM = box(b"\xa9nam", box(b"data", bytes(8) + b"x"))
WMA_EXTENSION = guid("5FBF03B5-A92E-11CF-8EE3-00C00C205365")
WMA_LIBRARY = guid("44231C94-9498-49D1-A141-1D134E457054")
COMMENTS = b"\x84\x0f\0\0" + struct.pack("<II", 0, 1 << 20) + b"\3\0\0\0A=b" * (MIB // 8)


def vorbis_of(setup: bytes) -> bytes:
    """Return Vorbis with this setup packet, whose end is as it should be."""
    first = sample("ogg vorbis")[28:58]
    modes = sample("ogg vorbis")[: 58 + 4096].rpartition(b"OggS")[0][-100:]
    packets = [first, b"\x03vorbis" + bytes(9) + b"\1", b"\x05vorbis" + setup + modes, bytes(50)]
    return b"".join(
        ogg_changed(ogg_page(packet, flags=0 if i else 2, position=i))
        for i, packet in enumerate(packets)
    )


SPARSE = b"\x26BCV\x01\x00\x00\x00\x01\x02"
"""39 codebooks; the first one of 65,536 entries, each of which says whether it is used."""

ADVERSARIES = {
    "tags without end": id3(0) * 100_000,
    "chunks without end": riff(*[(b"abcd", b"")] * 100_000),
    "aiff chunks": b"FORM\0\x0f\0\0AIFF" + b"abcd\0\0\0\0" * 100_000,
    "caf chunks": b"caff\0\1\0\0desc" + b"\0\0\0\0\0\0\0\0desc" * 80_000,
    "boxes without end": FTYP + box(b"free") * 130_000,
    "boxes in the index": FTYP + box(b"moov", box(b"free") * 130_000),
    "tracks of boxes": FTYP + box(b"moov", TRACK * 40),
    "boxes of size one": FTYP + (b"\0\0\0\1free" + bytes(7) + b"\x10") * 60_000,
    "nested boxes": FTYP + b"\0\x0f\0\0moov" + b"\0\x0e\0\0trak" * 1000 + bytes(MIB),
    "flac blocks": b"fLaC" + FLAC_HEAD[4:42].replace(b"\x80", b"\0", 1) + b"\1\0\0\0" * 200_000,
    "flac syncs": FLAC_HEAD + FLAC_FRAME * (MIB // 5),
    "flac headers": FLAC_HEAD + (FLAC_FRAME + b"\x56") * (MIB // 6),
    "flac comments": b"fLaC" + FLAC_HEAD[4:42].replace(b"\x80", b"\0", 1) + COMMENTS,
    "lists that claim the file": FTYP + box(b"moov", SOUND, box(b"udta", GREEDY_LIST * 20_000)),
    "items without end": FTYP
    + box(b"moov", SOUND, box(b"meta", bytes(4), box(b"ilst", ITEM * 20_000))),
    "items of wav": riff(PCM_FMT, (b"LIST", b"INFO" + b"INAM\0\0\0\0" * 100_000)),
    "a codebook of nothing": vorbis_of(SPARSE + bytes(15_000)),
    "a codebook of everything": vorbis_of(SPARSE + b"\xff" * 15_000),
    "pages without end": OPUS * 30_000,
    "captures without end": OPUS + b"OggS" * (MIB // 4),
    "empty elements": EBML + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\xec\x80" * (MIB // 2),
    "clusters": EBML + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\x1f\x43\xb6\x75\x80" * 200_000,
    "blocks": LIVE + b"\xa3\x81" * 100_000,
    "pairs of blocks": LIVE + b"\xa3\x80\xa3\x80\0" * 100_000,
    "tracks of elements": EBML
    + (b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\x16\x54\xae\x6b\x10\x0f\0\0")
    + b"\xae\x84\x83\x81\x02\xec" * 150_000,
    "objects": ASF
    + (900_000).to_bytes(8, "little")
    + bytes(6)
    + (bytes(16) + b"\x18" + bytes(7)) * 40_000,
    "tags of wma": ASF
    + struct.pack("<Q6x", 900_000)
    + (WMA_EXTENSION + struct.pack("<Q22x", 880_000))
    + (WMA_LIBRARY + struct.pack("<QH", 26, 0xFFFF)) * 30_000,
    "sync bytes": b"\xff" * MIB,
    "mp3 headers": b"\xff\xfb\x90\x64" * (MIB // 4),
    "adts of seven bytes": b"\xff\xf1\x50\x80\x00\xff\xfc" * (MIB // 7),
    "pairs of frames": (b"\xff\xf1\x50\x80\x00\xff\xfc" * 2 + b"\0") * (MIB // 15),
    "lyrics": sample("mp3") + b"LYRICSBEGIN" * 2000 + b"LYRICSEND",
    "ape at the end": sample("mp3") + (b"APETAGEX" + bytes(24)) * 20_000,
    "riff of riffs": riff(PCM_FMT, (b"LIST", riff(PCM_FMT) * 20_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", ADVERSARIES)
def test_chains_without_end_are_left(name: str) -> None:
    with few_calls(MAX_CALLS):
        survives(ADVERSARIES[name])


@pytest.mark.parametrize("audio_format", AUDIO_FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize("name", ["mp3", "m4a", "flac", "webm", "web page", "zeros"])
def test_a_check_survives_a_file_that_disappears(audio_format: Format, name: str) -> None:
    """As of a file that was replaced between the two."""
    data = sample(name)
    for offset in (0, 10, len(data), len(data) + 5):
        found = Recognised(audio_format, None, offset)
        bounded_check(GuardedStream(data), found, len(data))


@pytest.mark.parametrize("name", IMPOSTORS)
def test_impostors_are_survived(name: str) -> None:
    survives(sample(name))
