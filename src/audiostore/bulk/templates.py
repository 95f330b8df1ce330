"""File names made of tags: ``{album_artist}/{album}/{disc}-{track:02} {title}``.

Tags are not trusted: what they say becomes part of one name, never a separator, ``..`` or a control
character. A template can name the fields of `TEMPLATE_FIELDS`, and nothing else.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from string import Formatter

from audiostore.bulk.naming import original_name, safe_component
from audiostore.errors import shown
from audiostore.values import StorageResult

_WIDTH = re.compile(r"0?([1-9])")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
"""What separates directories, and what file systems of Windows and memory cards refuse."""


def _artist(asset: StorageResult) -> str:
    return _text(asset.artist) or _text(asset.album_artist) or "Unknown Artist"


def _album_artist(asset: StorageResult) -> str:
    of_several = "Various Artists" if asset.is_compilation else ""
    return _text(asset.album_artist) or of_several or _artist(asset)


def _text(tag: str | None) -> str:
    return (tag or "").strip()


def _stem(asset: StorageResult) -> str:
    return PurePosixPath(original_name(asset)).stem


TEMPLATE_FIELDS: Mapping[str, Callable[[StorageResult], str | int]] = {
    "title": lambda asset: _text(asset.title) or _stem(asset),
    "artist": _artist,
    "album": lambda asset: _text(asset.album) or "Unknown Album",
    "album_artist": _album_artist,
    "track": lambda asset: asset.track or 0,
    "track_total": lambda asset: asset.track_total or 0,
    "disc": lambda asset: asset.disc or 1,
    "disc_total": lambda asset: asset.disc_total or 1,
    "date": lambda asset: _text(asset.date) or "Unknown Date",
    "year": lambda asset: asset.year or "Unknown Year",
    "genre": lambda asset: _text(asset.genre) or "Unknown Genre",
    "composer": lambda asset: _text(asset.composer) or "Unknown Composer",
    "isrc": lambda asset: _text(asset.isrc) or "Unknown ISRC",
    "format": lambda asset: asset.format,
    "name": _stem,
    "id": lambda asset: asset.audio_id,
}
"""The fields of a template, and what they are for an asset; each has a value for any asset."""


@dataclass(frozen=True)
class NameTemplate:
    """Names files by a template, for `Bulk.download`.

    ``{track:02}`` writes a number with at least two digits; ``{{`` is a brace. The extension of the
    stored file is added.

    Example::

        names = NameTemplate("{album_artist}/{album}/{disc}-{track:02} {title}")
        manager.bulk.download(manager.list(), "Music", names=names)

    Raises:
        ValueError: the template is not valid: an unknown field, for example.
    """

    template: str
    _pieces: tuple[tuple[str, str | None, int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the template."""
        try:
            parsed = list(Formatter().parse(self.template))
        except ValueError as error:
            raise ValueError(f"the template {shown(self.template)} is not valid: {error}") from None
        object.__setattr__(self, "_pieces", tuple(self._piece(*each) for each in parsed))
        literal = "".join(f"{text}{'x' if name else ''}" for text, name, _ in self._pieces)
        if any(part in ("", ".", "..") for part in literal.split("/")) or "\0" in literal:
            raise ValueError(
                f"the template {shown(self.template)} must be a relative path without empty parts "
                "and '..', such as '{album_artist}/{album}/{track:02} {title}'"
            )

    def _piece(
        self, text: str, name: str | None, spec: str | None, conversion: str | None
    ) -> tuple[str, str | None, int]:
        if name is None:
            return text, None, 0
        if name not in TEMPLATE_FIELDS:
            raise ValueError(
                f"unknown field {shown(name)} in the template: known are "
                f"{', '.join(TEMPLATE_FIELDS)}"
            )
        width = _WIDTH.fullmatch(spec or "1")
        if width is None or conversion is not None:
            raise ValueError(
                f"the field {name!r} has a format that is not supported: only a number of digits "
                "is, such as {track:02}"
            )
        return text, name, int(width[1])

    def __call__(self, asset: StorageResult) -> str:
        """Return the name of an asset's file."""
        written = "".join(
            f"{text}{self._value(asset, name, width) if name else ''}"
            for text, name, width in self._pieces
        )
        *folders, name = written.split("/")
        extension = f".{asset.format}"
        name = _component(name.removesuffix(extension))
        return "/".join([*map(_component, folders), f"{name}{extension}"])

    def _value(self, asset: StorageResult, name: str, width: int) -> str:
        value = TEMPLATE_FIELDS[name](asset)
        if isinstance(value, int):
            return f"{value:0{width}}"
        return _NOT_IN_NAMES.sub("_", value)


def _component(text: str) -> str:
    """Return text as the name of a file or directory that is visible on every system."""
    return re.sub(r"[. ]+\Z", "_", safe_component(text.strip())) or "_"
