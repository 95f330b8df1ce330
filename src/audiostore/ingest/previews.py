"""What is stored of a preview: an MP3 file next to the audio."""

from pathlib import Path
from typing import BinaryIO, Final

from audiostore.asset import MarkedFile, is_current, require_part
from audiostore.localfiles import LocalFile, OpenFile
from audiostore.media import PREVIEW_EXTENSION, PreviewInfo, needs_preview
from audiostore.values import BlobInfo

PREVIEW_MAKER: Final = "preview/1"
"""The name and the version of what makes previews: one of another version is made again."""


def preview_of(path: Path, stream: BinaryIO, made: PreviewInfo) -> MarkedFile:
    """Return a preview, ready to be stored next to the audio while its file is open.

    Args:
        path: the audio, for errors.
        stream: the preview.
        made: what it is.
    """
    source = OpenFile(LocalFile.of_open(path, stream.fileno()), stream)
    return MarkedFile(
        require_part("preview"),
        source,
        PREVIEW_EXTENSION,
        maker=PREVIEW_MAKER,
        facts={
            "codec": "mp3",
            "duration_s": f"{made.duration_s:.3f}",
            "sample_rate_hz": str(made.sample_rate_hz),
            "channels": str(made.channels),
            "bitrate_bps": str(made.bitrate_bps),
        },
    )


def lacks_preview(
    audio: BlobInfo, preview: BlobInfo | None, *, kbps: int, is_for_all: bool = False
) -> bool:
    """Say whether audio should have a preview that it has not.

    Args:
        audio: the audio object.
        preview: its preview, if it has one.
        kbps: the bit rate that it must have, if it is stereo.
        is_for_all: whether audio that browsers play as it is stored should have one.
    """
    if not is_for_all and plays_as_stored(audio):
        return False
    return (
        preview is None
        or not is_current(preview, audio, PREVIEW_MAKER)
        or _stereo_kbps(preview) != kbps
    )


def plays_as_stored(audio: BlobInfo) -> bool:
    """Say whether browsers play audio as it is stored, by its name and its metadata."""
    from audiostore.media import format_of  # noqa: PLC0415  (parsers of every format)

    kind = format_of(audio.name, "audio")
    return kind is not None and not needs_preview(kind.name, audio.metadata.get("codec"))


def _stereo_kbps(preview: BlobInfo) -> int | None:
    bits_per_s, channels = (preview.metadata.get(key, "") for key in ("bitrate_bps", "channels"))
    if channels not in ("1", "2") or not (bits_per_s.isascii() and bits_per_s.isdigit()):
        return None
    return int(bits_per_s) * 2 // int(channels) // 1000
