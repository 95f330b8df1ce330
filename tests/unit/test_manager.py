"""The use cases of one asset, on every store."""

import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import (
    AssetConflictError,
    AssetNotFoundError,
    Attached,
    AudioStorageManager,
    Begun,
    CleanedUp,
    CleanupFailed,
    ConfigurationError,
    Deleted,
    Downloaded,
    Event,
    FilenameGenerator,
    InvalidAudioIdError,
    InvalidMetadataError,
    InvalidSourceError,
    MemoryStore,
    Progress,
    RetryConfig,
    SourceNotFoundError,
    Stored,
    UnsupportedFormatError,
    store_audio_file,
)
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from tests.assets import JPG, MP3, OGG, OTHER_JPG, PNG, STORES, Store, mp3_bytes, opened

ONCE = RetryConfig(max_attempts=1)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        yield store


@pytest.fixture
def manager(store: Store) -> AudioStorageManager:
    return AudioStorageManager(store=store, retry_config=ONCE)


@pytest.fixture
def audio_id() -> str:
    return FilenameGenerator.generate_audio_id()


def names(store: Store) -> list[str]:
    return [blob.name.partition("/")[2].partition("/")[2] for blob in store.list("")]


def test_upload_stores_both_files_under_the_id(manager: AudioStorageManager, store: Store) -> None:
    result = manager.upload_audio_with_thumbnail(MP3, JPG, metadata={"Stimmung": "früh ☀"})

    assert FilenameGenerator.validate_uuid(result.audio_id)
    assert result.created
    assert result.warnings == ()
    assert result.audio_path == f"{store.url}/audio/{result.audio_id}/audio.mp3"
    assert result.thumbnail_path == f"{store.url}/audio/{result.audio_id}/thumbnail.jpg"
    assert names(store) == ["audio.mp3", "thumbnail.jpg"]
    assert result.metadata["size"] == MP3.stat().st_size
    assert result.metadata["content_type"] == "audio/mpeg"
    assert result.metadata["has_thumbnail"] is True
    assert result.metadata["generation"]
    assert bool(result.metadata["md5_hash"]) is not store.url.startswith("file:")
    assert result.audio is not None
    assert result.audio.metadata["Stimmung"] == "früh ☀"
    assert result.audio.metadata["audio_id"] == result.audio_id
    assert result.audio.metadata["original_filename"] == "morning-in-c.mp3"
    assert result.audio.metadata["file_size"] == str(MP3.stat().st_size)
    assert result.audio.metadata["file_type"] == "audio"
    assert json.loads(json.dumps(result.to_dict()))["audio"]["name"] == result.audio.name
    assert MP3.exists()
    assert JPG.exists()


def test_what_upload_returns_is_what_get_and_list_find(manager: AudioStorageManager) -> None:
    stored = [
        manager.upload_audio_with_thumbnail(MP3, JPG),
        manager.upload_audio_with_thumbnail(OGG),
        manager.upload_audio_file(MP3),
    ]

    for result in stored:
        found = manager.get(result.audio_id)
        assert (found.audio, found.thumbnail) == (result.audio, result.thumbnail)
    assert [r.audio_id for r in manager.list()] == sorted(r.audio_id for r in stored)


@pytest.mark.parametrize("part", ["audio", "thumbnail"])
def test_download_brings_back_every_byte(
    manager: AudioStorageManager, tmp_path: Path, part: str
) -> None:
    result = manager.upload_audio_with_thumbnail(MP3, JPG)
    original = MP3 if part == "audio" else JPG

    path = manager.download(result.audio_id, tmp_path / "here", part=part)  # type: ignore[arg-type]

    assert path.read_bytes() == original.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name != "store"] == ["here"]


