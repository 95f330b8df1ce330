"""Derived and attached parts: stored next to an asset, and believed only with their own audio."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from audiostore import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStorageManager,
    FilenameGenerator,
    HeldError,
    IntegrityError,
    InvalidSourceError,
    RetryConfig,
    SourceNotFoundError,
    UnsupportedFormatError,
)
from audiostore.asset import (
    PREVIEW,
    TRANSCRIPT,
    WAVEFORM,
    MarkedFile,
    PartName,
    copy_asset,
    has_mark,
    is_current,
    maker_of,
    mark,
    parse_blob_name,
    require_asset,
)
from audiostore.ingest import AudioInput, UploadOptions, prepare_audio
from audiostore.sources import BytesSource
from audiostore.stores import BlobSpec
from audiostore.values import BlobInfo
from tests.assets import JPG, MP3, OGG, STORES, Store, opened, repeated_mp3
from tests.faults.managing import Steps, stepped

ONCE = RetryConfig(max_attempts=1)
ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
PEAKS, OTHER_PEAKS = b"\2\0\0\0peaks", b"\2\0\0\0other peaks"
WEBVTT = "WEBVTT\n\n00:00.000 --> 00:02.000\nGrüße\n"
LATER = datetime(2031, 5, 1, tzinfo=UTC)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        yield store


@pytest.fixture
def manager(store: Store) -> AudioStorageManager:
    manager = AudioStorageManager(store=store, retry_config=ONCE)
    upload(manager)
    return manager


def upload(manager: AudioStorageManager, audio: Path = MP3, cover: Path | None = JPG) -> None:
    manager.upload_audio_with_thumbnail(audio, cover, audio_id=ID, check="none", artwork="none")


def waveform(data: bytes = PEAKS, maker: str = "waveform/1") -> MarkedFile:
    return MarkedFile(WAVEFORM, BytesSource(data), ".dat", maker=maker)


def audio_of(manager: AudioStorageManager) -> BlobInfo:
    audio = manager.get(ID).audio
    assert audio is not None
    return audio


def text_file(folder: Path, name: str = "words.vtt", text: str = WEBVTT) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_derived_part_names_the_audio_that_it_is_of(manager: AudioStorageManager) -> None:
    outcome = manager._marked.store(ID, waveform())
    asset = manager.get(ID)
    assert outcome.created
    assert asset.derived == {"waveform": outcome.blob}
    assert asset.parts.keys() == {"audio", "thumbnail", "waveform"}
    assert not asset.attached
    assert not asset.stale
    blob = asset.derived["waveform"]
    assert mark(audio_of(manager), "waveform/1").items() <= blob.metadata.items()
    assert is_current(blob, audio_of(manager), "waveform/1")
    assert not is_current(blob, audio_of(manager), "waveform/2")
    assert maker_of(blob) == "waveform/1"
    assert blob.content_type == "application/octet-stream"
    assert blob.metadata["original_filename"] == "morning-in-c.dat"
    assert blob.cache_control == "private, max-age=3600, no-transform"
    with manager.open(ID, part="waveform") as stream:
        assert stream.read() == PEAKS
    [listed] = manager.list()
    assert listed == asset


def test_the_same_again_writes_nothing(manager: AudioStorageManager) -> None:
    first = manager._marked.store(ID, waveform())
    again = manager._marked.store(ID, waveform(), of=audio_of(manager))
    assert (again.created, again.blob) == (False, first.blob)


def test_a_newer_maker_replaces_it(manager: AudioStorageManager) -> None:
    first = manager._marked.store(ID, waveform())
    second = manager._marked.store(ID, waveform(maker="waveform/2"))
    assert second.created
    assert second.blob.generation > first.blob.generation
    assert manager.get(ID).derived == {"waveform": second.blob}


def test_another_extension_replaces_it_too(manager: AudioStorageManager) -> None:
    kinds = ((".vtt", "text/vtt"), (".json", "application/json"))
    for extension, content_type in kinds:
        file = MarkedFile(TRANSCRIPT, BytesSource(b"words"), extension)
        outcome = manager._marked.store(ID, file)
        assert outcome.blob.content_type == content_type
        assert outcome.asset.attached == {"transcript": outcome.blob}
        assert not outcome.asset.stale
        assert len(list(manager.store.list(f"audio/{ID}/transcript"))) == 1
        assert manager.get(ID).attached["transcript"].metadata["original_filename"] == (
            f"morning-in-c{extension}"
        )


def test_a_preview_is_mp3() -> None:
    for extension in (".m4a", ".ogg", ".opus", ".webm", ".wav"):
        with pytest.raises(UnsupportedFormatError, match=r"only with \.mp3"):
            MarkedFile(PREVIEW, BytesSource(b"sound"), extension, maker="preview/1")
        assert parse_blob_name(f"audio/{ID}/preview{extension}") is None
    assert parse_blob_name(f"audio/{ID}/preview.mp3") == (ID, PREVIEW)


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_what_is_of_other_audio_is_not_stored(manager: AudioStorageManager) -> None:
    other = replace(audio_of(manager), crc32c="AAAAAA==")
    with pytest.raises(AssetConflictError, match="other audio"):
        manager._marked.store(ID, waveform(), of=other)
    with pytest.raises(AssetNotFoundError):
        manager._marked.store(FilenameGenerator.generate_audio_id(), waveform())
    assert len(list(manager.store.list("audio/"))) == 2


def test_with_other_audio_under_the_id_it_is_stale(manager: AudioStorageManager) -> None:
    blob = manager._marked.store(ID, waveform()).blob
    # As if a deletion had been killed after its first object, and the id were used again.
    manager.store.delete(audio_of(manager))
    upload(manager, OGG, None)
    asset = manager.get(ID)
    assert not asset.derived
    assert asset.stale == (blob,)
    assert asset.to_dict()["stale"] == [blob.to_dict()]
    with pytest.raises(AssetNotFoundError, match="no waveform"):
        manager.open(ID, part="waveform")
    outcome = manager._marked.store(ID, waveform(OTHER_PEAKS))
    assert manager.get(ID).derived == {"waveform": outcome.blob}
    assert not manager.get(ID).stale


def test_in_another_class_and_with_other_tags_it_is_current(manager: AudioStorageManager) -> None:
    blob = manager._marked.store(ID, waveform()).blob
    manager.set_class(ID, "COLDLINE")
    manager.update_metadata(ID, {"title": "Another"})
    assert manager.get(ID).derived == {"waveform": blob}


@pytest.mark.parametrize("store", ["memory"], indirect=True)
@pytest.mark.parametrize(
    "changes",
    [
        {"audio_crc32c": "AAAAAA=="},
        {"audio_file_size": "1"},
        {"audio_crc32c": None},
        {"audio_file_size": None},
        {"derived_by": None},
        {"audio_id": FilenameGenerator.generate_audio_id()},
        {"file_type": "preview"},
        {"crc32c": "AAAAAA=="},
        {"file_size": "1"},
    ],
)
def test_with_any_other_mark_it_is_not_believed(
    manager: AudioStorageManager, changes: dict[str, str | None]
) -> None:
    blob = manager._marked.store(ID, waveform()).blob
    changed = manager.store.update(blob, changes)
    assert manager.get(ID).stale == (changed,)
    is_foreign = changes.keys() <= {"audio_crc32c", "audio_file_size"} and None not in (
        changes.values()
    )
    assert has_mark(changed) == is_foreign


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_an_object_without_a_mark_is_not_believed(manager: AudioStorageManager) -> None:
    spec = BlobSpec(f"audio/{ID}/waveform.dat", "application/octet-stream")
    blob = manager.store.put(spec, BytesSource(PEAKS))
    assert manager.get(ID).stale == (blob,)
    assert manager._marked.store(ID, waveform()).created  # replaces it


def test_it_lives_and_dies_with_its_asset(manager: AudioStorageManager, tmp_path: Path) -> None:
    manager._marked.store(ID, waveform())
    manager.attach(ID, "transcript", text_file(tmp_path))
    manager.expire(ID, LATER)
    manager.hold(ID)
    parts = manager.get(ID).parts
    assert parts.keys() == {"audio", "thumbnail", "waveform", "transcript"}
    assert {blob.custom_time for blob in parts.values()} == {LATER}
    assert all(blob.temporary_hold for blob in parts.values())
    manager.release(ID)
    with opened("local", tmp_path / "copy") as target:
        assert copy_asset(manager.store, target, manager.get(ID))
        copy = AudioStorageManager(store=target).get(ID)
        assert copy.derived.keys() == {"waveform"}
        assert copy.attached.keys() == {"transcript"}
        transcript = copy.attached["transcript"]
        assert transcript.content_type == "text/vtt"
        assert transcript.custom_time == LATER
        assert transcript.metadata == parts["transcript"].metadata
        assert not copy_asset(manager.store, target, manager.get(ID))
        target.delete(transcript)
        target.delete(copy.derived["waveform"])
        assert copy_asset(manager.store, target, manager.get(ID))  # the missing ones only
        again = AudioStorageManager(store=target).get(ID)
        assert again.audio == copy.audio
        assert again.parts.keys() == parts.keys()
    manager.delete(ID)
    assert list(manager.store.list("audio/")) == []


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
def test_it_is_restored_with_its_asset(manager: AudioStorageManager, tmp_path: Path) -> None:
    manager._marked.store(ID, waveform(OTHER_PEAKS, "waveform/0"))
    manager._marked.store(ID, waveform())
    manager.attach(ID, "transcript", text_file(tmp_path))
    manager.delete(ID)
    [trashed] = manager.trash.list()
    assert trashed.derived.keys() == {"waveform"}
    assert trashed.attached.keys() == {"transcript"}
    restored = manager.restore(ID)
    assert restored.derived.keys() == {"waveform"}
    assert restored.attached.keys() == {"transcript"}
    assert maker_of(restored.derived["waveform"]) == "waveform/1"


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
def test_what_was_removed_or_replaced_before_is_not_restored(manager: AudioStorageManager) -> None:
    manager._marked.store(ID, waveform())
    manager.attach(ID, "transcript", b"one", filename="1.txt")
    manager.attach(ID, "transcript", b"{}", filename="2.json")
    manager.detach(ID, "transcript")
    manager.delete(ID)
    restored = manager.restore(ID)
    assert restored.parts.keys() == {"audio", "thumbnail", "waveform"}
    assert not restored.stale


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
def test_only_what_is_of_the_deleted_audio_is_restored(manager: AudioStorageManager) -> None:
    manager._marked.store(ID, waveform())
    manager.delete(ID)
    upload(manager, OGG)
    manager._marked.store(ID, waveform(OTHER_PEAKS))
    manager.delete(ID)
    restored = manager.restore(ID)
    assert restored.format == "ogg"
    assert restored.derived["waveform"].size_bytes == len(OTHER_PEAKS)
    assert not restored.stale


def test_it_gets_the_hold_and_the_expiry_of_its_asset(manager: AudioStorageManager) -> None:
    manager.expire(ID, LATER)
    manager.hold(ID)
    blob = manager._marked.store(ID, waveform()).asset.derived["waveform"]
    assert blob == manager.get(ID).derived["waveform"]
    assert blob.temporary_hold
    assert blob.custom_time == LATER
    with pytest.raises(HeldError):
        manager._marked.store(ID, waveform(OTHER_PEAKS))
    with pytest.raises(HeldError):
        manager.detach(ID, "waveform")
    manager.release(ID)
    assert manager._marked.store(ID, waveform(OTHER_PEAKS)).created


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_it_is_cached_as_its_audio_is(store: Store) -> None:
    manager = AudioStorageManager(store=store)
    manager.upload_audio_file(MP3, audio_id=ID, cache="public", check="none")
    blob = manager._marked.store(ID, waveform()).blob
    assert blob.cache_control == "public, max-age=3600, no-transform"


# -- files that users attach -------------------------------------------------------------------


def test_a_transcript_is_attached_replaced_and_detached(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    first = manager.attach(ID, "transcript", text_file(tmp_path))
    blob = first.attached["transcript"]
    assert first.created
    assert (blob.content_type, blob.metadata["original_filename"]) == ("text/vtt", "words.vtt")
    assert not manager.attach(ID, "transcript", text_file(tmp_path)).created
    second = manager.attach(ID, "transcript", text_file(tmp_path, "Wörter.TXT", "Grüße"))
    assert second.attached["transcript"].name == f"audio/{ID}/transcript.txt"
    assert second.attached["transcript"].content_type == "text/plain; charset=utf-8"
    assert manager.get(ID).attached == second.attached
    assert len(list(manager.store.list(f"audio/{ID}/transcript"))) == 1
    path = manager.download(ID, tmp_path / "out", part="transcript")
    assert path.read_text("utf-8") == "Grüße"
    assert not manager.detach(ID, "transcript").attached
    with pytest.raises(AssetNotFoundError, match="no transcript"):
        manager.detach(ID, "transcript")


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_bytes_and_streams_are_attached(manager: AudioStorageManager) -> None:
    data = WEBVTT.encode()
    sources: tuple[AudioInput, ...] = (data, BytesIO(data), iter([data[:5], data[5:]]))
    for number, source in enumerate(sources):
        name = f"words {number}.vtt"
        blob = manager.attach(ID, "transcript", source, filename=name).attached["transcript"]
        assert blob.size_bytes == len(data)
    with pytest.raises(UnsupportedFormatError, match="'transcript' cannot be"):
        manager.attach(ID, "transcript", data)
    for wrong in (b"", ["text"], (bytes(1 << 20) for _ in range(17)), 7):
        with pytest.raises(InvalidSourceError):
            manager.attach(ID, "transcript", wrong, filename="a.txt")  # type: ignore[arg-type]


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_only_what_is_attached_can_be(manager: AudioStorageManager, tmp_path: Path) -> None:
    path = text_file(tmp_path)
    for part in ("audio", "thumbnail", "waveform", "preview"):
        with pytest.raises(ValueError, match="only 'transcript' can"):
            manager.attach(ID, part, path)
    committed: tuple[PartName, ...] = ("audio", "thumbnail")
    for part in committed:
        with pytest.raises(ValueError, match="cannot be removed"):
            manager.detach(ID, part)
    with pytest.raises(ValueError, match="must be"):
        manager.attach(ID, "lyrics", path)  # type: ignore[arg-type]


@pytest.mark.parametrize("store", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"\xff\xfe", "not UTF-8"),
        ("a.txt", b"a\0b", "NUL"),
        ("a.vtt", b"1\n00:00:01,000 --> 00:00:02,000\nx", "WEBVTT"),
        ("a.vtt", b"WEBVTTX", "WEBVTT"),
        ("a.srt", b"WEBVTT\n", "times"),
        ("a.json", b"{", "Expecting"),
        ("a.json", b"[" * 1_000_000, "nested"),
        ("a.txt", b"", "empty"),
        ("a.txt", b"x" * ((16 << 20) + 1), "the limit is"),
    ],
)
def test_a_file_must_be_what_it_says(
    manager: AudioStorageManager, tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidSourceError, match=message):
        manager.attach(ID, "transcript", tmp_path / name)
    assert manager.get(ID).parts.keys() == {"audio", "thumbnail"}


@pytest.mark.parametrize("store", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.vtt", "\ufeffWEBVTT"),
        ("a.vtt", "WEBVTT - by hand\r\n"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nx\n"),
        ("a.json", '{"words": []}'),
        ("a.JSON", "[]"),
    ],
)
def test_valid_files_are_attached(
    manager: AudioStorageManager, tmp_path: Path, name: str, text: str
) -> None:
    assert manager.attach(ID, "transcript", text_file(tmp_path, name, text)).attached


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_other_files_cannot_be_attached(manager: AudioStorageManager, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"\.txt, \.vtt, \.srt or \.json"):
        manager.attach(ID, "transcript", text_file(tmp_path, "words.html"))
    with pytest.raises(SourceNotFoundError):
        manager.attach(ID, "transcript", tmp_path / "missing.txt")
    with pytest.raises(AssetNotFoundError):
        manager.attach(
            FilenameGenerator.generate_audio_id(), "transcript", text_file(tmp_path, "a.txt")
        )


def test_what_goes_with_a_part_is_required() -> None:
    source = BytesSource(PEAKS)
    with pytest.raises(ValueError, match="maker"):
        MarkedFile(WAVEFORM, source, ".dat")
    with pytest.raises(ValueError, match="maker"):
        MarkedFile(TRANSCRIPT, source, ".txt", maker="me/1")
    with pytest.raises(UnsupportedFormatError, match=r"\.dat"):
        MarkedFile(WAVEFORM, source, ".json", maker="waveform/1")


# -- together with other writers ---------------------------------------------------------------


def racing(store: Store, at: int, act: Callable[[], object]) -> AudioStorageManager:
    """Return a manager that is overtaken before its nth request."""
    steps = Steps(act, at)
    return AudioStorageManager(store=stepped(store, steps), retry_config=ONCE)


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_nothing_is_left_where_the_asset_is_deleted_meanwhile(
    store: Store, manager: AudioStorageManager, at: int
) -> None:
    slow = racing(store, at, lambda: manager.delete(ID))
    with pytest.raises(AssetNotFoundError):
        slow._marked.store(ID, waveform())
    assert list(store.list("audio/")) == []


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
@pytest.mark.parametrize("at", [2, 3])
def test_nothing_is_left_where_other_audio_takes_the_id(
    store: Store, manager: AudioStorageManager, at: int
) -> None:
    def replace_audio() -> None:
        manager.delete(ID)
        upload(manager, OGG)

    with pytest.raises(AssetConflictError, match="other audio"):
        racing(store, at, replace_audio)._marked.store(ID, waveform())
    assert manager.get(ID).parts.keys() == {"audio", "thumbnail"}
    assert not manager.get(ID).stale


@pytest.mark.parametrize("at", [1, 2, 3])
def test_two_that_make_the_same_end_in_one_object(
    store: Store, manager: AudioStorageManager, at: int
) -> None:
    slow = racing(store, at, lambda: manager._marked.store(ID, waveform(OTHER_PEAKS)))
    slow._marked.store(ID, waveform())
    [blob] = store.list(f"audio/{ID}/waveform")
    assert manager.get(ID).derived == {"waveform": blob}


@pytest.mark.parametrize("at", [2, 3])
@pytest.mark.parametrize("name", ["other.vtt", "other.txt"])
def test_two_that_attach_end_in_one_object(
    store: Store, manager: AudioStorageManager, tmp_path: Path, at: int, name: str
) -> None:
    other = text_file(tmp_path, name, "WEBVTT\n\nother")
    slow = racing(store, at, lambda: manager.attach(ID, "transcript", other))
    try:
        slow.attach(ID, "transcript", text_file(tmp_path))
    except AssetConflictError as error:
        assert "try again" in str(error)  # noqa: PT017
    [blob] = store.list(f"audio/{ID}/transcript")
    assert manager.get(ID).attached == {"transcript": blob}


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_an_upload_stores_what_was_derived_before_its_audio(store: Store, tmp_path: Path) -> None:
    longer = tmp_path / "longer.mp3"
    longer.write_bytes(repeated_mp3(2))
    names: list[str] = []
    put = store.put

    def recorded(spec: BlobSpec, *args: object, **options: object) -> BlobInfo:
        names.append(spec.name.rpartition("/")[2])
        return put(spec, *args, **options)  # type: ignore[arg-type]

    store.put = recorded  # type: ignore[method-assign]
    manager = AudioStorageManager(store=store)
    commits = manager._uploads._commits
    with prepare_audio(MP3, UploadOptions()) as audio:
        steps = commits.create(
            ID, audio, None, {}, id_is_new=True, confirms=False, derived=[waveform()]
        )
        outcome = commits.run(steps)
        assert names == ["thumbnail.jpg", "waveform.dat", "audio.mp3"]
        assert manager.get(ID).derived.keys() == {"waveform"}
        assert outcome.stored == require_asset(store, ID)
    before = manager.get(ID)
    for file, is_new in ((OGG, False), (OGG, True), (longer, True)):
        with prepare_audio(file, UploadOptions()) as other:
            steps = commits.create(
                ID,
                other,
                None,
                {},
                id_is_new=is_new,
                confirms=False,
                derived=[waveform(OTHER_PEAKS)],
            )
            with pytest.raises(AssetConflictError):
                commits.run(steps)
        assert manager.get(ID) == before


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_damaged_bytes_are_not_kept(manager: AudioStorageManager) -> None:
    class Wrong(BytesSource):
        @property
        def crc32c(self) -> str:
            return "AAAAAA=="

    with pytest.raises(IntegrityError):
        manager._marked.store(ID, MarkedFile(WAVEFORM, Wrong(PEAKS), ".dat", maker="waveform/1"))
    assert manager.get(ID).parts.keys() == {"audio", "thumbnail"}
