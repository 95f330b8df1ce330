"""AIFF and AIFF-C (Apple, 1989 and 1991): checked by the sizes of their chunks."""

from audiostore.dataclass import dataclass
from audiostore.media.kinds import (
    Format,
    Measured,
    Recognised,
    SoundHeader,
    Stated,
    Verdict,
    View,
)
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.blocks import Blocks
from audiostore.media.parsing.chunk_tags import read_aiff_tags
from audiostore.media.parsing.chunks import (
    IFF,
    SLACK,
    Chunk,
    check_sound,
    describe_rest,
    end_after_if_known,
    is_known,
    pack_chunk,
    sound_in,
    walk_chunks,
)
from audiostore.media.parsing.reading import Reader, big

_CODECS = {
    **dict.fromkeys((b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"42ni"), "pcm"),
    **dict.fromkeys((b"fl32", b"FL32", b"fl64", b"FL64"), "pcm_float"),
    **dict.fromkeys((b"ulaw", b"ULAW"), "mulaw"),
    **dict.fromkeys((b"alaw", b"ALAW"), "alaw"),
    b"ima4": "adpcm_ima",
    b"GSM ": "gsm",
}
_WIDTHS = {  # bytes of a sample, whatever its stated bits
    **dict.fromkeys((b"ulaw", b"ULAW", b"alaw", b"ALAW", b"raw "), 1),
    **dict.fromkeys((b"in24", b"42ni"), 3),
    **dict.fromkeys((b"in32", b"fl32", b"FL32"), 4),
    **dict.fromkeys((b"fl64", b"FL64"), 8),
}
_NAMES = {  # FFmpeg's, by codec and by the bytes of a sample
    **{
        (b"NONE", width): name
        for width, name in enumerate(("pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be"), 1)
    },
    (b"sowt", 2): "pcm_s16le",
    (b"in24", 3): "pcm_s24be",
    (b"in32", 4): "pcm_s32be",
    (b"fl32", 4): "pcm_f32be",
    (b"FL32", 4): "pcm_f32be",
    (b"fl64", 8): "pcm_f64be",
    (b"FL64", 8): "pcm_f64be",
    (b"alaw", 1): "pcm_alaw",
    (b"ALAW", 1): "pcm_alaw",
    (b"ulaw", 1): "pcm_mulaw",
    (b"ULAW", 1): "pcm_mulaw",
}
_MOST_CHANNELS = 64
_MOST_SAMPLES = 1 << 31
"""FFmpeg takes more for an error."""
_MOST_FIELDS = 4 << 10
_PREFIX = 8
"""The sound follows an offset and a size of blocks to align to."""


@dataclass(frozen=True, slots=True)
class _Described:
    """The COMM chunk."""

    channels: int
    samples: int
    """Of each channel; or blocks of them."""
    rate: float
    blocks: Blocks | None
    fields: bytes
    """The whole chunk."""


@dataclass(frozen=True, slots=True)
class _Aiff:
    """What an AIFF states about its sound."""

    whole_end: int
    """Where the file ends, by its header."""
    described: _Described | None
    sound: Chunk | None
    """The samples in the SSND chunk."""
    offset: int = 0
    """How many bytes before the first sample align it."""
    alignment: int = 0
    """The size of the blocks that the samples are aligned to; 0: they are not."""


def _recognise(reader: Reader, offset: int) -> Recognised | None:
    kind = reader.at(offset, 12)[8:]
    if kind == b"AIFF":
        return Recognised(FORMAT, "pcm", offset)
    if kind != b"AIFC":
        return None
    for chunk in walk_chunks(reader, offset + 12, IFF):
        if chunk.id == b"COMM":
            codec = reader.at(chunk.start + 18, 4)
            return Recognised(FORMAT, _CODECS.get(codec), offset)
    return Recognised(FORMAT, None, offset)


def _read(reader: Reader, begin: int) -> _Aiff:
    whole_end = begin + 8 + big(reader.at(begin, 8), 4)
    described = sound = None
    offset = alignment = 0
    for chunk in walk_chunks(reader, begin + 12, IFF):
        if chunk.id == b"COMM":
            described = _read_description(reader.at(chunk.start, min(chunk.size, _MOST_FIELDS)))
        elif chunk.id == b"SSND":
            offset, alignment = (big(reader.at(chunk.start, 8), at) for at in (0, 4))
            size = max(0, chunk.size - _PREFIX) if is_known(chunk.size) else chunk.size
            sound = Chunk(chunk.id, chunk.start + _PREFIX, size)
        if (described and sound) or chunk.end > reader.size:
            break
    return _Aiff(whole_end, described, sound, offset, alignment)


