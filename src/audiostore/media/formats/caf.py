"""Apple's Core Audio Format (its specification 1.0, 2011): checked by the sizes of its chunks."""

import struct
from collections import Counter

from audiostore.dataclass import dataclass
from audiostore.media.kinds import Format, Measured, Recognised, Stated, Verdict, View
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.blocks import Blocks
from audiostore.media.parsing.chunks import (
    Chunk,
    describe_rest,
    end_after,
    is_identifier,
    walk_chunks,
)
from audiostore.media.parsing.reading import NO_SOUND, Reader, cut_short, quoted
from audiostore.patterns import pattern

_HEADER = struct.Struct(">4sQ")
_DESCRIPTION = struct.Struct(">d4s5I")
_PACKETS = struct.Struct(">qqii")
_TO_THE_END = (1 << 64) - 1  # CAF's -1
_EDITS = 4
"""The sound follows a count of edits."""
_CODECS = {b"lpcm": "pcm", b"aac ": "aac", b".mp3": "mp3", b"ulaw": "mulaw"}
_KNOWN = tuple(
    b"desc data pakt kuki chan info strg mark regn umid uuid peak edct inst midi ovvw free".split()
)
_MOST_TABLE_BYTES, _PIECE = 4 << 20, 64 << 10
_MOST_DIGITS = 9
_NUMBER = pattern(rb"[\x80-\xff]{0,9}[\x00-\x7f]")
_TOO_MANY = "has too many packets to examine all of them: a cut may not have been noticed"
_HIGH = bytes(range(0x80, 0x100))


@dataclass(frozen=True, slots=True)
class _Packets:
    """The beginning of the pakt chunk, and its table."""

    count: int
    samples: int
    """Without the encoder's delay and padding."""
    skipped: int
    """The delay and the padding."""
    table: Chunk


@dataclass(frozen=True, slots=True)
class _Caf:
    """What a CAF states about its sound."""

    rate: float = 0.0
    channels: int = 0
    packet: Blocks | None = None
    """A size or samples of 0 differ from packet to packet."""
    sound: Chunk | None = None
    """The data chunk without its count of edits."""
    packets: _Packets | None = None
    cut: Chunk | None = None
    """A chunk that goes beyond the end of the file."""


def _recognise(reader: Reader, offset: int) -> Recognised:
    head = reader.at(offset, 64)
    codec = head[28:32] if head[8:12] == b"desc" else b""  # "desc" must be the first chunk
    plain = codec.decode("ascii", "replace").strip().lower()
    known = _CODECS.get(codec, plain if plain.isalnum() else None)
    return Recognised(FORMAT, known, offset)


def _read(reader: Reader, offset: int) -> _Caf:
    rate, channels, packet, sound, packets, cut = 0.0, 0, None, None, None, None
    for chunk in walk_chunks(reader, offset + 8, _HEADER, align=1):
        if sound and not is_identifier(chunk.id):
            break
        data = reader.at(chunk.start, min(chunk.size, _DESCRIPTION.size))
        if chunk.id == b"desc" and len(data) == _DESCRIPTION.size:
            rate, _, _, size, samples, channels, _ = _DESCRIPTION.unpack(data)
            packet = Blocks(size, samples)
        elif chunk.id == b"pakt" and len(data) >= _PACKETS.size:
            count, valid, delay, padding = _PACKETS.unpack_from(data)
            table = Chunk(chunk.id, chunk.start + _PACKETS.size, chunk.size - _PACKETS.size)
            packets = _Packets(count, valid, delay + padding, table)
        elif chunk.id == b"data" and sound is None:
            open_end = reader.size - chunk.start
            size = open_end if chunk.size in (0, _TO_THE_END) else chunk.size
            sound = Chunk(chunk.id, chunk.start + _EDITS, max(0, size - _EDITS))
            if size is open_end:
                break
        if chunk.end > reader.size:
            cut = chunk if chunk.id in _KNOWN or sound is None else None
            break
    return _Caf(rate, channels, packet, sound, packets, cut)


def _flaw(reader: Reader, caf: _Caf) -> str | None:
    """Compare the size of each chunk with what is there."""
    if caf.cut:
        is_sound = caf.sound is not None and caf.cut.end == caf.sound.end
        what = "sound" if is_sound else f"{quoted(caf.cut.id)} chunk"
        return cut_short(f"its {what} promises", caf.cut.size, reader.size - caf.cut.start)
    if caf.sound is None:
        return "is cut short: its sound (the data chunk) is missing"
    if caf.sound.size == 0:
        return NO_SOUND
    if not caf.packet or not caf.channels or not caf.rate > 0:
        return "is damaged: its header says zero channels or a sample rate of zero"
    if not (caf.packet.size and caf.packet.samples) and caf.packets is None:
        return "is cut short: the sizes of its packets (the pakt chunk) are missing"
    return None


