"""Progress of a check: a count, or of a deep one, how much is read and how long the rest takes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from audiostore.audit import Checked
from audiostore.cli.progress.bulk import BulkProgress
from audiostore.cli.progress.count import CountProgress
from audiostore.events import BulkBegun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audiostore.events import EventListener


class QuickProgress(CountProgress):
    """A count of assets."""

    @property
    def listener(self) -> EventListener:
        """Listens to the manager."""
        return self.waiting

    def begin(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Count nothing ahead: that takes as long as the check."""

    def show(self, checked: Checked) -> None:
        """Draw how much was checked."""
        self(checked.assets)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for other output."""
        self.clear()
        yield


class DeepProgress(BulkProgress):
    """What is read of how much, at which rate."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = Checked()

    @property
    def listener(self) -> EventListener:
        """Listens to the manager."""
        return self

    def begin(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Begin; count in the background how much there is to read."""
        self.expect(sizes)
        self(BulkBegun())

    def show(self, checked: Checked) -> None:
        """Count what was read since the last time."""
        seen, self._seen = self._seen, checked
        if checked.assets_read > seen.assets_read:
            self.finished(None, checked.bytes_read - seen.bytes_read, failed=False)
        if checked.assets_read_before > seen.assets_read_before:
            size_bytes = checked.bytes_read_before - seen.bytes_read_before
            self.finished(None, size_bytes, failed=False, moved=False)
