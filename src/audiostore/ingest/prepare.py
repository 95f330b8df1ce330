"""Prepares local files: inspects them, and refuses those that are damaged or misnamed."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from io import FileIO
from pathlib import Path, PurePath
from typing import BinaryIO, cast

from audiostore.asset import MarkedFile, PreparedFile, audio_data_facts, facts_of
from audiostore.dataclass import dataclass, replace
from audiostore.errors import (
    IntegrityError,
    InvalidSourceError,
    SourceNotFoundError,
    shown,
)
from audiostore.files import explained
from audiostore.ingest.options import UploadOptions
from audiostore.ingest.snapshot import Inspection
from audiostore.ingest.stored import StoredFile
from audiostore.localfiles import (
    FetchedFile,
    LocalFile,
    OpenFile,
    changed_while_read,
    open_regular,
    restore,
)
from audiostore.media import (
    InspectedAudio,
    InspectedImage,
    PreviewTarget,
    inspect_audio,
    inspect_image,
    write_faststart,
)
from audiostore.sourcepaths import filename_metadata
from audiostore.sources import BytesSource, Source
from audiostore.values import PathLike


@contextmanager
def prepare_audio(
    path: PathLike, options: UploadOptions, *, filename: str | None = None
) -> Iterator[PreparedFile]:
    """Inspect an audio file; yield it, open and ready to be stored within the block.

    Args:
        path: the file.
        options: how to inspect and prepare it.
        filename: the user's name for it; None: that of the path.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        UnplayableAudioError: it is cut short, damaged, or has no sound.
        SourceChangedError: it changed meanwhile.
        OSError: it cannot be read.
    """
    with ExitStack() as files:
        with _opened(path, options, files, filename) as opened:
            prepared, index_is_last = _prepare_audio(opened, options, files)
            if index_is_last and options.faststart:
                prepared = _with_faststart(prepared, opened, files)
            elif index_is_last:
                prepared = _warned(
                    prepared,
                    "its index is at the end, so players must fetch the whole file first: pass "
                    "faststart=True to move the index to the front",
                )
        yield prepared


@contextmanager
def prepare_image(
    path: PathLike, options: UploadOptions, *, filename: str | None = None
) -> Iterator[PreparedFile]:
    """Inspect an image file; yield it, open and ready to be stored within the block.

    Args:
        path: the file.
        options: how to inspect and prepare it.
        filename: the user's name for it; None: that of the path.

    Raises:
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: it cannot be stored.
        InvalidImageError: it is cut short or too large; or a full check cannot decode it.
        SourceChangedError: it changed meanwhile.
        OSError: it cannot be read.
    """
    with ExitStack() as files:
        with _opened(path, options, files, filename) as opened:
            prepared = _prepare_image(opened, options)
        yield prepared


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that is being inspected."""

    path: Path
    name: str
    """Its file name; bytes that are not UTF-8 as surrogates."""
    stream: FileIO
    stored: StoredFile | None = None
    """What it is, if a store holds it: then only what is read of it is here."""
    fetched: FetchedFile | None = None
    """What it is, if its bytes were written to a file of our own."""

    @property
    def filename(self) -> str:
        """Its file name as text; bytes that are not UTF-8 are replaced."""
        return _text(self.name)

    @property
    def is_named(self) -> bool:
        """Whether its name is its own; if not, its extension is that of its content."""
        return self.fetched is None or self.fetched.is_named

    def inspection(self) -> Inspection:
        """Begin to inspect it, if it is on this machine."""
        is_ours = self.fetched is not None
        return Inspection(self.path, self.stream.fileno(), is_ours=is_ours)

    def require_spooled(self, file: LocalFile) -> None:
        """Require that the file has the bytes that were written to it.

        Raises:
            IntegrityError: it has others.
        """
        written = None if self.fetched is None else self.fetched.crc32c
        if written not in (None, file.crc32c):
            raise IntegrityError(
                f"{self.filename!r} was written to a temporary file with crc32c {written}, and "
                f"read back with {file.crc32c}: check the disk and the memory of this machine"
            )


