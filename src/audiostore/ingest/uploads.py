"""Uploads: from local files to a stored asset, and the cleanup of the files."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from posixpath import splitext
from typing import Protocol

from audiostore import telemetry
from audiostore.asset import (
    AUDIO,
    THUMBNAIL,
    Asset,
    Attachments,
    Changes,
    Commits,
    FilenameGenerator,
    MarkedParts,
    Outcome,
    Part,
    PreparedFile,
    Steps,
    delete_asset,
    find_asset,
    find_stored,
    require_asset,
    require_audio_id,
    result_of,
    waiting_result,
)
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    SourceChangedError,
    SourceNotFoundError,
)
from audiostore.events import Attached, Begun, Stored
from audiostore.ingest.cleanup import clean_up
from audiostore.ingest.options import Cleanup, UploadOptions
from audiostore.ingest.prepare import prepare_audio, prepare_image
from audiostore.ingest.resume import ChosenId
from audiostore.ingest.stored import StoredFile
from audiostore.localfiles import FileState, LocalFile
from audiostore.notify import Notifier
from audiostore.sourcepaths import path_beside, source_path_of
from audiostore.sources import Source
from audiostore.stores import Store, has_bytes, has_content
from audiostore.values import BlobInfo, PathLike, StorageResult

_MOST_COVERS = 64


class IdSource(Protocol):
    """Chooses the id of an upload."""

    def choose(
        self, identity: Callable[[], object], detail: object = None
    ) -> AbstractContextManager[ChosenId]:
        """Yield the id; the upload runs in the block.

        Args:
            identity: returns what identifies this upload; ready for JSON.
            detail: more that must match if an interrupted upload is resumed; None if unknown.
        """
        ...


@dataclass(frozen=True, slots=True)
class GivenId:
    """The id that the caller gave."""

    audio_id: str
    is_new: bool = False

    def choose(
        self, identity: Callable[[], object], detail: object = None
    ) -> AbstractContextManager[ChosenId]:
        """Yield the given id, which other uploads may use too."""
        del identity, detail
        return nullcontext(ChosenId(self.audio_id, is_new=self.is_new, is_given=True))


class NewId:
    """A new id for each upload, which nothing remembers."""

    def choose(
        self, identity: Callable[[], object], detail: object = None
    ) -> AbstractContextManager[ChosenId]:
        """Yield a new id."""
        del identity, detail
        return nullcontext(ChosenId(FilenameGenerator.generate_audio_id(), is_new=True))


@dataclass(frozen=True, slots=True)
class Upload:
    """The files to store, and how to store them."""

    audio_path: PathLike
    thumbnail_path: PathLike | None = None
    options: UploadOptions = field(default_factory=UploadOptions)
    audio_state: FileState | None = None
    """The state that the file must still be in: that when its id was chosen; None: any."""
    thumbnail_state: FileState | None = None
    keeps_thumbnail: bool = False
    """Whether cleanup keeps the local thumbnail, because other uploads use it too."""
    if_source_path: str | None = None
    """Supersede the old asset only if it has this source path; None: whatever it has."""
    filename: str | None = None
    """The user's name for the audio file; None: that of its path."""


