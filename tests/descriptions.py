"""What a file's own headers say of it, and what FFmpeg says."""

from io import BytesIO

from audiostore.errors import UnplayableAudioError
from audiostore.media.facts.describe import (
    Found,
    choose_view,
    describe_sound,
    measure_sound,
    require_sound,
)
from audiostore.media.facts.embedded import read_own_tags, read_tags_around
from audiostore.media.info import AudioInfo
from audiostore.media.kinds import Recognised
from audiostore.media.parsing.reading import BudgetSpentError, Reader
from audiostore.media.probe import read_audio
from audiostore.media.recognition import recognise
from audiostore.media.structure import check_structure


def accepted(data: bytes) -> Recognised | None:
    """Return what a file is, if its structure is that of a file that is stored."""
    found = recognise(BytesIO(data))
    if found is None or found.format.kind != "audio":
        return None
    try:
        check_structure(BytesIO(data), found, len(data))
    except UnplayableAudioError:
        return None
    return found


def by_headers(data: bytes, found: Recognised) -> AudioInfo | None:
    """Return what a file holds by its headers; None if FFmpeg has to be asked."""
    kind, size = found.format, len(data)

    def reader() -> Reader:
        return Reader(BytesIO(data), size, reads=2_000, total=size + (4 << 20), window=4 << 10)

    header = kind.describe(reader(), found) if kind.describe else None
    if header is None:
        return None
    try:
        length = measure_sound(kind, header, reader(), found.offset)
        if length is None:
            return None
        require_sound(length)
    except (BudgetSpentError, UnplayableAudioError):
        return None
    own = read_own_tags(kind, reader(), found.offset, header.language)
    around = read_tags_around(reader(), found.offset, length.end)
    view = choose_view(reader(), found)
    size = len(view.header) + view.end - view.start
    return describe_sound(kind, Found(header, length, own, around, size), artwork=True)


def by_ffmpeg(data: bytes, found: Recognised) -> AudioInfo | str:
    """Return what a file holds as FFmpeg reads its headers; why that fails."""
    try:
        return read_audio(BytesIO(data), found.format.name, offset=found.offset)
    except UnplayableAudioError as error:
        return str(error)
