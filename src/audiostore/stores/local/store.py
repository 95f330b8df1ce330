"""LocalStore: the store in a directory."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from audiostore.errors import (
    BlobNotFoundError,
    ConfigurationError,
    IntegrityError,
    PreconditionFailedError,
)
from audiostore.files import NewFile
from audiostore.sources import Source
from audiostore.stores.capabilities import Finding, ForeignFile, StoreSettings
from audiostore.stores.clock import utc_now
from audiostore.stores.local import diagnosis, foreign
from audiostore.stores.local.files import FileReader, fill
from audiostore.stores.local.names import Names
from audiostore.stores.local.objects import (
    folder_of,
    object_path,
    open_object,
    stat_object,
    walk,
)
from audiostore.stores.local.recovery import Recovery
from audiostore.stores.local.settings import SettingsFile, with_changes
from audiostore.stores.local.trash import Trash
from audiostore.stores.local.workspace import Workspace
from audiostore.stores.protection import retained
from audiostore.stores.protocol import BlobReader, BlobSpec, StorageClass, TransferListener, spec_of
from audiostore.values import BlobInfo, DeletedBlob, changed

_MAY_NOT_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)


class LocalStore:
    """Objects as files below `root`, which is created with the first one.

    Safe to use from many threads and processes. Needs a file system with hard links, advisory
    locks and modification times in microseconds. Pickling sends the path: the copy is a store in
    the same directory.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, now: Callable[[], datetime] = utc_now
    ) -> None:
        """Open a store; nothing is created until the first write.

        Args:
            root: the directory.
            now: the clock for the times of objects, and for the expiry of deleted ones.
        """
        self._root = Path(root).absolute()
        self._now = now
        self._workspace = Workspace(self._root, now)
        folder = self._workspace.folder
        self._settings = SettingsFile(folder / "settings.json", str(self._root))
        self._trash = Trash(self._root, folder / "trash")
        self._recovery = Recovery(
            self._root, folder / "deleting", self._trash, self._workspace.temporary
        )
        self._names = Names(
            self._root,
            workspace=self._workspace,
            settings=self._settings,
            trash=self._trash,
            recovery=self._recovery,
            now=now,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), self._root, now=self._now), ()

    @property
    def url(self) -> str:
        """``file:///directory``."""
        return self._root.as_uri()

    def uri(self, name: str) -> str:
        """Return the ``file://`` URI of an object."""
        return object_path(self._root, name).as_uri()

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        """Write an object (see `ObjectStore.put`)."""
        self._names.require_free(spec.name, if_generation_match)
        with closing(source.open()) as reader, self._new_file(spec.name) as data:
            content = fill(data, reader.read, on_transfer)
            if content.crc32c != source.crc32c:
                raise IntegrityError(
                    f"{self.uri(spec.name)} was not stored: the bytes that were read have crc32c "
                    f"{content.crc32c}, not {source.crc32c}"
                )
            return self._names.commit(spec, data, content, if_generation_match, "STANDARD")

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        """Read an object (see `ObjectStore.open`), even if it is deleted meanwhile."""
        descriptor, info = open_object(self._root, blob.name)
        if info.generation != blob.generation:
            os.close(descriptor)
            raise self._no_generation(blob)
        end = info.size_bytes if stop is None else min(stop, info.size_bytes)
        return FileReader(descriptor, start, end)

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description."""
        return self._described(name, self._retention_s())

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix in the order of their names' bytes.

        Memory: the names in the folders on the path that is being walked.
        """
        self._finish()
        folder = folder_of(prefix)
        if folder is None:
            return
        retention_s = self._retention_s()
        for name in walk(self._root, folder, prefix, start_after):
            with suppress(BlobNotFoundError):
                yield self._described(name, retention_s)

    def update(
        self,
        blob: BlobInfo,
        metadata: Mapping[str, str | None],
        *,
        content_type: str | None = None,
        temporary_hold: bool | None = None,
        custom_time: datetime | None = None,
    ) -> BlobInfo:
        """Change an object's metadata (see `ObjectStore.update`)."""
        return self._names.redescribe(
            blob,
            lambda present: changed(
                present,
                metadata,
                content_type=content_type,
                temporary_hold=temporary_hold,
                custom_time=custom_time,
            ),
        )

    def copy(
        self,
        source: BlobInfo,
        target: str,
        *,
        if_generation_match: int = 0,
        storage_class: StorageClass | None = None,
    ) -> BlobInfo:
        """Copy an object (see `ObjectStore.copy`).

        Raises:
            IntegrityError: the source is damaged; nothing was committed.
        """
        descriptor, present = open_object(self._root, source.name)
        with (
            closing(FileReader(descriptor, 0, present.size_bytes)) as reader,
            self._new_file(target) as data,
        ):
            if present.generation != source.generation:
                raise self._no_generation(source)
            self._names.require_free(target, if_generation_match)
            content = fill(data, reader.read, None)
            if (content.size_bytes, content.crc32c) != (present.size_bytes, present.crc32c):
                raise IntegrityError(f"{self.uri(source.name)} is damaged and was not copied")
            return self._names.commit(
                spec_of(present, target),
                data,
                content,
                if_generation_match,
                storage_class or present.storage_class,
                copy_of=present,
            )

    def delete(self, blob: BlobInfo) -> None:
        """Delete an object (see `ObjectStore.delete`)."""
        self._names.delete(blob)

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield what can be restored (see `SupportsSoftDelete.list_deleted`).

        Memory: the names in the folders on the path that is being walked.
        """
        now = self._now()
        if self._recovery.is_any() or self._trash.has_expired(now):
            with _unless_read_only():
                more = True
                while more:
                    with self._names.locked():
                        more = self._trash.expire(now)
        yield from self._trash.entries(prefix, now)

    def restore(self, deleted: DeletedBlob, *, if_generation_match: int = 0) -> BlobInfo:
        """Make a deleted generation live again (see `SupportsSoftDelete.restore`)."""
        return self._names.restore(deleted, if_generation_match)

    def purge(self, deleted: DeletedBlob) -> None:
        """Permanently remove a deleted generation (see `SupportsSoftDelete.purge`)."""
        self._names.purge(deleted)

    def settings(self) -> StoreSettings:
        """Return the settings of the store.

        Raises:
            ConfigurationError: their file is damaged.
        """
        return self._settings.read()

    def change_settings(
        self,
        present: StoreSettings,
        *,
        lifecycle_rules: tuple[Mapping[str, object], ...] | None = None,
        soft_delete_s: int | None = None,
        retention_s: int | None = None,
    ) -> StoreSettings:
        """Change settings of the store (see `SupportsSettings.change_settings`)."""
        with self._names.locked(), self._workspace.temporary() as file:
            found = self._settings.read()
            if found.metageneration != present.metageneration:
                raise PreconditionFailedError(
                    f"the settings of {self.url} have changed: read them again"
                )
            settings = with_changes(
                found,
                lifecycle_rules=lifecycle_rules,
                soft_delete_s=soft_delete_s,
                retention_s=retention_s,
            )
            self._settings.write(settings, file)
        return settings

    def reclass(self, blob: BlobInfo, storage_class: StorageClass) -> BlobInfo:
        """Record another storage class (see `SupportsReclass.reclass`)."""
        return self._names.redescribe(
            blob,
            lambda present: replace(
                changed(present, {}), storage_class=storage_class, class_changed_at=self._now()
            ),
        )

    def foreign_files(self, prefix: str) -> Iterator[ForeignFile]:
        """Yield what is not an object (see `SupportsForeignFiles.foreign_files`)."""
        self._finish()
        yield from foreign.foreign_files(self._root, prefix, self._workspace.folder.name)

    def remove_foreign_file(self, file: ForeignFile) -> None:
        """Remove a leftover (see `SupportsForeignFiles.remove_foreign_file`)."""
        with self._names.locked():
            foreign.remove(self._root, file)

    def granted(self, permissions: Sequence[str]) -> frozenset[str]:
        """Return which permissions the directory grants (see `diagnosis.granted`)."""
        return diagnosis.granted(self._root, permissions)

    def diagnose(self) -> Iterator[Finding]:
        """Check what storing needs (see `diagnosis.diagnose`)."""
        return diagnosis.diagnose(
            self._root, self._names.locked, self._workspace.temporary, self._settings, self._trash
        )

    def close(self) -> None:
        """Do nothing: nothing is held open between calls."""

    def _described(self, name: str, retention_s: int) -> BlobInfo:
        return retained(stat_object(self._root, name), retention_s, self._now())

    def _retention_s(self) -> int:
        """Return the retention period, 0 if the settings are damaged: they concern no reader."""
        try:
            return self._settings.read().retention_s
        except ConfigurationError:
            return 0

    def _finish(self) -> None:
        """Clean up after processes that were killed."""
        if self._recovery.is_any():
            with _unless_read_only(), self._names.locked():
                pass

    @contextmanager
    def _new_file(self, name: str) -> Iterator[NewFile]:
        """Yield a file for the bytes of an object."""
        try:
            with self._workspace.temporary() as data:
                yield data
        except OSError as error:
            error.add_note(f"while storing {self.uri(name)}")
            raise

    def _no_generation(self, blob: BlobInfo) -> BlobNotFoundError:
        return BlobNotFoundError(f"no {self.uri(blob.name)} of generation {blob.generation}")


@contextmanager
def _unless_read_only() -> Iterator[None]:
    """Suppress errors that only mean that this process may not write here."""
    try:
        yield
    except OSError as error:
        if error.errno not in _MAY_NOT_WRITE:
            raise
