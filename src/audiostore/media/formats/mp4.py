"""MP4 and QuickTime (ISO/IEC 14496-12): recognised by the tracks, checked by sizes and offsets."""

from dataclasses import dataclass, field

from audiostore.media.kinds import Format, Recognised, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.boxes import Box as _Box, boxes as _boxes, find_box as _find
from audiostore.media.parsing.reading import NO_SOUND, Reader, big, cut_short, quoted

_MOST_TRACKS = 32
_GARBAGE = 4 << 10
_FULL = 4  # version and flags before a "full" box's fields

_IMAGE_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "an AVIF image"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "a HEIC image"),
    **dict.fromkeys((b"mif1", b"msf1"), "a HEIF image"),
    b"crx ": "a Canon raw image",
}
_PROTECTED = (b"drms", b"enca", b"aavd", b"p608")
_PICTURES = (b"jpeg", b"mjpa", b"mjpb", b"png ", b"MJPG", b"mjpg")
_VIDEO_NAMES = {
    **dict.fromkeys((b"avc1", b"avc3"), "H.264"),
    **dict.fromkeys((b"hvc1", b"hev1"), "H.265"),
    b"mp4v": "MPEG-4",
    b"av01": "AV1",
    b"vp09": "VP9",
    b"vp08": "VP8",
    b"s263": "H.263",
}
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


@dataclass(frozen=True, slots=True)
class _Track:
    handler: bytes
    entry: bytes
    """The first sample description's four-character code."""
    object_type: int
    table: _Box | None

    @property
    def is_sound(self) -> bool:
        return self.handler == b"soun"

    @property
    def is_moving_picture(self) -> bool:
        # Cover art and chapter pictures are "video" tracks of single JPEG or PNG images.
        still = self.entry in _PICTURES or (
            self.entry == b"mp4v" and self.object_type in _STILL_OBJECT_TYPES
        )
        return self.handler == b"vide" and not still

    @property
    def codec(self) -> str | None:
        if self.entry == b"mp4a":
            return _OBJECT_TYPES.get(self.object_type)
        plain = self.entry.decode("ascii", "replace").strip().lower()
        return _SOUND_NAMES.get(self.entry, plain if plain.isalnum() else None)


def _tracks(reader: Reader, moov: _Box) -> list[_Track]:
    inside = _boxes(reader, moov.start, moov.end)
    boxes = [box for box in inside if box.type == b"trak"][:_MOST_TRACKS]
    return [_track(reader, box) for box in boxes]


def _track(reader: Reader, trak: _Box) -> _Track:
    media = _find(reader, trak, b"mdia")
    handler = _find(reader, media, b"hdlr")
    table = _find(reader, media, b"minf", b"stbl")
    described = _find(reader, table, b"stsd")
    entry = b""
    if described:
        # A count of entries, then the first one's size and code; "esds" is somewhere in it.
        size = min(described.end - described.start, 512)
        entry = reader.at(described.start + _FULL + 4, size)
    kind = reader.at(handler.start + _FULL + 4, 4) if handler else b""
    return _Track(kind, entry[4:8], _object_type(entry), table)


def _object_type(entry: bytes) -> int:
    """Return the object type of a decoder configuration (ISO/IEC 14496-1 7.2.6); 0 if none."""
    at = entry.find(b"esds")
    if at < 0:
        return 0
    at += 4 + _FULL
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


def _recognise(reader: Reader, offset: int) -> Recognised | str:
    """Recognise MP4 with sound by its tracks; without an index (moov), by its brand."""
    head = reader.at(offset, 32)
    for brand in (head[8:12], *(head[i : i + 4] for i in range(16, min(32, big(head)), 4))):
        if brand in _IMAGE_BRANDS and brand not in (b"mif1", b"msf1"):
            return _IMAGE_BRANDS[brand]
    if head[8:12] in _IMAGE_BRANDS:
        return _IMAGE_BRANDS[head[8:12]]
    for box in _boxes(reader, offset, reader.size):
        if box.type == b"moov":
            return _by_tracks(_tracks(reader, box), offset)
    return Recognised(FORMAT, None, offset)  # the check says that the index is missing


def _by_tracks(tracks: list[_Track], offset: int) -> Recognised | str:
    sounds = [track for track in tracks if track.is_sound]
    video = next((track for track in tracks if track.is_moving_picture), None)
    if video:
        kind = quoted(video.entry)
        with_sound = " with sound" if sounds else ""
        return f"video ({_VIDEO_NAMES.get(video.entry, kind)}{with_sound})"
    if not sounds:
        return "MP4 data without a sound track"
    if sounds[0].entry in _PROTECTED:
        return "copy-protected MP4 audio, which plays only with its seller's key"
    return Recognised(FORMAT, sounds[0].codec, offset)


# -- structure ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Layout:
    moov: _Box | None = None
    sound: list[_Box] = field(default_factory=list)
    fragments: int = 0


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare box sizes with the file's, and the place of the last sound by the index."""
    layout = _Layout()
    for box in _boxes(reader, found.offset, reader.size):
        if box.type == bytes(4) or box.end < box.start:
            break  # padding after the last box, or damage
        if box.end > reader.size:
            flaw = _too_large(reader, box, layout)
            if flaw:
                return flaw
            break
        if box.type == b"moov":
            layout.moov = box
        elif box.type == b"mdat":
            layout.sound.append(box)
        elif box.type == b"moof":
            layout.fragments += 1
    if layout.moov is None:
        return "is cut short: its index (the moov box) is missing, without which nothing can play"
    return _check_index(reader, layout.moov, layout)


