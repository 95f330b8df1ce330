"""The facts about an audio file, whether FFmpeg read its header or the format itself did."""

from collections.abc import Callable

from audiostore.dataclass import dataclass
from audiostore.errors import UnplayableAudioError
from audiostore.media.facts.embedded import order_chapters
from audiostore.media.facts.pictures import choose_artwork
from audiostore.media.facts.tags import unify_tags
from audiostore.media.info import MAX_DURATION_S, MAX_RATE_HZ, AudioInfo
from audiostore.media.kinds import Format, Measured, Recognised, SoundHeader, Stated, View
from audiostore.media.parsing.embedded import Embedded
from audiostore.media.parsing.reading import BudgetSpentError, Reader
from audiostore.media.parsing.tags import end_of_data
from audiostore.media.parsing.text import MAX_CHAPTERS, MAX_TAGS, MAX_WARNINGS


def choose_view(reader: Reader, found: Recognised) -> View:
    """Return what FFmpeg shall see of a file: without the tags around it, which it may misread.

    Raises:
        BudgetSpentError: that takes too many reads.
    """
    view = found.format.view(reader, found) if found.format.view else None
    return view or View(found.offset, end_of_data(reader, found.offset))


def measure_sound(
    kind: Format, header: SoundHeader, reader: Reader, offset: int, *, is_fetched: bool = False
) -> Measured | None:
    """Return how long the sound of a file is; None if only its packets can tell.

    Args:
        kind: its format.
        header: what its header says.
        reader: the whole file.
        offset: where the format's own data begin.
        is_fetched: whether the file is elsewhere, and fetched as it is read.

    Raises:
        UnplayableAudioError: it is cut short, damaged, or its header names no rate or no channels.
    """
    if not 0 < header.rate_hz <= MAX_RATE_HZ or header.channels < 1:
        raise UnplayableAudioError("its header names no sample rate, or no channels")
    known: Measured | str | None = None
    if kind.measure:
        stated = Stated(
            header.seconds, header.codec, header.codec_header, reader, offset, is_fetched
        )
        try:
            known = kind.measure(stated)
        except BudgetSpentError:
            warning = "has too many parts to measure them all: its duration may be wrong"
            known = Measured(header.seconds, False, (warning,)) if header.seconds > 0 else None
    if isinstance(known, str):
        raise UnplayableAudioError(f"it {known}")
    return known or (Measured(header.seconds) if header.seconds > 0 else None)


def require_sound(length: Measured) -> None:
    """Raise `UnplayableAudioError` if there is no sound, or more than there can be."""
    if length.seconds <= 0:
        raise UnplayableAudioError("it holds no sound: its duration is zero")
    if length.seconds > MAX_DURATION_S:
        days = length.seconds / 86_400
        raise UnplayableAudioError(f"its header claims {days:,.0f} days of sound")


@dataclass(frozen=True, slots=True)
class Found:
    """All that was read of a file."""

    header: SoundHeader
    length: Measured
    own: list[Embedded]
    """What the format's own tags hold."""
    around: list[Embedded]
    """What the tags around its data hold."""
    size_bytes: Callable[[], int]
    """Returns the size of the format's own data."""


def describe_sound(kind: Format, found: Found, *, artwork: bool) -> AudioInfo:
    """Return the facts about a file.

    Args:
        kind: its format.
        found: what was read of it.
        artwork: whether to look at embedded pictures; else none are found.
    """
    header, length = found.header, found.length
    embedded = [*found.own, *found.around]
    tags, left_out = unify_tags(*(each.tags for each in embedded))
    warnings = [warning for each in embedded for warning in each.warnings]
    if left_out:
        warnings.append(f"has more than {MAX_TAGS} tags: {left_out:,} were left out")
    cover, problem = None, None
    if artwork:
        pictures = (picture for each in embedded for picture in each.pictures)
        cover, problem, unused = choose_artwork(pictures)
        warnings += unused
    chapters = order_chapters(embedded, length.seconds)
    if len(chapters) > MAX_CHAPTERS:
        warnings.append(f"has more than {MAX_CHAPTERS:,} chapters: the rest were left out")
    bits = _bits(header.codec, header.codec_header)
    return AudioInfo(
        container=kind.name,
        codec=header.codec,
        duration_s=round(length.seconds, 6),
        duration_is_exact=length.is_exact,
        sample_rate_hz=header.rate_hz,
        channels=header.channels,
        bits_per_sample=bits,
        bitrate_bps=_bit_rate(found, bits),
        tags=tags,
        chapters=tuple(chapters[:MAX_CHAPTERS]),
        artwork=cover,
        artwork_problem=problem,
        warnings=tuple(dict.fromkeys((*length.warnings, *warnings)))[:MAX_WARNINGS],
    )


def _bits(codec: str, codec_header: bytes) -> int | None:
    if codec in ("pcm_alaw", "pcm_mulaw"):
        return 8
    if codec.startswith("pcm_"):
        digits = "".join(c for c in codec.split("_")[1] if c.isdigit())
        return int(digits) if digits else None
    if codec == "flac" and len(codec_header) >= 34:  # RFC 9639, 8.2: five bits across bytes 12, 13
        return ((codec_header[12] & 1) << 4 | codec_header[13] >> 4) + 1
    if codec == "alac" and len(codec_header) >= 36:  # ALACMagicCookie: bitDepth, after its box's 12
        return codec_header[17] or None
    return None


def _bit_rate(found: Found, bits: int | None) -> int | None:
    """Return the bit rate: of samples of one size, of frames that were counted, as it is stated."""
    header, length = found.header, found.length
    if header.codec.startswith("pcm_") and bits:
        return header.rate_hz * header.channels * bits
    if length.bitrate_bps:
        return length.bitrate_bps
    if header.bitrate_bps:
        return header.bitrate_bps
    picture_bytes = sum(picture.size for each in found.own for picture in each.pictures)
    measured = (found.size_bytes() - picture_bytes) * 8 / length.seconds
    return round(measured) if measured >= 1 else None
