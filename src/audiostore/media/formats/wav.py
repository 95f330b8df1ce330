"""WAV (RIFF 1991; EBU Tech 3306 RF64; ITU-R BS.2088 BW64): checked by the sizes of its chunks."""

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
from audiostore.media.parsing.chunk_tags import read_wav_tags
from audiostore.media.parsing.chunks import (
    RIFF,
    Chunk,
    check_sound,
    describe_rest,
    end_after_if_known,
    is_known,
    pack_chunk,
    sound_in,
    walk_chunks,
)
from audiostore.media.parsing.reading import Reader, cut_short, little, quoted

_PCM, _FLOAT, _ALAW, _MULAW = 0x0001, 0x0003, 0x0006, 0x0007
_ADPCM_MS, _ADPCM_IMA, _GSM = 0x0002, 0x0011, 0x0031
_CODECS = {  # RFC 2361, mmreg.h
    _PCM: "pcm",
    _ADPCM_MS: "adpcm_ms",
    _FLOAT: "pcm_float",
    _ALAW: "alaw",
    _MULAW: "mulaw",
    _ADPCM_IMA: "adpcm_ima",
    _GSM: "gsm",
    0x0050: "mp2",
    0x0055: "mp3",
    0x00FF: "aac",
    0x0161: "wmav2",
    0x2000: "ac3",
}
_EXTENSIBLE = 0xFFFE
_SUBFORMAT_ENDS = bytes.fromhex("0000 0000 1000 8000 00aa 0038 9b71")
"""The rest of a sub-format's GUID after its tag (mmreg.h)."""
_NAMES = {  # FFmpeg's, by tag and by the bits of what contains a sample
    (_PCM, 8): "pcm_u8",
    (_PCM, 16): "pcm_s16le",
    (_PCM, 24): "pcm_s24le",
    (_PCM, 32): "pcm_s32le",
    (_FLOAT, 32): "pcm_f32le",
    (_FLOAT, 64): "pcm_f64le",
    (_ALAW, 8): "pcm_alaw",
    (_MULAW, 8): "pcm_mulaw",
}
_MOST_CHANNELS = 64
_LEFT_OPEN = 0xFFFFFFFF
"""A size of 32 bits that the ds64 chunk states instead."""
_MOST_FIELDS = 4 << 10
_MOST_BYTES = 8
"""Of one sample: a float of 64 bits."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fmt chunk: WAVEFORMATEX (mmreg.h)."""

    tag: int
    channels: int
    rate: int
    blocks: Blocks | None
    """None where blocks differ in size or samples, as those of MP3."""
    plain: bytes
    """The chunk, with the bits of its samples as large as what contains them."""


@dataclass(frozen=True, slots=True)
class _Wave:
    """What a WAV states about its sound."""

    whole_end: int
    """Where the file ends, by its header."""
    fields: _Fields | None = None
    fact: tuple[int, ...] = ()
    """The count of samples in the fact chunk."""
    wide_samples: tuple[int, ...] = ()
    """That in the ds64 chunk."""
    sound: Chunk | None = None
    """The data chunk, with its size of 64 bits."""
    cut: Chunk | None = None
    """A chunk before the sound that goes beyond the end of the file."""


def _recognise(reader: Reader, offset: int) -> Recognised | None:
    if reader.at(offset, 12)[8:] != b"WAVE":
        return None
    for chunk in walk_chunks(reader, offset + 12, RIFF):
        if chunk.id == b"fmt ":
            return Recognised(FORMAT, _CODECS.get(_tag(reader.at(chunk.start, 40))), offset)
        if chunk.id == b"data":
            break
    return Recognised(FORMAT, None, offset)


def _tag(fields: bytes) -> int:
    tag = little(fields, 0, 2)
    if tag == _EXTENSIBLE:  # the sub-format's GUID begins with the tag
        tag = little(fields, 24, 2)
    return tag


