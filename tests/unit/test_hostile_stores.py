"""A store that lies: nothing of it becomes a request, an unknown type, or a file of any name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audiostore import (
    AudioStorageManager,
    AudioStoreError,
    MemoryStore,
    UnsupportedFormatError,
)
from audiostore.asset import copy_asset
from audiostore.asset.known import spec_of_copy
from audiostore.bulk import original_name
from audiostore.cli import main
from audiostore.sources import BytesSource, encode_crc32c
from audiostore.stores.headers import content_disposition
from audiostore.stores.protocol import BlobSpec

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
SCRIPT = b"<script>alert(document.domain)</script>"
SMUGGLED = (
    "audio/mpeg\r\nContent-Length: 0\r\n\r\n"
    "DELETE /storage/v1/b/bucket/o/precious HTTP/1.1\r\nHost: evil\r\n\r\n"
)


def _commit(
    manager: AudioStorageManager,
    extension: str,
    content_type: str = "audio/mpeg",
    **metadata: str,
) -> None:
    """Store an object that has all the marks of an asset's audio."""
    import google_crc32c  # noqa: PLC0415

    own = {
        "audio_id": ID,
        "file_type": "audio",
        "original_filename": "song.mp3",
        "file_size": str(len(SCRIPT)),
        "crc32c": encode_crc32c(google_crc32c.value(SCRIPT)),
    }
    spec = BlobSpec(f"audio/{ID}/audio{extension}", content_type, own | metadata)
    manager.store.put(spec, BytesSource(SCRIPT))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[AudioStorageManager]:
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        yield manager


@pytest.mark.parametrize("extension", [".html", ".py", ".svg", ".jpg", ".m3u"])
def test_an_asset_of_an_unknown_extension_is_neither_copied_nor_fetched_nor_restored(
    manager: AudioStorageManager, tmp_path: Path, extension: str
) -> None:
    _commit(manager, extension, "text/html")
    [asset] = manager.list()  # it can be seen, and deleted
    target = MemoryStore()
    out = tmp_path / "out"
    out.mkdir()
    [copied] = manager.bulk.copy(AudioStorageManager(store=target))
    [fetched] = manager.bulk.download([asset], out)
    assert isinstance(copied.error, UnsupportedFormatError)
    assert isinstance(fetched.error, UnsupportedFormatError)
    for call in (
        lambda: copy_asset(manager.store, target, asset),
        lambda: manager.download(ID, out),
        lambda: manager.download(asset, out / f"x{extension}"),
        lambda: manager.open(ID),
        lambda: manager.signed_url(ID),
    ):
        with pytest.raises(UnsupportedFormatError, match="stores no audio files") as raised:
            call()
        assert raised.value.audio_id == ID
    manager.delete(ID)
    with pytest.raises(UnsupportedFormatError):
        manager.restore(ID)
    assert list(target.list("")) == []
    assert list(manager.list()) == []
    assert list(out.iterdir()) == []


def test_get_writes_no_program_into_the_folder(
    manager: AudioStorageManager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    _commit(manager, ".py", original_filename="sitecustomize.py")
    for more in ([ID], ["--all", "--to", "."], [ID, "-o", "."]):
        assert main(["get", *more, "--bucket", manager.url]) != 0
    assert list(folder.iterdir()) == []
    assert "bug in audiostore" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stated", "copied"),
    [
        ("text/html", "audio/mpeg"),
        ("AUDIO/MPEG", "audio/mpeg"),
        ("audio/mpeg; charset=<script>", "audio/mpeg"),
        (SMUGGLED, "audio/mpeg"),
        ("", "audio/mpeg"),
        ("audio/ogg", "audio/mpeg"),
    ],
)
def test_a_copy_has_a_content_type_of_our_own_table(
    manager: AudioStorageManager, stated: str, copied: str
) -> None:
    _commit(manager, ".mp3", stated)
    with AudioStorageManager(store=MemoryStore()) as target:
        [outcome] = manager.bulk.copy(target)
        assert outcome.error is None
        [asset] = target.list()
        assert asset.content_type == copied


def test_a_codec_in_a_content_type_of_our_table_is_copied(manager: AudioStorageManager) -> None:
    _commit(manager, ".ogg", 'audio/ogg;codecs="OPUS"')
    with AudioStorageManager(store=MemoryStore()) as target:
        assert copy_asset(manager.store, target.store, manager.get(ID))
        assert target.get(ID).content_type == "audio/ogg; codecs=opus"


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "audio/mpeg\r\nx: y", ""])
def test_a_file_is_not_served_and_not_restored_as_what_no_audio_is(
    manager: AudioStorageManager, content_type: str
) -> None:
    _commit(manager, ".mp3", content_type)
    with pytest.raises(UnsupportedFormatError, match="content type"):
        manager.signed_url(ID)
    assert manager.open(ID).read() == SCRIPT
    manager.delete(ID)
    with pytest.raises(UnsupportedFormatError, match="content type"):
        manager.restore(ID)


