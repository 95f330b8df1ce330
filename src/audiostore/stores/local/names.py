"""Every operation that gives an object its name or removes it: under the lock, in one step."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta

from audiostore.dataclass import replace
from audiostore.errors import PreconditionFailedError
from audiostore.files import explained, write_all
from audiostore.stores.local.files import Content, Temporary, fill, set_generation
from audiostore.stores.local.folder import Folder, Tree
from audiostore.stores.local.lock import WriterLock
from audiostore.stores.local.objects import (
    look_in,
    look_up,
    object_path,
    place_of,
    stat_object,
)
from audiostore.stores.local.recovery import Recovery
from audiostore.stores.local.settings import SettingsFile
from audiostore.stores.local.sidecar import (
    create_blob,
    encoded_blob,
    generation_for,
    new_blob,
    sidecar_name,
    sidecars,
    time_of,
    write_blob,
)
from audiostore.stores.local.trash import Slot, Trash
from audiostore.stores.local.workspace import Workspace
from audiostore.stores.protection import held_error, retained
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, DeletedBlob, same_version

_LONG_TO_SYNC_BYTES = 1 << 20


class Names:
    """The names of the live objects of a store."""

    def __init__(
        self,
        tree: Tree,
        *,
        lock: WriterLock,
        workspace: Workspace,
        settings: SettingsFile,
        trash: Trash,
        recovery: Recovery,
        now: Callable[[], datetime],
    ) -> None:
        self._tree = tree
        self._lock = lock
        self._workspace = workspace
        self._settings = settings
        self._trash = trash
        self._recovery = recovery
        self._now = now
        self._expired_on: date | None = None
        self._is_trash_empty = False
        """As it was when the lock was taken; who shares it deletes nothing."""

    @contextmanager
    def locked(self, name: str | None = None, *, wait: bool = True) -> Iterator[datetime]:
        """Be the only writer, after cleaning up what killed processes left.

        Args:
            name: of an object that is created, and nothing else is changed: other threads may
                create others meanwhile, other processes any. None: be the only one.
            wait: whether to wait for others.

        Yields:
            The store's own time (see `lock`).

        Raises:
            StoreLockedError: another process holds the lock, and does not release it.
        """
        with (
            explained(self._tree.root),
            self._lock.held(name, prepare=self._prepare, is_due=self._is_due, wait=wait) as time,
        ):
            yield time

    def _is_due(self, time: datetime) -> bool:
        """Say whether there is something to clean up, which only one writer may do."""
        return self._expired_on != time.date() or self._recovery.is_any()

    def _prepare(self, time: datetime, is_alone: bool) -> None:
        if is_alone:
            self._recovery.finish()
            if self._expired_on != time.date() and self._trash.expire(time):
                self._expired_on = time.date()
        self._is_trash_empty = self._trash.oldest_day() is None

    def expect_free(self, name: str, generation: int) -> None:
        """See `require_free`, as far as a glance can tell: `commit` looks again, under the lock."""
        place_of(name)
        if generation or os.path.lexists(f"{self._tree.root}/{name}"):
            self.require_free(name, generation)

    def require_free(self, name: str, generation: int) -> BlobInfo | None:
        """Require that a name is free (0), or its object replaceable at this generation; return it.

        Raises:
            PreconditionFailedError: it has another generation, or is a foreign file.
            HeldError: a hold, or the retention period, forbids it.
        """
        present, is_taken = look_up(self._tree, name)
        self._check(name, generation, present, is_taken=is_taken)
        if present is not None:
            kept = retained(present, self._settings.read().retention_s, self._now())
            if kept.kept_by:
                uri = object_path(self._tree.root, name).as_uri()
                raise held_error(kept, uri, "it was not changed")
        return present

    def _check(
        self, name: str, generation: int, present: BlobInfo | None, *, is_taken: bool
    ) -> None:
        found = present.generation if present else 0
        if found != generation:
            raise PreconditionFailedError(
                f"{object_path(self._tree.root, name).as_uri()} has generation {found}, "
                f"not {generation} (0: does not exist)"
            )
        if is_taken and present is None:
            raise PreconditionFailedError(
                f"{object_path(self._tree.root, name)} exists, but is not an object of this "
                "store: move it away"
            )

    def _require_unchanged(self, present: BlobInfo, expected: BlobInfo) -> None:
        if not same_version(present, expected):
            path = object_path(self._tree.root, present.name)
            raise PreconditionFailedError(f"{path.as_uri()} has changed")

    def commit(
        self,
        spec: BlobSpec,
        data: Temporary,
        content: Content,
        if_generation_match: int,
        *,
        copy_of: BlobInfo | None = None,
    ) -> BlobInfo:
        """Publish a completely written file as the object of a name.

        Raises:
            PreconditionFailedError: the name is taken; or the source of the copy has changed.
        """
        if content.size_bytes > _LONG_TO_SYNC_BYTES:
            data.sync()  # only to hold the lock for a shorter time: it is synced again below
        md5_hash = None if copy_of is None else copy_of.md5_hash
        place, file = place_of(spec.name)
        with self.locked(None if if_generation_match else spec.name) as time:
            if copy_of is not None and stat_object(self._tree, copy_of.name) != copy_of:
                path = object_path(self._tree.root, copy_of.name)
                raise PreconditionFailedError(f"{path.as_uri()} has changed")
            if not if_generation_match:
                with self._tree.folder(place, make=True) as folder:
                    present, is_taken = look_in(folder, file, spec.name)
                    self._check(spec.name, 0, present, is_taken=is_taken)
                    return self._publish(
                        data,
                        spec.name,
                        folder,
                        lambda generation: new_blob(spec, content, generation, md5_hash),
                    )
            present = self.require_free(spec.name, if_generation_match)
            generation = self._dated(spec.name, present.generation if present else 0, data)
            info = new_blob(spec, content, generation, md5_hash)
            with self._taking(spec.name, present, time), self._tree.folder(place) as folder:
                write_blob(folder, sidecar_name(file, info.generation), info)
                folder.sync()
                data.rename(folder, file)
                folder.sync()
        return info

    def _dated(self, name: str, after: int, data: Temporary) -> int:
        """Give a file, safe on the disk, the next generation of a name; return that."""
        # Assigned under the lock, those of one name grow in the order of publication.
        generation = self._next_generation(name, after)
        set_generation(data.descriptor, generation, data.folder.path)
        data.sync()
        return generation

    def delete(self, blob: BlobInfo, *, if_unchanged: bool) -> None:
        """Remove an object's name (see `ObjectStore.delete`)."""
        place, file = place_of(blob.name)
        with self.locked() as time:
            present = stat_object(self._tree, blob.name)
            self.require_free(blob.name, blob.generation)
            if if_unchanged:
                self._require_unchanged(present, blob)
            with self._taking(blob.name, present, time), self._tree.folder(place) as folder:
                folder.unlink(file)
                folder.sync()

    def restore(self, deleted: DeletedBlob, if_generation_match: int) -> BlobInfo:
        """Restore a name (see `SupportsSoftDelete.restore`)."""
        name = deleted.blob.name
        place, file = place_of(name)
        with self.locked() as time:
            slot, found = self._trash.find(deleted, self._now())
            present = self.require_free(name, if_generation_match)
            generation = self._next_generation(name, present.generation if present else 0)
            info = replace(
                found.blob,
                generation=generation,
                metageneration=1,
                created_at=time_of(generation),
                class_changed_at=None,
            )
            with (
                self._taking(name, present, time, restoring=slot),
                self._tree.folder(place, make=True) as folder,
                self._trash.opened(slot) as kept,
            ):
                write_blob(folder, sidecar_name(file, generation), info)
                folder.sync()
                with self._redated(kept, slot.data, generation) as (at, data):
                    if present:
                        at.rename(data, folder, file)
                    else:
                        at.link(data, folder, file)
                    folder.sync()
        return info

    def purge(self, deleted: DeletedBlob) -> None:
        """Empty a slot of the trash (see `SupportsSoftDelete.purge`)."""
        with self.locked():
            slot, _ = self._trash.find(deleted, self._now())
            with self._recovery.noted(slot.name, [slot]), self._trash.opened(slot) as kept:
                kept.unlink(slot.data)

    def redescribe(self, blob: BlobInfo, change: Callable[[BlobInfo], BlobInfo]) -> BlobInfo:
        """Change an object's metadata (see `ObjectStore.update`)."""
        place, file = place_of(blob.name)
        with self.locked():
            present = stat_object(self._tree, blob.name)
            self._require_unchanged(present, blob)
            info = change(present)
            with self._workspace.temporary() as metadata, self._tree.folder(place) as folder:
                write_all(metadata.descriptor, encoded_blob(info))
                metadata.sync()
                metadata.rename(folder, sidecar_name(file, info.generation))
                folder.sync()
        return info

    @contextmanager
    def _redated(self, kept: Folder, data: str, generation: int) -> Iterator[tuple[Folder, str]]:
        """Yield the file in a slot, dated by a generation, or a copy that leaves the slot empty.

        Only the owner of a file can date it; a store may be shared by a group of users.
        """
        descriptor, status = kept.open(data)
        try:
            if os.geteuid() in (0, status.st_uid):
                set_generation(descriptor, generation, kept.path)
                os.fsync(descriptor)
                yield kept, data
                return
            with self._workspace.temporary() as copy:
                fill(copy.descriptor, lambda size: os.read(descriptor, size), None)
                set_generation(copy.descriptor, generation, kept.path)
                copy.sync()
                yield copy.folder, copy.name
                kept.unlink(data)
        finally:
            os.close(descriptor)

    def _publish(
        self, data: Temporary, name: str, folder: Folder, described: Callable[[int], BlobInfo]
    ) -> BlobInfo:
        """Make an object visible under a name that is free in a folder; return its description.

        Another process may be creating an object of this name, too: each has metadata of its own,
        and the name goes to one of them.

        Raises:
            PreconditionFailedError: the other was faster.
        """
        file = place_of(name)[1]
        entries = [] if folder.is_new else folder.entries()
        if not entries:
            folder.make_safe()
        info = self._described(data, name, folder, described)
        current = sidecar_name(file, info.generation)
        folder.sync()
        try:
            data.link(folder, file)
        except FileExistsError:
            folder.unlink(current, missing_ok=True)
            present, is_taken = look_in(folder, file, name)
            self._check(name, 0, present, is_taken=is_taken)
            raise
        folder.sync()
        for outdated in sidecars(entries, file):
            if outdated != current:
                folder.unlink(outdated, missing_ok=True)
        return info

    def _described(
        self, data: Temporary, name: str, folder: Folder, described: Callable[[int], BlobInfo]
    ) -> BlobInfo:
        """Give a file a generation, and write its metadata where there is none; return that."""
        generation = 0
        while True:
            generation = self._dated(name, generation, data)
            info = described(generation)
            with suppress(FileExistsError):  # of the other process, or left over: take the next
                create_blob(folder, sidecar_name(place_of(name)[1], generation), info)
                return info

    @contextmanager
    def _taking(
        self,
        name: str,
        present: BlobInfo | None,
        time: datetime,
        *,
        restoring: Slot | None = None,
    ) -> Iterator[None]:
        """Run a step that takes a name: its present object moves to the trash, if there is one.

        Args:
            name: the name.
            present: the live object, if there is one.
            time: the store's own.
            restoring: the slot in the trash of the object that gets the name.
        """
        keep_s = self._settings.read().soft_delete_s
        slots = [restoring] if restoring else []
        kept: tuple[Slot, DeletedBlob] | None = None
        if present and keep_s:
            # Not before it was stored, or others were deleted, even if the clock is behind.
            deleted_at = max(self._now(), present.created_at, time)
            deleted = DeletedBlob(present, deleted_at, deleted_at + timedelta(seconds=keep_s))
            kept = (self._trash.new_slot(deleted, time), deleted)
            slots.append(kept[0])
        with self._recovery.noted(name, slots):
            if kept:
                self._trash.keep(*kept)
            yield

    def _next_generation(self, name: str, after: int) -> int:
        """Return a generation that no object has, live or deleted, even if the clock is wrong."""
        generation = max(generation_for(self._now()), after + 1)
        while not self._is_trash_empty and self._trash.holds(name, generation):
            generation += 1
        return generation
