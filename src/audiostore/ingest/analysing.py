"""What is stored of an analysis: figures and an overview with the audio, a waveform next to it."""

from typing import Final

from audiostore.analysis import Analysis, is_analysed, overview_of
from audiostore.asset import MarkedFile, is_current, require_part
from audiostore.media import AnalysedAudio
from audiostore.sources import BytesSource
from audiostore.values import BlobInfo

WAVEFORM_MAKER: Final = "waveform/1"
"""The name and the version of what makes waveforms: one of another version is made again."""


def analysis_of(found: AnalysedAudio) -> Analysis | None:
    """Return what is stored with the audio; None if it could not be measured."""
    if found.loudness is None or found.waveform is None:
        return None
    return Analysis(found.loudness, overview_of(found.waveform.peaks))


def waveform_of(found: AnalysedAudio) -> MarkedFile:
    """Return the waveform, ready to be stored next to the audio.

    Raises:
        ValueError: it could not be measured.
    """
    if found.waveform is None:
        raise ValueError("this audio has no waveform")
    source = BytesSource(found.waveform.to_dat())
    return MarkedFile(require_part("waveform"), source, ".dat", maker=WAVEFORM_MAKER)


def has_analysis(audio: BlobInfo, waveform: BlobInfo | None, *, true_peak: bool = False) -> bool:
    """Say whether audio has all that analysing it now would give.

    Args:
        audio: the audio object.
        waveform: its waveform, if it has one.
        true_peak: whether the true peak must be known.
    """
    return (
        is_analysed(audio.metadata, true_peak=true_peak)
        and waveform is not None
        and is_current(waveform, audio, WAVEFORM_MAKER)
    )
