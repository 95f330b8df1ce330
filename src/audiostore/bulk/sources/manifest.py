"""A manifest: a file that lists the assets to upload. It is checked completely, then read again.

CSV or TSV with a header, JSON Lines, or Parquet. The column ``audio`` names a file; ``thumbnail``,
``id`` and ``supersedes`` are optional; every other column is custom metadata. Paths are relative to
the manifest's directory, in any Unicode form.

A manifest of a million lines is never held in memory: 24 bytes per line are enough to find
duplicates.
"""

import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from audiostore.asset import check_custom_metadata, file_metadata, require_audio_id
from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources.columns import (
    AUDIO,
    COLUMNS,
    ID,
    SUPERSEDES,
    THUMBNAIL,
    ColumnNames,
)
from audiostore.bulk.sources.duplicates import Duplicates, LineSet
from audiostore.bulk.sources.kinds import AUDIO_EXTENSIONS, IMAGE_EXTENSIONS
from audiostore.bulk.sources.rows import ManifestProblem, ManifestProblemListener, Row, Unit
from audiostore.bulk.sources.tables import ManifestFormat, format_of, read_rows, unit_of
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import (
    InvalidAudioIdError,
    InvalidMetadataError,
    InvalidSourceError,
    SourceChangedError,
)
from audiostore.localfiles import LocalFile, open_regular
from audiostore.pathforms import on_disk
from audiostore.sourcepaths import is_source_path, is_url
from audiostore.sources import BytesSource

if TYPE_CHECKING:
    from audiostore.remotefiles import RemoteFile

