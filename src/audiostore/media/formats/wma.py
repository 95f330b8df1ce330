"""WMA: Windows Media audio in ASF (Advanced Systems Format, revision 01.20.05)."""

from audiostore.dataclass import dataclass
from audiostore.media.kinds import Format, Measured, Recognised, Stated, Verdict
from audiostore.media.parsing.asf import (
    OBJECT_HEADER as _OBJECT,
    Object,
    guid as _guid,
    header_objects as _header_objects,
    objects as _objects,
)
from audiostore.media.parsing.asf_tags import read_asf_tags
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.reading import NO_SOUND, Reader, cut_short, little
from audiostore.media.parsing.tags import after_sound

_HEADER = _guid("75B22630-668E-11CF-A6D9-00AA0062CE6C")
_DATA = _guid("75B22636-668E-11CF-A6D9-00AA0062CE6C")
_FILE = _guid("8CABDCA1-A947-11CF-8EE4-00C00C205365")
_STREAM = _guid("B7DC0791-A9B7-11CF-8EE6-00C00C205365")
_PROTECTION = (
    _guid("2211B3FB-BD23-11D2-B4B7-00A0C955FC6E"),
    _guid("298AE614-2622-4C17-B935-DAE07EE9289C"),
)
_SOUND = _guid("F8699E40-5B4D-11CF-A8FD-00805F5C442B")
_VIDEO = _guid("BC19EFC0-5B4D-11CF-A8FD-00805F5C442B")

_CODECS = {0x160: "wmav1", 0x161: "wmav2", 0x162: "wmapro", 0x163: "wmalossless", 0xA: "wmavoice"}
_DATA_HEADER = 26  # a file id, a count of packets, two bytes: then the packets
_INDEXES = (  # sections 6.1 to 6.4
    _guid("33000890-E5B1-11CF-89F4-00A0C90349CB"),
    _guid("D6E229D3-35DA-11D1-9034-00A0C90349BE"),
    _guid("FEB103F8-12AD-4C64-840F-2A1D2F7AD48C"),
    _guid("3CB73FD0-0C4A-4803-953D-EDF7B6228F0C"),
)
_BROADCAST = 1
_SIZES = (0, 1, 2, 4)
_SLACK_S = 2.0
"""The longest sound that may begin at one time: silence takes few bytes."""
_MOST_TOO_LONG_S = 10.0
"""Whole files of some versions of FFmpeg state 2 s too much."""


def _recognise(reader: Reader, offset: int) -> Recognised | str | None:
    """Recognise ASF by its GUID, WMA by its streams."""
    if reader.at(offset, 16) != _HEADER:
        return None
    sounds, video = [], False
    for part in _header_objects(reader, offset):
        if part.id in _PROTECTION:
            return "copy-protected Windows Media, which plays only with its seller's key"
        if part.id == _STREAM:
            kind = reader.at(part.start, 16)
            video = video or kind == _VIDEO
            if kind == _SOUND:  # after 54 bytes: WAVEFORMATEX, which begins with the codec's tag
                sounds.append(little(reader.at(part.start + 54, 2), 0, 2))
    if video:
        return f"video (Windows Media{' with sound' if sounds else ''})"
    return Recognised(FORMAT, _CODECS.get(sounds[0]) if sounds else None, offset)


@dataclass(frozen=True, slots=True)
class _Asf:
    """What an ASF states about its sound; 0: nothing."""

    header_end: int
    streams: int = 0
    size: int = 0
    packets: tuple[int, ...] = ()
    """The counts of the header and of the data."""
    seconds: float = 0.0
    preroll_s: float = 0.0
    packet_size: int = 0
    is_live: bool = False
    """Whether sizes, counts and duration are unknown, as of a stream that was never finished."""
    data: Object | None = None
    """The packets of the data object."""


def _read(reader: Reader, offset: int) -> _Asf:
    header_end = offset + little(reader.at(offset, _OBJECT), 16, 8)
    streams, fields = 0, b""
    for part in _header_objects(reader, offset):
        streams += part.id == _STREAM
        if part.id == _FILE:
            fields = reader.at(part.start, 80)
    size, counted, duration, preroll = (little(fields, at, 8) for at in (16, 32, 40, 56))
    smallest, largest = little(fields, 68), little(fields, 72)
    is_live = bool(little(fields, 64) & _BROADCAST)
    head = reader.at(header_end, _OBJECT)
    data, packets = None, [counted]
    if head[:16] == _DATA:
        packets.append(little(reader.at(header_end + _OBJECT + 16, 8), 0, 8))
        start, end = header_end + _OBJECT + _DATA_HEADER, header_end + little(head, 16, 8)
        data = Object(_DATA, start, end if end > start else reader.size)
    return _Asf(
        header_end=header_end,
        streams=streams,
        size=0 if is_live else size,
        packets=() if is_live else tuple(packets),
        # Section 3.2: the duration of 100 ns units includes the preroll, in milliseconds.
        seconds=0.0 if is_live else max(0.0, duration / 1e7 - preroll / 1e3),
        preroll_s=preroll / 1e3,
        packet_size=smallest if smallest == largest else 0,
        is_live=is_live,
        data=data,
    )


