"""The trash: deleted and overwritten objects, which can be restored for a while."""

import heapq
import os
import re
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, date, datetime, timedelta

from audiostore.dataclass import dataclass
from audiostore.errors import BlobNotFoundError
from audiostore.log import logger
from audiostore.patterns import pattern
from audiostore.stores.local.files import (
    generation_in,
    generation_of,
    is_text,
    set_generation_in,
)
from audiostore.stores.local.folder import NO_FILE, Entry, Folder, Tree
from audiostore.stores.local.objects import (
    entered,
    folder_of,
    object_path,
    pass_over,
    place_of,
)
from audiostore.stores.local.sidecar import read_deleted, write_deleted
from audiostore.values import DeletedBlob

_DATA_FILE = pattern(r"\.(.+)\.([0-9]+)\.data", re.DOTALL)
_DAY = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_REMOVED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot of one deleted generation in the trash."""

    day: str
    """The name of the folder of everything that expires on that day."""
    name: str
    generation: int

    @property
    def place(self) -> str:
        """The path of its folder in the trash."""
        folder = place_of(self.name)[0]
        return f"{self.day}/{folder}" if folder else self.day

    @property
    def data(self) -> str:
        """The name of the file with its bytes."""
        return f".{place_of(self.name)[1]}.{self.generation}.data"

    @property
    def metadata(self) -> str:
        """The name of the file with its metadata."""
        return f".{place_of(self.name)[1]}.{self.generation}.json"


class Trash:
    """``.audiostore/trash``; writers hold the store's lock."""

    def __init__(self, tree: Tree, place: str) -> None:
        self._tree = tree
        self._place = place

    def new_slot(self, deleted: DeletedBlob, time: datetime) -> Slot:
        """Return the slot for a generation that is about to be deleted.

        Args:
            deleted: its description in the trash.
            time: the store's own (see `lock`).
        """
        expires = time + (deleted.gone_at - deleted.deleted_at)
        return Slot(_day(expires), deleted.blob.name, deleted.blob.generation)

    def slot_at(self, day: str, name: str, generation: int) -> Slot:
        """Return the slot of a generation that expires on a day."""
        if not _is_day(day):
            raise ValueError(f"{day!r} is not a date")
        return Slot(day, name, generation)

    def keep(self, slot: Slot, deleted: DeletedBlob) -> None:
        """Link the file of a live object into its slot; it counts once the object loses its name.

        Args:
            slot: where it is kept.
            deleted: its description in the trash.
        """
        place, file = place_of(slot.name)
        with (
            self._tree.folder(f"{self._place}/{slot.place}", make=True) as kept,
            self._tree.folder(place) as folder,
        ):
            if kept.is_empty():
                kept.make_safe()
            write_deleted(kept, slot.metadata, deleted)
            kept.unlink(slot.data, missing_ok=True)
            folder.link(file, kept, slot.data)
            kept.sync()

    def repair(self, slot: Slot) -> None:
        """Make a slot whole or empty, at whatever step a process was killed."""
        live = self._live(slot.name)
        with suppress(FileNotFoundError), self._folder(slot.place) as kept:
            present = generation_in(kept, slot.data)
            if present is not None and present == live:
                kept.unlink(slot.data)
                present = None
            if present is None:
                kept.unlink(slot.metadata, missing_ok=True)
            elif present != slot.generation:
                set_generation_in(kept, slot.data, slot.generation)  # it was being restored
        self._remove_empty(slot.place)

    def find(self, deleted: DeletedBlob, now: datetime) -> tuple[Slot, DeletedBlob]:
        """Return the slot of a generation that can still be restored, and its description.

        Raises:
            BlobNotFoundError: it is gone.
        """
        name, generation = deleted.blob.name, deleted.blob.generation
        for day in self._days():
            slot = Slot(day, name, generation)
            found = self._read(slot)
            if found is not None and found.gone_at > now:
                return slot, found
        raise BlobNotFoundError(
            f"no deleted {object_path(self._tree.root, name).as_uri()} of generation {generation}"
        )

    def opened(self, slot: Slot) -> AbstractContextManager[Folder]:
        """Open the folder of a slot."""
        return self._folder(slot.place)

    def holds(self, name: str, generation: int) -> bool:
        """Say whether the trash has such a generation, whenever it expires."""
        return any(self._status(Slot(day, name, generation)) is not None for day in self._days())

    def entries(self, prefix: str, now: datetime) -> Iterator[DeletedBlob]:
        """Yield what can be restored, in the order of the names' bytes, then of generations.

        Memory: the names in the folders on the way.
        """
        place = folder_of(prefix)
        if place is None:
            return
        walks = [self._walk(day, place, prefix) for day in self._days()]
        for slot in heapq.merge(*walks, key=lambda slot: (slot.name.encode(), slot.generation)):
            try:
                deleted = self._read(slot)
            except OSError as error:
                pass_over(error, self._path(slot.place))
                continue
            if deleted is not None and deleted.gone_at > now:
                yield deleted

    def size(self) -> tuple[int, int]:
        """Return the number of objects, and their bytes."""
        count = size_bytes = 0
        for day in self._days():
            for slot in self._walk(day, "", ""):
                status = self._status(slot)
                if status is not None:
                    size_bytes += status.st_size
                    count += 1
        return count, size_bytes

    def oldest_day(self) -> datetime | None:
        """Return the day (UTC) on which the next of its objects expire; None if it is empty."""
        days = self._days()
        return (
            datetime.combine(date.fromisoformat(days[0]), datetime.min.time(), UTC)
            if days
            else None
        )

    def expire(self, time: datetime) -> bool:
        """Remove files that have expired for more than a day, up to a fixed number at once.

        Args:
            time: the store's own (see `lock`). A jump of a clock moves it by a day at most.

        Returns:
            Whether none are left.
        """
        budget, yesterday = _REMOVED_AT_ONCE, _day(time - timedelta(days=1))
        for day in self._days():
            if day < yesterday:
                try:
                    with self._folder("") as trash:
                        budget = _remove_tree(trash, day, budget)
                except (OSError, RecursionError) as error:  # the operation itself succeeded
                    logger.warning("cannot remove %r from the trash: %s", day, error)
        return budget > 0

    def _days(self) -> list[str]:
        try:
            with self._folder("") as trash:
                return sorted(e.name for e in trash.entries() if e.is_folder and _is_day(e.name))
        except OSError as error:
            if error.errno not in NO_FILE:
                raise
            return []

    def _folder(self, place: str) -> AbstractContextManager[Folder]:
        return self._tree.folder(f"{self._place}/{place}" if place else self._place)

    def _live(self, name: str) -> int | None:
        place, file = place_of(name)
        try:
            with self._tree.folder(place) as folder:
                return generation_in(folder, file)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _status(self, slot: Slot) -> os.stat_result | None:
        """Return the status of a slot's bytes; None if it is empty."""
        try:
            with self._folder(slot.place) as kept:
                return _status_in(kept, slot)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _read(self, slot: Slot) -> DeletedBlob | None:
        """Return what is in a slot; None if it is empty, or its object has its name (again)."""
        try:
            with self._folder(slot.place) as kept:
                status = _status_in(kept, slot)
                if status is None or generation_of(status) == self._live(slot.name):
                    return None
                return read_deleted(kept, slot.metadata, slot.name, slot.generation, status.st_size)
        except (FileNotFoundError, NotADirectoryError):  # purged meanwhile
            return None

    def _walk(self, day: str, place: str, prefix: str) -> Iterator[Slot]:
        below = f"{day}/{place}" if place else day
        try:
            with self._folder(below) as folder:
                at = f"{place}/" if place else ""
                yield from _slots(folder, folder.entries(), day, at, prefix)
        except OSError as error:
            pass_over(error, self._path(below))

    def _path(self, place: str) -> str:
        return f"{self._tree.root}/{self._place}/{place}"

    def _remove_empty(self, place: str) -> None:
        while place:
            above, _, name = place.rpartition("/")
            try:
                with self._folder(above) as folder:
                    if not folder.remove_if_empty(name):
                        return
            except (FileNotFoundError, NotADirectoryError):
                pass
            place = above