@contextmanager
def _opened(
    path: PathLike, options: UploadOptions, files: ExitStack, filename: str | None
) -> Iterator[_Opened]:
    """Yield a file, which `files` closes; say of errors in the block what was read."""
    if isinstance(path, FetchedFile):
        stream = FileIO(path.stream.fileno(), closefd=False)
        yield _Opened(Path(path), filename or path.name, stream, fetched=path)
        return
    if isinstance(path, StoredFile):
        stored = files.enter_context(path.opened(options))
        yield _Opened(Path(path.name), filename or path.name, stored, path)
        return
    if not isinstance(path, str | os.PathLike):
        raise InvalidSourceError(f"not a path: {shown(path)}. Give the path of a file")
    local = path if isinstance(path, Path) else Path(path)
    local = local.absolute()  # the working directory may change during the upload
    try:
        try:
            descriptor = _open(local, options, files)
        except SourceNotFoundError:
            if not restore(local):
                raise
            descriptor = _open(local, options, files)
        stream = files.enter_context(FileIO(descriptor, closefd=False))
        yield _Opened(local, filename or local.name, stream)
    except OSError as error:
        error.add_note(f"while reading {str(local)!r}")
        raise


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _open(path: Path, options: UploadOptions, files: ExitStack) -> int:
    limit, remedy = options.max_size_bytes, "pass a larger max_size_bytes to store it"
    return files.enter_context(open_regular(path, max_bytes=limit, remedy=remedy))


def _prepare_audio(
    opened: _Opened, options: UploadOptions, files: ExitStack
) -> tuple[PreparedFile, bool]:
    """Return an audio file ready to be stored, and whether its index follows its sound."""
    preview = files.enter_context(nameless_file()) if options.preview else None
    inspect = partial(
        inspect_audio,
        opened.path,
        opened.stream,
        opened.filename,
        check=options.check,
        fix_extension=options.fix_extension or not opened.is_named,
        artwork=options.artwork == "embedded",
        artwork_max_px=options.thumbnail_max_px,
        faststart=options.faststart,
        analyse=options.analyse,
        preview=None
        if preview is None
        else PreviewTarget(preview.fileno(), options.preview_kbps, options.preview == "all"),
    )
    stored, file = opened.stored, None
    if stored is not None:
        found = inspect()
        source: Source = stored.source
    else:
        with opened.inspection() as inspection:
            with inspection.explaining():
                found = inspect(
                    on_audio_data=lambda data: inspection.begin(data.add if data else None)
                )
            file = inspection.finish()
        opened.require_spooled(file)
        source = OpenFile(file, opened.stream)
    name = opened.name if opened.is_named else f"{opened.name}{found.extension}"
    data = found.audio_data.result() if found.audio_data else None
    facts = facts_of(found.info) if found.info and found.info.duration_s else {}
    artwork = _embedded_artwork(opened.filename, found.artwork) if found.artwork else None
    analysis, derived = _analysis_of(found)
    if found.analysis and found.analysis.preview and preview is not None:
        from audiostore.ingest.previews import preview_of  # noqa: PLC0415  (few uploads make one)

        derived = (*derived, preview_of(opened.path, preview, found.analysis.preview))
    prepared = PreparedFile(
        source=source,
        file=file,
        format_name=found.format_name,
        extension=found.extension,
        content_type=found.content_type,
        filename=_text(name),
        facts={
            **facts,
            **(audio_data_facts(*data) if data else {}),
            **analysis,
            **filename_metadata(name),
        },
        info=found.info,
        artwork=artwork and _placed(artwork, stored),
        derived=derived,
    )
    prepared = _placed(prepared, stored)
    for oddity in found.warnings:
        prepared = _warned(prepared, f"it {oddity}")
    if found.artwork_problem:
        prepared = _warned(prepared, f"its embedded picture is not usable: {found.artwork_problem}")
    return prepared, found.index_is_last