def test_what_was_looked_up_is_downloaded_as_it_is_now(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    asset = manager.upload_audio_with_thumbnail(MP3, JPG)
    assert manager.download(asset, tmp_path / "a").read_bytes() == MP3.read_bytes()
    cover = manager.download(asset, tmp_path / "c", part="thumbnail")
    assert cover.read_bytes() == JPG.read_bytes()

    manager.upload_thumbnail_file(OTHER_JPG, asset.audio_id)  # the generation that it names is gone

    cover = manager.download(asset, tmp_path / "c", part="thumbnail")
    assert cover.read_bytes() == OTHER_JPG.read_bytes()
    manager.delete(asset.audio_id)
    with pytest.raises(AssetNotFoundError):
        manager.download(asset, tmp_path / "a")


def test_download_into_a_directory_names_the_file(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    result = manager.upload_audio_file(OGG)

    assert manager.download(result.audio_id, folder) == folder / "audio.ogg"


def test_the_same_upload_again_writes_nothing(
    manager: AudioStorageManager, store: Store, audio_id: str
) -> None:
    first = manager.upload_audio_with_thumbnail(MP3, JPG, audio_id=audio_id)
    before = list(store.list(""))

    again = manager.upload_audio_with_thumbnail(MP3, JPG, audio_id=audio_id)

    assert not again.created
    assert (again.audio, again.thumbnail) == (first.audio, first.thumbnail)
    assert list(store.list("")) == before


def test_the_same_upload_with_other_metadata_warns(
    manager: AudioStorageManager, audio_id: str
) -> None:
    manager.upload_audio_file(MP3, audio_id=audio_id, metadata={"mood": "calm"})

    again = manager.upload_audio_file(MP3, audio_id=audio_id, metadata={"mood": "wild"})

    assert not again.created
    assert "mood" in again.warnings[0]
    assert manager.get(audio_id).audio.metadata["mood"] == "calm"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("audio", "thumbnail"), [(OGG, JPG), (MP3, OTHER_JPG), (MP3, PNG), (OGG, None)]
)
def test_other_content_under_an_id_is_a_conflict(
    manager: AudioStorageManager,
    store: Store,
    audio_id: str,
    audio: Path,
    thumbnail: Path | None,
) -> None:
    manager.upload_audio_with_thumbnail(MP3, JPG, audio_id=audio_id)
    before = list(store.list(""))

    with pytest.raises(AssetConflictError, match=audio_id) as raised:
        manager.upload_audio_with_thumbnail(audio, thumbnail, audio_id=audio_id)

    assert isinstance(raised.value, FileExistsError)
    assert (thumbnail or audio).name in str(raised.value) or audio.name in str(raised.value)
    assert list(store.list("")) == before


def test_artwork_for_an_asset_that_was_stored_without_is_attached_not_uploaded_again(
    manager: AudioStorageManager, audio_id: str
) -> None:
    manager.upload_audio_file(MP3, audio_id=audio_id)

    with pytest.raises(AssetConflictError, match="upload_thumbnail_file"):
        manager.upload_audio_with_thumbnail(MP3, JPG, audio_id=audio_id)


@pytest.mark.parametrize("second", [OTHER_JPG, PNG])
def test_attached_artwork_replaces_what_was_there(
    manager: AudioStorageManager, store: Store, tmp_path: Path, second: Path
) -> None:
    audio_id = manager.upload_audio_file(MP3).audio_id

    for image in (JPG, second):
        result = manager.upload_thumbnail_file(image, audio_id)
        assert result.created
        assert result.audio is not None
        assert manager.get(audio_id).thumbnail == result.thumbnail
        back = manager.download(audio_id, tmp_path / "cover", part="thumbnail")
        assert back.read_bytes() == image.read_bytes()

    assert names(store) == ["audio.mp3", f"thumbnail{second.suffix}"]


def test_the_same_artwork_again_writes_nothing(manager: AudioStorageManager) -> None:
    audio_id = manager.upload_audio_with_thumbnail(MP3, JPG).audio_id
    before = manager.get(audio_id)

    assert not manager.upload_thumbnail_file(JPG, audio_id).created
    assert manager.get(audio_id) == before


def test_artwork_ahead_of_its_audio_waits_and_is_committed_with_it(
    manager: AudioStorageManager, audio_id: str
) -> None:
    ahead = manager.upload_thumbnail_file(JPG, audio_id)

    assert ahead.audio is None
    assert ahead.audio_path is None
    assert ahead.metadata["content_type"] == "image/jpeg"
    assert list(manager.list()) == []
    with pytest.raises(AssetNotFoundError):
        manager.get(audio_id)

    result = manager.upload_audio_file(MP3, audio_id=audio_id)

    assert result.thumbnail == ahead.thumbnail
    assert manager.get(audio_id).thumbnail == ahead.thumbnail


def test_other_artwork_does_not_take_the_place_of_what_waits(
    manager: AudioStorageManager, audio_id: str
) -> None:
    waiting = manager.upload_thumbnail_file(JPG, audio_id)

    assert not manager.upload_thumbnail_file(JPG, audio_id).created
    with pytest.raises(AssetConflictError):
        manager.upload_thumbnail_file(OTHER_JPG, audio_id)
    assert manager.upload_audio_file(MP3, audio_id=audio_id).thumbnail == waiting.thumbnail


def test_artwork_of_an_upload_that_died_is_not_adopted_by_another_audio(
    manager: AudioStorageManager, store: Store, audio_id: str
) -> None:
    dying = AudioStorageManager(store=_RefusingAudio(store), retry_config=ONCE)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="pulled the plug"):
        dying.upload_audio_with_thumbnail(MP3, JPG, audio_id=audio_id)
    assert names(store) == ["thumbnail.jpg"]
    with pytest.raises(AssetNotFoundError):
        manager.get(audio_id)

    assert manager.upload_audio_file(OGG, audio_id=audio_id).thumbnail is None
    assert manager.get(audio_id).thumbnail is None


