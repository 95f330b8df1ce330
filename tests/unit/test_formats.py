"""What a file is by its content, and what is refused by its name."""

import re
from io import BytesIO

import pytest

from audiostore.errors import UnsupportedFormatError
from audiostore.media.formats import AUDIO_FORMATS, FORMATS, IMAGE_FORMATS, format_named
from audiostore.media.kinds import Recognised
from audiostore.media.recognition import describe, identify, recognise, require_audio
from tests.audio_samples import (
    AUDIO,
    IMPOSTORS,
    PCM_FMT,
    ape,
    box,
    id3,
    ogg_page,
    recognise_audio,
    recognise_image,
    riff,
    sample,
)

IMAGES = {
    ".jpg": b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(40),
    ".jpeg": b"\xff\xd8\xff\xe1\0\x10Exif" + bytes(40),
    ".png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40),
    ".webp": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40),
}
CONTENT_TYPES = {
    **{".mp3": "audio/mpeg", ".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg"},
    **{".oga": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4", ".m4b": "audio/mp4"},
    **{".aac": "audio/aac", ".aiff": "audio/aiff", ".aif": "audio/aiff", ".webm": "audio/webm"},
    **{".wma": "audio/x-ms-wma", ".caf": "audio/x-caf", ".jpg": "image/jpeg"},
    **{".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"},
}
ONE_OF_EACH = ["mp3", "wav", "flac", "ogg opus", "m4a", "aac", "aiff", "webm", "wma", "caf"]


def found(name: str) -> Recognised:
    """What a sample is recognised as."""
    recognised = recognise(BytesIO(sample(name)))
    assert recognised is not None
    return recognised


def test_the_samples_cover_every_extension() -> None:
    assert {extension for extension, _, _ in AUDIO.values()} == {
        e for f in AUDIO_FORMATS for e in f.extensions
    }
    assert set(IMAGES) == {e for f in IMAGE_FORMATS for e in f.extensions}


@pytest.mark.slow
@pytest.mark.parametrize("name", AUDIO)
def test_each_kind_of_audio_is_recognised_by_its_content(name: str) -> None:
    extension, codec, _ = AUDIO[name]
    data = sample(name)
    recognised = found(name)
    assert recognised.codec == codec
    assert extension in recognised.format.extensions
    for spelled in ("song" + extension, "SONG" + extension.upper()):
        assert recognise_audio(spelled, BytesIO(data)) == recognised.format


@pytest.mark.parametrize("extension", CONTENT_TYPES)
def test_each_extension_has_the_content_type_that_was_promised(extension: str) -> None:
    [kind] = [each for each in FORMATS if extension in each.extensions]
    assert kind.content_type == CONTENT_TYPES[extension]


def test_no_two_formats_share_a_name_or_an_extension() -> None:
    names = [each.name for each in FORMATS]
    extensions = [extension for each in FORMATS for extension in each.extensions]
    assert len(names) == len(set(names))
    assert len(extensions) == len(set(extensions))


@pytest.mark.parametrize("extension", IMAGES)
def test_each_kind_of_image_is_recognised(extension: str) -> None:
    kind = recognise_image("cover" + extension, BytesIO(IMAGES[extension]))
    assert kind.content_type == CONTENT_TYPES[extension]
    assert kind.kind == "image"


@pytest.mark.parametrize("name", ["mp3", "flac", "aac"])
@pytest.mark.parametrize("size", [0, 1, 54, 127, 128, 16383, 16384, 70_000])
@pytest.mark.parametrize("footer", [False, True])
def test_tags_in_front_are_looked_past(name: str, size: int, footer: bool) -> None:
    bare = sample(name)[found(name).offset :]
    for tags in (id3(size, footer=footer), id3(7) + id3(size, footer=footer), ape(size) + id3(7)):
        recognised = recognise(BytesIO(tags + bare))
        assert recognised is not None
        assert (recognised.format, recognised.offset) == (found(name).format, len(tags))


@pytest.mark.parametrize("name", ["mp3", "mp2", "aac"])
@pytest.mark.parametrize("junk", [bytes(2000), b"\xff\xfb\x90", b"rest of a frame" * 50])
def test_frames_are_found_after_padding_or_the_rest_of_a_frame(name: str, junk: bytes) -> None:
    bare = sample(name)[found(name).offset :]
    recognised = recognise(BytesIO(id3() + junk + bare))
    assert recognised is not None
    assert recognised.format == found(name).format
    assert recognised.offset == len(id3() + junk)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("tail", [b"", b"TAG" + bytes(125), ape()])
def test_a_file_of_a_few_frames_is_recognised(count: int, tail: bytes) -> None:
    frame = b"\xff\xfb\x90\x64" + bytes(413)
    recognised = recognise(BytesIO(frame * count + tail))
    assert recognised == Recognised(format_named("MP3"), "mp3", 0)


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xe8\x90\x64",  # MPEG version 01: reserved
        b"\xff\xff\x90\x64",  # layer I
        b"\xff\xfb\xf0\x64",  # bit rate 15: forbidden
        b"\xff\xfb\x9c\x64",  # sampling rate 3: reserved
        b"\xff\xfb\x90",  # too short for a header
        b"\xff\xfb\x90\x64" + bytes(10_000),  # a sync word that does not repeat
        b"\xff\xf1\x50\x80\x17\x3f\xfc" + bytes(10_000),  # as of AAC
    ],
)
def test_a_sync_word_alone_is_not_audio(head: bytes) -> None:
    for name in ("a.mp3", "a.aac"):
        with pytest.raises(UnsupportedFormatError):
            recognise_audio(name, BytesIO(head))