class Uploads:
    """Prepares local files, stores them as an asset, and cleans up."""

    def __init__(self, store: Store, notify: Notifier) -> None:
        self._store = store
        self._commits = Commits(store, notify)
        self._attachments = Attachments(store, notify)
        self._changes = Changes(store)
        self._marked = MarkedParts(store, notify)
        self._notify = notify
        self._stored_covers: dict[tuple[object, ...], PreparedFile] = {}

    def run(self, upload: Upload, ids: IdSource) -> StorageResult:
        """Store an audio file and its artwork (see the manager's `upload_audio_with_thumbnail`)."""
        with telemetry.upload(self._store.url) as activity, activity.current():
            result = self._commits.run(self.steps(upload, ids))
            activity.describe(
                {
                    "audiostore.asset.id": result.audio_id,
                    "audiostore.asset.format": result.format,
                    "audiostore.asset.size": result.size_bytes,
                    "audiostore.asset.created": result.created,
                }
            )
        return result

    def steps(
        self, upload: Upload, ids: IdSource, *, may_wait: bool = True
    ) -> Steps[StorageResult]:
        """Store an audio file and its artwork, in steps (see `Commits.create`).

        Without `may_wait`, a new asset waits for nothing between them: what needs a look at the
        store is an error.
        """
        options = upload.options
        custom = dict(options.metadata or {})
        inspected = options
        if upload.thumbnail_path is not None:
            inspected = replace(options, artwork="none")  # embedded artwork would not be used
        with ExitStack() as files:
            audio = files.enter_context(
                prepare_audio(upload.audio_path, inspected, filename=upload.filename)
            )
            thumbnail: PreparedFile | None = None
            missing: SourceNotFoundError | None = None
            try:
                if isinstance(upload.thumbnail_path, StoredFile):
                    thumbnail = self._stored_cover(upload.thumbnail_path, options)
                elif upload.thumbnail_path is not None:
                    thumbnail = files.enter_context(prepare_image(upload.thumbnail_path, options))
            except SourceNotFoundError as error:
                if not (options.cleanup and may_wait):
                    raise
                missing = error
            _require_state(audio, upload.audio_state)
            if thumbnail is not None:
                _require_state(thumbnail, upload.thumbnail_state)
            thumbnail_path = upload.thumbnail_path

            def identity() -> list[object]:
                return [
                    self._store.url,
                    custom,
                    audio.identity,
                    None
                    if thumbnail_path is None
                    else os.fsdecode(Path(thumbnail_path).absolute()),
                    options.supersedes,
                ]

            cover_path = None
            if options.source_path is not None and thumbnail_path is not None:
                cover_path = path_beside(options.source_path, upload.audio_path, thumbnail_path)
            detail = thumbnail.identity if thumbnail else None
            with ids.choose(identity, detail) as chosen:
                self._notify(Begun(chosen.audio_id, Path(upload.audio_path)))
                source_path = options.source_path
                if options.supersedes is not None:
                    self._changes.require_supersedable(options.supersedes, chosen.audio_id)
                    source_path = source_path or self._place_of(options.supersedes, audio)
                    if options.trash_superseded:
                        self._changes.require_not_held(options.supersedes)

                def store() -> Steps[Outcome]:
                    if missing is not None:
                        return self._stored_before(chosen.audio_id, audio, thumbnail_path, missing)
                    outcome = yield from self._commits.create(
                        chosen.audio_id,
                        audio,
                        thumbnail,
                        custom,
                        id_is_new=chosen.is_new,
                        # Nothing is deleted because somebody believes that an id is new.
                        confirms=chosen.is_given and bool(options.cleanup),
                        cache=options.cache,
                        supersedes=options.supersedes,
                        source_path=source_path,
                        cover_path=cover_path,
                        derived=audio.derived,
                    )
                    if audio.derived and not outcome.created:
                        outcome = self._with_findings(outcome, audio, options)
                    if options.supersedes is not None:
                        warnings = self.supersede(
                            options.supersedes,
                            chosen.audio_id,
                            trash=options.trash_superseded,
                            if_source_path=upload.if_source_path,
                        )
                        outcome = replace(outcome, warnings=outcome.warnings + warnings)
                    return outcome

                local = self._local_files(
                    {THUMBNAIL: thumbnail, AUDIO: audio},  # the audio goes last
                    options.cleanup,
                    keeps_thumbnail=upload.keeps_thumbnail,
                )
                with local.clearing_failed():
                    outcome = yield from store()
                result = local.stored(chosen.audio_id, outcome)
        self._notify(Stored(result.audio_id, result.audio_path or "", result.created))
        return result

    def adopt(
        self,
        audio_id: str,
        audio: StoredFile,
        thumbnail: StoredFile | None = None,
        options: UploadOptions | None = None,
        *,
        id_is_new: bool,
    ) -> StorageResult:
        """Store an asset from objects of a store, by copies within its service.

        It is committed like an upload: the artwork is copied first, and the copy of the audio,
        with its facts and the reference to the artwork, commits. The objects are inspected by
        ranges, for most a request each; under a new id, one copy of each is all else. A call that
        was killed is completed by repeating it; what is stored already is compared, and found again
        with ``created=False``. The objects that it comes from stay as they are.

        Args:
            audio_id: the id of the asset.
            audio: the audio; without `thumbnail`, artwork from inside it is stored with it.
            thumbnail: the artwork, if any.
            options: as of an upload, but none that take all bytes (see `StoredFile`), no cleanup.
            id_is_new: nothing was ever stored under the id, and nobody else stores under it (see
                `UploadOptions.id_is_new`).

        Raises:
            AudioStoreError: as for an upload of the same files.
            SourceChangedError: an object was replaced or deleted; nothing was committed.
            ValueError: the options need all bytes.
        """
        options = options or UploadOptions()
        if options.cleanup:
            raise ValueError("cleanup is for local files")
        return self.run(Upload(audio, thumbnail, options), GivenId(audio_id, id_is_new))

    def clean_up(self, upload: Upload, audio_id: str) -> StorageResult:
        """Delete the local files of an asset that was stored before.

        Each is deleted if the store has its very bytes; otherwise it is kept, and a warning of the
        result says why.

        Raises:
            AssetNotFoundError: the asset is not in the store: nothing was deleted.
        """
        outcome = Outcome(require_asset(self._store, audio_id), created=False)
        # The bytes alone matter, whatever is wrong with them.
        options = replace(
            upload.options, check="none", analyse=False, artwork="none", fix_extension=True
        )
        with ExitStack() as files:
            audio, thumbnail = _prepared(upload, options, files)
            return self._store_files(
                audio_id,
                lambda: outcome,
                {THUMBNAIL: thumbnail, AUDIO: audio},  # the audio goes last
                cleanup=True,
                keeps_thumbnail=upload.keeps_thumbnail,
            )

    def examine(self, upload: Upload, audio_id: str) -> StorageResult:
        """Inspect the files of an asset that is stored, as an upload with these options would.

        An analysis and a preview that are asked for are stored with the asset if it lacks them. All
        else that is stored stays as it is, and so do the local files. A warning says if the file
        has other sound by now.

        Raises:
            AssetNotFoundError: the asset is not in the store.
            AudioStoreError, OSError: as of an upload of the files.
        """
        from audiostore.ingest.findings import has_sound_of  # noqa: PLC0415  (rare)

        asset = require_asset(self._store, audio_id)
        with ExitStack() as files:
            audio, thumbnail = _prepared(upload, upload.options, files)
            outcome = Outcome(asset, created=False)
            if not has_sound_of(asset.audio, audio):
                warning = (
                    f"{audio.filename!r}: its sound has changed since it was stored, though its "
                    "size and its time have not: the store has it as it was"
                )
                outcome = replace(outcome, warnings=(warning,))
            return self._store_files(
                audio_id,
                lambda: self._with_findings(outcome, audio, upload.options),
                {THUMBNAIL: thumbnail, AUDIO: audio},
                cleanup=False,
            )

    def _with_findings(
        self, outcome: Outcome, audio: PreparedFile, options: UploadOptions
    ) -> Outcome:
        """Add to a stored asset what it lacks of the analysis and the preview that were made."""
        from audiostore.ingest.findings import add_findings  # noqa: PLC0415  (rare)

        asset = outcome.stored
        if not isinstance(asset, Asset):
            return outcome
        return replace(
            outcome, stored=add_findings(asset, audio, options, self._marked, self._changes)
        )

    def refresh(
        self,
        upload: Upload,
        audio_id: str,
        *,
        moves: bool,
        source_path: str | None = None,
        replaces: StorageResult | None = None,
    ) -> StorageResult:
        """Give a stored asset the tags and the artwork that its file has now.

        The stored audio stays as it is, and so do the local files. Repeating the call completes
        what a kill has interrupted.

        Args:
            upload: the file, whose audio is that of the asset.
            audio_id: the asset.
            moves: the file was moved, so what is at its old path does not supersede it.
            source_path: where the file is now; None: where it was.
            replaces: the asset that was stored from that path, which this one supersedes now.

        Raises:
            AssetNotFoundError: the asset is not in the store.
            AssetConflictError: other writers are changing it.
            HeldError: its artwork is to be replaced, and it is under a hold.
        """
        options = upload.options
        with ExitStack() as files:
            audio, thumbnail = _prepared(upload, options, files)
            cover = thumbnail or audio.artwork

            def store() -> Outcome:
                asset = require_asset(self._store, audio_id)
                path = source_path or source_path_of(asset.audio.metadata)
                cover_path = None
                if path is not None and thumbnail is not None and upload.thumbnail_path is not None:
                    cover_path = path_beside(path, upload.audio_path, upload.thumbnail_path)
                if cover is not None and not (
                    asset.thumbnail is not None and has_content(asset.thumbnail, cover.source)
                ):
                    self._attachments.attach(
                        audio_id, cover, {}, cache=options.cache, source_path=cover_path
                    )
                elif cover is not None:
                    self._changes.set_origin(audio_id, cover, cover_path)
                superseded: str | None = None
                if replaces is not None:
                    with suppress(AssetNotFoundError):
                        is_linked = self._changes.link_superseded(
                            replaces.audio_id, audio_id, if_source_path=replaces.source_path
                        )
                        superseded = replaces.audio_id if is_linked else None
                asset = self._changes.refresh(
                    audio_id,
                    audio,
                    options.metadata or {},
                    source_path=source_path,
                    makes_current=moves and self._was_replaced_in_place(asset),
                    supersedes=superseded,
                )
                outcome = Outcome(asset, created=False)
                return self._with_findings(outcome, audio, options) if audio.derived else outcome

            return self._store_files(
                audio_id,
                store,
                {THUMBNAIL: thumbnail, AUDIO: audio},  # the audio goes last
                cleanup=False,
            )

    def _stored_cover(self, file: StoredFile, options: UploadOptions) -> PreparedFile:
        """Return artwork that a store holds, prepared; that of an album is read for one track."""
        key = (
            *(file.source.uri, file.source.blob.generation, file.storage_class, file.kms_key),
            *(options.check, options.fix_extension, options.faststart),
            *(options.thumbnail_max_px, options.max_size_bytes),
        )
        found = self._stored_covers.get(key)
        if found is None:
            with prepare_image(file, options) as found:
                pass  # nothing of it is local
            if len(self._stored_covers) >= _MOST_COVERS:
                self._stored_covers.clear()
            self._stored_covers[key] = found
        return found

    def _was_replaced_in_place(self, asset: Asset) -> bool:
        """Say whether an asset is superseded, if it is, only by what took its path."""
        by = asset.audio.metadata.get("superseded_by")
        successor = None if by is None else find_asset(self._store, by)
        if successor is None:
            return True
        path = source_path_of(successor.audio.metadata)
        took_its_path = path is not None and path == source_path_of(asset.audio.metadata)
        # It names the asset once it has its path; it may be about to take it.
        return took_its_path or successor.audio.metadata.get("supersedes") != asset.audio_id

    def attach(
        self,
        path: PathLike,
        audio_id: str,
        options: UploadOptions,
        *,
        filename: str | None = None,
        if_unchanged: StorageResult | None = None,
    ) -> StorageResult:
        """Store artwork for an asset (see the manager's `upload_thumbnail_file`)."""
        require_audio_id(audio_id)
        with prepare_image(path, options, filename=filename) as thumbnail:

            def store() -> Outcome:
                return self._attachments.attach(
                    audio_id,
                    thumbnail,
                    dict(options.metadata or {}),
                    cache=options.cache,
                    source_path=options.source_path,
                    if_unchanged=if_unchanged,
                )

            result = self._store_files(audio_id, store, {THUMBNAIL: thumbnail}, options.cleanup)
        uri = result.thumbnail_path or ""
        self._notify(Attached(audio_id, uri, waiting=result.audio is None))
        return result

    def _place_of(self, old_id: str, audio: PreparedFile) -> str | None:
        """Return the source path of what replaces an asset: the same, with its own extension."""
        old = find_asset(self._store, old_id)
        path = None if old is None else source_path_of(old.audio.metadata)
        return path and f"{splitext(path)[0]}{splitext(audio.filename)[1]}"

    def supersede(
        self, old_id: str, new_id: str, *, trash: bool, if_source_path: str | None = None
    ) -> tuple[str, ...]:
        """Link an asset to the one that supersedes it; do nothing if that was done before.

        Args:
            old_id: the superseded asset.
            new_id: the asset that supersedes it.
            trash: delete the superseded asset.
            if_source_path: link them only if the superseded asset has this source path.

        Returns:
            warnings.
        """
        warnings: tuple[str, ...] = ()
        try:
            if not self._changes.link_superseded(old_id, new_id, if_source_path=if_source_path):
                self._changes.unlink(old_id, new_id)
        except AssetNotFoundError:
            if not trash:
                warnings = (f"asset {old_id}, which this one supersedes, was deleted meanwhile",)
        if trash:
            # An earlier attempt that was killed may have done some or all of this.
            with suppress(AssetNotFoundError):
                self._pass_on(old_id, new_id)
            with suppress(AssetNotFoundError):
                delete_asset(self._store, old_id)
        return warnings

    def _pass_on(self, old_id: str, new_id: str) -> None:
        """Link the asset that the old one supersedes to the new one, as the old one is deleted."""
        oldest_id = require_asset(self._store, old_id).audio.metadata.get("supersedes")
        if oldest_id is not None:
            with suppress(
                AssetNotFoundError, AssetConflictError
            ):  # deleted, or superseded by another
                self._changes.link_superseded(oldest_id, new_id, instead_of=old_id)

    def _stored_before(
        self,
        audio_id: str,
        audio: PreparedFile,
        thumbnail_path: PathLike | None,
        missing: SourceNotFoundError,
    ) -> Outcome:
        """Return the asset, if the same call stored it and was killed during cleanup."""
        name = Path(os.fspath(thumbnail_path or "")).name
        stored = find_stored(self._store, audio_id, audio, name)
        if stored is None:
            raise missing
        return stored

    def _store_files(
        self,
        audio_id: str,
        store: Callable[[], Outcome],
        files: Mapping[Part, PreparedFile | None],
        cleanup: Cleanup,
        *,
        keeps_thumbnail: bool = False,
    ) -> StorageResult:
        local = self._local_files(files, cleanup, keeps_thumbnail=keeps_thumbnail)
        with local.clearing_failed():
            outcome = store()
        return local.stored(audio_id, outcome)

    def _local_files(
        self,
        files: Mapping[Part, PreparedFile | None],
        cleanup: Cleanup,
        *,
        keeps_thumbnail: bool,
    ) -> "_LocalFiles":
        prepared = {part: each for part, each in files.items() if each is not None}
        deletable = {
            each.file: (part, each.source)
            for part, each in prepared.items()
            if each.file is not None and not (keeps_thumbnail and part is THUMBNAIL)
        }
        warnings = tuple(warning for each in prepared.values() for warning in each.warnings)
        return _LocalFiles(self._store, self._notify, cleanup, deletable, warnings)


