"""Whether the bytes of an asset are right, and are what its metadata say: all of them are read."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from audiostore.audit.folders import Folder
from audiostore.audit.problems import Problem, Update
from audiostore.errors import (
    AudioStoreError,
    BlobNotFoundError,
    IntegrityError,
    UnplayableAudioError,
    UnsupportedFormatError,
)
from audiostore.ingest import UploadOptions, prepare_audio, prepare_image
from audiostore.stores import ObjectStore, get_checked
from audiostore.values import FACT_KEYS, BlobInfo

_DURATION_TOLERANCE_S = 0.1
"""Containers state a length in steps of up to that; a decoder counts samples."""


class DeepCheck:
    """Reads, verifies and decodes."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def problems(self, folder: Folder) -> Iterator[Problem]:
        """Yield what is wrong with the bytes of an asset that readers see."""
        asset = folder.asset
        if asset is None:
            return
        with tempfile.TemporaryDirectory(prefix="audiostore-check-") as directory:
            yield from self._audio(asset.audio_id, asset.audio, Path(directory))
            if asset.thumbnail is not None:
                yield from self._thumbnail(asset.audio_id, asset.thumbnail, Path(directory))

    def _audio(self, audio_id: str, audio: BlobInfo, directory: Path) -> Iterator[Problem]:
        path = directory / audio.name.rpartition("/")[2]
        damage = self._fetch(audio_id, audio, path)
        if damage is not None:
            yield damage
            return
        if not path.exists():
            return  # deleted meanwhile
        try:
            with prepare_audio(path, UploadOptions(check="full", artwork="none")) as item:
                facts = dict(item.facts)
                kind_of_type = item.content_type
        except (UnplayableAudioError, UnsupportedFormatError) as error:
            yield _problem(
                audio_id, audio, "unplayable-audio", f"it does not play: {error}",
                "its bytes are those that were stored: store a good file, which supersedes it",
            )  # fmt: skip
            return
        stored = {key: audio.metadata[key] for key in FACT_KEYS if key in audio.metadata}
        wrong = {k: v for k, v in facts.items() if k in FACT_KEYS and stored.get(k) != v}
        if "duration_s" in wrong and (
            _is_close(stored.get("duration_s"), wrong["duration_s"])
            or _is_close(stored.get("duration_s"), _estimate(path))
        ):
            del wrong["duration_s"]
        if stored and wrong:
            told = ", ".join(f"{k} {stored.get(k)} (it is {v})" for k, v in sorted(wrong.items()))
            yield _problem(
                audio_id, audio, "other-facts", f"its metadata say {told}", "correct them",
                repair=Update(audio, "correct what it says of its sound", wrong),
            )  # fmt: skip
        if audio.content_type not in (kind_of_type, kind_of_type.split(";")[0]):
            yield _problem(
                audio_id, audio, "other-content-type",
                f"it is served as {audio.content_type!r}, but is {kind_of_type!r}", "correct it",
                repair=Update(audio, f"serve it as {kind_of_type}", content_type=kind_of_type),
            )  # fmt: skip

    def _thumbnail(self, audio_id: str, thumbnail: BlobInfo, directory: Path) -> Iterator[Problem]:
        path = directory / thumbnail.name.rpartition("/")[2]
        damage = self._fetch(audio_id, thumbnail, path)
        if damage is not None:
            yield damage
            return
        if not path.exists():
            return  # replaced meanwhile
        try:
            prepare_image(path, UploadOptions(check="full"))
        except (AudioStoreError, ValueError) as error:
            yield _problem(
                audio_id, thumbnail, "unreadable-image", f"it cannot be shown: {error}",
                f"give it other artwork with 'audiostore cover {audio_id} FILE'",
            )  # fmt: skip

    def _fetch(self, audio_id: str, blob: BlobInfo, path: Path) -> Problem | None:
        try:
            get_checked(self._store, blob, path)
        except IntegrityError as error:
            return _problem(
                audio_id, blob, "damaged-bytes",
                f"its bytes are not those that were stored: {error}",
                f"restore it from a copy, or delete {audio_id} and store it anew",
            )  # fmt: skip
        except BlobNotFoundError:
            return None
        return None


def _estimate(path: Path) -> str:
    """Return the duration that a quick check finds: some formats state none."""
    with prepare_audio(path, UploadOptions(artwork="none")) as item:
        return item.facts["duration_s"]


def _is_close(stored: str | None, found: str) -> bool:
    try:
        return abs(float(stored or "nan") - float(found)) <= _DURATION_TOLERANCE_S
    except ValueError:
        return False


def _problem(
    audio_id: str,
    blob: BlobInfo,
    kind: str,
    words: str,
    remedy: str,
    *,
    repair: Update | None = None,
) -> Problem:
    return Problem(kind, audio_id, blob.name, words, remedy, repair, blob.created_at)
