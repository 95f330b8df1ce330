"""Prepares local files: inspects them, and refuses those that are damaged or misnamed."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path, PurePath
from typing import TypeVar

from audiostore.asset import PreparedFile, facts_of
from audiostore.errors import (
    InvalidSourceError,
    SourceChangedError,
    SourceNotFoundError,
    shown,
)
from audiostore.ingest.options import UploadOptions
from audiostore.media import (
    InspectedImage,
    inspect_audio,
    inspect_image,
    write_faststart,
)
from audiostore.sources import BytesSource, LocalFile, Source, open_regular, restore
from audiostore.values import PathLike

T = TypeVar("T")


@contextmanager
def prepare_audio(path: PathLike, options: UploadOptions) -> Iterator[PreparedFile]:
    """Inspect an audio file; yield it, ready to be stored within the block.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        UnplayableAudioError: it is cut short, damaged, or has no sound.
        OSError: it cannot be read.
    """
    prepared, index_is_last = _inspected(path, lambda opened: _prepare_audio(opened, options))
    if not index_is_last:
        yield prepared
    elif options.faststart:
        with _with_faststart(prepared) as rewritten:
            yield rewritten
    else:
        yield _warned(
            prepared,
            "its index is at the end, so players must fetch the whole file first: pass "
            "faststart=True to move the index to the front",
        )


def prepare_image(path: PathLike, options: UploadOptions) -> PreparedFile:
    """Inspect an image file; return it, ready to be stored.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        InvalidImageError: it is cut short or too large; or a full check cannot decode it.
        OSError: it cannot be read.
    """
    return _inspected(path, lambda opened: _prepare_image(opened, options))


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that is being inspected."""

    path: Path
    filename: str
    stream: FileIO


def _prepare_audio(opened: _Opened, options: UploadOptions) -> tuple[PreparedFile, bool]:
    """Return an audio file ready to be stored, and whether its index follows its sound."""
    before = os.fstat(opened.stream.fileno())
    found = inspect_audio(
        opened.path,
        opened.stream,
        opened.filename,
        check=options.check,
        fix_extension=options.fix_extension,
        artwork=options.artwork == "embedded",
        artwork_max_px=options.thumbnail_max_px,
        faststart=options.faststart,
    )
    file = _snapshot(opened, before)
    prepared = PreparedFile(
        source=file,
        file=file,
        format_name=found.format_name,
        extension=found.extension,
        content_type=found.content_type,
        filename=opened.filename,
        facts=facts_of(found.info, found.duration_s) if found.info and found.duration_s else {},
        info=found.info,
        artwork=_embedded_artwork(opened.filename, found.artwork) if found.artwork else None,
    )
    if found.artwork_problem:
        prepared = _warned(prepared, f"embedded artwork was not stored: {found.artwork_problem}")
    return prepared, found.index_is_last


def _prepare_image(opened: _Opened, options: UploadOptions) -> PreparedFile:
    before = os.fstat(opened.stream.fileno())
    found = inspect_image(
        opened.path,
        opened.stream,
        opened.filename,
        check=options.check,
        fix_extension=options.fix_extension,
        max_px=options.thumbnail_max_px,
    )
    file = _snapshot(opened, before)
    if found.data is not None and BytesSource(found.data).crc32c != file.crc32c:
        raise _changed(opened.path)
    source = file if found.scaled is None else BytesSource(found.scaled)
    return _prepared_image(source, file, opened.filename, found)


def _embedded_artwork(audio_name: str, found: InspectedImage) -> PreparedFile:
    data = found.data if found.scaled is None else found.scaled
    filename = f"{PurePath(audio_name).stem}{found.extension}"
    return _prepared_image(BytesSource(data or b""), None, filename, found)


def _prepared_image(
    source: Source, file: LocalFile | None, filename: str, found: InspectedImage
) -> PreparedFile:
    return PreparedFile(
        source, file, found.format_name, found.extension, found.content_type, filename, {}
    )


def _snapshot(opened: _Opened, inspected: os.stat_result) -> LocalFile:
    """Return a snapshot of the file, which must not have changed since its inspection began."""
    file = LocalFile.of_open(opened.path, opened.stream.fileno())
    if (file.size_bytes, file.mtime_ns) != (inspected.st_size, inspected.st_mtime_ns):
        raise _changed(opened.path)
    return file


def _changed(path: Path) -> SourceChangedError:
    return SourceChangedError(
        f"{str(path)!r} changed while it was read: try again once nothing writes to it",
        path=path,
    )


@contextmanager
def _with_faststart(prepared: PreparedFile) -> Iterator[PreparedFile]:
    """Yield an audio file with its index moved to the front."""
    if prepared.file is None:
        raise ValueError(f"{prepared.filename!r} is not a local file")
    with (
        prepared.file.path.open("rb") as stream,
        tempfile.TemporaryDirectory(prefix="audiostore-") as folder,
    ):
        rewritten = Path(folder) / "audio"
        with rewritten.open("wb") as target:
            write_faststart(stream, target)
        yield replace(prepared, source=LocalFile.snapshot(rewritten))


def _warned(prepared: PreparedFile, warning: str) -> PreparedFile:
    return replace(prepared, warnings=(*prepared.warnings, f"{prepared.filename!r}: {warning}"))


def _inspected(path: PathLike, prepare: Callable[[_Opened], T]) -> T:
    if not isinstance(path, str | os.PathLike):
        raise InvalidSourceError(f"not a path: {shown(path)}. Give the path of a file")
    local = path if isinstance(path, Path) else Path(path)
    local = local.absolute()  # the working directory may change during the upload
    try:
        try:
            return _open(local, prepare)
        except SourceNotFoundError:
            if not restore(local):
                raise
            return _open(local, prepare)
    except OSError as error:
        error.add_note(f"while reading {str(local)!r}")
        raise


def _open(local: Path, prepare: Callable[[_Opened], T]) -> T:
    with open_regular(local) as descriptor, FileIO(descriptor, closefd=False) as stream:
        filename = os.fsencode(local.name).decode("utf-8", "replace")
        return prepare(_Opened(local, filename, stream))
