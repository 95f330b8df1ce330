"""Recognises a file by its content, and compares that with its name."""

import io

from audiostore.errors import UnsupportedFormatError
from audiostore.media.foreign import HEAD_SIZE, describe_foreign, describe_unknown
from audiostore.media.formats import AUDIO_FORMATS, FORMATS, IMAGE_FORMATS
from audiostore.media.kinds import Format, Recognised, extension_of
from audiostore.media.parsing.reading import BudgetSpentError, Reader, Seekable
from audiostore.media.parsing.tags import describe_lone_id3v2, start_of_data

_READS = 200
"""Enough for any valid file."""
_BYTES = 3 << 19  # 1.5 MiB: what may be before the first frame of an MP3, and as much again
_WINDOW = 1 << 10

_BEYOND_LIMIT = f"not recognised within the limit of {_READS} reads and {_BYTES >> 10} KiB"
_WITH_MAGIC = tuple(each for each in FORMATS if each.magic)
_WITHOUT_MAGIC = tuple(each for each in FORMATS if not each.magic)
_PADDING = (16 << 10, 1 << 20)
"""How far data are looked for: usually they are near."""
_SEARCHED = tuple(each.search for each in (*_WITH_MAGIC, *_WITHOUT_MAGIC) if each.search)
"""Those first that look at nothing else: what they read is then at hand for the others."""


def recognise(stream: Seekable) -> Recognised | None:
    """Return what a file is by its content alone; None if audiostore does not store it.

    Reads a few kilobytes, wherever they are; the stream must be seekable, and its position
    changes.
    """
    found = identify(stream)
    return None if isinstance(found, str) else found


def identify(stream: Seekable) -> Recognised | str:
    """Return what a file is by its content; a description, if audiostore does not store it."""
    reader = Reader(stream, reads=_READS, total=_BYTES, window=_WINDOW)
    try:
        return _identify(reader)
    except BudgetSpentError:
        return _BEYOND_LIMIT


def _identify(reader: Reader) -> Recognised | str:
    offset = start_of_data(reader)
    head = reader.at(offset, HEAD_SIZE)
    return (
        _by_format(reader, offset, head)
        or describe_lone_id3v2(reader)
        or describe_foreign(head)
        or _search(reader, offset)
        or describe_unknown(head)
    )


def _by_format(reader: Reader, offset: int, head: bytes) -> Recognised | str | None:
    claiming = [each for each in _WITH_MAGIC if head.startswith(each.magic, each.magic_at)]
    for each in claiming or _WITHOUT_MAGIC:
        if found := each.recognise(reader, offset):
            return found
    return None


def _search(reader: Reader, offset: int) -> Recognised | str | None:
    results: list[Recognised | str] = []
    for padding in _PADDING:
        results = [found for search in _SEARCHED if (found := search(reader, offset, padding))]
        recognised = [found for found in results if isinstance(found, Recognised)]
        if recognised:
            return min(recognised, key=lambda found: found.offset)
    return next(iter(results), None)


def describe(head: bytes) -> str:
    """Say in a few words what a file with these (first) bytes is."""
    return describe_found(identify(io.BytesIO(head)))


def describe_found(found: Recognised | str) -> str:
    """Say in a few words what `identify` found."""
    return found if isinstance(found, str) else found.format.description


def require_audio(name: str, found: Recognised | str, *, fix_extension: bool = False) -> Recognised:
    """Return what `identify` found, if it is audio and the file's name agrees.

    Args:
        name: the file's name.
        found: what it is by its content.
        fix_extension: ignore the name's extension.

    Raises:
        UnsupportedFormatError: not audio that audiostore stores, or other than the name says.
    """
    return _require(name, found, AUDIO_FORMATS, fix_extension=fix_extension)


def require_image(name: str, found: Recognised | str, *, fix_extension: bool = False) -> Recognised:
    """Return what `identify` found, if it is an image and the file's name agrees.

    Args:
        name: the file's name.
        found: what it is by its content.
        fix_extension: ignore the name's extension.

    Raises:
        UnsupportedFormatError: not an image that audiostore stores, or other than the name says.
    """
    return _require(name, found, IMAGE_FORMATS, fix_extension=fix_extension)


def _require(
    name: str, found: Recognised | str, formats: tuple[Format, ...], *, fix_extension: bool
) -> Recognised:
    extension = extension_of(name)
    named = next((f for f in formats if extension in f.extensions), None)
    if not isinstance(found, str) and found.format in formats:
        if fix_extension or found.format == named:
            return found
        raise UnsupportedFormatError(
            f"{name!r} is {found.format.description}: rename it to"
            f" {found.format.extensions[0]}, or pass fix_extension=True"
        )
    kind = formats[0].kind
    content = describe_found(found)
    if content == _BEYOND_LIMIT:
        raise UnsupportedFormatError(f"{name!r} was {content}: that is not a sign of damage")
    if named is None and not fix_extension:
        known = " ".join(e for f in formats for e in f.extensions)
        has = f"has the extension {extension!r}" if extension else "has no extension"
        raise UnsupportedFormatError(
            f"{name!r} {has} and is {content}: the extensions of {kind} files are {known}"
        )
    if content.startswith("video"):
        raise UnsupportedFormatError(f"{name!r} is {content}: only {kind} is stored")
    expected = f"{named.description} as its name says" if named else kind
    raise UnsupportedFormatError(f"{name!r} is {content}, not {expected}")
