"""What is stored is what it says it is: facts, artwork, headers, and what is refused."""

import json
import re
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AudioStorageManager,
    FilenameGenerator,
    InvalidImageError,
    InvalidMetadataError,
    InvalidSourceError,
    MemoryStore,
    ObjectStore,
    RetryConfig,
    StorageResult,
    UnplayableAudioError,
    UnsupportedFormatError,
)
from audiostore.asset.record import MAX_METADATA_BYTES
from audiostore.ingest import Cleanup
from audiostore.media.facts.tags import unify_tags
from audiostore.media.images import MAX_IMAGE_BYTES, identify_image
from audiostore.media.sandbox.pool import decode_audio
from audiostore.stores.gcs.store import GcsStore
from audiostore.values import BlobInfo
from tests.assets import BUCKET, EXAMPLES, JPG, MP3, OGG, OTHER_JPG, PNG
from tests.audio_samples import sample
from tests.gcs_server import StrictServer

ONCE = RetryConfig(max_attempts=1)
FLAC = EXAMPLES / "Lied für Ümläute.flac"
M4A = EXAMPLES / "paper-lanterns.m4a"
OPUS = EXAMPLES / "last-tram-home.opus"
AAC = EXAMPLES / "small-rain.aac"
WAV = EXAMPLES / "a-brisk-walk.wav"
TRACKS = (MP3, FLAC, OGG, OPUS, M4A, AAC, WAV)
MAKER, ALBUM = "The audiostore developers", "Seven Small Tracks"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def manager(store: MemoryStore) -> AudioStorageManager:
    return AudioStorageManager(store=store, retry_config=ONCE)


@pytest.fixture
def audio_id() -> str:
    return FilenameGenerator.generate_audio_id()


def audio(result: StorageResult) -> BlobInfo:
    assert result.audio is not None
    return result.audio


def cover(result: StorageResult) -> BlobInfo:
    assert result.thumbnail is not None
    return result.thumbnail


def blobs(store: ObjectStore) -> list[BlobInfo]:
    return list(store.list(""))


def cover_bytes(manager: AudioStorageManager, audio_id: str, tmp_path: Path) -> bytes:
    return manager.download(audio_id, tmp_path / "fetched", part="thumbnail").read_bytes()


