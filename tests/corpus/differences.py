"""How audiostore's answer about a file differs from what independent judges find."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from PIL import Image

from audiostore.errors import AudioStoreError, UnsupportedFormatError
from audiostore.media.info import AudioInfo
from audiostore.media.inspection import inspect_audio
from audiostore.media.kinds import Recognised
from audiostore.media.recognition import identify
from audiostore.media.sandbox.pool import decode_audio
from tests.corpus.judges import Decoded, Tags, decoded, tags
from tests.corpus.names import comparable
from tests.descriptions import by_ffmpeg, by_headers

_STORED: Final = {
    "aac": "AAC", "aiff": "AIFF", "caf": "CAF", "flac": "FLAC", "mp3": "MP3", "mov": "MP4",
    "ogg": "Ogg", "wav": "WAV", "asf": "WMA",
}  # fmt: skip
"""FFmpeg's demuxers, and the names of the formats that audiostore stores."""
_FRAME: Final = {
    "mp3": 1152, "mp2": 1152, "mp1": 384, "aac": 2048, "vorbis": 2048, "opus": 960,
    "wmav1": 2048, "wmav2": 2048, "wmapro": 2048, "alac": 4096, "ac3": 1536, "eac3": 1536,
    "speex": 640, "gsm": 160, "gsm_ms": 320, "amr_nb": 160, "amr_wb": 320, "wmavoice": 480,
    "adpcm_ms": 2048, "adpcm_ima_wav": 2048, "adpcm_ima_qt": 64,
}  # fmt: skip
"""Samples in a frame, or a block: at most."""
_FRAMES: Final = 2.5
"""How far two durations may be apart, in frames: encoders and players differ in what they skip."""
_LEAST_S: Final = 0.002
_FRONT_COVER: Final = 3


@dataclass(slots=True)
class Report:
    """What came of one file."""

    path: Path
    format_name: str = ""
    """Empty if audiostore does not store what this is."""
    refused: str = ""
    is_described: bool = False
    """Whether its headers say all that FFmpeg is asked for else."""
    warnings: tuple[str, ...] = ()
    differences: list[tuple[str, str]] = field(default_factory=list)
    """Kinds and details."""


def report(path: Path) -> Report:
    """Look at a file with audiostore and with the judges; compare."""
    found = Report(path)
    judged, tagged = decoded(path), tags(path)
    try:
        with path.open("rb", buffering=0) as stream:
            recognised = identify(stream)
            if isinstance(recognised, Recognised):
                found.format_name = recognised.format.name
            inspected = inspect_audio(path, stream, path.name, fix_extension=True)
            info, problem = inspected.info, inspected.artwork_problem
            assert info
            found.warnings = inspected.warnings + ((problem,) if problem else ())
            found.differences += differences(info, judged, tagged)
            if isinstance(recognised, Recognised):
                data = path.read_bytes()
                described = by_headers(data, recognised)
                found.is_described = described is not None
                if described is not None:
                    found.differences += description(described, by_ffmpeg(data, recognised))
            found.differences += _full_check(path, info.container, stream.fileno(), judged)
    except UnsupportedFormatError as error:
        found.refused = str(error)
        found.differences += _not_recognised(judged, str(error))
    except (AudioStoreError, OSError) as error:
        found.refused = str(error)
        if isinstance(judged, Decoded) and not judged.failures and not _is_cut(judged, tagged):
            what = without_figures(str(error).replace(path.name, "…"))
            found.differences.append((f"refused, though it decodes: {what}", _shown(judged)))
    return found


def description(described: AudioInfo, asked: AudioInfo | str) -> Iterator[tuple[str, str]]:
    """Yield how what a file's headers say differs from what FFmpeg says."""
    if isinstance(asked, str):
        yield "described by headers, though FFmpeg refuses it", asked
        return
    ours, theirs = described.to_dict(), asked.to_dict()
    for name in ours:
        if ours[name] != theirs[name]:
            detail = f"{_brief(ours[name])}, FFmpeg: {_brief(theirs[name])}"
            yield f"described by headers otherwise than by FFmpeg, {name}", detail


def differences(
    info: AudioInfo, judged: Decoded | str, tagged: Tags | None
) -> Iterator[tuple[str, str]]:
    """Yield how what audiostore found in a file differs from what the judges found."""
    yield from _sound(info, judged)
    yield from _tags(info, tagged)
    yield from _cover(info, tagged)