def _analysis_of(found: InspectedAudio) -> tuple[dict[str, str], tuple[MarkedFile, ...]]:
    """Return what was measured: facts to store with the audio, and what is stored next to it."""
    if found.analysis is None:
        return {}, ()
    from audiostore.ingest.analysing import (  # noqa: PLC0415  (few uploads analyse)
        analysis_of,
        waveform_of,
    )

    analysis = analysis_of(found.analysis)
    return (analysis.metadata, (waveform_of(found.analysis),)) if analysis else ({}, ())


def _prepare_image(opened: _Opened, options: UploadOptions) -> PreparedFile:
    inspect = partial(
        inspect_image,
        opened.path,
        opened.stream,
        opened.filename,
        check=options.check,
        fix_extension=options.fix_extension or not opened.is_named,
        max_px=options.thumbnail_max_px,
    )
    if (stored := opened.stored) is not None:
        found = inspect()
        if found.data is not None and BytesSource(found.data).crc32c != stored.source.crc32c:
            raise stored.source.damaged()
        copied = stored.source if found.scaled is None else BytesSource(found.scaled)
        return _placed(_prepared_image(copied, None, opened.filename, found), stored)
    inspection = opened.inspection()
    with inspection.explaining():
        found = inspect()
    file = inspection.finish()
    opened.require_spooled(file)
    if found.data is not None and BytesSource(found.data).crc32c != file.crc32c:
        raise changed_while_read(opened.path)
    source = OpenFile(file, opened.stream) if found.scaled is None else BytesSource(found.scaled)
    name = opened.filename if opened.is_named else f"{opened.filename}{found.extension}"
    return _prepared_image(source, file, name, found)


def _embedded_artwork(audio_name: str, found: InspectedImage) -> PreparedFile:
    data = found.data if found.scaled is None else found.scaled
    filename = f"{PurePath(audio_name).stem}{found.extension}"
    prepared = _prepared_image(BytesSource(data or b""), None, filename, found)
    return replace(prepared, is_embedded=True)


def _placed(prepared: PreparedFile, stored: StoredFile | None) -> PreparedFile:
    """Return a file with the storage class and the key that were asked for."""
    if stored is None:
        return prepared
    return replace(prepared, storage_class=stored.storage_class, kms_key=stored.kms_key)


def _prepared_image(
    source: Source, file: LocalFile | None, filename: str, found: InspectedImage
) -> PreparedFile:
    return PreparedFile(
        source, file, found.format_name, found.extension, found.content_type, filename, {}
    )


def _with_faststart(prepared: PreparedFile, opened: _Opened, files: ExitStack) -> PreparedFile:
    """Return an audio file with its index moved to the front, in a file without a name."""
    if prepared.file is None:
        raise ValueError(f"{prepared.filename!r} is not a local file")
    target = files.enter_context(nameless_file())
    with Inspection(opened.path, opened.stream.fileno()).explaining():
        write_faststart(opened.stream, target)
    target.flush()
    prepared.file.require_same(opened.stream.fileno())
    rewritten = LocalFile.of_open(opened.path, target.fileno())
    return replace(prepared, source=OpenFile(rewritten, target))


@contextmanager
def nameless_file() -> Iterator[BinaryIO]:
    """Yield a file without a name, of which nothing is left after the block, or after a kill."""
    import tempfile  # noqa: PLC0415  (imports compression, and few uploads need it)

    folder = tempfile.gettempdir()
    with explained(folder), tempfile.TemporaryFile(prefix="audiostore-", dir=folder) as file:
        yield cast("BinaryIO", file)


def _warned(prepared: PreparedFile, warning: str) -> PreparedFile:
    return replace(prepared, warnings=(*prepared.warnings, f"{prepared.filename!r}: {warning}"))
