"""Facts about an audio file, without decoding it."""

from fractions import Fraction

import av

from audiostore.dataclass import dataclass
from audiostore.errors import UnplayableAudioError
from audiostore.media.formats import format_named
from audiostore.media.info import MAX_DURATION_S, MAX_RATE_HZ, AudioInfo
from audiostore.media.kinds import Format, Measured, Recognised, Stated
from audiostore.media.parsing.reading import BudgetSpentError, Seekable
from audiostore.media.parsing.text import MAX_CHAPTERS, MAX_TAGS, MAX_WARNINGS
from audiostore.media.partial import FetchedPart
from audiostore.media.probe.embedded import order_chapters, read_embedded
from audiostore.media.probe.open import OpenAudio, ffmpeg_errors, open_audio
from audiostore.media.probe.pictures import choose_artwork
from audiostore.media.probe.tags import unify_tags


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
        return _describe(file, kind, artwork=artwork)


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a file, as its headers and its frames tell it without decoding."""

    codec: str
    """FFmpeg's canonical name."""
    rate_hz: int
    channels: int
    length: Measured


def measure_sound(file: OpenAudio, kind: Format) -> Sound:
    """Return what the sound of an open file is, and how long it lasts.

    Raises:
        UnplayableAudioError: its header contradicts itself, or there is no sound.
    """
    context = file.audio.codec_context
    rate, channels = context.sample_rate, context.channels
    if not 0 < rate <= MAX_RATE_HZ or channels < 1:
        raise UnplayableAudioError("its header names no sample rate, or no channels")
    codec = context.codec.canonical_name
    length = _measure(file, kind, codec)
    if length.seconds <= 0:
        raise UnplayableAudioError("it holds no sound: its duration is zero")
    _require_sane(length.seconds)
    return Sound(codec, rate, channels, length)


def _describe(file: OpenAudio, kind: Format, *, artwork: bool) -> AudioInfo:
    audio = file.audio
    sound = measure_sound(file, kind)
    codec, length = sound.codec, sound.length
    own, around = read_embedded(file, kind, length.end)
    embedded = [*own, *around]
    tags, left_out = unify_tags(*(each.tags for each in embedded))
    warnings = [warning for each in embedded for warning in each.warnings]
    if left_out:
        warnings.append(f"has more than {MAX_TAGS} tags: {left_out:,} were left out")
    cover, problem = None, None
    if artwork:
        pictures = (picture for each in embedded for picture in each.pictures)
        cover, problem, unused = choose_artwork(pictures)
        warnings += unused
    duration_s = length.seconds
    chapters = order_chapters(embedded, duration_s)
    if len(chapters) > MAX_CHAPTERS:
        warnings.append(f"has more than {MAX_CHAPTERS:,} chapters: the rest were left out")
    bits = _bits(codec, audio.codec_context.extradata or b"")
    if codec.startswith("pcm_") and bits:
        bitrate: int | None = sound.rate_hz * sound.channels * bits
    else:
        picture_bytes = sum(picture.size for each in own for picture in each.pictures)
        measured = (file.view.size - picture_bytes) * 8 / duration_s
        stated = audio.bit_rate or 0
        bitrate = stated if stated > 0 else round(measured) if measured >= 1 else None
    return AudioInfo(
        container=kind.name,
        codec=codec,
        duration_s=round(duration_s, 6),
        duration_is_exact=length.is_exact,
        sample_rate_hz=sound.rate_hz,
        channels=sound.channels,
        bits_per_sample=bits,
        bitrate_bps=bitrate,
        tags=tags,
        chapters=tuple(chapters[:MAX_CHAPTERS]),
        artwork=cover,
        artwork_problem=problem,
        warnings=tuple(dict.fromkeys((*length.warnings, *warnings)))[:MAX_WARNINGS],
    )


def _bits(codec: str, extradata: bytes) -> int | None:
    if codec in ("pcm_alaw", "pcm_mulaw"):
        return 8
    if codec.startswith("pcm_"):
        digits = "".join(c for c in codec.split("_")[1] if c.isdigit())
        return int(digits) if digits else None
    if codec == "flac" and len(extradata) >= 34:  # RFC 9639, 8.2: five bits across bytes 12, 13
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if codec == "alac" and len(extradata) >= 36:  # ALACMagicCookie: bitDepth after a 12-byte box
        return extradata[17] or None
    return None


def _seconds(ticks: int | None, time_base: Fraction | None) -> float:
    return ticks * time_base.numerator / time_base.denominator if ticks and time_base else 0.0


def _measure(file: OpenAudio, kind: Format, codec: str) -> Measured:
    audio = file.audio
    stated_s = _seconds(audio.duration, audio.time_base)
    if stated_s <= 0 and file.container.duration:
        stated_s = file.container.duration / av.time_base
    if kind.measure:
        header = audio.codec_context.extradata or b""
        is_fetched = isinstance(file.stream, FetchedPart)
        place = file.recognised.offset
        stated = Stated(stated_s, codec, header, file.reader(), place, is_fetched)
        try:
            known = kind.measure(stated)
        except BudgetSpentError:
            warning = "has too many parts to measure them all: its duration may be wrong"
            known = Measured(stated_s, False, (warning,)) if stated_s > 0 else None
        if isinstance(known, str):
            raise UnplayableAudioError(f"it {known}")
        if known:
            return known
    if stated_s <= 0:
        return Measured(_packets_duration(file), is_exact=False)
    return Measured(stated_s)


def _require_sane(duration_s: float) -> None:
    if duration_s > MAX_DURATION_S:
        raise UnplayableAudioError(f"its header claims {duration_s / 86_400:,.0f} days of sound")


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
