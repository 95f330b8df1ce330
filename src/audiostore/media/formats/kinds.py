"""The formats that we store, and what is said of a file that is one of them."""

from dataclasses import dataclass
from typing import Literal


def extension_of(name: str) -> str:
    """Return what a file name ends in, with its dot, in lower case; as `PurePath.suffix` does."""
    stem, dot, extension = name[name.rfind("/") + 1 :].rpartition(".")
    return f".{extension.lower()}" if stem and dot and extension else ""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that we store."""

    name: str
    kind: Literal["audio", "image"]
    content_type: str
    extensions: tuple[str, ...]

    @property
    def words(self) -> str:
        """What a file of this format is, for a sentence: "MP3 audio", "a PNG image"."""
        return f"{self.name} audio" if self.kind == "audio" else f"a {self.name} image"

    def extension_for(self, name: str) -> str:
        """Return the name's own extension if it fits the format, else the format's main one."""
        own = extension_of(name)
        return own if own in self.extensions else self.extensions[0]


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file is by its content."""

    format: Format
    codec: str | None = None
    """"mp3", "vorbis", "aac", "pcm" …; None if the container does not tell cheaply."""
    offset: int = 0
    """Where the format's own data begin: behind tags that stand in front of them."""


MP3 = Format("MP3", "audio", "audio/mpeg", (".mp3",))
WAV = Format("WAV", "audio", "audio/wav", (".wav",))
FLAC = Format("FLAC", "audio", "audio/flac", (".flac",))
OGG = Format("Ogg", "audio", "audio/ogg", (".ogg", ".oga", ".opus"))
MP4 = Format("MP4", "audio", "audio/mp4", (".m4a", ".m4b"))
AAC = Format("AAC", "audio", "audio/aac", (".aac",))
AIFF = Format("AIFF", "audio", "audio/aiff", (".aiff", ".aif"))
WEBM = Format("WebM", "audio", "audio/webm", (".webm",))
WMA = Format("WMA", "audio", "audio/x-ms-wma", (".wma",))
CAF = Format("CAF", "audio", "audio/x-caf", (".caf",))
AUDIO_FORMATS = (MP3, WAV, FLAC, OGG, MP4, AAC, AIFF, WEBM, WMA, CAF)

JPEG = Format("JPEG", "image", "image/jpeg", (".jpg", ".jpeg"))
PNG = Format("PNG", "image", "image/png", (".png",))
WEBP = Format("WebP", "image", "image/webp", (".webp",))
IMAGE_FORMATS = (JPEG, PNG, WEBP)

# Ogg and WebM are the containers whose plain type leaves open whether a player can play them. A
# page that asks `canPlayType` with the stored type gets "maybe" for plain audio/ogg whatever is
# inside, and a true answer with the parameter. RFC 7845 section 9 allows "audio/ogg; codecs=opus",
# RFC 5334 section 4 "codecs=vorbis" and "codecs=flac"; WebM's container guidelines the same two.
#
# Everywhere else the parameter hurts or says nothing:
# - Gecko takes an Ogg type without it for playable and refuses one that names a codec that it does
#   not know (OggDecoder::IsSupportedType), so Speex stays plain;
# - for MP4, RFC 6381 wants the object type from inside the codec's configuration ("mp4a.40.2"; a
#   bare "mp4a" is another statement), and browsers disagree on the letters: Safari takes
#   "audio/mp4; codecs=Opus" and refuses "codecs=opus" (shaka-player pull request 6607);
# - MP3, AAC, FLAC, WAV, AIFF, WMA and CAF types register none that browsers read.
_CODECS_THAT_HELP = {"Ogg": ("opus", "vorbis", "flac"), "WebM": ("opus", "vorbis")}


def content_type_for(recognised: Recognised) -> str:
    """Return the Content-Type to store a file under; with its codec where that helps players."""
    found = recognised.format
    if recognised.codec in _CODECS_THAT_HELP.get(found.name, ()):
        return f"{found.content_type}; codecs={recognised.codec}"
    return found.content_type
