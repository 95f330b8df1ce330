"""The input of an upload: a file that was inspected and is ready to be stored."""

from collections.abc import Mapping

from audiostore.dataclass import dataclass, field
from audiostore.localfiles import LocalFile
from audiostore.sources import Source
from audiostore.stores import served_as

TYPE_CHECKING = False  # reading an asset must not import media
if TYPE_CHECKING:
    from audiostore.asset.derived import MarkedFile
    from audiostore.media import AudioInfo


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """An audio or image file, or a picture from inside an audio file, ready to be stored."""

    source: Source
    """The bytes to store: those of the file, or a converted version."""
    file: LocalFile | None
    """The local file that they come from; None for embedded artwork, and what a store holds."""
    format_name: str
    """The name of its format in audiostore: "MP3", "Ogg", "JPEG" …"""
    extension: str
    """The extension of its object's name, such as ``.mp3``."""
    content_type: str
    filename: str
    """The file's name as text; bytes that are not UTF-8 are replaced."""
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Facts found by inspection, for the metadata (see `record.facts_of`)."""
    info: "AudioInfo | None" = field(default=None, hash=False, repr=False)
    """What the audio contains; None for an image, and if only the first bytes were inspected."""
    artwork: "PreparedFile | None" = None
    """Embedded artwork that may become the thumbnail."""
    derived: "tuple[MarkedFile, ...]" = field(default=(), hash=False, repr=False)
    """What was made of audio while it was inspected, to be stored next to it."""
    warnings: tuple[str, ...] = ()
    is_embedded: bool = False
    """Whether it is a picture from inside an audio file."""
    storage_class: str | None = None
    """That of its object; None for the store's default."""
    kms_key: str | None = None
    """The Cloud KMS key of its object; None for the store's default."""

    @property
    def served_as(self) -> str:
        """The file name that browsers save it under: its own, with the correct extension."""
        return served_as(self.filename, self.extension)

    @property
    def identity(self) -> list[str | int]:
        """Values that identify this unchanged file; ready for JSON."""
        if self.file is None:
            return [self.filename, self.source.size_bytes, self.source.crc32c]
        file = self.file
        return [
            self.filename,
            file.device,
            file.inode,
            file.size_bytes,
            file.mtime_ns,
            file.crc32c,
            self.source.crc32c,
        ]
