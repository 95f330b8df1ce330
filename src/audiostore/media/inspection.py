"""A media file, inspected before it is stored: what it contains, or why it cannot be stored."""

import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Literal

from audiostore.dataclass import dataclass, field
from audiostore.errors import (
    AudioStoreError,
    InspectionLimitError,
    InvalidImageError,
    UnplayableAudioError,
    UnsupportedFormatError,
)
from audiostore.media import ffmpeg
from audiostore.media.decoding import AnalyseChoice, check_all, decode_all
from audiostore.media.facts.by_headers import describe_by_headers
from audiostore.media.faststart import needs_faststart
from audiostore.media.formats import format_named
from audiostore.media.images import MAX_IMAGE_BYTES, identify_image
from audiostore.media.info import AnalysedAudio, AudioInfo, PreviewTarget
from audiostore.media.kinds import AudioData, Format, Recognised
from audiostore.media.partial import PartialFile
from audiostore.media.preview import needs_preview
from audiostore.media.recognition import identify, require_audio, require_image
from audiostore.media.structure import check_structure, find_audio_data

CheckLevel = Literal["quick", "full", "none"]
"""How closely a file is inspected. "quick": look inside, for whatever can be seen cheaply; "full":
also decode all of it; "none": look at its first bytes only."""


@dataclass(frozen=True, slots=True)
class InspectedImage:
    """An image that can be stored."""

    format_name: str
    """JPEG, PNG or WebP."""
    extension: str
    """The extension to store it under, with its dot."""
    content_type: str
    data: bytes | None = field(default=None, repr=False)
    """Its bytes, as inspected; None if only its first bytes were."""
    scaled: bytes | None = field(default=None, repr=False)
    """A smaller copy in the same format; None if it fits, or none was asked for."""


@dataclass(frozen=True, slots=True)
class InspectedAudio:
    """An audio file that can be stored."""

    format_name: str
    """MP3, WAV, FLAC, Ogg, MP4 …"""
    extension: str
    """The extension to store it under, with its dot."""
    content_type: str
    info: AudioInfo | None = None
    """What it contains; None if only its first bytes were inspected. After a full check, its
    duration is that of the decoded sound."""
    artwork: InspectedImage | None = None
    """The artwork that is embedded in it."""
    artwork_problem: str | None = None
    """Why embedded artwork is not used."""
    warnings: tuple[str, ...] = ()
    """What is odd about the file, though it plays: each the rest of a sentence about it."""
    index_is_last: bool = False
    """Whether its index follows its sound, so that players must fetch the whole file before they
    can play; `write_faststart` moves it."""
    audio_data: AudioData | None = field(default=None, repr=False, compare=False)
    """Finds the audio itself, without tags and artwork, as the file is read; None if it cannot."""
    analysis: AnalysedAudio | None = field(default=None, repr=False)
    """How it sounds, and what preview was made, if that was asked for and could be done."""