def _too_large(reader: Reader, box: _Box, layout: _Layout) -> str | None:
    there = max(0, reader.size - box.start)
    if layout.moov and there < _GARBAGE and not (box.type.isalnum() and box.type.isascii()):
        return None
    what = "sound" if box.type == b"mdat" else f"{quoted(box.type)} box"
    return cut_short(f"its {what} promises", box.end - box.start, there)


def _check_index(reader: Reader, moov: _Box, layout: _Layout) -> str | None:
    track = next((t for t in _tracks(reader, moov) if t.is_sound), None)
    if track is None or track.table is None:
        return "is damaged: its index has no sound track"
    table = _SampleTable.read(reader, track.table)
    if table.samples and table.chunks:
        return _check_last_chunk(reader, table, layout)
    if _find(reader, moov, b"mvex") is None:
        return NO_SOUND
    if layout.fragments == 0:
        return "is cut short: its index is there, and no fragment with sound after it"
    return None


def _check_last_chunk(reader: Reader, table: "_SampleTable", layout: _Layout) -> str | None:
    start = table.last_chunk_at(reader)
    end = start + table.last_chunk_size(reader)
    if start >= reader.size or end > reader.size:
        return f"is cut short: its sound ends at byte {end:,}, the file at {reader.size:,}"
    if not any(box.start <= start and end <= box.end for box in layout.sound):
        return "is damaged: its index points at bytes that are not sound"
    return None


_MOST_SIZES = 4096


@dataclass(frozen=True, slots=True)
class _SampleTable:
    """Where the samples are (ISO/IEC 14496-12 section 8.7)."""

    sizes: _Box | None
    samples: int
    uniform_size: int
    """0: each sample has its own."""
    offsets: _Box | None
    chunks: int
    offset_size: int
    per_last_chunk: int

    @classmethod
    def read(cls, reader: Reader, stbl: _Box) -> "_SampleTable":
        sizes, offsets, grouping = None, None, None
        for box in _boxes(reader, stbl.start, stbl.end):
            if box.type == b"stsz":
                sizes = box
            elif box.type in (b"stco", b"co64"):
                offsets = box
            elif box.type == b"stsc":
                grouping = box
        size_head = reader.at(sizes.start + _FULL, 8) if sizes else b""
        chunks = big(reader.at(offsets.start + _FULL, 4)) if offsets else 0
        groups = big(reader.at(grouping.start + _FULL, 4)) if grouping else 0
        # The last group's first chunk, samples per chunk, description.
        last = grouping.start + _FULL + 4 + 12 * (groups - 1) if grouping and groups else -1
        return cls(
            sizes=sizes,
            samples=big(size_head, 4) if sizes else -1,
            uniform_size=big(size_head),
            offsets=offsets,
            chunks=chunks,
            offset_size=8 if offsets and offsets.type == b"co64" else 4,
            per_last_chunk=big(reader.at(last + 4, 4)),
        )

    def last_chunk_at(self, reader: Reader) -> int:
        if self.offsets is None:
            return 0
        at = self.offsets.start + _FULL + 4 + self.offset_size * (self.chunks - 1)
        return big(reader.at(at, self.offset_size), 0, self.offset_size)

    def last_chunk_size(self, reader: Reader) -> int:
        """Return the bytes of the last chunk; 0 if all samples have one size.

        QuickTime counts a uniform size in samples of uncompressed sound, whatever is stored.
        """
        if self.sizes is None or self.uniform_size:
            return 0
        count = min(self.per_last_chunk, self.samples, _MOST_SIZES)
        at = self.sizes.start + _FULL + 8 + 4 * (self.samples - count)
        data = reader.at(at, 4 * count)
        return sum(big(data, i) for i in range(0, len(data), 4))


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return what the mdat boxes hold, wherever the index moves them to."""
    sound, at = [], found.offset
    for box in _boxes(reader, found.offset, reader.size):
        at = box.end
        if box.type == b"mdat":
            sound.append((box.start, box.end))
    return Parts(sound) if at >= reader.size - _GARBAGE else None


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


# No codecs in the content type: RFC 6381 wants the object type from inside the codec's
# configuration ("mp4a.40.2"; a bare "mp4a" is another statement), and browsers disagree on the
# letters: Safari takes "audio/mp4; codecs=Opus" and refuses "codecs=opus" (shaka-player pull
# request 6607).
FORMAT = Format(
    name="MP4",
    kind="audio",
    content_type="audio/mp4",
    extensions=(".m4a", ".m4b"),
    magic=(b"ftyp",),
    magic_at=4,
    recognise=_recognise,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the content of all mdat boxes",
    cut_found_by="sizes of all boxes, the index (moov), the place of its last chunk",
    cut_missed="between two fragments, in a fragmented file",
    has_movable_index=True,
    demuxer="mov",
    decoders=(
        *("alac", "ac3", "eac3"),
        *("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb"),
    ),
)
