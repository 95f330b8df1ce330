"""Walking through a whole store, and telling what is wrong; nothing is changed.

What a listing shows may be changing while it is read. So whatever looks wrong is looked at once
more, a moment later; and what is younger than the grace period, and may belong to an upload that
is under way, is not a problem yet.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from audiostore.asset import FileOrganizer, record
from audiostore.audit.deep import DeepCheck
from audiostore.audit.folders import Folder, check_asset, check_objects, folder_of, foreign
from audiostore.audit.problems import GRACE, Delete, Problem, RemoveStray, Restore, Update
from audiostore.manager import AudioStorageManager
from audiostore.values import BlobInfo, DeletedBlob

_ROOT = f"{FileOrganizer.AUDIO_ROOT}/"
_SECOND_LOOK_S = 1.0
_LOOKED_AT_TOGETHER = 256
_TELL_EVERY_S = 10.0
# These are what an upload, or a deletion, that is under way looks like.
_PASSING = frozenset(
    {
        "orphan-thumbnail",
        "orphan-derived",
        "second-audio",
        "left-over-thumbnail",
        "unattached-thumbnail",
        "untold-replacement",
        "other-generation",
        "unfinished-deletion",
        "unlinked-superseded",
    }
)


@dataclass(frozen=True, slots=True)
class Checked:
    """How far a check has come."""

    assets: int
    objects: int


class Checker:
    """Checks a store; see `check`."""

    def __init__(
        self,
        manager: AudioStorageManager,
        *,
        deep: bool = False,
        grace: timedelta = GRACE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        on_progress: Callable[[Checked], None] | None = None,
    ) -> None:
        self._manager = manager
        self._store = manager.store
        self._deep = DeepCheck(manager.store) if deep else None
        self._grace = grace
        self._now = now
        self._sleep = sleep
        self._clock = clock
        self._on_progress = on_progress
        self._assets = 0
        self._objects = 0

    def run(self) -> Iterator[Problem]:
        """Yield every problem (see `check`)."""
        for stray in self._manager.admin.foreign_files(_ROOT):
            problem = Problem(
                "stray-file",
                folder_of(stray.path),
                stray.path,
                stray.description,
                "remove it" if stray.is_removable else "move it away, if nobody needs it there",
                RemoveStray(stray) if stray.is_removable else None,
                stray.changed_at,
            )
            if not (stray.is_removable and problem.is_too_young(self._now(), self._grace)):
                yield problem
        doubtful: list[str] = []
        told_at = self._clock()
        for suspect in self._suspects():
            if isinstance(suspect, str):
                doubtful.append(suspect)
            elif suspect is not None:
                yield suspect
            is_due = len(doubtful) == _LOOKED_AT_TOGETHER or (
                self._clock() - told_at > _TELL_EVERY_S
            )
            if doubtful and is_due:
                yield from self._look_again(doubtful)
                doubtful.clear()
                told_at = self._clock()
        yield from self._look_again(doubtful)

    def _look_again(self, audio_ids: list[str]) -> Iterator[Problem]:
        if audio_ids:
            self._sleep(_SECOND_LOOK_S)
        for audio_id in audio_ids:
            yield from self._confirmed(audio_id)

    def _suspects(self) -> Iterator[str | Problem | None]:
        """Yield ids of assets that look wrong, problems that need no second look, and None."""
        for audio_id, group in groupby(self._store.list(_ROOT), lambda b: folder_of(b.name)):
            if audio_id is None:
                for blob in group:
                    self._objects += 1
                    yield foreign(blob)
                    self._tell_progress()
                continue
            folder = Folder(audio_id, tuple(group))
            self._assets += folder.asset is not None
            self._objects += len(folder.blobs)
            if self._problems(folder):
                yield audio_id
            elif self._deep is not None:
                yield from self._deep.problems(folder)
            self._tell_progress()
            yield None

    def _tell_progress(self) -> None:
        if self._on_progress:
            self._on_progress(Checked(self._assets, self._objects))

    def _confirmed(self, audio_id: str) -> Iterator[Problem]:
        prefix = FileOrganizer.get_folder_structure(audio_id)["audio_prefix"]
        folder = Folder(audio_id, tuple(self._store.list(prefix)))
        yield from self._problems(folder)
        if self._deep is not None:
            yield from self._deep.problems(folder)

    def _problems(self, folder: Folder) -> list[Problem]:
        found = [*check_objects(folder), *check_asset(folder), *self._check_links(folder)]
        lasting = [self._with_trash(folder, p) for p in found if not self._may_pass(p)]
        return [problem for problem in lasting if not self._may_pass(problem)]

    def _may_pass(self, problem: Problem) -> bool:
        return problem.kind in _PASSING and problem.is_too_young(self._now(), self._grace)

    def _check_links(self, folder: Folder) -> Iterator[Problem]:
        """Yield where an asset and the one that it supersedes do not name each other."""
        asset = folder.asset
        if asset is None:
            return
        audio = asset.audio
        old_id, new_id = (audio.metadata.get(key) for key in ("supersedes", "superseded_by"))
        old = self._audio_of(old_id)
        if old is not None and old.metadata.get("superseded_by") is None:
            yield Problem(
                "unlinked-superseded",
                folder.audio_id,
                audio.name,
                f"it supersedes {old_id}, which does not say so",
                "have that one name this one",
                Update(
                    old, f"have it say that {folder.audio_id} supersedes it",
                    {"superseded_by": folder.audio_id},
                ),
                audio.created_at,
            )  # fmt: skip
        if new_id is not None and self._audio_of(new_id) is None:
            yield Problem(
                "superseded-by-none",
                folder.audio_id,
                audio.name,
                f"it says that {new_id} supersedes it, which is not there",
                "restore that one, or have this one stand for itself again",
                Update(audio, "have it stand for itself again", {"superseded_by": None}),
                audio.created_at,
            )

    def _audio_of(self, audio_id: str | None) -> BlobInfo | None:
        if audio_id is None or folder_of(f"{_ROOT}{audio_id}/") is None:
            return None
        prefix = FileOrganizer.get_folder_structure(audio_id)["audio_prefix"]
        asset = record.assemble(audio_id, self._store.list(prefix))
        return asset.audio if asset else None

    def _with_trash(self, folder: Folder, problem: Problem) -> Problem:
        """Return the problem as it is to be seen if the trash holds the missing part."""
        if problem.kind == "missing-thumbnail":
            audio = folder.audios[0]
            for deleted in self._deleted(folder):
                if record.names_content_of(audio, deleted.blob):
                    return replace(
                        problem,
                        remedy="restore it from the trash",
                        repair=Restore(folder.audio_id, deleted.blob),
                    )
        elif problem.kind == "orphan-thumbnail" and isinstance(problem.repair, Delete):
            thumbnail = problem.repair.blob
            for deleted in self._deleted(folder):
                if record.is_committed_audio(deleted.blob) and record.names_content_of(
                    deleted.blob, thumbnail
                ):
                    return self._half_way(folder, problem, deleted, thumbnail)
        return problem

    def _half_way(
        self, folder: Folder, problem: Problem, deleted: DeletedBlob, thumbnail: BlobInfo
    ) -> Problem:
        """Tell a deletion that was interrupted from a restoration that was."""
        if record.names_thumbnail(deleted.blob, thumbnail):
            return replace(
                problem,
                kind="unfinished-deletion",
                words="its audio was deleted, but not this artwork",
                remedy=f"finish it: 'audiostore rm {folder.audio_id}'",
                changed_at=deleted.deleted_at,
            )
        return replace(
            problem,
            kind="unfinished-restoration",
            words="it was restored, but not its audio",
            remedy=f"finish it: 'audiostore restore {folder.audio_id}'",
            repair=Restore(folder.audio_id, deleted.blob),
        )

    def _deleted(self, folder: Folder) -> Iterator[DeletedBlob]:
        prefix = FileOrganizer.get_folder_structure(folder.audio_id)["audio_prefix"]
        return self._store.list_deleted(prefix)


def check(
    manager: AudioStorageManager,
    *,
    deep: bool = False,
    grace: timedelta = GRACE,
    on_progress: Callable[[Checked], None] | None = None,
) -> Iterator[Problem]:
    """Look through a whole store and yield what is wrong, in constant memory; change nothing.

    Beside uploads and deletions that are under way, it reports nothing of theirs.

    Args:
        manager: the store.
        deep: read and verify every byte, decode all audio, and compare the facts, too.
        grace: artwork without audio, and the like, that is younger is no problem yet.
        on_progress: told how far it is.
    """
    return Checker(manager, deep=deep, grace=grace, on_progress=on_progress).run()
