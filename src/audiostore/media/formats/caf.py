"""Apple's Core Audio Format (its specification 1.0, 2011): checked by the sizes of its chunks."""

import struct

from audiostore.media.kinds import Format, Recognised, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.chunks import walk_chunks
from audiostore.media.parsing.reading import NO_SOUND, Reader, cut_short, quoted

_HEADER = struct.Struct(">4sQ")
_TO_THE_END = (1 << 64) - 1  # CAF's -1
_CODECS = {b"lpcm": "pcm", b"aac ": "aac", b".mp3": "mp3", b"ulaw": "mulaw"}


def _recognise(reader: Reader, offset: int) -> Recognised:
    head = reader.at(offset, 64)
    codec = head[28:32] if head[8:12] == b"desc" else b""  # "desc" must be the first chunk
    plain = codec.decode("ascii", "replace").strip().lower()
    known = _CODECS.get(codec, plain if plain.isalnum() else None)
    return Recognised(FORMAT, known, offset)


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the size of each chunk with what is there."""
    sound = None
    for chunk in walk_chunks(reader, found.offset + 8, _HEADER, align=1):
        if chunk.id == b"data":
            sound = chunk
            if chunk.size == _TO_THE_END:
                break
        if chunk.end > reader.size:
            what = "sound" if chunk is sound else f"{quoted(chunk.id)} chunk"
            return cut_short(f"its {what} promises", chunk.size, reader.size - chunk.start)
    if sound is None:
        return "is cut short: its sound (the data chunk) is missing"
    # The sound follows 4 bytes: a count of edits.
    size = reader.size - sound.start if sound.size == _TO_THE_END else sound.size
    return NO_SOUND if size <= 4 else None


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return what the data chunk holds after its count of edits."""
    for chunk in walk_chunks(reader, found.offset + 8, _HEADER, align=1):
        if chunk.id == b"data":
            end = reader.size if chunk.size == _TO_THE_END else chunk.end
            return Parts([(chunk.start + 4, end)])
    return None


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


FORMAT = Format(
    name="CAF",
    kind="audio",
    content_type="audio/x-caf",
    extensions=(".caf",),
    magic=(b"caff",),
    recognise=_recognise,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the content of the data chunk, after its count of edits",
    cut_found_by="sizes of all chunks",
    cut_missed='in sound of size -1 ("to the end"): any',
    demuxer="caf",
    decoders=("alac",),
)
