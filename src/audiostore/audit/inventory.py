"""An inventory report of Storage Insights, as a value."""

from datetime import datetime

from audiostore.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class InventoryReport:
    """An inventory report of Storage Insights (see `Audit.read_inventory`)."""

    place: str
    """Path or URL of its manifest."""
    snapshot_at: datetime
    """The time that it shows the bucket at."""
    objects: int
    """How many it has, noncurrent ones included."""
    shards: tuple[str, ...]
    """Names of the files that hold them, beside the manifest."""
    columns: tuple[str, ...] = ()
    """Of its rows, as it was configured; a header goes before."""
    delimiter: str = ","
    bucket: str | None = None
    """Which it is of, if it says so."""
