"""Versions of audio that every browser plays: for which audio, and whether one is correct.

They are MP3 (see the decision record 30), made in the sandbox while the audio is decoded.
"""

from io import FileIO
from pathlib import Path
from typing import Final

from audiostore.errors import AudioStoreError
from audiostore.media.formats import format_named
from audiostore.media.info import PreviewInfo
from audiostore.media.recognition import identify, require_audio
from audiostore.media.structure import check_structure

PREVIEW_FORMAT: Final = "MP3"
PREVIEW_EXTENSION: Final = ".mp3"
_SAMPLES_PER_FRAME: Final = 1152
"""ISO/IEC 11172-3, 2.4.2.1: of layer III in MPEG-1."""


def needs_preview(format_name: str, codec: str | None) -> bool:
    """Say whether some browser does not play audio as it is stored.

    docs/playback.md tells what was measured: a browser refuses it, or cannot seek in it.

    Args:
        format_name: the name of its format, such as "MP4".
        codec: FFmpeg's canonical name of its codec; None if that is unknown.

    Raises:
        KeyError: no format has this name.
    """
    return codec not in format_named(format_name).plays


def check_preview(path: Path, stream: FileIO, made: PreviewInfo) -> str:
    """Inspect a preview like any file: an attacker in control of its encoder could have made it.

    Args:
        path: what to call it in errors.
        stream: the preview.
        made: what it is, as its encoder says.

    Returns:
        What is wrong with it; "" if nothing is.

    Raises:
        OSError: it cannot be read.
    """
    from audiostore.media.sandbox.pool import probe_audio  # noqa: PLC0415  (subprocess)

    try:
        recognised = require_audio(PREVIEW_EXTENSION, identify(stream), fix_extension=True)
        if recognised.format.name != PREVIEW_FORMAT:
            return f"it is {recognised.format.description}"
        size_bytes = stream.seek(0, 2)
        warnings = check_structure(stream, recognised, size_bytes, name=None)
        info = probe_audio(path, PREVIEW_FORMAT, stream.fileno(), artwork=False)
    except AudioStoreError as error:
        return str(error)
    if warnings or info.warnings:
        return f"it {(*warnings, *info.warnings)[0]}"
    if (info.codec, info.sample_rate_hz, info.channels) != (
        "mp3",
        made.sample_rate_hz,
        made.channels,
    ):
        return f"it is {info.codec} of {info.sample_rate_hz:,} Hz and {info.channels} channels"
    if abs(info.duration_s - made.duration_s) > _SAMPLES_PER_FRAME / info.sample_rate_hz:
        return f"it lasts {info.duration_s:,.2f} s, and the sound {made.duration_s:,.2f} s"
    return ""
