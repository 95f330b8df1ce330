"""MP3 (MPEG audio layers II and III): nothing but frames, whose headers give their lengths.

The first frame may be none of sound, but count the others: Xing's and LAME's description (flags,
frames, bytes, table, quality, LAME tag), and VBRI by Fraunhofer IIS.
"""

from audiostore.dataclass import dataclass
from audiostore.media.kinds import Format, Measured, Recognised, SoundHeader, Stated, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.embedded import no_own_tags
from audiostore.media.parsing.frames import (
    Sound,
    check_tail,
    find_sound,
    repeats,
    search,
    stated_sound,
)
from audiostore.media.parsing.mpeg import (
    LAYER_3,
    MPEG_1,
    MPEG_FRAMES,
    bit_rate_bps,
    mpeg_fields,
    mpeg_length,
    rate_hz,
    samples_per_frame,
    seconds_per_frame,
)
from audiostore.media.parsing.reading import NO_SOUND, Reader, big, cut_short, cut_short_s
from audiostore.media.parsing.tags import end_of_data

_PROBED = 32 << 10
"""How many bytes are looked at: more frames than FFmpeg needs."""
_FEW_FRAMES = 3
_SAME = 0xFFFE0CCF
"""The bits of a header in which two frames must agree for FFmpeg to begin with the first: all but
checksum, bit rate, padding, privacy and the mode of joint stereo."""
_ALIKE = 0.005
"""By so much of a constant bit rate, padding makes the average of a short file differ."""
_FIRST_FRAME = 2048  # the longest frame has 1,729 bytes
_FREE_FORMAT_SEARCHED = 32 << 10
_SLACK = 2
"""Frames by which a count may be wrong unmentioned: writers count the first one, or the last."""


def _recognise(reader: Reader, offset: int) -> Recognised | None:
    head = reader.at(offset, 4)
    if not mpeg_length(head, 0):
        return None
    # A frame that counts the others is one, even if junk or a cut follows it.
    if repeats(reader, offset, MPEG_FRAMES) or _read_counts(reader.at(offset, _FIRST_FRAME)):
        return _recognised(head, offset)
    return None


def _search(reader: Reader, offset: int, padding: int) -> Recognised | str | None:
    found = search(reader, offset, MPEG_FRAMES, padding)
    if found is not None:
        return _recognised(reader.at(found, 4), found)
    data = reader.at(offset, _FREE_FORMAT_SEARCHED)
    fields = mpeg_fields(data)
    if fields is not None and fields[2] == 0 and data.find(data[:2], 4) > 0:
        # FFmpeg, and with it Chromium and Firefox, does not play it.
        return "MP3 audio of a free-format bit rate, which players do not play"
    return None


def _recognised(head: bytes, offset: int) -> Recognised:
    return Recognised(FORMAT, "mp3" if head[1] >> 1 & 3 == LAYER_3 else "mp2", offset)


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the first frame states instead of sound; 0 where it does not."""

    frames: int
    size_bytes: int
    skipped: int
    """The samples at the start and the end that players leave out: the encoder's delay, and what it
    added to fill the last frame."""
    is_encoders: bool = False
    """Whether the encoder wrote it, with the sound: LAME, or FFmpeg."""


def _read_counts(frame: bytes) -> _Counts | None:
    if not mpeg_length(frame, 0):
        return None
    # The header is where layer III keeps its side information of 9, 17 or 32 bytes; some writers
    # put it after a checksum of 2 bytes, which the frame does not have.
    mpeg_1, mono = frame[1] >> 3 & 3 == MPEG_1, frame[3] >> 6 == 3
    place = 4 + ((17 if mono else 32) if mpeg_1 else (9 if mono else 17))
    for at in (place, place + 2):
        if frame[at : at + 4] in (b"Xing", b"Info"):
            return _xing(frame, at + 4)
    if frame[36:40] == b"VBRI":
        return _Counts(big(frame, 50), big(frame, 46), 0)
    return None


def _xing(frame: bytes, at: int) -> _Counts:
    flags, values, at = big(frame, at), [], at + 4
    for flag, size in ((1, 4), (2, 4), (4, 100), (8, 4)):
        values.append(big(frame, at) if flags & flag else 0)
        at += size if flags & flag else 0
    frames, size_bytes, *_ = values
    if not frame.startswith((b"LAME", b"L3.9", b"Lavf", b"Lavc"), at):
        return _Counts(frames, size_bytes, 0)
    delays = big(frame, at + 21, 3)
    skipped = (delays >> 12) + (delays & 0xFFF)
    return _Counts(frames, size_bytes or big(frame, at + 28), skipped, is_encoders=True)


def _describe(reader: Reader, found: Recognised) -> SoundHeader | None:
    """Describe the sound by its first frames, if all of those that FFmpeg looks at agree."""
    head = reader.at(found.offset, _PROBED)
    counts = _read_counts(head[:_FIRST_FRAME])
    at = first = mpeg_length(head, 0) if counts else 0
    count = 0
    while length := mpeg_length(head, at):
        if (big(head, at) ^ big(head, first)) & _SAME:
            return None
        at, count = at + length, count + 1
    there = min(len(head) - 3, end_of_data(reader, found.offset) - found.offset)
    if at < there or count < _FEW_FRAMES or found.codec is None:
        return None
    channels = _channels(head, first)
    if counts and not (
        found.codec == "mp3"
        and MPEG_FRAMES.same_stream(head, 0, first)
        and channels == _channels(head, 0)
    ):
        return None
    return SoundHeader(found.codec, rate_hz(head[1], head[2]), channels)


def _channels(data: bytes, at: int) -> int:
    return 1 if data[at + 3] >> 6 == 3 else 2


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the stated number of bytes, and look for the last whole frame."""
    end = end_of_data(reader, found.offset)
    first = reader.at(found.offset, _FIRST_FRAME)
    counts, there, length = _read_counts(first), end - found.offset, mpeg_length(first, 0)
    if counts and there <= length:
        return NO_SOUND
    if counts:
        # Some writers count a frame more than they write, some the tags: the frames decide then.
        most = (reader.size if counts.frames else there) + length
        if counts.size_bytes > most:
            return cut_short("its header promises", counts.size_bytes, there)
    return check_tail(reader, found.offset, end, MPEG_FRAMES)


