"""Whether the bytes of an asset are right, and match its metadata: all of them are read."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
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
from audiostore.files import NewFile
from audiostore.ingest import (
    CheckLevel,
    UploadOptions,
    nameless_file,
    prepare_audio,
    prepare_image,
)
from audiostore.localfiles import FetchedFile
from audiostore.stores import ObjectStore, fetch_checked
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


_Look = Callable[[str, BlobInfo, FetchedFile], Iterator[Problem]]


class DeepCheck:
    """Reads, verifies and decodes.

    What is decoded is first written to a file without a name: it needs no sync, and nothing is left
    of it after a kill.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def problems(self, folder: Folder) -> Iterator[Problem]:
        """Yield what is wrong with the bytes of an asset that readers see."""
        asset = folder.asset
        if asset is None:
            return
        # What has no known checksum was reported when the folder was checked.
        if asset.audio.crc32c:
            with suppress(BlobNotFoundError):  # deleted meanwhile
                yield from self._looked_at(asset.audio_id, asset.audio, _problems_of_audio)
        if asset.thumbnail is not None and asset.thumbnail.crc32c:
            with suppress(BlobNotFoundError):  # replaced meanwhile
                yield from self._looked_at(asset.audio_id, asset.thumbnail, _problems_of_thumbnail)
        for name, blob in asset.marked.items():
            if blob.crc32c:
                hint = _AGAIN if name in asset.derived else _ATTACH_AGAIN
                with suppress(BlobNotFoundError):
                    yield from self._damages(asset.audio_id, blob, _Nowhere(), hint)

    def _looked_at(self, audio_id: str, blob: BlobInfo, look: _Look) -> Iterator[Problem]:
        with nameless_file() as stream:
            sink = NewFile(Path(tempfile.gettempdir()), stream.fileno())
            is_damaged = False
            for damage in self._damages(audio_id, blob, sink, _FROM_A_COPY):
                is_damaged = True
                yield damage
            if not is_damaged:
                name = blob.name.rpartition("/")[2]
                yield from look(audio_id, blob, FetchedFile(name, stream, blob.crc32c))

    def _damages(
        self, audio_id: str, blob: BlobInfo, sink: "NewFile | _Nowhere", hint: str
    ) -> Iterator[Problem]:
        """Read an object, and yield what is wrong with its bytes.

        Raises:
            BlobNotFoundError: it is not there any more.
        """
        try:
            fetch_checked(self._store, blob, sink)
        except IntegrityError as error:
            yield problem_of(
                audio_id, blob, "damaged-bytes",
                f"its bytes are not those that were uploaded: {error}", hint,
            )  # fmt: skip
        except AudioStoreError as error:
            if error.status not in _OF_THE_OBJECT:
                raise
            yield unreadable_object(audio_id, blob, str(error))


class _Nowhere:
    """Takes the bytes of an object that is only verified."""

    def write(self, data: bytes, /) -> None:
        """Keep nothing."""

    def clear(self) -> None:
        """Have nothing to forget."""


def _problems_of_audio(audio_id: str, audio: BlobInfo, file: FetchedFile) -> Iterator[Problem]:
    try:
        found, content_type = _inspected(file, "full")
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
            found, content_type = _inspected(file, "quick")
        except (InspectionLimitError, UnplayableAudioError, UnsupportedFormatError):
            return
        if found.pop(EXACT_KEY, None) == "false":
            del found["duration_s"]
    stored = {key: audio.metadata[key] for key in FACT_KEYS if key in audio.metadata}
    known = {*FACT_KEYS, *audio.metadata}  # what identifies its data may not be there
    wrong = {k: v for k, v in found.items() if k in known and audio.metadata.get(k) != v}
    if "duration_s" in wrong and _is_right_duration(stored, wrong["duration_s"], file):
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


def _problems_of_thumbnail(
    audio_id: str, thumbnail: BlobInfo, file: FetchedFile
) -> Iterator[Problem]:
    try:
        with prepare_image(file, UploadOptions(check="full")):
            pass
    except (AudioStoreError, ValueError) as error:
        yield problem_of(
            audio_id, thumbnail, "unreadable-image", f"it cannot be shown: {error}",
            "attach other artwork",
        )  # fmt: skip


def _inspected(file: FetchedFile, check: CheckLevel) -> tuple[dict[str, str], str]:
    """Return the facts that are stored about an audio file, and its content type."""
    with prepare_audio(file, UploadOptions(check=check, artwork="none")) as prepared:
        keys = (*FACT_KEYS, *AUDIO_DATA_KEYS, EXACT_KEY)
        facts = {key: value for key, value in prepared.facts.items() if key in keys}
        return facts, prepared.content_type


def _is_right_duration(stored: Mapping[str, str], decoded: str, file: FetchedFile) -> bool:
    """Say whether a stored duration is that of the sound, or near it and marked as an estimate.

    An estimate may also be what a quick inspection finds.
    """
    if stored.get(EXACT_KEY) != "false":
        return _is_close(stored, decoded, 0.0)
    if _is_close(stored, decoded, _ESTIMATE_TOLERANCE):
        return True
    estimated = _inspected(file, "quick")[0].get("duration_s")
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
