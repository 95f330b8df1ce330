"""The definition of a format, and the result of recognising a file."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from audiostore.dataclass import dataclass
from audiostore.media.parsing.embedded import Embedded
from audiostore.media.parsing.images import ImageHeader
from audiostore.media.parsing.reading import Reader


def extension_of(name: str) -> str:
    """Return a file name's extension with its dot, in lower case, as `PurePath.suffix` does."""
    stem, dot, extension = name[name.rfind("/") + 1 :].rpartition(".")
    return f".{extension.lower()}" if stem and dot and extension else ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the structure of a file shows."""

    flaw: str | None = None
    """Why the file is not stored: it is cut short, damaged, or contains no sound. The rest of a
    sentence about the file, such as "is cut short: …"."""
    warnings: tuple[str, ...] = ()
    """What is odd about a file that plays: each the rest of a sentence about the file, too."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What is known of a file's sound before it is measured."""

    seconds: float
    """The duration as FFmpeg has it; 0 if it has none."""
    codec: str
    """FFmpeg's canonical name."""
    codec_header: bytes
    """FFmpeg's extradata."""
    reader: Reader
    """The whole file; its budget suffices to read all of it once."""
    offset: int
    """Where the format's own data begin: after any tags in front of them."""
    is_fetched: bool = False
    """Whether the file is elsewhere, and fetched as it is read: what is well founded need not be
    counted."""


@dataclass(frozen=True, slots=True)
class SoundHeader:
    """The sound of a file by its own headers: just what FFmpeg says of it."""

    codec: str
    """FFmpeg's canonical name."""
    rate_hz: int
    channels: int
    seconds: float = 0.0
    """The duration as FFmpeg has it; 0 where the format's `measure` does without."""
    codec_header: bytes = b""
    """FFmpeg's extradata, where `measure` needs it, or where the bits of a sample stand in it."""
    bitrate_bps: int | None = None
    """As FFmpeg has it by the headers; None if it is what the size of the data and the duration
    make it."""
    language: str | None = None
    """What is sung or spoken, where a header says it that `read_embedded` does not read."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How long the sound of a file is by its own bytes."""

    seconds: float
    is_exact: bool = True
    """False for an estimate."""
    warnings: tuple[str, ...] = ()
    """As in `Verdict`."""
    end: int | None = None
    """Where in the file the format's own data end; tags may follow. None if that is not known."""
    bitrate_bps: int | None = None
    """The average of all frames, where they were counted."""


@dataclass(frozen=True, slots=True)
class View:
    """What FFmpeg is shown of a file."""

    start: int
    end: int
    header: bytes = b""
    """What it reads in front of that."""

    @property
    def size_bytes(self) -> int:
        """How many bytes that are."""
        return len(self.header) + self.end - self.start