class _RefusingAudio:
    """A store whose machine loses power when the audio is to be written."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, spec: object, *args: object, **kwargs: object) -> object:
        if "/audio." in spec.name:  # type: ignore[attr-defined]
            raise OSError("pulled the plug")
        return self._store.put(spec, *args, **kwargs)  # type: ignore[arg-type]


def test_the_same_command_after_a_death_completes_the_asset(
    manager: AudioStorageManager, store: Store, audio_id: str
) -> None:
    dying = AudioStorageManager(store=_RefusingAudio(store), retry_config=ONCE)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="pulled the plug"):
        dying.upload_audio_with_thumbnail(MP3, JPG, audio_id=audio_id)

    result = manager.upload_audio_with_thumbnail(MP3, JPG, audio_id=audio_id)

    assert result.created
    assert names(store) == ["audio.mp3", "thumbnail.jpg"]
    assert result.thumbnail == manager.get(audio_id).thumbnail


def test_delete_leaves_nothing(manager: AudioStorageManager, store: Store) -> None:
    kept = manager.upload_audio_file(OGG)
    gone = manager.upload_audio_with_thumbnail(MP3, JPG)

    manager.delete(gone.audio_id)

    assert [r.audio_id for r in manager.list()] == [kept.audio_id]
    assert list(store.list(f"audio/{gone.audio_id}/")) == []
    for call in (manager.get, manager.delete):
        with pytest.raises(AssetNotFoundError) as raised:
            call(gone.audio_id)
        assert isinstance(raised.value, LookupError)


def test_delete_removes_artwork_that_waits(
    manager: AudioStorageManager, store: Store, audio_id: str
) -> None:
    manager.upload_thumbnail_file(JPG, audio_id)

    manager.delete(audio_id)

    assert list(store.list("")) == []


def test_asking_for_artwork_that_is_not_there(manager: AudioStorageManager, tmp_path: Path) -> None:
    asset = manager.upload_audio_file(OGG)

    for which in (asset.audio_id, asset):
        with pytest.raises(AssetNotFoundError, match="no thumbnail"):
            manager.download(which, tmp_path / "cover", part="thumbnail")
        with pytest.raises(ValueError, match="part is 'both'"):
            manager.download(which, tmp_path / "cover", part="both")  # type: ignore[arg-type]


def test_foreign_objects_are_not_assets(manager: AudioStorageManager, store: Store) -> None:
    result = manager.upload_audio_file(MP3)
    foreign = FilenameGenerator.generate_audio_id()
    for name in (f"audio/{foreign}/audio.mp3", "audio/readme.txt", "audio/x/audio.mp3", "other"):
        store.put(BlobSpec(name, "text/plain"), BytesSource(b"not ours"))

    assert [r.audio_id for r in manager.list()] == [result.audio_id]
    with pytest.raises(AssetNotFoundError):
        manager.get(foreign)


def test_sixteen_threads_on_one_manager(manager: AudioStorageManager) -> None:
    results: list[str] = []

    def upload() -> None:
        results.append(manager.upload_audio_with_thumbnail(MP3, JPG).audio_id)

    threads = [threading.Thread(target=upload) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(results)) == 16
    assert [r.audio_id for r in manager.list()] == sorted(results)


@pytest.mark.slow
@pytest.mark.parametrize("cover", [JPG, None], ids=["cover", "no cover"])
@pytest.mark.parametrize("audios", [(MP3, MP3), (MP3, OGG)], ids=["one name", "two names"])
def test_of_two_writers_with_one_id_one_wins(
    manager: AudioStorageManager,
    store: Store,
    audios: tuple[Path, Path],
    cover: Path | None,
    tmp_path: Path,
) -> None:
    sources = []
    for number, path in enumerate(audios):
        copy = tmp_path / f"{number}{path.suffix}"
        copy.write_bytes(path.read_bytes() + bytes([number]))
        sources.append(copy)
    for _ in range(10):
        audio_id = FilenameGenerator.generate_audio_id()
        outcomes: list[object] = []
        barrier = threading.Barrier(2)

        def upload(
            path: Path, audio_id: str, outcomes: list[object], gate: threading.Barrier
        ) -> None:
            gate.wait()
            try:
                outcomes.append(
                    manager.upload_audio_with_thumbnail(
                        path, cover, audio_id=audio_id, artwork="none"
                    )
                )
            except AssetConflictError as error:
                outcomes.append(error)

        threads = [
            threading.Thread(target=upload, args=(path, audio_id, outcomes, barrier))
            for path in sources
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        won = [o for o in outcomes if not isinstance(o, AssetConflictError)]
        assert len(outcomes) == 2
        assert len(won) == 1
        found = manager.get(audio_id)
        assert found.audio == won[0].audio  # type: ignore[attr-defined]
        assert found.thumbnail == won[0].thumbnail  # type: ignore[attr-defined]
        assert len(list(store.list(f"audio/{audio_id}/"))) == (1 if cover is None else 2)


# --- cleanup ---------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "temp"
    folder.mkdir()
    return (
        Path(shutil.copy(MP3, folder / "song.mp3")),
        Path(shutil.copy(JPG, folder / "cover.jpg")),
    )


def test_cleanup_deletes_the_local_files(
    manager: AudioStorageManager, files: tuple[Path, Path]
) -> None:
    result = manager.upload_audio_with_thumbnail(*files, cleanup=True)

    assert list(files[0].parent.iterdir()) == []
    assert result.warnings == ()
    assert manager.get(result.audio_id).thumbnail is not None


def test_cleanup_of_what_was_stored_before_deletes_too(
    manager: AudioStorageManager, files: tuple[Path, Path], audio_id: str
) -> None:
    manager.upload_audio_with_thumbnail(*files, audio_id=audio_id)

    result = manager.upload_audio_with_thumbnail(*files, audio_id=audio_id, cleanup=True)

    assert not result.created
    assert list(files[0].parent.iterdir()) == []


def _changing(path: Path, change: "object") -> "object":
    """Return a listener that changes a file when its asset's audio has been sent."""

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and "/audio." in event.name:
            change(path)  # type: ignore[operator]

    return listen


