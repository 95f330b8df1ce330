"""Does what was decided for one item: uploads it, or cleans up its local files. In any process."""

import os
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore.asset import Steps, require_audio_id
from audiostore.bulk.asked import asked_of
from audiostore.bulk.decisions import Decision
from audiostore.bulk.items import BulkItem, UploadOutcome, UploadReason
from audiostore.bulk.journal import NO_FILE, Claim, ItemResult, ItemSnapshot, PathState
from audiostore.bulk.storeview import SameAudio, StoreView
from audiostore.dataclass import dataclass, replace
from audiostore.errors import AssetNotFoundError, AudioStoreError, SourceNotFoundError
from audiostore.ingest import ChosenId, Upload, UploadOptions
from audiostore.values import PathLike, StorageResult

if TYPE_CHECKING:
    from audiostore.bulk.updating import Matcher
    from audiostore.manager import AudioStorageManager

_Files = tuple[PathLike, PathLike | None]
"""The audio and the thumbnail, to be inspected and stored."""


@dataclass(frozen=True, slots=True)
class DecidedItem:
    """An item, and what was decided."""

    index: int
    snapshot: ItemSnapshot
    decision: Decision

    @property
    def item(self) -> BulkItem:
        """The item itself."""
        return self.snapshot.item

    def outcome(self) -> UploadOutcome | None:
        """Return the outcome of an item that needs no work; None if it does."""
        decision = self.decision
        if decision.stores or decision.cleans_up or decision.examines:
            return None
        error: Exception | None = None
        if decision.reason == "lost":
            error = AssetNotFoundError(
                f"{str(self.item.audio)!r} is missing, and so is {decision.claim.audio_id}, as "
                "which it was stored: it was deleted from the store",
                audio_id=decision.claim.audio_id,
                path=self.item.audio,
            )
        return UploadOutcome(
            self.index,
            self.item,
            decision.claim.audio_id,
            None,
            error,
            reason=decision.reason,
            has_artwork=decision.has_artwork if decision.reason == "stored" else None,
        )

    def failed(self, error: Exception) -> UploadOutcome:
        """Return the outcome if it could not be performed."""
        decision = self.decision
        return UploadOutcome(
            self.index, self.item, decision.claim.audio_id, None, error, reason=decision.reason
        )

    def result(self, outcome: UploadOutcome, asked: frozenset[str]) -> ItemResult:
        """Return an outcome as the journal records it.

        Args:
            outcome: of this item.
            asked: what the upload asks of the files (see `asked_of`).
        """
        claim = self.decision.claim
        error = None if outcome.error is None else _text_of(outcome.error)
        has_looked = self.decision.stores or self.decision.examines
        if error is not None or outcome.skipped or not has_looked:
            asked = frozenset()
        return ItemResult(claim, outcome.audio_id or claim.audio_id, outcome.status, error, asked)


