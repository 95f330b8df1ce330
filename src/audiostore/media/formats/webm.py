"""WebM, as distinct from Matroska (RFC 8794, RFC 9559): elements of an id, a size and data."""

from audiostore.media.kinds import Format, Measured, Recognised, Stated, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.ebml import (
    HEADER_MAX as _HEADER_MAX,
    Element as _Element,
    elements as _elements,
    find_element as _find,
    parse_element as _element,
)
from audiostore.media.parsing.matroska_tags import read_matroska_tags
from audiostore.media.parsing.reading import NO_SOUND, Reader, big, cut_short
from audiostore.media.parsing.tags import after_sound
from audiostore.media.parsing.webm_length import (
    CLUSTER as _CLUSTER,
    EBML as _EBML,
    SEGMENT as _SEGMENT,
    play,
)

_DOC_TYPE = 0x4282
_TRACKS = 0x1654AE6B
_TRACK_ENTRY = 0xAE
_TRACK_TYPE = 0x83
_CODEC_ID = 0x86
_VIDEO, _SOUND = 1, 2

_BLOCK_GROUP, _BLOCK = 0xA0, 0xA3
# With those: a timestamp, a position, the size of the cluster before, nothing; and the index.
_IN_CLUSTERS = (_BLOCK_GROUP, _BLOCK, 0xE7, 0xA7, 0xAB, 0xEC, 0x1C53BB6B)
_BLOCK_ID = bytes([_BLOCK])
_IN_A_ROW = 3
_ENOUGH_CLUSTERS = 1000
_TAIL = 32 << 10

_CODECS = {"A_OPUS": "opus", "A_VORBIS": "vorbis"}
_VIDEO_NAMES = {"V_VP8": "VP8", "V_VP9": "VP9", "V_AV1": "AV1", "V_MPEG4/ISO/AVC": "H.264"}


def _text(reader: Reader, element: _Element | None) -> str:
    if element is None or not element.size:
        return ""
    return reader.at(element.start, min(element.size, 64)).decode("latin-1").rstrip("\0")


def _recognise(reader: Reader, offset: int) -> Recognised | str:
    """Recognise WebM by its document type and its tracks."""
    header = _find(reader, _EBML, offset, reader.size)
    if header is None or header.size is None:
        return "EBML data of an unknown kind"
    header_end = header.start + header.size
    document = _text(reader, _find(reader, _DOC_TYPE, header.start, header_end))
    kinds = _track_kinds(reader, header_end)
    video = next((codec for kind, codec in kinds if kind == _VIDEO), None)
    sounds = [codec for kind, codec in kinds if kind == _SOUND]
    if video is not None:
        name = _VIDEO_NAMES.get(video, ascii(video))
        return f"video ({name}{' with sound' if sounds else ''})"
    if document != "webm":
        return f"{'Matroska' if document == 'matroska' else 'unknown EBML'} audio, not WebM"
    if kinds and not sounds:
        return "WebM data without a sound track"
    return Recognised(FORMAT, _CODECS.get(sounds[0]) if sounds else None, offset)


