"""What readers of stored audio need of its analysis: names of metadata, and a limit."""

from typing import Final

VERSION_KEY: Final = "analysis"
"""Which version of the analysis it was."""
LOUDNESS_KEYS: Final = (
    "loudness_lufs",
    "loudness_range_lu",
    "sample_peak_dbfs",
    "true_peak_dbtp",
)
"""As the fields of `Loudness`."""
OVERVIEW_KEY: Final = "overview"
ANALYSIS_KEYS: Final = (VERSION_KEY, *LOUDNESS_KEYS, OVERVIEW_KEY)
"""The custom metadata of an audio object that its analysis found."""
MAX_WAVEFORM_POINTS: Final = 1 << 19
"""Hours of audio get fewer points for each second."""
MAX_WAVEFORM_BYTES: Final = 24 + 2 * MAX_WAVEFORM_POINTS
"""Of a ``.dat`` file: its header, and two bytes a point."""
