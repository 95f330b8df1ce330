"""WMA: Windows Media audio in ASF (Advanced Systems Format, revision 01.20.05)."""

from audiostore.media.kinds import Format, Recognised, Verdict
from audiostore.media.parsing.asf import (
    OBJECT_HEADER as _OBJECT,
    guid as _guid,
    header_objects as _header_objects,
    objects as _objects,
)
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.reading import NO_SOUND, Reader, cut_short, little

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
_BROADCAST = 1


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


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the data object's size and the file's stated size with what is there."""
    header_end = found.offset + little(reader.at(found.offset, _OBJECT), 16, 8)
    if header_end + _OBJECT > reader.size:
        return "is cut short: it ends within its header, before the sound"
    stated = flags = streams = 0
    for part in _header_objects(reader, found.offset):
        streams += part.id == _STREAM
        if part.id == _FILE:
            fields = reader.at(part.start, 72)
            stated, flags = little(fields, 16, 8), little(fields, 64)
    if streams == 0:
        return "is damaged: its header describes no sound"
    data = next(_objects(reader, header_end, reader.size), None)
    if data is None or data.id != _DATA:
        return None if flags & _BROADCAST else "is damaged: no sound follows its header"
    if not flags & _BROADCAST:  # the sizes of a live stream are unknown
        if data.end > reader.size:
            return cut_short("its sound promises", data.end - data.start, reader.size - data.start)
        if stated > reader.size:
            return cut_short("its header promises", stated, reader.size)
    packets = data.start + _DATA_HEADER
    return NO_SOUND if data.end <= packets or reader.size <= packets else None


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the packets: what the data object holds after its file id and their count."""
    header_end = found.offset + little(reader.at(found.offset, _OBJECT), 16, 8)
    data = next(_objects(reader, header_end, reader.size), None)
    if data is None or data.id != _DATA:
        return None  # a live stream may have no data object
    is_whole = data.end > data.start + _DATA_HEADER
    return Parts([(data.start + _DATA_HEADER, data.end if is_whole else reader.size)])


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


FORMAT = Format(
    name="WMA",
    kind="audio",
    content_type="audio/x-ms-wma",
    extensions=(".wma",),
    magic=(_HEADER[:4],),
    recognise=_recognise,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the packets of the data object",
    cut_found_by="sizes of the file and its data",
    cut_missed="of live streams (the broadcast flag): any",
    demuxer="asf",
    decoders=("wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice"),
)