def test_a_file_that_changed_after_it_was_stored_is_kept(
    store: Store, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    audio, cover = files
    manager = AudioStorageManager(
        store=store,
        retry_config=ONCE,
        on_event=_changing(cover, lambda path: path.write_bytes(b"a newer cover")),  # type: ignore[arg-type]
    )

    result = manager.upload_audio_with_thumbnail(audio, cover, cleanup=True)

    assert cover.read_bytes() == b"a newer cover"
    assert not audio.exists()
    assert [p.name for p in cover.parent.iterdir()] == ["cover.jpg"]
    assert len(result.warnings) == 1
    assert "cover.jpg" in result.warnings[0]
    assert any("cover.jpg" in r.message and r.levelno == logging.WARNING for r in caplog.records)


def test_a_file_with_the_same_times_and_other_bytes_is_kept(
    store: Store, files: tuple[Path, Path]
) -> None:
    audio, cover = files
    status = cover.stat()

    def change(path: Path) -> None:
        with path.open("r+b") as file:
            file.write(b"\xff\xd8\xff\xff")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    manager = AudioStorageManager(
        store=store,
        retry_config=ONCE,
        on_event=_changing(cover, change),  # type: ignore[arg-type]
    )

    result = manager.upload_audio_with_thumbnail(audio, cover, cleanup=True)

    assert cover.read_bytes()[:4] == b"\xff\xd8\xff\xff"
    assert len(result.warnings) == 1


def test_a_file_that_no_longer_exists_gives_no_warning(
    store: Store, files: tuple[Path, Path]
) -> None:
    audio, cover = files
    manager = AudioStorageManager(
        store=store,
        retry_config=ONCE,
        on_event=_changing(cover, lambda path: path.unlink(missing_ok=True)),  # type: ignore[arg-type]
    )

    assert manager.upload_audio_with_thumbnail(audio, cover, cleanup=True).warnings == ()
    assert not audio.exists()


def test_a_file_that_cannot_be_deleted_is_a_warning(
    manager: AudioStorageManager, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", name)

    with monkeypatch.context() as patch:  # as root, no directory refuses
        patch.setattr(os, "rename", refuse)
        patch.setattr(os, "unlink", refuse)
        with AudioStorageManager(store=MemoryStore()) as other:
            result = other.upload_audio_with_thumbnail(*files, cleanup=True)

    assert result.created
    assert len(result.warnings) == 2
    assert "Permission denied" in result.warnings[0]
    assert all(path.exists() for path in files)


def test_cleanup_of_a_symlink_removes_the_link_alone(
    manager: AudioStorageManager, files: tuple[Path, Path], tmp_path: Path
) -> None:
    link = tmp_path / "link.mp3"
    link.symlink_to(files[0])

    result = manager.upload_audio_file(link, cleanup=True)

    assert result.created
    assert result.warnings == ()
    assert not link.is_symlink()
    assert files[0].exists()


def test_a_failed_upload_keeps_the_local_files(store: Store, files: tuple[Path, Path]) -> None:
    manager = AudioStorageManager(store=_RefusingAudio(store), retry_config=ONCE)  # type: ignore[arg-type]

    with pytest.raises(OSError, match="pulled the plug"):
        manager.upload_audio_with_thumbnail(*files, cleanup=True)

    assert all(path.exists() for path in files)


def test_cleanup_always_deletes_on_failure_too(store: Store, files: tuple[Path, Path]) -> None:
    manager = AudioStorageManager(store=_RefusingAudio(store), retry_config=ONCE)  # type: ignore[arg-type]

    with pytest.raises(OSError, match="pulled the plug"):
        manager.upload_audio_with_thumbnail(*files, cleanup="always")

    assert list(files[0].parent.iterdir()) == []


def test_cleanup_always_keeps_what_was_refused_as_bad_input(
    manager: AudioStorageManager, files: tuple[Path, Path]
) -> None:
    files[1].write_bytes(b"%PDF-1.7 not a cover")

    with pytest.raises(UnsupportedFormatError):
        manager.upload_audio_with_thumbnail(*files, cleanup="always")

    assert all(path.exists() for path in files)


# --- bad input: a clear error, nothing stored, nothing deleted ----------------------------------


def make_bad(kind: str, folder: Path) -> Path:
    path = folder / "bad.mp3"
    match kind:
        case "directory":
            path.mkdir()
        case "empty":
            path.touch()
        case "html":
            path.write_bytes(b"<!DOCTYPE html><html><body>404</body></html>")
        case "fifo":
            os.mkfifo(path)
        case "no extension":
            path = folder / "bad"
            path.write_bytes(mp3_bytes(1000))
        case "unknown extension":
            path = folder / "bad.xyz"
            path.write_bytes(mp3_bytes(1000))
        case "image":
            path.write_bytes(JPG.read_bytes())
        case "dangling link":
            path.symlink_to(folder / "nowhere")
    return path


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("missing", SourceNotFoundError, "no file at"),
        ("dangling link", SourceNotFoundError, "no file at"),
        ("directory", InvalidSourceError, "is a directory"),
        ("empty", InvalidSourceError, "is empty"),
        ("fifo", InvalidSourceError, "not a regular file"),
        ("html", UnsupportedFormatError, "web page"),
        ("image", UnsupportedFormatError, "JPEG"),
        ("no extension", UnsupportedFormatError, "no extension"),
        ("unknown extension", UnsupportedFormatError, "'.xyz'"),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_stored(
    manager: AudioStorageManager,
    store: Store,
    files: tuple[Path, Path],
    tmp_path: Path,
    kind: str,
    error: type[Exception],
    words: str,
) -> None:
    path = make_bad(kind, tmp_path)

    with pytest.raises(error, match=words):
        manager.upload_audio_with_thumbnail(path, files[1], cleanup=True)
    with pytest.raises((error, UnsupportedFormatError)):
        manager.upload_audio_with_thumbnail(files[0], path, cleanup=True)

    assert list(store.list("")) == []
    assert all(file.exists() for file in files)


@pytest.mark.parametrize(
    "bad", ["", "x", "../../etc", "550E8400-E29B-41D4-A716-446655440000", 7, b"x", "a" * 36]
)
def test_a_malformed_id_is_refused_everywhere(
    manager: AudioStorageManager, store: Store, bad: str, tmp_path: Path
) -> None:
    for call in (
        lambda: manager.upload_audio_file(MP3, audio_id=bad),
        lambda: manager.upload_thumbnail_file(JPG, bad),
        lambda: manager.get(bad),
        lambda: manager.delete(bad),
        lambda: manager.download(bad, tmp_path / "x"),
    ):
        with pytest.raises(InvalidAudioIdError):
            call()
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"audio_id": "x"},
        {"Crc32c": "x"},
        {"thumbnail_name": "x"},
        {"": "x"},
        {"key": 7},
        {7: "x"},
        {"key": "x" * 8192},
        {"key": "\ud800"},
        {"new\nline": "x"},
    ],
)
def test_bad_metadata_is_refused(
    manager: AudioStorageManager, store: Store, metadata: dict[str, str]
) -> None:
    with pytest.raises(InvalidMetadataError):
        manager.upload_audio_with_thumbnail(MP3, JPG, metadata=metadata)
    assert list(store.list("")) == []


