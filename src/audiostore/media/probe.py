"""What is inside an audio file, by FFmpeg's libraries (PyAV), which no other module imports.

The demuxer is the one that *our* recognition names, never FFmpeg's guess. FFmpeg is given no path
but a reader of the one file that is open already, and whatever else it wants to open (a playlist's
entry, a QuickTime data reference) is refused by `_refuse_to_open`. Only the audio decoders of
`_is_decoded` can be chosen: embedded pictures and video are never decoded here.

FFmpeg's parsers are C, and a crafted file of a few bytes can make some of them take seconds and
gigabytes: files of unknown origin are examined by `audiostore.media.sandbox`, which runs this
module in a process with limits.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import BinaryIO, Final, NoReturn

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from audiostore.errors import InvalidImageError, UnplayableAudioError
from audiostore.media.images import MAX_IMAGE_BYTES, identify_image
from audiostore.media.info import Artwork, AudioInfo, Chapter, DecodedInfo

DEMUXERS: Final[Mapping[str, str]] = {
    "MP3": "mp3",
    "WAV": "wav",
    "FLAC": "flac",
    "Ogg": "ogg",
    "MP4": "mov",
    "AAC": "aac",
    "AIFF": "aiff",
    "WebM": "matroska",
    "WMA": "asf",
    "CAF": "caf",
}
"""Our format's name -> FFmpeg's demuxer."""

MAX_TAGS: Final = 64
MAX_TAG_CHARS: Final = 1_000
MAX_CHAPTERS: Final = 1_000
_MAX_KEY_CHARS = 64
_MAX_ID3_BYTES = 32 << 20
"""Behind a longer ID3v2 tag the sound is read as if there were no tag: it would fill memory."""
_MAX_PICTURES = 16
_MAX_RATE_HZ = 10_000_000
_MAX_DURATION_S = 10 * 365 * 86_400.0

_CODECS = frozenset(
    (  # noqa: SIM905 - as words, not a page of quotes
        "mp3 mp3float mp2 mp2float mp1 mp1float aac aac_latm alac flac vorbis opus libopus speex "
        "wmav1 wmav2 wmapro wmalossless wmavoice ac3 eac3 adpcm_ms adpcm_ima_wav adpcm_ima_qt gsm "
        "gsm_ms amrnb amrwb libopencore_amrnb libopencore_amrwb"
    ).split()
)

# One set of names. FFmpeg brings most formats' own names to the left-hand ones already; what it
# leaves (Vorbis comments, ID3 TXXX, ASF and CAF keys that it does not know) is brought here.
_KNOWN_TAGS = tuple(
    (  # noqa: SIM905 - as words, not a page of quotes
        "title artist album album_artist track disc date genre comment composer performer "
        "conductor lyricist copyright publisher language isrc bpm key mood grouping subtitle "
        "description lyrics compilation"
    ).split()
)
_OTHER_NAMES = {
    "albumartist": "album_artist",
    "album artist": "album_artist",
    "wm/albumartist": "album_artist",
    "author": "artist",
    "tracknumber": "track",
    "track number": "track",
    "part_number": "track",
    "wm/tracknumber": "track",
    "discnumber": "disc",
    "disk": "disc",
    "wm/partofset": "disc",
    "year": "date",
    "wm/year": "date",
    "date_recorded": "date",
    "date_released": "date",
    "recorded date": "date",
    "wm/genre": "genre",
    "comments": "comment",
    "organization": "publisher",
    "label": "publisher",
    "wm/publisher": "publisher",
    "wm/composer": "composer",
    "wm/albumtitle": "album",
    "tbpm": "bpm",
    "tempo": "bpm",
    "tkey": "key",
    "initialkey": "key",
    "tsrc": "isrc",
    "unsyncedlyrics": "lyrics",
    "lyrics-xxx": "lyrics",
    "lyrics-eng": "lyrics",
}
# How the file was made, not what it holds.
_TECHNICAL = tuple(
    (  # noqa: SIM905 - as words, not a page of quotes
        "major_brand minor_version compatible_brands handler_name vendor_id creation_time encoder "
        "encoding encodersettings encoded_by itunsmpb itunnorm itunpgap duration id3v2_priv "
        "deviceconformancetemplate wmfsdkversion wmfsdkneeded isvbr asf_protection "
        "number_of_bytes number_of_frames _statistics bps coding_history time_reference umid "
        "timecode gapless_playback metadata_block_picture waveformatextensible_channel_mask"
    ).split()
)
_NO_LANGUAGE = ("language", "und")  # ISO 639-2: undetermined; MP4 writes it unasked
_DROPPED = frozenset(range(0x20)) | frozenset(range(0x7F, 0xA0)) | {0x200E, 0x200F, 0xFEFF}
_DROPPED |= frozenset(range(0x202A, 0x202F)) | frozenset(range(0x2066, 0x206A))
_DROPPED |= frozenset(range(0xD800, 0xE000))
_CLEAN: dict[int, str | None] = {
    **dict.fromkeys(_DROPPED, None),
    **dict.fromkeys((0x09, 0x0A, 0x0D, 0x85, 0x2028, 0x2029), " "),
}
"""Control characters, and those that turn the direction of what follows, go; breaks are spaces."""


def read_audio(stream: BinaryIO, format_name: str, *, artwork: bool = True) -> AudioInfo:
    """Look inside an open audio file without decoding it.

    Args:
        stream: the file, seekable and without a buffer.
        format_name: what our recognition found it to be, a key of `DEMUXERS`.
        artwork: whether embedded pictures are looked at; else it is as if there were none.

    Raises:
        UnplayableAudioError: no sound in it that we can decode, or none at all, or broken.
        OSError: it cannot be read.
    """
    with _opened(stream, format_name, _PROBED_BRIEFLY.get(format_name, _PROBED)) as file:
        return _describe(file, format_name, artwork=artwork)


def decode_frames(stream: BinaryIO, format_name: str) -> DecodedInfo:
    """Decode an open audio file from its first frame to its last.

    Raises:
        UnplayableAudioError: as `read_audio`; or frames that do not decode, sound that is missing
            in between, or another duration than the file states: with the seconds where.
    """
    info = read_audio(stream, format_name, artwork=False)
    options = _PROBED_OF_WAV if format_name == "WAV" else _PROBED
    with _opened(stream, format_name, options) as file:
        return _decode(file, info)


# -- opening -----------------------------------------------------------------------------------


class _AnotherFileError(OSError):
    """FFmpeg wanted to open something besides the file that it was given."""


def _refuse_to_open(url: str, flags: int, options: object) -> NoReturn:
    raise _AnotherFileError(f"it refers to another file or address: {url[:200]!r}")


class _Reader:
    """The file from `start` on, as FFmpeg sees it: without a name."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream = stream
        self._start = start
        self._position = 0
        self.size = size

    def read(self, size: int) -> bytes:
        if self._position >= self.size:
            return b""
        self._stream.seek(self._start + self._position)
        piece = self._stream.read(size)
        self._position += len(piece)
        return piece

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, which a broken file may put anywhere; negative: FFmpeg's error code."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:  # FFmpeg asks for the size so, again and again
            offset += self.size
        if offset < 0:
            return -errno.EINVAL
        self._position = offset
        return offset