def inspect_audio(
    path: Path,
    stream: FileIO,
    filename: str,
    *,
    check: CheckLevel = "quick",
    fix_extension: bool = False,
    artwork: bool = True,
    artwork_max_px: int | None = None,
    faststart: bool = False,
    analyse: AnalyseChoice = False,
    preview: PreviewTarget | None = None,
    on_audio_data: Callable[[AudioData | None], None] = lambda _: None,
) -> InspectedAudio:
    """Inspect an open audio file.

    Args:
        path: where the file is, for errors.
        stream: the file, open and unbuffered; its position changes. Of a `PartialFile`, only what
            is needed is fetched; not for a full check, which needs all of it.
        filename: what the file is called; its extension must fit its content.
        check: how closely to look.
        fix_extension: go by the content, whatever the extension says.
        artwork: whether to look for embedded artwork.
        artwork_max_px: scale artwork down to this many pixels on its longer side.
        faststart: find out where the index is even without checks.
        analyse: whether to measure it, which one decode does together with a full check. What
            cannot be measured is a warning. Not of a `PartialFile`, nor without checks.
        preview: where to write a version that every browser plays, in the same decode; None:
            nowhere. What cannot be encoded is a warning, too.
        on_audio_data: called with what finds the audio data, before all that takes long: the
            caller may read the file meanwhile.

    Raises:
        UnsupportedFormatError: it is not audio that audiostore stores, or its name says otherwise.
        UnplayableAudioError: it is cut short, damaged, or without sound.
        InspectionLimitError: looking inside takes too much time or memory; or FFmpeg, which is not
            installed.
        ConfigurationError: it is to be decoded, and FFmpeg is not installed.
        OSError: it cannot be read.
    """
    try:
        found = identify(stream)
        try:
            recognised = require_audio(filename, found, fix_extension=fix_extension)
        except UnsupportedFormatError as error:
            if isinstance(found, str) or found.format.kind != "audio" or check == "none":
                raise
            decodes = check == "full" or bool(analyse or preview)
            if problem := _further_problem(stream, found, decodes=decodes):
                raise UnsupportedFormatError(f"{error}; besides, {problem}") from error
            raise
        kind = recognised.format
        extension = kind.extension_for(filename)
        partial = stream if isinstance(stream, PartialFile) else None
        size_bytes = stream.seek(0, os.SEEK_END)
        oddities: tuple[str, ...] = ()
        if check != "none":
            oddities = check_structure(stream, recognised, size_bytes, name=filename)
        # Its checksum takes all bytes.
        audio_data = None if partial else find_audio_data(stream, recognised, size_bytes)
        on_audio_data(audio_data)
        if check == "none":
            is_last = faststart and kind.has_movable_index and needs_faststart(stream)
            return InspectedAudio(
                kind.name,
                extension,
                recognised.content_type,
                index_is_last=is_last,
                audio_data=audio_data,
            )
        images_follow = check == "full" or artwork_max_px is not None
        try:
            info, analysis = _look_inside(
                path,
                stream,
                recognised,
                check,
                artwork=artwork,
                images_follow=images_follow,
                analyse=analyse,
                preview=preview,
            )
        except (InspectionLimitError, UnplayableAudioError) as error:  # no worker knows its name
            raise type(error)(f"{filename!r}: {error}", path=path) from error
        is_last = kind.has_movable_index and needs_faststart(stream)
    except AudioStoreError as error:
        error.path = error.path or path
        raise
    image, artwork_problem = _embedded_artwork(info, check, artwork_max_px)
    return InspectedAudio(
        format_name=kind.name,
        extension=extension,
        content_type=recognised.content_type,
        info=info,
        analysis=analysis,
        artwork=image,
        artwork_problem=artwork_problem,
        warnings=tuple(dict.fromkeys((*oddities, *info.warnings))),
        index_is_last=is_last,
        audio_data=audio_data,
    )


def inspect_image(
    path: Path,
    stream: FileIO,
    filename: str,
    *,
    check: CheckLevel = "quick",
    fix_extension: bool = False,
    max_px: int | None = None,
) -> InspectedImage:
    """Inspect an open image file.

    Args:
        path: where the file is, for errors.
        stream: the file, open and unbuffered; its position changes.
        filename: what the file is called; its extension must fit its content.
        check: how closely to look.
        fix_extension: go by the content, whatever the extension says.
        max_px: scale it down to this many pixels on its longer side.

    Raises:
        UnsupportedFormatError: it is not an image that audiostore stores, or its name says
            otherwise.
        InvalidImageError: it is cut short, too large, or, by a full check, does not decode.
        OSError: it cannot be read.
    """
    try:
        found = identify(stream)
        try:
            kind = require_image(filename, found, fix_extension=fix_extension).format
        except UnsupportedFormatError as error:
            if isinstance(found, str) or found.format.kind != "image" or check == "none":
                raise
            if problem := _further_problem_of_image(stream):
                raise UnsupportedFormatError(f"{error}; besides, {problem}") from error
            raise
        extension = kind.extension_for(filename)
        if check == "none" and max_px is None:
            return InspectedImage(kind.name, extension, kind.content_type)
        size_bytes = stream.seek(0, os.SEEK_END)
        if size_bytes > MAX_IMAGE_BYTES:
            raise InvalidImageError(
                f"{filename!r} has {size_bytes:,} bytes: the limit for artwork is"
                f" {MAX_IMAGE_BYTES:,}"
            )
        data = _all_of(stream, size_bytes)
        try:
            identify_image(data)
            return _inspected(data, kind, extension, check, max_px)
        except InvalidImageError as error:
            raise InvalidImageError(f"{filename!r}: {error}") from error
    except AudioStoreError as error:
        error.path = error.path or path
        raise


