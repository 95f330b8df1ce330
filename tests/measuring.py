"""The duration and the warnings of a file, by its format's own code alone."""

from io import BytesIO

from audiostore.errors import UnplayableAudioError
from audiostore.media.kinds import Stated
from audiostore.media.parsing.reading import Reader
from audiostore.media.recognition import recognise
from audiostore.media.structure import check_structure

FFMPEG_S = 99.0
"""The duration that FFmpeg is said to have found."""


def measured(data: bytes, stated_s: float = FFMPEG_S) -> tuple[float, str]:
    """Return the duration in seconds, to the microsecond, and all warnings.

    Raises:
        UnplayableAudioError: the file is cut short, damaged, or contains no sound.
    """
    found = recognise(BytesIO(data))
    assert found is not None
    warnings = check_structure(BytesIO(data), found, len(data), name="song")
    reader = Reader(BytesIO(data), reads=50, total=len(data) + 100_000, window=4096)
    measure = found.format.measure
    length = measure(Stated(stated_s, "", b"", reader, found.offset)) if measure else None
    if isinstance(length, str):
        raise UnplayableAudioError(f"it {length}")
    if length is None:
        return stated_s, "; ".join(warnings)
    return round(length.seconds, 6), "; ".join((*warnings, *length.warnings))
