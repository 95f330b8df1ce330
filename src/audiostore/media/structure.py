"""Signs, found without decoding, that an audio file is cut short or damaged.

Each format checks its own headers, sizes and end: about 100 KB of the file in all. What each check
sees, and which cuts it misses, is in its `Format` and in docs/formats.md.

Decoding the whole file (`check="full"`) finds hardly more cuts: whole frames decode, and
uncompressed sound is sound wherever it ends. What decoding adds is damage in the middle.
"""

from typing import BinaryIO

from audiostore.errors import UnplayableAudioError
from audiostore.media.kinds import AudioData, Recognised, Verdict
from audiostore.media.parsing.reading import BudgetSpentError, Reader

_READS = 5000
_BYTES = 3 << 19  # 1.5 MiB: the longest FLAC frame to look for, and as much again
_WINDOW = 256


def check_structure(
    stream: BinaryIO, recognised: Recognised, size_bytes: int, *, name: str | None = None
) -> tuple[str, ...]:
    """Raise if an audio file shows signs of being cut short or damaged, or contains no sound.

    Args:
        stream: the file, seekable; its position changes.
        recognised: what `recognise` found it to be. Images are not checked.
        size_bytes: the file's size.
        name: the file's name, for the error.

    Returns:
        What is odd about the file, though it plays: each the rest of a sentence about the file.

    Raises:
        UnplayableAudioError: what is wrong, and where.
    """
    check = recognised.format.check
    reader = Reader(stream, size_bytes, reads=_READS, total=_BYTES, window=_WINDOW)
    try:
        verdict = check(reader, recognised) if check else Verdict()
    except BudgetSpentError:
        # Thousands of fragments or clusters, all of them whole so far: no sign of a cut.
        return ("has too many parts to examine all of them: a cut may not have been noticed",)
    if verdict.flaw:
        raise UnplayableAudioError(f"{'the file' if name is None else repr(name)} {verdict.flaw}")
    return verdict.warnings


def find_audio_data(stream: BinaryIO, recognised: Recognised, size_bytes: int) -> AudioData | None:
    """Find out which bytes of an audio file are the audio itself, without tags and artwork.

    Args:
        stream: the file, seekable; its position changes.
        recognised: what `recognise` found it to be.
        size_bytes: the file's size.

    Returns:
        What computes their size and checksum as the file is read; None if they do not follow from
        the rest.
    """
    find = recognised.format.audio_data
    reader = Reader(stream, size_bytes, reads=_READS, total=_BYTES, window=_WINDOW)
    try:
        return find(reader, recognised) if find else None
    except BudgetSpentError:
        return None
