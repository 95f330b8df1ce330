"""Names find files whose accents are in another Unicode form: manifests, lists, journals."""

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from audiostore import AudioStorageManager, BulkItem, find_listed_items
from audiostore.bulk import ManifestProblem, check_manifest
from audiostore.errors import InvalidSourceError, SourceNotFoundError
from audiostore.localfiles import LocalFile
from audiostore.pathforms import look_alikes, on_disk
from tests.assets import MP3

Form = Literal["NFC", "NFD"]
OTHER: dict[Form, Form] = {"NFC": "NFD", "NFD": "NFC"}


def form(name: Form, text: str) -> str:
    return unicodedata.normalize(name, text)


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MP3.read_bytes())


@pytest.mark.parametrize("there", ["NFC", "NFD"])
def test_a_manifest_and_a_list_find_names_in_the_other_form(tmp_path: Path, there: Form) -> None:
    song, cover = (form(there, f"Björk/Ágætis/café.{end}") for end in ("mp3", "jpg"))
    make(tmp_path, song, cover)
    named, pictured = (form(OTHER[there], name) for name in (song, cover))
    manifest = tmp_path / "list.csv"
    manifest.write_text(f"audio,thumbnail\n{named},{pictured}\n{tmp_path / named},\n")
    problems: list[ManifestProblem] = []
    items = list(check_manifest(manifest, problems.append).items())
    assert [item.audio for item in items] == [tmp_path / song] * 2
    assert items[0].thumbnail == tmp_path / cover
    assert [item.source_path for item in items] == [song] * 2  # as `put DIR` would store it
    assert [problem.message for problem in problems] == ["same audio file as in line 2"]
    (listed,) = find_listed_items([named, song], tmp_path)
    assert (listed.audio, listed.thumbnail) == (tmp_path / song, tmp_path / cover)


def test_the_exact_name_comes_first_and_what_is_ambiguous_is_refused(tmp_path: Path) -> None:
    exact, other = form("NFC", "é.mp3"), form("NFD", "é.mp3")
    make(tmp_path, exact, other)
    assert on_disk(exact, tmp_path) == exact
    assert on_disk(other, tmp_path) == other
    # "ệ" has forms in which only some of its marks are composed.
    forms = [form("NFC", "ệ.mp3"), form("NFD", "ệ.mp3"), "\u1eb9\u0302.mp3"]
    make(tmp_path, *forms[:2])
    with pytest.raises(InvalidSourceError, match="2 files look the same"):
        on_disk(forms[2], tmp_path)
    manifest = tmp_path / "list.csv"
    manifest.write_text(f"audio\n{forms[2]}\n")
    problems: list[ManifestProblem] = []
    assert check_manifest(manifest, problems.append).errors == 1
    assert "rename all but one" in problems[0].message
    (listed,) = find_listed_items([forms[2]], tmp_path)  # it fails when it is stored
    with pytest.raises(SourceNotFoundError, match="differs only in the Unicode form"):
        LocalFile.snapshot(listed.audio)


def test_a_folder_that_lacks_the_file_is_no_match(tmp_path: Path) -> None:
    make(tmp_path, form("NFC", "ü/1.mp3"), form("NFD", "ü/2.mp3"))
    assert on_disk(form("NFC", "ü/2.mp3"), tmp_path) == form("NFD", "ü/2.mp3")
    assert look_alikes(form("NFC", "ü/3.mp3"), tmp_path) == []
    for missing in ("ü/\0.mp3", "\ud800.mp3", "1.mp3/ü.mp3", "é/../x.mp3"):
        assert on_disk(missing, tmp_path) == missing


def test_the_journal_knows_a_deleted_file_by_the_name_of_the_manifest(tmp_path: Path) -> None:
    """An earlier run found it on the disk in the other form, stored it and deleted it."""
    name = form("NFD", "café.mp3")
    make(tmp_path, name)
    journal = tmp_path / "journal"
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        (stored,) = manager.bulk.upload([BulkItem(tmp_path / name)], journal=journal)
        (tmp_path / name).unlink()
        again = BulkItem(tmp_path / form("NFC", name))
        (outcome,) = manager.bulk.upload([again], journal=journal)
    assert (outcome.status, outcome.audio_id) == ("stored before", stored.audio_id)