def tagged(frames: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return an MP3 behind an ID3v2.4 tag of these frames."""

    def synchsafe(size: int) -> bytes:
        return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))

    body = b"".join(name + synchsafe(len(data)) + b"\0\0" + data for name, data in frames)
    return b"ID3\x04\0\0" + synchsafe(len(body)) + body + sample("mp3 without tags")


def with_tags(**tags: str) -> bytes:
    names = {"title": b"TIT2", "artist": b"TPE1", "album": b"TALB"}
    return tagged((names[key], b"\3" + value.encode()) for key, value in tags.items())


def with_picture(data: bytes) -> bytes:
    return tagged([(b"APIC", b"\0image/jpeg\0\3\0" + data)])


def file(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


# -- facts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        (MP3, ("10.431", "mp3", "44100", "2", "Morning, in C")),
        (FLAC, ("8.819", "flac", "44100", "1", "Lied für Ümläute")),
        (OGG, ("11.201", "vorbis", "44100", "2", "Harbour Lights")),
        (OPUS, ("9.026", "opus", "48000", "2", "Last Tram Home")),
        (M4A, ("9.771", "aac", "48000", "2", "Paper Lanterns")),
        (AAC, ("8.499", "aac", "44100", "2", None)),
        (WAV, ("6.065", "pcm_s16le", "22050", "1", "A Brisk Walk")),
    ],
    ids=lambda value: value.suffix if isinstance(value, Path) else "",
)
def test_the_facts_of_the_examples_are_stored(
    manager: AudioStorageManager, path: Path, facts: tuple[str | None, ...]
) -> None:
    result = manager.upload_audio_file(path)
    metadata = audio(result).metadata
    keys = ("duration_s", "codec", "sample_rate_hz", "channels", "title")
    assert tuple(metadata.get(key) for key in keys) == facts
    tags = (MAKER, ALBUM) if facts[-1] else (None, None)
    assert (metadata.get("artist"), metadata.get("album")) == tags
    assert int(metadata["bitrate_bps"]) > 0
    assert manager.get(result.audio_id).audio == result.audio


@pytest.mark.slow
def test_full_check_stores_the_duration_that_was_decoded(
    manager: AudioStorageManager,
) -> None:
    result = manager.upload_audio_file(MP3, check="full")
    assert audio(result).metadata["duration_s"] == f"{decode_audio(MP3, 'MP3').duration_s:.3f}"


def test_no_check_looks_for_no_facts(manager: AudioStorageManager) -> None:
    result = manager.upload_audio_file(MP3, check="none")
    assert "duration_s" not in audio(result).metadata
    assert result.thumbnail is None


def test_the_callers_tags_win(manager: AudioStorageManager) -> None:
    result = manager.upload_audio_file(MP3, metadata={"title": "Mine", "album": ""})
    metadata = audio(result).metadata
    assert (metadata["title"], metadata["artist"], metadata["album"]) == ("Mine", MAKER, "")


@pytest.mark.parametrize(
    "key", ["duration_s", "codec", "sample_rate_hz", "channels", "bitrate_bps", "Duration_S"]
)
def test_technical_facts_cannot_be_given(
    manager: AudioStorageManager, store: MemoryStore, key: str
) -> None:
    with pytest.raises(InvalidMetadataError, match=key):
        manager.upload_audio_file(MP3, metadata={key: "1"})
    assert blobs(store) == []


ALL_TAGS = {
    b"TIT2": "Sinnerman",
    b"TPE1": "Nina Simone",
    b"TALB": "Pastel Blues",
    b"TPE2": "Various",
    b"TRCK": "09/09",
    b"TPOS": "1/2",
    b"TDRC": "1965-10-01",
    b"TCON": "Jazz",
    b"TCOM": "Traditional",
    b"TCMP": "1",
    b"TSRC": "USPR36520003",
}


def test_all_tags_are_stored_and_typed(manager: AudioStorageManager, tmp_path: Path) -> None:
    frames = [(name, b"\3" + text.encode()) for name, text in ALL_TAGS.items()]
    for key, text in (("tag_keys", "x"), ("Audio_ID", "x"), ("source_path", "/x"), ("a,b", "c")):
        frames.append((b"TXXX", b"\3" + key.encode() + b"\0" + text.encode()))
    path = file(tmp_path, "a.mp3", tagged(frames))
    stored = manager.upload_audio_file(path, metadata={"genre": "Blues", "mood": "calm"})
    assert (stored.title, stored.artist, stored.album) == (
        "Sinnerman",
        "Nina Simone",
        "Pastel Blues",
    )
    assert (stored.album_artist, stored.composer, stored.genre) == (
        "Various",
        "Traditional",
        "Blues",
    )
    assert (stored.track, stored.track_total, stored.disc, stored.disc_total) == (9, 9, 1, 2)
    assert (stored.date, stored.year, stored.isrc) == ("1965-10-01", 1965, "USPR36520003")
    assert stored.is_compilation
    assert stored.custom == {"genre": "Blues", "mood": "calm"}
    assert stored.tags["a_b"] == "c"
    assert {"tag_keys", "audio_id", "source_path", "genre"}.isdisjoint(stored.tags)
    assert (stored.source_path, stored.warnings) == (None, ())
    changed = manager.update_metadata(stored.audio_id, {"title": "Mine", "artist": None})
    assert changed.custom == {"genre": "Blues", "mood": "calm", "title": "Mine"}
    assert (changed.title, changed.artist, "title" in changed.tags) == ("Mine", None, False)
    assert changed.tags.items() < stored.tags.items()
    only = manager.update_metadata(stored.audio_id, {"a": "b"}, replace=True)
    assert (only.custom, only.tags) == ({"a": "b"}, changed.tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"TRACKNUMBER": "3", "TRACKTOTAL": "12"}, {"track": "3", "track_total": "12"}),
        ({"TRACKNUMBER": "03/12", "TOTALTRACKS": "9"}, {"track": "3", "track_total": "9"}),
        ({"track": "A1", "disc": "/2"}, {"track": "A1", "disc_total": "2"}),
        ({"WM/PartOfSet": "0/0"}, {}),
        ({"itunescompilation": "TRUE", "ITRK": "7"}, {"track": "7", "compilation": "1"}),
        ({"WM/IsCompilation": "0"}, {}),
        ({"MusicBrainz Album Id": "x"}, {"musicbrainz_albumid": "x"}),
        (
            {"lyrics-deu": "la", "comment": "c", "zzz": "z", "title": "t"},
            {"title": "t", "zzz": "z", "comment": "c", "lyrics-deu": "la"},
        ),
    ],
)
def test_tags_have_one_name_and_spelling(tags: dict[str, str], expected: dict[str, str]) -> None:
    unified, _ = unify_tags(tags.items())
    assert list(unified.items()) == list(expected.items())


def test_tags_that_do_not_fit_are_cut_and_named_the_last_first(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    frames = [(name, b"\3" + text.encode()) for name, text in ALL_TAGS.items()]
    frames.append((b"USLT", b"\3eng\0" + "ü".encode() * 900))
    path = file(tmp_path, "a.mp3", tagged(frames))
    seen: list[int] = []
    for size in range(5200, 8000, 100):
        try:
            result = manager.upload_audio_file(path, metadata={"note": "x" * size})
        except InvalidMetadataError as error:
            assert str(MAX_METADATA_BYTES) in str(error)  # noqa: PT017
            break
        metadata = audio(result).metadata
        assert metadata["note"] == "x" * size
        assert metadata["duration_s"]
        assert sum(len(f"{k}{v}".encode()) for k, v in metadata.items()) <= MAX_METADATA_BYTES
        kept = [key for key, value in result.tags.items() if not value.endswith("…")]
        lost = [key for key in TAG_ORDER if key not in kept]
        assert len(kept) <= min(seen, default=99)
        assert "lyrics" not in kept or not lost  # what a player needs least goes first
        assert "title" in kept or not kept
        assert [w for w in result.warnings if w.startswith("tags cut or left out")] == (
            [f"tags cut or left out, because an object cannot hold more: {', '.join(lost)}"]
            if lost
            else []
        )
        seen.append(len(kept))
    else:
        pytest.fail("8,000 bytes were taken")
    assert max(seen) == len(TAG_ORDER)
    assert min(seen) < 5


TAG_ORDER = [
    *("title", "artist", "album", "album_artist", "track", "track_total", "disc", "disc_total"),
    *("date", "genre", "composer", "compilation", "isrc", "lyrics"),
]


# -- artwork -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name", "kind", "size"),
    [
        (MP3, "thumbnail.jpg", "image/jpeg", 8102),
        (FLAC, "thumbnail.png", "image/png", 19699),
        (M4A, "thumbnail.jpg", "image/jpeg", 14131),
    ],
    ids=["mp3", "flac", "m4a"],
)
def test_embedded_artwork_becomes_the_thumbnail(
    manager: AudioStorageManager, tmp_path: Path, path: Path, name: str, kind: str, size: int
) -> None:
    result = manager.upload_audio_file(path)
    thumbnail = cover(result)
    assert thumbnail.name == f"audio/{result.audio_id}/{name}"
    assert (thumbnail.content_type, thumbnail.size_bytes) == (kind, size)
    assert thumbnail.metadata["original_filename"] == path.stem + Path(name).suffix
    assert "duration_s" not in thumbnail.metadata
    data = cover_bytes(manager, result.audio_id, tmp_path)
    assert data in path.read_bytes()
    assert identify_image(data).content_type == kind
    assert manager.get(result.audio_id).thumbnail == thumbnail


def test_artwork_may_be_left_where_it_is(manager: AudioStorageManager, store: MemoryStore) -> None:
    assert manager.upload_audio_file(MP3, artwork="none").thumbnail is None
    assert len(blobs(store)) == 1


def test_a_given_thumbnail_wins(manager: AudioStorageManager, tmp_path: Path) -> None:
    result = manager.upload_audio_with_thumbnail(MP3, PNG)
    assert cover_bytes(manager, result.audio_id, tmp_path) == PNG.read_bytes()


def test_waiting_artwork_wins(
    manager: AudioStorageManager, store: MemoryStore, audio_id: str, tmp_path: Path
) -> None:
    manager.upload_thumbnail_file(OTHER_JPG, audio_id)
    result = manager.upload_audio_file(MP3, audio_id=audio_id)
    assert result.created
    assert cover_bytes(manager, audio_id, tmp_path) == OTHER_JPG.read_bytes()
    assert len(blobs(store)) == 2


@pytest.mark.parametrize("other", [OTHER_JPG, PNG], ids=["same kind", "another kind"])
def test_a_repetition_keeps_artwork_that_was_replaced(
    manager: AudioStorageManager, audio_id: str, tmp_path: Path, other: Path
) -> None:
    assert manager.upload_audio_file(MP3, audio_id=audio_id).created
    manager.upload_thumbnail_file(other, audio_id)
    again = manager.upload_audio_file(MP3, audio_id=audio_id)
    assert not again.created
    assert again.warnings == ()
    assert cover_bytes(manager, audio_id, tmp_path) == other.read_bytes()


def test_a_repetition_with_embedded_artwork_stores_nothing(
    manager: AudioStorageManager, store: MemoryStore, audio_id: str
) -> None:
    manager.upload_audio_file(FLAC, audio_id=audio_id)
    before = blobs(store)
    assert not manager.upload_audio_file(FLAC, audio_id=audio_id).created
    assert blobs(store) == before


def _png_with_a_wrong_bit() -> bytes:
    data = bytearray(PNG.read_bytes())
    data[data.index(b"IDAT") + 1000] ^= 0x10
    return bytes(data)


@pytest.mark.parametrize(
    "picture",
    [
        JPG.read_bytes()[:4000],
        JPG.read_bytes()[:60],
        _png_with_a_wrong_bit(),
        b"GIF89a" + bytes(30),
        b"no picture",
    ],
    ids=["half", "header only", "wrong bit", "gif", "text"],
)
def test_a_corrupt_embedded_picture_is_a_warning(
    manager: AudioStorageManager, store: MemoryStore, tmp_path: Path, picture: bytes
) -> None:
    path = file(tmp_path, "song.mp3", with_picture(picture))
    result = manager.upload_audio_file(path)
    assert result.created
    assert result.thumbnail is None
    [warning] = result.warnings
    assert warning.startswith("'song.mp3': its embedded picture is not usable: the ")
    assert len(blobs(store)) == 1
    assert manager.upload_audio_file(path, artwork="none").warnings == ()


def test_a_corrupt_embedded_picture_is_ignored_if_artwork_is_given(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    path = file(tmp_path, "song.mp3", with_picture(b"no picture"))
    result = manager.upload_audio_with_thumbnail(path, JPG)
    assert result.thumbnail is not None
    assert result.warnings == ()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize("percent", [10, 50, 90, 99])
def test_given_artwork_that_was_cut_is_refused_at_once(
    manager: AudioStorageManager, store: MemoryStore, tmp_path: Path, kind: str, percent: int
) -> None:
    whole = {"JPEG": JPG, "PNG": PNG, "WebP": EXAMPLES / "a-brisk-walk.webp"}[kind]
    data = whole.read_bytes()
    cut = file(tmp_path, f"cover{whole.suffix}", data[: len(data) * percent // 100])
    with pytest.raises(InvalidImageError, match="cut short"):
        manager.upload_audio_with_thumbnail(MP3, cut, check="quick")
    assert not blobs(store)


@pytest.mark.parametrize("path", [MP3, FLAC], ids=["jpeg", "png"])
def test_embedded_artwork_is_scaled(
    manager: AudioStorageManager, tmp_path: Path, path: Path
) -> None:
    result = manager.upload_audio_file(path, thumbnail_max_px=64)
    data = cover_bytes(manager, result.audio_id, tmp_path)
    image = identify_image(data)
    assert (image.width, image.height) == (64, 64)
    assert image.content_type == cover(result).content_type
    assert cover(result).metadata["file_size"] == str(len(data))


def test_given_artwork_is_scaled_but_never_enlarged(
    manager: AudioStorageManager, audio_id: str, tmp_path: Path
) -> None:
    result = manager.upload_audio_with_thumbnail(MP3, PNG, thumbnail_max_px=50)
    image = identify_image(cover_bytes(manager, result.audio_id, tmp_path))
    assert max(image.width, image.height) == 50
    manager.upload_thumbnail_file(OTHER_JPG, audio_id, thumbnail_max_px=40)
    manager.upload_audio_file(OGG, audio_id=audio_id)
    image = identify_image(cover_bytes(manager, audio_id, tmp_path))
    assert max(image.width, image.height) == 40
    result = manager.upload_audio_file(MP3, thumbnail_max_px=5000)
    assert cover(result).size_bytes == 8102


def test_an_image_that_does_not_decode_is_refused(
    manager: AudioStorageManager, store: MemoryStore, audio_id: str, tmp_path: Path
) -> None:
    for name, data in (("a.jpg", JPG.read_bytes()[:4000]), ("a.png", _png_with_a_wrong_bit())):
        path = file(tmp_path, name, data)
        with pytest.raises(InvalidImageError, match=f"'{name}': "):
            manager.upload_audio_with_thumbnail(MP3, path)
        with pytest.raises(InvalidImageError, match=f"'{name}': "):
            manager.upload_thumbnail_file(path, audio_id)
    assert blobs(store) == []
    assert manager.upload_thumbnail_file(path, audio_id, check="none").created


def test_an_image_over_20_mb_is_refused(
    manager: AudioStorageManager, store: MemoryStore, audio_id: str, tmp_path: Path
) -> None:
    path = file(tmp_path, "a.jpg", JPG.read_bytes())
    with path.open("r+b") as stream:
        stream.truncate(MAX_IMAGE_BYTES + 1)
    with pytest.raises(InvalidImageError, match=r"20,000,001 bytes.*20,000,000"):
        manager.upload_audio_with_thumbnail(MP3, path)
    with pytest.raises(InvalidImageError, match="20,000,001 bytes"):
        manager.upload_thumbnail_file(path, audio_id)
    assert blobs(store) == []


# -- names -------------------------------------------------------------------------------------


def test_the_contents_extension_is_taken_if_asked(
    manager: AudioStorageManager, store: MemoryStore, tmp_path: Path
) -> None:
    song = file(tmp_path, "song.wav", MP3.read_bytes())
    image = file(tmp_path, "cover.jpg", PNG.read_bytes())
    with pytest.raises(UnsupportedFormatError, match=r"MP3 audio: rename it to \.mp3"):
        manager.upload_audio_file(song)
    with pytest.raises(UnsupportedFormatError, match=r"PNG image: rename it to \.png"):
        manager.upload_audio_with_thumbnail(MP3, image)
    assert blobs(store) == []
    result = manager.upload_audio_with_thumbnail(song, image, fix_extension=True)
    assert audio(result).name.endswith("/audio.mp3")
    assert audio(result).content_type == "audio/mpeg"
    assert audio(result).metadata["original_filename"] == "song.wav"
    assert audio(result).content_disposition == 'inline; filename="song.mp3"'
    assert cover(result).name.endswith("/thumbnail.png")
    assert cover(result).content_type == "image/png"


def test_fixing_extensions_does_not_accept_other_files_than_audio(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    page = file(tmp_path, "song.mp3", b"<!DOCTYPE html><html>")
    with pytest.raises(UnsupportedFormatError, match="web page"):
        manager.upload_audio_file(page, fix_extension=True)


# -- headers -----------------------------------------------------------------------------------

NAMES = {
    "plain name.mp3": "plain name.mp3",
    'the "best" of.mp3': 'the "best" of.mp3',
    "back\\slash.mp3": "back_slash.mp3",
    "100% real %41.mp3": "100% real %41.mp3",
    "Lied für Ümläute.mp3": "Lied für Ümläute.mp3",
    "🎵 party 🎉.mp3": "🎵 party 🎉.mp3",
    "line\nbreak\r\nX-Evil: 1.mp3": "line_break__X-Evil: 1.mp3",
    "tab\tand\x7f\x1b[31m.mp3": "tab_and__[31m.mp3",
    "semi;colon='x'.mp3": "semi;colon='x'.mp3",
    "\u202eright to left.mp3": "_right to left.mp3",
}
"""The name of a file, and the name that a browser saves it under."""


@pytest.mark.parametrize(("name", "saved"), NAMES.items(), ids=map(ascii, NAMES))
def test_content_disposition_carries_every_name_safely(
    manager: AudioStorageManager, tmp_path: Path, name: str, saved: str
) -> None:
    result = manager.upload_audio_file(file(tmp_path, name, MP3.read_bytes()))
    header = audio(result).content_disposition
    assert header is not None
    assert re.fullmatch(r"[\x20-\x7e]+", header)
    grammar = (
        r"""inline; filename="[^"\\%]*"(; filename\*=UTF-8''([\w!#$&+.^`|~-]|%[0-9A-F]{2})+)?"""
    )
    assert re.fullmatch(grammar, header, re.ASCII)
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "inline"
    if "*=" in header:
        encoded = header.partition("filename*=UTF-8''")[2]
        assert urllib.parse.unquote(encoded) == saved
    else:
        assert message.get_filename() == saved
    assert ("*=" in header) == (not saved.isascii() or any(c in saved for c in '"%'))
    art = cover(result).content_disposition
    assert art is not None
    assert re.fullmatch(r"[\x20-\x7e]+", art)
    assert ".jpg" in art


