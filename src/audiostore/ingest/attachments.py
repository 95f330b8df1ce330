"""Files that users attach to an asset: text, checked to be what its extension says."""

import json
import os
from collections.abc import Callable
from pathlib import Path, PurePath

from audiostore.asset import MarkedFile, Part
from audiostore.errors import InvalidSourceError, UnsupportedFormatError, shown
from audiostore.ingest.spooling import AudioInput, pieces_of, require_filename
from audiostore.localfiles import LocalFile, open_regular
from audiostore.patterns import pattern
from audiostore.sourcepaths import filename_metadata
from audiostore.sources import BytesSource

MAX_ATTACHMENT_BYTES = 16 << 20
"""A transcript of a whole day is smaller."""

_TIMING = pattern(r"[0-9]{2,}:[0-9]{2}:[0-9]{2}[,.][0-9]{3} --> ")
_BOM = "\ufeff"


def prepare_attachment(
    source: AudioInput, part: Part, *, filename: str | None = None
) -> MarkedFile:
    """Read a file to attach to an asset, and check it.

    It is UTF-8. A ``.vtt`` file begins as WebVTT does (W3C WebVTT, section 4.1), a ``.srt`` file
    has a line with times, a ``.json`` file is one JSON text (RFC 8259).

    Args:
        source: the file, of at most 16 MiB: its path, its bytes, a binary file object, or an
            iterable of bytes.
        part: which part it is to be.
        filename: its name, whose extension says what it is; None: that of the path.

    Raises:
        SourceNotFoundError: the file does not exist.
        InvalidSourceError: it is empty, too large, or not a regular file; or not what its extension
            says.
        UnsupportedFormatError: the part does not have this extension.
        SourceChangedError: it changed while it was read.
        ValueError: `filename` is not the name of a file.
        OSError: it cannot be read.
    """
    require_filename(filename)
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    name = filename or (path.name if path else part.name)
    extension = PurePath(name).suffix.lower()
    if extension not in part.extensions:
        raise UnsupportedFormatError(
            f"{shown(name)} cannot be a {part.name}: the extension of its file name must be "
            f"{', '.join(part.extensions[:-1])} or {part.extensions[-1]}",
            path=path,
        )
    data = _bytes_of(source, shown(name)) if path is None else _read(path)
    wrong = _wrong_text(data, _CHECKS.get(extension))
    if wrong:
        raise InvalidSourceError(f"{shown(name)} is not a valid {extension} file: {wrong}")
    return MarkedFile(
        part,
        BytesSource(data),
        extension,
        filename=os.fsencode(name).decode("utf-8", "replace"),
        facts=filename_metadata(name),
    )


def _read(path: Path) -> bytes:
    pieces: list[bytes] = []
    with open_regular(path, max_bytes=MAX_ATTACHMENT_BYTES) as descriptor:
        LocalFile.of_open(path, descriptor, lambda piece, _before, _crc: pieces.append(piece))
    return b"".join(pieces)


def _bytes_of(source: object, what: str) -> bytes:
    data = bytearray()
    for piece in pieces_of(source, what):
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise InvalidSourceError(f"{what} gives {type(piece).__name__}, not bytes")
        data += piece
        if len(data) > MAX_ATTACHMENT_BYTES:
            raise InvalidSourceError(
                f"{what} has more than {MAX_ATTACHMENT_BYTES:,} bytes: that is the limit"
            )
    if not data:
        raise InvalidSourceError(f"{what} is empty: there is nothing to store")
    return bytes(data)


def _wrong_text(data: bytes, check: Callable[[str], str] | None) -> str:
    """Return what is wrong with a text; "" if nothing is."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 (byte {error.start})"
    if "\0" in text:
        return "it has NUL characters"
    return check(text.removeprefix(_BOM)) if check else ""


def _wrong_webvtt(text: str) -> str:
    is_begun = text.startswith("WEBVTT") and text[6:7] in ("", " ", "\t", "\n", "\r")
    return "" if is_begun else "it does not begin with WEBVTT"


def _wrong_subrip(text: str) -> str:
    return (
        "" if _TIMING.search(text) else "no line has times, such as 00:00:01,000 --> 00:00:04,000"
    )


def _wrong_json(text: str) -> str:
    try:
        json.loads(text)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return str(error)
    return ""


_CHECKS = {".vtt": _wrong_webvtt, ".srt": _wrong_subrip, ".json": _wrong_json}
