"""The audio data of a file: the same whatever its tags are, and never with other audio."""

from io import BytesIO
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given, strategies as st

from audiostore import AudioStorageManager
from audiostore.media.formats import AUDIO_FORMATS
from audiostore.media.kinds import Recognised
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.recognition import identify
from audiostore.media.structure import check_structure, find_audio_data
from audiostore.sources import encode_crc32c
from tests.assets import MP3
from tests.audio_samples import AUDIO, ID3V1, id3, sample
from tests.retagging import retagged

_FROM_A_BROWSER = "webm from a browser"
"""Its clusters have no sizes, so where they end cannot be told."""


def audio_data(data: bytes, piece_bytes: int = 50_000) -> tuple[int, int] | None:
    """Return the size and the checksum of a file's audio data."""
    stream = BytesIO(data)
    found = identify(stream)
    assert isinstance(found, Recognised)
    parts = find_audio_data(stream, found, len(data))
    if parts is None:
        return None
    crc = 0
    for at in range(0, len(data), piece_bytes):
        piece = data[at : at + piece_bytes]
        before, crc = crc, google_crc32c.extend(crc, piece)
        parts.add(piece, before, crc)
    return parts.result()


def test_every_format_says_which_bytes_are_its_audio() -> None:
    assert [each.name for each in AUDIO_FORMATS if each.audio_data is None] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(AUDIO))
def test_other_tags_leave_the_audio_data_as_it_is(name: str) -> None:
    extension, _, _ = AUDIO[name]
    data = sample(name)
    versions = list(retagged(extension, data))
    expected = audio_data(data)
    assert (expected is None) == (name == _FROM_A_BROWSER)
    assert [audio_data(version) for version in versions] == [expected] * len(versions)
    assert all(version != data for version in versions)
    for version in versions:
        stream = BytesIO(version)
        found = identify(stream)
        assert isinstance(found, Recognised)
        check_structure(stream, found, len(version))  # these are files as editors leave them


@pytest.mark.parametrize("name", sorted(set(AUDIO) - {_FROM_A_BROWSER}))
def test_other_audio_has_other_audio_data(name: str) -> None:
    data = sample(name)
    expected = audio_data(data)
    for percent in (40, 60, 80):
        at = len(data) * percent // 100
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert audio_data(changed) != expected, percent


@pytest.mark.parametrize("name", ["mp3", "flac", "ogg vorbis", "m4a", "wav", "webm", "wma"])
def test_the_audio_data_do_not_depend_on_how_the_file_is_read(name: str) -> None:
    data = sample(name)
    sizes = (997, 4096, 1 << 17, len(data))
    assert {audio_data(data, size) for size in sizes} == {audio_data(data)}


def test_the_audio_data_are_the_bytes_between_the_tags() -> None:
    frames = sample("mp3 without tags")
    expected = len(frames), google_crc32c.value(frames)
    assert audio_data(frames) == audio_data(id3(500) + frames + ID3V1) == expected


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8), st.integers(1, 40))
def test_parts_have_the_checksum_of_their_bytes(data: bytes, edges: list[int], size: int) -> None:
    inside = sorted(min(edge, len(data)) for edge in edges)
    pairs = list(zip(inside[::2], inside[1::2], strict=False))
    parts, crc = Parts(pairs), 0
    for at in range(0, len(data), size):
        before, crc = crc, google_crc32c.extend(crc, data[at : at + size])
        parts.add(data[at : at + size], before, crc)
    expected = b"".join(data[a:b] for a, b in pairs)
    assert parts.result() == ((len(expected), google_crc32c.value(expected)) if expected else None)


def test_parts_beyond_the_end_of_a_file_are_unknown() -> None:
    parts = Parts([(2, 9)])
    parts.add(b"1234", 0, google_crc32c.value(b"1234"))
    assert parts.result() is None


@pytest.mark.parametrize("check", ["quick", "none"])
def test_an_asset_tells_its_audio_data(tmp_path: Path, check: str) -> None:
    data = MP3.read_bytes()
    size, crc = audio_data(data) or (0, 0)
    retagged_file = tmp_path / "other.mp3"
    retagged_file.write_bytes(data + ID3V1)
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        for path in (MP3, retagged_file):
            stored = manager.upload_audio_file(path, check=check)  # type: ignore[arg-type]
            result = manager.get(stored.audio_id)
            assert result.audio_data_size_bytes == size < result.size_bytes
            assert result.audio_data_crc32c == encode_crc32c(crc)
            assert "audio_data_size" not in result.custom


def test_audio_data_that_are_not_known_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.webm"
    path.write_bytes(sample(_FROM_A_BROWSER))
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        stored = manager.upload_audio_file(path)
        assert stored.audio_data_size_bytes is None
        assert stored.audio_data_crc32c is None
