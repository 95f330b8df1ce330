"""MP4 and QuickTime (ISO/IEC 14496-12): recognised by the tracks, checked by sizes and offsets."""

from audiostore.media.kinds import Format, Measured, Recognised, SoundHeader, Stated, Verdict
from audiostore.media.parsing.aac_config import RATES_HZ
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.boxes import Box, boxes, find_box
from audiostore.media.parsing.movie import Layout, Track, read_tracks
from audiostore.media.parsing.movie_length import Length, measure_movie
from audiostore.media.parsing.movie_sound import read_movie_sound
from audiostore.media.parsing.mp4_tags import read_mp4_tags
from audiostore.media.parsing.reading import (
    NO_SOUND,
    Reader,
    big,
    cut_short,
    little,
    quoted,
)
from audiostore.media.parsing.sample_table import SampleTable
from audiostore.media.parsing.tags import after_sound, end_of_data

_IMAGE_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "an AVIF image"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "a HEIC image"),
    **dict.fromkeys((b"mif1", b"msf1"), "a HEIF image"),
    b"crx ": "a Canon raw image",
}
_PROTECTED = (b"drms", b"enca", b"aavd", b"p608")
_VIDEO_NAMES = {
    **dict.fromkeys((b"avc1", b"avc3"), "H.264"),
    **dict.fromkeys((b"hvc1", b"hev1"), "H.265"),
    b"mp4v": "MPEG-4",
    b"av01": "AV1",
    b"vp09": "VP9",
    b"vp08": "VP8",
    b"s263": "H.263",
}


def _recognise(reader: Reader, offset: int) -> Recognised | str:
    """Recognise MP4 with sound by its tracks; without an index (moov), by its brand."""
    head = reader.at(offset, 32)
    for brand in (head[8:12], *(head[i : i + 4] for i in range(16, min(32, big(head)), 4))):
        if brand in _IMAGE_BRANDS and brand not in (b"mif1", b"msf1"):
            return _IMAGE_BRANDS[brand]
    if head[8:12] in _IMAGE_BRANDS:
        return _IMAGE_BRANDS[head[8:12]]
    for box in boxes(reader, offset, reader.size):
        if box.type == b"moov":
            return _by_tracks(read_tracks(reader, box), offset)
    return Recognised(FORMAT, None, offset)  # the check says that the index is missing


def _by_tracks(tracks: list[Track], offset: int) -> Recognised | str:
    sounds = [track for track in tracks if track.is_sound]
    video = next((track for track in tracks if track.is_moving_picture), None)
    if video:
        kind = quoted(video.entry)
        with_sound = " with sound" if sounds else ""
        return f"video ({_VIDEO_NAMES.get(video.entry, kind)}{with_sound})"
    if not sounds:
        return "MP4 data without a sound track"
    if sounds[0].entry in _PROTECTED:
        return "copy-protected MP4 audio, which plays only with its seller's key"
    return Recognised(FORMAT, sounds[0].codec, offset)


# -- structure ------------------------------------------------------------------------------------


# What a fragmented file has between its fragments.
_IN_FRAGMENTS = (b"moof", b"mdat", b"styp", b"sidx", b"ssix", b"prft", b"emsg", b"mfra")


def _check(reader: Reader, found: Recognised) -> Verdict:
    """Compare box sizes with the file's, and the place of the last sound by the index.

    What follows the last box does no harm, nor does a damaged box after the sound.
    """
    layout = Layout.read(reader, found.offset)
    warnings: tuple[str, ...] = ()
    if box := layout.too_large:
        promised, there = box.end - box.start, max(0, reader.size - box.start)
        what = "sound" if box.type == b"mdat" else f"{quoted(box.type)} box"
        cut = cut_short(f"its {what} promises", promised, there)
        if layout.moov is None or (layout.fragments and box.type in _IN_FRAGMENTS):
            return Verdict(cut)
        if box.type == b"mdat":
            if not _is_all_there(reader, layout.moov):
                return Verdict(cut)
            warnings = (
                f"states {promised:,} bytes of sound, {there:,} are there: its index needs no more",
            )
    if layout.moov is None:
        return Verdict(
            "is cut short: its index (the moov box) is missing, without which nothing can play"
        )
    if flaw := _check_index(reader, layout.moov, layout):
        return Verdict(flaw)
    if layout.is_complete and not warnings:
        warnings = after_sound(reader, layout.end)
    return Verdict(warnings=warnings)


def _check_index(reader: Reader, moov: Box, layout: Layout) -> str | None:
    track = next((t for t in read_tracks(reader, moov) if t.is_sound), None)
    if track is None or track.table is None:
        return "is damaged: its index has no sound track"
    table = SampleTable.read(reader, track.table)
    if table.samples and table.chunks:
        return _check_last_chunk(reader, table, layout)
    if find_box(reader, moov, b"mvex") is None:
        return NO_SOUND
    if layout.fragments == 0:
        return "is cut short: its index is there, and no fragment with sound after it"
    return None


