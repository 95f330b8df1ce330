"""The journal of bulk runs: which item has which id, and whether it is stored."""

from audiostore.bulk.journal.claims import (
    Claim,
    ItemResult,
    ItemSnapshot,
    PathState,
    Run,
    UnjournaledRun,
)
from audiostore.bulk.journal.failures import FailedItem
from audiostore.bulk.journal.journal import Journal, RunInfo, begin_run, has_runs, read_run
from audiostore.bulk.journal.rows import NO_FILE

__all__ = [
    "NO_FILE",
    "Claim",
    "FailedItem",
    "ItemResult",
    "ItemSnapshot",
    "Journal",
    "PathState",
    "Run",
    "RunInfo",
    "UnjournaledRun",
    "begin_run",
    "has_runs",
    "read_run",
]
