"""What is inside a media file: frozen values, ready for JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image, by its own bytes."""

    format_name: str
    """JPEG, PNG or WebP."""
    content_type: str
    width: int
    """Pixels as shown, the EXIF orientation applied."""
    height: int
    size_bytes: int

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            "format": self.format_name,
            "content_type": self.content_type,
            "width": self.width,
            "height": self.height,
            "size_bytes": self.size_bytes,
        }


@dataclass(frozen=True, slots=True)
class Artwork:
    """A picture embedded in an audio file: its bytes, and what they are."""

    data: bytes = field(repr=False)
    info: ImageInfo


@dataclass(frozen=True, slots=True)
class Chapter:
    """A named part of a recording."""

    start_s: float
    end_s: float
    title: str

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {"start_s": self.start_s, "end_s": self.end_s, "title": self.title}


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What an audio file says about itself; nothing of it was decoded."""

    container: str
    """Our name of the format: MP3, WAV, FLAC, Ogg, MP4 …"""
    codec: str
    """FFmpeg's canonical name: mp3, pcm_s16le, flac, vorbis, opus, aac, alac …"""
    duration_s: float
    duration_is_exact: bool
    """False for an estimate from the bit rate: MP3 without a Xing or VBRI header, long ADTS.

    True where the file counts its samples or frames or states its length (ASF and WebM: in
    milliseconds); whether the sound is as long as that, only decoding can tell.
    """
    sample_rate_hz: int
    channels: int
    bits_per_sample: int | None = None
    """None for codecs that have no such thing (MP3, AAC, Vorbis, Opus, WMA)."""
    bitrate_bps: int | None = None
    """Of the sound alone, without artwork, where the file lets them be told apart."""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """Under one set of names whatever the container; clean text of limited length."""
    chapters: tuple[Chapter, ...] = ()
    artwork: Artwork | None = None
    artwork_problem: str | None = None
    """Why an embedded picture is left where it is; never a reason not to store the sound."""

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types; of the artwork all but its bytes."""
        return {
            "container": self.container,
            "codec": self.codec,
            "duration_s": self.duration_s,
            "duration_is_exact": self.duration_is_exact,
            "sample_rate_hz": self.sample_rate_hz,
            "channels": self.channels,
            "bits_per_sample": self.bits_per_sample,
            "bitrate_bps": self.bitrate_bps,
            "tags": dict(self.tags),
            "chapters": [chapter.to_dict() for chapter in self.chapters],
            "artwork": self.artwork.info.to_dict() if self.artwork else None,
            "artwork_problem": self.artwork_problem,
        }


@dataclass(frozen=True, slots=True)
class DecodedInfo:
    """What came out of an audio file that was decoded from its first frame to its last."""

    duration_s: float
    """Exact: the samples that a player would sound, by their rate."""
    samples: int
    """Per channel."""
    sample_rate_hz: int
    channels: int
