"""What is wrong in the folder of one asset, as far as its objects' descriptions tell. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from audiostore.asset import (
    AUDIO,
    THUMBNAIL,
    Asset,
    FilenameGenerator,
    derived_parts,
    part_of,
    record,
)
from audiostore.audit.problems import Delete, Problem, Update
from audiostore.media import (
    AUDIO_FORMATS,
    IMAGE_FORMATS,
    Format,
)
from audiostore.values import FACT_KEYS, BlobInfo

_REFERENCE = ("thumbnail_name", "thumbnail_generation", "thumbnail_crc32c")


@dataclass(frozen=True, slots=True)
class Folder:
    """The objects whose names begin with one asset's id."""

    audio_id: str
    blobs: tuple[BlobInfo, ...]

    @property
    def audios(self) -> list[BlobInfo]:
        """Its committed audio objects, the oldest first; that one counts."""
        found = [blob for blob in self.blobs if record.is_committed_audio(blob)]
        return sorted(found, key=lambda blob: (blob.generation, blob.name))

    @property
    def thumbnails(self) -> list[BlobInfo]:
        """Its artwork."""
        return [blob for blob in self.blobs if part_of(blob.name) is THUMBNAIL]

    @property
    def asset(self) -> Asset | None:
        """What readers see."""
        return record.assemble(self.audio_id, self.blobs)


def check_objects(folder: Folder) -> Iterator[Problem]:
    """Yield what is wrong with single objects of a folder."""
    for blob in folder.blobs:
        if blob.name.endswith("/") and blob.size_bytes == 0:
            yield _problem(
                folder, blob, "folder-placeholder", "an empty object stands for the folder",
                "delete it: folders need no object", repair=Delete(blob),
            )  # fmt: skip
        elif (part := part_of(blob.name)) is None:
            yield foreign(blob, folder.audio_id)
        elif part.is_derived:
            continue
        elif blob.metadata.get("audio_id") is None:
            yield _problem(
                folder, blob, "not-by-us",
                "it has a name of ours, but was not stored by audiostore",
                "store it with 'audiostore put', or move it away",
            )  # fmt: skip
        else:
            yield from _check_own(folder, blob)


def foreign(blob: BlobInfo, audio_id: str | None = None) -> Problem:
    """Return the problem of an object that is not ours."""
    return Problem(
        "foreign-object",
        audio_id,
        blob.name,
        "this is no object of audiostore's",
        "move it away, if nobody needs it there",
        changed_at=blob.created_at,
    )


def _check_own(folder: Folder, blob: BlobInfo) -> Iterator[Problem]:
    metadata = blob.metadata
    if metadata["audio_id"] != folder.audio_id:
        yield _problem(
            folder, blob, "wrong-id", f"it says that it belongs to {metadata['audio_id']}",
            "it was copied or renamed by hand: move it back, or store it anew",
        )  # fmt: skip
        return
    if blob.size_bytes == 0:
        yield _problem(
            folder, blob, "empty-object", "it has no bytes",
            f"restore it from a copy, or delete {folder.audio_id}",
        )  # fmt: skip
    elif (metadata.get("crc32c"), metadata.get("file_size")) != (
        blob.crc32c,
        str(blob.size_bytes),
    ):
        yield _problem(
            folder, blob, "wrong-bytes",
            f"it holds {blob.size_bytes} bytes (crc32c {blob.crc32c}), but was to hold "
            f"{metadata.get('file_size')} (crc32c {metadata.get('crc32c')})",
            f"restore it from a copy, or delete {folder.audio_id} and store it anew",
        )  # fmt: skip
    part = part_of(blob.name)
    expected_type = part.name if part else None
    if metadata.get("file_type") != expected_type:
        yield _problem(
            folder, blob, "wrong-file-type",
            f"it says that it is {metadata.get('file_type')!r}, not {expected_type!r}",
            "correct its metadata",
            repair=Update(blob, "correct its file_type", {"file_type": expected_type}),
        )  # fmt: skip
    yield from _check_content_type(folder, blob)
    if part_of(blob.name) is AUDIO and not _has_sound_facts(blob):
        yield _problem(
            folder, blob, "wrong-facts", "what its metadata say of the sound makes no sense",
            "'audiostore check --deep --repair' finds out, and corrects them",
        )  # fmt: skip


