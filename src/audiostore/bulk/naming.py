"""Which file a download of an asset becomes: names relative to its directory.

A store is not trusted. A name keeps what the store says of the original file only as far as it
stays below the directory, and as the file keeps the extension of an audio or image format.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Literal

from audiostore.asset import PartName, is_embedded
from audiostore.dataclass import dataclass, replace
from audiostore.errors import is_safe
from audiostore.patterns import pattern
from audiostore.sourcepaths import exact_filename_of, source_path_of
from audiostore.values import BlobInfo, StorageResult

FileNaming = Callable[[StorageResult], str]
"""Returns the name of an asset's file, relative to a directory: ``Album/01 Song.mp3``."""

# Devices on Windows, whatever follows after a dot: a folder may be shared with one
# (learn.microsoft.com/windows/win32/fileio/naming-a-file).
_RESERVED = pattern(r"(CON|PRN|AUX|NUL|(COM|LPT)[0-9¹²³])", re.IGNORECASE)
_NOT_UTF_8 = "".join(map(chr, range(0xDC80, 0xDD00)))
MAX_NAME_BYTES = 255
"""As most file systems have it."""


def name_by_id(asset: StorageResult, part: PartName = "audio") -> str:
    """Return a file name that is unique to the asset: ``{id}.mp3``."""
    blob = asset.parts.get(part)
    return f"{asset.audio_id}{extension_of(blob) if blob is not None else ''}"


def name_by_source_path(asset: StorageResult) -> str:
    """Return where the audio file was, below the directory that was stored; else its own name."""
    path = asset.source_path
    if path is None or asset.audio is None:
        return original_name(asset)
    return _with_extension(path, asset.audio, "audio")


def original_name(asset: StorageResult, part: PartName = "audio") -> str:
    """Return the name that the file of an asset had, as far as that is safe.

    It is one visible path component without control characters, and ends in the extension of the
    stored object. Every part is named after the audio.
    """
    blob = asset.parts.get(part)
    extension = extension_of(blob) if blob else ""
    named_after = asset.audio or asset.thumbnail
    metadata = named_after.metadata if named_after else {}
    exact = component = exact_filename_of(metadata)
    if component is None:
        original = metadata.get("original_filename", "")
        component = original.replace("\\", "/").rpartition("/")[2].strip()
    if component.strip(" .") in ("", extension[1:]):
        return f"{asset.audio_id}{extension}"  # nothing but an extension
    name = safe_component(component, keeps_bytes=exact is not None)
    if part != "audio":
        name = PurePosixPath(name).stem
    if not name.lower().endswith(extension):
        name += extension
    return shortened(name, MAX_NAME_BYTES)


def safe_component(text: str, *, keeps_bytes: bool = False) -> str:
    """Return text as a visible name that no terminal, shell or system takes for something else.

    Args:
        text: the text.
        keeps_bytes: whether bytes that are not UTF-8 may stay in it (PEP 383).
    """
    kept = _NOT_UTF_8 if keeps_bytes else ""
    name = "".join(c if is_safe(c) or c in kept else "_" for c in text)
    if name.startswith(("-", ".")):
        name = f"_{name[1:]}"  # it must not look like an option, nor be hidden
    if _RESERVED.fullmatch(name.partition(".")[0]):
        name = f"_{name}"
    return name


def shortened(part: str, limit: int) -> str:
    """Return a name of at most so many bytes, with the extension that it had."""
    if len(os.fsencode(part)) <= limit:
        return part
    extension = PurePosixPath(part).suffix
    size = len(os.fsencode(extension))
    if size > limit // 2:
        extension, size = "", 0
    return cut(part.removesuffix(extension) if extension else part, limit - size) + extension


def cut(text: str, limit: int) -> str:
    """Return the beginning of text, as many whole characters as so many bytes can hold."""
    raw = os.fsencode(text)[:limit]
    while raw and not text.startswith(os.fsdecode(raw)):  # a character was cut in two
        raw = raw[:-1]
    return os.fsdecode(raw).rstrip() or "_"


def extension_of(blob: BlobInfo) -> str:
    """Return the extension of an object's name, with its dot."""
    return PurePosixPath(blob.name).suffix


