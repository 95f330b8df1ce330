"""The trash: deleted and overwritten objects, which can be restored for a while."""

import heapq
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audiostore.errors import BlobNotFoundError
from audiostore.files import NewFile, make_folder, remove_if_empty, sync_folder
from audiostore.log import logger
from audiostore.stores.local.files import generation_at, generation_of, is_text, set_generation_at
from audiostore.stores.local.objects import folder_of, object_path
from audiostore.stores.local.sidecar import read_deleted, write_deleted
from audiostore.values import DeletedBlob

_DATA_FILE = re.compile(r"\.(.+)\.([0-9]+)\.data", re.DOTALL)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_REMOVED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot of one deleted generation in the trash."""

    day: Path
    """The folder of everything that expires on that day."""
    name: str
    generation: int

    @property
    def data(self) -> Path:
        """Its bytes."""
        return self._path("data")

    @property
    def metadata(self) -> Path:
        """Its metadata."""
        return self._path("json")

    def _path(self, kind: str) -> Path:
        path = object_path(self.day, self.name)
        return path.with_name(f".{path.name}.{self.generation}.{kind}")


class Trash:
    """``.audiostore/trash``; writers hold the store's lock."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder

    def slot(self, deleted: DeletedBlob) -> Slot:
        """Return the slot of a deleted generation, which may be empty."""
        day = deleted.gone_at.astimezone(UTC).date().isoformat()
        return Slot(self._folder / day, deleted.blob.name, deleted.blob.generation)

    def slot_at(self, day: str, name: str, generation: int) -> Slot:
        """Return the slot of a generation that expires on a day."""
        if not _DAY.fullmatch(day):
            raise ValueError(f"{day!r} is not a date")
        return Slot(self._folder / day, name, generation)

    def keep(self, deleted: DeletedBlob, file: NewFile) -> None:
        """Link the file of a live object into its slot; it counts once the object loses its name.

        Args:
            deleted: its description in the trash.
            file: to write its metadata to.
        """
        slot = self.slot(deleted)
        make_folder(slot.data.parent)
        write_deleted(file, deleted)
        file.path.rename(slot.metadata)
        slot.data.unlink(missing_ok=True)
        os.link(object_path(self._root, slot.name), slot.data)
        sync_folder(slot.data.parent)

    def repair(self, slot: Slot) -> None:
        """Make a slot whole or empty, at whatever step a process was killed."""
        present = generation_at(slot.data)
        if present is not None and present == self._live(slot.name):
            slot.data.unlink()
            present = None
        if present is None:
            with suppress(FileNotFoundError, NotADirectoryError):
                slot.metadata.unlink()
            self._remove_empty(slot.data.parent)
        elif present != slot.generation:
            set_generation_at(slot.data, slot.generation)  # it was being restored

    def find(self, deleted: DeletedBlob, now: datetime) -> tuple[Slot, DeletedBlob]:
        """Return the slot of a generation that can still be restored, and its description.

        Raises:
            BlobNotFoundError: it is gone.
        """
        slot = self.slot(deleted)
        found = self._read(slot)
        if found is None or found.gone_at <= now:
            raise BlobNotFoundError(
                f"no deleted {object_path(self._root, slot.name).as_uri()} of generation "
                f"{slot.generation}"
            )
        return slot, found

    def holds(self, name: str, generation: int) -> bool:
        """Say whether the trash has such a generation, whenever it expires."""
        return any(Slot(day, name, generation).data.exists() for day in self._days())

    def entries(self, prefix: str, now: datetime) -> Iterator[DeletedBlob]:
        """Yield what can be restored, in the order of the names' bytes, then of generations.

        Memory: the names in the folders on the way.
        """
        folder = folder_of(prefix)
        if folder is None:
            return
        walks = [_walk(day, folder, prefix) for day in self._days()]
        for slot in heapq.merge(*walks, key=lambda slot: (slot.name.encode(), slot.generation)):
            deleted = self._read(slot)
            if deleted is not None and deleted.gone_at > now:
                yield deleted

    def size(self) -> tuple[int, int]:
        """Return the number of objects, and their bytes."""
        count = size_bytes = 0
        for day in self._days():
            for slot in _walk(day, "", ""):
                with suppress(FileNotFoundError):
                    size_bytes += slot.data.stat().st_size
                    count += 1
        return count, size_bytes

    def has_expired(self, now: datetime) -> bool:
        """Say whether there is a folder whose day has passed."""
        return any(_has_passed(day, now) for day in self._days())

    def expire(self, now: datetime) -> bool:
        """Remove expired files, up to a fixed number at once.

        Returns:
            Whether there may be more.
        """
        budget = _REMOVED_AT_ONCE
        for day in self._days():
            if _has_passed(day, now):
                try:
                    budget = _remove_tree(day, budget)
                except OSError as error:  # the operation itself succeeded: this is only cleanup
                    logger.warning("cannot remove %s: %s", day, error)
        return budget == 0

    def _days(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if _DAY.fullmatch(path.name))
        except FileNotFoundError:
            return []

    def _live(self, name: str) -> int | None:
        return generation_at(object_path(self._root, name))

    def _read(self, slot: Slot) -> DeletedBlob | None:
        """Return what is in a slot; None if it is empty, or its object has its name (again)."""
        try:
            status = slot.data.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if generation_of(status) == self._live(slot.name):
            return None
        return read_deleted(slot.metadata, slot.name, slot.generation, status.st_size)

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._folder and remove_if_empty(folder):
            folder = folder.parent


def _walk(day: Path, folder: str, prefix: str) -> Iterator[Slot]:
    try:
        with os.scandir(day / folder) as entries:
            found = sorted(filter(None, map(_entry, entries)))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry_name, generation in found:
        name = f"{folder}/{entry_name}" if folder else entry_name
        if not name.endswith("/"):
            if name.startswith(prefix):
                yield Slot(day, name, generation)
        elif name.startswith(prefix) or prefix.startswith(name):
            yield from _walk(day, name[:-1], prefix)


def _entry(entry: "os.DirEntry[str]") -> tuple[str, int] | None:
    """Return a folder with a slash, or an object with its generation."""
    if not is_text(entry.name):
        return None
    if match := _DATA_FILE.fullmatch(entry.name):
        return match[1], int(match[2])
    return (f"{entry.name}/", 0) if entry.is_dir() else None


def _has_passed(day: Path, now: datetime) -> bool:
    return day.name < now.astimezone(UTC).date().isoformat()


def _remove_tree(folder: Path, budget: int) -> int:
    """Remove files of a tree, and folders that are empty then; return what the budget has left."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not budget:
                return 0
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                budget = _remove_tree(path, budget)
            else:
                path.unlink()
                budget -= 1
    remove_if_empty(folder)  # some were not listed: the next writer removes them
    return budget