def test_what_is_served_with_a_copy_is_written_anew(manager: AudioStorageManager) -> None:
    _commit(manager, ".mp3", original_filename="evil\u202e\r\n/../x.html")
    blob = manager.get(ID).audio
    assert blob is not None
    lying = replace(
        manager.get(ID),
        audio=replace(
            blob,
            content_disposition='attachment; filename="evil.html"\r\nX: y',
            cache_control="public, max-age=99\r\nSet-Cookie: a=b",
        ),
    )
    target = MemoryStore()
    assert copy_asset(manager.store, target, lying)
    [stored] = target.list("")
    assert stored.content_disposition is not None
    assert stored.content_disposition.startswith("inline; filename=")
    assert "x.mp3" in stored.content_disposition
    assert stored.content_disposition.isprintable()
    assert not {"%0D", "%0A", "%2F", "/", "%E2%80%AE"} & {
        part
        for part in ("%0D", "%0A", "%2F", "/", "%E2%80%AE")
        if part in stored.content_disposition
    }
    assert stored.cache_control is not None
    assert stored.cache_control.startswith("public, max-age=31536000")
    assert stored.cache_control.isprintable()


@pytest.mark.parametrize(
    ("filename", "disposition"), [("song.mp3", None), ("", "inline; filename=evil.html")]
)
def test_a_copy_is_offered_under_no_name_that_its_original_does_not_have(
    manager: AudioStorageManager, filename: str, disposition: str | None
) -> None:
    _commit(manager, ".mp3", original_filename=filename)
    found = manager.get(ID)
    assert found.audio is not None
    found = replace(found, audio=replace(found.audio, content_disposition=disposition))
    target = MemoryStore()
    assert copy_asset(manager.store, target, found)
    [stored] = target.list("")
    assert stored.content_disposition is None


@pytest.mark.parametrize("key", ["", "a\r\nb", "a\0"])
def test_metadata_that_an_upload_could_not_have_is_not_copied(
    manager: AudioStorageManager, key: str
) -> None:
    _commit(manager, ".mp3", **{key: "x"})
    with pytest.raises(AudioStoreError, match="metadata key"):
        copy_asset(manager.store, MemoryStore(), manager.get(ID))


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ("../../etc/passwd", "passwd.mp3"),
        ("..\\..\\x.mp3", "x.mp3"),
        ("-rf.mp3", "_rf.mp3"),
        (".bashrc", "_bashrc.mp3"),
        ("...And Justice.mp3", "_..And Justice.mp3"),
        (".mp3", f"{ID}.mp3"),
        ("sitecustomize.py", "sitecustomize.py.mp3"),
        ("a\x1b[31m\r\n\u202e.mp3", "a_[31m___.mp3"),
        ("CON.mp3", "_CON.mp3"),
        ("nul", "_nul.mp3"),
        ("com1.tar.mp3", "_com1.tar.mp3"),
        ("Console.mp3", "Console.mp3"),
        ("", f"{ID}.mp3"),
        ("x" * 300, "x" * 251 + ".mp3"),
        ("a\0b.mp3", "a_b.mp3"),
        ("\ud800.mp3", "_.mp3"),
    ],
)
def test_a_file_is_named_by_one_visible_component_with_a_known_extension(
    manager: AudioStorageManager, original: str, expected: str
) -> None:
    _commit(manager, ".mp3")
    asset = manager.get(ID)
    assert asset.audio is not None
    named = replace(asset.audio, metadata={**asset.audio.metadata, "original_filename": original})
    name = original_name(replace(asset, audio=named), "audio")
    assert name == expected
    assert Path(name).name == name


@pytest.mark.parametrize(
    "name", ["a/b\\c.mp3", "a\r\nX: y.mp3", "\u202egpj.mp3", "\ud800", '"; x="']
)
def test_a_disposition_names_no_path_and_no_control_character(name: str) -> None:
    header = content_disposition(name, kind="attachment")
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    for unsafe in ("/", "\\", "%2F", "%5C", "%0D", "%0A", "%E2%80%AE"):
        assert unsafe not in header


@pytest.mark.parametrize("name", ["audio/x/audio.mp3", f"audio/{ID}/../audio.mp3", "audio.mp3"])
def test_an_object_of_no_asset_is_not_copied(name: str) -> None:
    other = MemoryStore()
    blob = other.put(BlobSpec(name, "audio/mpeg", {}), BytesSource(SCRIPT))

    with pytest.raises(UnsupportedFormatError, match="not the name of an object of an asset"):
        spec_of_copy(blob)