def _read(reader: Reader, offset: int) -> _Wave:
    whole = little(reader.at(offset + 4, 4))
    fields, wide_data = None, None
    fact: tuple[int, ...] = ()
    wide_samples: tuple[int, ...] = ()
    for chunk in walk_chunks(reader, offset + 12, RIFF):
        if chunk.id == b"ds64":  # EBU Tech 3306 section 3.3: the sizes that 32 bits cannot hold
            sizes = reader.at(chunk.start, 24)
            whole = little(sizes, 0, 8) if whole == _LEFT_OPEN else whole
            wide_data = little(sizes, 8, 8)
            wide_samples = (little(sizes, 16, 8),)
        elif chunk.id == b"fmt ":
            fields = _read_fields(reader.at(chunk.start, min(chunk.size, _MOST_FIELDS)))
        elif chunk.id == b"fact":
            fact = (little(reader.at(chunk.start, 4)),)
        elif chunk.id == b"data":
            is_wide = wide_data is not None and chunk.size == _LEFT_OPEN
            size = wide_data if is_wide and wide_data is not None else chunk.size
            sound = Chunk(chunk.id, chunk.start, size)
            return _Wave(offset + 8 + whole, fields, fact, wide_samples, sound)
        if chunk.end > reader.size:
            return _Wave(offset + 8 + whole, fields, cut=chunk)
    return _Wave(offset + 8 + whole, fields)