def _check_content_type(folder: Folder, blob: BlobInfo) -> Iterator[Problem]:
    found = format_of(blob)
    if found is None:
        yield _problem(
            folder, blob, "unknown-extension", "its extension is none that audiostore stores",
            "it was renamed by hand: store it anew",
        )  # fmt: skip
        return
    codec = blob.metadata.get("codec")
    expected = found.content_type_for(codec)
    is_right = blob.content_type in (expected, found.content_type) or (
        codec is None and blob.content_type.split(";")[0] == found.content_type
    )
    if not is_right:
        yield _problem(
            folder, blob, "wrong-content-type",
            f"it is served as {blob.content_type!r}, not {expected!r}",
            "correct it: players go by it",
            repair=Update(blob, f"serve it as {expected}", content_type=expected),
        )  # fmt: skip


def format_of(blob: BlobInfo) -> Format | None:
    """Return the format that an object's name tells; None for none of ours."""
    formats = AUDIO_FORMATS if part_of(blob.name) is AUDIO else IMAGE_FORMATS
    suffix = PurePosixPath(blob.name).suffix
    return next((f for f in formats if suffix in f.extensions), None)


def _has_sound_facts(audio: BlobInfo) -> bool:
    """Say whether the facts are numbers that can be true; no facts at all are none to doubt."""
    facts = {key: audio.metadata[key] for key in FACT_KEYS if key in audio.metadata}
    if not facts:
        return True
    try:
        duration_s = float(facts["duration_s"])
        counts = [int(facts[key]) for key in ("sample_rate_hz", "channels")]
        counts.append(int(facts.get("bitrate_bps", "1")))
    except (KeyError, ValueError):
        return False
    return 0 < duration_s < float("inf") and min(counts) > 0 and bool(facts.get("codec"))


def check_asset(folder: Folder) -> Iterator[Problem]:
    """Yield where the objects of a folder contradict each other."""
    asset = folder.asset
    if asset is None:
        for blob in folder.thumbnails:
            yield _problem(
                folder, blob, "orphan-thumbnail", "there is artwork, but no audio that it is for",
                "delete it, or store the audio under this id", repair=Delete(blob),
            )  # fmt: skip
        for blob in derived_parts(folder.blobs).values():
            yield _problem(
                folder, blob, "orphan-derived", "it was computed from audio that is not there",
                "delete it", repair=Delete(blob),
            )  # fmt: skip
        return
    for blob in folder.audios[1:]:
        yield _problem(
            folder, blob, "second-audio", f"{asset.audio.name} is the audio of this asset",
            "two writers met under one id: delete the later one, which nobody sees",
            repair=Delete(blob),
        )  # fmt: skip
    yield from _check_reference(folder, asset)
    yield from _check_left_over(folder, asset)
    if asset.thumbnail is not None:
        yield from _check_both(folder, asset.audio, asset.thumbnail)


