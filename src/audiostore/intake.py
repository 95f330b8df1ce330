"""A local file on its way in: looked at, and refused if it is not what its name says."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from audiostore.errors import InvalidSourceError, SourceChangedError, SourceNotFoundError
from audiostore.formats import Format, recognise_audio, recognise_image
from audiostore.source import LocalFile, open_regular, restore

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Item:
    """A file that may be stored."""

    file: LocalFile
    format: Format
    filename: str
    """Its name as text; bytes that are no UTF-8 are replaced."""

    @property
    def identity(self) -> list[str | int]:
        """What tells this very file, unchanged, from every other; ready for JSON."""
        file = self.file
        return [
            self.filename,
            file.device,
            file.inode,
            file.size_bytes,
            file.mtime_ns,
            file.crc32c,
        ]


def take_audio(path: PathLike) -> Item:
    """Look at an audio file.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        OSError: it cannot be read.
    """
    return _take(path, recognise_audio)


def take_image(path: PathLike) -> Item:
    """Look at an image file; raises as `take_audio`."""
    return _take(path, recognise_image)


def _take(path: PathLike, recognise: Callable[[str, BinaryIO], Format]) -> Item:
    if not isinstance(path, str | os.PathLike):
        raise InvalidSourceError(f"{path!r} is no path of a file")
    local = Path(path).absolute()  # a caller may change its working directory
    try:
        try:
            return _look(local, recognise)
        except SourceNotFoundError:
            if not restore(local):
                raise
            return _look(local, recognise)
    except OSError as error:
        error.add_note(f"while reading {str(local)!r}")
        raise


def _look(local: Path, recognise: Callable[[str, BinaryIO], Format]) -> Item:
    with open_regular(local) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
        filename = os.fsencode(local.name).decode("utf-8", "replace")
        found = recognise(filename, stream)
        file = LocalFile.snapshot(local)
        if not file.is_same(os.fstat(descriptor)):
            raise SourceChangedError(
                f"{str(local)!r} was replaced while it was looked at: try again"
            )
    return Item(file, found, filename)