@dataclass(slots=True)
class _Opened:
    container: InputContainer
    audio: AudioStream
    reader: _Reader
    skipped_tag_bytes: int


# How many bytes of sound FFmpeg reads to know it: a few packets, the header tells the rest. Behind
# a PCM header it tries whether the first packet is other sound, by all the demuxers that it has.
_PROBED = {"probesize": "131072"}
_PROBED_OF_WAV = {"probesize": "32"}
# Where nothing is decoded, it need not read as much: none takes a packet of 64 bytes for its own,
# and MP3 has no time stamps, for which some more packets would be read.
_PROBED_BRIEFLY = {
    "WAV": {**_PROBED_OF_WAV, "max_size": "64"},
    "MP3": {**_PROBED, "max_ts_probe": "0"},
}


@contextmanager
def _opened(stream: BinaryIO, format_name: str, options: Mapping[str, str]) -> Iterator[_Opened]:
    # PyAV prints nothing by itself: its log level is None unless the program sets one.
    size = stream.seek(0, os.SEEK_END)
    start = _behind_huge_id3(stream)
    reader = _Reader(stream, start, size - start)
    with _failures():
        container = av.open(
            reader,
            "r",
            format=DEMUXERS[format_name],
            options={"codec_whitelist": _whitelist(), **options},
            metadata_errors="replace",
            io_open=_refuse_to_open,
        )
    with container:
        yield _Opened(container, _audio_stream(container), reader, start)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except _AnotherFileError as error:
        raise UnplayableAudioError(str(error)) from error
    except MemoryError as error:  # PyAV's ENOMEM is one, too
        raise UnplayableAudioError("it asks for more memory than a song needs") from error
    except av.error.FFmpegError as error:
        raise UnplayableAudioError(f"its structure is broken: {error.strerror or error}") from error