def _read_fields(fields: bytes) -> _Fields:
    is_extensible = little(fields, 0, 2) == _EXTENSIBLE
    tag, channels, rate = _tag(fields), little(fields, 2, 2), little(fields, 4)
    block, bits = little(fields, 12, 2), little(fields, 14, 2)
    blocks = None
    if channels and tag in (_PCM, _FLOAT, _ALAW, _MULAW):
        width = channels * (1 if tag in (_ALAW, _MULAW) else (bits + 7) // 8)
        # A sample may lie in a larger container, such as 24 bits in 32; and then two of the three
        # fields say so. That is not so where the size of a block is wrong.
        is_wider = block > width and block % channels == 0 and little(fields, 8) == rate * block
        size = block if is_wider else width
        blocks = Blocks(size) if 0 < size <= min(_MOST_BYTES * channels, 0xFFFF) else None
    elif channels:
        samples = _samples_per_block(tag, block, channels)
        blocks = Blocks(block, samples) if samples > 0 else None
    plain = fields
    if blocks and tag in (_PCM, _FLOAT):
        container = (8 * blocks.size // channels).to_bytes(2, "little")
        valid = container if is_extensible else fields[18:20]
        plain = fields[:12] + blocks.size.to_bytes(2, "little") + container + fields[16:18] + valid
        plain += fields[20:]
    return _Fields(tag, channels, rate, blocks, plain)


def _samples_per_block(tag: int, block: int, channels: int) -> int:
    """Return the samples of each channel (RIFF's new multimedia data types, 1994); 0 if unknown."""
    if tag == _ADPCM_MS:
        return (block // channels - 7) * 2 + 2
    if tag == _ADPCM_IMA:
        return (block // channels - 4) * 2 + 1
    return block // 65 * 320 if tag == _GSM else 0


def _flaw(reader: Reader, offset: int, wave: _Wave) -> str | None:
    """Compare the sizes of the data chunk and of the whole file with what is there."""
    if wave.cut:
        there = reader.size - wave.cut.start
        return cut_short(f"its {quoted(wave.cut.id)} chunk promises", wave.cut.size, there)
    if wave.sound is None:
        return "is cut short: its sound (the data chunk) is missing"
    if wave.fields is None:
        return "is damaged: no description of its sound (a fmt chunk) comes before it"
    if wave.fields.channels == 0 or wave.fields.rate == 0:
        return "is damaged: its header says zero channels or a sample rate of zero"
    return check_sound(reader, offset, wave.sound, wave.whole_end, RIFF)


def _check(reader: Reader, found: Recognised) -> Verdict:
    wave = _read(reader, found.offset)
    flaw = _flaw(reader, found.offset, wave)
    if flaw or not wave.sound or not wave.fields:
        return Verdict(flaw)
    there = _samples(reader, wave.sound, wave.fields.blocks)
    missing = _missing_samples(reader, wave, there)
    if missing and wave.fields.tag != _PCM:
        return Verdict(f"is cut short: {missing}")
    warnings = describe_rest(
        reader, wave.sound, RIFF, there / wave.fields.rate, whole_end=wave.whole_end
    )
    # Editors of PCM forget the fact chunk, which PCM does not need.
    return Verdict(None, (f"contradicts itself: {missing}", *warnings) if missing else warnings)


def _samples(reader: Reader, sound: Chunk, blocks: Blocks | None) -> int:
    """Return how many samples of each channel there are; 0 if their bytes do not tell."""
    start, end = sound_in(reader, sound.start, sound.size)
    return blocks.samples_in(end - start) if blocks else 0


def _missing_samples(reader: Reader, wave: _Wave, there: int) -> str | None:
    """Compare the counts of samples with what is there."""
    if not wave.sound or not wave.fields or not there or not wave.fields.blocks:
        return None
    start, end = sound_in(reader, wave.sound.start, wave.sound.size)
    for stated in filter(is_known, wave.fact + wave.wide_samples):
        # Some writers count the samples of all channels, or bytes.
        habits = (there, there * wave.fields.channels, end - start)
        slack = wave.fields.blocks.samples * wave.fields.channels
        if stated > there and not any(abs(stated - known) <= slack for known in habits):
            percent = 100 * there // stated
            return f"its header counts {stated:,} samples, {there:,} are there ({percent} %)"
    return None


def _describe(reader: Reader, found: Recognised) -> SoundHeader | None:
    """Describe samples; what is encoded in blocks or frames is left to FFmpeg."""
    wave = _read(reader, found.offset)
    fields = wave.fields
    if not wave.sound or not fields or not fields.blocks or fields.channels > _MOST_CHANNELS:
        return None
    codec = _NAMES.get((fields.tag, 8 * fields.blocks.size // fields.channels))
    is_whole = little(fields.plain, 12, 2) == fields.blocks.size
    if codec is None or not is_whole or not _is_named_by_tag(fields.plain):
        return None
    return SoundHeader(codec, fields.rate, fields.channels)


def _is_named_by_tag(fields: bytes) -> bool:
    """Say whether it is the tag that names the codec, not some other GUID of a sub-format."""
    if little(fields, 0, 2) != _EXTENSIBLE:
        return True
    return little(fields, 16, 2) >= 22 and fields[26:40] == _SUBFORMAT_ENDS


def _measure(stated: Stated) -> Measured | None:
    wave = _read(stated.reader, stated.offset)
    if not wave.sound or not wave.fields:
        return None
    rate, blocks = wave.fields.rate, wave.fields.blocks
    samples = _samples(stated.reader, wave.sound, blocks)
    counts = tuple(filter(is_known, wave.fact + wave.wide_samples))
    if not blocks or not rate:  # FFmpeg believes the count, or estimates by the bit rate
        return Measured(stated.seconds, is_exact=False) if stated.seconds else None
    # The last block may be filled up: then the count says how much of it is sound.
    exact = next((n for n in counts if 0 < samples - n < blocks.samples), samples)
    return Measured(exact / rate, end=end_after_if_known(stated.reader, wave.sound, RIFF))


def _view(reader: Reader, found: Recognised) -> View | None:
    """Show the sound alone: in odd headers, and in what follows the sound, FFmpeg gets lost.

    It takes 24 bits in 32 for floats, walks through zeros in steps of eight bytes, and looks for
    more sound in whatever follows.
    """
    wave = _read(reader, found.offset)
    if not wave.sound or not wave.fields:
        return None
    start, end = sound_in(reader, wave.sound.start, wave.sound.size)
    fact = b"".join(pack_chunk(b"fact", RIFF, n.to_bytes(4, "little")) for n in wave.fact)
    body = b"WAVE" + pack_chunk(b"fmt ", RIFF, wave.fields.plain) + fact
    body += pack_chunk(b"data", RIFF, b"", more=end - start)
    return View(start, end, pack_chunk(b"RIFF", RIFF, body, more=end - start))


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the samples: what the data chunk holds."""
    sound = _read(reader, found.offset).sound
    return Parts([sound_in(reader, sound.start, sound.size)]) if sound else None


FORMAT = Format(
    name="WAV",
    kind="audio",
    content_type="audio/wav",
    extensions=(".wav",),
    magic=(b"RIFF", b"RF64", b"BW64"),
    recognise=_recognise,
    check=_check,
    describe=_describe,
    measure=_measure,
    view=_view,
    counts=(
        "size of data: the file, less what is before the sound if it was counted",
        "size of RIFF: the file",
        "sizes of ds64, where those of 32 bits are left open: the same",
        "samples of fact and ds64: the samples in the data",
    ),
    audio_data=_audio_data,
    audio_data_are="the content of the data chunk",
    cut_found_by="sizes of RIFF, RF64, BW64, data; samples of fact, except of PCM",
    cut_missed="of a pipe's output (sizes 0 or 0xFFFFFFFF): any",
    read_embedded=read_wav_tags,
    demuxer="wav",
    plays=(
        *("pcm_alaw", "pcm_f32le", "pcm_mulaw", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_u8"),
        "mp3",
    ),
    # After a PCM header FFmpeg would try all its demuxers on the first packet, to see whether it is
    # other sound; none of them takes so small a packet for its own.
    demuxer_options=(("probesize", "32"),),
    probe_options=(("max_size", "64"),),
    decoders=("adpcm_ms", "adpcm_ima_wav", "gsm", "gsm_ms"),
)
