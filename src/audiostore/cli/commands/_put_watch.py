"""`put --watch`: stores what arrives in directories, until it is stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore.bulk import CoverCheck, Watcher
from audiostore.cli.commands._put_many import upload_work
from audiostore.cli.commands._put_work import Work, refuse_what_is_for_one, report_cover
from audiostore.cli.failures import INTERRUPTED, UsageError, report
from audiostore.cli.output import counted, note, say
from audiostore.cli.report import Count
from audiostore.config import DirectoryLocation
from audiostore.errors import affects_all
from audiostore.retry import CONSERVATIVE_CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable

    from audiostore import BulkItem, UploadOptions, UploadOutcome
    from audiostore.cli.commands.put import Options
    from audiostore.config import Location

_FIRST_PAUSE_S = 30.0
_LONGEST_PAUSE_S = 600.0


def watch(
    options: Options,
    location: Location,
    upload: UploadOptions,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Store what arrives, until Ctrl-C or SIGTERM.

    What fails for a reason of the store is tried again: after half a minute, then ever less often.

    Args:
        options: of `put`.
        location: of the store.
        upload: how to store the files.
        sleep: waits that many seconds.
        clock: in seconds.
    """
    paths = [Path(path) for path in options.files]
    if options.manifest or options.files_from or options.dry_run:
        raise UsageError("--watch stores new files in directories: give only directories")
    if options.no_journal:
        raise UsageError("--watch needs the journal to know which files are new")
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"--watch needs directories: {str(path)!r} is not one")
    refuse_what_is_for_one(options, "directories")
    check = CoverCheck(upload, report_cover) if options.skip_bad_covers else None
    watcher = Watcher(
        paths,
        options.search_options(fix_extension=options.fix_extension, is_usable_cover=check),
        Count({}, as_json=options.json, lists_all=True).leave_out,
        store_folder=location.path if isinstance(location, DirectoryLocation) else None,
    )
    say("watching", f"{', '.join(options.files)}; stop with Ctrl-C")
    pause_s = _FIRST_PAUSE_S
    try:
        while True:
            began = clock()
            items = watcher.look()
            if items:
                is_back = _store(options, location, upload, items, watcher)
                if is_back is None:
                    return INTERRUPTED
                if not is_back:
                    sleep(pause_s)
                pause_s = _FIRST_PAUSE_S if is_back else min(2 * pause_s, _LONGEST_PAUSE_S)
            # A slow share is not looked at all the time.
            sleep(max(watcher.settle_s, 4 * (clock() - began) if not items else 0.0))
    except KeyboardInterrupt:
        say("stopped", "run the same command again to continue; nothing is stored twice")
        return INTERRUPTED


def _store(
    options: Options,
    location: Location,
    upload: UploadOptions,
    items: list[BulkItem],
    watcher: Watcher,
) -> bool | None:
    """Store items; say whether the store was there for all of them. None: stopped."""
    left = {item.audio: item for item in items}

    def on_outcome(outcome: UploadOutcome) -> None:
        if outcome.error is None or not CONSERVATIVE_CONFIG.is_retryable(outcome.error):
            left.pop(outcome.item.audio, None)

    work = Work(lambda _: iter(items), counted(len(items), "file"))
    try:
        if upload_work(options, work, location, upload, on_outcome=on_outcome) == INTERRUPTED:
            return None
    except Exception as error:
        if not affects_all(error):
            raise
        report(error, debug=options.debug)
    for item in left.values():
        watcher.put_back(item)
    if left:
        note(f"{counted(len(left), 'file')} will be tried again")
    return not left
