"""Whether the bytes of an asset are right, and match its metadata: all of them are read."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from audiostore.audit.folders import Folder, unreadable_object
from audiostore.audit.problems import Problem, UpdateObject, problem_of
from audiostore.errors import (
    AudioStoreError,
    BlobNotFoundError,
    InspectionLimitError,
    IntegrityError,
    UnplayableAudioError,
    UnsupportedFormatError,
)
from audiostore.ingest import CheckLevel, UploadOptions, prepare_audio, prepare_image
from audiostore.stores import ObjectStore, get_checked
from audiostore.values import AUDIO_DATA_KEYS, EXACT_KEY, FACT_KEYS, BlobInfo

_DURATION_TOLERANCE_S = 0.1
"""Containers state a duration in steps of up to that; a decoder counts samples."""
_ESTIMATE_TOLERANCE = 0.1
_BITRATE_TOLERANCE = 0.05
"""Bit rates are averages; earlier versions stored what headers state, or FFmpeg's estimate."""
"""A share of the duration: an estimate is none to the second."""
_FROM_A_COPY = "restore it from a copy, or delete the asset and upload it again"
_AGAIN = "remove it, so that it is computed again"
_ATTACH_AGAIN = "attach it again"
_OF_THE_OBJECT = (400, 403)
"""The statuses of an object whose key is disabled, or that the account may not read."""


class DeepCheck:
    """Reads, verifies and decodes."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def problems(self, folder: Folder) -> Iterator[Problem]:
        """Yield what is wrong with the bytes of an asset that readers see."""
        asset = folder.asset
        if asset is None:
            return
        # What has no known checksum was reported when the folder was checked.
        with tempfile.TemporaryDirectory(prefix="audiostore-check-") as directory:
            if asset.audio.crc32c:
                yield from self._audio(asset.audio_id, asset.audio, Path(directory))
            if asset.thumbnail is not None and asset.thumbnail.crc32c:
                yield from self._thumbnail(asset.audio_id, asset.thumbnail, Path(directory))
            for name, blob in asset.marked.items():
                path = Path(directory) / name
                hint = _AGAIN if name in asset.derived else _ATTACH_AGAIN
                damage = self._fetch(asset.audio_id, blob, path, hint) if blob.crc32c else None
                if damage is not None:
                    yield damage

    def _audio(self, audio_id: str, audio: BlobInfo, directory: Path) -> Iterator[Problem]:
        path = directory / audio.name.rpartition("/")[2]
        damage = self._fetch(audio_id, audio, path)
        if damage is not None:
            yield damage
            return
        if not path.exists():
            return  # deleted meanwhile
        try:
            found, content_type = _inspected(path, "full")
        except InspectionLimitError as error:
            yield problem_of(
                audio_id, audio, "unreadable-object",
                f"it was not decoded: {str(error).partition(';')[0]}",
                "its bytes are those that were uploaded: nothing is known to be wrong with it",
            )  # fmt: skip
            return
        except (UnplayableAudioError, UnsupportedFormatError) as error:
            yield problem_of(
                audio_id, audio, "unplayable-audio", f"it does not play: {error}",
                "it is stored as it was uploaded: upload a good file that supersedes it",
            )  # fmt: skip
            try:  # what is damaged has facts, too
                found, content_type = _inspected(path, "quick")
            except (InspectionLimitError, UnplayableAudioError, UnsupportedFormatError):
                return
            if found.pop(EXACT_KEY, None) == "false":
                del found["duration_s"]
        stored = {key: audio.metadata[key] for key in FACT_KEYS if key in audio.metadata}
        known = {*FACT_KEYS, *audio.metadata}  # what identifies its data may not be there
        wrong = {k: v for k, v in found.items() if k in known and audio.metadata.get(k) != v}
        if "duration_s" in wrong and _is_right_duration(stored, wrong["duration_s"], path):
            del wrong["duration_s"]
        if "bitrate_bps" in wrong and _is_near(
            stored.get("bitrate_bps", ""), wrong["bitrate_bps"], _BITRATE_TOLERANCE
        ):
            del wrong["bitrate_bps"]
        if stored and wrong:
            facts = ", ".join(f"{k} {stored.get(k)} (it is {v})" for k, v in sorted(wrong.items()))
            exact = {EXACT_KEY: None} if "duration_s" in wrong and EXACT_KEY in stored else {}
            yield problem_of(
                audio_id, audio, "mismatched-facts", f"its metadata says {facts}", "correct it",
                repair=UpdateObject(audio, "correct the facts about its sound", {**wrong, **exact}),
            )  # fmt: skip
        if audio.content_type not in (content_type, content_type.split(";")[0]):
            yield problem_of(
                audio_id, audio, "mismatched-content-type",
                f"it is served as {audio.content_type!r}, but is {content_type!r}", "correct it",
                repair=UpdateObject(
                    audio, f"serve it as {content_type}", content_type=content_type
                ),
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
            with prepare_image(path, UploadOptions(check="full")):
                pass
        except (AudioStoreError, ValueError) as error:
            yield problem_of(
                audio_id, thumbnail, "unreadable-image", f"it cannot be shown: {error}",
                "attach other artwork",
            )  # fmt: skip

    def _fetch(
        self, audio_id: str, blob: BlobInfo, path: Path, hint: str = _FROM_A_COPY
    ) -> Problem | None:
        try:
            get_checked(self._store, blob, path)
        except IntegrityError as error:
            return problem_of(
                audio_id, blob, "damaged-bytes",
                f"its bytes are not those that were uploaded: {error}", hint,
            )  # fmt: skip
        except BlobNotFoundError:
            return None
        except AudioStoreError as error:
            if error.status not in _OF_THE_OBJECT:
                raise
            return unreadable_object(audio_id, blob, str(error))
        return None


def _inspected(path: Path, check: CheckLevel) -> tuple[dict[str, str], str]:
    """Return the facts that are stored about an audio file, and its content type."""
    options = UploadOptions(check=check, artwork="none", max_size_bytes=path.stat().st_size)
    with prepare_audio(path, options) as prepared:
        keys = (*FACT_KEYS, *AUDIO_DATA_KEYS, EXACT_KEY)
        facts = {key: value for key, value in prepared.facts.items() if key in keys}
        return facts, prepared.content_type


def _is_right_duration(stored: Mapping[str, str], decoded: str, path: Path) -> bool:
    """Say whether a stored duration is that of the sound, or near it and marked as an estimate.

    An estimate may also be what a quick inspection finds.
    """
    if stored.get(EXACT_KEY) != "false":
        return _is_close(stored, decoded, 0.0)
    if _is_close(stored, decoded, _ESTIMATE_TOLERANCE):
        return True
    estimated = _inspected(path, "quick")[0].get("duration_s")
    return estimated is not None and _is_close(stored, estimated, _ESTIMATE_TOLERANCE)


def _is_near(stored: str, found: str, share: float) -> bool:
    try:
        return abs(float(stored) - float(found)) <= share * float(found)
    except ValueError:
        return False


def _is_close(stored: Mapping[str, str], found: str, share: float) -> bool:
    tolerance_s = max(_DURATION_TOLERANCE_S, share * float(found))
    try:
        return abs(float(stored["duration_s"]) - float(found)) <= tolerance_s
    except (KeyError, ValueError):
        return False
