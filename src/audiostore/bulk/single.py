"""Uploading one file with the promises of a bulk upload, without the engine that many need."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from audiostore.bulk.asked import asked_of
from audiostore.bulk.decisions import Decider, DecisionOptions
from audiostore.bulk.items import BulkItem, UploadOutcome
from audiostore.bulk.journal import ItemSnapshot, Journal, begin_run
from audiostore.bulk.newids import NewIds
from audiostore.bulk.performing import DecidedItem, Performer
from audiostore.bulk.storeview import StoreView
from audiostore.dataclass import replace
from audiostore.ingest import UploadOptions

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_POLL_S = 0.05


def upload_one(
    manager: "AudioStorageManager",
    item: BulkItem,
    journal: Journal,
    options: UploadOptions,
    *,
    again: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> UploadOutcome:
    """Store one item exactly once, whatever interrupts it; wait for another run that does it.

    Args:
        manager: of the store.
        item: the files.
        journal: records the id before the first byte is sent.
        options: how to inspect, prepare and store the files; `supersedes` and `trash_superseded`
            count, too.
        again: store what is in the trash, too, under a new id.
        sleep: waits for a number of seconds.

    Raises:
        ConfigurationError: the journal cannot be used.
        OSError, google.api_core.exceptions.GoogleAPICallError: what the journal records could not
            be looked up in the store.
    """
    metadata = {**(options.metadata or {}), **item.metadata}
    item = replace(item, metadata=metadata, supersedes=options.supersedes)
    asked = asked_of(options)
    with closing(begin_run(journal, manager.url)) as run, StoreView(manager) as view:
        decider = Decider(
            run,
            view,
            DecisionOptions(again, cleanup=bool(options.cleanup), asks=asked),
            NewIds(manager.store, all_are_new=True) if options.id_is_new else None,
        )
        while True:
            snapshot = ItemSnapshot.of(item)
            (decision,) = decider.decide([snapshot])
            if decision.reason != "busy":
                break
            sleep(_POLL_S)
        decided = DecidedItem(0, snapshot, decision)
        outcome = decided.outcome() or Performer(manager, options, None)(decided)
        if outcome.done_before and outcome.audio_id and options.supersedes:
            # An earlier attempt may not have been asked to delete the superseded asset.
            manager._uploads.supersede(
                options.supersedes, outcome.audio_id, trash=options.trash_superseded
            )
        run.record([decided.result(outcome, asked)])
        run.complete()
    return outcome