def _track_kinds(reader: Reader, at: int) -> list[tuple[int, str]]:
    segment = _find(reader, _SEGMENT, at, reader.size)
    tracks = segment and _find(reader, _TRACKS, segment.start, reader.size)
    if tracks is None or tracks.size is None:
        return []
    kinds = []
    for entry in _elements(reader, tracks.start, tracks.start + tracks.size):
        if entry.id == _TRACK_ENTRY and entry.size is not None:
            kind, codec = 0, ""
            for part in _elements(reader, entry.start, entry.start + entry.size):
                if part.id == _TRACK_TYPE:
                    kind = big(reader.at(part.start, 1), 0, 1)
                elif part.id == _CODEC_ID:
                    codec = _text(reader, part)
            kinds.append((kind, codec))
    return kinds


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the size of the segment, and of each cluster, with what is there."""
    segment = _find(reader, _SEGMENT, found.offset, reader.size)
    if segment is None:
        return "is cut short: it ends before its sound"
    there = max(0, reader.size - segment.start)
    if segment.size is not None and segment.size > there:
        return cut_short("its header promises", segment.size, there)
    end = reader.size if segment.size is None else segment.start + segment.size
    tracks = clusters = 0
    for element in _elements(reader, segment.start, end):
        tracks += element.id == _TRACKS
        clusters += element.id == _CLUSTER
        if clusters == _ENOUGH_CLUSTERS:  # hours of sound: `_measure` follows all of them
            break
        if element.id == _CLUSTER and element.size is None:
            return _check_blocks(reader, element.start)
        left = max(0, end - element.start)
        if element.size is not None and element.size > left:
            what = "last stretch of sound" if element.id == _CLUSTER else "header"
            return cut_short(f"its {what} promises", element.size, left)
    if tracks == 0:
        return "is cut short: the description of its sound is missing"
    return None if clusters else NO_SOUND


def _check_blocks(reader: Reader, start: int) -> str | None:
    """Look for the last whole block where clusters have no size: as browsers record."""
    if start >= reader.size:
        return NO_SOUND
    begin = max(start, reader.size - _TAIL)
    tail = reader.at(begin, reader.size - begin)
    at = 0 if begin == start else tail.find(_BLOCK_ID)
    while at >= 0:
        count, end = _follow_blocks(tail, at)
        if count >= _IN_A_ROW or begin == start:
            return _check_rest(tail[end:])
        at = tail.find(_BLOCK_ID, at + 1)
    return None  # blocks too large to see three of them


def _follow_blocks(data: bytes, at: int) -> tuple[int, int]:
    """Follow whole elements of clusters: return how many, and where the last one ends."""
    count = 0
    while (element := _element(data[at : at + _HEADER_MAX], at)) is not None:
        if element.id == _CLUSTER:  # what it holds follows
            end = element.start
        elif element.size is not None and element.id in _IN_CLUSTERS:
            end = element.start + element.size
        else:
            break
        if end > len(data):
            break
        count, at = count + 1, end
    return count, at


def _check_rest(rest: bytes) -> str | None:
    begun = _element(rest[:_HEADER_MAX], 0)
    if begun is not None and begun.id in (_BLOCK, _BLOCK_GROUP) and begun.size is not None:
        there = max(0, len(rest) - begun.start)
        return cut_short("its last block of sound promises", begun.size, there)
    if 0 < len(rest) < _HEADER_MAX:
        return "is cut short: its last block of sound ends within its header"
    return None


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the clusters: blocks of sound and their times.

    Where a cluster has no size, it ends where the next begins, which only reading all of it shows.
    """
    segment = _find(reader, _SEGMENT, found.offset, reader.size)
    if segment is None:
        return None
    end = reader.size if segment.size is None else segment.start + segment.size
    clusters, at = [], segment.start
    for element in _elements(reader, segment.start, end):
        if element.size is None:
            return None
        begin, at = at, element.start + element.size
        if element.id == _CLUSTER:
            clusters.append((begin, at))
    return Parts(clusters) if at == end else None


# Without a codec in the type, `canPlayType` cannot say whether a player can play it; WebM's
# container guidelines allow these two.
_CODECS_IN_TYPE = ("opus", "vorbis")


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


_MISSTATED_S, _MISSTATED = 0.5, 0.01


def _measure(stated: Stated) -> Measured | str:
    """Look at the first block and at the last one; a header need not state a duration, or right."""
    found = play(stated.reader, stated.offset)
    if found is None or found.seconds == 0:
        return NO_SOUND
    there = stated.reader.size
    if found.end > there:
        return f"is cut short: its sound ends at byte {found.end:,}, the file at {there:,}"
    warnings = [*after_sound(stated.reader, found.end)]
    if found.recordings > 1:
        warnings.append(
            f"is made of {found.recordings} recordings, of which some players play only the first"
        )
    differs_s = abs(found.stated_s - found.seconds) if found.stated_s else 0
    if found.recordings == 1 and differs_s > max(_MISSTATED_S, _MISSTATED * found.seconds):
        warnings.append(
            f"states a duration of {found.stated_s:,.2f} s, its sound lasts {found.seconds:,.2f} s"
        )
    return Measured(found.seconds, warnings=tuple(warnings), end=found.end)


FORMAT = Format(
    name="WebM",
    kind="audio",
    content_type="audio/webm",
    extensions=(".webm",),
    magic=(_EBML.to_bytes(4, "big"),),
    recognise=_recognise,
    codecs_in_type=_CODECS_IN_TYPE,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="all clusters, if these have sizes (not as browsers record)",
    counts=(
        "sizes of segments and clusters: the file",
        "Duration: the times of the first and the last block",
    ),
    cut_found_by="sizes of segment and clusters; the last block, if those have none",
    cut_missed=(
        "between two clusters or blocks, if the segment has no size (a pipe's output, a browser's"
        " recording)"
    ),
    read_embedded=read_matroska_tags,
    demuxer="matroska",
    plays=("opus", "vorbis"),
    measure=_measure,
)
