"""An analysis as a whole, and how the metadata of an audio object holds it."""

from collections.abc import Mapping
from typing import Final

from audiostore.analysis.keys import OVERVIEW_KEY, VERSION_KEY
from audiostore.analysis.loudness import Loudness
from audiostore.analysis.overview import overview_text, read_overview
from audiostore.dataclass import dataclass

ANALYSIS_VERSION: Final = "1"
"""Which version of the analysis made what is stored; another one is to be made again."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the analysis of audio found: as much as fits its metadata."""

    loudness: Loudness
    overview: tuple[int, ...]
    """200 bars, each from 0 (silence) to 63 (full scale)."""

    @property
    def metadata(self) -> dict[str, str]:
        """It as the metadata of the audio object: some 300 bytes."""
        return {
            VERSION_KEY: ANALYSIS_VERSION,
            **self.loudness.metadata,
            OVERVIEW_KEY: overview_text(self.overview),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "Analysis | None":
        """Return the analysis in the metadata of an audio object; None without one."""
        overview = read_overview(metadata.get(OVERVIEW_KEY))
        if overview is None or VERSION_KEY not in metadata:
            return None
        return cls(Loudness.from_metadata(metadata), overview)


def is_analysed(metadata: Mapping[str, str], *, true_peak: bool = False) -> bool:
    """Say whether metadata holds the analysis of this version, with the true peak if need be."""
    found = Analysis.from_metadata(metadata)
    if found is None or metadata[VERSION_KEY] != ANALYSIS_VERSION:
        return False
    loudness = found.loudness
    return not true_peak or loudness.sample_peak_dbfs is None or loudness.true_peak_dbtp is not None