def _check(reader: Reader, found: Recognised) -> Verdict:
    caf = _read(reader, found.offset)
    flaw = _flaw(reader, caf)
    if flaw or not caf.sound or not caf.packet:
        return Verdict(flaw)
    there, stated = 0, caf.packets.samples if caf.packets else 0
    if caf.packet.size and caf.packet.samples:
        there = caf.packet.samples_in(caf.sound.size)
    elif caf.packets:
        there = caf.packets.count * caf.packet.samples
    if 0 < there < stated - caf.packet.samples:
        numbers = f"its header counts {stated:,} samples, {there:,} are there"
        return Verdict(f"is cut short: {numbers} ({100 * there // stated} %)")
    return Verdict(None, describe_rest(reader, caf.sound, _HEADER, there / caf.rate, align=1))


def _measure(stated: Stated) -> Measured | str | None:
    """Return what the packets hold, less what the header says to leave out.

    Compare the sizes of the packets with the sound, and their number with the header's.
    """
    caf = _read(stated.reader, stated.offset)
    packet, packets, sound = caf.packet, caf.packets, caf.sound
    if not packet or not sound or not caf.rate > 0:
        return None
    if packet.size and packet.samples:
        samples = packet.samples_in(sound.size)
    elif packets is None:
        return None
    elif packets.table.size > _MOST_TABLE_BYTES:
        return Measured(stated.seconds, is_exact=False, warnings=(_TOO_MANY,))
    else:
        per_packet = 1 if packet.size or packet.samples else 2
        count, first, second = _sum_table(stated.reader, packets.table, per_packet, packets.count)
        size = packet.size * count or first
        samples = packet.samples * count or (second if per_packet == 2 else first)
        if count < packets.count:
            return f"is cut short: its header counts {packets.count:,} packets, it has {count:,}"
        if size > sound.size:
            return cut_short("its packets promise", size, sound.size)
    if packets:
        left = max(0, samples - max(0, packets.skipped))
        samples = packets.samples if 0 < packets.samples <= samples else left
    return Measured(samples / caf.rate)


def _sum_table(reader: Reader, table: Chunk, per_packet: int, count: int) -> tuple[int, int, int]:
    """Return how many packets a table describes, and the sums of their first and second numbers.

    Each number is in groups of 7 bits, the high bit set in all bytes but the last. What follows
    the packets that the header counts is left out.
    """
    wanted, seen, sums, rest = max(0, count) * per_packet, 0, [0, 0], b""
    for at in range(table.start, table.end, _PIECE):
        rest += reader.at(at, min(_PIECE, table.end - at))
        numbers = _NUMBER.findall(rest)[: wanted - seen]
        for i in range(per_packet):
            equal = Counter(numbers[i::per_packet])
            sums[(seen + i) % per_packet] += sum(n * _number(each) for each, n in equal.items())
        seen += len(numbers)
        rest = rest[len(rest.rstrip(_HIGH)) :][-_MOST_DIGITS:]
    return seen // per_packet, sums[0], sums[1]


def _number(digits: bytes) -> int:
    value = 0
    for digit in digits:
        value = value << 7 | digit & 0x7F
    return value


def _view(reader: Reader, found: Recognised) -> View | None:
    """Hide what is no chunk: FFmpeg looks for more chunks in it, in zeros at every twelve bytes."""
    sound = _read(reader, found.offset).sound
    return (
        View(found.offset, end_after(reader, sound, _HEADER, align=1))
        if sound and sound.size
        else None
    )


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return what the data chunk holds after its count of edits."""
    sound = _read(reader, found.offset).sound
    return Parts([(sound.start, sound.end)]) if sound else None


FORMAT = Format(
    name="CAF",
    kind="audio",
    content_type="audio/x-caf",
    extensions=(".caf",),
    magic=(b"caff",),
    recognise=_recognise,
    check=_check,
    measure=_measure,
    view=_view,
    counts=(
        "sizes of all chunks: the file",
        "samples of pakt: those of all packets",
        "number of packets of pakt: its table",
        "sizes of packets in pakt: the size of data",
    ),
    audio_data=_audio_data,
    audio_data_are="the content of the data chunk, after its count of edits",
    cut_found_by="sizes of all chunks; samples, number and sizes of the packets",
    cut_missed='in sound of size -1 ("to the end"): any, unless it has a table of packets',
    demuxer="caf",
    decoders=("alac",),
)