def _check_reference(folder: Folder, asset: Asset) -> Iterator[Problem]:
    audio, thumbnail = asset.audio, asset.thumbnail
    keys = [key for key in _REFERENCE if key in audio.metadata]
    if keys and len(keys) < len(_REFERENCE):
        yield _problem(
            folder, audio, "broken-reference", "it names its artwork in part only",
            "have it name its artwork again, or none",
            repair=Update(audio, "have it name no artwork", dict.fromkeys(keys)),
        )  # fmt: skip
    elif thumbnail is None and keys:
        name = audio.metadata["thumbnail_name"]
        present = next((blob for blob in folder.blobs if blob.name == name), None)
        forget = Update(audio, "have it name no artwork", dict.fromkeys(_REFERENCE))
        if present is None:
            yield _problem(
                folder, audio, "missing-thumbnail", f"it names {name}, which is not there",
                f"give it artwork with 'audiostore cover {folder.audio_id} FILE', or have it name "
                "none",
                repair=forget,
            )  # fmt: skip
        else:
            yield _problem(
                folder, audio, "other-thumbnail",
                f"{name} holds other bytes (crc32c {present.crc32c}) than those that it names "
                f"(crc32c {audio.metadata['thumbnail_crc32c']})",
                f"somebody overwrote it: 'audiostore cover {folder.audio_id} FILE' gives it the "
                "right one",
            )  # fmt: skip
    elif thumbnail is not None and not record.names_thumbnail(audio, thumbnail):
        restored = record.names_content_of(audio, thumbnail)
        yield _problem(
            folder, audio,
            "other-generation" if restored else "untold-replacement",
            f"it names another generation of {thumbnail.name}" + (
                " with the same bytes" if restored else ", which was replaced"
            ),
            "have it name the one that is there",
            repair=Update(audio, f"have it name generation {thumbnail.generation} of its artwork",
                record.thumbnail_reference(thumbnail)),
            young=thumbnail,
        )  # fmt: skip


def _check_left_over(folder: Folder, asset: Asset) -> Iterator[Problem]:
    for blob in folder.thumbnails:
        if blob == asset.thumbnail or blob.name == asset.audio.metadata.get("thumbnail_name"):
            continue
        if record.waits_for_audio(blob) and not any(k in asset.audio.metadata for k in _REFERENCE):
            yield _problem(
                folder, blob, "unattached-thumbnail", "it waits for audio that is there",
                "have the audio name it",
                repair=Update(asset.audio, "have it name the artwork that waits for it",
                    record.thumbnail_reference(blob)),
            )  # fmt: skip
        else:
            yield _problem(
                folder, blob, "left-over-thumbnail", "the audio of this asset does not name it",
                "delete it: an upload was interrupted, or the artwork was replaced",
                repair=Delete(blob), young=asset.thumbnail,
            )  # fmt: skip


def _check_both(folder: Folder, audio: BlobInfo, thumbnail: BlobInfo) -> Iterator[Problem]:
    if audio.temporary_hold != thumbnail.temporary_hold:
        free = thumbnail if audio.temporary_hold else audio
        yield _problem(
            folder, free, "half-held", "of this asset, only the other part is under a hold",
            f"say again what was meant: 'audiostore hold {folder.audio_id}' or 'release'",
        )  # fmt: skip
    if audio.custom_time != thumbnail.custom_time:
        moments = [moment for moment in (audio.custom_time, thumbnail.custom_time) if moment]
        latest = max(moments)
        behind = audio if audio.custom_time != latest else thumbnail
        yield _problem(
            folder, behind, "half-expiring",
            f"the other part of this asset expires on {latest:%Y-%m-%d}",
            "have both parts expire then",
            repair=Update(behind, f"have it expire on {latest:%Y-%m-%d} too", custom_time=latest),
        )  # fmt: skip


def _problem(
    folder: Folder,
    blob: BlobInfo,
    kind: str,
    words: str,
    remedy: str,
    *,
    repair: Delete | Update | None = None,
    young: BlobInfo | None = None,
) -> Problem:
    return Problem(
        kind,
        folder.audio_id,
        blob.name,
        words,
        remedy,
        repair,
        changed_at=max(blob.created_at, (young or blob).created_at),
    )


def folder_of(name: str) -> str | None:
    """Return the asset's id in an object's name, whatever stands behind; None for no id."""
    parts = name.split("/", 2)
    if len(parts) == 3 and FilenameGenerator.validate_uuid(parts[1]):
        return parts[1]
    return None
