"""Problems that more than one folder shows: what is in the trash, and what supersedes what."""

from collections.abc import Iterator

from audiostore.asset import (
    FilenameGenerator,
    assemble,
    folder_prefix,
    is_committed_audio,
    is_current,
    names_content_of,
    names_thumbnail,
)
from audiostore.audit.folders import Folder
from audiostore.audit.problems import (
    DeleteObject,
    Problem,
    RestoreAsset,
    UpdateObject,
    problem_of,
)
from audiostore.dataclass import replace
from audiostore.stores import Store
from audiostore.values import BlobInfo, DeletedBlob


def check_links(folder: Folder, store: Store) -> Iterator[Problem]:
    """Yield where an asset and the one that it supersedes do not refer to each other."""
    if folder.asset is None:
        return
    audio = folder.asset.audio
    old_id, new_id = (audio.metadata.get(key) for key in ("supersedes", "superseded_by"))
    old = _audio_of(store, old_id)
    if old is not None and old.metadata.get("superseded_by") is None:
        yield problem_of(
            folder.audio_id, audio, "unlinked-superseded",
            f"it supersedes {old_id}, which does not refer to it",
            "have that asset refer to this one",
            repair=UpdateObject(
                old, f"mark it as superseded by {folder.audio_id}",
                {"superseded_by": folder.audio_id},
            ),
        )  # fmt: skip
    if new_id is not None and _audio_of(store, new_id) is None:
        yield problem_of(
            folder.audio_id, audio, "missing-successor",
            f"it is marked as superseded by {new_id}, which is missing",
            "restore that asset, or remove the mark",
            repair=UpdateObject(
                audio, "remove the mark that it is superseded", {"superseded_by": None}
            ),
        )  # fmt: skip


def _audio_of(store: Store, audio_id: str | None) -> BlobInfo | None:
    if audio_id is None or not FilenameGenerator.validate_uuid(audio_id):
        return None
    asset = assemble(audio_id, store.list(folder_prefix(audio_id)))
    return asset.audio if asset else None


def consider_trash(folder: Folder, store: Store, problem: Problem) -> Problem:
    """Return the problem as it is if the trash holds the missing part."""
    if problem.kind == "missing-thumbnail":
        audio = folder.audios[0]
        for deleted in _deleted(folder, store):
            if names_content_of(audio, deleted.blob):
                return replace(
                    problem,
                    hint="restore it from the trash",
                    repair=RestoreAsset(folder.audio_id, deleted.blob),
                )
    elif problem.kind == "orphan-thumbnail" and isinstance(problem.repair, DeleteObject):
        thumbnail = problem.repair.blob
        for deleted in _deleted(folder, store):
            if is_committed_audio(deleted.blob) and names_content_of(deleted.blob, thumbnail):
                return _interrupted(folder, problem, deleted, thumbnail)
    elif problem.kind in ("orphan-derived", "orphan-attached"):
        blob = next(blob for blob in folder.blobs if blob.name == problem.name)
        for deleted in _deleted(folder, store):
            if is_committed_audio(deleted.blob) and is_current(blob, deleted.blob):
                return _interrupted_around(folder, problem, deleted, blob)
    return problem


def _interrupted_around(
    folder: Folder, problem: Problem, deleted: DeletedBlob, blob: BlobInfo
) -> Problem:
    """Distinguish, by a derived or an attached part, what was interrupted."""
    if blob.created_at > deleted.deleted_at:
        return replace(
            problem,
            kind="unfinished-restoration",
            message="it was restored, but not its audio",
            hint="restore the asset again",
            repair=RestoreAsset(folder.audio_id, deleted.blob),
        )
    return replace(
        problem,
        kind="unfinished-deletion",
        message="the audio was deleted, but not this part",
        hint="delete the asset again",
        repair=DeleteObject(blob),
        changed_at=deleted.deleted_at,
    )


def _interrupted(
    folder: Folder, problem: Problem, deleted: DeletedBlob, thumbnail: BlobInfo
) -> Problem:
    """Distinguish an interrupted deletion from an interrupted restoration."""
    if names_thumbnail(deleted.blob, thumbnail):
        return replace(
            problem,
            kind="unfinished-deletion",
            message="the audio was deleted, but not this artwork",
            hint="delete the asset again",
            changed_at=deleted.deleted_at,
        )
    return replace(
        problem,
        kind="unfinished-restoration",
        message="this artwork was restored, but not its audio",
        hint="restore the asset again",
        repair=RestoreAsset(folder.audio_id, deleted.blob),
    )


def _deleted(folder: Folder, store: Store) -> Iterator[DeletedBlob]:
    return store.list_deleted(folder_prefix(folder.audio_id))
