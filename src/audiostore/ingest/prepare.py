"""A local file on its way in: looked at, and refused if it is not what its name says, or broken."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path, PurePath
from typing import BinaryIO

from audiostore.asset import PreparedFile, facts_of
from audiostore.errors import (
    InvalidImageError,
    InvalidSourceError,
    SourceChangedError,
    SourceNotFoundError,
)
from audiostore.ingest.options import UploadOptions
from audiostore.media import (
    IMAGE_FORMATS,
    MAX_IMAGE_BYTES,
    AudioInfo,
    Format,
    check_structure,
    content_type_for,
    identify,
    identify_image,
    needs_faststart,
    recognise_image,
    require_audio,
    write_faststart,
)
from audiostore.sources import BytesSource, LocalFile, Source, open_regular, restore
from audiostore.values import PathLike


def _prepared(
    source: Source,
    file: LocalFile | None,
    found: Format,
    filename: str,
    *,
    content_type: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> PreparedFile:
    return PreparedFile(
        source,
        file,
        found.name,
        found.extension_for(filename),
        content_type or found.content_type,
        filename,
        facts or {},
    )


@contextmanager
def prepare_audio(path: PathLike, options: UploadOptions) -> Iterator[PreparedFile]:
    """Look at an audio file; yield it, ready to be stored while the block lasts.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        UnplayableAudioError: it is cut short, damaged, or without sound.
        OSError: it cannot be read.
    """
    item = _take(path, lambda opened: _look_at_audio(opened, options))
    if options.faststart and item.file and item.format_name == "MP4":
        with _started_fast(item, item.file.path) as ready:
            yield ready
    else:
        yield item


def prepare_image(path: PathLike, options: UploadOptions) -> PreparedFile:
    """Look at an image file.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        InvalidImageError: it is cut short, too large, or, by a full check, does not decode.
        OSError: it cannot be read.
    """
    return _take(path, lambda opened: _look_at_image(opened, options))


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that is looked at."""

    path: Path
    filename: str
    descriptor: int
    stream: BinaryIO


def _look_at_audio(opened: _Opened, options: UploadOptions) -> PreparedFile:
    filename, stream = opened.filename, opened.stream
    recognised = require_audio(filename, identify(stream), fix_extension=options.fix_extension)
    found, content_type = recognised.format, content_type_for(recognised)
    if options.check != "none":
        size_bytes = os.fstat(opened.descriptor).st_size
        check_structure(stream, recognised, size_bytes, name=filename)
    file = LocalFile.of_open(opened.path, opened.descriptor)
    if options.check == "none":
        return _prepared(file, file, found, filename, content_type=content_type)
    from audiostore.media import decode_audio, probe_apart  # noqa: PLC0415  (FFmpeg)

    wants_artwork = options.artwork == "embedded"
    info = probe_apart(opened.path, found.name, opened.descriptor, artwork=wants_artwork)
    duration_s = info.duration_s
    if options.check == "full":
        duration_s = decode_audio(opened.path, found.name).duration_s
    item = _prepared(
        file, file, found, filename, content_type=content_type, facts=facts_of(info, duration_s)
    )
    if wants_artwork:
        item = _with_artwork(item, info, options)
    if found.name == "MP4" and not options.faststart and needs_faststart(stream):
        return _warned(
            item,
            "its index is at the end: players must fetch all of it first (--faststart mends it)",
        )
    return item


def _look_at_image(opened: _Opened, options: UploadOptions) -> PreparedFile:
    filename = opened.filename
    found = recognise_image(filename, opened.stream, fix_extension=options.fix_extension)
    file = LocalFile.of_open(opened.path, opened.descriptor)
    source: Source = file
    if options.check != "none" or options.thumbnail_max_px:
        if file.size_bytes > MAX_IMAGE_BYTES:
            raise InvalidImageError(
                f"{filename!r} has {file.size_bytes:,} bytes: artwork may have {MAX_IMAGE_BYTES:,}"
            )
        data = os.pread(opened.descriptor, file.size_bytes, 0)
        if BytesSource(data).crc32c != file.crc32c:
            raise SourceChangedError(
                f"{str(opened.path)!r} changed while it was read: try again when nothing writes "
                "to it any more"
            )
        try:
            source = _artwork_source(data, file, options)
        except InvalidImageError as error:
            raise InvalidImageError(f"{filename!r}: {error}") from error
    return _prepared(source, file, found, filename)


def _with_artwork(item: PreparedFile, info: AudioInfo, options: UploadOptions) -> PreparedFile:
    """Return the item with what is embedded in it, or with why that was left."""
    problem = info.artwork_problem
    if info.artwork is not None:
        data = info.artwork.data
        try:
            source = _artwork_source(data, BytesSource(data), options)
        except InvalidImageError as error:
            problem = str(error)
        else:
            found = next(f for f in IMAGE_FORMATS if f.name == info.artwork.info.format_name)
            filename = f"{PurePath(item.filename).stem}{found.extensions[0]}"
            picture = _prepared(source, None, found, filename)
            return replace(item, artwork=picture)
    return _warned(item, f"embedded artwork was left: {problem}") if problem else item


def _artwork_source(data: bytes, as_it_is: Source, options: UploadOptions) -> Source:
    """Return what to store of an image: as it is, or scaled down."""
    if options.check == "quick":
        identify_image(data)
    if options.check != "full" and options.thumbnail_max_px is None:
        return as_it_is
    from audiostore.media import check_image, scale_image  # noqa: PLC0415  (Pillow)

    if options.check == "full":
        check_image(data)
    if options.thumbnail_max_px is None:
        return as_it_is
    scaled = scale_image(data, options.thumbnail_max_px)
    return as_it_is if scaled == data else BytesSource(scaled)


@contextmanager
def _started_fast(item: PreparedFile, path: Path) -> Iterator[PreparedFile]:
    """Yield an MP4 item with its index in front."""
    with path.open("rb") as stream:
        if not needs_faststart(stream):
            yield item
            return
        with tempfile.TemporaryDirectory(prefix="audiostore-") as folder:
            rewritten = Path(folder) / "audio"
            with rewritten.open("wb") as target:
                write_faststart(stream, target)
            yield replace(item, source=LocalFile.snapshot(rewritten))


def _warned(item: PreparedFile, warning: str) -> PreparedFile:
    return replace(item, warnings=(*item.warnings, f"{item.filename!r}: {warning}"))


def _take(path: PathLike, look: Callable[[_Opened], PreparedFile]) -> PreparedFile:
    if not isinstance(path, str | os.PathLike):
        raise InvalidSourceError(f"{path!r} is no path of a file")
    local = path if isinstance(path, Path) else Path(path)
    local = local.absolute()  # a caller may change its working directory
    try:
        try:
            return _look(local, look)
        except SourceNotFoundError:
            if not restore(local):
                raise
            return _look(local, look)
    except OSError as error:
        error.add_note(f"while reading {str(local)!r}")
        raise


def _look(local: Path, look: Callable[[_Opened], PreparedFile]) -> PreparedFile:
    with open_regular(local) as descriptor, FileIO(descriptor, closefd=False) as stream:
        filename = os.fsencode(local.name).decode("utf-8", "replace")
        return look(_Opened(local, filename, descriptor, stream))