@pytest.mark.parametrize("name", IMPOSTORS)
def test_an_impostor_is_called_by_its_name(name: str) -> None:
    extension, words, _ = IMPOSTORS[name]
    data = sample(name)
    assert recognise(BytesIO(data)) is None
    for fix_extension in (False, True):
        with pytest.raises(UnsupportedFormatError, match=words) as caught:
            recognise_audio("song" + extension, BytesIO(data), fix_extension=fix_extension)
        assert str(caught.value).startswith(f"'song{extension}' is ")


@pytest.mark.parametrize("name", ["web page", "pdf", "zip", "json", "gcs error"])
def test_an_impostor_after_a_tag_is_called_by_its_name(name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=IMPOSTORS[name][1]):
        recognise_audio("song.mp3", BytesIO(id3() + sample(name)))


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("other", ONE_OF_EACH)
def test_no_format_passes_for_another(name: str, other: str) -> None:
    extension, data = AUDIO[name][0], sample(other)
    if name == other:
        assert recognise_audio("a" + extension, BytesIO(data))
        return
    right = found(other).format
    words = (
        f"'a{extension}' is {right.name} audio:"
        f" rename it to {right.extensions[0]}, or pass fix_extension=True"
    )
    with pytest.raises(UnsupportedFormatError, match="^" + re.escape(words)):
        recognise_audio("a" + extension, BytesIO(data))
    assert recognise_audio("a" + extension, BytesIO(data), fix_extension=True) == right


def test_a_wrong_extension_of_an_image_names_both_and_the_way_out() -> None:
    words = r"^'cover\.jpg' is a PNG image: rename it to \.png, or pass fix_extension=True$"
    with pytest.raises(UnsupportedFormatError, match=words):
        recognise_image("cover.jpg", BytesIO(IMAGES[".png"]))
    assert recognise_image("cover.jpg", BytesIO(IMAGES[".png"]), fix_extension=True).name == "PNG"


@pytest.mark.parametrize("name", ["song", "song.exe", "song.mp3.txt", ".mp3", "song.jpg", "a.mp3 "])
def test_an_unknown_extension_names_what_the_content_is(name: str) -> None:
    words = re.escape(f"{name!r} is MP3 audio: rename it to .mp3")
    with pytest.raises(UnsupportedFormatError, match=words):
        recognise_audio(name, BytesIO(sample("mp3")))
    with pytest.raises(UnsupportedFormatError, match=r"is a PDF .* files are \.aac \.aiff \.aif "):
        recognise_audio(name, BytesIO(b"%PDF-1.7"))


def test_an_image_is_not_audio_nor_audio_an_image() -> None:
    for fix_extension in (False, True):
        with pytest.raises(UnsupportedFormatError, match="is a PNG image, not MP3 audio"):
            recognise_audio("a.mp3", BytesIO(IMAGES[".png"]), fix_extension=fix_extension)
        with pytest.raises(UnsupportedFormatError, match="is MP3 audio, not a PNG image"):
            recognise_image("a.png", BytesIO(sample("mp3")), fix_extension=fix_extension)
    with pytest.raises(UnsupportedFormatError, match=r"is a PNG image: the extensions of audio"):
        recognise_audio("a.png", BytesIO(IMAGES[".png"]))
    with pytest.raises(UnsupportedFormatError, match=r"is MP3 audio: the extensions of image"):
        recognise_image("a.mp3", BytesIO(sample("mp3")))
    assert recognise(BytesIO(IMAGES[".png"])) is not None


