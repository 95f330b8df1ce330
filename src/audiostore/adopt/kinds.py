"""What an object may be, by its name and content type: its content is looked at later. Pure."""

from typing import Literal

from audiostore.media import AUDIO_FORMATS, IMAGE_FORMATS

KeyKind = Literal["audio", "image", "other"]
_AUDIO = frozenset(extension for each in AUDIO_FORMATS for extension in each.extensions)
_IMAGES = frozenset(extension for each in IMAGE_FORMATS for extension in each.extensions)
_MAYBE_AUDIO = ("audio", "video")
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""What programs store that know no content type."""


def kind_of(name: str, content_type: str) -> KeyKind:
    """Return what an object may be.

    An extension of a format that is stored says so. Without any, as ActiveStorage and Firebase name
    objects, the content type does; and what has none that says anything may be audio.
    """
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    suffix = f".{extension.lower()}" if stem and dot else ""
    if suffix in _AUDIO:
        return "audio"
    if suffix in _IMAGES:
        return "image"
    essence = content_type.partition(";")[0].strip().lower()
    major = essence.partition("/")[0]
    if major == "image":
        return "image"
    if major == "audio" or (not suffix and (major in _MAYBE_AUDIO or essence in _UNKNOWN)):
        return "audio"
    return "other"
