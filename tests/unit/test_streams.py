"""Audio and artwork from bytes, file objects and streams."""

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from audiostore import (
    AssetNotFoundError,
    AudioInput,
    AudioStorageManager,
    IntegrityError,
    InvalidAudioIdError,
    InvalidSourceError,
    MemoryStore,
    UnsupportedFormatError,
)
from audiostore.ingest import spooling
from audiostore.testing import cover, tone
from tests.assets import JPG, MP3, OGG

AUDIO, COVER = MP3.read_bytes(), JPG.read_bytes()


@pytest.fixture
def manager() -> Iterator[AudioStorageManager]:
    with AudioStorageManager(store=MemoryStore()) as manager:
        yield manager


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the directory for temporary files, in which nothing is ever left."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


class Upload:
    """Like an UploadFile's file: it has a `read`, and nothing else."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, 777))


SOURCES: dict[str, Callable[[bytes], AudioInput]] = {
    "bytes": lambda data: data,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "BytesIO": io.BytesIO,
    "buffered": lambda data: io.BufferedReader(io.BytesIO(data)),
    "short reads": Upload,
    "list": lambda data: [data[:10], b"", data[10:]],
    "generator": pieces,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_is_stored_as_a_file_with_its_bytes_is(
    kind: str, manager: AudioStorageManager
) -> None:
    of = SOURCES[kind]
    stored = manager.upload_audio_with_thumbnail(
        of(AUDIO), of(COVER), filename="Étude & more.mp3", size_bytes=len(AUDIO)
    )
    expected = manager.upload_audio_with_thumbnail(MP3, JPG)
    assert stored.created
    assert manager.read_bytes(stored.audio_id) == AUDIO
    assert manager.read_bytes(stored.audio_id, part="thumbnail") == COVER
    assert stored.metadata["original_filename"] == "Étude & more.mp3"
    assert stored.thumbnail is not None
    assert stored.thumbnail.metadata["original_filename"] == "thumbnail.jpg"
    own = {"audio_id", "original_filename", "thumbnail", "thumbnail_generation"}
    assert stored.audio is not None
    assert expected.audio is not None
    for key, value in expected.audio.metadata.items():
        if key not in own and not key.startswith("thumbnail"):
            assert stored.audio.metadata[key] == value


def test_without_a_name_the_content_decides(manager: AudioStorageManager) -> None:
    stored = manager.upload_audio_file(OGG.read_bytes())
    assert stored.audio is not None
    assert stored.audio.name.endswith("/audio.ogg")
    assert stored.metadata["original_filename"] == "audio.ogg"
    attached = manager.upload_thumbnail_file(cover(), stored.audio_id)
    assert attached.thumbnail is not None
    assert attached.thumbnail.name.endswith("/thumbnail.png")


def test_a_name_holds_a_source_to_its_format(manager: AudioStorageManager) -> None:
    for name in ("song.flac", "song"):
        with pytest.raises(UnsupportedFormatError, match=name):
            manager.upload_audio_file(AUDIO, filename=name)
        manager.upload_audio_file(AUDIO, filename=name, fix_extension=True)


def test_a_path_takes_another_name(manager: AudioStorageManager, tmp_path: Path) -> None:
    path = tmp_path / "tmpabcd"
    path.write_bytes(AUDIO)
    stored = manager.upload_audio_file(path, filename="My song.mp3", cleanup=True)
    assert stored.metadata["original_filename"] == "My song.mp3"
    assert not path.exists()
    image = tmp_path / "tmpefgh"
    image.write_bytes(COVER)
    found = manager.upload_thumbnail_file(image, stored.audio_id, filename="c.jpg").thumbnail
    assert found is not None
    assert found.metadata["original_filename"] == "c.jpg"


@pytest.mark.parametrize("name", ["", "a/b.mp3", "../b.mp3", "a\0.mp3"])
def test_a_name_that_no_file_has_is_refused(manager: AudioStorageManager, name: str) -> None:
    with pytest.raises(ValueError, match="without a folder"):
        manager.upload_audio_file(AUDIO, filename=name)


def test_a_file_object_is_read_from_its_position_and_left_open(
    manager: AudioStorageManager,
) -> None:
    stream = io.BytesIO(b"header" + AUDIO)
    stream.seek(6)
    stored = manager.upload_audio_file(stream)
    assert manager.read_bytes(stored.audio_id) == AUDIO
    assert not stream.closed
    with pytest.raises(InvalidSourceError, match=r"empty.*seek\(0\)"):
        manager.upload_audio_file(stream, filename="a.mp3")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b"", "empty"),
        ([], "empty"),
        (io.StringIO("text"), "binary mode"),
        (io.TextIOWrapper(io.BytesIO(b"\xff")), "binary mode"),
        (["text"], "gives str, not bytes"),
        ([b"RIFF", None], "gives NoneType, not bytes"),
        ({"a": 1}, "gives str"),
        (None, "give a path, bytes"),
        (3, "give a path, bytes"),
        (object(), "give a path, bytes"),
    ],
)
def test_what_is_not_a_source_is_refused(
    manager: AudioStorageManager, source: object, why: str
) -> None:
    with pytest.raises(InvalidSourceError, match=why):
        manager.upload_audio_file(source, filename="a.mp3")  # type: ignore[arg-type]
    assert manager.count() == 0


def test_a_source_that_does_not_block_is_refused(manager: AudioStorageManager) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with (
        os.fdopen(reading, "rb", buffering=0) as stream,
        os.fdopen(writing, "wb"),
        pytest.raises(InvalidSourceError, match="is non-blocking"),
    ):
        manager.upload_audio_file(stream, filename="a.mp3")


@pytest.mark.parametrize("stated", [len(AUDIO) - 1, len(AUDIO) + 1, 0])
def test_a_source_has_the_size_that_was_announced(
    manager: AudioStorageManager, stated: int
) -> None:
    with pytest.raises(InvalidSourceError, match=f"{stated:,} bytes"):
        manager.upload_audio_file(pieces(AUDIO), size_bytes=stated)
    assert manager.count() == 0


def test_a_source_is_not_read_beyond_the_limit(manager: AudioStorageManager) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(1000)

    with pytest.raises(InvalidSourceError, match="the limit is 5,000 bytes"):
        manager.upload_audio_file(endless(), max_size_bytes=5_000)
    assert taken == 6
    with pytest.raises(InvalidSourceError, match="has 6,000 bytes: the limit is 5,000"):
        manager.upload_audio_file(endless(), size_bytes=6_000, max_size_bytes=5_000)
    assert taken == 6


def test_an_error_of_the_source_is_the_callers(manager: AudioStorageManager) -> None:
    def breaking() -> Iterator[bytes]:
        yield AUDIO[:1000]
        raise ConnectionResetError("the browser left")

    with pytest.raises(ConnectionResetError, match="the browser left"):
        manager.upload_audio_file(breaking())
    assert manager.count() == 0


def test_nothing_local_is_deleted_for_a_stream(
    manager: AudioStorageManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp3", "audio", "thumbnail"):
        Path(name).write_bytes(b"precious")
    for audio, thumbnail in ((AUDIO, None), (MP3, COVER)):
        with pytest.raises(ValueError, match="not given as a path"):
            manager.upload_audio_with_thumbnail(audio, thumbnail, cleanup=True)
    with pytest.raises(ValueError, match="not given as a path"):
        manager.upload_thumbnail_file(COVER, str(uuid4()), cleanup="always")
    with pytest.raises(ValueError, match="other than paths"):
        manager.upload_audio_file(MP3, size_bytes=10)
    manager.upload_audio_with_thumbnail(AUDIO, COVER, filename="a.mp3")
    assert {path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == {b"precious"}


def test_bytes_that_a_disk_changes_are_not_stored(
    manager: AudioStorageManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaging(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:-1] + bytes([data[-1] ^ 1]))

    monkeypatch.setattr(spooling, "write_all", damaging)
    with pytest.raises(IntegrityError, match="check the disk"):
        manager.upload_audio_file(tone())
    with pytest.raises(IntegrityError, match="check the disk"):
        manager.upload_thumbnail_file(COVER, str(uuid4()), check="none")
    assert manager.count() == 0


def test_the_same_id_stores_a_stream_once(manager: AudioStorageManager) -> None:
    audio_id = uuid4()
    first = manager.upload_audio_with_thumbnail(pieces(AUDIO), COVER, audio_id=audio_id)
    again = manager.upload_audio_with_thumbnail(pieces(AUDIO), COVER, audio_id=audio_id)
    assert (first.created, again.created) == (True, False)
    assert again.audio == first.audio
    assert first.audio_id == str(audio_id)
    assert manager.upload_audio_file(AUDIO).audio_id != manager.upload_audio_file(AUDIO).audio_id


def test_a_uuid_is_an_id_wherever_one_is(manager: AudioStorageManager, tmp_path: Path) -> None:
    audio_id = uuid4()
    assert not manager.exists(audio_id)
    manager.upload_audio_with_thumbnail(tone(), cover(), audio_id=audio_id)
    assert manager.exists(audio_id)
    assert manager.get(audio_id).audio_id == str(audio_id)
    assert manager.download(audio_id, tmp_path).read_bytes() == tone()
    assert manager.open(audio_id).read() == tone()
    assert manager.read_bytes(audio_id, part="thumbnail") == cover()
    assert str(audio_id) in manager.signed_url(audio_id)
    manager.update_metadata(audio_id, {"mood": "calm"})
    manager.hold(audio_id)
    manager.release(audio_id)
    manager.set_class(audio_id, "NEARLINE")
    manager.upload_thumbnail_file(cover(rgb=(1, 2, 3)), audio_id)
    manager.delete(audio_id)
    assert manager.trash.get(audio_id).audio_id == str(audio_id)
    assert manager.restore(audio_id).custom == {"mood": "calm"}
    manager.delete(audio_id)
    manager.trash.restore(audio_id)
    manager.delete(audio_id)
    manager.trash.purge(audio_id)
    with pytest.raises(AssetNotFoundError):
        manager.trash.get(audio_id)
    for wrong in (str(audio_id).upper(), audio_id.bytes, audio_id.int):
        with pytest.raises(InvalidAudioIdError):
            manager.exists(wrong)  # type: ignore[arg-type]


def test_pages_follow_one_another(manager: AudioStorageManager) -> None:
    ids = sorted(manager.upload_audio_file(tone(0.01, hz=hz)).audio_id for hz in (100, 200, 300))
    assert manager.count() == 3
    assert [asset.audio_id for asset in manager.list(after=ids[0])] == ids[1:]
    assert [asset.audio_id for asset in manager.list(after=UUID(ids[2]))] == []
    with pytest.raises(InvalidAudioIdError):
        manager.list(after="3f2b")


def test_tones_and_covers_are_what_was_asked_for(manager: AudioStorageManager) -> None:
    stored = manager.upload_audio_with_thumbnail(
        tone(0.5, channels=2, title="Étude"), cover(20, 10), check="full"
    )
    assert (stored.title, stored.duration_s, stored.channels) == ("Étude", 0.5, 2)
    assert tone() == tone() != tone(hz=441)
    assert cover() == cover() != cover(rgb=(0, 0, 0))
    for wrong in ({"seconds": 0}, {"seconds": 1e9}, {"hz": 30_000}, {"channels": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            tone(**wrong)
    for shape in ((0, 1), (1, 5000)):
        with pytest.raises(ValueError, match="pixels"):
            cover(*shape)
    with pytest.raises(ValueError, match="rgb"):
        cover(rgb=(0, 0, 256))
