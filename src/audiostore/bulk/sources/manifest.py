"""A list of what to store, in a file: validated whole, then read once more.

CSV with a header row, or JSON Lines. The column ``audio`` names a file; ``thumbnail`` and ``id``
are known as well; every other column is metadata to be kept with it. Paths are relative to the
manifest's folder.

A manifest of a million lines is never held in memory: 24 bytes a line tell what is there twice.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from audiostore.asset import check_custom_metadata, file_metadata, require_audio_id
from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources.folders import AUDIO_EXTENSIONS, IMAGE_EXTENSIONS
from audiostore.bulk.sources.repeats import Lines, Repeats
from audiostore.bulk.sources.rows import AUDIO, ID, THUMBNAIL, Problem, Row, Tell, read_rows
from audiostore.errors import InvalidAudioIdError, InvalidMetadataError, SourceChangedError
from audiostore.sources import BytesSource, LocalFile

__all__ = ["Manifest", "Problem", "check_manifest"]

_ROWS_BETWEEN_LOOKS = 1_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was validated."""

    file: LocalFile
    count: int
    """How many assets it lists."""
    size_bytes: int
    """Of all the files that it names, covers as often as they are named."""
    errors: int
    warnings: int
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What every asset gets, unless its line says otherwise."""
    sharing: Lines = field(default_factory=Lines, hash=False)
    """Those that name a thumbnail which others name too, where files are to be cleaned up."""

    def items(self) -> Iterator[BulkItem]:
        """Yield what it lists, in its order.

        Raises:
            SourceChangedError: the manifest is no longer what was validated.
            ValueError: it has errors.
        """
        if self.errors:
            raise ValueError(f"{str(self.file.path)!r} has {self.errors} errors: nothing to store")
        if LocalFile.snapshot(self.file.path) != self.file:
            self._changed()
        with self.file.path.open("rb") as stream:
            rows = read_rows(self.file.path, stream, lambda _: self._changed())
            for number, row in enumerate(rows):
                if number % _ROWS_BETWEEN_LOOKS == 0:
                    self._look(stream.fileno())
                item = _item(self.file.path, row, self.metadata)
                yield replace(item, keeps_thumbnail=True) if row.line in self.sharing else item
            self._look(stream.fileno())

    def _look(self, descriptor: int) -> None:
        if not self.file.is_same(os.fstat(descriptor)):
            self._changed()

    def _changed(self) -> NoReturn:
        raise SourceChangedError(
            f"the manifest {str(self.file.path)!r} changed since it was checked: run the command "
            "again when nothing writes to it any more"
        )


def check_manifest(
    path: Path,
    tell: Tell,
    *,
    metadata: Mapping[str, str] | None = None,
    fix_extension: bool = False,
    cleanup: bool = False,
    on_row: Callable[[int], None] = lambda _: None,
) -> Manifest:
    """Read a manifest from its first line to its last, and look at every file that it names.

    Args:
        path: the manifest.
        tell: told of every problem; what is there twice comes last.
        metadata: what every asset gets, unless its line says otherwise.
        fix_extension: file names may have any extension.
        cleanup: files are deleted once they are stored: those that are missing are no error, as
            an earlier run may have stored them; an audio file that several lines name is one.
            A thumbnail that several name is kept.
        on_row: told how many rows were looked at.

    Raises:
        InvalidMetadataError: `metadata` cannot be kept.
        SourceChangedError: it changed meanwhile.
        SourceNotFoundError, InvalidSourceError, OSError: it cannot be read.
    """
    common = check_custom_metadata(metadata)
    file = LocalFile.snapshot(path)
    counts = {False: 0, True: 0}

    def told(problem: Problem) -> None:
        counts[problem.is_warning] += 1
        tell(problem)

    ids, audios, thumbnails = Repeats(), Repeats(), Repeats()
    count = size_bytes = 0
    with path.open("rb") as stream:
        for row in read_rows(path, stream, told):
            count += 1
            on_row(count)
            if ID in row.fields:
                ids.add(row.fields[ID], row.line)
            if AUDIO not in row.fields:
                told(Problem(row.line, "no audio file is named"))
                continue
            item = _item(path, row, common)
            audios.add(os.path.abspath(item.audio), row.line)  # noqa: PTH100  (resolves no links)
            if cleanup and item.thumbnail is not None:
                thumbnails.add(os.path.abspath(item.thumbnail), row.line)  # noqa: PTH100
            look = _look_at(item, fix_extension=fix_extension, may_be_gone=cleanup)
            size_bytes += look.size_bytes
            for message in look.problems:
                told(Problem(row.line, message))
    for line, first in ids:
        told(Problem(line, f"the same id as in line {first}"))
    gone = ", which would be deleted when that is stored" if cleanup else ""
    for line, first in audios:
        same = f"the same audio file as in line {first}{gone}"
        told(Problem(line, same, is_warning=not cleanup))
    sharing = Lines()
    for line, first in thumbnails.pairs():
        sharing.add(line)
        sharing.add(first)
    if LocalFile.snapshot(path) != file:
        raise SourceChangedError(
            f"the manifest {str(path)!r} changed while it was checked: try again when nothing "
            "writes to it any more"
        )
    return Manifest(file, count, size_bytes, counts[False], counts[True], common, sharing)


def _item(manifest: Path, row: Row, common: Mapping[str, str]) -> BulkItem:
    own = {k: v for k, v in row.fields.items() if k not in (AUDIO, THUMBNAIL, ID)}
    thumbnail = row.fields.get(THUMBNAIL)
    return BulkItem(
        audio=manifest.parent / row.fields[AUDIO],
        thumbnail=manifest.parent / thumbnail if thumbnail else None,
        audio_id=row.fields.get(ID),
        metadata={**common, **own},
        origin=f"{manifest.name}, line {row.line}",
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """What can be seen of an item without opening its files."""

    problems: list[str]
    size_bytes: int


def _look_at(item: BulkItem, *, fix_extension: bool, may_be_gone: bool) -> _Look:
    problems: list[str] = []
    if item.audio_id is not None:
        try:
            require_audio_id(item.audio_id)
        except InvalidAudioIdError as error:
            problems.append(str(error))
    try:
        custom = check_custom_metadata(item.metadata)
        if sum(map(len, custom)) + sum(map(len, custom.values())) > _SURELY_FITS:
            name = item.audio.name.encode("utf-8", "replace").decode()
            file_metadata(_SOME_ID, "audio", name, _SOME_BYTES, custom)
    except InvalidMetadataError as error:
        problems.append(str(error))
    audio_bytes = _size_of(item.audio, problems, may_be_gone=may_be_gone)
    if not fix_extension and item.audio.suffix.lower() not in AUDIO_EXTENSIONS:
        problems.append(_wrong_extension("audio", item.audio, sorted(AUDIO_EXTENSIONS)))
    thumbnail_bytes: int | None = 0
    if item.thumbnail is not None:
        thumbnail_bytes = _size_of(item.thumbnail, problems, may_be_gone=may_be_gone)
        if not fix_extension and item.thumbnail.suffix.lower() not in IMAGE_EXTENSIONS:
            problems.append(_wrong_extension("image", item.thumbnail, IMAGE_EXTENSIONS))
    return _Look(problems, (audio_bytes or 0) + (thumbnail_bytes or 0))


def _size_of(path: Path, problems: list[str], *, may_be_gone: bool) -> int | None:
    """Return the size of a file; or add what is wrong with it, and return None."""
    wrong: str
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if may_be_gone:
            return 0
        wrong = f"no file at {str(path)!r}"
    except ValueError as error:  # a NUL, or what no file name can be encoded from
        wrong = f"{str(path)!r} cannot be a path: {error}"
    except OSError as error:
        wrong = f"{str(path)!r}: {error.strerror}"
    else:
        if stat.S_ISREG(status.st_mode):
            if status.st_size and os.access(path, os.R_OK):
                return status.st_size
            wrong = f"{str(path)!r} {'may not be read' if status.st_size else 'is empty'}"
        else:
            wrong = f"{str(path)!r} is no file"
    problems.append(wrong)
    return None


def _wrong_extension(kind: str, path: Path, known: Sequence[str]) -> str:
    return f"{path.name!r}: {kind} files we store end in {' '.join(known)}"


_SOME_ID = "00000000-0000-4000-8000-000000000000"
_SOME_BYTES = BytesSource(b"")
_SURELY_FITS = 1_000
"""Characters, of 4 bytes at most: with all that we add, half of what an object's metadata holds."""
