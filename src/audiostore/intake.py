"""A local file on its way in: looked at, and refused if it is not what its name says, or broken."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import BinaryIO, Literal

from audiostore.errors import (
    InvalidImageError,
    InvalidSourceError,
    SourceNotFoundError,
)
from audiostore.faststart import needs_faststart, write_faststart
from audiostore.formats import (
    IMAGE_FORMATS,
    Format,
    content_type_for,
    identify,
    recognise_image,
    require_audio,
)
from audiostore.record import facts_of
from audiostore.source import BytesSource, LocalFile, Source, open_regular, restore
from audiostore.structure import check_structure

PathLike = str | os.PathLike[str]
CheckLevel = Literal["quick", "full", "none"]
ArtworkChoice = Literal["embedded", "none"]


@dataclass(frozen=True, slots=True)
class Intake:
    """How files are looked at, and what is made of them, before they are stored."""

    check: CheckLevel = "quick"
    """"quick" looks inside, and for signs of damage that can be had cheaply; "full" also decodes
    all of it; "none" looks at its first bytes only."""
    artwork: ArtworkChoice = "embedded"
    """Whether embedded artwork becomes the thumbnail where none is given."""
    thumbnail_max_px: int | None = None
    """Artwork is scaled down to this many pixels on its longer side; None stores it as it is."""
    fix_extension: bool = False
    """Go by the files' contents, whatever their names say."""
    faststart: bool = False
    """Put the index of an MP4 file before its sound, so that it plays at once."""

    def __post_init__(self) -> None:
        if self.check not in ("quick", "full", "none"):
            raise ValueError(f"check is {self.check!r}: it must be 'quick', 'full' or 'none'")
        if self.artwork not in ("embedded", "none"):
            raise ValueError(f"artwork is {self.artwork!r}: it must be 'embedded' or 'none'")
        px: object = self.thumbnail_max_px
        is_number = isinstance(px, int) and not isinstance(px, bool) and px >= 1
        if px is not None and not is_number:
            raise ValueError(f"thumbnail_max_px is {px!r}: it must be at least 1, or None")


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may be stored."""

    source: Source
    """The bytes to store: those of the file, or what was made of it."""
    file: LocalFile | None
    """The file that they come from; None for artwork that was embedded in another."""
    format: Format
    content_type: str
    filename: str
    """Its name as text; bytes that are no UTF-8 are replaced."""
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What is inside, for the metadata (see `record.facts_of`)."""
    artwork: "Item | None" = None
    """Embedded artwork that may become the thumbnail."""
    warnings: tuple[str, ...] = ()

    @property
    def extension(self) -> str:
        """What its object's name ends in."""
        return self.format.extension_for(self.filename)

    @property
    def served_as(self) -> str:
        """The file name that it is saved under: its own, with an extension that is right."""
        stem, dot, own = self.filename.rpartition(".")
        if dot and f".{own.lower()}" == self.extension:
            return self.filename
        return f"{stem if dot else self.filename}{self.extension}"

    @property
    def identity(self) -> list[str | int]:
        """What tells this very file, unchanged, from every other; ready for JSON."""
        if self.file is None:
            return [self.filename, self.source.size_bytes, self.source.crc32c]
        file = self.file
        return [
            self.filename,
            file.device,
            file.inode,
            file.size_bytes,
            file.mtime_ns,
            file.crc32c,
            self.source.crc32c,
        ]


@contextmanager
def take_audio(path: PathLike, intake: Intake) -> Iterator[Item]:
    """Look at an audio file; yield it, ready to be stored while the block lasts.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        UnplayableAudioError: it is cut short, damaged, or without sound.
        OSError: it cannot be read.
    """

    def look(filename: str, stream: BinaryIO) -> tuple[Format, str]:
        recognised = require_audio(filename, identify(stream), fix_extension=intake.fix_extension)
        if intake.check != "none":
            size_bytes = os.fstat(stream.fileno()).st_size
            check_structure(stream, recognised, size_bytes, name=filename)
        return recognised.format, content_type_for(recognised)

    file, found, content_type, filename = _take(path, look)
    item = Item(file, file, found, content_type, filename)
    if intake.check != "none":
        item = _looked_into(item, file, intake)
    if found.name == "MP4":
        with _started_fast(item, file, intake) as ready:
            yield ready
    else:
        yield item


