"""Recovery after a kill: notes on objects that lose, or get, a name, and the cleanup by them."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from audiostore.log import logger
from audiostore.stores.local.files import generation_in
from audiostore.stores.local.folder import NO_FILE, Folder, Tree, is_of_one_entry
from audiostore.stores.local.objects import pass_over, place_of
from audiostore.stores.local.sidecar import sidecar_name, sidecars, write_file
from audiostore.stores.local.trash import Slot, Trash

_MOST_BYTES = 1 << 16
_PART = ".part"


class Recovery:
    """``.audiostore/deleting``; writers hold the store's lock."""

    def __init__(self, tree: Tree, place: str, trash: Trash) -> None:
        self._tree = tree
        self._place = place
        self._trash = trash

    @contextmanager
    def noted(self, name: str, slots: Sequence[Slot]) -> Iterator[None]:
        """Keep a note while an object loses, or gets, its name; then clean up.

        Args:
            name: of the object.
            slots: of the trash, which its generations enter or leave.
        """
        note = f"{os.urandom(16).hex()}.json"
        places = [(slot.day, slot.generation) for slot in slots]
        with self._tree.folder(self._place, make=True) as notes:
            part = f"{note}{_PART}"
            write_file(notes, part, json.dumps({"name": name, "trash": places}).encode())
            notes.rename(part, notes, note)
            notes.sync()
            yield
            self._clean_up(name, slots)
            notes.unlink(note)

    def is_any(self) -> bool:
        """Say whether there is a note, of a writer that was killed or is running."""
        try:
            with self._tree.folder(self._place) as notes:
                return not notes.is_empty()
        except OSError as error:
            pass_over(error, f"{self._tree.root}/{self._place}")
            return False

    def finish(self) -> None:
        """Clean up after processes that were killed."""
        try:
            with self._tree.folder(self._place) as notes:
                for entry in notes.entries():
                    self._finish(notes, entry.name)
        except OSError as error:
            if error.errno not in NO_FILE:
                raise

    def _finish(self, notes: Folder, note: str) -> None:
        if not note.endswith(_PART):  # killed while it was written: nothing had begun
            try:
                name, slots = self._read(notes, note)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                logger.warning("the note %r is damaged: %s", f"{notes.path}/{note}", error)
            except OSError as error:
                if not is_of_one_entry(error):
                    raise
                logger.warning("%r is not a note: %s", f"{notes.path}/{note}", error.strerror)
                return
            else:
                self._clean_up(name, slots)
        notes.unlink(note, missing_ok=True)

    def _read(self, notes: Folder, note: str) -> tuple[str, list[Slot]]:
        text = notes.read(note, _MOST_BYTES).decode()
        if not note.endswith(".json"):  # an earlier version wrote only the name
            place_of(text)
            return text, []
        fields = json.loads(text)
        name = str(fields["name"])
        place_of(name)
        return name, [self._trash.slot_at(day, name, int(gen)) for day, gen in fields["trash"]]

    def _clean_up(self, name: str, slots: Sequence[Slot]) -> None:
        """Remove the remains next to a name and in the trash; safe to repeat."""
        for slot in slots:
            self._trash.repair(slot)
        place, file = place_of(name)
        try:
            with self._tree.folder(place) as folder:
                live = generation_in(folder, file)
                current = None if live is None else sidecar_name(file, live)
                if current and folder.status(current) is None:
                    return  # a foreign file: its time has no meaning
                for sidecar in sidecars(folder.entries(), file):
                    if sidecar != current:
                        folder.unlink(sidecar)
                if live is None and folder.above is not None and place:
                    folder.above.remove_if_empty(place.rpartition("/")[2])
        except (FileNotFoundError, NotADirectoryError):
            pass