def _check_last_chunk(reader: Reader, table: SampleTable, layout: Layout) -> str | None:
    start = table.last_chunk_at()
    end = start + table.last_chunk_size()
    if start >= reader.size or end > reader.size:
        return f"is cut short: its sound ends at byte {end:,}, the file at {reader.size:,}"
    if not any(box.start <= start and end <= box.end for box in layout.sound):
        return "is damaged: its index points at bytes that are not sound"
    return None


def _is_all_there(reader: Reader, moov: Box) -> bool:
    """Say whether the file holds the last chunk of every track."""
    tables = [SampleTable.read(reader, t.table) for t in read_tracks(reader, moov) if t.table]
    ends = [(table, table.last_chunk_at()) for table in tables if table.chunks]
    sizes = [table.last_chunk_size() for table, _ in ends]
    return all(sizes) and all(
        at > 0 and at + size <= reader.size for (_, at), size in zip(ends, sizes, strict=True)
    )


def _describe(reader: Reader, found: Recognised) -> SoundHeader | None:
    """Read the headers of a file of one track, without fragments, of AAC, ALAC, Opus or FLAC."""
    whole = found.offset == 0 and end_of_data(reader, 0) == reader.size
    sound = read_movie_sound(reader) if whole else None
    if sound is None:
        return None
    entry = sound.entry
    return SoundHeader(
        entry.codec,
        entry.rate_hz,
        entry.channels,
        codec_header=entry.codec_header,
        language=sound.language,
    )


def _measure(stated: Stated) -> Measured | str | None:
    """Count the samples in the index, and in all fragments."""
    is_opus = stated.codec == "opus" and len(stated.codec_header) >= 12
    # FFmpeg makes an OpusHead of the box: its pre-skip is not played (RFC 7845 section 5.1).
    delay_s = little(stated.codec_header, 10, 2) / 48_000 if is_opus else 0.0
    found = measure_movie(
        stated.reader,
        stated.offset,
        delay_s=delay_s,
        frame_s=_aac_frame_s(stated.codec_header) if stated.codec == "aac" else 0.0,
    )
    if not isinstance(found, Length):
        return found
    return Measured(
        found.seconds, warnings=found.warnings, end=found.end, bitrate_bps=found.bitrate_bps
    )


_AAC_LC, _SBR, _PS = 2, 5, 29


def _aac_frame_s(config: bytes) -> float:
    """Return how long a frame of AAC lasts (ISO/IEC 14496-3 section 1.6.2.1); 0 if unknown.

    That is 1,024 samples at the rate in the configuration, or twice as many at twice the rate.
    """
    bits = big(config, 0, 2)
    kind, rate = bits >> 11, bits >> 7 & 15
    if kind not in (_AAC_LC, _SBR, _PS) or rate >= len(RATES_HZ) or len(config) < 2:
        return 0.0
    has_960 = kind == _AAC_LC and bits & 4
    return (960 if has_960 else 1024) / RATES_HZ[rate]


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return what the mdat boxes hold, wherever the index moves them to."""
    layout = Layout.read(reader, found.offset)
    return Parts((box.start, box.end) for box in layout.sound) if layout.is_complete else None


# No codecs in the content type: RFC 6381 wants the object type from inside the codec's
# configuration ("mp4a.40.2"; a bare "mp4a" is another statement), and browsers disagree on the
# letters: Safari takes "audio/mp4; codecs=Opus" and refuses "codecs=opus" (shaka-player pull
# request 6607).
FORMAT = Format(
    name="MP4",
    kind="audio",
    content_type="audio/mp4",
    extensions=(".m4a", ".m4b"),
    magic=(b"ftyp",),
    magic_at=4,
    recognise=_recognise,
    check=_check,
    describe=_describe,
    audio_data=_audio_data,
    audio_data_are="the content of all mdat boxes",
    counts=(
        "sizes of boxes: the file",
        "samples that have a size (stsz), a time (stts) and a place (stsc, stco): each other",
        "bytes of these samples, places of the first and the last chunk: the sound (mdat)",
        "durations of movie and track (mvhd, mdhd), the edit list (elst), iTunSMPB: the samples",
        "fragments: bytes of the segment index (sidx), the duration of all of them (mehd)",
    ),
    cut_found_by="sizes of all boxes, the index (moov), the places in it; of fragments, sidx, mehd",
    cut_missed="between two fragments, if neither sidx nor mehd says how many there are",
    has_movable_index=True,
    measure=_measure,
    read_embedded=read_mp4_tags,
    demuxer="mov",
    plays=("aac", "flac", "mp3", "opus"),
    decoders=(
        *("alac", "ac3", "eac3"),
        *("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb"),
    ),
)
