"""What is wrong with derived and attached parts: what they are of, and how they are served.

A derived part can be made again, so its repair deletes it. What a user attached is never deleted,
unless the same user attached something else instead.
"""

from collections.abc import Iterator

from audiostore.asset import (
    DATA_TYPES,
    Asset,
    Part,
    has_mark,
    is_current,
    marked_blobs,
)
from audiostore.audit.folders import Folder
from audiostore.audit.problems import DeleteObject, Problem, UpdateObject, problem_of
from audiostore.media import format_of
from audiostore.values import BlobInfo


def check_marked(folder: Folder) -> Iterator[Problem]:
    """Yield what is wrong with the derived and attached parts in a folder."""
    for part, blob in marked_blobs(folder.blobs):
        if blob.metadata.get("audio_id") is None:
            continue  # an unmanaged object
        if not has_mark(blob):
            yield _mismatched(folder.audio_id, part, blob)
        elif folder.asset is None:
            yield _orphan(folder.audio_id, part, blob)
        elif not is_current(blob, folder.asset.audio):
            yield _stale(folder.asset, part, blob)
        elif blob in folder.asset.stale:
            yield problem_of(
                folder.audio_id, blob, "leftover-part",
                f"it was replaced by {folder.asset.marked[part.name].name}",
                "delete it: replacing it was interrupted", repair=DeleteObject(blob),
                young=folder.asset.marked[part.name],
            )  # fmt: skip
        else:
            yield from _check_content_type(folder.audio_id, part, blob)


def _mismatched(audio_id: str, part: Part, blob: BlobInfo) -> Problem:
    message = "its metadata does not say which audio it is of, or names another object or bytes"
    if part.is_derived:
        return problem_of(
            audio_id, blob, "mismatched-derived", message,
            "delete it: it can be computed again", repair=DeleteObject(blob),
        )  # fmt: skip
    return problem_of(
        audio_id, blob, "mismatched-attached", message,
        "download it if it may be the only copy, and attach it again",
    )  # fmt: skip


def _orphan(audio_id: str, part: Part, blob: BlobInfo) -> Problem:
    if part.is_derived:
        return problem_of(
            audio_id, blob, "orphan-derived", "the audio it was computed from is missing",
            "delete it", repair=DeleteObject(blob),
        )  # fmt: skip
    return problem_of(
        audio_id, blob, "orphan-attached", "the audio it was attached to is missing",
        "restore the asset, or delete it for good",
    )  # fmt: skip


def _stale(asset: Asset, part: Part, blob: BlobInfo) -> Problem:
    of = f"audio with the crc32c {blob.metadata['audio_crc32c']}, not {asset.audio.crc32c}"
    if part.is_derived:
        return problem_of(
            asset.audio_id, blob, "stale-derived", f"it was computed from {of}",
            "delete it: it can be computed again", repair=DeleteObject(blob), young=asset.audio,
        )  # fmt: skip
    return problem_of(
        asset.audio_id, blob, "stale-attached", f"it was attached to {of}",
        "attach it again if it fits this audio, too; or remove it", young=asset.audio,
    )  # fmt: skip


def _check_content_type(audio_id: str, part: Part, blob: BlobInfo) -> Iterator[Problem]:
    extension = blob.name[blob.name.rindex(".") :]
    if part.holds == "data":
        expected = also = DATA_TYPES[extension]
    else:
        found = format_of(blob.name, part.holds)
        if found is None:
            return
        expected = found.content_type_for(blob.metadata.get("codec"))
        also = found.content_type
    if blob.content_type not in (expected, also):
        yield problem_of(
            audio_id, blob, "wrong-content-type",
            f"it is served as {blob.content_type!r}, not {expected!r}",
            "correct it: players go by it",
            repair=UpdateObject(blob, f"serve it as {expected}", content_type=expected),
        )  # fmt: skip
