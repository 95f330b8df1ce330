"""What is accepted from a store: known extensions, and content types of our own table.

A store may be another's, or hostile: names, types and metadata are data. What is written to a file,
served, or stored elsewhere has an extension of one of audiostore's formats and a content type of
its table, never a text that a store chose.
"""

import re
from pathlib import PurePosixPath

from audiostore.asset.layout import DATA_TYPES, parse_blob_name
from audiostore.asset.record import copied_metadata
from audiostore.errors import UnsupportedFormatError, shown
from audiostore.patterns import pattern
from audiostore.stores import BlobSpec, CacheScope, content_disposition, served_as
from audiostore.values import BlobInfo

TYPE_CHECKING = False  # listing an asset must not import media
if TYPE_CHECKING:
    from audiostore.asset.layout import Part
    from audiostore.media import Format

_BINARY = "application/octet-stream"
"""What browsers save, and never show."""
_AUDIO_TYPE = pattern(r"audio/[a-z0-9.+-]+")


def require_known(blob: BlobInfo) -> None:
    """Check that an object is of a format of ours, by the extension of its name.

    Raises:
        UnsupportedFormatError: it is not.
    """
    _kind_of(blob)


def require_servable(blob: BlobInfo) -> None:
    """Check that an object is of a format of ours, and has a content type of its kind.

    Browsers go by the content type: a file that is served as a page can run scripts.

    Raises:
        UnsupportedFormatError: it is not, or has another.
    """
    audio_id, part, _ = _kind_of(blob)
    stated = _essence(blob.content_type)
    if part.holds == "audio":
        is_known = _AUDIO_TYPE.fullmatch(stated) is not None
    else:
        is_known = stated in (
            _image_types() if part.holds == "image" else map(_essence, DATA_TYPES.values())
        )
    if not (is_known or stated == _BINARY):
        raise UnsupportedFormatError(
            f"{shown(blob.name)} has the content type {shown(blob.content_type)}, which is not "
            f"one for {part.name}: correct it first",
            audio_id=audio_id,
        )


def spec_of_copy(blob: BlobInfo) -> BlobSpec:
    """Return the spec of a copy in another store, with nothing in it that a browser would obey.

    Raises:
        UnsupportedFormatError: the object is not of a format of ours.
        InvalidMetadataError: an upload could not have its metadata.
    """
    _, part, known = _kind_of(blob)
    extension = PurePosixPath(blob.name).suffix
    filename = blob.metadata.get("original_filename")
    return BlobSpec(
        name=blob.name,
        content_type=DATA_TYPES.get(extension, _BINARY)
        if known is None
        else _type_in_table(blob.content_type, known),
        metadata=copied_metadata(blob.metadata),
        cache_control=part.cache_control(cache_scope(blob)) if blob.cache_control else None,
        content_disposition=content_disposition(served_as(filename, extension))
        if filename and blob.content_disposition
        else None,
        custom_time=blob.custom_time,
    )


def cache_scope(blob: BlobInfo) -> CacheScope:
    """Return who may cache an object."""
    directives = re.split(r"[\s,]+", blob.cache_control or "")
    return "public" if "public" in directives else "private"


def _kind_of(blob: BlobInfo) -> "tuple[str, Part, Format | None]":
    """Return the id, the part and the format that an object's name stands for; data has none."""
    parsed = parse_blob_name(blob.name)
    if parsed is None:
        raise UnsupportedFormatError(f"{shown(blob.name)} is not the name of an object of an asset")
    audio_id, part = parsed
    if part.holds == "data":
        return audio_id, part, None
    from audiostore.media import format_of  # noqa: PLC0415  (listing needs no formats)

    found = format_of(blob.name, part.holds)
    if found is None:
        raise UnsupportedFormatError(
            f"{shown(blob.name)} is not accepted: audiostore stores no {part.holds} files of this "
            "extension",
            audio_id=audio_id,
        )
    return audio_id, part, found


def _type_in_table(stated: str, known: "Format") -> str:
    """Return the type of a format that is meant; with an unknown codec, the one without."""
    plain = re.sub(r'[\s"]', "", stated).lower()
    ours = {re.sub(r"\s", "", each): each for each in known.content_types}
    return ours.get(plain, known.content_type)


def _image_types() -> set[str]:
    from audiostore.media import IMAGE_FORMATS  # noqa: PLC0415  (listing needs no formats)

    return {each.content_type for each in IMAGE_FORMATS}


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip(" \t").lower()
