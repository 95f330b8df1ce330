"""Source paths: where a stored file was, relative to the directory or manifest that was named.

A path of a POSIX system is bytes without NUL. As a Python text, bytes that are not UTF-8 are
surrogates (PEP 383). Metadata is UTF-8, and may pass through HTTP headers: a path with other bytes,
control characters or spaces at its ends is kept twice, as text with U+FFFD in their place, and
exactly, in base64url (RFC 4648, section 5). So is the name of a file, also one with a backslash,
which others take for a separator.
"""

import os
import posixpath
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping

from audiostore.patterns import pattern

MAX_SOURCE_PATH_BYTES = 4096
"""As many as Linux allows in a path."""

_TEXT, _BYTES = SOURCE_PATH_KEYS = ("source_path", "source_path_bytes")
FILENAME_BYTES_KEY = "original_filename_bytes"
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONTROL = pattern(r"[\x00-\x1f\x7f]")
_TEXT_CHARACTERS = 512
"""Of the text of a path that is kept in base64, too: both must fit in 8 KiB."""


def is_url(text: str) -> bool:
    """Say whether a text begins with the scheme of a URL, such as ``https://``."""
    return _SCHEME.match(text) is not None


def is_source_path(path: object) -> bool:
    """Say whether this is a path of a file below some directory: relative, with ``/``, and plain.

    Its parts are not empty, ``.`` or ``..``, so that joined to a directory it stays below it.
    """
    if not isinstance(path, str):
        return False
    try:
        raw = _raw(path)
    except UnicodeEncodeError:
        return False
    parts = raw.split(b"/")
    return (
        len(raw) <= MAX_SOURCE_PATH_BYTES
        and b"\0" not in raw
        and not any(part in (b"", b".", b"..") for part in parts)
    )


def source_path_metadata(path: str | None) -> dict[str, str]:
    """Return the metadata that keeps a source path; {} for None."""
    if path is None:
        return {}
    raw = _raw(path)
    text = _text(raw)
    if text == path:
        return {_TEXT: text}
    return {_TEXT: text, _BYTES: urlsafe_b64encode(raw).decode("ascii")}


def source_path_of(metadata: Mapping[str, str]) -> str | None:
    """Return the source path that metadata keeps; None if there is none, or if it is not plain.

    A store is not trusted: see `is_source_path`. The bytes count only if they are those of the
    text, so that a path is never other than it looks.
    """
    text, encoded = metadata.get(_TEXT), metadata.get(_BYTES)
    path = text
    if text is not None and encoded is not None:
        raw = _decoded(encoded)
        if _text(raw) == text:
            path = raw.decode("utf-8", "surrogateescape")
    return path if is_source_path(path) else None


def filename_metadata(name: str) -> dict[str, str]:
    """Return the metadata that keeps a file's name exactly, besides its text; {} if that does."""
    raw = _raw(name)
    is_plain = raw.decode("utf-8", "replace") == name == name.strip() and "\\" not in name
    return {} if is_plain else {FILENAME_BYTES_KEY: urlsafe_b64encode(raw).decode("ascii")}


def exact_filename_of(metadata: Mapping[str, str]) -> str | None:
    """Return the name that `filename_metadata` kept; None if there is none, or it is no name.

    The bytes count only if they are those of the text.
    """
    raw = _decoded(metadata.get(FILENAME_BYTES_KEY, ""))
    is_same = raw.decode("utf-8", "replace") == metadata.get("original_filename")
    path = raw.decode("utf-8", "surrogateescape")
    return path if is_same and is_source_path(path) and "/" not in path else None


def _decoded(encoded: str) -> bytes:
    try:
        return urlsafe_b64decode(encoded.encode("ascii"))
    except (UnicodeEncodeError, Base64Error):
        return b""


def path_beside(
    path: str, file: str | os.PathLike[str], other: str | os.PathLike[str]
) -> str | None:
    """Return the source path of another file; None if it lies outside of the directory.

    Args:
        path: the source path of the first file.
        file: the first file.
        other: the other file.
    """
    folder = os.path.dirname(os.path.abspath(os.fsdecode(file)))  # noqa: PTH100, PTH120
    relative = os.path.relpath(os.path.abspath(os.fsdecode(other)), folder)  # noqa: PTH100
    joined = posixpath.join(posixpath.dirname(path), relative.replace(os.sep, "/"))
    found = posixpath.normpath(joined)
    return found if is_source_path(found) else None


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    clean = _CONTROL.sub("\ufffd", text).strip()
    is_exact = clean.encode() == raw
    return clean if is_exact else clean[:_TEXT_CHARACTERS].strip()
