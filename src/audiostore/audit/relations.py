"""Where the objects of one asset contradict each other. Pure functions."""

from collections.abc import Iterator

from audiostore.asset import (
    Asset,
    names_content_of,
    names_thumbnail,
    thumbnail_reference,
    waits_for_audio,
)
from audiostore.audit.folders import Folder
from audiostore.audit.problems import DeleteObject, Problem, UpdateObject, problem_of
from audiostore.values import REFERENCE_KEYS, BlobInfo


def check_relations(folder: Folder) -> Iterator[Problem]:
    """Yield where the objects of a folder contradict each other."""
    asset = folder.asset
    if asset is None:
        yield from _check_orphans(folder)
        return
    audios = folder.audios
    for blob in audios[1:] if all(each.crc32c for each in audios) else ():
        yield problem_of(
            folder.audio_id, blob, "second-audio", f"the audio of this asset is {asset.audio.name}",
            "delete it: two uploads used one id, and readers see the earlier one",
            repair=DeleteObject(blob),
        )  # fmt: skip
    yield from _check_reference(folder, asset)
    yield from _check_leftovers(folder, asset)
    yield from _check_expiry(asset)
    yield from _check_alike(asset)


def _check_orphans(folder: Folder) -> Iterator[Problem]:
    for blob in folder.thumbnails:
        yield problem_of(
            folder.audio_id, blob, "orphan-thumbnail", "this artwork has no audio",
            "delete it, or upload the audio under this id", repair=DeleteObject(blob),
        )  # fmt: skip


def _check_reference(folder: Folder, asset: Asset) -> Iterator[Problem]:
    """Yield what is wrong with the audio object's reference to its artwork."""
    audio, thumbnail, audio_id = asset.audio, asset.thumbnail, folder.audio_id
    keys = [key for key in REFERENCE_KEYS if key in audio.metadata]
    if keys and len(keys) < len(REFERENCE_KEYS):
        yield problem_of(
            audio_id, audio, "broken-reference", "its reference to the artwork is incomplete",
            "attach the artwork again, or remove the reference",
            repair=UpdateObject(audio, "remove the reference to its artwork", dict.fromkeys(keys)),
        )  # fmt: skip
    elif thumbnail is None and keys:
        yield from _missing_thumbnail(folder, audio)
    elif thumbnail is not None and thumbnail.crc32c and not names_thumbnail(audio, thumbnail):
        same = names_content_of(audio, thumbnail)
        yield problem_of(
            audio_id, audio, "stale-generation" if same else "unrecorded-replacement",
            f"it refers to another generation of {thumbnail.name}" + (
                " with the same bytes" if same else ", which was replaced"
            ),
            "have it refer to the present generation",
            repair=UpdateObject(
                audio, f"have it refer to generation {thumbnail.generation} of its artwork",
                thumbnail_reference(thumbnail),
            ),
            young=thumbnail,
        )  # fmt: skip


def _missing_thumbnail(folder: Folder, audio: BlobInfo) -> Iterator[Problem]:
    name = audio.metadata["thumbnail_name"]
    present = next((blob for blob in folder.blobs if blob.name == name), None)
    if present is None:
        yield problem_of(
            folder.audio_id, audio, "missing-thumbnail", f"its artwork {name} is missing",
            "attach artwork, or remove the reference",
            repair=UpdateObject(
                audio, "remove the reference to its artwork", dict.fromkeys(REFERENCE_KEYS)
            ),
        )  # fmt: skip
    elif present.crc32c:
        yield problem_of(
            folder.audio_id, audio, "mismatched-thumbnail",
            f"its artwork {name} holds other bytes (crc32c {present.crc32c}) than it should "
            f"(crc32c {audio.metadata['thumbnail_crc32c']})",
            "it was overwritten by hand: attach the right artwork",
        )  # fmt: skip


def _check_leftovers(folder: Folder, asset: Asset) -> Iterator[Problem]:
    audio = asset.audio
    for blob in folder.thumbnails:
        if blob.name == audio.metadata.get("thumbnail_name") or blob == asset.thumbnail:
            continue
        if not (blob.crc32c and audio.crc32c):
            continue  # what it is cannot be said
        if waits_for_audio(blob) and not any(key in audio.metadata for key in REFERENCE_KEYS):
            yield problem_of(
                folder.audio_id, blob, "unattached-thumbnail",
                "it was uploaded ahead of its audio, which does not refer to it",
                "have the audio refer to it",
                repair=UpdateObject(
                    audio, "have it refer to the artwork that was uploaded ahead of it",
                    thumbnail_reference(blob),
                ),
            )  # fmt: skip
        else:
            yield problem_of(
                folder.audio_id, blob, "leftover-thumbnail",
                "the audio of this asset does not refer to it",
                "delete it: an upload was interrupted, or the artwork was replaced",
                repair=DeleteObject(blob), young=asset.thumbnail,
            )  # fmt: skip


def _check_expiry(asset: Asset) -> Iterator[Problem]:
    """Yield whether the asset expires before it was stored: only other programs set such times."""
    for blob in (asset.audio, asset.thumbnail):
        if blob is not None and blob.custom_time and blob.custom_time < blob.created_at:
            yield problem_of(
                asset.audio_id, blob, "expires-before-stored",
                f"its custom time, {blob.custom_time:%Y-%m-%d}, is from before it was stored: a "
                "lifecycle rule on custom times deletes it within a day",
                "set a later date: another program, such as one that keeps times of creation, "
                "has set this one",
            )  # fmt: skip
            return


def _check_alike(asset: Asset) -> Iterator[Problem]:
    """Yield which parts have another hold or expiry time than others."""
    parts = tuple(asset.parts.values())
    free = next((blob for blob in parts if not blob.temporary_hold), None)
    if free is not None and any(blob.temporary_hold for blob in parts):
        yield problem_of(
            asset.audio_id, free, "half-held", "only another part of this asset is under a hold",
            "hold or release the asset again",
        )  # fmt: skip
    latest = max((blob.custom_time for blob in parts if blob.custom_time), default=None)
    for earlier in parts if latest else ():
        if earlier.custom_time != latest:
            yield problem_of(
                asset.audio_id, earlier, "half-expiring",
                f"another part of this asset expires on {latest:%Y-%m-%d}",
                "have all parts expire then",
                repair=UpdateObject(
                    earlier, f"have it expire on {latest:%Y-%m-%d}, too", custom_time=latest
                ),
            )  # fmt: skip
