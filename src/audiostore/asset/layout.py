"""The layout of a bucket: which object of which asset has which name. Pure functions.

``audio/{id}/audio.{ext}`` and ``audio/{id}/thumbnail.{ext}``; see
docs/gcs-organization-structure.md for the reasons.
"""

import re
import uuid
from os import PathLike
from pathlib import PurePath

from audiostore.errors import InvalidAudioIdError, UnsupportedFormatError

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,16}")
_BLOB_NAME = re.compile(
    rf"audio/(?P<id>{_UUID.pattern})/(?P<stem>audio|thumbnail)(?P<ext>{_EXTENSION.pattern})"
)
_FILE_TYPES = ("audio", "thumbnail")


class FileOrganizer:
    """Folders and file names of an asset."""

    AUDIO_ROOT = "audio"
    AUDIO_FILENAME = "audio"
    THUMBNAIL_FILENAME = "thumbnail"

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
        files = {"audio": blob_name(audio_id, cls.AUDIO_FILENAME, audio_ext)}
        if has_thumbnail:
            files["thumbnail"] = blob_name(audio_id, cls.THUMBNAIL_FILENAME, thumbnail_ext)
        return files

    @staticmethod
    def format_gcs_uri(bucket_name: str, blob_name: str) -> str:
        """Return ``gs://bucket/blob``."""
        return f"gs://{bucket_name}/{blob_name}"


class FilenameGenerator:
    """Makes and reads the names of objects."""

    @staticmethod
    def generate_audio_id() -> str:
        """Return a new id: a version 4 UUID (122 random bits, RFC 9562) in canonical text."""
        return str(uuid.uuid4())

    @staticmethod
    def generate_blob_name(
        audio_id: str, file_path: str | PathLike[str], file_type: str = "audio"
    ) -> str:
        """Return the object name for a local file; its extension is kept, in lower case.

        Raises:
            InvalidAudioIdError: the id is not a canonical UUID.
            UnsupportedFormatError: the file's name has no usable extension.
            ValueError: `file_type` is neither "audio" nor "thumbnail".
        """
        if file_type not in _FILE_TYPES:
            raise ValueError(f"file_type is {file_type!r}: it must be 'audio' or 'thumbnail'")
        return blob_name(audio_id, file_type, PurePath(file_path).suffix)

    @staticmethod
    def generate_thumbnail_blob_name(audio_id: str, extension: str = ".jpg") -> str:
        """Return the object name of the asset's thumbnail."""
        return blob_name(audio_id, FileOrganizer.THUMBNAIL_FILENAME, extension)

    @staticmethod
    def parse_audio_id_from_blob_name(blob_name: str) -> str | None:
        """Return the id in one of our object names; None for any other text."""
        match = _BLOB_NAME.fullmatch(blob_name)
        return match["id"] if match else None

    @staticmethod
    def validate_uuid(value: object) -> bool:
        """Say whether the value is a UUID in its canonical text form (lower case, hyphens)."""
        return isinstance(value, str) and _UUID.fullmatch(value) is not None


def require_audio_id(audio_id: object) -> str:
    """Return the id.

    Raises:
        InvalidAudioIdError: it is not a canonical UUID.
    """
    if not (isinstance(audio_id, str) and FilenameGenerator.validate_uuid(audio_id)):
        raise InvalidAudioIdError(
            f"audio id {audio_id!r} is not a UUID such as "
            "'3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b' (lower case, 8-4-4-4-12)"
        )
    return audio_id


def is_audio_name(blob_name: str) -> bool:
    """Say whether this is the name of an asset's audio object."""
    match = _BLOB_NAME.fullmatch(blob_name)
    return match is not None and match["stem"] == FileOrganizer.AUDIO_FILENAME


def is_thumbnail_name(blob_name: str) -> bool:
    """Say whether this is the name of an asset's thumbnail object."""
    match = _BLOB_NAME.fullmatch(blob_name)
    return match is not None and match["stem"] == FileOrganizer.THUMBNAIL_FILENAME


def blob_name(audio_id: str, file_type: str, extension: str) -> str:
    """Return the object name of an asset's "audio" or "thumbnail".

    Raises:
        InvalidAudioIdError: the id is not a canonical UUID.
        UnsupportedFormatError: the extension is not usable.
    """
    require_audio_id(audio_id)
    suffix = extension.lower()
    if not _EXTENSION.fullmatch(suffix):
        raise UnsupportedFormatError(
            f"file name extension {extension!r} cannot be part of an object's name: "
            "give the file one such as .mp3 or .jpg"
        )
    return f"{FileOrganizer.AUDIO_ROOT}/{audio_id}/{file_type}{suffix}"