def _flaw(reader: Reader, asf: _Asf) -> str | None:
    """Compare the data object's size and the file's stated size with what is there."""
    if asf.header_end + _OBJECT > reader.size:
        return "is cut short: it ends within its header, before the sound"
    if asf.streams == 0:
        return "is damaged: its header describes no sound"
    if asf.data is None:
        return None if asf.is_live else "is damaged: no sound follows its header"
    return _check_sizes(reader, asf, asf.data) or _check_packets(reader, asf)


def _check_sizes(reader: Reader, asf: _Asf, data: Object) -> str | None:
    there = reader.size - data.start
    if there <= 0:
        return NO_SOUND
    if data.end > reader.size and not asf.is_live:  # the sizes of a live stream are unknown
        return cut_short("its sound promises", data.end - data.start, there)
    if asf.size > reader.size:
        return cut_short("its header promises", asf.size, reader.size)
    return None


def _check_packets(reader: Reader, asf: _Asf) -> str | None:
    """Compare the counts of packets with the packets that are there; look at the last one."""
    if not asf.data or not asf.packet_size:
        return None
    there = _count(reader, asf)
    for stated in asf.packets:
        if stated > there:
            percent = 100 * there // stated
            numbers = f"its header counts {stated:,} packets, {there:,} are there"
            return f"is cut short: {numbers} ({percent} %)"
    last = reader.at(asf.data.start + (there - 1) * asf.packet_size, asf.packet_size)
    return None if there and last.strip(b"\0") else "is cut short: its last packet is empty"


def _count(reader: Reader, asf: _Asf) -> int:
    """Return how many whole packets are there."""
    if not asf.data or not asf.packet_size:
        return 0
    return max(0, min(asf.data.end, reader.size) - asf.data.start) // asf.packet_size


def _check(reader: Reader, found: Recognised) -> Verdict:
    asf = _read(reader, found.offset)
    flaw = _flaw(reader, asf)
    if flaw or not asf.data or asf.is_live:
        return Verdict(flaw)
    end = asf.data.end
    for part in _objects(reader, end, reader.size):
        if part.id not in _INDEXES or part.end > reader.size:
            break
        end = part.end
    return Verdict(None, after_sound(reader, end))


def _measure(stated: Stated) -> Measured | str | None:
    """Compare the duration with the time of the last packet (section 5.2.2)."""
    asf = _read(stated.reader, stated.offset)
    end_s = _end_s(stated.reader, asf)
    if end_s is None:
        return None
    if asf.seconds <= 0:
        return Measured(end_s, is_exact=False)
    numbers = f"its header states {asf.seconds:.1f} s of sound, its packets end at {end_s:.1f} s"
    if asf.seconds > 1.1 * end_s + _MOST_TOO_LONG_S:
        return f"is cut short: {numbers}"
    if abs(asf.seconds - end_s) > _SLACK_S + 0.005 * end_s:
        return Measured(end_s, is_exact=False, warnings=(f"contradicts itself: {numbers}",))
    return Measured(asf.seconds)


def _end_s(reader: Reader, asf: _Asf) -> float | None:
    """Return when the last sound in the last packet begins; None if that is unknown."""
    count = _count(reader, asf)
    if not asf.data or not count:
        return None
    packet = reader.at(asf.data.start + (count - 1) * asf.packet_size, asf.packet_size)
    times = _presentation_times(packet)
    return max(0.0, max(times) / 1e3 - asf.preroll_s) if times else None


def _presentation_times(packet: bytes) -> list[int]:
    """Return the times of all payloads of a packet, in milliseconds (sections 5.2.2 and 5.2.3)."""
    at = 1 + (packet[0] & 0xF) if packet[:1] >= b"\x80" else 0  # error correction data
    flags, types = little(packet, at, 1), little(packet, at + 1, 1)
    # The sizes of the packet, of a sequence and of the padding; then a time and a duration.
    at += 2 + sum(_SIZES[flags >> shift & 3] for shift in (5, 1, 3)) + 6
    payloads, size_of_size = 1, 0
    if flags & 1:
        payloads, size_of_size = little(packet, at, 1) & 0x3F, _SIZES[little(packet, at, 1) >> 6]
        at += 1
    object_number, offset, replicated = (_SIZES[types >> shift & 3] for shift in (4, 2, 0))
    times = []
    for _ in range(payloads):
        at += 1 + object_number
        place, copied = little(packet, at, offset), little(packet, at + offset, replicated)
        at += offset + replicated
        if at >= len(packet) or not replicated:
            break
        # Of payloads without a header of their own, the time stands in place of the offset.
        times.append(place if copied == 1 else little(packet, at + 4))
        at += copied
        at += size_of_size + little(packet, at, size_of_size)
    return times


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the packets: what the data object holds after its file id and their count."""
    data = _read(reader, found.offset).data
    return Parts([(data.start, data.end)]) if data else None  # a live stream may have none


FORMAT = Format(
    name="WMA",
    kind="audio",
    content_type="audio/x-ms-wma",
    extensions=(".wma",),
    magic=(_HEADER[:4],),
    recognise=_recognise,
    check=_check,
    measure=_measure,
    counts=(
        "size of the file: the file",
        "size of the data object: the file",
        "packets of the header and of the data object: the packets that are there",
        "play duration, less the preroll: the time of the last packet",
    ),
    audio_data=_audio_data,
    audio_data_are="the packets of the data object",
    cut_found_by="sizes of the file and its data; number of packets",
    cut_missed="of live streams (the broadcast flag): any",
    read_embedded=read_asf_tags,
    demuxer="asf",
    decoders=("wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice"),
)