def _behind_huge_id3(stream: BinaryIO) -> int:
    # ID3v2.4 structure, 3.1. FFmpeg reads a whole tag; ours begins behind one that is too large.
    start = 0
    for _ in range(_MAX_PICTURES):
        stream.seek(start)
        head = stream.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or any(byte & 0x80 for byte in head[6:10]):
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        if size <= _MAX_ID3_BYTES:
            break
        start += 10 + size + (10 if head[5] & 0x10 else 0)
    return start


def _is_decoded(codec: str) -> bool:
    return codec.startswith("pcm_") or codec in _CODECS


@cache
def _whitelist() -> str:
    return ",".join(sorted(c for c in av.codecs_available if _is_decoded(c)))


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        if any(not _is_picture(s.disposition) for s in container.streams.video):
            raise UnplayableAudioError("it holds video and no sound")
        raise UnplayableAudioError("it holds no sound")
    audio = container.streams.audio[0]
    if audio.codec_context is None:
        raise UnplayableAudioError("its sound is encoded in a way that is unknown to us")
    if not _is_decoded(audio.codec_context.name):
        name = audio.codec_context.codec.canonical_name
        raise UnplayableAudioError(f"its sound is encoded as {name}, which we do not decode")
    return audio


def _is_picture(disposition: Disposition) -> bool:
    return bool(disposition & Disposition.attached_pic)


# -- describing --------------------------------------------------------------------------------


def _describe(file: _Opened, format_name: str, *, artwork: bool) -> AudioInfo:
    container, audio = file.container, file.audio
    context = audio.codec_context
    rate, channels = context.sample_rate, context.channels
    if not 0 < rate <= _MAX_RATE_HZ or channels < 1:
        raise UnplayableAudioError("its header names no sample rate, or no channels")
    codec = context.codec.canonical_name
    tags = _tags([*container.metadata.items(), *audio.metadata.items()])
    chapters = tuple(_chapters(container))
    pictures = _pictures(container)
    cover, problem = _artwork(pictures) if artwork else (None, None)
    if file.skipped_tag_bytes and artwork:
        problem = f"its ID3 tag of {file.skipped_tag_bytes:,} bytes is too large to be read"
    duration_s, exact = _duration(file, format_name, codec)
    if duration_s <= 0:
        raise UnplayableAudioError("it holds no sound: its duration is zero")
    bits = _bits(codec, context.extradata or b"")
    if codec.startswith("pcm_") and bits:
        bitrate: int | None = rate * channels * bits
    else:
        picture_bytes = sum(picture.size for picture in pictures or ())
        measured = (file.reader.size - picture_bytes) * 8 / duration_s
        bitrate = audio.bit_rate or (round(measured) if measured >= 1 else None)
    return AudioInfo(
        container=format_name,
        codec=codec,
        duration_s=round(duration_s, 6),
        duration_is_exact=exact,
        sample_rate_hz=rate,
        channels=channels,
        bits_per_sample=bits,
        bitrate_bps=bitrate,
        tags=tags,
        chapters=chapters,
        artwork=cover,
        artwork_problem=problem,
    )


