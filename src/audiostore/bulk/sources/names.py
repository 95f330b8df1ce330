"""Names in order, of which memory holds a limited number; what exceeds it is on the disk."""

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_IN_MEMORY = 8192
"""Some 0.7 MB of names."""
_READ_AT_ONCE = 1000


class SortedNames:
    """Names, each once, in the order of their characters. They can be gone through many times.

    Up to 8,192 of them are in memory, more in a private temporary file.
    """

    def __init__(self) -> None:
        """Hold no names."""
        self._new: list[str] = []
        self._scratch: sqlite3.Connection | None = None

    def add(self, name: str) -> None:
        """Add a name, while nobody goes through them.

        Raises:
            OSError: the temporary file cannot be written.
        """
        self._new.append(name)
        if len(self._new) == _IN_MEMORY:
            self._write()

    def __iter__(self) -> Iterator[str]:
        if self._scratch is None:
            self._new.sort()
            yield from self._new
        else:
            self._write()
            yield from self._read(self._scratch)

    def _write(self) -> None:
        from audiostore.scratch import on_the_disk, open_scratch  # noqa: PLC0415  (rarely needed)

        with on_the_disk():
            if self._scratch is None:
                self._scratch = open_scratch()
                weakref.finalize(self, self._scratch.close)
                self._scratch.execute("CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID")
            self._scratch.execute("BEGIN")
            rows = ((_encoded(name),) for name in sorted(self._new))
            self._scratch.executemany("INSERT INTO names VALUES (?)", rows)
            self._scratch.execute("COMMIT")
        self._new.clear()

    def _read(self, scratch: "sqlite3.Connection") -> Iterator[str]:
        from audiostore.scratch import on_the_disk  # noqa: PLC0415

        query = "SELECT name FROM names WHERE name > ? ORDER BY name LIMIT ?"
        rows: list[tuple[bytes]] = [(b"",)]
        while rows:
            with on_the_disk():
                rows = scratch.execute(query, (*rows[-1], _READ_AT_ONCE)).fetchall()
            for (name,) in rows:
                yield name.decode("utf-8", "surrogatepass")


def _encoded(name: str) -> bytes:
    """Return bytes that sort as the characters do, those that stand for bytes too."""
    return name.encode("utf-8", "surrogatepass")
