"""What is to be done with each item of an upload: the same decisions for a run and its dry run.

Three things are known of an item: what the journal says of it (a `Claim`), what the store holds
under the id that the journal names (a `StoredState`), and the options. `decide` makes a decision of
them, without looking anywhere. `Decider` asks the journal, then the store, and carries out what a
decision means for the journal: an item whose asset is gone gets a new id.

A run claims from the journal (`begin_run`); a dry run reads it (`read_run`). Both ask a `Decider`
for the decisions on a batch of items, in the process that feeds the workers. What needs the bytes
of a file, `skip_stored` and `update`, follows later, in the worker (see `performing`). Then the
workers are threads, which share the journal and the view.

To decide on more than that: add a reason to `UploadReason`; return it from `decide`; perform it in
`performing` (and plan it in `planning`); name it in `cli/report.py`; add its row to
`tests/bulk_states.py`, which generates the table in docs/bulk.md. Of a changed file, the claim has
the id of what was stored before (`Claim.previous_id`).
"""

import os
from collections.abc import Sequence
from pathlib import Path

from audiostore.bulk.items import UploadReason
from audiostore.bulk.journal import Claim, ItemSnapshot, Run
from audiostore.bulk.newids import NewIds
from audiostore.bulk.storeview import StoredState, StoreView
from audiostore.dataclass import dataclass, replace


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with an item, and why."""

    reason: UploadReason
    """See `UploadReason`."""
    claim: Claim
    is_present: bool = False
    """The store has it, though an earlier attempt may not know that."""
    has_artwork: bool = False
    """Of what is stored."""
    cleans_up: bool = False
    """It is stored, and its local files are to be deleted."""
    examines: bool = False
    """It is stored, and more is asked of its files than was before."""

    @property
    def stores(self) -> bool:
        """Whether it is to be stored."""
        return self.reason in ("new", "changed", "resumed", "gone", "again")


@dataclass(frozen=True, slots=True)
class DecisionOptions:
    """The options that matter for decisions."""

    again: bool = False
    """Store what is in the trash."""
    cleanup: bool = False
    """Delete the local files of what is stored; not with `update`."""
    update: bool = False
    """Change what is stored as the local files have changed."""
    asks: frozenset[str] = frozenset()
    """What is asked of the files (see `asked_of`)."""


def decide(
    claim: Claim, snapshot: ItemSnapshot, state: StoredState | None, options: DecisionOptions
) -> Decision:
    """Decide on one item.

    Args:
        claim: what the journal says.
        snapshot: what is on the local disk.
        state: what the store holds under the claim's id; None: it was not asked.
        options: those of the upload.
    """
    if claim.status == "busy":
        return Decision("busy", claim)
    is_missing = snapshot.audio.is_missing
    if state is not None and state.presence == "in the trash":
        return Decision("again" if options.again and not is_missing else "deleted", claim)
    is_present = state is not None and state.presence == "present"
    has_artwork = state is not None and state.has_artwork
    if claim.status == "claimed":
        if claim.is_resumed:
            return Decision("resumed", claim, is_present=is_present, has_artwork=has_artwork)
        return Decision("new" if claim.previous_id is None else "changed", claim)
    if not is_present:
        return Decision("lost" if is_missing else "gone", claim)
    return Decision(
        "stored",
        claim,
        is_present=True,
        has_artwork=has_artwork,
        cleans_up=options.cleanup and not is_missing,
        examines=not (is_missing or options.asks <= claim.asked),
    )


class Decider:
    """Decides on items, a batch at a time. Used by one thread."""

    def __init__(
        self,
        run: Run,
        view: StoreView,
        options: DecisionOptions,
        new_ids: NewIds | None = None,
    ) -> None:
        """Decide for a run; without `new_ids`, every given id is looked up when it is stored."""
        self._run = run
        self._view = view
        self._options = options
        self._new_ids = new_ids

    def decide(self, snapshots: Sequence[ItemSnapshot]) -> list[Decision]:
        """Return the decision on each item; those to be stored are claimed, on the disk.

        Raises:
            ConfigurationError: the journal cannot be used.
            OSError, google.api_core.exceptions.GoogleAPICallError: the store cannot be read.
        """
        claims = self._run.claim(snapshots)
        states = self._view.states(
            claim.audio_id for claim in claims if claim.status == "stored" or claim.was_interrupted
        )
        decisions = [
            decide(claim, snapshot, states.get(claim.audio_id), self._options)
            for claim, snapshot in zip(claims, snapshots, strict=True)
        ]
        if self._options.update:
            for i, snapshot in enumerate(snapshots):
                if self._is_outdated(decisions[i], snapshot):
                    decisions[i] = replace(decisions[i], reason="changed", examines=False)
        self._renew(decisions, snapshots)
        return [self._known(*each) for each in zip(decisions, snapshots, strict=True)]

    def _known(self, decision: Decision, snapshot: ItemSnapshot) -> Decision:
        """Note that a given id is new, if it is, and there was no attempt under it before."""
        audio_id = snapshot.item.audio_id
        if self._new_ids is None or audio_id is None or decision.reason != "new":
            return decision
        is_new = self._new_ids.take(audio_id, said=snapshot.item.id_is_new)
        return replace(decision, claim=replace(decision.claim, is_new=is_new))

    def _is_outdated(self, decision: Decision, snapshot: ItemSnapshot) -> bool:
        """Say whether a file is as it was once, but something else was stored of it since."""
        if decision.reason != "stored" or snapshot.audio.is_missing:
            return False
        path = Path(os.path.abspath(snapshot.item.audio))  # noqa: PTH100  (keeps links)
        audio_id = decision.claim.audio_id
        return self._run.stored_at(path) != audio_id or self._run.path_of(audio_id) != path

    def _renew(self, decisions: list[Decision], snapshots: Sequence[ItemSnapshot]) -> None:
        """Give new ids to the items that are stored again."""
        numbers = [
            i
            for i, each in enumerate(decisions)
            if each.reason in ("gone", "again")
            or (each.reason == "changed" and each.claim.status == "stored")
        ]
        claims = self._run.renew([(decisions[i].claim, snapshots[i]) for i in numbers])
        for i, claim in zip(numbers, claims, strict=True):
            reason = "busy" if claim.status == "busy" else decisions[i].reason
            decisions[i] = replace(decisions[i], reason=reason, claim=claim)
