"""What was begun and not finished, kept on this machine so that the same call goes on with it.

Two kinds of small files below the user's state directory, readable by the user alone (0600), none
older than a week, as long as Google Cloud Storage keeps an upload session:

- ``ids/``: which id an upload without a given id has. It is written before the first byte is sent
  and removed when all is done. The same call for the same unchanged files takes the id up again.
- ``sessions/``: the URL of a resumable upload. It is a secret, as whoever has it can write the
  object, and is never logged.

Files are named after a hash of what they stand for: the store, the files' identity, the metadata.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from audiostore.errors import AssetConflictError, SourceNotFoundError
from audiostore.log import logger
from audiostore.naming import FilenameGenerator

_LIFETIME_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class ChosenId:
    """The id of an upload whose caller gave none."""

    audio_id: str
    is_new: bool
    """False if an upload that was interrupted had it."""


class UploadIds:
    """The ids of uploads under way; with no folder, nothing is remembered."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextmanager
    def choose(self, identity: object, detail: object = None) -> Iterator[ChosenId]:
        """Yield the id for an upload: that of an interrupted one of its identity, or a new one.

        While it runs, the same upload in another process, or thread, gets an id of its own. The id
        is forgotten when the body succeeds, finds it taken, or its files missing.

        Args:
            identity: what tells this upload from others; ready for JSON.
            detail: must be that of the interrupted upload as well; None if it is not known.
        """
        with ExitStack() as stack:
            claim = self._claim(identity, detail, stack)
            if claim is None:
                yield ChosenId(FilenameGenerator.generate_audio_id(), is_new=True)
                return
            path, chosen = claim
            try:
                yield chosen
            except (AssetConflictError, SourceNotFoundError):
                _remove(path)
                raise
            _remove(path)

    def _claim(
        self, identity: object, detail: object, stack: ExitStack
    ) -> tuple[Path, ChosenId] | None:
        if self._folder is None:
            return None
        path = _file(self._folder, identity)
        try:
            _prepare(self._folder)
            descriptor = _locked(path, stack)
            if descriptor is None:
                return None
            hashed = _hash(detail)
            chosen = _read_id(descriptor, None if detail is None else hashed)
            if chosen is None:
                chosen = ChosenId(FilenameGenerator.generate_audio_id(), is_new=True)
                os.pwrite(descriptor, f"{chosen.audio_id} {hashed}".encode("ascii"), 0)
        except OSError as error:
            logger.info("should this upload be interrupted, the next starts anew: %s", error)
            return None
        return path, chosen


class SessionFiles:
    """The URLs of resumable uploads; `Sessions` of the bucket's store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> str | None:
        """Return the URL for this write, None if there is none."""
        path = _file(self._folder, key)
        try:
            if _is_outdated(path.stat()):
                return None
            return path.read_text("ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            logger.info("a remembered upload session cannot be read: %s", error)
            return None

    def remember(self, key: str, url: str) -> None:
        """Keep the URL."""
        path = _file(self._folder, key)
        temporary = path.with_suffix(f".{os.urandom(4).hex()}")
        try:
            _prepare(self._folder)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(url)
            temporary.replace(path)
        except (OSError, UnicodeError) as error:
            logger.info("should this upload be interrupted, the next starts anew: %s", error)

    def forget(self, key: str) -> None:
        """Drop a session that is finished or gone."""
        _remove(_file(self._folder, key))


def _file(folder: Path, identity: object) -> Path:
    return folder / _hash(identity)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _locked(path: Path, stack: ExitStack) -> int | None:
    """Open and lock a file, which is made if need be; None if another upload has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        if os.fstat(descriptor).st_nlink:
            return descriptor
        # Its last owner finished and removed it between the two calls.


def _read_id(descriptor: int, detail: str | None) -> ChosenId | None:
    audio_id, _, known = os.pread(descriptor, 128, 0).decode("ascii", "replace").partition(" ")
    if _is_outdated(os.fstat(descriptor)) or not FilenameGenerator.validate_uuid(audio_id):
        return None
    if detail not in (None, known):
        return None
    return ChosenId(audio_id, is_new=False)


def _prepare(folder: Path) -> None:
    """Make a folder for the user alone, and rid it of what is outdated."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if _is_outdated(path.stat()):
                path.unlink()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.info("%s could not be removed, which does no harm: %s", path, error)


def _is_outdated(status: os.stat_result) -> bool:
    return time.time() - status.st_mtime > _LIFETIME_S
