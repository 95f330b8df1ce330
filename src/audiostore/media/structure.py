"""Signs, found without decoding, that an audio file is cut short or damaged.

A file is looked at in a few places, about 100 KB of it: headers, sizes, and its end.

====== =================================== ====================================================
Format What tells a cut                    Which cuts do not show
====== =================================== ====================================================
MP3    byte count of Xing, Info, VBRI;     between two frames, without such a count; a missing
       a last frame that is not whole      beginning
AAC    a last frame that is not whole      between two frames (ADIF is refused)
WAV    sizes of RIFF, RF64, BW64, data     of a pipe's output (sizes 0 or 0xFFFFFFFF): any
AIFF   sizes of FORM and SSND              of a pipe's output: any
CAF    sizes of all chunks                 within sound of size -1 ("to the end"): any
FLAC   CRC-16 and sample number of the     between two frames, if the header counts no samples
       last frame                          (a pipe's output)
Ogg    last page whole, its CRC-32, its    none: an end without the mark is refused, also of a
       end-of-stream mark                  recording of a live stream
MP4    sizes of all boxes, the index       between two fragments, in a fragmented file
       (moov), where its last chunk lies
WebM   sizes of segment and clusters; the  between two clusters or blocks, if the segment has no
       last block, if those have none      size (a pipe's output, a browser's recording)
WMA    sizes of the file and its data      of live streams (the broadcast flag): any
====== =================================== ====================================================

What does not show here, decoding all of it (`check="full"`) mostly does not show either: frames
that are whole decode, and uncompressed sound is sound wherever it ends. What decoding adds is
damage in the middle, of which nothing shows here. The specifications are named where they are used.
"""

from collections.abc import Callable
from typing import BinaryIO

from audiostore.errors import UnplayableAudioError
from audiostore.media.formats import Recognised, asf, chunks, flac, matroska, mp4, mpeg, ogg
from audiostore.media.formats.reading import BudgetSpentError, Reader

_READS = 5000
_BYTES = 3 << 19  # 1.5 MiB: the longest FLAC frame that we look for, and as much again
_WINDOW = 256

_CHECKS: dict[str, Callable[[Reader, Recognised], str | None]] = {
    "MP3": mpeg.check_mp3,
    "AAC": mpeg.check_adts,
    "WAV": chunks.check_wav,
    "AIFF": chunks.check_aiff,
    "CAF": chunks.check_caf,
    "FLAC": flac.check,
    "Ogg": ogg.check,
    "MP4": mp4.check,
    "WebM": matroska.check,
    "WMA": asf.check,
}


def check_structure(
    stream: BinaryIO, recognised: Recognised, size_bytes: int, *, name: str | None = None
) -> None:
    """Raise if an audio file shows signs of being cut short or damaged, or holds no sound.

    Args:
        stream: the file, seekable; it is left somewhere.
        recognised: what `audiostore.media.formats.recognise` found it to be. Of images, nothing is
            checked.
        size_bytes: the file's size.
        name: what to call it in the error.

    Raises:
        UnplayableAudioError: what is wrong, and where.
    """
    check = _CHECKS.get(recognised.format.name)
    reader = Reader(stream, size_bytes, reads=_READS, total=_BYTES, window=_WINDOW)
    try:
        flaw = check(reader, recognised) if check else None
    except BudgetSpentError:
        # Thousands of fragments or clusters, all of them whole so far: no sign of a cut.
        return
    if flaw:
        raise UnplayableAudioError(f"{'the file' if name is None else repr(name)} {flaw}")
