"""What holds for any input of the pure modules."""

import string
import tempfile
from io import BytesIO
from pathlib import Path
from uuid import UUID

from hypothesis import example, given, strategies as st

from audiostore.asset.layout import (
    PARTS,
    FilenameGenerator,
    part_of,
    require_audio_id,
)
from audiostore.asset.record import (
    MAX_METADATA_BYTES,
    check_custom_metadata,
    file_metadata,
    incomplete_tags,
    thumbnail_reference,
)
from audiostore.config import DirectoryLocation, parse_location
from audiostore.errors import (
    AudioStoreError,
    ConfigurationError,
    InvalidMetadataError,
    UnsupportedFormatError,
    shown,
)
from audiostore.localfiles import LocalFile
from audiostore.media.recognition import describe
from audiostore.retry import RetryConfig
from audiostore.sources import BytesSource
from audiostore.stores.local import LocalStore
from audiostore.values import OWN_KEYS, tag_keys
from tests.audio_samples import recognise_audio, recognise_image

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
ids = st.uuids().map(str)
extensions = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=16).map(
    lambda e: "." + e
)
kinds = st.sampled_from(["audio", "thumbnail"])

# -- naming ------------------------------------------------------------------------------------


@given(ids, extensions, kinds, st.text(string.ascii_letters + " ./-ü", max_size=10))
def test_every_generated_name_parses_back(audio_id: str, ext: str, kind: str, stem: str) -> None:
    name = FilenameGenerator.generate_blob_name(audio_id, f"{stem}x{ext.upper()}", kind)
    assert name == f"audio/{audio_id}/{kind}{ext}"
    assert FilenameGenerator.parse_audio_id_from_blob_name(name) == audio_id
    assert part_of(name) is PARTS[kind]
    assert len(name.encode()) <= 1024


@given(ids, st.text(max_size=20))
def test_what_is_generated_from_any_file_name_parses_back_or_is_refused(
    audio_id: str, path: str
) -> None:
    try:
        name = FilenameGenerator.generate_blob_name(audio_id, path)
    except UnsupportedFormatError:
        return
    assert name.isascii()
    assert FilenameGenerator.parse_audio_id_from_blob_name(name) == audio_id


def reference_parse(name: str) -> str | None:
    """Read the grammar once more, without regular expressions."""
    parts = name.split("/")
    if len(parts) != 3 or parts[0] != "audio":
        return None
    groups = parts[1].split("-")
    hexadecimal = set("0123456789abcdef")
    if [len(g) for g in groups] != [8, 4, 4, 4, 12] or not set("".join(groups)) <= hexadecimal:
        return None
    stem, dot, ext = parts[2].partition(".")
    allowed = set(string.ascii_lowercase + string.digits)
    if stem not in ("audio", "thumbnail") or not dot or not 1 <= len(ext) <= 16:
        return None
    return parts[1] if set(ext) <= allowed else None


near_names = st.lists(
    st.sampled_from(
        [
            "audio",
            "thumbnail",
            "/",
            "//",
            ".",
            "..",
            "../",
            "mp3",
            ".mp3",
            "MP3",
            "\n",
            "\r",
            "\x00",
            ID,
            ID.upper(),
            ID[:-1],
            ID + "0",
            ID.replace("3", "٣"),
            ID.replace("3", "\uff13"),
            " ",
            "-",
            "x" * 17,
            "\u212a",
            "\u0131",
            "�",
            "é",
            "a",
            "0",
            "",
        ]
    ),
    max_size=7,
).map("".join)


@given(near_names | st.text())
@example(f"audio/{ID}/audio.mp3")
@example(f"audio/{ID}/audio.mp3\n")
@example(f"audio/{ID}/audio.mp3/")
@example(f"/audio/{ID}/audio.mp3")
@example(f"audio//{ID}/audio.mp3")
@example(f"audio/{ID}/audio.")
@example(f"audio/{ID}/audio")
@example(f"audio/{ID}/audio.tar.gz")
@example(f"audio/{ID.upper()}/audio.mp3")
@example(f"audio/{ID}/audio.m\u212a")
@example(f"audio/{ID}/AUDIO.mp3")
@example(f"audio/\u0663{ID[1:]}/audio.mp3")
@example(f"audio/{ID[:-1]}\uff13/audio.mp3")
@example(f"audio/{ID}/../{ID}/audio.mp3")
def test_nothing_else_parses(name: str) -> None:
    assert FilenameGenerator.parse_audio_id_from_blob_name(name) == reference_parse(name)
    parsed = reference_parse(name) is not None
    assert (part_of(name) is not None) == parsed


anything = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.binary(),
    st.text(st.characters(exclude_categories=[])),
    st.lists(st.integers()),
    st.uuids(),
    st.from_type(type),
    near_names,
    st.just(ID.encode()),
)


@given(anything)
def test_any_value_whatsoever_is_an_id_or_is_not(value: object) -> None:
    valid = FilenameGenerator.validate_uuid(value)
    assert valid == (isinstance(value, str) and reference_parse(f"audio/{value}/audio.a") == value)
    is_id = valid or isinstance(value, UUID)
    try:
        assert require_audio_id(value) == str(value)
    except AudioStoreError:
        assert not is_id
    else:
        assert is_id


# -- formats -----------------------------------------------------------------------------------