_CHANGE_CHECK_ROWS = 1_000
_MAX_BYTES = 100 << 30
"""Sparse files of any size take no room on a disk."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest. `items` reads it again."""

    count: int
    """How many assets it lists."""
    size_bytes: int
    """Total size of the files that it names; a cover counts as often as it is named."""
    errors: int
    warnings: int
    metadata: Mapping[str, str] = field(hash=False)
    """Metadata for every asset, unless its row says otherwise."""
    _format: ManifestFormat
    _names: ColumnNames
    _file: LocalFile
    _shared_thumbnails: LineSet = field(compare=False)
    """With cleanup, the rows whose thumbnail other rows name, too."""
    _looks_at_files: bool = True

    @property
    def path(self) -> Path:
        """The manifest file."""
        return self._file.path

    def items(self) -> Iterator[BulkItem]:
        """Yield its assets, in order.

        Raises:
            SourceChangedError: the manifest has changed since it was checked.
            ValueError: it has errors.
        """
        unit = unit_of(self._format)
        for row in self._rows():
            item = _item(self.path, row, self.metadata, unit, looks=self._looks_at_files)
            is_shared = row.line in self._shared_thumbnails
            yield replace(item, keeps_thumbnail=True) if is_shared else item

    def rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield each row as it is written, with its line: its fields that are not empty, by name.

        Raises:
            SourceChangedError: the manifest has changed since it was checked.
            ValueError: it has errors.
        """
        for row in self._rows():
            yield row.line, row.fields

    def _rows(self) -> Iterator[Row]:
        if self.errors:
            raise ValueError(f"the manifest {str(self.path)!r} has {self.errors} errors")
        with _opened(self.path) as stream:
            if LocalFile.of_open(self.path, stream.fileno()) != self._file:
                raise _changed(self.path)
            rows = read_rows(self.path, stream, self._format, self._names, self._refuse)
            for number, row in enumerate(rows):
                if number % _CHANGE_CHECK_ROWS == 0:
                    self._require_unchanged(stream.fileno())
                yield row
            self._require_unchanged(stream.fileno())

    def _require_unchanged(self, descriptor: int) -> None:
        if not self._file.is_same(os.fstat(descriptor)):
            raise _changed(self.path)

    def _refuse(self, _: ManifestProblem) -> NoReturn:
        """Refuse a problem that was not there when the manifest was checked."""
        raise _changed(self.path)


def check_manifest(
    path: Path,
    on_problem: ManifestProblemListener,
    *,
    metadata: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    ignored_columns: Collection[str] = (),
    fix_extension: bool = False,
    cleanup: bool = False,
    looks_at_files: bool = True,
    on_row: Callable[[int], None] = lambda _: None,
) -> Manifest:
    """Read a manifest from start to end, and look at every file that it names.

    Args:
        path: the manifest.
        on_problem: called with every problem; duplicates come last.
        metadata: metadata for every asset, unless its row says otherwise.
        columns: by our name (audio, thumbnail, id, supersedes) or key of the metadata, the column
            that holds it: ``{"audio": "wav", "title": "name"}``. All others go by their own names.
        ignored_columns: names of columns that are left out.
        fix_extension: allow any file name extension.
        cleanup: local files are deleted once they are stored. So a missing file is allowed, as an
            earlier run may have stored it, but an audio file that several rows name is an error.
            A thumbnail that several rows name is kept.
        looks_at_files: if not, no file is looked at, and names stay as they are written: another
            machine, or a later step, does it. `size_bytes` of the manifest is 0.
        on_row: called with the number of each row, from 1, before it is checked.

    Raises:
        InvalidMetadataError: `metadata` is not valid, or a key of `columns`.
        ConfigurationError: it is in Parquet, and pyarrow is not installed.
        SourceChangedError: the manifest changed meanwhile.
        SourceNotFoundError, InvalidSourceError, OSError: it cannot be read.
    """
    common = check_custom_metadata(metadata)
    names = ColumnNames.of(columns, ignored_columns)
    with _opened(path) as stream:
        file = LocalFile.of_open(path, stream.fileno())
        form = format_of(path, stream)
        check = _Check(
            path,
            common,
            on_problem,
            unit=unit_of(form),
            fix_extension=fix_extension,
            cleanup=cleanup,
            looks=looks_at_files,
        )
        for row in read_rows(path, stream, form, names, check.report):
            on_row(check.count + 1)
            check.add(row)
        shared_thumbnails = check.finish()
        if LocalFile.of_open(path, stream.fileno()) != file:
            raise _changed(path)
    return Manifest(
        check.count,
        check.size_bytes,
        check.errors,
        check.warnings,
        common,
        form,
        names,
        file,
        shared_thumbnails,
        looks_at_files,
    )


class _Check:
    """The state of checking a manifest, row by row."""

    def __init__(
        self,
        path: Path,
        common: Mapping[str, str],
        on_problem: ManifestProblemListener,
        *,
        unit: Unit,
        fix_extension: bool,
        cleanup: bool,
        looks: bool,
    ) -> None:
        self.count = self.size_bytes = self.errors = self.warnings = 0
        self._path = path
        self._common = common
        self._on_problem = on_problem
        self._unit: Unit = unit
        self._fix_extension = fix_extension
        self._cleanup = cleanup
        self._looks = looks
        self._ids, self._audios, self._thumbnails = Duplicates(), Duplicates(), Duplicates()
        self._superseded = Duplicates()

    def report(self, problem: ManifestProblem) -> None:
        """Count and report a problem."""
        if problem.is_warning:
            self.warnings += 1
        else:
            self.errors += 1
        self._on_problem(replace(problem, unit=self._unit))

    def add(self, row: Row) -> None:
        """Check a row."""
        self.count += 1
        if ID in row.fields:
            self._ids.add(row.fields[ID], row.line)
        if SUPERSEDES in row.fields:
            self._superseded.add(row.fields[SUPERSEDES], row.line)
        if AUDIO not in row.fields:
            self.report(ManifestProblem(row.line, "no audio file"))
            return
        try:
            item = _item(self._path, row, self._common, self._unit, looks=self._looks)
        except InvalidSourceError as error:
            self.report(ManifestProblem(row.line, str(error)))
            return
        if item.remote_audio is not None:
            self._audios.add(item.remote_audio.url, row.line)
        else:
            self._audios.add(os.path.abspath(item.audio), row.line)  # noqa: PTH100  (keeps links)
        if self._cleanup and item.is_remote:
            self.report(ManifestProblem(row.line, "a remote file cannot be deleted"))
        if self._cleanup and item.thumbnail is not None:
            self._thumbnails.add(os.path.abspath(item.thumbnail), row.line)  # noqa: PTH100
        problems: list[str] = []
        self.size_bytes += _check_item(
            item,
            problems,
            fix_extension=self._fix_extension,
            allow_missing=self._cleanup,
            looks=self._looks,
        )
        for message in problems:
            self.report(ManifestProblem(row.line, message))

    def finish(self) -> LineSet:
        """Report duplicates; return the rows whose thumbnail other rows name, too."""
        for line, first in self._ids:
            self.report(ManifestProblem(line, f"same id as in {self._unit} {first}"))
        for line, first in self._superseded:
            self.report(ManifestProblem(line, f"supersedes the same asset as {self._unit} {first}"))
        deleted = ", which would be deleted when that is stored" if self._cleanup else ""
        for line, first in self._audios:
            message = f"same audio file as in {self._unit} {first}{deleted}"
            self.report(ManifestProblem(line, message, is_warning=not self._cleanup))
        shared = LineSet()
        for line, first in self._thumbnails.pairs():
            shared.add(line)
            shared.add(first)
        return shared


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with (
        open_regular(path, max_bytes=_MAX_BYTES, remedy="split it") as descriptor,
        open(descriptor, "rb", closefd=False) as stream,
    ):
        yield stream


def _changed(path: Path) -> SourceChangedError:
    return SourceChangedError(
        f"the manifest {str(path)!r} has changed since it was checked: try again when nothing "
        "writes to it",
        path=path,
    )


def _item(
    manifest: Path, row: Row, common: Mapping[str, str], unit: Unit, *, looks: bool
) -> BulkItem:
    own = {k: v for k, v in row.fields.items() if k not in COLUMNS}
    audio, thumbnail = row.fields[AUDIO], row.fields.get(THUMBNAIL)
    remote = _remote(audio)
    remote_cover = _remote(thumbnail) if thumbnail else None
    if remote is None:
        audio = on_disk(audio, manifest.parent) if looks else audio
        source_path = _source_path(manifest.parent, audio)
    else:
        audio, source_path = remote.name, remote.source_path
    cover = None
    if thumbnail and remote_cover is None:
        cover = manifest.parent / (on_disk(thumbnail, manifest.parent) if looks else thumbnail)
    return BulkItem(
        audio=manifest.parent / audio if remote is None else Path(audio),
        thumbnail=cover,
        audio_id=row.fields.get(ID),
        supersedes=row.fields.get(SUPERSEDES),
        metadata={**common, **own},
        origin=f"{manifest.name}, {unit} {row.line}",
        source_path=source_path,
        remote_audio=remote,
        remote_thumbnail=remote_cover,
    )


def _remote(place: str) -> "RemoteFile | None":
    if not is_url(place):
        return None
    from audiostore.remotefiles import RemoteFile  # noqa: PLC0415  (few manifests need it)

    return RemoteFile(place)


def _source_path(folder: Path, named: str) -> str | None:
    """Return where a file is below the manifest's directory; None if it is elsewhere."""
    relative = named
    if os.path.isabs(named):  # noqa: PTH117  (a row may hold what no path can)
        relative = os.path.relpath(named, folder.absolute())
    path = os.path.normpath(relative).replace(os.sep, "/")
    return path if is_source_path(path) else None


