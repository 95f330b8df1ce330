"""The movie in an MP4 file: its index, its sound and its tracks (ISO/IEC 14496-12 section 8)."""

from audiostore.dataclass import dataclass, field
from audiostore.media.parsing.boxes import FULL, MAX_BOXES, Box, boxes, find_box
from audiostore.media.parsing.reading import BudgetSpentError, Reader

_MOST_TRACKS = 32

_PICTURES = (b"jpeg", b"mjpa", b"mjpb", b"png ", b"MJPG", b"mjpg")
_SOUND_NAMES = {
    b"Opus": "opus",
    b"fLaC": "flac",
    b".mp3": "mp3",
    b"ac-3": "ac3",
    b"ec-3": "eac3",
    b"samr": "amr_nb",
    b"sawb": "amr_wb",
    b"ulaw": "mulaw",
    **dict.fromkeys((b"sowt", b"twos", b"lpcm", b"ipcm", b"raw ", b"in24", b"in32"), "pcm"),
    **dict.fromkeys((b"fpcm", b"fl32", b"fl64"), "pcm_float"),
}
# ISO/IEC 14496-1 table 5 and the registry at mp4ra.org.
_OBJECT_TYPES = {
    **dict.fromkeys((0x40, 0x66, 0x67, 0x68), "aac"),
    **dict.fromkeys((0x69, 0x6B), "mp3"),
    **{0xA5: "ac3", 0xA6: "eac3", 0xA9: "dts", 0xDD: "vorbis", 0xAD: "opus"},
}
_STILL_OBJECT_TYPES = (0x6C, 0x6D)  # JPEG, PNG


@dataclass(slots=True)
class Layout:
    """The boxes of a file, up to the first bytes that are not one."""

    end: int
    """Where the whole boxes end."""
    moov: Box | None = None
    sound: list[Box] = field(default_factory=list)
    fragments: int = 0
    too_large: Box | None = None
    """What begins at `end` and is larger than the rest of the file: a box, or what is not one."""
    is_complete: bool = True
    """False if there are more boxes than were looked at."""

    @classmethod
    def read(cls, reader: Reader, start: int, *, fragments: bool = True) -> "Layout":
        """Walk the boxes of a file from this offset on; if asked to, only to the first fragment."""
        layout = cls(start)
        for count, box in enumerate(boxes(reader, start, reader.size), 1):
            is_last = count == MAX_BOXES or (box.type == b"moof" and not fragments)
            layout.is_complete = not is_last
            if is_last or not _is_type(box.type) or box.end < box.start:
                break
            if box.type == b"mdat":
                layout.sound.append(box)
            if box.end > reader.size:
                layout.too_large = box
                break
            if box.type == b"moov":
                layout.moov = box
            layout.fragments += box.type == b"moof"
            layout.end = box.end
        return layout


def _is_type(code: bytes) -> bool:
    return all(32 <= each < 127 for each in code[1:]) and code[0] >= 32


@dataclass(frozen=True, slots=True)
class Track:
    """A track, and what its first sample description says."""

    box: Box
    handler: bytes
    entry: bytes
    """The first sample description's four-character code."""
    object_type: int
    table: Box | None

    @property
    def is_sound(self) -> bool:
        """Whether it is heard."""
        return self.handler == b"soun"

    @property
    def is_moving_picture(self) -> bool:
        """Whether it is video: cover art and chapters may be tracks of JPEG or PNG images."""
        still = self.entry in _PICTURES or (
            self.entry == b"mp4v" and self.object_type in _STILL_OBJECT_TYPES
        )
        return self.handler == b"vide" and not still

    @property
    def codec(self) -> str | None:
        """FFmpeg's name of its codec; None if it is not known."""
        if self.entry == b"mp4a":
            return _OBJECT_TYPES.get(self.object_type)
        plain = self.entry.decode("ascii", "replace").strip().lower()
        return _SOUND_NAMES.get(self.entry, plain if plain.isalnum() else None)


def read_tracks(reader: Reader, moov: Box) -> list[Track]:
    """Return the tracks in an index, in their order.

    Raises:
        BudgetSpentError: there are more than are looked at, none of which is sound.
    """
    traks = [box for box in boxes(reader, moov.start, moov.end) if box.type == b"trak"]
    tracks = [_track(reader, box) for box in traks[:_MOST_TRACKS]]
    if len(traks) > len(tracks) and not any(track.is_sound for track in tracks):
        raise BudgetSpentError
    return tracks


def _track(reader: Reader, trak: Box) -> Track:
    media = find_box(reader, trak, b"mdia")
    handler = find_box(reader, media, b"hdlr")
    table = find_box(reader, media, b"minf", b"stbl")
    described = find_box(reader, table, b"stsd")
    entry = b""
    if described:
        # A count of entries, then the first one's size and code; "esds" is somewhere in it.
        size = min(described.end - described.start, 512)
        entry = reader.at(described.start + FULL + 4, size)
    kind = reader.at(handler.start + FULL + 4, 4) if handler else b""
    return Track(trak, kind, entry[4:8], _object_type(entry), table)


def _object_type(entry: bytes) -> int:
    """Return the object type of a decoder configuration (ISO/IEC 14496-1 7.2.6); 0 if none."""
    at = entry.find(b"esds")
    if at < 0:
        return 0
    at += 4 + FULL
    kind, at = _descriptor(entry, at)
    if kind == 3:  # an elementary stream: its id and flags, which are 0 in files
        kind, at = _descriptor(entry, at + 3)
    return entry[at] if kind == 4 and at < len(entry) else 0


def _descriptor(data: bytes, at: int) -> tuple[int, int]:
    kind = data[at] if at < len(data) else 0
    at += 1
    while at < len(data) and data[at] & 0x80:  # its length, seven bits a byte
        at += 1
    return kind, at + 1