class CoverNames:
    """Names covers as they were: one file for all tracks that share it, others next to the track.

    A cover that was a file below the directory that was stored goes back there. One of which that
    is not known becomes the ``cover.jpg`` of the folder, if all tracks in the folder share it; else
    ``{stem}.jpg`` next to its track. Embedded artwork is in the audio file, and gets no file.

    Example::

        covers = CoverNames()
        for outcome in manager.bulk.download(manager.list(), "Music", names=covers.of_audio):
            ...
        images = covers.select(manager.list())
        for outcome in manager.bulk.download(images, "Music", part="thumbnail", names=covers):
            ...
    """

    def __init__(self, names: FileNaming = name_by_source_path) -> None:
        """Know no cover yet.

        Args:
            names: how the audio files are named.
        """
        self._names = names
        self._keeps_places = names is name_by_source_path
        self._at_place: dict[str, _Cover] = {}
        """By the name that the cover's own file had: the first one of that name."""
        self._in_folder: dict[str, _Cover | None] = {}
        """What all tracks in a folder have; None if they differ."""
        self._has_covers = False

    def of_audio(self, asset: StorageResult) -> str:
        """Return the name of an audio file, and learn what cover it has: call it for each first."""
        name = self._names(asset)
        place, folder = self._place(asset), posixpath.dirname(name)
        cover = _Cover(_content(asset), asset.audio_id, 1)
        self._has_covers = self._has_covers or _has_cover(asset)
        if place is not None:
            self._at_place.setdefault(place, cover)
            self._in_folder[folder] = None
            return name
        known = self._in_folder.setdefault(folder, replace(cover, tracks=0))
        if known is not None:
            is_shared = _has_cover(asset) and known.content == cover.content
            self._in_folder[folder] = replace(known, tracks=known.tracks + 1) if is_shared else None
        return name

    @property
    def are_known(self) -> bool:
        """Whether any asset has a cover to download."""
        return self._has_covers

    def __call__(self, asset: StorageResult) -> str:
        """Return the name of an asset's cover."""
        return self._choose(asset)[0]

    def select(self, assets: Iterable[StorageResult]) -> Iterator[StorageResult]:
        """Yield the assets whose covers are to be downloaded: of several with one, the first."""
        for asset in assets:
            if _has_cover(asset) and self._choose(asset)[1]:
                yield asset

    def _choose(self, asset: StorageResult) -> tuple[str, bool]:
        """Return the name of a cover, and whether this asset is the one to download it from."""
        own = cover_name(asset, self._names)
        place = self._place(asset)
        if place is not None:
            shared = self._at_place.get(place)
        else:
            folder = posixpath.dirname(own)
            place = posixpath.join(folder, f"cover{posixpath.splitext(own)[1]}")
            shared = self._in_folder.get(folder)
            shared = shared if shared and shared.tracks > 1 else None
        if shared is None or shared.content != _content(asset):
            return own, True
        return place, shared.audio_id == asset.audio_id

    def _place(self, asset: StorageResult) -> str | None:
        cover = asset.thumbnail
        path = source_path_of(cover.metadata) if cover and self._keeps_places else None
        return None if path is None or cover is None else _with_extension(path, cover, "image")


@dataclass(frozen=True, slots=True)
class _Cover:
    """A cover that several assets may share."""

    content: object
    audio_id: str
    """Of the first asset that has it."""
    tracks: int


def cover_name(asset: StorageResult, names: FileNaming) -> str:
    """Return the name of a cover that is next to its audio file: ``{stem}.jpg``."""
    cover = asset.thumbnail
    extension = extension_of(cover) if cover is not None else ""
    return f"{posixpath.splitext(names(asset))[0]}{extension}"


def _has_cover(asset: StorageResult) -> bool:
    return asset.thumbnail is not None and not is_embedded(asset.thumbnail)


def _content(asset: StorageResult) -> object:
    cover = asset.thumbnail
    if cover is None or cover.crc32c is None:
        return asset.audio_id
    return cover.size_bytes, cover.crc32c


def _with_extension(path: str, blob: BlobInfo, kind: Literal["audio", "image"]) -> str:
    """Return a path with an extension that fits: its own, if that is one of the kind."""
    from audiostore.media import format_of  # noqa: PLC0415  (listing needs no formats)

    stated, stored = format_of(path, kind), format_of(blob.name, kind)
    if kind == "audio":  # whose bytes were stored as they were, whatever their extension
        return path if stated else f"{path}{extension_of(blob)}"
    if stated and stated is stored:
        return path
    return f"{posixpath.splitext(path)[0]}{extension_of(blob)}"