def _bits(codec: str, extradata: bytes) -> int | None:
    if codec in ("pcm_alaw", "pcm_mulaw"):
        return 8
    if codec.startswith("pcm_"):
        digits = "".join(c for c in codec.split("_")[1] if c.isdigit())
        return int(digits) if digits else None
    if codec == "flac" and len(extradata) >= 34:  # RFC 9639, 8.2: five bits across bytes 12, 13
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if codec == "alac" and len(extradata) >= 36:  # ALACMagicCookie: bitDepth behind a 12-byte box
        return extradata[17] or None
    return None


def _seconds(ticks: int | None, time_base: Fraction | None) -> float:
    return float(ticks * time_base) if ticks and time_base else 0.0


def _duration(file: _Opened, format_name: str, codec: str) -> tuple[float, bool]:
    """Return the seconds of sound, and whether the file states them."""
    audio = file.audio
    found = _seconds(audio.duration, audio.time_base)
    if found <= 0 and file.container.duration:
        found = file.container.duration / av.time_base
    if found > _MAX_DURATION_S:
        raise UnplayableAudioError(f"its header claims {found / 86_400:,.0f} days of sound")
    if format_name == "AAC":
        return _adts_duration(file.reader) or (found, False)
    if format_name == "MP3":
        return found, _has_frame_count(file.reader)
    if codec == "opus" and format_name == "Ogg":
        # RFC 7845, 4.3 and 5.1: the last granule position counts the pre-skip, which is not heard.
        head = audio.codec_context.extradata or b""
        if len(head) >= 12 and found > 0:
            found = max(0.0, found - int.from_bytes(head[10:12], "little") / 48_000)
        return found, True
    if found <= 0:
        return _packets_duration(file), False
    return found, True


def _packets_duration(file: _Opened) -> float:
    # A stream that was written to a pipe (FLAC, WebM) has no length in its header.
    total, end = 0, 0.0
    with _failures():
        for packet in file.container.demux(file.audio):
            total += packet.duration or 0
            if packet.pts is not None:
                end = max(end, _seconds(packet.pts + (packet.duration or 0), packet.time_base))
    return max(end, _seconds(total, file.audio.time_base))


_FRAME_COUNT_BYTES = 4096


def _has_frame_count(reader: _Reader) -> bool:
    # Xing and Info: bit 0 of the flags says that a frame count follows; VBRI always has one. They
    # stand in the first frame, behind any ID3 tag.
    position = 0
    for _ in range(_MAX_PICTURES):
        reader.seek(position)
        head = reader.read(_FRAME_COUNT_BYTES)
        if head[:3] != b"ID3" or len(head) < 10:
            break
        size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
        position += 10 + size + (10 if head[5] & 0x10 else 0)
    for name in (b"Xing", b"Info"):
        at = head.find(name)
        if at > 0 and len(head) >= at + 8:
            return bool(head[at + 7] & 1)
    return b"VBRI" in head


_MAX_JUNK_BYTES = 16 << 10
"""Padding and unknown tags of up to this size may stand behind the last frame."""
_ADTS_LOOK_BYTES = 256 << 10
_ADTS_RATES = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)


def _adts_duration(reader: _Reader) -> tuple[float, bool] | None:
    # ISO/IEC 13818-7, 6.2: 13 bits of frame length from bit 30, blocks of 1,024 samples minus one
    # in the last two bits. Counted to the end, or extrapolated from the first 256 KiB.
    reader.seek(0)
    data = reader.read(_ADTS_LOOK_BYTES)
    at = 0
    for _ in range(_MAX_PICTURES):
        if data[at : at + 3] != b"ID3" or len(data) < at + 10:
            break
        a, b, c, d = data[at + 6 : at + 10]
        at += 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if data[at + 5] & 0x10 else 0)
        if at >= len(data):
            reader.seek(at)
            data, at = reader.read(_ADTS_LOOK_BYTES), 0
            break
    first = at
    seconds, end = 0.0, len(data) - 7
    while at <= end and data[at] == 0xFF and data[at + 1] & 0xF6 == 0xF0:
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        index = data[at + 2] >> 2 & 15
        if length < 7 or index >= len(_ADTS_RATES):
            break
        seconds += ((data[at + 6] & 3) + 1) * 1024 / _ADTS_RATES[index]
        at += length
    if not seconds:
        return None
    if reader.tell() >= reader.size and len(data) - at <= _MAX_JUNK_BYTES:
        return seconds, True
    behind = reader.size - (reader.tell() - len(data)) - first
    return seconds * behind / (at - first), False