@dataclass(frozen=True, slots=True)
class Performer:
    """Performs the decision on an item."""

    manager: "AudioStorageManager"
    options: UploadOptions
    view: StoreView | None
    """Where to look for the same audio, which is skipped then; None: nowhere."""
    matcher: "Matcher | None" = None
    """What finds the stored assets of changed files, which are updated; None: they are not."""

    def can_interleave(self, decided: DecidedItem) -> bool:
        """Say whether all that the item waits for is that its objects are written.

        And whether that takes little else: no file is decoded, or fetched.
        """
        options, item, claim = self.options, decided.item, decided.decision.claim
        return (
            decided.decision.stores
            and claim.is_new
            and not (claim.is_thumbnail_missing or item.is_remote)
            and options.supersedes is None
            and item.supersedes is None
            and options.cleanup != "always"
            and not (options.cleanup and item.audio_id is not None)
            and not (options.check == "full" or options.analyse or options.preview)
            and options.thumbnail_max_px is None
            and self.view is None
            and self.matcher is None
        )

    def steps(self, decided: DecidedItem) -> Steps[UploadOutcome]:
        """Store an item in steps (see `can_interleave`).

        Raises:
            Exception: it cannot be stored, or not without looking at the store.
        """
        started = time.monotonic()
        item, claim = decided.item, decided.decision.claim
        require_audio_id(claim.audio_id)
        upload, ids = self._upload_of(item, (item.audio, item.thumbnail), claim)
        result = yield from self.manager._uploads.steps(upload, ids, may_wait=False)
        return UploadOutcome(
            decided.index,
            item,
            claim.audio_id,
            result,
            None,
            elapsed_s=time.monotonic() - started,
            reason=decided.decision.reason,
            has_artwork=result.thumbnail is not None,
        )

    def __call__(self, decided: DecidedItem) -> UploadOutcome:
        """Return the outcome; an error is part of it."""
        started = time.monotonic()
        item, decision = decided.item, decided.decision
        result: StorageResult | None = None
        audio_id = decision.claim.audio_id
        same: SameAudio | None = None
        reason = decision.reason
        try:
            if item.is_remote and (self.options.cleanup or self.matcher is not None):
                from audiostore.bulk.remote import refuse_remote  # noqa: PLC0415  (few need it)

                refuse_remote(item, "updating" if self.matcher is not None else "cleanup")
            if decision.reason == "stored":
                result = self._examine(decided) if decision.examines else None
                result = self._clean_up(decided) if decision.cleans_up else result
            elif self.matcher is not None:
                result, reason = self._update(decided, self.matcher)
                audio_id = result.audio_id
            else:
                result, same = self._store(item, decision.claim)
        except Exception as error:  # noqa: BLE001  (it is reported as this item's outcome)
            return replace(decided.failed(error), elapsed_s=time.monotonic() - started)
        return UploadOutcome(
            decided.index,
            item,
            audio_id if same is None else same.audio_id,
            result,
            None,
            skipped=same is not None,
            elapsed_s=time.monotonic() - started,
            reason=reason,
            has_artwork=same.has_artwork
            if same is not None
            else result is not None and result.thumbnail is not None,
        )

    def _store(
        self, item: BulkItem, claim: Claim
    ) -> tuple[StorageResult, None] | tuple[None, SameAudio]:
        """Return the stored asset; or the one that its audio was already stored as."""
        require_audio_id(claim.audio_id)
        if item.is_remote:
            from audiostore.bulk.remote import store_remote  # noqa: PLC0415  (few need it)

            return store_remote(
                self.manager,
                item,
                self.options,
                lambda files: self._store_files(item, files, claim),
            )
        return self._store_files(item, (item.audio, item.thumbnail), claim)

    def _store_files(
        self, item: BulkItem, files: _Files, claim: Claim
    ) -> tuple[StorageResult, None] | tuple[None, SameAudio]:
        if self.view is None:
            return self._upload(item, files, claim), None
        from audiostore.bulk.remote import snapshot_of  # noqa: PLC0415  (few need it)

        try:
            file = snapshot_of(files[0], max_bytes=self.options.max_size_bytes)
        except (OSError, ValueError):
            return self._upload(item, files, claim), None  # it raises the fitting error
        with self.view.exclusive(file):
            same = self.view.find_audio(file, claim.audio_id)
            if same is not None and same.audio_id != claim.audio_id:
                return None, same
            result = self._upload(item, files, claim)
            self.view.add(result)
        return result, None

    def _update(
        self, decided: DecidedItem, matcher: "Matcher"
    ) -> tuple[StorageResult, UploadReason]:
        """Store the item, or change what is stored of it; return the asset, and why."""
        item, claim = decided.item, decided.decision.claim
        require_audio_id(claim.audio_id)
        options, files = replace(self.options, metadata=item.metadata), (item.audio, item.thumbnail)
        match = matcher.match(item, claim, options)
        asset = match.asset
        if asset is None:
            return self._upload(item, files, claim), decided.decision.reason
        if match.kind == "superseded":
            return self._upload(item, files, claim, supersedes=asset), "superseded"
        upload = Upload(
            item.audio,
            item.thumbnail,
            options,
            audio_state=claim.audio_state or match.audio_state,
            thumbnail_state=claim.thumbnail_state or match.thumbnail_state,
        )
        if match.kind == "stored":
            if asked_of(options) <= {"quick"}:  # the match has looked inside
                return asset, "stored"
            return self.manager._uploads.examine(upload, asset.audio_id), "stored"
        refreshed = self.manager._uploads.refresh(
            upload,
            asset.audio_id,
            moves=match.kind == "moved",
            source_path=match.source_path,
            replaces=match.replaced,
        )
        return refreshed, "moved" if match.kind == "moved" else "retagged"

    def _upload(
        self,
        item: BulkItem,
        files: _Files,
        claim: Claim,
        supersedes: StorageResult | None = None,
    ) -> StorageResult:
        try:
            upload, ids = self._upload_of(item, files, claim, supersedes)
            return self.manager._uploads.run(upload, ids)
        except SourceNotFoundError:
            stored = self._cleaned_up(item, claim)
            if stored is None:
                raise
            return stored

    def _upload_of(
        self,
        item: BulkItem,
        files: _Files,
        claim: Claim,
        supersedes: StorageResult | None = None,
    ) -> "tuple[Upload, _ClaimedId]":
        audio, thumbnail = files
        if claim.is_thumbnail_missing and self._find(claim) is not None:
            thumbnail = None  # it has its artwork; the audio is still compared
        upload = Upload(
            audio,
            thumbnail,
            replace(
                self.options,
                metadata=item.metadata,
                source_path=item.source_path,
                supersedes=item.supersedes if supersedes is None else supersedes.audio_id,
            ),
            audio_state=claim.audio_state if item.remote_audio is None else None,
            thumbnail_state=claim.thumbnail_state if item.remote_thumbnail is None else None,
            keeps_thumbnail=item.keeps_thumbnail,
            if_source_path=None if supersedes is None else supersedes.source_path,
        )
        return upload, _ClaimedId(claim, is_given=item.audio_id is not None)

    def _examine(self, decided: DecidedItem) -> StorageResult:
        """Do with the files of what is stored what no earlier upload was asked to do."""
        item, audio_id = decided.item, decided.decision.claim.audio_id
        upload = self._upload_of_stored(decided)

        def examine(files: _Files) -> StorageResult:
            audio, thumbnail = files
            chosen = replace(upload, audio_path=audio, thumbnail_path=thumbnail)
            return self.manager._uploads.examine(chosen, audio_id)

        try:
            if not item.is_remote:
                return self.manager._uploads.examine(upload, audio_id)
            from audiostore.bulk.remote import store_remote  # noqa: PLC0415  (few need it)

            return store_remote(self.manager, item, self.options, examine)
        except AudioStoreError as error:
            if not error.affects_all:
                error.add_note(f"it stays stored as {audio_id}")
            raise

    def _clean_up(self, decided: DecidedItem) -> StorageResult:
        """Delete the local files of what is stored, if the store has their very bytes."""
        audio_id = decided.decision.claim.audio_id
        try:
            return self.manager._uploads.clean_up(self._upload_of_stored(decided), audio_id)
        except SourceNotFoundError:  # another run was faster
            return self.manager.get(audio_id)

    def _upload_of_stored(self, decided: DecidedItem) -> Upload:
        """Return the files of what is stored, in the state in which they were seen."""
        item, snapshot = decided.item, decided.snapshot
        return Upload(
            item.audio,
            None if snapshot.thumbnail.is_missing else item.thumbnail,
            replace(self.options, metadata=item.metadata),
            audio_state=None if item.remote_audio else snapshot.audio.state,
            thumbnail_state=None if item.remote_thumbnail else snapshot.thumbnail.state,
            keeps_thumbnail=item.keeps_thumbnail,
        )

    def _find(self, claim: Claim) -> StorageResult | None:
        try:
            return self.manager.get(claim.audio_id)
        except AssetNotFoundError:
            return None

    def _cleaned_up(self, item: BulkItem, claim: Claim) -> StorageResult | None:
        """Return the asset if an earlier run was killed after it had deleted the local files."""
        was_seen = claim.is_resumed and claim.audio_state != NO_FILE
        if item.is_remote or not (was_seen and PathState.of(item.audio).is_missing):
            return None
        found = self._find(claim)
        name = os.fsencode(Path(item.audio).name).decode("utf-8", "replace")
        return found if found and found.original_filename == name else None


@dataclass(frozen=True, slots=True)
class _ClaimedId:
    """Gives an upload the id that the run has given its item."""

    claim: Claim
    is_given: bool

    def choose(self, identity: object, detail: object = None) -> AbstractContextManager[ChosenId]:
        """Return the claimed id, whatever the upload's identity."""
        del identity, detail
        claim = self.claim
        return nullcontext(ChosenId(claim.audio_id, claim.is_new, is_given=self.is_given))


def _text_of(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return "\n".join([text, *getattr(error, "__notes__", ())])
