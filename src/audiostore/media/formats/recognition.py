"""What a file is by its content, and whether its name says the same."""

import io
from collections.abc import Callable, Mapping
from typing import BinaryIO

from audiostore.errors import UnsupportedFormatError
from audiostore.media.formats import asf, chunks, flac, matroska, mp4, mpeg, ogg, others
from audiostore.media.formats.kinds import (
    AUDIO_FORMATS,
    IMAGE_FORMATS,
    JPEG,
    PNG,
    Format,
    Recognised,
    extension_of,
)
from audiostore.media.formats.reading import BudgetSpentError, Reader
from audiostore.media.formats.tags import id3v2_words, start_of_data

_READS = 200
"""Three dozen do for any honest file."""
_BYTES = 256 << 10
_WINDOW = 1 << 10


_JPEG = b"\xff\xd8\xff"  # ITU-T T.81 annex B: SOI, then a marker


def _examine_image(reader: Reader, offset: int) -> Recognised | None:
    head = reader.at(offset, 8)
    if head[:3] == _JPEG:
        return Recognised(JPEG, None, offset)
    if head == b"\x89PNG\r\n\x1a\n":  # RFC 2083 section 3.1
        return Recognised(PNG, None, offset)
    return None


_Examine = Callable[[Reader, int], Recognised | str | None]
_EXAMINERS: Mapping[bytes, _Examine] = {
    b"\x89PNG": _examine_image,
    b"RIFF": chunks.examine_riff,
    b"RF64": chunks.examine_riff,
    b"BW64": chunks.examine_riff,
    b"FORM": chunks.examine_aiff,
    b"caff": chunks.examine_caf,
    b"fLaC": flac.examine,
    b"OggS": ogg.examine,
    b"\x1aE\xdf\xa3": matroska.examine,
    b"0&\xb2u": asf.examine,
}


def _examiner(head: bytes) -> _Examine:
    """Return what looks closer at data that begin so."""
    if head[:3] == _JPEG:
        return _examine_image
    if head[4:8] == b"ftyp":
        return mp4.examine
    return _EXAMINERS.get(head[:4], mpeg.examine)


def recognise(stream: BinaryIO) -> Recognised | None:
    """Return what a file is by its content alone; None if it is nothing that we store.

    Reads a few kilobytes of it, wherever they lie; the stream must be seekable, and is left
    somewhere.
    """
    found = identify(stream)
    return None if isinstance(found, str) else found


def identify(stream: BinaryIO) -> Recognised | str:
    """Return what a file is by its content; in words, if it is nothing that we store."""
    reader = Reader(stream, reads=_READS, total=_BYTES, window=_WINDOW)
    try:
        return _identify(reader)
    except BudgetSpentError:
        return "a maze of parts that no music file is made of"


def _identify(reader: Reader) -> Recognised | str:
    offset = start_of_data(reader)
    head = reader.at(offset, others.HEAD_SIZE)
    return (
        _examiner(head)(reader, offset)
        or id3v2_words(reader)
        or others.name(head)
        or mpeg.search(reader, offset)
        or others.unknown(head)
    )


def describe(head: bytes) -> str:
    """Say in a few words what a file of these (first) bytes is."""
    return _in_words(identify(io.BytesIO(head)))


def _in_words(found: Recognised | str) -> str:
    return found if isinstance(found, str) else found.format.words


def recognise_audio(name: str, stream: BinaryIO, *, fix_extension: bool = False) -> Format:
    """Return the audio format of a file, on whose name and content must agree.

    Args:
        name: the file's name.
        stream: its content, seekable.
        fix_extension: go by the content, whatever the name says.

    Raises:
        UnsupportedFormatError: no format that we store, or other content than the name says.
    """
    return require_audio(name, identify(stream), fix_extension=fix_extension).format


def recognise_image(name: str, stream: BinaryIO, *, fix_extension: bool = False) -> Format:
    """Return the image format of a file; as `recognise_audio`."""
    found = _require(name, identify(stream), IMAGE_FORMATS, fix_extension=fix_extension)
    return found.format


def require_audio(name: str, found: Recognised | str, *, fix_extension: bool = False) -> Recognised:
    """Return what `identify` found if it is audio and the name agrees; as `recognise_audio`."""
    return _require(name, found, AUDIO_FORMATS, fix_extension=fix_extension)


def _require(
    name: str, found: Recognised | str, formats: tuple[Format, ...], *, fix_extension: bool
) -> Recognised:
    extension = extension_of(name)
    named = next((f for f in formats if extension in f.extensions), None)
    if not isinstance(found, str) and found.format in formats:
        if fix_extension or found.format == named:
            return found
        raise UnsupportedFormatError(
            f"{name!r} is {found.format.words}: rename it to {found.format.extensions[0]},"
            " or pass --fix-extension"
        )
    kind = formats[0].kind
    if named is None and not fix_extension:
        known = " ".join(e for f in formats for e in f.extensions)
        has = f"has the extension {extension!r}" if extension else "has no extension"
        raise UnsupportedFormatError(
            f"{name!r} {has} and is {_in_words(found)}: {kind} files we store end in {known}"
        )
    words = _in_words(found)
    if words.startswith("video"):
        raise UnsupportedFormatError(f"{name!r} is {words}: only {kind} is stored")
    expected = f"{named.words} as its name says" if named else kind
    raise UnsupportedFormatError(f"{name!r} is {words}, not {expected}")
