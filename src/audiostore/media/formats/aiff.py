"""AIFF and AIFF-C (Apple, 1989 and 1991): checked by the sizes of their chunks."""

from audiostore.media.kinds import Format, Recognised, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.chunks import IFF, SLACK, Chunk, check_sound, sound_in, walk_chunks
from audiostore.media.parsing.reading import NO_SOUND, Reader, big

_CODECS = {
    **dict.fromkeys((b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"42ni"), "pcm"),
    **dict.fromkeys((b"fl32", b"FL32", b"fl64", b"FL64"), "pcm_float"),
    **dict.fromkeys((b"ulaw", b"ULAW"), "mulaw"),
    **dict.fromkeys((b"alaw", b"ALAW"), "alaw"),
    b"ima4": "adpcm_ima",
}


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


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the sizes of the sound chunk and of the whole file with what is there."""
    whole_end = found.offset + 8 + big(reader.at(found.offset, 8), 4)
    described = sound = None
    for chunk in walk_chunks(reader, found.offset + 12, IFF):
        if chunk.id == b"COMM":
            described = chunk
            fields = reader.at(chunk.start, 8)
            if big(fields, 0, 2) == 0:
                return "is damaged: its header says zero channels"
            if big(fields, 2, 4) == 0 and abs(whole_end - reader.size) <= SLACK:
                return NO_SOUND
        elif chunk.id == b"SSND":
            sound = chunk
        if described and sound:
            break
        if chunk.end > reader.size:
            break
    if sound is None:
        return "is cut short: its sound (the SSND chunk) is missing"
    # The sound follows 8 bytes: an offset and a block size.
    samples = Chunk(sound.id, sound.start + 8, max(0, sound.size - 8))
    flaw = check_sound(reader, found.offset, samples, whole_end, IFF)
    return flaw or (None if described else "is cut short: the description of its sound is missing")


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the samples: what the SSND chunk holds after its offset and block size."""
    for chunk in walk_chunks(reader, found.offset + 12, IFF):
        if chunk.id == b"SSND":
            return Parts([sound_in(reader, chunk.start + 8, max(0, chunk.size - 8))])
    return None


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


FORMAT = Format(
    name="AIFF",
    kind="audio",
    content_type="audio/aiff",
    extensions=(".aiff", ".aif"),
    magic=(b"FORM",),
    recognise=_recognise,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the samples in the SSND chunk",
    cut_found_by="sizes of FORM and SSND",
    cut_missed="of a pipe's output: any",
    demuxer="aiff",
    decoders=("adpcm_ima_qt",),
)