def test_bad_cleanup_is_refused(manager: AudioStorageManager, store: Store) -> None:
    with pytest.raises(ValueError, match="cleanup is 'sometimes'"):
        manager.upload_audio_file(MP3, cleanup="sometimes")  # type: ignore[arg-type]
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    "name", ["a b.mp3", "🎵 früh.MP3", "new\nline.mp3", "-rf.mp3", "%2e%2e.mp3", "é" * 125 + ".mp3"]
)
def test_any_file_name_is_kept_as_it_is(
    manager: AudioStorageManager, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(MP3.read_bytes())

    result = manager.upload_audio_file(path)

    assert result.audio is not None
    assert result.audio.name == f"audio/{result.audio_id}/audio.mp3"
    assert manager.get(result.audio_id).metadata["original_filename"] == name


# --- events, configuration, the one-call form ---------------------------------------------------


def test_events_report_what_happened(
    store: Store, files: tuple[Path, Path], tmp_path: Path
) -> None:
    events: list[Event] = []
    manager = AudioStorageManager(store=store, on_event=events.append)

    result = manager.upload_audio_with_thumbnail(*files, cleanup=True)
    manager.upload_thumbnail_file(OTHER_JPG, result.audio_id)
    manager.download(result.audio_id, tmp_path / "x")
    manager.delete(result.audio_id)

    kinds = [type(event) for event in events if not isinstance(event, Progress)]
    assert kinds == [Begun, CleanedUp, CleanedUp, Stored, Attached, Downloaded, Deleted]
    sent = [e for e in events if isinstance(e, Progress) and e.name == result.audio.name]  # type: ignore[union-attr]
    assert sent[-1].done_bytes == sent[-1].total_bytes == MP3.stat().st_size


def test_a_failing_listener_changes_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Event) -> None:
        raise RuntimeError("the listener is broken")

    result = AudioStorageManager(store=store, on_event=fail).upload_audio_file(MP3)

    assert result.created
    assert "the listener on_event failed" in caplog.text


def test_a_kept_file_is_reported(store: Store, files: tuple[Path, Path]) -> None:
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, Progress):
            files[0].touch()

    with AudioStorageManager(store=MemoryStore(), on_event=listen) as manager:
        manager.upload_thumbnail_file(
            files[1], manager.upload_audio_file(MP3).audio_id, cleanup=True
        )
    assert [type(e) for e in events if isinstance(e, CleanedUp | CleanupFailed)] == [CleanedUp]


def test_nothing_configured_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCS_BUCKET_NAME", raising=False)
    with pytest.raises(ConfigurationError, match="GCS_BUCKET_NAME"):
        AudioStorageManager()
    with pytest.raises(ConfigurationError, match="file:///some/dir"):
        AudioStorageManager("s3://bucket")


def test_one_call_stores_in_the_configured_bucket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GCS_BUCKET_NAME", (tmp_path / "store").as_uri())

    result = store_audio_file(MP3, JPG)

    with AudioStorageManager() as manager:
        assert manager.url == (tmp_path / "store").as_uri()
        assert manager.get(result.audio_id).thumbnail == result.thumbnail
