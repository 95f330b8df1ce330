"""File names made of tags: ``{album_artist}/{album}/{disc}-{track:02} {title}``.

Tags are not trusted: what they say becomes part of one name, never a separator, ``..`` or a control
character. A template can name the fields of `TEMPLATE_FIELDS`, and nothing else.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from audiostore.bulk.naming import original_name, safe_component
from audiostore.errors import shown
from audiostore.patterns import pattern
from audiostore.templates import Template
from audiostore.values import StorageResult

_NOT_IN_NAMES = pattern(r'[\x00-\x1f\x7f/\\:*?"<>|]')
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
    _parsed: Template = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the template."""
        try:
            parsed = Template.parse(self.template)
        except ValueError as error:
            raise ValueError(f"the template {shown(self.template)} is not valid: {error}") from None
        for each in parsed.fields:
            if each.name not in TEMPLATE_FIELDS:
                raise ValueError(
                    f"unknown field {shown(each.name)} in the template: known are "
                    f"{', '.join(TEMPLATE_FIELDS)}"
                )
        literal = parsed.fill(lambda _: "x")
        if any(part in ("", ".", "..") for part in literal.split("/")) or "\0" in literal:
            raise ValueError(
                f"the template {shown(self.template)} must be a relative path without empty parts "
                "and '..', such as '{album_artist}/{album}/{track:02} {title}'"
            )
        object.__setattr__(self, "_parsed", parsed)

    def __call__(self, asset: StorageResult) -> str:
        """Return the name of an asset's file."""
        written = self._parsed.fill(
            lambda name: _NOT_IN_NAMES.sub("_", str(TEMPLATE_FIELDS[name](asset)))
        )
        *folders, name = written.split("/")
        extension = f".{asset.format}"
        name = _component(name.removesuffix(extension))
        return "/".join([*map(_component, folders), f"{name}{extension}"])


def _component(text: str) -> str:
    """Return text as the name of a file or directory that is visible on every system."""
    return re.sub(r"[. ]+\Z", "_", safe_component(text.strip())) or "_"