def _status_in(folder: Folder, slot: Slot) -> os.stat_result | None:
    status = folder.status(slot.data)
    return status if status is not None and stat.S_ISREG(status.st_mode) else None


def _slots(folder: Folder, entries: list[Entry], day: str, at: str, prefix: str) -> Iterator[Slot]:
    for entry_name, generation in sorted(filter(None, map(_entry, entries))):
        name = at + entry_name
        if not name.endswith("/"):
            if name.startswith(prefix):
                yield Slot(day, name, generation)
        elif name.startswith(prefix) or prefix.startswith(name):
            with entered(folder, entry_name[:-1], name) as (inside, names):
                yield from _slots(inside, names, day, name, prefix)


def _entry(entry: Entry) -> tuple[str, int] | None:
    """Return a folder with a slash, or an object with its generation."""
    if not is_text(entry.name):
        return None
    if match := _DATA_FILE.fullmatch(entry.name):
        return match[1], int(match[2])
    return (f"{entry.name}/", 0) if entry.is_folder else None


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _is_day(name: str) -> bool:
    try:
        return _DAY.fullmatch(name) is not None and bool(date.fromisoformat(name))
    except ValueError:
        return False


def _remove_tree(parent: Folder, name: str, budget: int) -> int:
    """Remove files of a tree, and folders that are empty then; return what the budget has left."""
    folder = parent.enter(name)
    try:
        for entry in folder.entries():
            if not budget:
                return 0
            if entry.is_folder:
                budget = _remove_tree(folder, entry.name, budget)
            else:
                folder.unlink(entry.name)
                budget -= 1
    finally:
        os.close(folder.descriptor)
    parent.remove_if_empty(name)  # some were not listed: the next writer removes them
    return budget