def _check_item(
    item: BulkItem,
    problems: list[str],
    *,
    fix_extension: bool,
    allow_missing: bool,
    looks: bool,
) -> int:
    """Check what can be seen without opening files; add problems; return the files' size."""
    for audio_id in (item.audio_id, item.supersedes):
        if audio_id is not None:
            try:
                require_audio_id(audio_id)
            except InvalidAudioIdError as error:
                problems.append(str(error))
    if item.supersedes is not None and item.supersedes == item.audio_id:
        problems.append(f"{item.supersedes} cannot supersede itself")
    try:
        custom = check_custom_metadata(item.metadata)
        if sum(map(len, custom)) + sum(map(len, custom.values())) > _SURELY_FITS:
            name = item.audio.name.encode("utf-8", "replace").decode()
            file_metadata(_SOME_ID, "audio", name, _SOME_BYTES, custom)
    except InvalidMetadataError as error:
        problems.append(str(error))
    files: list[tuple[str, Path | RemoteFile, Sequence[str]]] = [
        ("audio", item.remote_audio or item.audio, _AUDIO_EXTENSIONS)
    ]
    if (cover := item.remote_thumbnail or item.thumbnail) is not None:
        files.append(("image", cover, IMAGE_EXTENSIONS))
    size_bytes = 0
    for kind, path, extensions in files:
        if looks and isinstance(path, Path):
            size_bytes += _check_file(path, problems, allow_missing=allow_missing)
        if not fix_extension and path.suffix.lower() not in extensions:
            problems.append(
                f"{path.name!r}: unsupported {kind} extension (supported: {' '.join(extensions)})"
            )
    return size_bytes


def _check_file(path: Path, problems: list[str], *, allow_missing: bool) -> int:
    """Return the size of a file; or add what is wrong with it, and return 0."""
    problem: str
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if allow_missing:
            return 0
        problem = f"no file at {str(path)!r}"
    except ValueError as error:  # a NUL, or characters that no file name can have
        problem = f"{str(path)!r} is not a valid path: {error}"
    except OSError as error:
        problem = f"{str(path)!r}: {error.strerror}"
    else:
        if not stat.S_ISREG(status.st_mode):
            problem = f"{str(path)!r} is not a regular file"
        elif not status.st_size:
            problem = f"{str(path)!r} is empty"
        elif not os.access(path, os.R_OK):
            problem = f"{str(path)!r}: permission denied"
        else:
            return status.st_size
    problems.append(problem)
    return 0


_AUDIO_EXTENSIONS = sorted(AUDIO_EXTENSIONS)
_SOME_ID = "00000000-0000-4000-8000-000000000000"
_SOME_BYTES = BytesSource(b"")
_SURELY_FITS = 1_000
"""Characters, of 4 bytes at most: with all that we add, half of what an object may have."""
