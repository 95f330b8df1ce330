"""What a file is by its content: format, codec, MIME type and extension, for audio and images.

Pure, without dependencies; reads a few kilobytes. A module for each container holds both how it is
recognised and what `audiostore.media.structure` checks of it.
"""

from audiostore.media.formats.kinds import (
    AUDIO_FORMATS,
    IMAGE_FORMATS,
    Format,
    Recognised,
    content_type_for,
)
from audiostore.media.formats.recognition import (
    describe,
    identify,
    recognise,
    recognise_audio,
    recognise_image,
    require_audio,
)

__all__ = [
    "AUDIO_FORMATS",
    "IMAGE_FORMATS",
    "Format",
    "Recognised",
    "content_type_for",
    "describe",
    "identify",
    "recognise",
    "recognise_audio",
    "recognise_image",
    "require_audio",
]
