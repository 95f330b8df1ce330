"""Checks what a worker answered: it is as foreign as the file, which may control the worker.

What passes might be from an honest worker: of its type, within its limits, text without control
characters, pictures that our own parser recognises. Nobody can check that it is true.
"""

from collections.abc import Mapping
from typing import Any

from audiostore.analysis import InvalidWaveformError, Loudness, Waveform
from audiostore.errors import InvalidImageError
from audiostore.media.images import identify_image
from audiostore.media.info import (
    MAX_DURATION_S,
    MAX_RATE_HZ,
    AnalysedAudio,
    Artwork,
    AudioInfo,
    Chapter,
    DecodedInfo,
    PreviewInfo,
)
from audiostore.media.parsing.text import (
    MAX_CHAPTERS,
    MAX_KEY_CHARS,
    MAX_TAG_CHARS,
    MAX_TAGS,
    MAX_WARNINGS,
    clean,
)
from audiostore.media.sandbox.process import InvalidAnswerError
from audiostore.patterns import pattern

_MAX_REASON_CHARS = 2_000
_MAX_ERROR_NUMBER = 4_095
_MAX_CHANNELS = 0xFFFF
_MAX_BITS = 1_024
_MAX_NUMBER = 1 << 80
_MAX_DB = 1_000.0
_LOUDNESS = ("integrated_lufs", "range_lu", "sample_peak_dbfs", "true_peak_dbtp")
_CODEC = pattern(r"[a-z0-9_.-]{1,64}")


def audio_info(fields: Mapping[str, Any], picture: bytes, format_name: str) -> AudioInfo:
    """Return the facts about a file of this format that a worker found."""
    problem = fields.get("artwork_problem")
    return AudioInfo(
        container=format_name,
        codec=_codec(fields.get("codec")),
        duration_s=_seconds(fields.get("duration_s")),
        duration_is_exact=fields.get("duration_is_exact") is True,
        sample_rate_hz=_count(fields.get("sample_rate_hz"), MAX_RATE_HZ),
        channels=_count(fields.get("channels"), _MAX_CHANNELS),
        bits_per_sample=_optional(fields.get("bits_per_sample"), _MAX_BITS),
        bitrate_bps=_optional(fields.get("bitrate_bps"), _MAX_NUMBER),
        tags=_tags(fields.get("tags")),
        chapters=tuple(map(_chapter, _limited(fields.get("chapters"), list, MAX_CHAPTERS))),
        artwork=_artwork(picture) if picture else None,
        artwork_problem=None if problem is None else text_of(problem),
        warnings=_warnings(fields.get("warnings")),
    )


def decoded_info(fields: Mapping[str, Any]) -> DecodedInfo:
    """Return what a worker found when it decoded a file."""
    return DecodedInfo(
        duration_s=_seconds(fields.get("duration_s")),
        samples=_count(fields.get("samples"), _MAX_NUMBER),
        sample_rate_hz=_count(fields.get("sample_rate_hz"), MAX_RATE_HZ),
        channels=_count(fields.get("channels"), _MAX_CHANNELS),
        warnings=_warnings(fields.get("warnings")),
    )


def analysed_audio(fields: Mapping[str, Any], picture: bytes) -> AnalysedAudio:
    """Return what a worker found when it analysed a file.

    Args:
        fields: of its answer.
        picture: the file of the waveform.
    """
    problem = text_of(fields.get("problem"))
    return AnalysedAudio(
        decoded=decoded_info(fields),
        damage=text_of(fields.get("damage")),
        loudness=None if problem else _loudness(fields),
        waveform=None if problem else _waveform(picture),
        problem=problem,
        preview=_preview(fields.get("preview")),
        preview_problem=text_of(fields.get("preview_problem", "")),
    )


def scaled_image(picture: bytes, format_name: str, max_px: int) -> bytes:
    """Return an image that a worker scaled: of this format, no larger than asked for."""
    info = _artwork(picture).info
    if info.format_name != format_name or max(info.width, info.height) > max_px:
        raise InvalidAnswerError
    return picture


def text_of(found: object) -> str:
    """Return why a worker refuses something, as clean text of limited length."""
    if not isinstance(found, str):
        raise InvalidAnswerError
    return clean(found, _MAX_REASON_CHARS)


def error_number(found: object) -> int:
    """Return the system's error that a worker met as it read a file."""
    return _count(found, _MAX_ERROR_NUMBER)


def _preview(found: object) -> PreviewInfo | None:
    if found is None:
        return None
    fields: dict[str, object] = _limited(found, dict, 4)
    return PreviewInfo(
        duration_s=_seconds(fields.get("duration_s")),
        sample_rate_hz=_count(fields.get("sample_rate_hz"), MAX_RATE_HZ),
        channels=_count(fields.get("channels"), _MAX_CHANNELS),
        bitrate_bps=_count(fields.get("bitrate_bps"), _MAX_NUMBER),
    )


def _loudness(fields: Mapping[str, Any]) -> Loudness:
    return Loudness(*(_decibels(fields.get(name)) for name in _LOUDNESS))


def _waveform(data: bytes) -> Waveform:
    try:
        waveform = Waveform.from_dat(data)
    except InvalidWaveformError as error:
        raise InvalidAnswerError from error
    if waveform.sample_rate_hz > MAX_RATE_HZ or not 0 < waveform.duration_s <= MAX_DURATION_S:
        raise InvalidAnswerError
    return waveform


def _artwork(picture: bytes) -> Artwork:
    try:
        return Artwork(picture, identify_image(picture))
    except InvalidImageError as error:
        raise InvalidAnswerError from error


def _tags(found: object) -> dict[str, str]:
    tags: dict[object, object] = _limited(found, dict, MAX_TAGS)
    return {_text(key, MAX_KEY_CHARS): _text(value, MAX_TAG_CHARS) for key, value in tags.items()}


def _chapter(found: object) -> Chapter:
    chapter: dict[str, object] = _limited(found, dict, 3)
    starts_s, ends_s = _seconds(chapter.get("start_s")), _seconds(chapter.get("end_s"))
    return Chapter(starts_s, ends_s, _text(chapter.get("title"), MAX_TAG_CHARS))


def _warnings(found: object) -> tuple[str, ...]:
    return tuple(map(text_of, _limited(found, list, MAX_WARNINGS)))


def _limited(found: object, kind: type, limit: int) -> Any:
    if not isinstance(found, kind) or len(found) > limit:  # type: ignore[arg-type]
        raise InvalidAnswerError
    return found


def _text(found: object, limit: int) -> str:
    if not isinstance(found, str) or clean(found, limit) != found:
        raise InvalidAnswerError
    return found


def _codec(found: object) -> str:
    if not isinstance(found, str) or not _CODEC.fullmatch(found):
        raise InvalidAnswerError
    return found


def _seconds(found: object) -> float:
    if type(found) not in (int, float) or not 0 <= found <= MAX_DURATION_S:  # type: ignore[operator]
        raise InvalidAnswerError
    return float(found)  # type: ignore[arg-type]


def _decibels(found: object) -> float | None:
    if found is None:
        return None
    if type(found) not in (int, float) or not -_MAX_DB <= found <= _MAX_DB:  # type: ignore[operator]
        raise InvalidAnswerError
    return float(found)  # type: ignore[arg-type]


def _count(found: object, limit: int) -> int:
    if type(found) is not int or not 0 < found <= limit:
        raise InvalidAnswerError
    return found


def _optional(found: object, limit: int) -> int | None:
    return None if found is None else _count(found, limit)
