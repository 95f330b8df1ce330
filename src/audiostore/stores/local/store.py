"""LocalStore: the store in a directory."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from audiostore.dataclass import replace
from audiostore.errors import (
    BlobNotFoundError,
    ConfigurationError,
    IntegrityError,
    PreconditionFailedError,
    StoreLockedError,
    affecting_all,
)
from audiostore.files import explained
from audiostore.log import logger
from audiostore.sources import Source
from audiostore.stores.capabilities import Finding, ForeignFile, StoreSettings
from audiostore.stores.clock import utc_now
from audiostore.stores.local import diagnosis, foreign
from audiostore.stores.local.files import FileReader, fill
from audiostore.stores.local.folder import Tree
from audiostore.stores.local.lock import WriterLock
from audiostore.stores.local.names import Names
from audiostore.stores.local.objects import (
    folder_of,
    object_path,
    open_object,
    pass_over,
    stat_object,
    walk,
)
from audiostore.stores.local.recovery import Recovery
from audiostore.stores.local.settings import SettingsFile, with_changes
from audiostore.stores.local.trash import Trash
from audiostore.stores.local.workspace import Workspace
from audiostore.stores.protection import refuse_kms_key, retained
from audiostore.stores.protocol import BlobReader, BlobSpec, StorageClass, TransferListener, spec_of
from audiostore.values import BlobInfo, DeletedBlob, changed

NAME = ".audiostore"
"""Of the hidden folder of a store."""
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
        self._tree = tree = Tree(self._root)
        self._settings = SettingsFile(tree, NAME)
        self._trash = Trash(tree, f"{NAME}/trash")
        self._lock = WriterLock(tree, NAME, now, oldest_day=self._trash.oldest_day)
        self._workspace = Workspace(tree, f"{NAME}/tmp", now)  # noqa: S108  (in the store)
        self._recovery = Recovery(tree, f"{NAME}/deleting", self._trash)
        self._names = Names(
            tree,
            lock=self._lock,
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
        refuse_kms_key(spec, self.url)
        # Opened outside: that a source cannot be read is not the fault of this store.
        with closing(source.open()) as reader, self._storing(spec.name):
            self._names.expect_free(spec.name, if_generation_match)
            with self._workspace.temporary() as data:
                content = fill(data.descriptor, reader.read, on_transfer)
                if content.crc32c != source.crc32c:
                    raise IntegrityError(
                        f"{self.uri(spec.name)} was not stored: the bytes that were read have "
                        f"crc32c {content.crc32c}, not {source.crc32c}"
                    )
                return self._names.commit(spec, data, content, if_generation_match)

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        """Read an object (see `ObjectStore.open`), even if it is deleted meanwhile."""
        descriptor, info = open_object(self._tree, blob.name)
        if info.generation != blob.generation:
            os.close(descriptor)
            raise self._no_generation(blob)
        end = info.size_bytes if stop is None else min(stop, info.size_bytes)
        return FileReader(descriptor, str(object_path(self._root, blob.name)), start, end)

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description."""
        return retained(stat_object(self._tree, name), self._retention_s(), self._now())

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix in the order of their names' bytes.

        A file or folder that cannot be read is skipped with a warning; `foreign_files` has it.
        Memory: the names in the folders on the path that is being walked.
        """
        self._finish()
        folder = folder_of(prefix)
        if folder is None:
            return
        retention_s = self._retention_s()
        try:
            with self._tree.folder(folder) as inside:
                at = f"{folder}/" if folder else ""
                for blob in walk(inside, inside.entries(), at, prefix, start_after):
                    yield retained(blob, retention_s, self._now())
        except (FileNotFoundError, NotADirectoryError) as error:
            pass_over(error, f"{self._root}/{folder}")

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
        descriptor, present = open_object(self._tree, source.name)
        path = str(object_path(self._root, source.name))
        with (
            closing(FileReader(descriptor, path, 0, present.size_bytes)) as reader,
            self._storing(target),
            self._workspace.temporary() as data,
        ):
            if present.generation != source.generation:
                raise self._no_generation(source)
            self._names.expect_free(target, if_generation_match)
            content = fill(data.descriptor, reader.read, None)
            if (content.size_bytes, content.crc32c) != (present.size_bytes, present.crc32c):
                raise IntegrityError(f"{self.uri(source.name)} is damaged and was not copied")
            spec = spec_of(present, target)
            if storage_class is not None:
                spec = replace(spec, storage_class=storage_class)
            return self._names.commit(spec, data, content, if_generation_match, copy_of=present)

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        """Delete an object (see `ObjectStore.delete`)."""
        self._names.delete(blob, if_unchanged=if_unchanged)

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield what can be restored (see `SupportsSoftDelete.list_deleted`).

        Memory: the names in the folders on the path that is being walked.
        """
        self._finish()
        yield from self._trash.entries(prefix, self._now())

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
        yield from foreign.foreign_files(self._tree, prefix, NAME)

    def remove_foreign_file(self, file: ForeignFile) -> None:
        """Remove a leftover (see `SupportsForeignFiles.remove_foreign_file`)."""
        with self._names.locked():
            foreign.remove(self._tree, file)

    def granted(self, permissions: Sequence[str]) -> frozenset[str]:
        """Return which permissions the directory grants (see `diagnosis.granted`)."""
        return diagnosis.granted(self._root, permissions)

    def diagnose(self) -> Iterator[Finding]:
        """Check what storing needs (see `diagnosis.diagnose`)."""
        return diagnosis.diagnose(
            self._tree,
            lock=self._lock,
            workspace=self._workspace,
            settings=self._settings,
            trash=self._trash,
            now=self._now(),
        )

    def close(self) -> None:
        """Do nothing: nothing is held open between calls."""

    def _retention_s(self) -> int:
        """Return the retention period, 0 if the settings are damaged: they concern no reader."""
        try:
            return self._settings.read().retention_s
        except (ConfigurationError, OSError):
            return 0

    def _finish(self) -> None:
        """Clean up after processes that were killed, unless another writer is at work."""
        if self._recovery.is_any():
            try:
                with self._names.locked(wait=False):
                    pass
            except StoreLockedError:
                pass  # it has cleaned up, or will
            except OSError as error:  # reading does not depend on it
                if error.errno not in _MAY_NOT_WRITE:
                    logger.warning("cannot clean up after a writer that was killed: %s", error)

    @contextmanager
    def _storing(self, name: str) -> Iterator[None]:
        """Have errors say what was being stored."""
        try:
            with explained(self._root):
                yield
        except OSError as error:
            if error.errno in _MAY_NOT_WRITE:
                affecting_all(error)
            error.add_note(f"while storing {self.uri(name)}")
            raise

    def _no_generation(self, blob: BlobInfo) -> BlobNotFoundError:
        return BlobNotFoundError(f"no {self.uri(blob.name)} of generation {blob.generation}")
