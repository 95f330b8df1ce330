"""The journals of bulk uploads: where they are, and whether the store agrees with them."""

from __future__ import annotations

import shlex

from audiostore.cli.output import explain_step

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from pathlib import Path

    from audiostore import Journal
    from audiostore.config import Location


def open_journal(path: str | None, location: Location) -> Journal:
    """Open the journal at a path, or the user's own journal of a store."""
    from audiostore import Journal  # noqa: PLC0415  (not for --help)

    file = journal_path(path, location)
    explain_step(f"the journal is {str(file)!r}")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Journal(file)


def jobs_command(number: int, *, journal: str | None, bucket: str | None, store: str | None) -> str:
    """Return the command that prints what failed in a run."""
    words = ["audiostore", "jobs", str(number)]
    if journal is not None:
        words += ["--journal", journal]
    elif bucket is not None:
        words += ["--bucket", bucket]
    elif store is not None:
        words += ["--store", store]
    return f"'{shlex.join(words)}'"


def journal_path(path: str | None, location: Location) -> Path:
    """Return the path, or where the user's own journal of a store is."""
    from pathlib import Path  # noqa: PLC0415  (not for --help)

    from audiostore.config import emulator_endpoint, state_directory  # noqa: PLC0415
    from audiostore.statefiles import hash_of  # noqa: PLC0415

    if path is not None:
        return Path(path)
    # A bucket and one of the same name in an emulator have the same URL.
    name = hash_of([location.url, emulator_endpoint()])[:32]
    return state_directory() / "journals" / f"{name}.sqlite3"
