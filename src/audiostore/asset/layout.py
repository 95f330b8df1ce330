"""The layout of a bucket: the names of the objects of an asset. Pure functions.

``audio/{id}/audio.{ext}`` and ``audio/{id}/thumbnail.{ext}``; see
docs/gcs-organization-structure.md for the reasons.
"""

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from os import PathLike
from pathlib import PurePath
from typing import Literal, TypeAlias

from audiostore.dataclass import dataclass
from audiostore.errors import InvalidAudioIdError, UnsupportedFormatError, shown
from audiostore.patterns import pattern
from audiostore.stores import CacheScope, cache_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from uuid import UUID

AudioId: TypeAlias = "str | UUID"
"""The id of an asset: a UUID, or its canonical text."""

PartName = Literal["audio", "thumbnail", "waveform", "preview", "transcript"]
"""The names in `PARTS`, for type checkers."""

_HOUR_S = 3600
_YEAR_S = 365 * 24 * _HOUR_S


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of object that an asset consists of."""

    name: str
    """Its role, and the stem of its object's name: ``{name}{extension}``."""
    holds: Literal["audio", "image", "data"]
    """Which formats it may have: those of audio, those of images, or no media format."""
    is_mutable: bool
    """Whether it may be replaced with other content."""
    max_age_s: int
    """How long a client may cache it, in seconds."""
    extensions: tuple[str, ...] = ()
    """The extensions that its object may have, such as ``.json``; (): those of its formats."""
    is_derived: bool = False
    """Whether it is computed from the audio, and can be again; if not, the user supplies it."""
    is_attached: bool = False
    """Whether the user supplies it for one very audio, as a transcript of what is said in it."""

    @property
    def is_marked(self) -> bool:
        """Whether its object names the bytes of audio that it is of, and counts only with these."""
        return self.is_derived or self.is_attached

    def cache_control(self, scope: CacheScope) -> str:
        """Return the Cache-Control header to serve it with."""
        return cache_control(scope, max_age_s=self.max_age_s, is_immutable=not self.is_mutable)


AUDIO = Part("audio", "audio", is_mutable=False, max_age_s=_YEAR_S)
THUMBNAIL = Part("thumbnail", "image", is_mutable=True, max_age_s=_HOUR_S)
WAVEFORM = Part(
    "waveform", "data", is_mutable=True, max_age_s=_HOUR_S, extensions=(".dat",), is_derived=True
)
PREVIEW = Part(
    "preview", "audio", is_mutable=True, max_age_s=_HOUR_S, extensions=(".mp3",), is_derived=True
)
TRANSCRIPT = Part(
    "transcript",
    "data",
    is_mutable=True,
    max_age_s=_HOUR_S,
    extensions=(".txt", ".vtt", ".srt", ".json"),
    is_attached=True,
)

# Every kind of object of an asset. A new derived part needs a row here, its name in `PartName`, and
# the code that makes it. It is then read, served, deleted, restored and copied with its asset.
PARTS: Mapping[str, Part] = {
    part.name: part for part in (AUDIO, THUMBNAIL, WAVEFORM, PREVIEW, TRANSCRIPT)
}
DATA_TYPES: Mapping[str, str] = {
    ".dat": "application/octet-stream",  # audiowaveform's; it has no registered type
    ".json": "application/json",  # RFC 8259
    ".srt": "application/x-subrip",  # not registered
    ".txt": "text/plain; charset=utf-8",  # RFC 6657: without a charset, browsers guess
    ".vtt": "text/vtt",  # W3C WebVTT; always UTF-8
}
"""The content types of parts that hold data, by their extensions."""

