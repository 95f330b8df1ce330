"""The URLs of resumable upload sessions, recorded so that an interrupted upload can resume.

A URL is a secret: anyone who has it can write the object. It is never logged.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from audiostore.forking import ForkSafeLock
from audiostore.statefiles import StateFile, claim


class SessionNote(Protocol):
    """Holds the URL of one upload's session, which no other upload can use meanwhile."""

    def get(self) -> str | None:
        """Return the URL, None if there is none."""
        ...

    def remember(self, url: str) -> None:
        """Record the URL."""
        ...

    def forget(self) -> None:
        """Forget a session that is finished or gone."""
        ...


class Sessions(Protocol):
    """The open resumable sessions, by what they write."""

    def claim(self, key: str) -> AbstractContextManager[SessionNote]:
        """Yield the note for this write; if another upload holds it, a private one.

        Two uploads of the same bytes to the same name in one session would both get the response
        that they created the object.
        """
        ...


class NoteInMemory:
    """The URL of a session that only one upload knows."""

    def __init__(self) -> None:
        self._url: str | None = None

    def get(self) -> str | None:
        """Return the URL, None if there is none."""
        return self._url

    def remember(self, url: str) -> None:
        """Record the URL."""
        self._url = url

    def forget(self) -> None:
        """Forget it."""
        self._url = None


class SessionsInMemory:
    """Sessions that live as long as their store."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._notes: dict[str, NoteInMemory] = {}
        self._in_use: set[str] = set()

    @contextmanager
    def claim(self, key: str) -> Iterator[SessionNote]:
        """Yield the note for this write (see `Sessions.claim`)."""
        with self._lock:
            is_free = key not in self._in_use
            self._in_use.add(key)
            note = self._notes.setdefault(key, NoteInMemory()) if is_free else NoteInMemory()
        try:
            yield note
        finally:
            if is_free:
                with self._lock:
                    self._in_use.discard(key)
                    if note.get() is None:
                        del self._notes[key]


class SessionFiles:
    """Sessions that outlive their process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def claim(self, key: str) -> Iterator[SessionNote]:
        """Yield the note for this write (see `Sessions.claim`)."""
        with ExitStack() as stack:
            file = claim(self._folder, key, stack)
            if file is None:
                yield NoteInMemory()
                return
            try:
                yield _NoteInFile(file)
            finally:
                if not file.read():
                    file.remove()


class _NoteInFile:
    def __init__(self, file: StateFile) -> None:
        self._file = file

    def get(self) -> str | None:
        return self._file.read() or None

    def remember(self, url: str) -> None:
        if url.isascii():
            self._file.write(url)

    def forget(self) -> None:
        self._file.write("")
