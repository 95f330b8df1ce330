"""The layout of a bucket."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from audiostore.asset.layout import (
    AUDIO,
    PARTS,
    THUMBNAIL,
    FilenameGenerator,
    FileOrganizer,
    PartName,
    part_of,
    require_audio_id,
)
from audiostore.errors import InvalidAudioIdError, UnsupportedFormatError

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


def test_ids_are_random_version_4_uuids() -> None:
    ids = {FilenameGenerator.generate_audio_id() for _ in range(100)}
    assert len(ids) == 100
    assert {uuid.UUID(i).version for i in ids} == {4}
    assert all(FilenameGenerator.validate_uuid(i) for i in ids)


def test_the_layout_is_as_documented() -> None:
    assert FilenameGenerator.generate_blob_name(ID, "x/Song.MP3") == f"audio/{ID}/audio.mp3"
    assert FilenameGenerator.generate_blob_name(ID, Path("a.b.PNG"), "thumbnail") == (
        f"audio/{ID}/thumbnail.png"
    )
    assert FilenameGenerator.generate_thumbnail_blob_name(ID) == f"audio/{ID}/thumbnail.jpg"
    assert FileOrganizer.get_folder_structure(ID) == {
        "root": "audio",
        "audio_folder": f"audio/{ID}",
        "audio_prefix": f"audio/{ID}/",
    }
    assert FileOrganizer.get_expected_files(ID, ".wav", thumbnail_ext=".png") == {
        "audio": f"audio/{ID}/audio.wav",
        "thumbnail": f"audio/{ID}/thumbnail.png",
    }
    assert FileOrganizer.get_expected_files(ID, has_thumbnail=False) == {
        "audio": f"audio/{ID}/audio.mp3"
    }
    assert FileOrganizer.format_gcs_uri("b", "a/x") == "gs://b/a/x"


@pytest.mark.parametrize("path", ["song", ".mp3", "song.", "song.mp3 ", "a.mp/3", "a.ü", "a.mp3\n"])
def test_a_name_without_a_usable_extension_is_refused(path: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="extension"):
        FilenameGenerator.generate_blob_name(ID, path)


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ValueError, match="'audio' or 'thumbnail'"):
        FilenameGenerator.generate_blob_name(ID, "a.mp3", "video")


@pytest.mark.parametrize("bad", ["", ID.upper(), ID + "\n", f"{{{ID}}}", ID.replace("-", ""), None])
def test_a_malformed_id_is_refused_everywhere(bad: str) -> None:
    calls: tuple[Callable[[], str], ...] = (
        lambda: require_audio_id(bad),
        lambda: FilenameGenerator.generate_blob_name(bad, "a.mp3"),
        lambda: FilenameGenerator.generate_thumbnail_blob_name(bad),
        lambda: FileOrganizer.get_folder_structure(bad)["root"],
        lambda: FileOrganizer.get_expected_files(bad)["audio"],
    )
    for call in calls:
        with pytest.raises(InvalidAudioIdError, match="is not a UUID"):
            call()


def test_audio_and_artwork_are_distinguished() -> None:
    audio, cover = f"audio/{ID}/audio.mp3", f"audio/{ID}/thumbnail.jpg"
    assert part_of(audio) is AUDIO
    assert part_of(cover) is THUMBNAIL
    assert part_of(f"audio/{ID}/other.mp3") is None
    assert part_of(f"x/{cover}") is None


def test_type_checkers_know_the_parts() -> None:
    assert get_args(PartName) == tuple(PARTS)