def _read_description(fields: bytes) -> _Described:
    channels, samples, bits = big(fields, 0, 2), big(fields, 2), big(fields, 6, 2)
    codec = fields[18:22] or b"NONE"
    width = channels * _WIDTHS.get(codec, (bits + 7) // 8)
    blocks = None
    if codec == b"ima4" and channels:  # QuickTime File Format: 64 samples in 34 bytes
        blocks = Blocks(34 * channels, 64)
    elif codec == b"GSM ":
        blocks = Blocks(33, 160)
    elif _CODECS.get(codec) and width and bits <= 64:
        blocks = Blocks(width)
    return _Described(channels, samples, _rate(fields[8:18]), blocks, fields)


def _rate(extended: bytes) -> float:
    """Return a number of 80 bits (IEEE 754 extended): an exponent and a fraction of 64 bits."""
    exponent = (big(extended, 0, 2) & 0x7FFF) - 16383 - 63
    fraction = big(extended, 2, 8)
    return fraction * 2.0**exponent if -80 < exponent < 0 else 0.0


def _rate_hz(extended: bytes) -> int:
    """Return the nearest whole number to one of 80 bits; 0 if that is no sample rate."""
    exponent = big(extended, 0, 2) - 16383 - 63
    rounding = 1 << max(0, -exponent - 1)
    return (big(extended, 2, 8) + rounding) >> -exponent if -60 < exponent < 0 else 0


def _samples(reader: Reader, aiff: _Aiff) -> int:
    """Return how many samples of each channel there are; 0 if that is unknown."""
    if not aiff.described or not aiff.described.blocks or not aiff.sound:
        return 0
    blocks = aiff.described.blocks
    start, end = sound_in(reader, aiff.sound.start, aiff.sound.size)
    there = blocks.samples_in(max(0, end - start - aiff.offset))
    # Padding aligns the end; and what follows sound of an unknown size may be something else.
    spare = blocks.samples_in(aiff.alignment) if is_known(aiff.sound.size) else there
    return next((n for n in _counts(aiff.described, blocks) if 0 < there - n < spare), there)


def _counts(described: _Described, blocks: Blocks) -> tuple[int, ...]:
    """Return the samples that the header counts, or else means, where it counts their blocks."""
    return (described.samples, described.samples * blocks.samples)


def _flaw(reader: Reader, begin: int, aiff: _Aiff) -> str | None:
    """Compare the sizes of the sound chunk and of the whole file with what is there."""
    if aiff.described and aiff.described.channels == 0:
        return "is damaged: its header says zero channels"
    if aiff.sound is None:
        return "is cut short: its sound (the SSND chunk) is missing"
    flaw = check_sound(reader, begin, aiff.sound, aiff.whole_end, IFF)
    return flaw or (
        None if aiff.described else "is cut short: the description of its sound is missing"
    )


def _check(reader: Reader, found: Recognised) -> Verdict:
    aiff = _read(reader, found.offset)
    flaw = _flaw(reader, found.offset, aiff)
    if flaw or not aiff.described or not aiff.sound:
        return Verdict(flaw)
    there, described = _samples(reader, aiff), aiff.described
    seconds = there / described.rate if described.rate else 0
    warnings = describe_rest(reader, aiff.sound, IFF, seconds, whole_end=aiff.whole_end)
    if not (blocks := described.blocks):
        return Verdict(None, warnings)
    stated = min(_counts(described, blocks), key=lambda n: abs(n - there))
    numbers = f"its header counts {stated:,} samples, {there:,} are there"
    # Some writers forget the 8 bytes in front of the samples in the size of the chunk.
    slack = blocks.samples_in(SLACK) + blocks.samples
    if stated > there + slack and is_known(stated):
        return Verdict(f"is cut short: {numbers} ({100 * there // stated} %)")
    if stated < there - slack:
        return Verdict(None, (f"contradicts itself: {numbers}", *warnings))
    return Verdict(None, warnings)


def _describe(reader: Reader, found: Recognised) -> SoundHeader | None:
    """Describe samples; what is encoded in blocks is left to FFmpeg."""
    aiff = _read(reader, found.offset)
    described = aiff.described
    if not aiff.sound or not described or not described.blocks:
        return None
    if described.channels > _MOST_CHANNELS or described.samples >= _MOST_SAMPLES:
        return None
    is_compressed = reader.at(found.offset + 8, 4) == b"AIFC"
    codec = described.fields[18:22] if is_compressed else b"NONE"
    name = _NAMES.get((codec, described.blocks.size // described.channels))
    if name is None:
        return None
    return SoundHeader(name, _rate_hz(described.fields[8:18]), described.channels)


def _measure(stated: Stated) -> Measured | None:
    aiff = _read(stated.reader, stated.offset)
    samples = _samples(stated.reader, aiff)
    if not aiff.described or not aiff.described.rate or not samples or not aiff.sound:
        return None
    end = end_after_if_known(stated.reader, aiff.sound, IFF)
    return Measured(samples / aiff.described.rate, end=end)


def _view(reader: Reader, found: Recognised) -> View | None:
    """Show the sound alone: FFmpeg gets lost where chunks are not padded, and in zeros after it."""
    aiff = _read(reader, found.offset)
    if not aiff.described or not aiff.sound:
        return None
    start, end = sound_in(reader, aiff.sound.start, aiff.sound.size)
    start = min(start + aiff.offset, end)
    kind = reader.at(found.offset + 8, 4)
    fields = aiff.described.fields
    if not is_known(aiff.described.samples):
        fields = fields[:2] + bytes(4) + fields[6:]
    body = kind + pack_chunk(b"COMM", IFF, fields)
    body += pack_chunk(b"SSND", IFF, bytes(_PREFIX), more=end - start)
    return View(start, end, pack_chunk(b"FORM", IFF, body, more=end - start))


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the samples: what the SSND chunk holds after its offset and block size."""
    sound = _read(reader, found.offset).sound
    return Parts([sound_in(reader, sound.start, sound.size)]) if sound else None


FORMAT = Format(
    name="AIFF",
    kind="audio",
    content_type="audio/aiff",
    extensions=(".aiff", ".aif"),
    magic=(b"FORM",),
    recognise=_recognise,
    check=_check,
    describe=_describe,
    measure=_measure,
    view=_view,
    counts=(
        "size of SSND: the file, less what is before the sound if it was counted",
        "size of FORM: the file",
        "samples of COMM: the samples in SSND",
    ),
    audio_data=_audio_data,
    audio_data_are="the samples in the SSND chunk",
    cut_found_by="sizes of FORM and SSND; samples of COMM",
    cut_missed="of a pipe's output: any",
    read_embedded=read_aiff_tags,
    demuxer="aiff",
    decoders=("adpcm_ima_qt",),
)
