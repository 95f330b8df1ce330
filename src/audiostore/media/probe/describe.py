"""Facts about an audio file by FFmpeg's reading of its header, without decoding it."""

from fractions import Fraction

import av

from audiostore.dataclass import dataclass
from audiostore.media.facts.describe import (
    Found,
    describe_sound,
    measure_sound,
    require_sound,
)
from audiostore.media.facts.embedded import read_own_tags, read_tags_around
from audiostore.media.formats import format_named
from audiostore.media.info import AudioInfo
from audiostore.media.kinds import Format, Measured, Recognised, SoundHeader
from audiostore.media.parsing.reading import Seekable
from audiostore.media.partial import FetchedPart
from audiostore.media.probe.embedded import read_by_ffmpeg
from audiostore.media.probe.open import OpenAudio, ffmpeg_errors, open_audio


def read_audio(
    stream: Seekable, format_name: str, *, offset: int | None = None, artwork: bool = True
) -> AudioInfo:
    """Return what is inside an open audio file, without decoding it.

    Args:
        stream: the file, seekable and unbuffered.
        format_name: the name of the format that it was recognised as.
        offset: where the format's own data begin, if whoever recognised it says so.
        artwork: whether to look at embedded pictures; else none are found.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded, or broken.
        OSError: the file cannot be read.
    """
    kind = format_named(format_name)
    found = None if offset is None else Recognised(kind, offset=offset)
    with open_audio(stream, kind, dict(kind.probe_options), found=found) as file:
        sound = open_sound(file, kind)
        reader, start = file.reader(), file.recognised.offset
        if kind.read_embedded:
            own = read_own_tags(kind, reader, start, sound.header.language)
        else:
            own = list(read_by_ffmpeg(file))
        around = read_tags_around(reader, start, sound.length.end)
        read = Found(sound.header, sound.length, own, around, lambda: file.view.size)
        return describe_sound(kind, read, artwork=artwork)


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a file, as its headers and its frames tell it without decoding."""

    header: SoundHeader
    length: Measured


def open_sound(file: OpenAudio, kind: Format) -> Sound:
    """Return what the sound of an open file is, and how long it lasts.

    Raises:
        UnplayableAudioError: its header contradicts itself, or there is no sound.
    """
    header, offset = _header(file), file.recognised.offset
    is_fetched = isinstance(file.stream, FetchedPart)
    length = measure_sound(kind, header, file.reader(), offset, is_fetched=is_fetched)
    if length is None:
        length = Measured(_packets_duration(file), is_exact=False)
    require_sound(length)
    return Sound(header, length)


def _header(file: OpenAudio) -> SoundHeader:
    audio = file.audio
    context = audio.codec_context
    stated_s = _seconds(audio.duration, audio.time_base)
    if stated_s <= 0 and file.container.duration:
        stated_s = file.container.duration / av.time_base
    return SoundHeader(
        codec=context.codec.canonical_name,
        rate_hz=context.sample_rate,
        channels=context.channels,
        seconds=stated_s,
        codec_header=context.extradata or b"",
        # Vorbis states it with a sign, which FFmpeg takes for a part of the number.
        bitrate_bps=audio.bit_rate if 0 < (audio.bit_rate or 0) < 1 << 31 else None,
        language=audio.metadata.get("language"),
    )


def _seconds(ticks: int | None, time_base: Fraction | None) -> float:
    return ticks * time_base.numerator / time_base.denominator if ticks and time_base else 0.0


def _packets_duration(file: OpenAudio) -> float:
    # A stream that was written to a pipe (FLAC, WebM) has no length in its header.
    total, end = 0, 0.0
    file.is_read = True
    with ffmpeg_errors():
        for packet in file.container.demux(file.audio):
            total += packet.duration or 0
            if packet.pts is not None:
                end = max(end, _seconds(packet.pts + (packet.duration or 0), packet.time_base))
    return max(end, _seconds(total, file.audio.time_base))