@dataclass(frozen=True, slots=True)
class _LocalFiles:
    """The local files of an upload, and when they are deleted."""

    store: Store
    notify: Notifier
    cleanup: Cleanup
    deletable: Mapping[LocalFile, tuple[Part, Source]]
    warnings: tuple[str, ...]
    """About the files."""

    @contextmanager
    def clearing_failed(self) -> Iterator[None]:
        """Store them in the block; if that fails, they are deleted only if that was asked for."""
        try:
            yield
        except Exception:
            if self.cleanup == "always":
                clean_up(self.deletable, self.notify)
            raise

    def stored(self, audio_id: str, outcome: Outcome) -> StorageResult:
        """Delete what is stored, if that was asked for; return the result of the upload."""

        def is_stored(file: LocalFile) -> bool:
            part, source = self.deletable[file]
            blob = _stored(outcome, part)
            return blob is not None and (
                any(_is_generation(blob, sent) for sent in outcome.sent)
                or has_bytes(self.store, blob, source)
            )

        kept: tuple[str, ...] = ()
        if self.cleanup:
            kept = clean_up(self.deletable, self.notify, is_stored=is_stored)
        warnings = outcome.warnings + self.warnings + kept
        if isinstance(outcome.stored, Asset):
            return result_of(self.store, outcome.stored, created=outcome.created, warnings=warnings)
        return waiting_result(
            self.store, audio_id, outcome.stored, created=outcome.created, warnings=warnings
        )


