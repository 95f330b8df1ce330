"""Everything that can be wrong with a store, done to one on purpose.

Each damage is a function that takes a `Patient` and returns the name of the object (or file) that
is to be reported. `DAMAGES` says which kind of problem each is, and what its repair leads to.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audiostore import AudioStorageManager, FilenameGenerator
from audiostore.asset import WAVEFORM, MarkedFile
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec, spec_of
from audiostore.values import BlobInfo
from tests.assets import JPG, MP3, OGG, OTHER_JPG, PNG, Store

ID = "00000000-0000-4000-8000-0000000000%02x"


@dataclass(slots=True)
class Patient:
    """A store, and ids of its assets in the order of the damages."""

    store: Store
    manager: AudioStorageManager
    directory: Path
    made: int = 0

    def new_id(self) -> str:
        self.made += 1
        return ID % self.made

    def asset(self, audio: Path = MP3, thumbnail: Path | None = JPG) -> tuple[BlobInfo, BlobInfo]:
        found = self.manager.upload_audio_with_thumbnail(
            audio, thumbnail, audio_id=self.new_id(), artwork="none"
        )
        assert found.audio is not None
        return found.audio, found.thumbnail or found.audio

    def put(
        self, name: str, data: bytes, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> BlobInfo:
        return self.store.put(BlobSpec(name, content_type, metadata or {}), BytesSource(data))

    def replant(self, blob: BlobInfo, data: bytes) -> BlobInfo:
        """Put other bytes under a name, with the metadata that were there."""
        return self.store.put(
            spec_of(blob, blob.name), BytesSource(data), if_generation_match=blob.generation
        )


def orphan_thumbnail(p: Patient) -> str:
    audio_id = p.new_id()
    stored = p.manager.upload_thumbnail_file(JPG, audio_id).thumbnail
    assert stored is not None
    return stored.name


def missing_thumbnail(p: Patient) -> str:
    audio, cover = p.asset()
    p.store.delete(cover)
    for deleted in p.store.list_deleted(cover.name):
        p.store.purge(deleted)
    return audio.name


def missing_thumbnail_in_trash(p: Patient) -> str:
    audio, cover = p.asset()
    p.store.delete(cover)
    return audio.name


def mismatched_thumbnail(p: Patient) -> str:
    audio, cover = p.asset()
    p.replant(cover, OTHER_JPG.read_bytes())
    p.store.update(
        p.store.stat(cover.name),
        {"crc32c": p.store.stat(cover.name).crc32c, "file_size": str(OTHER_JPG.stat().st_size)},
    )
    return audio.name


def stale_generation(p: Patient) -> str:
    audio, cover = p.asset()
    p.replant(cover, JPG.read_bytes())
    return audio.name


def unrecorded_replacement(p: Patient) -> str:
    audio, cover = p.asset()
    data = OTHER_JPG.read_bytes()
    source = BytesSource(data)
    p.store.put(
        BlobSpec(
            cover.name,
            "image/jpeg",
            {
                **cover.metadata,
                "crc32c": source.crc32c,
                "file_size": str(len(data)),
                "audio_generation": str(audio.generation),
                "replaces_generation": str(cover.generation),
            },
        ),
        source,
        if_generation_match=cover.generation,
    )
    return audio.name


def broken_reference(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    p.store.update(audio, {"thumbnail_crc32c": "AAAAAA=="})
    return audio.name


def leftover_thumbnail(p: Patient) -> str:
    _, cover = p.asset()
    data = PNG.read_bytes()
    name = cover.name.replace(".jpg", ".png")
    source = BytesSource(data)
    p.put(
        name,
        data,
        "image/png",
        {**cover.metadata, "crc32c": source.crc32c, "file_size": str(len(data))},
    )
    return name


def unattached_thumbnail(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    audio_id = audio.metadata["audio_id"]
    other = p.manager.upload_thumbnail_file(JPG, p.new_id()).thumbnail
    assert other is not None
    name = audio.name.rpartition("/")[0] + "/thumbnail.jpg"
    p.put(name, JPG.read_bytes(), "image/jpeg", {**other.metadata, "audio_id": audio_id})
    p.store.delete(other)
    return name


def second_audio(p: Patient) -> str:
    audio, _ = p.asset()
    name = audio.name.replace(".mp3", ".ogg")
    source = BytesSource(OGG.read_bytes())
    p.put(
        name,
        OGG.read_bytes(),
        "audio/ogg",
        {
            "audio_id": audio.metadata["audio_id"],
            "file_type": "audio",
            "crc32c": source.crc32c,
            "file_size": str(source.size_bytes),
        },
    )
    return name


def wrong_bytes(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    return p.replant(audio, MP3.read_bytes()[:-1000]).name


def empty_object(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    return p.replant(audio, b"").name


def wrong_id(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    return p.store.copy(audio, f"audio/{p.new_id()}/audio.mp3").name


def unmanaged_object(p: Patient) -> str:
    return p.put(f"audio/{p.new_id()}/audio.mp3", MP3.read_bytes(), "audio/mpeg").name


def foreign_in_folder(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    return p.put(audio.name.replace("audio.mp3", "notes.txt"), b"hello", "text/plain").name


def foreign_beside(p: Patient) -> str:
    return p.put("audio/readme.txt", b"hello", "text/plain").name


def folder_without_an_id(p: Patient) -> str:
    return p.put("audio/not-an-id/audio.mp3", MP3.read_bytes(), "audio/mpeg").name


def wrong_content_type(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    return p.store.update(audio, {}, content_type="application/octet-stream").name


def wrong_image_type(p: Patient) -> str:
    _, cover = p.asset()
    return p.store.update(cover, {}, content_type="image/png").name


def wrong_file_type(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    return p.store.update(audio, {"file_type": "thumbnail"}).name


def wrong_facts(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    return p.store.update(audio, {"duration_s": "a while"}).name


def unknown_extension(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    name = audio.name.replace(".mp3", ".xyz")
    p.store.copy(audio, name)
    p.store.delete(audio)
    return name


def unfinished_deletion(p: Patient) -> str:
    audio, cover = p.asset()
    p.store.delete(audio)
    return cover.name


def unfinished_restoration(p: Patient) -> str:
    audio, cover = p.asset()
    p.store.delete(audio)
    p.store.delete(cover)
    (deleted,) = p.store.list_deleted(cover.name)
    p.store.restore(deleted)
    return cover.name


def half_held(p: Patient) -> str:
    audio, cover = p.asset()
    p.store.update(audio, {}, temporary_hold=True)
    return cover.name


def half_expiring(p: Patient) -> str:
    audio, cover = p.asset()
    p.store.update(cover, {}, custom_time=datetime(2041, 1, 1, tzinfo=UTC))
    return audio.name


def expires_before_stored(p: Patient) -> str:
    audio, cover = p.asset()
    for blob in (audio, cover):  # as a transfer that keeps the times of creation
        p.store.update(blob, {}, custom_time=datetime(2019, 5, 2, tzinfo=UTC))
    return audio.name


def unlinked_superseded(p: Patient) -> str:
    old, _ = p.asset(thumbnail=None)
    new, _ = p.asset(OGG, None)
    return p.store.update(new, {"supersedes": old.metadata["audio_id"]}).name


def missing_successor(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    gone = FilenameGenerator.generate_audio_id()
    return p.store.update(audio, {"superseded_by": gone}).name


def _with_transcript(p: Patient, name: str = "words.txt") -> tuple[BlobInfo, BlobInfo]:
    audio, _ = p.asset(thumbnail=None)
    asset = p.manager.attach(audio.metadata["audio_id"], "transcript", b"words", filename=name)
    return audio, asset.attached["transcript"]


def _with_waveform(p: Patient) -> tuple[BlobInfo, BlobInfo]:
    audio, _ = p.asset(thumbnail=None)
    file = MarkedFile(WAVEFORM, BytesSource(b"peaks"), ".dat", maker="waveform/1")
    return audio, p.manager._marked.store(audio.metadata["audio_id"], file).blob


def _forget(p: Patient, audio: BlobInfo) -> None:
    """Delete audio as if it had never been there."""
    changed = p.store.update(audio, {"audio_id": None})
    p.store.delete(changed)


def orphan_derived(p: Patient) -> str:
    audio, blob = _with_waveform(p)
    _forget(p, audio)
    return blob.name


def orphan_attached(p: Patient) -> str:
    audio, blob = _with_transcript(p)
    _forget(p, audio)
    return blob.name


def stale_derived(p: Patient) -> str:
    _, blob = _with_waveform(p)
    return p.store.update(blob, {"audio_crc32c": "AAAAAA=="}).name


def stale_attached(p: Patient) -> str:
    _, blob = _with_transcript(p)
    return p.store.update(blob, {"audio_file_size": "1"}).name


def mismatched_derived(p: Patient) -> str:
    _, blob = _with_waveform(p)
    return p.store.update(blob, {"derived_by": None}).name


def mismatched_attached(p: Patient) -> str:
    _, blob = _with_transcript(p)
    return p.replant(blob, b"other words").name


def leftover_part(p: Patient) -> str:
    audio, blob = _with_transcript(p)
    p.store.delete(blob)
    spec = spec_of(blob, blob.name)
    p.manager.attach(audio.metadata["audio_id"], "transcript", b"WEBVTT", filename="words.vtt")
    newer = p.store.stat(f"{blob.name[:-4]}.vtt")
    p.store.put(spec, BytesSource(b"words"))
    p.store.put(
        spec_of(newer, newer.name), BytesSource(b"WEBVTT"), if_generation_match=newer.generation
    )
    return blob.name


def unmanaged_part(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    name = audio.name.replace("audio.mp3", "waveform.dat")
    return p.put(name, b"peaks", "application/octet-stream").name


def wrong_text_type(p: Patient) -> str:
    _, blob = _with_transcript(p)
    return p.store.update(blob, {}, content_type="text/html").name


def half_held_part(p: Patient) -> str:
    audio, blob = _with_transcript(p)
    p.store.update(audio, {}, temporary_hold=True)
    return blob.name


def half_expiring_part(p: Patient) -> str:
    audio, blob = _with_waveform(p)
    p.store.update(audio, {}, custom_time=datetime(2041, 1, 1, tzinfo=UTC))
    return blob.name


def unfinished_deletion_of_parts(p: Patient) -> str:
    audio, blob = _with_transcript(p)
    p.store.delete(audio)
    return blob.name


def unfinished_restoration_of_parts(p: Patient) -> str:
    audio, blob = _with_transcript(p)
    p.store.delete(audio)
    p.store.delete(blob)
    (deleted,) = p.store.list_deleted(blob.name)
    p.store.restore(deleted)
    return blob.name


@dataclass(frozen=True, slots=True)
class Damage:
    """A damage, the kind of problem that it is, and whether `repair` repairs it."""

    make: Callable[[Patient], str]
    kind: str
    is_repaired: bool


def stale_upload(p: Patient) -> str:
    return p.put(f"incoming/{p.new_id()}/content", b"x", "audio/mpeg").name


DAMAGES = (
    Damage(orphan_thumbnail, "orphan-thumbnail", is_repaired=True),
    Damage(missing_thumbnail_in_trash, "missing-thumbnail", is_repaired=True),
    Damage(mismatched_thumbnail, "mismatched-thumbnail", is_repaired=False),
    Damage(stale_generation, "stale-generation", is_repaired=True),
    Damage(unrecorded_replacement, "unrecorded-replacement", is_repaired=True),
    Damage(broken_reference, "broken-reference", is_repaired=True),
    Damage(leftover_thumbnail, "leftover-thumbnail", is_repaired=True),
    Damage(unattached_thumbnail, "unattached-thumbnail", is_repaired=True),
    Damage(second_audio, "second-audio", is_repaired=True),
    Damage(wrong_bytes, "wrong-bytes", is_repaired=False),
    Damage(empty_object, "empty-object", is_repaired=False),
    Damage(wrong_id, "wrong-id", is_repaired=False),
    Damage(unmanaged_object, "unmanaged-object", is_repaired=False),
    Damage(foreign_in_folder, "foreign-object", is_repaired=False),
    Damage(foreign_beside, "foreign-object", is_repaired=False),
    Damage(folder_without_an_id, "foreign-object", is_repaired=False),
    Damage(wrong_content_type, "wrong-content-type", is_repaired=True),
    Damage(wrong_image_type, "wrong-content-type", is_repaired=True),
    Damage(wrong_file_type, "wrong-file-type", is_repaired=True),
    Damage(wrong_facts, "wrong-facts", is_repaired=False),
    Damage(unknown_extension, "unknown-extension", is_repaired=False),
    Damage(unfinished_deletion, "unfinished-deletion", is_repaired=True),
    Damage(unfinished_restoration, "unfinished-restoration", is_repaired=True),
    Damage(half_held, "half-held", is_repaired=False),
    Damage(half_expiring, "half-expiring", is_repaired=True),
    Damage(expires_before_stored, "expires-before-stored", is_repaired=False),
    Damage(unlinked_superseded, "unlinked-superseded", is_repaired=True),
    Damage(missing_successor, "missing-successor", is_repaired=True),
    Damage(orphan_derived, "orphan-derived", is_repaired=True),
    Damage(orphan_attached, "orphan-attached", is_repaired=False),
    Damage(stale_derived, "stale-derived", is_repaired=True),
    Damage(stale_attached, "stale-attached", is_repaired=False),
    Damage(mismatched_derived, "mismatched-derived", is_repaired=True),
    Damage(mismatched_attached, "mismatched-attached", is_repaired=False),
    Damage(leftover_part, "leftover-part", is_repaired=True),
    Damage(unmanaged_part, "unmanaged-object", is_repaired=False),
    Damage(wrong_text_type, "wrong-content-type", is_repaired=True),
    Damage(half_held_part, "half-held", is_repaired=False),
    Damage(half_expiring_part, "half-expiring", is_repaired=True),
    Damage(unfinished_deletion_of_parts, "unfinished-deletion", is_repaired=True),
    Damage(unfinished_restoration_of_parts, "unfinished-restoration", is_repaired=True),
    Damage(stale_upload, "stale-upload", is_repaired=True),
)
PURGED = Damage(missing_thumbnail, "missing-thumbnail", is_repaired=True)
"""Only where a store deletes permanently."""


def loose_file(p: Patient) -> str:
    (p.directory / "audio" / "loose.mp3").write_bytes(b"x")
    return "audio/loose.mp3"


def empty_folder(p: Patient) -> str:
    name = f"audio/{p.new_id()}"
    (p.directory / name).mkdir()
    os.utime(p.directory / name, (1, 1))
    return name


def metadata_of_nothing(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    path = p.directory / audio.name
    path.with_name(f".{path.name}.17.json").write_text("{}")
    os.utime(path.with_name(f".{path.name}.17.json"), (1, 1))
    return f"{audio.name.rpartition('/')[0]}/.{path.name}.17.json"


def bytes_without_metadata(p: Patient) -> str:
    audio, _ = p.asset(thumbnail=None)
    path = p.directory / audio.name
    path.with_name(f".{path.name}.{audio.generation}.json").unlink()
    return audio.name


FOREIGN_FILES = (
    Damage(loose_file, "foreign-file", is_repaired=False),
    Damage(empty_folder, "foreign-file", is_repaired=True),
    Damage(metadata_of_nothing, "foreign-file", is_repaired=True),
    Damage(bytes_without_metadata, "foreign-file", is_repaired=False),
)
"""Only a directory has files that are no objects."""
