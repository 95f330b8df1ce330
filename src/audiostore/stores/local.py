"""A store in a directory: the same names, the same guarantees, no account.

Each object is a file under its own name; beside it, hidden, stands one small JSON file with its
metadata. The two are paired by the object's generation, which is at once the file's modification
time (in microseconds) and part of the JSON file's name::

    audio/{id}/audio.mp3                          modified at 1764000000.123456
    audio/{id}/.audio.mp3.1764000000123456.json

The metadata is in place before the file is linked or renamed to its name, so that single step
publishes both. A kill before it leaves nothing that a reader sees; a kill after it leaves at most
metadata of a generation that is gone. Copies that keep times (``cp -a``, ``rsync -a``) are stores
as well. Writers of all processes take turns by a lock on one file; readers need none.
"""

import base64
import errno
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import google_crc32c

from audiostore.errors import (
    BlobNotFoundError,
    ConfigurationError,
    IntegrityError,
    PreconditionFailedError,
)
from audiostore.log import logger
from audiostore.model import BlobInfo, with_metadata
from audiostore.source import Source, encode_crc32c
from audiostore.store import (
    BlobReader,
    BlobSpec,
    Finding,
    TransferListener,
    Transferred,
    spec_of,
)

_PRIVATE = ".audiostore"
_PIECE_BYTES = 1 << 20
_ABANDONED_AFTER_S = 3600.0
_READ_RACES = 100
# Nothing there, a file where a folder should be, a socket, links in a circle.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ELOOP)