def _sound(info: AudioInfo, judged: Decoded | str) -> Iterator[tuple[str, str]]:
    if isinstance(judged, str):
        yield "accepted, though nothing decodes", f"{info.container}, {info.codec}: {judged}"
        return
    if info.codec != judged.codec:
        yield "codec", f"{info.codec}, judge: {judged.codec}"
    if (info.sample_rate_hz, info.channels) != (judged.rate, judged.channels):
        ours = f"{info.sample_rate_hz} Hz, {info.channels}"
        yield "sample rate or channels", f"{ours}; judge: {judged.rate} Hz, {judged.channels}"
    if judged.is_whole and abs(info.duration_s - judged.seconds) > _allowed_s(judged):
        how = "stated as exact" if info.duration_is_exact else "an estimate"
        failed = f", {judged.failures} packets fail" if judged.failures else ""
        yield (
            f"duration, {how}: {info.container}",
            f"{info.codec}: {info.duration_s:.3f} s, decodes to {judged.seconds:.3f} s{failed}",
        )


def _allowed_s(judged: Decoded) -> float:
    return max(_LEAST_S, _FRAMES * _FRAME.get(judged.codec, 0) / judged.rate)


def _is_cut(judged: Decoded, tagged: Tags | None) -> bool:
    """Tell whether mutagen reads that there should be more sound than decodes."""
    stated_s = tagged.seconds if tagged else None
    return stated_s is not None and stated_s - judged.seconds > _allowed_s(judged)


def _full_check(
    path: Path, format_name: str, descriptor: int, judged: Decoded | str
) -> Iterator[tuple[str, str]]:
    try:
        decode_audio(path, format_name, descriptor)
    except AudioStoreError as error:
        if isinstance(judged, Decoded) and not judged.failures and judged.is_whole:
            reason = without_figures(str(error).replace(path.name, "…"))
            yield f"full check refuses, though it decodes: {reason}", f"{error}; {_shown(judged)}"
    else:
        if isinstance(judged, Decoded) and judged.failures:
            yield "full check accepts, though packets do not decode", _shown(judged)


def _not_recognised(judged: Decoded | str, reason: str) -> Iterator[tuple[str, str]]:
    if isinstance(judged, Decoded) and not judged.is_video:
        for demuxer in judged.demuxer.split(","):
            if demuxer in _STORED:
                yield f"not recognised as {_STORED[demuxer]}", f"{reason}; {_shown(judged)}"
                return


def _tags(info: AudioInfo, tagged: Tags | None) -> Iterator[tuple[str, str]]:
    for name, values in (tagged.values if tagged else {}).items():
        wanted = comparable(name, values)
        ours = [value for key, value in info.tags.items() if _is_name(key, name)]
        if not wanted or any(comparable(name, [each]) == wanted for each in ours):
            continue
        kind = "differs" if ours else "missing"
        yield f"tag {kind}: {name} ({info.container})", f"{_brief(ours)}, mutagen: {_brief(values)}"


def _is_name(key: str, name: str) -> bool:
    return key == name or (name in ("lyrics", "comment") and key.startswith(f"{name}-"))


def _cover(info: AudioInfo, tagged: Tags | None) -> Iterator[tuple[str, str]]:
    judged = tagged.covers if tagged else []
    if info.artwork is None:
        if judged:
            yield (
                f"cover missing ({info.container})",
                f"{_pictures(judged)}; {info.artwork_problem}",
            )
        return
    data, stated = info.artwork.data, info.artwork.info
    with Image.open(io.BytesIO(data)) as image:
        seen = (str(image.format).lower(), *sorted(image.size))
    if seen != (stated.format_name.lower(), *sorted((stated.width, stated.height))):
        yield "cover of another format or size", f"{stated}, Pillow: {seen}"
    types = [kind for kind, picture in judged if picture == data]
    if judged and not types:
        yield f"cover of other bytes ({info.container})", f"{len(data)}; {_pictures(judged)}"
    elif types and _FRONT_COVER not in types and any(kind == _FRONT_COVER for kind, _ in judged):
        yield f"cover of a lower rank ({info.container})", f"{types}; {_pictures(judged)}"


def _pictures(judged: list[tuple[int, bytes]]) -> str:
    return ", ".join(f"type {kind} of {len(data):,} bytes" for kind, data in judged)


def _shown(judged: Decoded) -> str:
    failed = f", {judged.failures} packets fail" if judged.failures else ""
    return f"judge: {judged.demuxer}, {judged.codec}, {judged.seconds:.3f} s{failed}"


def _brief(values: object) -> str:
    text = repr(values)
    return text if len(text) <= 160 else f"{text[:160]}…"


def without_figures(text: str) -> str:
    """Return a message without its names and figures, to group by."""
    return re.sub(r"'[^']*'", "…", re.sub(r"[0-9][0-9.,]*", "N", text))