def take_image(path: PathLike, intake: Intake) -> Item:
    """Look at an image file.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        InvalidImageError: it is cut short, too large, or, by a full check, does not decode.
        OSError: it cannot be read.
    """

    def look(filename: str, stream: BinaryIO) -> tuple[Format, str]:
        found = recognise_image(filename, stream, fix_extension=intake.fix_extension)
        return found, found.content_type

    file, found, content_type, filename = _take(path, look)
    source: Source = file
    if intake.check != "none" or intake.thumbnail_max_px:
        from audiostore import artwork  # noqa: PLC0415  (Pillow)

        if file.size_bytes > artwork.MAX_IMAGE_BYTES:
            raise InvalidImageError(
                f"{filename!r} has {file.size_bytes:,} bytes: artwork may have "
                f"{artwork.MAX_IMAGE_BYTES:,}"
            )
        try:
            source = _artwork_source(_bytes_of(file), file, intake)
        except InvalidImageError as error:
            raise InvalidImageError(f"{filename!r}: {error}") from error
    return Item(source, file, found, content_type, filename)


def _looked_into(item: Item, file: LocalFile, intake: Intake) -> Item:
    from audiostore.decoding import decode_audio, probe_apart  # noqa: PLC0415  (FFmpeg)

    info = probe_apart(file.path, item.format.name)
    duration_s = info.duration_s
    if intake.check == "full":
        duration_s = decode_audio(file.path, item.format.name).duration_s
    item = replace(item, facts=facts_of(info, duration_s))
    if intake.artwork == "none" or info.artwork is None:
        problem = info.artwork_problem if intake.artwork == "embedded" else None
        return item if problem is None else _warned(item, f"embedded artwork was left: {problem}")
    try:
        data = info.artwork.data
        source = _artwork_source(data, BytesSource(data), intake)
    except InvalidImageError as error:
        return _warned(item, f"embedded artwork was left: {error}")
    found = next(f for f in IMAGE_FORMATS if f.name == info.artwork.info.format_name)
    stem = PurePath(item.filename).stem
    cover = Item(source, None, found, found.content_type, f"{stem}{found.extensions[0]}")
    return replace(item, artwork=cover)


def _artwork_source(data: bytes, as_it_is: Source, intake: Intake) -> Source:
    """Return what to store of an image: as it is, or scaled down."""
    from audiostore import artwork  # noqa: PLC0415  (Pillow)

    if intake.check == "quick":
        artwork.identify_image(data)
    elif intake.check == "full":
        artwork.check_image(data)
    if intake.thumbnail_max_px is None:
        return as_it_is
    scaled = artwork.scale_image(data, intake.thumbnail_max_px)
    return as_it_is if scaled == data else BytesSource(scaled)


def _bytes_of(file: LocalFile) -> bytes:
    with closing(file.open()) as reader:
        return b"".join(iter(lambda: reader.read(1 << 20), b""))


@contextmanager
def _started_fast(item: Item, file: LocalFile, intake: Intake) -> Iterator[Item]:
    """Yield an MP4 item with its index in front, if that was asked for; or warn."""
    with file.path.open("rb") as stream:
        is_wanted = intake.faststart or intake.check != "none"
        if not (is_wanted and needs_faststart(stream)):
            yield item
            return
        if not intake.faststart:
            yield _warned(
                item,
                "its index is at the end: players must fetch all of it first "
                "(--faststart mends it)",
            )
            return
        with tempfile.TemporaryDirectory(prefix="audiostore-") as folder:
            rewritten = Path(folder) / "audio"
            with rewritten.open("wb") as target:
                write_faststart(stream, target)
            yield replace(item, source=LocalFile.snapshot(rewritten))


def _warned(item: Item, warning: str) -> Item:
    return replace(item, warnings=(*item.warnings, f"{item.filename!r}: {warning}"))


_Look = Callable[[str, BinaryIO], tuple[Format, str]]
_Taken = tuple[LocalFile, Format, str, str]


def _take(path: PathLike, look: _Look) -> _Taken:
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


def _examine(local: Path, look: _Look) -> _Taken:
    with open_regular(local) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
        filename = os.fsencode(local.name).decode("utf-8", "replace")
        found, content_type = look(filename, stream)
        return LocalFile.of_open(local, descriptor), found, content_type, filename
