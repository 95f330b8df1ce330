"""Recovery after a kill: notes on objects that lose, or get, a name, and the cleanup by them."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from audiostore.files import NewFile, make_folder, remove_if_empty, sync_folder
from audiostore.log import logger
from audiostore.stores.local.files import generation_at
from audiostore.stores.local.objects import object_path
from audiostore.stores.local.sidecar import sidecar_path, sidecars
from audiostore.stores.local.trash import Slot, Trash


class Recovery:
    """``.audiostore/deleting``; writers hold the store's lock."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        trash: Trash,
        temporary: Callable[[], AbstractContextManager[NewFile]],
    ) -> None:
        self._root = root
        self._folder = folder
        self._trash = trash
        self._temporary = temporary

    @contextmanager
    def noted(self, name: str, slots: Sequence[Slot]) -> Iterator[None]:
        """Keep a note while an object loses, or gets, its name; then clean up.

        Args:
            name: of the object.
            slots: of the trash, which its generations enter or leave.
        """
        with self._temporary() as file:
            places = [(slot.day.name, slot.generation) for slot in slots]
            file.write(json.dumps({"name": name, "trash": places}).encode())
            file.sync()
            make_folder(self._folder)
            note = self._folder / f"{file.path.name}.json"
            file.path.rename(note)
            sync_folder(self._folder)
        yield
        self._clean_up(name, slots)
        note.unlink()

    def is_any(self) -> bool:
        """Say whether there is a note, of a writer that was killed or is running."""
        try:
            return any(self._folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def finish(self) -> None:
        """Clean up after processes that were killed."""
        if not self.is_any():
            return
        for note in list(self._folder.iterdir()):
            try:
                name, slots = self._read(note)
            except (ValueError, KeyError, TypeError) as error:  # as after a power failure
                logger.warning("the note %s is damaged: %s", note, error)
            else:
                self._clean_up(name, slots)
            note.unlink()

    def _read(self, note: Path) -> tuple[str, list[Slot]]:
        text = note.read_text("utf-8")
        if note.suffix != ".json":  # an earlier version wrote only the name
            object_path(self._root, text)
            return text, []
        fields = json.loads(text)
        name = str(fields["name"])
        object_path(self._root, name)
        return name, [self._trash.slot_at(day, name, int(gen)) for day, gen in fields["trash"]]

    def _clean_up(self, name: str, slots: Sequence[Slot]) -> None:
        """Remove the remains next to a name and in the trash; safe to repeat."""
        for slot in slots:
            self._trash.repair(slot)
        path = object_path(self._root, name)
        if not path.parent.is_dir():
            return
        live = generation_at(path)
        current = sidecar_path(path, live) if live is not None else None
        if current and not current.exists():
            return  # a foreign file: its time has no meaning
        for file in sidecars(path):
            if file != current:
                file.unlink()
        if live is None:
            remove_if_empty(path.parent)