def _tags(found: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    known: dict[str, str] = {}
    others: dict[str, str] = {}
    for raw, value in found:
        key = _clean(raw, _MAX_KEY_CHARS).lower()
        key = _OTHER_NAMES.get(key, key)
        text = _clean(value, MAX_TAG_CHARS)
        if not key or not text or key.startswith(_TECHNICAL) or (key, text) == _NO_LANGUAGE:
            continue
        if key in _KNOWN_TAGS:
            known.setdefault(key, text)
        elif len(others) < MAX_TAGS:
            others.setdefault(key, text)
    ordered = {key: known[key] for key in _KNOWN_TAGS if key in known}
    room = MAX_TAGS - len(ordered)
    return MappingProxyType({**ordered, **dict(list(others.items())[:room])})


def _clean(text: str, limit: int) -> str:
    cut = text[: 4 * limit].translate(_CLEAN).strip()
    return cut if len(cut) <= limit else cut[: limit - 1].rstrip() + "…"


def _chapters(container: InputContainer) -> Iterator[Chapter]:
    for chapter in container.chapters()[:MAX_CHAPTERS]:
        base = chapter["time_base"]
        start_s, end_s = _seconds(chapter["start"], base), _seconds(chapter["end"], base)
        if 0 <= start_s <= end_s <= _MAX_DURATION_S:
            title = _clean(chapter["metadata"].get("title", ""), MAX_TAG_CHARS)
            yield Chapter(round(start_s, 6), round(end_s, 6), title)


def _pictures(container: InputContainer) -> "list[Packet[Stream]] | None":
    """Return the embedded pictures, the front cover first; None if there are none."""
    kinds = {
        s.index: s.metadata.get("comment", "").lower()
        for s in container.streams.video
        if _is_picture(s.disposition)
    }
    if not kinds:
        return None
    found: list[Packet[Stream]] = []
    # FFmpeg hands out attached pictures before everything else.
    with _failures():
        for packet in container.demux():
            if packet.stream.index not in kinds or len(found) >= _MAX_PICTURES:
                break
            found.append(packet)
    return sorted(found, key=lambda packet: kinds[packet.stream.index] != "cover (front)")


def _artwork(pictures: "list[Packet[Stream]] | None") -> tuple[Artwork | None, str | None]:
    """Return the first good picture; without any, what is wrong with the first."""
    if pictures is None:
        return None, None
    problem = "its embedded picture cannot be read"
    for index, picture in enumerate(pictures):
        if not 0 < picture.size <= MAX_IMAGE_BYTES:
            reason = f"the image is empty, or larger than {MAX_IMAGE_BYTES:,} bytes"
        else:
            data = bytes(picture)
            try:
                return Artwork(data, identify_image(data)), None
            except InvalidImageError as error:
                reason = str(error)
        if index == 0:
            problem = f"its embedded picture is not usable: {reason}"
    return None, problem


# -- decoding ----------------------------------------------------------------------------------

_MAX_PLACES = 5


def _decode(file: _Opened, info: AudioInfo) -> DecodedInfo:
    audio = file.audio
    context = audio.codec_context
    # FFmpeg then reports what it would rather hide: a wrong checksum, a damaged frame.
    context.options = {"err_detect": "crccheck+explode"}
    context.thread_count = 1
    heard = _Heard(info.sample_rate_hz)
    try:
        for packet in file.container.demux(audio):
            data = bytes(packet) if info.codec in _MPEG_CODECS else b""
            try:
                if _is_cut_mpeg_frame(data):
                    heard.fail("ends within a frame")
                for frame in context.decode(packet):
                    heard.add(frame.samples, frame.sample_rate, frame.pts, frame.time_base)
            except av.error.EOFError:
                break
            except av.error.FFmpegError as error:
                what = f"does not decode ({error.strerror or error})"
                if data and not _begins_mpeg_frame(data):
                    heard.skip(what, data)
                else:
                    heard.fail(what)
    except av.error.FFmpegError as error:
        heard.fail(f"cannot be read any further ({error.strerror or error})")
    heard.end()
    if heard.problems:
        raise UnplayableAudioError("its sound " + "; ".join(heard.problems))
    if heard.samples == 0:
        raise UnplayableAudioError("it holds no sound: nothing came out of it")
    _compare(heard.seconds, info)
    return DecodedInfo(
        duration_s=round(heard.seconds, 6),
        samples=heard.samples,
        sample_rate_hz=info.sample_rate_hz,
        channels=info.channels,
    )


def _compare(seconds: float, info: AudioInfo) -> None:
    # PCM and FLAC come out as long as they went in; other decoders add or leave a few frames.
    lossless = info.codec.startswith(("pcm_", "flac"))
    allowed = 0.01 if lossless else max(0.1, min(0.5, 0.01 * info.duration_s))
    if info.duration_is_exact and abs(seconds - info.duration_s) > allowed:
        how = "it was cut short" if seconds < info.duration_s else "its header is wrong"
        raise UnplayableAudioError(
            f"its sound lasts {seconds:.2f} s and not {info.duration_s:.2f} s as it says: {how}"
        )


_MPEG_CODECS = ("mp3", "mp2")
_TAGS_BEHIND = (b"ID3", b"APETAGEX", b"LYRICSBEGIN", b"TAG")
_MPEG_KBPS = {  # ISO/IEC 11172-3, 2.4.2.3, and 13818-3, 2.4.2.3: (version 1, layer) -> by index
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _begins_mpeg_frame(packet: bytes) -> bool:
    return len(packet) >= 4 and packet[0] == 0xFF and packet[1] & 0xE0 == 0xE0


def _is_cut_mpeg_frame(packet: bytes) -> bool:
    # FFmpeg conceals the missing end of a frame; its length follows from its header.
    if not _begins_mpeg_frame(packet):
        return False
    version, layer, index = packet[1] >> 3 & 3, 4 - (packet[1] >> 1 & 3), packet[2] >> 4
    table = _MPEG_KBPS.get((version == 3, layer))
    if table is None or not 1 <= index <= len(table) or (rate_index := packet[2] >> 2 & 3) == 3:
        return False
    rate = (44_100, 48_000, 32_000)[rate_index] >> {3: 0, 2: 1, 0: 2}.get(version, 0)
    slots = 72 if layer == 3 and version != 3 else 144
    return len(packet) < slots * table[index - 1] * 1000 // rate + (packet[2] >> 1 & 1)


class _Heard:
    """What came out of the decoder, and where it was not right."""

    _GAP_S = 0.1

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._count = 0
        self._ends_s: float | None = None
        self._junk: list[tuple[str, bytes]] = []
        self.samples = 0
        self.seconds = 0.0
        self.problems: list[str] = []

    def skip(self, what: str, junk: bytes) -> None:
        """Note bytes that are no frame: a problem if sound follows, or if they are many."""
        self._junk.append((what, junk))

    def end(self) -> None:
        """Judge what stood behind the last frame: tags may, and a little padding."""
        size = sum(len(junk) for _, junk in self._junk)
        if size > _MAX_JUNK_BYTES and not self._junk[0][1].startswith(_TAGS_BEHIND):
            self.fail(f"is followed by {size:,} bytes that are none")

    def add(self, samples: int, rate: int, pts: int | None, base: Fraction | None) -> None:
        for what, _ in self._junk:
            self.fail(what)
        self._junk.clear()
        if pts is not None and base:
            starts_s = float(pts * base)
            if self._ends_s is not None and starts_s - self._ends_s > self._GAP_S:
                self.fail(f"misses {starts_s - self._ends_s:.2f} s")
            self._ends_s = starts_s + samples / (rate or self._rate)
        self.samples += samples
        self.seconds += samples / (rate or self._rate)

    def fail(self, what: str) -> None:
        self._count += 1
        if len(self.problems) < _MAX_PLACES:
            self.problems.append(f"{what} at {self.seconds:.1f} s")
        elif len(self.problems) == _MAX_PLACES:
            self.problems.append("and more")
