"""The journals of uploads: where they are, and whether they know of what is in the store."""

from __future__ import annotations

import audiostore
from audiostore.cli import hints, places
from audiostore.cli.failures import is_api_error
from audiostore.cli.output import explain_step, say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from pathlib import Path

    from audiostore import AudioStorageManager, Journal
    from audiostore.config import Location


def open_journal(path: str | None, location: Location) -> Journal:
    """Open the journal at a path, or the user's own journal of a store."""
    from audiostore import Journal  # noqa: PLC0415  (not for --help)

    file = journal_path(path, location)
    explain_step(f"the journal is {str(file)!r}")
    moved = "" if path else "XDG_STATE_HOME=DIR moves all of them, "
    way_out = f"--journal FILE names another journal, {moved}--no-journal keeps none"
    places.remember(file, "the journal", way_out)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Journal(file)
    except audiostore.ConfigurationError as error:
        error.add_note(way_out)
        raise


def note_other_assets(manager: AudioStorageManager, journal: Path) -> None:
    """Say so if a journal knows nothing of the assets in a store: all would be stored again."""
    from audiostore.bulk import has_runs  # noqa: PLC0415  (not for --help)

    if has_runs(journal, manager.url):
        return
    try:
        has_assets = next(manager.list(), None) is not None
    except Exception as error:
        if not is_api_error(error) or audiostore.CONSERVATIVE_CONFIG.is_retryable(error):
            raise
        return  # storing needs no permission to list; if anything is wrong, it will say so
    if has_assets:
        say(
            "note",
            f"{manager.url} has assets that are not in this journal: --skip-stored skips "
            "audio that is already there",
        )


def jobs_command(number: int, journal: str | None) -> str:
    """Return the command that prints what failed in a run."""
    if journal is not None:
        import shlex  # noqa: PLC0415  (not for --help)

        return f"'{shlex.join(['audiostore', 'jobs', str(number), '--journal', journal])}'"
    return hints.command("jobs", str(number))


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