def _audio_data(reader: Reader, found: Recognised) -> Parts:
    """Return the frames: all but the tags in front and at the end."""
    return Parts([(found.offset, end_of_data(reader, found.offset))])


def _measure(stated: Stated) -> Measured | str:
    """Count the frames; leave out what players leave out by the first one."""
    first = stated.reader.at(stated.offset, _FIRST_FRAME)
    counts = _read_counts(first)
    sound = counts and _stated_sound(stated, counts)
    sound = sound or find_sound(stated.reader, stated.offset, MPEG_FRAMES)
    if sound.flaw:
        return sound.flaw
    bps = _bit_rate(stated.reader, stated.offset, sound, first if counts else b"")
    if not counts:
        return Measured(sound.seconds, sound.is_exact, sound.warnings, sound.end, bps)
    frame_s = seconds_per_frame(first[1], first[2])
    there_s = max(0.0, sound.seconds - frame_s)
    compared = _compare(sound, counts, there_s, counts.frames * frame_s)
    if compared.flaw:
        return compared.flaw
    skipped_s = counts.skipped * frame_s / samples_per_frame(first[1])
    played_s = there_s - skipped_s if skipped_s < there_s else there_s
    warnings = sound.warnings + compared.warnings
    return Measured(played_s, sound.is_exact, warnings, sound.end, bps)


def _bit_rate(reader: Reader, offset: int, sound: Sound, first: bytes) -> int | None:
    """Return the average of all frames of sound; what they state, if that is as good.

    Args:
        reader: the whole file.
        offset: where the first frame begins.
        sound: all frames.
        first: the first frame, if it is none of sound.
    """
    size_bytes, seconds = sound.size_bytes, sound.seconds
    if first:
        size_bytes -= mpeg_length(first, 0)
        seconds -= seconds_per_frame(first[1], first[2])
    if not sound.is_exact or seconds <= 0:
        return None
    average = round(8 * size_bytes / seconds)
    head = reader.at(offset + mpeg_length(first, 0), 4)
    if not mpeg_length(head, 0):
        return average
    stated = bit_rate_bps(head[1], head[2])
    return stated if abs(average - stated) <= _ALIKE * stated else average


def _stated_sound(stated: Stated, counts: _Counts) -> Sound | None:
    """Return the sound without counting it, where that would take many bytes to no avail."""
    if not (stated.is_fetched and counts.is_encoders and counts.frames):
        return None
    sound = stated_sound(stated.reader, stated.offset, MPEG_FRAMES, counts.frames + 1)
    return sound if sound and _has_all_bytes(sound, counts) else None


def _compare(sound: Sound, counts: _Counts, there_s: float, promised_s: float) -> Verdict:
    """Compare the number of frames, besides the first one, with the stated one."""
    missing = counts.frames - (sound.count - 1)
    if missing > 1 and sound.is_exact and not _has_all_bytes(sound, counts):
        if not sound.junk:
            return Verdict(cut_short_s("its header promises", promised_s, there_s))
        return Verdict(
            f"is damaged: its header promises {counts.frames:,} frames, {sound.count - 1:,} are"
            f" there, and {sound.junk:,} bytes between its frames are not sound"
        )
    if missing > _SLACK:
        states = f"where its header states {promised_s:,.1f} s"
        return Verdict(warnings=(f"has {there_s:,.1f} s of sound, {states}",))
    if counts.frames and missing < -_SLACK:
        more = f"{there_s - promised_s:,.1f} s more follow that some players do not play"
        return Verdict(
            warnings=(f"has a header that states {promised_s:,.1f} s of sound, and {more}",)
        )
    return Verdict()


def _has_all_bytes(sound: Sound, counts: _Counts) -> bool:
    """Say whether the sound has just the stated number of bytes: then it is whole."""
    return not sound.junk and abs(sound.end - sound.start - counts.size_bytes) < _FIRST_FRAME


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
    cut_found_by="frame and byte counts of Xing, Info, LAME, VBRI; a last frame that is not whole",
    cut_missed="between two frames, without such a count; a missing beginning",
    counts=(
        "frames of Xing, Info and VBRI: all frames that are there, but the first",
        "bytes of Xing, Info and VBRI, else of LAME's tag: those from the first frame to the end",
        "delay and padding of LAME's tag: left out of the duration",
        "length of each frame by its header: where the next one begins",
    ),
    demuxer="mp3",
    plays=("mp3",),
    # It has no time stamps, for which FFmpeg would read some more packets.
    probe_options=(("max_ts_probe", "0"),),
    decoders=("mp3", "mp3float", "mp2", "mp2float", "mp1", "mp1float"),
    describe=_describe,
    measure=_measure,
    read_embedded=no_own_tags,
)
