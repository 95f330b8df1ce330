"""Loudness, as EBU R 128 measures it, and the gains for players that follow from it."""

from collections.abc import Mapping
from math import isfinite

from audiostore.analysis.keys import LOUDNESS_KEYS
from audiostore.dataclass import dataclass

_REPLAYGAIN_LUFS = -18.0
_R128_LUFS = -23.0
_Q7_8 = 256
_INT16 = range(-0x8000, 0x8000)


@dataclass(frozen=True, slots=True)
class Loudness:
    """How loud audio is, as a whole."""

    integrated_lufs: float | None
    """The loudness of the programme (ITU-R BS.1770-4, EBU R 128), in LUFS.

    None for silence, and for less than the 400 ms that it is measured over."""
    range_lu: float | None = None
    """The loudness range (EBU Tech 3342), in LU; None for silence, and for less than 10 s."""
    sample_peak_dbfs: float | None = None
    """The largest sample of all channels, in dB of full scale; None for silence.

    It is known to a thousandth of full scale: to 0.1 dB above -20 dBFS, and less exactly below."""
    true_peak_dbtp: float | None = None
    """The largest value between the samples, too (BS.1770-4, annex 2: four times oversampled).

    None for silence, and if it was not measured: it costs as much as all the rest."""

    @property
    def replaygain_db(self) -> float | None:
        """The gain in dB that players apply (ReplayGain 2.0: to -18 LUFS)."""
        if self.integrated_lufs is None:
            return None
        return round(_REPLAYGAIN_LUFS - self.integrated_lufs, 2)

    @property
    def replaygain_peak(self) -> float | None:
        """The peak of ReplayGain 2.0: 1.0 is full scale; the true peak where it is known."""
        peak = self.sample_peak_dbfs if self.true_peak_dbtp is None else self.true_peak_dbtp
        return None if peak is None else round(10 ** (peak / 20), 6)

    @property
    def r128_track_gain(self) -> int | None:
        """The gain of an Opus file's R128_TRACK_GAIN: to -23 LUFS, in 1/256 dB (RFC 7845, 5.2.1).

        That of a file whose header has an output gain is counted from what plays with it: so is
        this loudness, as decoders apply the header's gain.
        """
        if self.integrated_lufs is None:
            return None
        gain = round((_R128_LUFS - self.integrated_lufs) * _Q7_8)
        return max(_INT16[0], min(gain, _INT16[-1]))

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures and the gains as JSON types."""
        return {
            "integrated_lufs": self.integrated_lufs,
            "range_lu": self.range_lu,
            "sample_peak_dbfs": self.sample_peak_dbfs,
            "true_peak_dbtp": self.true_peak_dbtp,
            "replaygain_db": self.replaygain_db,
            "replaygain_peak": self.replaygain_peak,
            "r128_track_gain": self.r128_track_gain,
        }

    @property
    def metadata(self) -> dict[str, str]:
        """The figures as they are stored with the audio object: to a hundredth."""
        figures = (
            self.integrated_lufs,
            self.range_lu,
            self.sample_peak_dbfs,
            self.true_peak_dbtp,
        )
        pairs = zip(LOUDNESS_KEYS, figures, strict=True)
        return {key: f"{figure:.2f}" for key, figure in pairs if figure is not None}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "Loudness":
        """Return the loudness in an audio object's metadata; what is not a number is None."""
        return cls(*(_figure(metadata.get(key, "")) for key in LOUDNESS_KEYS))


def _figure(text: str) -> float | None:
    try:
        figure = float(text)
    except ValueError:
        return None
    return figure if isfinite(figure) else None