def test_audio_is_cached_longer_than_artwork(manager: AudioStorageManager, audio_id: str) -> None:
    def ages(scope: Any) -> tuple[int, int]:
        result = manager.upload_audio_file(MP3, cache=scope)
        found = []
        for blob in (audio(result), cover(result)):
            parts = [part.strip() for part in str(blob.cache_control).split(",")]
            assert parts[0] == scope
            assert "no-transform" in parts
            assert ("immutable" in parts) == (blob is result.audio)
            found += [int(p.partition("=")[2]) for p in parts if p.startswith("max-age=")]
        return found[0], found[1]

    for scope in ("private", "public"):
        of_audio, of_artwork = ages(scope)
        assert of_audio >= 31_536_000
        assert 0 < of_artwork <= 86_400
    default = audio(manager.upload_audio_file(OGG)).cache_control
    assert str(default).startswith("private, ")
    replaced = manager.upload_thumbnail_file(JPG, audio_id, cache="public")
    assert str(cover(replaced).cache_control).startswith("public, ")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (MP3, "audio/mpeg"),
        (FLAC, "audio/flac"),
        (OGG, "audio/ogg; codecs=vorbis"),
        (OPUS, "audio/ogg; codecs=opus"),
        (M4A, "audio/mp4"),
        (AAC, "audio/aac"),
        (WAV, "audio/wav"),
    ],
    ids=lambda value: value.suffix if isinstance(value, Path) else "",
)
@pytest.mark.parametrize("check", ["quick", "none"])
def test_the_content_type_names_the_codec_where_that_helps(
    manager: AudioStorageManager, path: Path, content_type: str, check: Any
) -> None:
    assert audio(manager.upload_audio_file(path, check=check)).content_type == content_type


