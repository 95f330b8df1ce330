"""The custom metadata of an audio object that its analysis found."""

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
