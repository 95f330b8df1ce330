"""What a file's own headers say of it, and what FFmpeg says."""

from io import BytesIO

from audiostore.errors import UnplayableAudioError
from audiostore.media.facts.by_headers import describe_by_headers
from audiostore.media.info import AudioInfo
from audiostore.media.kinds import Recognised
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
    return describe_by_headers(BytesIO(data), len(data), found)


def by_ffmpeg(data: bytes, found: Recognised) -> AudioInfo | str:
    """Return what a file holds as FFmpeg reads its headers; why that fails."""
    try:
        return read_audio(BytesIO(data), found.format.name, offset=found.offset)
    except UnplayableAudioError as error:
        return str(error)