tag = st.builds(
    lambda flags, size, body: b"ID3\x04\0" + bytes([flags]) + size + body,
    st.integers(0, 255),
    st.binary(min_size=4, max_size=4) | st.just(b"\0\0\0\x05"),
    st.binary(max_size=20),
)
magic = st.sampled_from(
    [
        b"ID3",
        b"RIFF....WAVE",
        b"RIFF....WEBP",
        b"fLaC",
        b"OggS",
        b"\x00\x00\x00\x00ftyp",
        b"\xff\xfb\x90d",
        b"\xff\xf1P\x80",
        b"ADIF",
        b"FORM....AIFF",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"<html>",
        b"%PDF-",
        b"\xff",
        b"",
        bytes(70),
    ]
)
contents = st.lists(tag | magic | st.binary(max_size=70), max_size=5).map(b"".join)
known = st.sampled_from(
    ["a.mp3", "a.WAV", "a.flac", "a.opus", "a.m4a", "a.aac", "a.aif", "a.jpg", "a.png", "a.webp"]
)


SHORT_LOOK = 3 << 19
"""1.5 MiB: the first frame may be behind 1 MiB of junk."""


class Counting(BytesIO):
    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert 0 <= size <= SHORT_LOOK
        piece = super().read(size)
        self.total += len(piece)
        return piece


@given(known | st.text(st.characters(exclude_categories=[])), contents)
def test_any_file_is_recognised_or_refused_after_a_short_look(name: str, data: bytes) -> None:
    for recognise in (recognise_audio, recognise_image):
        stream = Counting(data + bytes(4 << 20))
        try:
            found = recognise(name, stream)
        except UnsupportedFormatError as error:
            assert repr(name) in str(error)  # noqa: PT017
        else:
            assert name.lower().endswith(found.extensions)
        assert stream.total <= SHORT_LOOK


@given(contents)
def test_anything_can_be_described(data: bytes) -> None:
    assert describe(data[:64])


# -- retry -------------------------------------------------------------------------------------


@given(
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.floats(1, 1e3),
    st.integers(0, 2000),
)
def test_delays_stay_within_their_bounds(
    initial: float, more: float, base: float, attempt: int
) -> None:
    largest = initial + more
    steady = RetryConfig(
        initial_delay=initial, max_delay=largest, exponential_base=base, jitter=False
    )
    delay = steady.calculate_delay(attempt)
    assert min(initial, largest) <= delay <= largest
    if attempt:
        assert delay >= steady.calculate_delay(attempt - 1)
    jittery = RetryConfig(initial_delay=initial, max_delay=largest, exponential_base=base)
    assert 0.5 * delay <= jittery.calculate_delay(attempt) <= 1.5 * delay


# -- metadata ----------------------------------------------------------------------------------

near_keys = st.sampled_from(sorted(OWN_KEYS)).flatmap(
    lambda k: st.sampled_from([k, k.upper(), k.title(), k + " ", k.replace("i", "\u0131"), k[:-1]])
)
keys = near_keys | st.text(st.characters(exclude_categories=[]), max_size=8) | st.integers()
values = st.text(st.characters(exclude_categories=[]), max_size=20) | st.none() | st.binary()


@given(st.dictionaries(keys, values, max_size=6))
def test_none_of_our_keys_ever_comes_from_the_caller(metadata: dict[str, str]) -> None:
    try:
        checked = check_custom_metadata(metadata)
    except InvalidMetadataError:
        return
    assert checked == metadata
    assert {k.lower() for k in checked} & OWN_KEYS == set()
    for key, value in checked.items():
        assert key.encode()
        assert value.encode() is not None


@given(
    st.dictionaries(st.text("abü", min_size=1, max_size=9), st.text("xü🎵", max_size=9000)),
    st.dictionaries(st.text("abc", min_size=1, max_size=9), st.text("xü🎵", max_size=1000)),
    st.text("aü🎵", max_size=255),
    st.sampled_from(["audio", "thumbnail"]),
)
def test_metadata_never_exceeds_what_an_object_may_carry(
    custom: dict[str, str], tags: dict[str, str], filename: str, kind: str
) -> None:
    try:
        metadata = file_metadata(ID, kind, filename, BytesSource(b"x"), custom, facts=tags)
    except InvalidMetadataError as error:
        assert str(MAX_METADATA_BYTES) in str(error)  # noqa: PT017
        return
    size = sum(len(k.encode()) + len(v.encode()) for k, v in metadata.items())
    assert size <= MAX_METADATA_BYTES
    assert {k: metadata[k] for k in custom if k not in OWN_KEYS} == custom
    stored = tag_keys(metadata)
    assert metadata.keys() - OWN_KEYS == custom.keys() | set(stored)
    lost = incomplete_tags(tags, metadata, custom)
    for key, value in tags.items():
        assert key in custom or key in lost or (not value) or metadata[key] == value
    assert thumbnail_reference(None) == {}


# -- source ------------------------------------------------------------------------------------


@given(
    st.binary(min_size=1, max_size=300),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 120)), max_size=8),
)
def test_a_local_file_reads_like_bytes(data: bytes, steps: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(data)
        file, memory = LocalFile.snapshot(path), BytesSource(data)
        assert (file.size_bytes, file.crc32c) == (memory.size_bytes, memory.crc32c)
        one, two = file.open(), memory.open()
        for offset, size in steps:
            one.seek(min(offset, len(data)))
            two.seek(min(offset, len(data)))
            assert one.read(size) == two.read(size)
            assert one.read(size) == two.read(size)
        one.close()


# -- config ------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_the_url_of_any_directory_leads_back_to_it(name: str) -> None:
    store = LocalStore(Path("/srv") / name)
    assert parse_location(store.url) == DirectoryLocation(Path("/srv") / name)


@given(st.text(string.printable, max_size=20).map(lambda t: t.replace("[", "").replace("]", "")))
def test_any_text_is_a_location_or_a_configuration_error(text: str) -> None:
    for url in (text, f"gs://{text}", f"file:{text}"):
        try:
            parse_location(url)
        except ConfigurationError as error:
            assert shown(url) in str(error)  # noqa: PT017
        else:
            assert url
