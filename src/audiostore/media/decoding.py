"""All of an audio file is decoded: to see whether it plays, to measure it, or both at once."""

from io import FileIO
from pathlib import Path
from typing import Literal

from audiostore.dataclass import replace
from audiostore.errors import InspectionLimitError, UnplayableAudioError
from audiostore.media.info import AnalysedAudio, AudioInfo, DecodedInfo, PreviewTarget
from audiostore.media.preview import check_preview
from audiostore.media.recognition import identify, require_audio

AnalyseChoice = bool | Literal["true-peak"]
"""Whether to measure the loudness of a file and to make its waveform; "true-peak": and to find its
true peak."""


def check_all(
    path: Path, stream: FileIO, format_name: str, *, offset: int, artwork: bool
) -> AudioInfo:
    """Return what is inside an open audio file, once all of it was decoded.

    Args:
        path: where the file is, for errors.
        stream: the file.
        format_name: the name of the format that it was recognised as.
        offset: where the format's own data begin.
        artwork: whether to look at embedded pictures.

    Raises:
        UnplayableAudioError: no sound in it, or frames that do not decode.
        InspectionLimitError: it takes too much time or memory.
        OSError: it cannot be read.
    """
    from audiostore.media.sandbox.pool import check_audio  # noqa: PLC0415  (subprocess)

    info, decoded = check_audio(path, format_name, stream.fileno(), offset=offset, artwork=artwork)
    return _with_decoded(info, decoded)


def _with_decoded(info: AudioInfo, decoded: DecodedInfo) -> AudioInfo:
    return replace(
        info,
        duration_s=decoded.duration_s,
        duration_is_exact=True,
        warnings=tuple(dict.fromkeys((*info.warnings, *decoded.warnings))),
    )


def decode_all(
    path: Path,
    stream: FileIO,
    info: AudioInfo,
    *,
    checks: bool,
    analyse: AnalyseChoice,
    preview: PreviewTarget | None = None,
) -> tuple[AudioInfo, AnalysedAudio | None]:
    """Decode an open audio file from its first frame to its last, once.

    Args:
        path: where the file is, for errors.
        stream: the file.
        info: what is known about it.
        checks: whether to refuse it if not all of it plays.
        analyse: whether to measure it.
        preview: where to write a version that every browser plays; None: nowhere.

    Returns:
        What is known about it now: how long its sound is, if that was not known exactly, and, as
        warnings, why it was not measured or has no preview, or not all of it. And what was found,
        if anything: without a measurement if that was not asked for.

    Raises:
        UnplayableAudioError: by the check, frames that do not decode.
        InspectionLimitError: checking it takes too much time or memory.
        OSError: it cannot be read, or the preview cannot be written.
    """
    from audiostore.media.sandbox.pool import decode_audio  # noqa: PLC0415  (subprocess)

    analysis: AnalysedAudio | None = None
    warnings: tuple[str, ...] = ()
    if analyse or preview:
        analysis, warnings = _analysed(path, stream, info.container, analyse, preview)
    if checks and analysis is not None and analysis.damage:
        raise UnplayableAudioError(f"its sound {analysis.damage}")
    decoded: DecodedInfo | None = None
    if analysis is not None and not analysis.damage:
        decoded = analysis.decoded
    elif checks:
        decoded = decode_audio(path, info.container, stream.fileno())
    if decoded is not None and checks:
        info = _with_decoded(info, decoded)
    elif decoded is not None and not info.duration_is_exact:
        info = replace(info, duration_s=decoded.duration_s, duration_is_exact=True)
    info = replace(info, warnings=tuple(dict.fromkeys((*info.warnings, *warnings))))
    return info, analysis if analysis and (analysis.waveform or analysis.preview) else None


def _analysed(
    path: Path,
    stream: FileIO,
    format_name: str,
    analyse: AnalyseChoice,
    preview: PreviewTarget | None,
) -> tuple[AnalysedAudio | None, tuple[str, ...]]:
    """Return what was found, if anything, and what is missing of it."""
    from audiostore.media.sandbox.pool import analyse_audio  # noqa: PLC0415  (subprocess)

    true_peak = analyse == "true-peak"
    try:
        found = analyse_audio(
            path, format_name, stream.fileno(), true_peak=true_peak, preview=preview
        )
    except (InspectionLimitError, UnplayableAudioError, TimeoutError) as error:
        missing = "was not analysed" if analyse else "has no preview"
        return None, (f"{missing}: {error}",)
    warnings: list[str] = []
    if preview is not None:
        found = with_checked_preview(path, found, preview)
        if found.preview_problem:
            warnings.append(f"has no preview: {found.preview_problem}")
    if not analyse:
        return replace(found, loudness=None, waveform=None), tuple(warnings)
    if found.problem:
        warnings.append(f"was not analysed: {found.problem}")
    elif found.damage:
        warnings.append(f"has sound that {found.damage}; the rest of it was analysed")
    return found, tuple(warnings)


def with_checked_preview(path: Path, found: AnalysedAudio, preview: PreviewTarget) -> AnalysedAudio:
    """Return what was found, without the preview if that is not what it should be.

    Raises:
        OSError: the preview cannot be read.
    """
    if found.preview is None:
        return found
    with FileIO(preview.descriptor, closefd=False) as stream:
        problem = check_preview(path, stream, found.preview)
    return replace(found, preview=None, preview_problem=problem) if problem else found


def analyse_file(
    path: Path, *, true_peak: bool = False, preview: PreviewTarget | None = None
) -> AnalysedAudio:
    """Measure an audio file, whatever its name.

    Args:
        path: the file.
        true_peak: whether to find the true peak, too.
        preview: where to write a version that every browser plays; None: nowhere.

    Returns:
        What was measured. Of sound that is damaged, all that decodes.

    Raises:
        UnsupportedFormatError: it is not audio that audiostore stores.
        UnplayableAudioError: no sound in it that can be decoded, or that can be measured.
        InspectionLimitError: it takes too much time or memory.
        OSError: it cannot be read, or the preview cannot be written.
    """
    from audiostore.media.sandbox.pool import analyse_audio  # noqa: PLC0415  (subprocess)

    with path.open("rb", buffering=0) as stream:
        kind = require_audio(path.name, identify(stream), fix_extension=True).format
        found = analyse_audio(
            path, kind.name, stream.fileno(), true_peak=true_peak, preview=preview
        )
    if found.problem:
        raise UnplayableAudioError(f"its sound cannot be measured: {found.problem}", path=path)
    return found if preview is None else with_checked_preview(path, found, preview)