def _further_problem(stream: FileIO, recognised: Recognised, *, decodes: bool) -> str:
    """Return why audio would be refused under its right name, if that is soon seen; else ""."""
    size_bytes = stream.seek(0, os.SEEK_END)
    try:
        check_structure(stream, recognised, size_bytes, name=None)
        info = _look_at_headers(stream, recognised, size_bytes, artwork=False)
    except AudioStoreError as error:
        return str(error)
    if ffmpeg.is_installed() or not (info is None or decodes):
        return ""
    return str(ffmpeg.missing_to_read() if info is None else ffmpeg.missing_to_decode())


def _further_problem_of_image(stream: FileIO) -> str:
    """Return why an image would be refused under its right name, if that is soon seen; else ""."""
    size_bytes = stream.seek(0, os.SEEK_END)
    if size_bytes > MAX_IMAGE_BYTES:
        return f"the file has {size_bytes:,} bytes: the limit for artwork is {MAX_IMAGE_BYTES:,}"
    try:
        identify_image(_all_of(stream, size_bytes))
    except InvalidImageError as error:
        return str(error)
    return ""


def _all_of(stream: FileIO, size_bytes: int) -> bytes:
    stream.seek(0)
    return stream.read(size_bytes)


def _look_at_headers(
    stream: FileIO, recognised: Recognised, size_bytes: int, *, artwork: bool
) -> AudioInfo | None:
    """Return what is inside an audio file if its headers tell, without a sandbox worker."""
    is_fetched = isinstance(stream, PartialFile)
    try:
        return describe_by_headers(
            stream, size_bytes, recognised, artwork=artwork, is_fetched=is_fetched
        )
    except (AudioStoreError, OSError):
        raise
    except Exception:  # noqa: BLE001 - if a parser of ours fails, it shall do so in a worker
        return None


def _look_inside(
    path: Path,
    stream: FileIO,
    recognised: Recognised,
    check: CheckLevel,
    *,
    artwork: bool,
    images_follow: bool,
    analyse: AnalyseChoice,
    preview: PreviewTarget | None,
) -> tuple[AudioInfo, AnalysedAudio | None]:
    checks, info = check == "full", None
    if checks and not (analyse or preview) and ffmpeg.is_installed():
        name, offset = recognised.format.name, recognised.offset
        return check_all(path, stream, name, offset=offset, artwork=artwork), None
    # If a worker is needed anyway, it does this, too.
    if not ((images_follow or analyse) and ffmpeg.is_installed()):
        size_bytes = stream.seek(0, os.SEEK_END)
        info = _look_at_headers(stream, recognised, size_bytes, artwork=artwork)
    if info is None:
        from audiostore.media.sandbox.pool import probe_audio  # noqa: PLC0415  (subprocess)

        info = probe_audio(
            path,
            recognised.format.name,
            stream.fileno(),
            offset=recognised.offset,
            artwork=artwork,
            images_follow=images_follow,
            partial=stream if isinstance(stream, PartialFile) else None,
        )
    if preview and not (preview.is_for_all or needs_preview(info.container, info.codec)):
        preview = None
    if not (checks or analyse or preview):
        return info, None
    return decode_all(path, stream, info, checks=checks, analyse=analyse, preview=preview)


def _embedded_artwork(
    info: AudioInfo, check: CheckLevel, max_px: int | None
) -> tuple[InspectedImage | None, str | None]:
    """Return the artwork in an audio file, and why there is none that can be used."""
    if info.artwork is None:
        return None, info.artwork_problem
    kind = format_named(info.artwork.info.format_name)
    try:
        image = _inspected(info.artwork.data, kind, kind.extensions[0], check, max_px)
    except InvalidImageError as error:
        return None, str(error)
    return image, None


def _inspected(
    data: bytes, kind: Format, extension: str, check: CheckLevel, max_px: int | None
) -> InspectedImage:
    scaled = None
    if check == "full" or max_px is not None:
        from audiostore.media.sandbox.pool import decode_image  # noqa: PLC0415  (subprocess)

        scaled = decode_image(data, kind.name, max_px)
    return InspectedImage(kind.name, extension, kind.content_type, data, scaled)
