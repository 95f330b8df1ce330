"""What is inside a media file: frozen values, ready for JSON and for pickle."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from audiostore.dataclass import dataclass, field, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.analysis import Loudness, Waveform

MAX_RATE_HZ: Final = 10_000_000
MAX_DURATION_S: Final = 10 * 365 * 86_400.0
IMAGE_MEMORY_BYTES: Final = 512 << 20
"""What decoding and scaling an image may take: enough for 33 million pixels of any format, for all
that `MAX_IMAGE_PIXELS` allows of most."""

PREVIEW_BITRATES_KBPS: Final = (64, 96, 128, 160, 192, 224, 256, 320)
"""Bit rates of MPEG-1 layer III for stereo, half of which there are for mono (ISO/IEC 11172-3,
2.4.2.3)."""
PREVIEW_KBPS: Final = 128
"""The usual bit rate of stereo."""
PREVIEW_HEAD_BYTES: Final = 64 << 10
"""The beginning of a preview, which is known last: ID3 tags of a dozen long texts fit."""
MAX_PREVIEW_S: Final = 24 * 3600
"""Of what lasts longer, no preview is made."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image is by its own bytes."""

    format_name: str
    """The name of its format: JPEG, PNG or WebP."""
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
    """What an audio file says about itself, without decoding it."""

    container: str
    """The name of its format: MP3, WAV, FLAC, Ogg, MP4 …"""
    codec: str
    """FFmpeg's canonical name: mp3, pcm_s16le, flac, vorbis, opus, aac, alac …"""
    duration_s: float
    duration_is_exact: bool
    """False for an estimate, as from the bit rate.

    True where the samples or frames were counted, or the file states its length (ASF and WebM: in
    milliseconds).
    """
    sample_rate_hz: int
    channels: int
    bits_per_sample: int | None = None
    """None for codecs to which it does not apply (MP3, AAC, Vorbis, Opus, WMA)."""
    bitrate_bps: int | None = None
    """Of the sound alone, without artwork, where the file separates them."""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By names that are the same for every container; clean text of limited length. Read-only."""
    chapters: tuple[Chapter, ...] = ()
    artwork: Artwork | None = None
    artwork_problem: str | None = None
    """Why an embedded picture is not used; never a reason not to store the sound."""
    warnings: tuple[str, ...] = ()
    """What is odd about the file, though it plays: each the rest of a sentence about it."""

    def __post_init__(self) -> None:
        """Keep a read-only copy of the tags."""
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the call that makes it: a read-only mapping cannot be pickled itself."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return _audio_info, ({**values, "tags": dict(self.tags)},)

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types; the artwork without its bytes."""
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
            "warnings": list(self.warnings),
        }


def _audio_info(values: dict[str, Any]) -> AudioInfo:
    return AudioInfo(**values)


@dataclass(frozen=True, slots=True)
class DecodedInfo:
    """The result of decoding an audio file from its first frame to its last."""

    duration_s: float
    """What a player would play, with the gaps in it."""
    samples: int
    """Per channel."""
    sample_rate_hz: int
    channels: int
    warnings: tuple[str, ...] = ()
    """What decoding shows to be odd, as in `AudioInfo`: gaps, another duration than is stated."""


@dataclass(frozen=True, slots=True)
class PreviewTarget:
    """Where to write a version of an audio file that every browser plays, and how."""

    descriptor: int
    """A file that is open for reading and writing."""
    stereo_kbps: int
    """One of `PREVIEW_BITRATES_KBPS`; mono gets half."""
    is_for_all: bool = False
    """Whether to make it also of audio that browsers play as it is."""


@dataclass(frozen=True, slots=True)
class PreviewInfo:
    """What a preview is, as its encoder says."""

    duration_s: float
    """Of the sound that was encoded."""
    sample_rate_hz: int
    channels: int
    bitrate_bps: int

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class AnalysedAudio:
    """What one decode of an audio file gives: whether all of it plays, and how it sounds."""

    decoded: DecodedInfo
    damage: str
    """What is wrong with its sound, as the rest of a sentence about it; "" if nothing is."""
    loudness: "Loudness | None"
    """Of all that could be decoded; None if it could not be measured."""
    waveform: "Waveform | None"
    problem: str
    """Why it could not be measured; "" if it could."""
    preview: PreviewInfo | None = None
    """What was encoded; None if that was not asked for, or could not be done."""
    preview_problem: str = ""
    """Why it could not be encoded."""