def test_webm_names_its_codec(manager: AudioStorageManager, tmp_path: Path) -> None:
    for name, codec in (("webm", "opus"), ("webm of vorbis", "vorbis")):
        result = manager.upload_audio_file(file(tmp_path, "a.webm", sample(name)))
        assert audio(result).content_type == f"audio/webm; codecs={codec}"


def test_a_bucket_gets_the_headers_and_no_encoding() -> None:
    with StrictServer(BUCKET) as server:
        store = GcsStore(BUCKET, emulator=server.url)
        with AudioStorageManager(store=store, retry_config=ONCE) as manager:
            manager.upload_audio_file(FLAC)
        with urllib.request.urlopen(f"{server.url}/storage/v1/b/{BUCKET}/o") as response:
            resources = json.load(response)["items"]
    assert len(resources) == 2
    for resource in resources:
        assert "contentEncoding" not in resource
        assert "no-transform" in resource["cacheControl"]
        assert "UTF-8''Lied%20f%C3%BCr%20%C3%9Cml%C3%A4ute." in resource["contentDisposition"]


# -- damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("percent", [10, 50, 90, 99])
@pytest.mark.parametrize("path", TRACKS, ids=lambda path: path.suffix)
def test_a_truncated_file_is_refused_unless_checks_are_off(
    manager: AudioStorageManager, store: MemoryStore, tmp_path: Path, path: Path, percent: int
) -> None:
    data = path.read_bytes()
    cut = file(tmp_path, "cut" + path.suffix, data[: len(data) * percent // 100])
    with pytest.raises(UnplayableAudioError, match=f"'cut{path.suffix}' "):
        manager.upload_audio_file(cut, check="quick")
    assert blobs(store) == []
    assert manager.upload_audio_file(cut, check="none").created


@pytest.mark.parametrize("path", [FLAC, MP3], ids=["flac", "mp3"])
def test_full_finds_damage_that_quick_does_not_see(
    manager: AudioStorageManager, store: MemoryStore, tmp_path: Path, path: Path
) -> None:
    data = bytearray(path.read_bytes())
    places, size = [len(data) // 2], 4000
    if path == MP3:  # whose frames' headers a quick check reads, too
        places = [found.end() for found in re.finditer(rb"\xff\xfb[\x90-\x93].", data)][200:210]
        size = 390
    for at in places:
        data[at : at + size] = b"\x55" * size
    broken = file(tmp_path, "broken" + path.suffix, bytes(data))
    with pytest.raises(UnplayableAudioError, match=r"at \d+\.\d s|misses \d+\.\d\d s"):
        manager.upload_audio_file(broken, check="full")
    assert blobs(store) == []
    assert manager.upload_audio_file(broken, check="quick").created


def test_a_refusal_keeps_the_local_file(manager: AudioStorageManager, tmp_path: Path) -> None:
    path = file(tmp_path, "cut.mp3", MP3.read_bytes()[:50_000])
    levels: tuple[Cleanup, ...] = (True, "always")
    for cleanup in levels:
        with pytest.raises(UnplayableAudioError):
            manager.upload_audio_file(path, cleanup=cleanup)
        assert path.exists()


def test_a_file_over_the_limit_is_refused(manager: AudioStorageManager, tmp_path: Path) -> None:
    cover = file(tmp_path, "cover.jpg", JPG.read_bytes())
    small = MP3.stat().st_size - 1
    for song, image in ((MP3, None), (OGG, cover)):
        with pytest.raises(InvalidSourceError, match="pass a larger max_size_bytes to store it"):
            manager.upload_audio_with_thumbnail(
                song, image, max_size_bytes=small if image is None else 1000, cleanup="always"
            )
    assert cover.exists()
    assert manager.upload_audio_file(MP3, max_size_bytes=small + 1).created


# -- MP4 with its index at the end -------------------------------------------------------------


def test_an_index_at_the_end_is_a_warning(manager: AudioStorageManager) -> None:
    result = manager.upload_audio_file(M4A)
    [warning] = result.warnings
    assert warning.startswith("'paper-lanterns.m4a': its index is at the end")
    assert audio(result).size_bytes == M4A.stat().st_size


@pytest.mark.slow
def test_faststart_stores_a_rewritten_file(
    manager: AudioStorageManager, audio_id: str, tmp_path: Path
) -> None:
    local = tmp_path / "song.m4a"
    shutil.copy(M4A, local)
    result = manager.upload_audio_file(local, audio_id=audio_id, faststart=True)
    assert result.warnings == ()
    assert local.read_bytes() == M4A.read_bytes()
    stored = manager.download(audio_id, tmp_path / "stored")
    data = stored.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert audio(result).metadata["file_size"] == str(len(data))
    assert audio(result).metadata["duration_s"] == "9.771"
    assert decode_audio(stored, "MP4") == decode_audio(M4A, "MP4")
    again = manager.upload_audio_file(local, audio_id=audio_id, faststart=True, cleanup=True)
    assert not again.created
    assert not local.exists()


def test_faststart_with_cleanup_deletes_the_original(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    local = tmp_path / "song.m4a"
    shutil.copy(M4A, local)
    result = manager.upload_audio_file(local, faststart=True, cleanup=True)
    assert (result.created, result.warnings) == (True, ())
    assert not local.exists()
    assert cover(result).size_bytes == 14131


def test_faststart_leaves_alone_what_needs_none(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    data = sample("m4a with moov in front")
    result = manager.upload_audio_file(file(tmp_path, "a.m4a", data), faststart=True)
    assert audio(result).size_bytes == len(data)
    assert audio(manager.upload_audio_file(MP3, faststart=True)).size_bytes == MP3.stat().st_size


# -- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"check": "fast"},
        {"check": None},
        {"artwork": "all"},
        {"artwork": True},
        {"thumbnail_max_px": 0},
        {"thumbnail_max_px": -1},
        {"thumbnail_max_px": "64"},
        {"thumbnail_max_px": 1.5},
        {"cache": "shared"},
        {"cache": "public, x"},
        {"cleanup": "never"},
        {"max_size_bytes": 0},
        {"max_size_bytes": None},
        {"max_size_bytes": True},
        {"max_size_bytes": (5 << 40) + 1},
    ],
    ids=str,
)
def test_a_bad_option_is_refused_before_anything_is_stored(
    manager: AudioStorageManager, store: MemoryStore, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=str(next(iter(options)))):
        manager.upload_audio_file(MP3, **options)
    with pytest.raises(ValueError, match=str(next(iter(options)))):
        manager.upload_audio_with_thumbnail(MP3, JPG, **options)
    assert blobs(store) == []