_UUID = pattern(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGITS = pattern(r"[0-9a-f]{4,32}")
_EXTENSION = pattern(r"\.[a-z0-9]{1,16}")
_BLOB_NAME = pattern(
    rf"audio/(?P<id>{_UUID.pattern})/(?P<part>{'|'.join(PARTS)})(?P<ext>{_EXTENSION.pattern})"
)


class FileOrganizer:
    """Folders and file names of an asset."""

    AUDIO_ROOT = "audio"
    INCOMING_ROOT = "incoming"
    """Of what is not an asset yet: bytes that are still being sent, or inspected."""
    AUDIO_FILENAME = AUDIO.name
    THUMBNAIL_FILENAME = THUMBNAIL.name

    @classmethod
    def get_folder_structure(cls, audio_id: str) -> dict[str, str]:
        """Return `root`, `audio_folder` and `audio_prefix` (the folder with its slash)."""
        require_audio_id(audio_id)
        folder = f"{cls.AUDIO_ROOT}/{audio_id}"
        return {"root": cls.AUDIO_ROOT, "audio_folder": folder, "audio_prefix": f"{folder}/"}

    @classmethod
    def get_expected_files(
        cls,
        audio_id: str,
        audio_ext: str = ".mp3",
        has_thumbnail: bool = True,
        thumbnail_ext: str = ".jpg",
    ) -> dict[str, str]:
        """Return the names of the asset's objects: `audio` and, if it has one, `thumbnail`."""
        files = {"audio": blob_name(audio_id, AUDIO.name, audio_ext)}
        if has_thumbnail:
            files["thumbnail"] = blob_name(audio_id, THUMBNAIL.name, thumbnail_ext)
        return files

    @staticmethod
    def format_gcs_uri(bucket_name: str, blob_name: str) -> str:
        """Return ``gs://bucket/blob``."""
        return f"gs://{bucket_name}/{blob_name}"


class FilenameGenerator:
    """Makes and parses the names of objects."""

    @staticmethod
    def generate_audio_id() -> str:
        """Return a new id: a version 4 UUID (122 random bits, RFC 9562) in canonical text."""
        digits = os.urandom(16).hex()  # as uuid.uuid4, which imports `platform` and much else
        variant = "89ab"[int(digits[16], 16) & 3]
        groups = digits[:8], digits[8:12], f"4{digits[13:16]}", f"{variant}{digits[17:20]}"
        return "-".join((*groups, digits[20:]))

    @staticmethod
    def generate_blob_name(
        audio_id: str, file_path: str | PathLike[str], file_type: str = "audio"
    ) -> str:
        """Return the object name for a local file; its extension is kept, in lower case.

        Raises:
            InvalidAudioIdError: the id is not a canonical UUID.
            UnsupportedFormatError: the file's name has no valid extension.
            ValueError: `file_type` is not the name of a part, such as "audio" or "thumbnail".
        """
        part = require_part(file_type, "file_type")
        return blob_name(audio_id, part.name, PurePath(file_path).suffix)

    @staticmethod
    def generate_thumbnail_blob_name(audio_id: str, extension: str = ".jpg") -> str:
        """Return the object name of the asset's thumbnail."""
        return blob_name(audio_id, THUMBNAIL.name, extension)

    @staticmethod
    def parse_audio_id_from_blob_name(blob_name: str) -> str | None:
        """Return the id in the name of an asset's object; None for any other text."""
        parsed = parse_blob_name(blob_name)
        return parsed[0] if parsed else None

    @staticmethod
    def validate_uuid(value: object) -> bool:
        """Say whether the value is a UUID in its canonical text form (lower case, hyphens)."""
        return isinstance(value, str) and _UUID.fullmatch(value) is not None


def require_audio_id(audio_id: object) -> str:
    """Return the id as text if it is valid: a UUID, or its canonical text.

    Raises:
        InvalidAudioIdError: it is not a canonical UUID.
    """
    uuid = sys.modules.get("uuid")  # importing it would cost every start; who has one did
    if uuid is not None and isinstance(audio_id, uuid.UUID):
        return str(audio_id)
    if not (isinstance(audio_id, str) and FilenameGenerator.validate_uuid(audio_id)):
        raise InvalidAudioIdError(
            f"audio id {shown(audio_id)} is not a UUID such as "
            "'3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b' (lower case, 8-4-4-4-12)"
        )
    return audio_id


def id_prefix(text: object) -> str:
    """Return the beginning of an id, or a whole id, in canonical form: lower case, with hyphens.

    Upper case is accepted, and so are digits without any hyphen, as other programs write UUIDs.

    Raises:
        InvalidAudioIdError: it is not the beginning of a UUID, or has less than four digits.
    """
    given = text.strip().lower().removesuffix("-") if isinstance(text, str) else ""
    digits = given.replace("-", "")
    if _DIGITS.fullmatch(digits):
        groups = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
        canonical = "-".join(filter(None, groups))
        if given in (canonical, digits):
            return canonical
    raise InvalidAudioIdError(
        f"{shown(text)} is neither an audio id such as '3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b' "
        "nor its first 4 or more characters"
    )


def require_part(name: object, argument: str = "part") -> Part:
    """Return the part that has a name.

    Args:
        name: the name.
        argument: the name of the caller's argument, for the message.

    Raises:
        ValueError: no part has this name.
    """
    if not (isinstance(name, str) and name in PARTS):
        known = " or ".join(map(repr, PARTS))
        raise ValueError(f"{argument} is {shown(name)}: it must be {known}")
    return PARTS[name]


def require_attachable(name: object) -> Part:
    """Return the part that has a name, if users attach it.

    Raises:
        ValueError: no part has this name, or audiostore computes it, or an upload stores it.
    """
    part = require_part(name)
    if not part.is_attached:
        known = " or ".join(repr(each.name) for each in PARTS.values() if each.is_attached)
        raise ValueError(f"the {part.name} of an asset cannot be attached: only {known} can")
    return part


def part_of(blob_name: str) -> Part | None:
    """Return the part that an object is, by its name; None if it is not part of an asset."""
    parsed = parse_blob_name(blob_name)
    return parsed[1] if parsed else None


def folder_prefix(audio_id: str) -> str:
    """Return the prefix of the names of an asset's objects: its folder, with the slash."""
    return f"{FileOrganizer.AUDIO_ROOT}/{require_audio_id(audio_id)}/"


@lru_cache(maxsize=16)  # who looks at a folder asks about its few names again and again
def parse_blob_name(blob_name: str) -> tuple[str, Part] | None:
    """Return the id and the part in the name of an asset's object; None for any other name."""
    match = _BLOB_NAME.fullmatch(blob_name)
    if match is None:
        return None
    part = PARTS[match["part"]]
    if part.extensions and match["ext"] not in part.extensions:
        return None
    return match["id"], part


def blob_name(audio_id: str, part: str, extension: str) -> str:
    """Return the object name of a part of an asset.

    Raises:
        InvalidAudioIdError: the id is not a canonical UUID.
        UnsupportedFormatError: the extension is not valid.
    """
    require_audio_id(audio_id)
    suffix = extension.lower()
    if not _EXTENSION.fullmatch(suffix):
        raise UnsupportedFormatError(
            f"file name extension {shown(extension)} cannot be part of an object's name: "
            "give the file one such as .mp3 or .jpg"
        )
    return f"{FileOrganizer.AUDIO_ROOT}/{audio_id}/{part}{suffix}"
