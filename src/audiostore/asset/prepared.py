"""What an upload hands to the protocol: a file that was inspected and is ready to be stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from audiostore.sources import LocalFile, Source


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """An audio or image file, or a picture from inside an audio file, ready to be stored."""

    source: Source
    """The bytes to store: those of the file, or what was made of it."""
    file: LocalFile | None
    """The file that they come from; None for artwork that was embedded in another."""
    format_name: str
    """Our name of its format: "MP3", "Ogg", "JPEG" …"""
    extension: str
    """What its object's name ends in, such as ``.mp3``."""
    content_type: str
    filename: str
    """Its name as text; bytes that are not UTF-8 are replaced."""
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What is inside, for the metadata (see `record.facts_of`)."""
    artwork: "PreparedFile | None" = None
    """Embedded artwork that may become the thumbnail."""
    warnings: tuple[str, ...] = ()

    @property
    def served_as(self) -> str:
        """The file name that it is saved under: its own, with an extension that is right."""
        stem, dot, own = self.filename.rpartition(".")
        if dot and f".{own.lower()}" == self.extension:
            return self.filename
        return f"{stem if dot else self.filename}{self.extension}"

    @property
    def identity(self) -> list[str | int]:
        """What tells this very file, unchanged, from every other; ready for JSON."""
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
