"""Covers that cannot be stored: found before their tracks are uploaded, to store these without."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from audiostore.bulk.items import BulkItem
from audiostore.dataclass import replace
from audiostore.ingest import UploadOptions, prepare_image

_REMEMBERED = 1024
"""So many covers; those of one directory are asked for together."""


class CoverCheck:
    """Says whether images can be stored; inspects each once. Used by one thread."""

    def __init__(
        self, options: UploadOptions, on_bad: Callable[[Path, Exception], None] = lambda *_: None
    ) -> None:
        """Inspect nothing yet.

        Args:
            options: how images are inspected for the upload.
            on_bad: called with each image that cannot be stored, and the reason.
        """
        self._options = options
        self._on_bad = on_bad
        self._is_good = lru_cache(_REMEMBERED)(self._inspect)

    def __call__(self, image: Path) -> bool:
        """Say whether an image can be stored."""
        try:
            status = image.stat()
        except OSError as error:
            self._on_bad(image, error)
            return False
        return self._is_good(image, (status.st_size, status.st_mtime_ns))

    def without_bad(self, items: Iterable[BulkItem]) -> Iterator[BulkItem]:
        """Yield items; those with a cover that cannot be stored, without it."""
        for item in items:
            is_bad = item.thumbnail is not None and not self(item.thumbnail)
            yield replace(item, thumbnail=None) if is_bad else item

    def _inspect(self, image: Path, state: tuple[int, int]) -> bool:
        del state  # one that has changed is inspected again
        try:
            with prepare_image(image, self._options):
                return True
        except (OSError, ValueError, RuntimeError) as error:  # what a bad file can raise
            self._on_bad(image, error)
            return False
