"""The folder of one asset: its objects, and problems of single ones. Pure functions."""

from collections.abc import Iterator

from audiostore.asset import (
    AUDIO,
    THUMBNAIL,
    Asset,
    FilenameGenerator,
    Part,
    assemble,
    is_committed_audio,
    part_of,
)
from audiostore.audit.problems import DeleteObject, Problem, UpdateObject, problem_of
from audiostore.dataclass import dataclass, field
from audiostore.media import format_of
from audiostore.values import FACT_KEYS, BlobInfo


@dataclass(frozen=True, slots=True)
class Folder:
    """The objects whose names begin with one asset's id."""

    audio_id: str
    blobs: tuple[BlobInfo, ...]
    asset: Asset | None = field(init=False, compare=False)
    """What readers see."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "asset", assemble(self.audio_id, self.blobs))

    @property
    def audios(self) -> list[BlobInfo]:
        """Its committed audio objects, the oldest first: readers see that one."""
        found = [blob for blob in self.blobs if is_committed_audio(blob)]
        return sorted(found, key=lambda blob: (blob.generation, blob.name))

    @property
    def thumbnails(self) -> list[BlobInfo]:
        """Its artwork."""
        return [blob for blob in self.blobs if part_of(blob.name) is THUMBNAIL]


def folder_of(name: str) -> str | None:
    """Return the asset's id in an object's name, whatever follows it; None if it has none."""
    parts = name.split("/", 2)
    if len(parts) == 3 and FilenameGenerator.validate_uuid(parts[1]):
        return parts[1]
    return None


def stale_upload(blob: BlobInfo) -> Problem:
    """Return the problem of an object that was to become an asset."""
    return problem_of(
        None, blob, "stale-upload", "it is an upload in steps that nobody completed",
        "remove it: its sender has to start again", repair=DeleteObject(blob),
    )  # fmt: skip


def foreign_object(blob: BlobInfo, audio_id: str | None = None) -> Problem:
    """Return the problem of an object that is not ours."""
    return problem_of(
        audio_id, blob, "foreign-object", "audiostore does not store objects of this name",
        "move it elsewhere if it is not needed there",
    )  # fmt: skip


def unreadable_object(audio_id: str, blob: BlobInfo, why: str) -> Problem:
    """Return the problem of an object whose bytes or checksum cannot be read."""
    return problem_of(
        audio_id, blob, "unreadable-object", f"it cannot be verified: {why}",
        "make it readable: nothing else is known to be wrong with it",
    )  # fmt: skip


def check_objects(folder: Folder) -> Iterator[Problem]:
    """Yield what is wrong with single objects of a folder."""
    for blob in folder.blobs:
        part = part_of(blob.name)
        if blob.name.endswith("/") and blob.size_bytes == 0:
            yield problem_of(
                folder.audio_id, blob, "folder-placeholder", "an empty object named as a folder",
                "delete it: folders need no object", repair=DeleteObject(blob),
            )  # fmt: skip
        elif part is None:
            yield foreign_object(blob, folder.audio_id)
        elif blob.metadata.get("audio_id") is None:
            yield problem_of(
                folder.audio_id, blob, "unmanaged-object",
                "it is named like an object of audiostore, but was not stored by it",
                "upload it, or move it elsewhere",
            )  # fmt: skip
        else:
            if blob.crc32c is None:
                yield unreadable_object(folder.audio_id, blob, str(blob.unreadable))
            if not part.is_marked:
                yield from _check_own(folder.audio_id, blob, part)


def _check_own(audio_id: str, blob: BlobInfo, part: Part) -> Iterator[Problem]:
    metadata = blob.metadata
    if metadata["audio_id"] != audio_id:
        yield problem_of(
            audio_id, blob, "wrong-id", f"its metadata says that it belongs to "
            f"{metadata['audio_id']}",
            "it was copied or renamed by hand: move it back, or upload it again",
        )  # fmt: skip
        return
    if blob.size_bytes == 0:
        yield problem_of(
            audio_id, blob, "empty-object", "it has no bytes",
            "restore it from a copy, or delete the asset",
        )  # fmt: skip
    elif metadata.get("file_size") != str(blob.size_bytes) or (
        blob.crc32c not in (None, metadata.get("crc32c"))
    ):
        yield problem_of(
            audio_id, blob, "wrong-bytes",
            f"it holds {blob.size_bytes} bytes (crc32c {blob.crc32c}) instead of "
            f"{metadata.get('file_size')} (crc32c {metadata.get('crc32c')})",
            "restore it from a copy, or delete the asset and upload it again",
        )  # fmt: skip
    if metadata.get("file_type") != part.name:
        yield problem_of(
            audio_id, blob, "wrong-file-type",
            f"its metadata says that it is {metadata.get('file_type')!r}, not {part.name!r}",
            "correct its metadata",
            repair=UpdateObject(blob, "correct its file_type", {"file_type": part.name}),
        )  # fmt: skip
    yield from _check_content_type(audio_id, blob, part)
    if part is AUDIO and not _has_plausible_facts(blob):
        yield problem_of(
            audio_id, blob, "wrong-facts", "its metadata has impossible facts about the sound",
            "a deep check finds the right ones, and its repair corrects them",
        )  # fmt: skip


def _check_content_type(audio_id: str, blob: BlobInfo, part: Part) -> Iterator[Problem]:
    found = format_of(blob.name, "audio" if part is AUDIO else "image")
    if found is None:
        yield problem_of(
            audio_id, blob, "unknown-extension", "audiostore stores no files of this extension",
            "it was renamed by hand: upload it again",
        )  # fmt: skip
        return
    codec = blob.metadata.get("codec")
    expected = found.content_type_for(codec)
    is_right = blob.content_type in (expected, found.content_type) or (
        codec is None and blob.content_type.split(";")[0] == found.content_type
    )
    if not is_right:
        yield problem_of(
            audio_id, blob, "wrong-content-type",
            f"it is served as {blob.content_type!r}, not {expected!r}",
            "correct it: players go by it",
            repair=UpdateObject(blob, f"serve it as {expected}", content_type=expected),
        )  # fmt: skip


def _has_plausible_facts(audio: BlobInfo) -> bool:
    """Say whether the facts are numbers that can be true; having no facts at all is plausible.

    A duration of zero can be: it is stored in milliseconds.
    """
    facts = {key: audio.metadata[key] for key in FACT_KEYS if key in audio.metadata}
    if not facts:
        return True
    try:
        duration_s = float(facts["duration_s"])
        counts = [int(facts[key]) for key in ("sample_rate_hz", "channels")]
        counts.append(int(facts.get("bitrate_bps", "1")))
    except (KeyError, ValueError):
        return False
    return 0 <= duration_s < float("inf") and min(counts) > 0 and bool(facts.get("codec"))