class LocalStore:
    """Objects as files below `root`, which is made when the first one is stored.

    Safe to use from many threads and processes. Needs a file system with hard links, advisory
    locks and modification times in microseconds.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._swept = False

    @property
    def url(self) -> str:
        """``file:///directory``."""
        return self._root.as_uri()

    def uri(self, name: str) -> str:
        """Return the ``file://`` URI of an object."""
        return self._path(name).as_uri()

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        """Write an object (see `ObjectStore.put`)."""
        self._require_generation(spec.name, if_generation_match)
        with closing(source.open()) as reader, self._new_file(spec.name) as data:
            content = data.fill(reader.read, on_transfer)
            return self._commit(spec, data, content, if_generation_match)

    def open(self, blob: BlobInfo, *, start: int = 0) -> BlobReader:
        """Read an object (see `ObjectStore.open`)."""
        descriptor, info = self._open(blob.name)
        if info.generation != blob.generation:
            os.close(descriptor)
            raise self._no_generation(blob)
        os.lseek(descriptor, start, os.SEEK_SET)
        return _FileReader(descriptor)

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description."""
        descriptor, info = self._open(name)
        os.close(descriptor)
        return info

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects under a prefix in the order of their names' bytes.

        Memory: the names in the folders on the way, not the objects.
        """
        if self._unfinished.is_dir() and any(self._unfinished.iterdir()):
            with suppress(PermissionError), self._locked():
                pass  # a deletion that was killed is finished by whoever comes next
        folder = prefix.rpartition("/")[0]
        if any(not part or part.startswith(".") for part in folder.split("/") if folder):
            return
        for name in self._walk(folder, prefix, start_after):
            with suppress(BlobNotFoundError):
                yield self.stat(name)

    def update(self, blob: BlobInfo, metadata: Mapping[str, str | None]) -> BlobInfo:
        """Set custom metadata keys (see `ObjectStore.update`)."""
        path = self._path(blob.name)
        with self._locked():
            present = self.stat(blob.name)
            if (present.generation, present.metageneration) != (
                blob.generation,
                blob.metageneration,
            ):
                raise PreconditionFailedError(f"{self.uri(blob.name)} was changed meanwhile")
            info = with_metadata(present, metadata)
            with self._temporary() as temporary:
                _write_metadata(temporary, info)
                temporary.path.rename(_metadata_path(path, info.generation))
            _sync(path.parent)
        return info

    def copy(self, source: BlobInfo, target: str, *, if_generation_match: int = 0) -> BlobInfo:
        """Copy an object (see `ObjectStore.copy`).

        Raises:
            IntegrityError: the source is damaged; nothing was committed.
        """
        descriptor, present = self._open(source.name)
        with closing(_FileReader(descriptor)) as reader, self._new_file(target) as data:
            if present.generation != source.generation:
                raise self._no_generation(source)
            self._require_generation(target, if_generation_match)
            content = data.fill(reader.read, None)
            if (content.size_bytes, content.crc32c) != (present.size_bytes, present.crc32c):
                raise IntegrityError(f"{self.uri(source.name)} is damaged: it was not copied")
            return self._commit(spec_of(present, target), data, content, if_generation_match)

    def delete(self, blob: BlobInfo) -> None:
        """Delete an object (see `ObjectStore.delete`)."""
        path = self._path(blob.name)
        with self._locked():
            self.stat(blob.name)
            self._require_generation(blob.name, blob.generation)
            with self._temporary() as note:
                note.write(blob.name.encode())
                unfinished = self._unfinished / note.path.name
                _make_folder(self._unfinished)
                note.path.rename(unfinished)
            path.unlink()
            _sync(path.parent)
            self._remove_rest(path)
            unfinished.unlink()

    def diagnose(self) -> Iterator[Finding]:
        """Try what storing needs: a folder, a lock, a link, exact times."""
        yield Finding("store", ok=True, detail=f"the directory {self._root}")
        try:
            with self._locked(), self._temporary() as temporary:
                temporary.set_time(time.time_ns() // 1000)
                link = temporary.path.with_suffix(".link")
                os.link(temporary.path, link)
                link.unlink()
        except (OSError, ConfigurationError) as error:
            remedy = "choose another directory with --bucket file:///DIR, or mend its permissions"
            yield Finding("write", ok=False, detail=str(error), remedy=remedy)
            return
        yield Finding("write", ok=True, detail="files can be written, locked and linked")
        space = os.statvfs(self._root)
        free_gib = space.f_bavail * space.f_frsize / 2**30
        yield Finding(
            "space",
            ok=free_gib >= 1,
            detail=f"{free_gib:.1f} GiB free",
            remedy="" if free_gib >= 1 else "free some space on this file system",
        )

    def close(self) -> None:
        """Nothing is held open between calls."""

    def _commit(
        self, spec: BlobSpec, data: "_Temporary", content: "_Content", if_generation_match: int
    ) -> BlobInfo:
        data.sync()
        with self._locked(), self._temporary() as metadata:
            present = self._require_generation(spec.name, if_generation_match)
            # Taken under the lock, generations grow in the order of publication.
            generation = max(time.time_ns() // 1000, present + 1)
            info = BlobInfo(
                name=spec.name,
                size_bytes=content.size_bytes,
                content_type=spec.content_type,
                crc32c=content.crc32c,
                generation=generation,
                metageneration=1,
                storage_class="STANDARD",
                created_at=_moment(generation),
                md5_hash=content.md5_hash,
                metadata=dict(spec.metadata),
                cache_control=spec.cache_control,
                content_disposition=spec.content_disposition,
            )
            data.set_time(generation)
            data.sync()
            _write_metadata(metadata, info)
            _publish(self._path(spec.name), data, metadata, info, replaces=present > 0)
        return info

    @contextmanager
    def _new_file(self, name: str) -> Iterator["_Temporary"]:
        """Yield a file for the bytes of an object that is to be stored."""
        try:
            with self._temporary() as data:
                yield data
        except OSError as error:
            error.add_note(f"while storing {self.uri(name)}")
            raise

    def _require_generation(self, name: str, generation: int) -> int:
        try:
            present = self.stat(name).generation
        except BlobNotFoundError:
            present = 0
        if present != generation:
            raise PreconditionFailedError(
                f"{self.uri(name)} has generation {present}, not {generation} (0: does not exist)"
            )
        if not present and os.path.lexists(path := self._path(name)):
            raise PreconditionFailedError(
                f"{path} exists, but is no object of this store: move it away"
            )
        return present

    def _no_generation(self, blob: BlobInfo) -> BlobNotFoundError:
        return BlobNotFoundError(f"no {self.uri(blob.name)} of generation {blob.generation}")

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if any(not part or part.startswith(".") or "\0" in part for part in parts):
            raise ValueError(f"object name {name!r} cannot be a file below a directory")
        return self._root.joinpath(*parts)

    def _open(self, name: str) -> tuple[int, BlobInfo]:
        path = self._path(name)
        unpaired: tuple[int, int] | None = None
        for _ in range(_READ_RACES):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                if error.errno not in _NO_FILE:
                    raise
                raise BlobNotFoundError(f"no object {self.uri(name)}") from None
            try:
                status = os.fstat(descriptor)
                info = _read_metadata(path, name, status)
            except BaseException:
                os.close(descriptor)
                raise
            if info is not None:
                return descriptor, info
            os.close(descriptor)
            if unpaired == (status.st_ino, status.st_mtime_ns):
                break
            unpaired = (status.st_ino, status.st_mtime_ns)  # perhaps replaced just now: look again
        raise BlobNotFoundError(f"{path} is no object of this store (no metadata beside it)")

    @property
    def _unfinished(self) -> Path:
        """Folder of notes on deletions that are under way, each holding an object's name."""
        return self._root / _PRIVATE / "deleting"

    def _finish_deletions(self) -> None:
        """Complete the deletions of processes that were killed; for the lock's holder."""
        try:
            notes = list(self._unfinished.iterdir())
        except FileNotFoundError:
            return
        for note in notes:
            path = self._path(note.read_text("utf-8"))
            if not path.exists():
                self._remove_rest(path)
            note.unlink()

    def _remove_rest(self, path: Path) -> None:
        """Remove what is left of an object whose bytes are gone."""
        if not path.parent.is_dir():
            return
        for metadata in _metadata_files(path):
            metadata.unlink()
        with suppress(OSError):  # other objects are in the folder
            path.parent.rmdir()

    def _walk(self, folder: str, prefix: str, start_after: str) -> Iterator[str]:
        after = start_after.encode()
        try:
            with os.scandir(self._root / folder) as entries:
                found = sorted(
                    f"{entry.name}/" if entry.is_dir() else entry.name
                    for entry in entries
                    if not entry.name.startswith(".") and _is_text(entry.name)
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry_name in found:
            name = f"{folder}/{entry_name}" if folder else entry_name
            if not name.endswith("/"):
                if name.startswith(prefix) and name.encode() > after:
                    yield name
            elif (name.startswith(prefix) or prefix.startswith(name)) and (
                name.encode() > after or start_after.startswith(name)
            ):
                yield from self._walk(name[:-1], prefix, start_after)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        _make_folder(self._root / _PRIVATE)
        descriptor = os.open(
            self._root / _PRIVATE / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._finish_deletions()
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _temporary(self) -> Iterator["_Temporary"]:
        folder = self._root / _PRIVATE / "tmp"
        _make_folder(folder)
        self._sweep(folder)
        path = folder / os.urandom(16).hex()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with ExitStack() as stack:
            descriptor = os.open(path, flags, 0o666)
            stack.callback(path.unlink, missing_ok=True)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # a sign of life, see _sweep
            yield _Temporary(path, descriptor)

    def _sweep(self, folder: Path) -> None:
        """Delete the temporary files of writers that were killed."""
        if self._swept:
            return
        self._swept = True
        for path in folder.iterdir():
            with suppress(FileNotFoundError, BlockingIOError):
                if time.time() - path.stat().st_ctime < _ABANDONED_AFTER_S:
                    continue
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    logger.debug("removed the abandoned temporary file %s", path)
                finally:
                    os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Content:
    """What was written to a file."""

    size_bytes: int
    crc32c: str
    md5_hash: str


@dataclass(frozen=True, slots=True)
class _Temporary:
    """A file that is being written and deletes itself, unless it was renamed."""

    path: Path
    descriptor: int

    def fill(self, read: Callable[[int], bytes], on_transfer: TransferListener | None) -> _Content:
        """Write all that can be read."""
        size = crc = 0
        md5 = hashlib.md5(usedforsecurity=False)
        while piece := read(_PIECE_BYTES):
            crc = google_crc32c.extend(crc, piece)
            md5.update(piece)
            self.write(piece)
            size += len(piece)
            if on_transfer:
                on_transfer(Transferred(size, 0))
        md5_hash = base64.b64encode(md5.digest()).decode("ascii")
        return _Content(size, encode_crc32c(crc), md5_hash)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def set_time(self, generation: int) -> None:
        """Set the modification time to a generation.

        Raises:
            ConfigurationError: the file system keeps no microseconds.
        """
        os.utime(self.descriptor, ns=(generation * 1000, generation * 1000))
        if os.fstat(self.descriptor).st_mtime_ns != generation * 1000:
            raise ConfigurationError(
                f"the file system of {self.path.parent} keeps no times in microseconds and cannot "
                "hold a store: choose another directory"
            )

    def sync(self) -> None:
        os.fsync(self.descriptor)


class _FileReader:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _publish(
    path: Path, data: _Temporary, metadata: _Temporary, info: BlobInfo, *, replaces: bool
) -> None:
    """Make an object visible, whose precondition was found to hold; for the lock's holder."""
    _make_folder(path.parent)
    beside = _metadata_path(path, info.generation)
    outdated = [file for file in _metadata_files(path) if file != beside]
    metadata.path.rename(beside)
    _sync(path.parent)
    if replaces:
        data.path.rename(path)
    else:
        os.link(data.path, path)
    _sync(path.parent)
    for file in outdated:
        file.unlink()


def _metadata_path(path: Path, generation: int) -> Path:
    return path.with_name(f".{path.name}.{generation}.json")


def _metadata_files(path: Path) -> list[Path]:
    """Return the metadata files of every generation of an object."""
    head, tail = f".{path.name}.", ".json"
    with os.scandir(path.parent) as entries:
        return [
            path.with_name(entry.name)
            for entry in entries
            if entry.name.startswith(head)
            and entry.name.endswith(tail)
            and entry.name[len(head) : -len(tail)].isdecimal()
        ]


def _write_metadata(file: _Temporary, info: BlobInfo) -> None:
    fields = {
        "name": info.name,
        "size_bytes": info.size_bytes,
        "content_type": info.content_type,
        "crc32c": info.crc32c,
        "md5_hash": info.md5_hash,
        "generation": info.generation,
        "metageneration": info.metageneration,
        "storage_class": info.storage_class,
        "metadata": dict(info.metadata),
        "cache_control": info.cache_control,
        "content_disposition": info.content_disposition,
    }
    file.write(json.dumps(fields, ensure_ascii=False, indent=1).encode())
    file.sync()


def _read_metadata(path: Path, name: str, status: os.stat_result) -> BlobInfo | None:
    """Return what is known of the object in this file; None if it is not an object."""
    generation = status.st_mtime_ns // 1000
    if not stat.S_ISREG(status.st_mode):
        return None
    try:
        fields = json.loads(_metadata_path(path, generation).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        logger.warning("the metadata beside %s is damaged: %s", path, error)
        return None
    if not _is_metadata(fields):
        logger.warning("the metadata beside %s is damaged", path)
        return None
    return BlobInfo(
        name=name,
        size_bytes=status.st_size,
        content_type=fields["content_type"],
        crc32c=fields["crc32c"],
        generation=generation,
        metageneration=fields["metageneration"],
        storage_class=fields["storage_class"],
        created_at=_moment(generation),
        md5_hash=fields["md5_hash"],
        metadata=fields["metadata"],
        cache_control=fields.get("cache_control"),
        content_disposition=fields.get("content_disposition"),
    )


def _is_metadata(fields: object) -> bool:
    if not isinstance(fields, dict):
        return False
    texts = ("content_type", "crc32c", "md5_hash", "storage_class")
    headers = ("cache_control", "content_disposition")
    metadata = fields.get("metadata")
    return (
        all(isinstance(fields.get(name), str) for name in texts)
        and all(isinstance(fields.get(name), str | None) for name in headers)
        and isinstance(fields.get("metageneration"), int)
        and isinstance(metadata, dict)
        and all(isinstance(value, str) for value in metadata.values())
    )


def _is_text(name: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in name)  # bytes that are no UTF-8


def _moment(generation: int) -> datetime:
    return datetime.fromtimestamp(generation / 1e6, UTC)


def _make_folder(folder: Path) -> None:
    """Make a folder with its parents, each of them safe on the disk."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except OSError as error:
        if error.errno != errno.ENOENT or folder.parent == folder:
            raise
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
