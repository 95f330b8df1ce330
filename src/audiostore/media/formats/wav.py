"""WAV (RIFF 1991; EBU Tech 3306 RF64; ITU-R BS.2088 BW64): checked by the sizes of its chunks."""

from audiostore.media.kinds import Format, Recognised, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.chunks import RIFF, check_sound, sound_in, walk_chunks
from audiostore.media.parsing.reading import Reader, cut_short, little, quoted

_CODECS = {  # RFC 2361, mmreg.h
    0x0001: "pcm",
    0x0002: "adpcm_ms",
    0x0003: "pcm_float",
    0x0006: "alaw",
    0x0007: "mulaw",
    0x0011: "adpcm_ima",
    0x0031: "gsm",
    0x0050: "mp2",
    0x0055: "mp3",
    0x00FF: "aac",
    0x0161: "wmav2",
    0x2000: "ac3",
}
_EXTENSIBLE = 0xFFFE


def _recognise(reader: Reader, offset: int) -> Recognised | None:
    if reader.at(offset, 12)[8:] != b"WAVE":
        return None
    for chunk in walk_chunks(reader, offset + 12, RIFF):
        if chunk.id == b"fmt ":
            return Recognised(FORMAT, _codec(reader.at(chunk.start, 40)), offset)
        if chunk.id == b"data":
            break
    return Recognised(FORMAT, None, offset)


def _codec(fields: bytes) -> str | None:
    tag = little(fields, 0, 2)
    if tag == _EXTENSIBLE:  # the sub-format's GUID begins with the tag
        tag = little(fields, 24, 2)
    return _CODECS.get(tag)


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the sizes of the data chunk and of the whole file with what is there."""
    head = reader.at(found.offset, 12)
    whole, wide_data, fields = little(head, 4), None, None
    for chunk in walk_chunks(reader, found.offset + 12, RIFF):
        if chunk.id == b"ds64":  # EBU Tech 3306 section 3.3: the sizes that 32 bits cannot hold
            sizes = reader.at(chunk.start, 16)
            whole, wide_data = little(sizes, 0, 8), little(sizes, 8, 8)
        elif chunk.id == b"fmt ":
            fields = reader.at(chunk.start, 16)
        elif chunk.id == b"data":
            size = chunk.size
            if wide_data is not None and size == 0xFFFFFFFF:
                size = wide_data
            flaw = _check_fields(fields)
            return flaw or check_sound(reader, chunk.start, size, found.offset + 8 + whole)
        if chunk.end > reader.size:
            return cut_short(
                f"its {quoted(chunk.id)} chunk promises", chunk.size, reader.size - chunk.start
            )
    return "is cut short: its sound (the data chunk) is missing"


def _check_fields(fields: bytes | None) -> str | None:
    if fields is None:
        return "is damaged: the description of its sound (the fmt chunk) is missing"
    if little(fields, 2, 2) == 0 or little(fields, 4) == 0:
        return "is damaged: its header says zero channels or a sample rate of zero"
    return None


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the samples: what the data chunk holds."""
    wide_data = None
    for chunk in walk_chunks(reader, found.offset + 12, RIFF):
        if chunk.id == b"ds64":
            wide_data = little(reader.at(chunk.start, 16), 8, 8)
        elif chunk.id == b"data":
            is_wide = wide_data is not None and chunk.size == 0xFFFFFFFF
            size = wide_data if is_wide and wide_data is not None else chunk.size
            return Parts([sound_in(reader, chunk.start, size)])
    return None


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


FORMAT = Format(
    name="WAV",
    kind="audio",
    content_type="audio/wav",
    extensions=(".wav",),
    magic=(b"RIFF", b"RF64", b"BW64"),
    recognise=_recognise,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the content of the data chunk",
    cut_found_by="sizes of RIFF, RF64, BW64, data",
    cut_missed="of a pipe's output (sizes 0 or 0xFFFFFFFF): any",
    demuxer="wav",
    # After a PCM header FFmpeg would try all its demuxers on the first packet, to see whether it is
    # other sound; none of them takes so small a packet for its own.
    demuxer_options=(("probesize", "32"),),
    probe_options=(("max_size", "64"),),
    decoders=("adpcm_ms", "adpcm_ima_wav", "gsm", "gsm_ms"),
)
