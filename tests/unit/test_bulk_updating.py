"""`update`: what is stored follows the files, whether a journal is kept or not."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AudioStorageManager,
    MemoryStore,
    Query,
    SourceChangedError,
    StorageResult,
    find_items,
)
from audiostore.bulk import BulkItem, UploadOutcome
from audiostore.bulk.items import UploadReason
from audiostore.bulk.updating import Matcher
from tests.assets import JPG, OGG, OTHER_JPG, mp3_bytes
from tests.retagging import titled


@cache
def _audio(frames: int) -> bytes:
    return mp3_bytes(frames * 417)


class Library:
    """A directory of tracks, and a store that follows it."""

    def __init__(self, folder: Path, *, has_journal: bool) -> None:
        self.root = folder / "Music"
        self.root.mkdir()
        self.store = MemoryStore()
        self.manager = AudioStorageManager(store=self.store)
        self.journal = folder / "journal" if has_journal else None

    def write(
        self, path: str, frames: int, title: str = "", *, album: str = "", cover: bytes = b""
    ) -> Path:
        """Write a track; the number of its frames is what tells its audio from others'."""
        file = self.root / path
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_bytes(titled(_audio(frames), title, cover, album))
        return file

    def move(self, old: str, new: str) -> None:
        (self.root / new).parent.mkdir(exist_ok=True, parents=True)
        os.rename(self.root / old, self.root / new)  # noqa: PTH104

    def update(self, root: Path | None = None, **options: object) -> dict[str, UploadReason]:
        """Update the store; return the reasons by path."""
        outcomes = self.outcomes(root, **options)
        return {path: each.reason for path, each in outcomes.items()}

    def outcomes(self, root: Path | None = None, **options: object) -> dict[str, UploadOutcome]:
        items = find_items([root or self.root])
        options = {"update": True, "check": "none", "journal": self.journal, **options}
        found = {}
        for each in self.manager.bulk.upload(items, **options):  # type: ignore[arg-type]
            assert each.error is None, each.error
            found[each.item.source_path or ""] = each
        return found

    def live(self) -> dict[str, StorageResult]:
        """Return what is not superseded, by source path."""
        assets = list(self.manager.catalog.find(Query(superseded=False)))
        by_path = {asset.source_path or "": asset for asset in assets}
        assert len(by_path) == len(assets), [asset.source_path for asset in assets]
        return by_path

    def require_current(self) -> dict[str, str]:
        """Require that each file has one live asset with its audio; return the ids."""
        live = self.live()
        files = {p.relative_to(self.root).as_posix(): p for p in self.root.rglob("*.mp3")}
        assert live.keys() >= files.keys()
        for path, file in files.items():
            data = file.read_bytes()
            frames = data[data.index(b"\xff\xfb") :]
            assert live[path].audio_data_size_bytes == len(frames), path
            assert live[path].original_filename == file.name
        assert list(self.manager.audit.check()) == []
        again = self.update()
        assert set(again.values()) <= {"stored"}, again
        return {path: live[path].audio_id for path in files}


