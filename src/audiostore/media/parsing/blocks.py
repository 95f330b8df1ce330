"""Sound in blocks of one size, as PCM and ADPCM are: its length follows from its bytes."""

from audiostore.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Blocks:
    """What one block holds."""

    size: int
    """Its bytes, those of all channels."""
    samples: int = 1
    """Samples of each channel."""

    def samples_in(self, size: int) -> int:
        """Return how many samples of each channel so many bytes hold."""
        return size // self.size * self.samples