def test_a_name_of_control_characters_is_quoted() -> None:
    with pytest.raises(UnsupportedFormatError) as caught:
        recognise_audio("\x1b[2Jsong.wav", BytesIO(sample("mp3")))
    assert "\x1b" not in str(caught.value)


def test_an_extension_is_kept_if_it_fits() -> None:
    ogg = found("ogg opus").format
    assert ogg.extension_for("a.opus") == ".opus"
    assert ogg.extension_for("A.OGA") == ".oga"
    assert ogg.extension_for("a.mp3") == ogg.extension_for("a") == ".ogg"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("ogg opus", "audio/ogg; codecs=opus"),
        ("ogg vorbis", "audio/ogg; codecs=vorbis"),
        ("ogg flac", "audio/ogg; codecs=flac"),
        ("webm", "audio/webm; codecs=opus"),
        ("webm of vorbis", "audio/webm; codecs=vorbis"),
        ("m4a", "audio/mp4"),
        ("m4a of opus", "audio/mp4"),
        ("mp3", "audio/mpeg"),
        ("flac", "audio/flac"),
        ("rf64", "audio/wav"),
    ],
)
def test_the_content_type_names_the_codec_where_that_helps(name: str, content_type: str) -> None:
    assert found(name).content_type == content_type


def test_speex_in_ogg_is_stored_under_the_plain_type() -> None:
    recognised = recognise(BytesIO(ogg_page(b"Speex   1.2" + bytes(69))))
    assert recognised is not None
    assert recognised.codec == "speex"
    assert recognised.content_type == "audio/ogg"


def test_a_skeleton_beside_the_sound_is_looked_past() -> None:
    data = ogg_page(b"fishead\0" + bytes(56)) + ogg_page(b"OpusHead\1\1" + bytes(9), serial=2)
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    assert recognised.codec == "opus"


def test_a_sound_track_is_found_whatever_the_brand() -> None:
    data = sample("m4a")
    for brand in (b"isom", b"mp42", b"M4B ", b"M4V ", b"3gp4", b"qt  ", b"dash", b"mif1"):
        recognised = recognise(BytesIO(data[:8] + brand + data[12:]))
        assert (recognised is not None) == (brand != b"mif1")


def test_an_mp4_without_an_index_is_recognised_by_its_type() -> None:
    data = box(b"ftyp", b"M4A ", bytes(4)) + box(b"mdat", bytes(100))
    assert recognise_audio("a.m4a", BytesIO(data)).name == "MP4"


def test_a_wav_of_chunks_in_front_of_its_format_is_recognised() -> None:
    data = riff((b"JUNK", bytes(4095)), (b"bext", bytes(602)), PCM_FMT, (b"data", bytes(100)))
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    assert recognised.codec == "pcm"


def test_a_tag_that_claims_all_of_the_file_is_refused_without_reading_it() -> None:
    huge = b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + sample("mp3")
    with pytest.raises(UnsupportedFormatError, match="an ID3 tag of 268,435,465 bytes without"):
        recognise_audio("a.mp3", BytesIO(huge))


@pytest.mark.parametrize("head", [b"ID3", b"ID3\x04\0\0\0\0\0", b"ID3\x04\0\0\x80\0\0\0"])
def test_a_broken_tag_is_refused(head: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match="a broken ID3 tag"):
        recognise_audio("a.mp3", BytesIO(head))


def test_what_was_identified_once_can_be_required_by_name() -> None:
    recognised = identify(BytesIO(sample("mp3")))
    assert require_audio("a.mp3", recognised) == recognised
    with pytest.raises(UnsupportedFormatError, match="rename"):
        require_audio("a.wav", recognised)


def test_describe_says_it_in_words() -> None:
    assert describe(b"%PDF-1.7") == "a PDF document"
    assert describe(sample("mp3")) == "MP3 audio"
    assert describe(IMAGES[".webp"]) == "a WebP image"


class CountingStream(BytesIO):
    """Counts what is read from it."""

    total = reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.total += len(piece)
        self.reads += 1
        return piece


@pytest.mark.slow
@pytest.mark.parametrize("name", [*AUDIO, *IMPOSTORS])
def test_little_is_read(name: str) -> None:
    stream = CountingStream(sample(name))
    identify(stream)
    # Zeros may precede the first frame of an MP3.
    assert stream.total <= (2 << 20 if name == "zeros" else 64 << 10)
    assert stream.reads <= 36


def test_little_is_read_of_a_chain_of_tags_without_end() -> None:
    stream = CountingStream(id3(0) * 20_000)
    assert recognise(stream) is None
    assert stream.total <= 64 << 10