@pytest.fixture(params=["journal", "no journal"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    return Library(tmp_path, has_journal=request.param == "journal")


def test_a_file_that_is_as_it_was_is_left_alone(library: Library) -> None:
    file = library.write("a.mp3", 9)
    assert library.update() == {"a.mp3": "new"}
    os.utime(file, ns=(1, 1))
    assert library.update() == {"a.mp3": "stored"}
    assert len(list(library.manager.list())) == 1


def test_other_audio_at_a_path_supersedes(tmp_path: Path) -> None:
    library = Library(tmp_path, has_journal=True)
    library.write("a.mp3", 9)
    library.update()
    old = library.require_current()["a.mp3"]
    library.write("a.mp3", 10)
    outcome = library.outcomes()["a.mp3"]
    assert (outcome.status, outcome.reason) == ("changed", "superseded")
    new = library.require_current()["a.mp3"]
    assert outcome.audio_id == new != old
    assert library.manager.get(new).supersedes == old
    assert library.manager.get(old).superseded_by == new
    library.write("a.mp3", 9)  # and back again: what was superseded stays so
    assert library.update() == {"a.mp3": "superseded"}
    assert library.require_current()["a.mp3"] not in (old, new)


def test_another_directory_with_the_same_names_supersedes_nothing(library: Library) -> None:
    album, other = library.root / "Album", library.root / "Other"
    first, second = library.write("Album/01.mp3", 9), library.write("Other/01.mp3", 10)
    assert library.update(root=album) == {"01.mp3": "new"}
    assert library.update(root=other) == {"01.mp3": "new"}
    assert library.update(root=album) == {"01.mp3": "stored"}
    assert library.update(root=other) == {"01.mp3": "stored"}
    sizes = {each.audio_data_size_bytes for each in library.manager.catalog.find()}
    assert sizes == {9 * 417, 10 * 417}
    assert all(each.superseded_by is None for each in library.manager.list())
    assert first.exists()
    assert second.exists()


def test_what_is_below_a_directory_of_the_one_that_was_stored_is_stored(library: Library) -> None:
    library.write("Artist/Album/01.mp3", 9)
    library.update()
    assert library.update(root=library.root / "Artist" / "Album") == {"01.mp3": "stored"}
    assert library.update() == {"Artist/Album/01.mp3": "stored"}
    assert library.live().keys() == {"Artist/Album/01.mp3"}


def test_without_a_journal_other_audio_supersedes_nothing(tmp_path: Path) -> None:
    library = Library(tmp_path, has_journal=False)
    library.write("a.mp3", 9)
    library.update()
    library.write("a.mp3", 10)
    assert library.update() == {"a.mp3": "new"}
    assert [each.superseded_by for each in library.manager.list()] == [None, None]


def test_without_a_journal_a_superseded_asset_is_not_what_a_file_is_stored_as(
    tmp_path: Path,
) -> None:
    library = Library(tmp_path, has_journal=False)
    file = library.write("a.mp3", 9)
    library.update()
    old = library.live()["a.mp3"].audio_id
    library.write("a.mp3", 10)
    library.manager.upload_audio_file(file, supersedes=old, check="none")
    library.write("a.mp3", 9)  # as it was first: get --all would leave out the superseded asset
    assert library.update() == {"a.mp3": "new"}
    assert library.update() == {"a.mp3": "stored"}


def test_update_and_cleanup_exclude_each_other(library: Library) -> None:
    file = library.write("a.mp3", 9)
    with pytest.raises(ValueError, match="exclude each other"):
        library.update(cleanup=True)
    assert file.exists()


def test_another_cover_replaces_the_artwork_and_keeps_the_audio(library: Library) -> None:
    library.write("a.mp3", 9)
    (library.root / "a.jpg").write_bytes(JPG.read_bytes())
    library.update()
    before = library.live()["a.mp3"]
    (library.root / "a.jpg").write_bytes(OTHER_JPG.read_bytes())
    library.write("a.mp3", 9, title="another title")
    assert library.update() == {"a.mp3": "retagged"}
    after = library.live()["a.mp3"]
    assert before.audio is not None
    assert after.audio is not None
    assert after.thumbnail is not None
    assert (after.audio_id, after.audio.crc32c) == (before.audio_id, before.audio.crc32c)
    assert after.thumbnail.size_bytes == OTHER_JPG.stat().st_size
    library.require_current()


def test_artwork_whose_file_was_renamed_has_its_new_path(library: Library) -> None:
    library.write("one/a.mp3", 9)
    (library.root / "one/a.jpg").write_bytes(JPG.read_bytes())
    library.update()
    library.move("one/a.jpg", "one/a.jpeg")

    assert library.update() == {"one/a.mp3": "retagged"}

    thumbnail = library.live()["one/a.mp3"].thumbnail
    assert thumbnail is not None
    assert thumbnail.metadata["source_path"] == "one/a.jpeg"
    library.require_current()


def test_tags_are_replaced_by_those_that_the_file_has_now(library: Library) -> None:
    library.write("a.mp3", 40, title="old", album="gone")
    library.update(check="quick", metadata={"label": "mine"})
    before = library.live()["a.mp3"]
    assert (before.title, before.album) == ("old", "gone")
    library.write("a.mp3", 40, title="new", cover=JPG.read_bytes())
    assert library.update(check="quick", metadata={"label": "mine"}) == {"a.mp3": "retagged"}
    after = library.live()["a.mp3"]
    assert (after.audio_id, after.title, after.album) == (before.audio_id, "new", None)
    assert (after.tags, after.custom) == ({"title": "new"}, {"label": "mine"})
    assert after.thumbnail is not None
    assert after.thumbnail.size_bytes == JPG.stat().st_size
    same = library.update(check="quick", metadata={"label": "mine"})
    assert same == {"a.mp3": "stored"}


@pytest.mark.parametrize("name", ["a.mp3", "a.jpg"])
def test_a_file_that_changes_while_it_is_compared_is_not_mixed_in(
    library: Library, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("a.mp3", 40, title="old")
    (library.root / "a.jpg").write_bytes(JPG.read_bytes())
    library.update(check="quick")
    library.write("a.mp3", 40, title="new")
    match = Matcher.match

    def match_and_change(self: Matcher, *args: Any) -> object:
        found = match(self, *args)
        (library.root / name).write_bytes(_audio(10) if name == "a.mp3" else OTHER_JPG.read_bytes())
        return found

    monkeypatch.setattr(Matcher, "match", match_and_change)
    items = find_items([library.root])
    (outcome,) = library.manager.bulk.upload(
        items, update=True, check="quick", journal=library.journal
    )

    assert isinstance(outcome.error, SourceChangedError)
    assert library.live()["a.mp3"].title == "old"


def test_the_cover_of_a_folder_moves_with_it(library: Library) -> None:
    library.write("a/1.mp3", 9)
    (library.root / "a/cover.jpg").write_bytes(JPG.read_bytes())
    library.update()
    library.move("a", "b")
    assert library.update() == {"b/1.mp3": "moved"}
    thumbnail = library.live()["b/1.mp3"].thumbnail
    assert thumbnail is not None
    assert thumbnail.metadata["source_path"] == "b/cover.jpg"
    library.require_current()


def test_a_moved_file_keeps_its_id(library: Library) -> None:
    library.write("a/1.mp3", 9)
    library.write("a/2.mp3", 10)
    library.update()
    before = library.require_current()
    library.move("a/1.mp3", "b/one.mp3")
    library.move("a/2.mp3", "a/two.mp3")
    library.write("a/two.mp3", 10, title="and retagged")
    assert library.update() == {"a/two.mp3": "moved", "b/one.mp3": "moved"}
    after = library.require_current()
    assert after == {"b/one.mp3": before["a/1.mp3"], "a/two.mp3": before["a/2.mp3"]}


def test_a_file_that_is_moved_back_keeps_its_id(library: Library) -> None:
    library.write("1.mp3", 9)
    library.update()
    before = library.require_current()["1.mp3"]
    library.move("1.mp3", "2.mp3")
    assert library.update() == {"2.mp3": "moved"}
    library.move("2.mp3", "1.mp3")
    assert library.update() == {"1.mp3": "moved"}
    assert library.require_current() == {"1.mp3": before}
    os.link(library.root / "1.mp3", library.root / "2.mp3")
    assert library.update() == {"1.mp3": "stored", "2.mp3": "new"}
    assert library.require_current().keys() == {"1.mp3", "2.mp3"}


def test_a_copy_is_an_asset_of_its_own(library: Library) -> None:
    library.write("a/1.mp3", 9)
    library.update()
    before = library.require_current()["a/1.mp3"]
    library.write("b/1.mp3", 9)
    assert library.update() == {"a/1.mp3": "stored", "b/1.mp3": "new"}
    after = library.require_current()
    assert after["a/1.mp3"] == before != after["b/1.mp3"]


@pytest.mark.parametrize("retags", [False, True])
def test_files_may_take_each_others_places(library: Library, retags: bool) -> None:
    for number in (1, 2, 3):
        library.write(f"{number}.mp3", 9 + number)
    library.update()
    before = library.require_current()
    # A track is inserted in front of them.
    for number in (3, 2, 1):
        library.move(f"{number}.mp3", f"{number + 1}.mp3")
        if retags:
            library.write(f"{number + 1}.mp3", 9 + number, title=f"{number + 1}")
    library.write("1.mp3", 9)
    assert set(library.update().values()) <= {"moved", "superseded", "changed", "new"}
    after = library.require_current()
    assert [after[f"{n + 1}.mp3"] for n in (1, 2, 3)] == [before[f"{n}.mp3"] for n in (1, 2, 3)]


def test_two_files_may_swap(library: Library) -> None:
    library.write("1.mp3", 9)
    library.write("2.mp3", 10)
    library.update()
    before = library.require_current()
    library.move("1.mp3", "x.mp3")
    library.move("2.mp3", "1.mp3")
    library.move("x.mp3", "2.mp3")
    assert library.update() == {"1.mp3": "moved", "2.mp3": "moved"}
    assert library.require_current() == {"1.mp3": before["2.mp3"], "2.mp3": before["1.mp3"]}


def test_a_moved_file_replaces_what_was_at_its_new_path(tmp_path: Path) -> None:
    library = Library(tmp_path, has_journal=True)
    library.write("1.mp3", 9)
    library.write("2.mp3", 10)
    library.update()
    before = library.require_current()
    library.move("2.mp3", "1.mp3")
    assert library.update() == {"1.mp3": "moved"}
    assert library.require_current() == {"1.mp3": before["2.mp3"]}
    assert library.manager.get(before["1.mp3"]).superseded_by == before["2.mp3"]


def test_what_was_superseded_by_hand_stays_so_when_its_file_moves(tmp_path: Path) -> None:
    library = Library(tmp_path, has_journal=True)
    library.write("1.mp3", 9)
    library.update()
    (old,) = library.live().values()
    new = library.manager.upload_audio_file(OGG, supersedes=old.audio_id)
    library.move("1.mp3", "2.mp3")
    assert library.update() == {"2.mp3": "moved"}
    after = library.manager.get(old.audio_id)
    assert (after.source_path, after.superseded_by) == ("2.mp3", new.audio_id)


def test_metadata_of_the_caller_stay(tmp_path: Path) -> None:
    library = Library(tmp_path, has_journal=True)
    file = library.write("a.mp3", 9)

    def put(metadata: Mapping[str, str]) -> UploadOutcome:
        item = BulkItem(file, source_path="a.mp3", metadata=metadata)
        (outcome,) = library.manager.bulk.upload(
            [item], journal=library.journal, update=True, check="none"
        )
        return outcome

    first = put({"mood": "calm", "label": "x"})
    library.write("a.mp3", 9, title="b")
    second = put({"mood": "glad"})
    assert (second.reason, second.audio_id) == ("retagged", first.audio_id)
    assert second.result is not None
    assert second.result.custom == {"mood": "glad", "label": "x"}


def test_a_part_of_the_library_may_be_updated_alone(tmp_path: Path) -> None:
    library = Library(tmp_path, has_journal=True)
    library.write("Album/1.mp3", 9)
    library.write("Album/2.mp3", 10)
    library.update()
    before = library.require_current()
    library.move("Album/1.mp3", "Album/01.mp3")
    library.write("Album/2.mp3", 10, title="x", cover=b"")
    items = find_items([library.root / "Album"])
    for each in library.manager.bulk.upload(
        items, journal=library.journal, update=True, check="none"
    ):
        assert each.error is None
    after = library.require_current()
    assert after == {"Album/01.mp3": before["Album/1.mp3"], "Album/2.mp3": before["Album/2.mp3"]}


def test_nothing_is_deleted_from_the_store(library: Library) -> None:
    library.write("a.mp3", 9)
    library.write("b.mp3", 10)
    library.update()
    names = {blob.name for blob in library.store.list("")}
    (library.root / "a.mp3").unlink()
    library.write("b.mp3", 11)
    library.update()
    assert {blob.name for blob in library.store.list("")} > names


def test_update_and_skip_stored_exclude_each_other(library: Library) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        library.manager.bulk.upload([], update=True, skip_stored=True)
