"""What an export of shards returns."""

from audiostore.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ExportedShard:
    """A shard of an export."""

    index: int
    """From 0."""
    uri: str
    """Of its tar file."""
    samples: int
    """How many assets are in it."""
    size_bytes: int
    """Of its tar file."""
    created: bool = True
    """False if it was there before."""
    left_out: tuple[str, ...] = ()
    """What was left out of it now, and why: assets that are gone, or cannot be verified."""
    error: Exception | None = None
    """Why it was not written, if it was not."""
