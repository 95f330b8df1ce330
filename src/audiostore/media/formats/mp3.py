"""MP3 (MPEG audio layers II and III): nothing but frames, whose headers give their lengths."""

from audiostore.media.kinds import Format, Measured, Recognised, Stated, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.embedded import no_own_tags
from audiostore.media.parsing.mpeg import (
    LAYER_3,
    MPEG_1,
    SEARCH_WINDOW,
    Frames,
    check_tail,
    mpeg_fields,
    mpeg_length,
    repeats,
    search,
)
from audiostore.media.parsing.reading import NO_SOUND, Reader, big, cut_short
from audiostore.media.parsing.tags import end_of_data

_FRAMES = Frames("MP3", 4, mpeg_length, 0xFFFE0C00)  # sync, version, layer, sampling rate
_FIRST_FRAME = 2048  # the longest frame has 1,729 bytes


def _recognise(reader: Reader, offset: int) -> Recognised | None:
    head = reader.at(offset, 4)
    if mpeg_length(head, 0) and repeats(reader, offset, _FRAMES):
        return _recognised(head, offset)
    return None


def _search(reader: Reader, offset: int) -> Recognised | str | None:
    found = search(reader, offset, _FRAMES)
    if found is not None:
        return _recognised(reader.at(found, 4), found)
    data = reader.at(offset, SEARCH_WINDOW)
    fields = mpeg_fields(data)
    if fields is not None and fields[2] == 0 and data.find(data[:2], 4) > 0:
        # FFmpeg, and with it Chromium and Firefox, does not play it.
        return "MP3 audio of a free-format bit rate, which players do not play"
    return None


def _recognised(head: bytes, offset: int) -> Recognised:
    return Recognised(FORMAT, "mp3" if head[1] >> 1 & 3 == LAYER_3 else "mp2", offset)


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the byte count of a Xing, Info or VBRI header, and look for the last whole frame."""
    end = end_of_data(reader, found.offset)
    first = reader.at(found.offset, _FIRST_FRAME)
    length = mpeg_length(first, 0)
    if length == 0:
        return "is damaged: no frame begins where its sound should"
    promised = _promised_bytes(first)
    there = end - found.offset
    if promised is not None and there <= length:
        return NO_SOUND
    # Some encoders count a frame more than they write.
    if promised is not None and promised > there + length:
        return cut_short("its header promises", promised, there)
    return check_tail(reader, found.offset, end, _FRAMES)


def _promised_bytes(frame: bytes) -> int | None:
    # The header is where layer III keeps its side information of 9, 17 or 32 bytes; flag 2 says
    # that a byte count follows (after the frame count of flag 1). VBRI: always at 36.
    mpeg_1, mono = frame[1] >> 3 & 3 == MPEG_1, frame[3] >> 6 == 3
    at = 4 + ((17 if mono else 32) if mpeg_1 else (9 if mono else 17))
    if frame[at : at + 4] in (b"Xing", b"Info"):
        flags = big(frame, at + 4)
        return big(frame, at + (12 if flags & 1 else 8)) or None if flags & 2 else None
    if frame[36:40] == b"VBRI":
        return big(frame, 46) or None
    return None


def _audio_data(reader: Reader, found: Recognised) -> Parts:
    """Return the frames: all but the tags in front and at the end."""
    return Parts([(found.offset, end_of_data(reader, found.offset))])


def _measure(stated: Stated) -> Measured:
    """Say whether a header in the first frame counts the frames: else FFmpeg estimates.

    Xing and Info: bit 0 of the flags says that a frame count follows; VBRI always has one.
    """
    head = stated.reader.at(stated.offset, 2 * _FIRST_FRAME)
    for name in (b"Xing", b"Info"):
        at = head.find(name)
        if at > 0 and len(head) >= at + 8:
            return Measured(stated.seconds, bool(head[at + 7] & 1))
    return Measured(stated.seconds, b"VBRI" in head)


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


FORMAT = Format(
    name="MP3",
    kind="audio",
    content_type="audio/mpeg",
    extensions=(".mp3",),
    recognise=_recognise,
    search=_search,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the frames between the tags",
    cut_found_by="byte count of Xing, Info, VBRI; a last frame that is not whole",
    cut_missed="between two frames, without such a count; a missing beginning",
    demuxer="mp3",
    # It has no time stamps, for which FFmpeg would read some more packets.
    probe_options=(("max_ts_probe", "0"),),
    decoders=("mp3", "mp3float", "mp2", "mp2float", "mp1", "mp1float"),
    measure=_measure,
    read_embedded=no_own_tags,
)
