"""All of an audio file is decoded: to see whether it plays, to measure it, or both at once."""

from io import FileIO
from pathlib import Path
from typing import Literal

from audiostore.dataclass import replace
from audiostore.errors import InspectionLimitError, UnplayableAudioError
from audiostore.media.info import AnalysedAudio, AudioInfo, DecodedInfo
from audiostore.media.recognition import identify, require_audio

AnalyseChoice = bool | Literal["true-peak"]
"""Whether to measure the loudness of a file and to make its waveform; "true-peak": and to find its
true peak."""


def decode_all(
    path: Path,
    stream: FileIO,
    info: AudioInfo,
    *,
    checks: bool,
    analyse: AnalyseChoice,
) -> tuple[AudioInfo, AnalysedAudio | None]:
    """Decode an open audio file from its first frame to its last, once.

    Args:
        path: where the file is, for errors.
        stream: the file.
        info: what is known about it.
        checks: whether to refuse it if not all of it plays.
        analyse: whether to measure it.

    Returns:
        What is known about it now: how long its sound is, if that was not known exactly, and, as
        warnings, why it was not measured, or not all of it. And what was measured, if anything.

    Raises:
        UnplayableAudioError: by the check, frames that do not decode.
        InspectionLimitError: checking it takes too much time or memory.
        OSError: it cannot be read.
    """
    from audiostore.media.sandbox.pool import decode_audio  # noqa: PLC0415  (subprocess)

    analysis: AnalysedAudio | None = None
    warnings: tuple[str, ...] = ()
    if analyse:
        analysis, warnings = _analysed(path, stream, info.container, analyse)
    if checks and analysis is not None and analysis.damage:
        raise UnplayableAudioError(f"its sound {analysis.damage}")
    decoded: DecodedInfo | None = None
    if analysis is not None and not analysis.damage:
        decoded = analysis.decoded
    elif checks:
        decoded = decode_audio(path, info.container, stream.fileno())
    if decoded is not None and (checks or not info.duration_is_exact):
        info = replace(info, duration_s=decoded.duration_s, duration_is_exact=True)
    if decoded is not None and checks:
        warnings = (*decoded.warnings, *warnings)
    info = replace(info, warnings=tuple(dict.fromkeys((*info.warnings, *warnings))))
    return info, analysis if analysis and analysis.waveform else None


def _analysed(
    path: Path, stream: FileIO, format_name: str, analyse: AnalyseChoice
) -> tuple[AnalysedAudio | None, tuple[str, ...]]:
    """Return what was measured, if anything, and what is missing of it."""
    from audiostore.media.sandbox.pool import analyse_audio  # noqa: PLC0415  (subprocess)

    true_peak = analyse == "true-peak"
    try:
        found = analyse_audio(path, format_name, stream.fileno(), true_peak=true_peak)
    except (InspectionLimitError, UnplayableAudioError, TimeoutError) as error:
        return None, (f"was not analysed: {error}",)
    if found.problem:
        return found, (f"was not analysed: {found.problem}",)
    if found.damage:
        return found, (f"has sound that {found.damage}; the rest of it was analysed",)
    return found, ()


def analyse_file(path: Path, *, true_peak: bool = False) -> AnalysedAudio:
    """Measure an audio file, whatever its name.

    Args:
        path: the file.
        true_peak: whether to find the true peak, too.

    Returns:
        What was measured. Of sound that is damaged, all that decodes.

    Raises:
        UnsupportedFormatError: it is not audio that audiostore stores.
        UnplayableAudioError: no sound in it that can be decoded, or that can be measured.
        InspectionLimitError: it takes too much time or memory.
        OSError: it cannot be read.
    """
    from audiostore.media.sandbox.pool import analyse_audio  # noqa: PLC0415  (subprocess)

    with path.open("rb", buffering=0) as stream:
        kind = require_audio(path.name, identify(stream), fix_extension=True).format
        found = analyse_audio(path, kind.name, stream.fileno(), true_peak=true_peak)
    if found.problem:
        raise UnplayableAudioError(f"its sound cannot be measured: {found.problem}", path=path)
    return found