class AudioData(Protocol):
    """Finds the audio data of a file, without tags and artwork, while the file is read."""

    def add(self, piece: bytes, crc_before: int, crc_after: int, /) -> None:
        """Take the next piece of the file, from its first byte on.

        Args:
            piece: some bytes.
            crc_before: the CRC-32C of all bytes of the file before them.
            crc_after: that with them.
        """
        ...

    def result(self) -> tuple[int, int] | None:
        """Return the size and the CRC-32C of the audio data; None if they are unknown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of file that audiostore stores, and everything it needs to know about that kind."""

    name: str
    kind: Literal["audio", "image"]
    content_type: str
    extensions: tuple[str, ...]
    """With their dots; the first is the preferred one."""

    # -- recognition
    recognise: "Callable[[Reader, int], Recognised | str | None]"
    """Look at the data at an offset: what it is; why it is not stored, in words; None if it is
    something else."""
    magic: tuple[bytes, ...] = ()
    """The possible first bytes of the data. Without a magic, `recognise` is called for data that no
    other format claims."""
    magic_at: int = 0
    """The offset of the magic within the data."""
    search: "Callable[[Reader, int, int], Recognised | str | None] | None" = None
    """Look for the data after an offset, past padding of up to so many bytes, once no format
    recognises the file."""
    codecs_in_type: tuple[str, ...] = ()
    """The codecs that the content type names, because that helps players."""

    # -- audio
    check: "Callable[[Reader, Recognised], Verdict] | None" = None
    """Look for signs of damage, reading little of the file."""
    cut_found_by: str = ""
    """What shows that a file was cut short."""
    cut_missed: str = ""
    """Which cuts `check` cannot see."""
    counts: tuple[str, ...] = ()
    """Each count that a file states (of frames, samples, bytes, seconds), and what it is compared
    with, for docs/formats.md: "frames of Xing and Info: the frames that are there"."""
    audio_data: "Callable[[Reader, Recognised], AudioData | None] | None" = None
    """Find out which bytes are the audio itself, which editing tags does not change; None if they
    are unknown."""
    audio_data_are: str = ""
    """What `audio_data` takes for the audio itself, in words."""
    has_movable_index: bool = False
    """Whether the file may have its index after its sound, and `write_faststart` can move it."""
    demuxer: str = ""
    """FFmpeg's demuxer."""
    demuxer_options: tuple[tuple[str, str], ...] = ()
    probe_options: tuple[tuple[str, str], ...] = ()
    """More demuxer options, for when nothing is decoded."""
    plays: tuple[str, ...] = ()
    """Codecs that browsers play in this format, seek in, and know the duration of: as measured for
    docs/playback.md."""
    decoders: tuple[str, ...] = ()
    """FFmpeg's decoders for what the format usually holds, besides PCM."""
    view: "Callable[[Reader, Recognised], View | None] | None" = None
    """Choose what FFmpeg is shown of a file, in a sandbox worker; None: all but the tags
    in front of the data and at the end."""
    parts: "Callable[[Reader, Recognised], Sequence[View]] | None" = None
    """Return what FFmpeg decodes, one after the other, if it cannot decode all at once. May read
    all of the file, in a sandbox worker."""
    describe: "Callable[[Reader, Recognised], SoundHeader | None] | None" = None
    """Say what the sound is by the headers alone, where they leave no doubt what FFmpeg says of it:
    so no worker is needed. None if FFmpeg is to be asked, which alone refuses a file. Called in
    this process: it reads little, and raises nothing but `BudgetSpentError`."""
    measure: Callable[[Stated], Measured | str | None] | None = None
    """Return the duration; why the file is not stored, as `Verdict.flaw` says it; None if FFmpeg's
    duration is as good. May read all of the file, in a sandbox worker."""
    find_damage: "Callable[[Reader, int], str | None] | None" = None
    """Look for damage that FFmpeg skips without a word when it decodes everything: the rest of a
    sentence about the sound. The data begin at this offset."""
    frames_are_numbered: bool = False
    """Whether every frame says which one it is, so that those which are missing were damaged."""
    read_embedded: "Callable[[Reader, int], list[Embedded]] | None" = None
    """Read the tags, pictures and chapters of the data that begin at this offset, in a sandbox
    worker, those first that count most; without it, FFmpeg does. Tags in front of the data and at
    the end of the file (ID3, APEv2) are read for every format."""

    # -- images
    read_header: Callable[[bytes], ImageHeader] | None = None
    """Walk through all parts of an image; raise `InvalidImageError` if they are not complete."""
    pillow_decoder: str = ""
    """Pillow's module and class, with a dot between them."""
    pillow_options: tuple[tuple[str, int | bool], ...] = ()
    """How Pillow encodes a scaled image."""

    @property
    def description(self) -> str:
        """What a file of this format is, for a sentence: "MP3 audio", "a PNG image"."""
        return f"{self.name} audio" if self.kind == "audio" else f"a {self.name} image"

    @property
    def content_types(self) -> tuple[str, ...]:
        """Every content type that a file of this format may be stored under."""
        return (*map(self.content_type_for, self.codecs_in_type), self.content_type)

    def content_type_for(self, codec: str | None) -> str:
        """Return the content type to store a file under; it names the codec where that helps."""
        if codec in self.codecs_in_type:
            return f"{self.content_type}; codecs={codec}"
        return self.content_type

    def extension_for(self, name: str) -> str:
        """Return the name's own extension if it fits the format, else the preferred one."""
        own = extension_of(name)
        return own if own in self.extensions else self.extensions[0]


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file is by its content."""

    format: Format
    codec: str | None = None
    """"mp3", "vorbis", "aac", "pcm" …; None if the container does not say so cheaply."""
    offset: int = 0
    """Where the format's own data begin: after any tags in front of them."""

    @property
    def content_type(self) -> str:
        """The content type to store the file under."""
        return self.format.content_type_for(self.codec)
