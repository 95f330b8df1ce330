"""Every operation that gives an object its name or removes it: under the lock, in one step."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.files import NewFile, make_folder, sync_folder
from audiostore.stores.local.files import Content, set_generation, set_generation_at
from audiostore.stores.local.objects import object_path, stat_object
from audiostore.stores.local.recovery import Recovery
from audiostore.stores.local.settings import SettingsFile
from audiostore.stores.local.sidecar import (
    generation_for,
    sidecar_path,
    sidecars,
    time_of,
    write_blob,
)
from audiostore.stores.local.trash import Slot, Trash
from audiostore.stores.local.workspace import Workspace
from audiostore.stores.protection import held_error, retained
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, DeletedBlob


class Names:
    """The names of the live objects of a store."""

    def __init__(
        self,
        root: Path,
        *,
        workspace: Workspace,
        settings: SettingsFile,
        trash: Trash,
        recovery: Recovery,
        now: Callable[[], datetime],
    ) -> None:
        self._root = root
        self._workspace = workspace
        self._settings = settings
        self._trash = trash
        self._recovery = recovery
        self._now = now

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer, after cleaning up what killed processes left."""
        with self._workspace.locked():
            self._recovery.finish()
            yield

    def require_free(self, name: str, generation: int) -> BlobInfo | None:
        """Require that a name is free (0), or its object replaceable at this generation; return it.

        Raises:
            PreconditionFailedError: it has another generation, or is a foreign file.
            HeldError: a hold, or the retention period, forbids it.
        """
        path = object_path(self._root, name)
        try:
            present = stat_object(self._root, name)
        except BlobNotFoundError:
            present = None
        found = present.generation if present else 0
        if found != generation:
            raise PreconditionFailedError(
                f"{path.as_uri()} has generation {found}, not {generation} (0: does not exist)"
            )
        if present is None:
            if os.path.lexists(path):
                raise PreconditionFailedError(
                    f"{path} exists, but is not an object of this store: move it away"
                )
            return None
        kept = retained(present, self._settings.read().retention_s, self._now())
        if kept.kept_by:
            raise held_error(kept, path.as_uri(), "it was not changed")
        return present

    def commit(
        self,
        spec: BlobSpec,
        data: NewFile,
        content: Content,
        if_generation_match: int,
        storage_class: str,
        *,
        copy_of: BlobInfo | None = None,
    ) -> BlobInfo:
        """Publish a completely written file as the object of a name.

        Raises:
            PreconditionFailedError: the name is taken; or the source of the copy has changed.
        """
        data.sync()
        with self.locked(), self._workspace.temporary() as metadata:
            if copy_of is not None and stat_object(self._root, copy_of.name) != copy_of:
                raise PreconditionFailedError(
                    f"{object_path(self._root, copy_of.name).as_uri()} has changed"
                )
            present = self.require_free(spec.name, if_generation_match)
            # Assigned under the lock, generations grow in the order of publication.
            generation = self._next_generation(spec.name, present)
            info = BlobInfo(
                name=spec.name,
                size_bytes=content.size_bytes,
                content_type=spec.content_type,
                crc32c=content.crc32c,
                generation=generation,
                metageneration=1,
                storage_class=storage_class,
                created_at=time_of(generation),
                md5_hash=content.md5_hash,
                metadata=dict(spec.metadata),
                cache_control=spec.cache_control,
                content_disposition=spec.content_disposition,
                custom_time=spec.custom_time,
            )
            set_generation(data, generation)
            data.sync()
            write_blob(metadata, info)
            path = object_path(self._root, spec.name)
            if present:
                with self._taking(spec.name, present):
                    _put_next_to(path, metadata, generation)
                    data.path.rename(path)
                    sync_folder(path.parent)
            else:
                _publish(path, data, metadata, generation)
        return info

    def delete(self, blob: BlobInfo) -> None:
        """Remove an object's name (see `ObjectStore.delete`)."""
        path = object_path(self._root, blob.name)
        with self.locked():
            present = stat_object(self._root, blob.name)
            self.require_free(blob.name, blob.generation)
            with self._taking(blob.name, present):
                path.unlink()
                sync_folder(path.parent)

    def restore(self, deleted: DeletedBlob, if_generation_match: int) -> BlobInfo:
        """Restore a name (see `SupportsSoftDelete.restore`)."""
        name = deleted.blob.name
        path = object_path(self._root, name)
        with self.locked(), self._workspace.temporary() as metadata:
            slot, found = self._trash.find(deleted, self._now())
            present = self.require_free(name, if_generation_match)
            generation = self._next_generation(name, present)
            info = replace(
                found.blob,
                generation=generation,
                metageneration=1,
                created_at=time_of(generation),
                class_changed_at=None,
            )
            write_blob(metadata, info)
            with self._taking(name, present, restoring=slot):
                make_folder(path.parent)
                _put_next_to(path, metadata, generation)
                set_generation_at(slot.data, generation)
                if present:
                    slot.data.rename(path)
                else:
                    os.link(slot.data, path)
                sync_folder(path.parent)
        return info

    def purge(self, deleted: DeletedBlob) -> None:
        """Empty a slot of the trash (see `SupportsSoftDelete.purge`)."""
        with self.locked():
            slot, _ = self._trash.find(deleted, self._now())
            with self._recovery.noted(slot.name, [slot]):
                slot.data.unlink()

    def redescribe(self, blob: BlobInfo, change: Callable[[BlobInfo], BlobInfo]) -> BlobInfo:
        """Change an object's metadata (see `ObjectStore.update`)."""
        path = object_path(self._root, blob.name)
        with self.locked():
            present = stat_object(self._root, blob.name)
            if (present.generation, present.metageneration) != (
                blob.generation,
                blob.metageneration,
            ):
                raise PreconditionFailedError(f"{path.as_uri()} has changed")
            info = change(present)
            with self._workspace.temporary() as metadata:
                write_blob(metadata, info)
                _put_next_to(path, metadata, info.generation)
        return info

    @contextmanager
    def _taking(
        self, name: str, present: BlobInfo | None, *, restoring: Slot | None = None
    ) -> Iterator[None]:
        """Run a step that takes a name: its present object moves to the trash, if there is one.

        Args:
            name: the name.
            present: the live object, if there is one.
            restoring: the slot in the trash of the object that gets the name.
        """
        now = self._now()
        keep_s = self._settings.read().soft_delete_s
        slots = [restoring] if restoring else []
        kept: DeletedBlob | None = None
        if present and keep_s:
            kept = DeletedBlob(present, now, now + timedelta(seconds=keep_s))
            slots.append(self._trash.slot(kept))
        with self._recovery.noted(name, slots):
            if kept:
                with self._workspace.temporary() as file:
                    self._trash.keep(kept, file)
            yield
        self._trash.expire(now)

    def _next_generation(self, name: str, present: BlobInfo | None) -> int:
        """Return a generation that no object has, live or deleted, even if the clock is wrong."""
        generation = generation_for(self._now())
        if present:
            generation = max(generation, present.generation + 1)
        while self._trash.holds(name, generation):
            generation += 1
        return generation


def _put_next_to(path: Path, metadata: NewFile, generation: int) -> None:
    metadata.path.rename(sidecar_path(path, generation))
    sync_folder(path.parent)


def _publish(path: Path, data: NewFile, metadata: NewFile, generation: int) -> None:
    """Make an object visible under a name that is free."""
    make_folder(path.parent)
    outdated = [file for file in sidecars(path) if file != sidecar_path(path, generation)]
    _put_next_to(path, metadata, generation)
    os.link(data.path, path)
    sync_folder(path.parent)
    for file in outdated:
        file.unlink()