def _stored(outcome: Outcome, part: Part) -> BlobInfo | None:
    if isinstance(outcome.stored, Asset):
        return outcome.stored.parts.get(part.name)
    return outcome.stored


def _is_generation(blob: BlobInfo, other: BlobInfo) -> bool:
    return (blob.name, blob.generation) == (other.name, other.generation)


def _prepared(
    upload: Upload, options: UploadOptions, files: ExitStack
) -> tuple[PreparedFile, PreparedFile | None]:
    """Return the files of what is stored, inspected; without a thumbnail that is gone."""
    # Embedded artwork would not be used.
    inspected = options if upload.thumbnail_path is None else replace(options, artwork="none")
    audio = files.enter_context(prepare_audio(upload.audio_path, inspected))
    _require_state(audio, upload.audio_state)
    thumbnail: PreparedFile | None = None
    if upload.thumbnail_path is not None:
        with suppress(SourceNotFoundError):  # deleted by a run that was killed then
            thumbnail = files.enter_context(prepare_image(upload.thumbnail_path, options))
            _require_state(thumbnail, upload.thumbnail_state)
    return audio, thumbnail


def _require_state(prepared: PreparedFile, state: FileState | None) -> None:
    file = prepared.file
    if state is not None and file is not None and file.state != state:
        raise SourceChangedError(
            f"{str(file.path)!r} was changed or replaced before its upload began: nothing was "
            "stored. Try again once nothing writes to it",
            path=file.path,
        )
