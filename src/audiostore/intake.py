"""A local file on its way in: looked at, and refused if it is not what its name says, or broken."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from audiostore.errors import InvalidSourceError, SourceChangedError, SourceNotFoundError
from audiostore.formats import (
    Format,
    content_type_for,
    identify,
    recognise_image,
    require_audio,
)
from audiostore.source import LocalFile, open_regular, restore
from audiostore.structure import check_structure

PathLike = str | os.PathLike[str]
CheckLevel = Literal["quick", "full", "none"]


@dataclass(frozen=True, slots=True)
class Item:
    """A file that may be stored."""

    file: LocalFile
    format: Format
    content_type: str
    filename: str
    """Its name as text; bytes that are no UTF-8 are replaced."""

    @property
    def extension(self) -> str:
        """What its object's name ends in."""
        return self.format.extension_for(self.filename)

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


def take_audio(path: PathLike, *, check: CheckLevel = "quick", fix_extension: bool = False) -> Item:
    """Look at an audio file.

    Args:
        path: the file.
        check: "quick" looks for signs of damage that can be had cheaply; "full" also decodes it,
            in a process of its own; "none" trusts it.
        fix_extension: go by the content, whatever the name says.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        UnplayableAudioError: it is cut short, damaged, or without sound.
        ValueError: `check` is none of these.
        OSError: it cannot be read.
    """
    if check not in ("quick", "full", "none"):
        raise ValueError(f"check is {check!r}: it must be 'quick', 'full' or 'none'")

    def look(filename: str, stream: BinaryIO) -> tuple[Format, str]:
        recognised = require_audio(filename, identify(stream), fix_extension=fix_extension)
        if check != "none":
            size_bytes = os.fstat(stream.fileno()).st_size
            check_structure(stream, recognised, size_bytes, name=filename)
        return recognised.format, content_type_for(recognised)

    item = _take(path, look)
    if check == "full":
        from audiostore.decoding import decode_audio  # noqa: PLC0415  (FFmpeg, only if asked for)

        decode_audio(item.file.path, item.format.name)
    return item


def take_image(path: PathLike, *, fix_extension: bool = False) -> Item:
    """Look at an image file; raises as `take_audio`."""

    def look(filename: str, stream: BinaryIO) -> tuple[Format, str]:
        found = recognise_image(filename, stream, fix_extension=fix_extension)
        return found, found.content_type

    return _take(path, look)


_Look = Callable[[str, BinaryIO], tuple[Format, str]]


def _take(path: PathLike, look: _Look) -> Item:
    if not isinstance(path, str | os.PathLike):
        raise InvalidSourceError(f"{path!r} is no path of a file")
    local = Path(path).absolute()  # a caller may change its working directory
    try:
        try:
            return _examine(local, look)
        except SourceNotFoundError:
            if not restore(local):
                raise
            return _examine(local, look)
    except OSError as error:
        error.add_note(f"while reading {str(local)!r}")
        raise


def _examine(local: Path, look: _Look) -> Item:
    with open_regular(local) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
        filename = os.fsencode(local.name).decode("utf-8", "replace")
        found, content_type = look(filename, stream)
        file = LocalFile.snapshot(local)
        if not file.is_same(os.fstat(descriptor)):
            raise SourceChangedError(
                f"{str(local)!r} was replaced while it was looked at: try again"
            )
    return Item(file, found, content_type, filename)
