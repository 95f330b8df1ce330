"""AudioStorageManager: the entry point of the library."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from audiostore.analysis import MAX_WAVEFORM_BYTES
from audiostore.asset import (
    Asset,
    AudioId,
    Changes,
    MarkedParts,
    PartName,
    SignedUrls,
    Trash,
    check_expires_s,
    delete_asset,
    find_asset,
    open_blob,
    require_asset,
    require_attachable,
    require_audio_id,
    require_known,
    require_part,
    require_servable,
    result_of,
    walk,
)
from audiostore.config import (
    absolute_url,
    billing_project,
    require_configured_bucket,
    state_directory,
)
from audiostore.dataclass import replace
from audiostore.errors import (
    AssetNotFoundError,
    AudioStoreError,
    BlobNotFoundError,
    UnsupportedByStoreError,
)
from audiostore.events import (
    Attached,
    Deleted,
    Downloaded,
    EventListener,
    Progress,
    Retried,
    RetriesEnded,
)
from audiostore.lazyproperty import lazy_property
from audiostore.localfiles import FetchedFile
from audiostore.notify import Notifier
from audiostore.retry import CONSERVATIVE_CONFIG, DEADLINE_CONFIG, Retry, RetryConfig
from audiostore.stores import (
    ObjectStore,
    RetryingStore,
    StorageClass,
    Store,
    StoreAdmin,
    get_checked,
    open_store,
    require_checksum,
)
from audiostore.values import BlobInfo, PathLike, StorageResult

if TYPE_CHECKING:
    from typing import Unpack

    from google.auth.credentials import Credentials

    from audiostore.analysis import Waveform
    from audiostore.audit import Audit
    from audiostore.bulk import Bulk, RemoteFiles
    from audiostore.catalog import Catalog
    from audiostore.ingest import (
        Analyses,
        AudioInput,
        Cleanup,
        PreviewChoice,
        ThumbnailKeywords,
        UploadKeywords,
        UploadOptions,
        Uploads,
    )
    from audiostore.lifecycle import Lifecycle


class AudioStorageManager:
    """Stores audio files with their artwork, complete and verified.

    It can be used from many threads and in forked child processes. It can be pickled: the other
    process opens the store again.

    Example::

        with AudioStorageManager("my-bucket") as manager:
            result = manager.upload_audio_with_thumbnail("song.mp3", "cover.jpg")
        print(result.audio_id, result.audio_path)
    """

    def __init__(
        self,
        bucket_name: str | None = None,
        *,
        store: ObjectStore | None = None,
        project: str | None = None,
        credentials: "Credentials | None" = None,
        retry_config: RetryConfig | None = None,
        on_event: EventListener | None = None,
    ) -> None:
        """Create a manager; it connects with the first request.

        Args:
            bucket_name: ``my-bucket``, ``gs://my-bucket/prefix``, ``file:///some/dir``, or the path
                of a directory that begins with ``./``, ``../``, ``/`` or ``~``; None reads the
                environment variable GCS_BUCKET_NAME.
            store: the store to use instead of `bucket_name`; it is closed with the manager.
            project: Google Cloud project billed for the requests, which requester-pays buckets
                demand; None reads the environment variable GCS_BILLING_PROJECT.
            credentials: google-auth credentials; Application Default Credentials if None.
            retry_config: how often to retry, and how long to wait in between; None:
                `CONSERVATIVE_CONFIG`, and for many assets (`bulk`) `DEADLINE_CONFIG`.
            on_event: called with each event (see `audiostore.events`).

        Raises:
            ConfigurationError: no store is configured, or its URL is not valid.
        """
        self._notify = Notifier(on_event)
        """Reports events to the log and to `on_event`."""
        self._arguments: dict[str, object] = {
            "project": project,
            "credentials": credentials,
            "retry_config": retry_config,
            "on_event": on_event,
        }
        self._survives_fork = store is None
        """Whether the store is known to work in a process forked from this one."""
        self._resume_folder: Path | None = None
        if store is None:
            url = absolute_url(bucket_name or require_configured_bucket())
            self._arguments["bucket_name"] = url
            store = open_store(url, credentials=credentials, project=project)
            self._resume_folder = state_directory() / "ids"
        else:
            self._arguments["store"] = store
        self._single_store = store
        """Makes each request once."""
        self._signed_urls = SignedUrls()
        self._use_retries(retry_config or CONSERVATIVE_CONFIG)

    @classmethod
    def from_config(
        cls,
        name: str | None = None,
        *,
        project: str | None = None,
        credentials: "Credentials | None" = None,
        retry_config: RetryConfig | None = None,
        on_event: EventListener | None = None,
    ) -> Self:
        """Return a manager of a store that the configuration file names.

        The file is that of AUDIOSTORE_CONFIG, else ``audiostore/config.toml`` in the user's
        directory for configuration::

            [stores.studio]
            url = "gs://music/prod"
            billing_project = "my-project"      # optional

        Args:
            name: of the store; None: that of AUDIOSTORE_STORE, else the file's ``default``.
            project: as for `AudioStorageManager`, and so are all others; None: that of
                GCS_BILLING_PROJECT, else the store's ``billing_project``.
            credentials: of google-auth.
            retry_config: how often to retry.
            on_event: called with each event.

        Raises:
            ConfigurationError: the file names no such store, cannot be read, or is not valid.
        """
        from audiostore.configfile import store_of  # noqa: PLC0415  (not every program needs it)

        store = store_of(name)
        return cls(
            store.url,
            project=project or billing_project() or store.billing_project,
            credentials=credentials,
            retry_config=retry_config,
            on_event=on_event,
        )

    def _use_retries(self, config: RetryConfig) -> None:
        self._retry_config = config
        self._store = RetryingStore(
            self._single_store,
            config,
            on_retry=self._report_retry,
            on_retries_ended=lambda operation: self._notify(RetriesEnded(operation)),
        )
        self._changes = Changes(self._store)
        self._marked = MarkedParts(self._store, self._notify)
        """Stores derived and attached parts: for what computes them, too."""
        self.trash = Trash(self._store)
        """Deleted assets that can be restored."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the arguments: the other process opens the store again.

        Raises:
            TypeError: an argument (`store`, `credentials`, `on_event` …) cannot be pickled.
        """
        import pickle  # noqa: PLC0415  (not every program needs it)

        for name, value in self._arguments.items():
            try:
                pickle.dumps(value)
            except Exception as error:
                raise TypeError(
                    f"cannot pickle this AudioStorageManager: its {name} ({type(value).__name__}) "
                    f"cannot be pickled: {error}"
                ) from error
        return _opened_again, (self._arguments,)

    def _reopened(self) -> "AudioStorageManager":
        """Return a manager of the same store with connections of its own.

        A request starts a thread, and processes are forked from a single one: who has to read
        something before many uploads does it with another manager, and closes that.
        """
        return _opened_again(self._arguments)

    def close(self) -> None:
        """Close all connections; the manager must not be used afterwards."""
        self._store.close()
        for manager in {self, vars(self).get("_for_many", self)}:
            remote: RemoteFiles | None = vars(manager).get("_remote")
            if remote is not None:
                remote.close()

    @property
    def url(self) -> str:
        """Where assets are stored: ``gs://my-bucket`` or ``file:///some/dir``."""
        return self._store.url

    @property
    def store(self) -> Store:
        """The objects in the store; failed requests are retried."""
        return self._store

    @property
    def admin(self) -> StoreAdmin:
        """The settings of the store."""
        return self._store

    @lazy_property
    def catalog(self) -> "Catalog":
        """Finds, counts and exports assets."""
        from audiostore.catalog import Catalog  # noqa: PLC0415  (not every program needs it)

        return Catalog(self)

    @lazy_property
    def lifecycle(self) -> "Lifecycle":
        """The lifecycle rules: what the store does with assets as they age."""
        from audiostore.lifecycle import Lifecycle  # noqa: PLC0415  (not every program needs it)

        return Lifecycle(self)

    @lazy_property
    def audit(self) -> "Audit":
        """Finds problems in the store, and repairs them."""
        from audiostore.audit import Audit  # noqa: PLC0415  (not every program needs it)

        return Audit(self)

    @lazy_property
    def _uploads(self) -> "Uploads":
        """Used by `audiostore.bulk`, too."""
        from audiostore.ingest import Uploads  # noqa: PLC0415  (readers need no inspection)

        return Uploads(self._store, self._notify)

    @lazy_property
    def _analyses(self) -> "Analyses":
        from audiostore.ingest import Analyses  # noqa: PLC0415  (readers need no inspection)

        return Analyses(self._store, self._marked, self._changes)

    @lazy_property
    def _remote(self) -> "RemoteFiles":
        """Fetches remote files for `audiostore.bulk`."""
        from audiostore.bulk import RemoteFiles  # noqa: PLC0415  (few programs need it)

        given: dict[str, Any] = {key: self._arguments[key] for key in ("credentials", "project")}
        return RemoteFiles(
            config=self._retry_config,
            on_retry=self._report_retry,
            on_retries_ended=lambda operation: self._notify(RetriesEnded(operation)),
            **given,
        )

    @lazy_property
    def bulk(self) -> "Bulk":
        """Uploads, downloads and copies many assets."""
        from audiostore.bulk import Bulk  # noqa: PLC0415  (not needed for one asset)

        return Bulk(self)

    @lazy_property
    def _for_many(self) -> Self:
        """This manager with the retries of calls on many assets; it shares the store."""
        if self._arguments["retry_config"] is not None:
            return self
        twin = object.__new__(type(self))
        members = vars(AudioStorageManager)
        vars(twin).update(
            (name, value)
            for name, value in vars(self).items()
            if not isinstance(members.get(name), lazy_property)  # they hold the other's retries
        )
        twin._use_retries(DEADLINE_CONFIG)
        return twin

    def upload_audio_file(
        self,
        path: "AudioInput",
        *,
        audio_id: "AudioId | None" = None,
        filename: str | None = None,
        size_bytes: int | None = None,
        options: "UploadOptions | None" = None,
        **keywords: "Unpack[UploadKeywords]",
    ) -> StorageResult:
        """Store an audio file. When this returns, all of it is stored and verified.

        Artwork that was uploaded ahead under the same id becomes part of the asset; otherwise
        artwork from inside the file does, unless `artwork="none"`.

        Args:
            path: the audio file: its path; its bytes; a binary file object, which is read from
                its position to its end; or an iterable of bytes.
            audio_id: the id to store it under (a UUID). If None, a new one; of paths, the id of the
                same upload of the same unchanged file if that was interrupted.
            filename: the user's name for the file, which is stored with it; None: that of the path.
                Without either, the format is that of the content.
            size_bytes: how many bytes a source has that is not a path, if that is known: one with
                fewer or more is refused.
            options: how to inspect, prepare and store the file.
            **keywords: fields of `UploadOptions`; each overrides `options`.

        Raises:
            AssetNotFoundError: the asset to supersede does not exist. Nothing was uploaded.
            SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: a file cannot be
                stored. Nothing was uploaded.
            UnplayableAudioError, InvalidImageError: a file is cut short, damaged or too large.
            InspectionLimitError: inspecting a file takes too much time or memory.
                Nothing was uploaded.
            InvalidAudioIdError, InvalidMetadataError, TypeError, ValueError: an argument is not
                valid. Nothing was uploaded.
            AssetConflictError: the id holds other content, which was not touched.
            SourceChangedError: a file changed meanwhile; nothing was committed.
            IntegrityError: the stored bytes do not match the checksum; they were removed.
            OSError, google.api_core.exceptions.GoogleAPICallError: the store failed permanently.
        """
        return self.upload_audio_with_thumbnail(
            path,
            audio_id=audio_id,
            filename=filename,
            size_bytes=size_bytes,
            options=options,
            **keywords,
        )

    def upload_audio_with_thumbnail(
        self,
        audio_path: "AudioInput",
        thumbnail_path: "AudioInput | None" = None,
        *,
        audio_id: "AudioId | None" = None,
        filename: str | None = None,
        size_bytes: int | None = None,
        options: "UploadOptions | None" = None,
        **keywords: "Unpack[UploadKeywords]",
    ) -> StorageResult:
        """Store an audio file with its artwork. When this returns, both are stored and verified.

        Args:
            audio_path: the audio file: its path; its bytes; a binary file object, which is read
                from its position to its end; or an iterable of bytes.
            thumbnail_path: its artwork, if any: the same.
            audio_id: the id to store it under (a UUID). If None, a new one; of paths, the id of the
                same upload of the same unchanged files if that was interrupted.
            filename: the user's name for the audio file, which is stored with it; None: that of the
                path. Without either, the format is that of the content.
            size_bytes: how many bytes the audio has, if that is known and it is not a path: a
                source with fewer or more is refused.
            options: how to inspect, prepare and store the files.
            **keywords: fields of `UploadOptions`; each overrides `options`.

        Raises:
            AssetNotFoundError: the asset to supersede does not exist. Nothing was uploaded.
            SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: a file cannot be
                stored. Nothing was uploaded.
            UnplayableAudioError, InvalidImageError: a file is cut short, damaged or too large.
            InspectionLimitError: inspecting a file takes too much time or memory.
                Nothing was uploaded.
            InvalidAudioIdError, InvalidMetadataError, TypeError, ValueError: an argument is not
                valid. Nothing was uploaded.
            AssetConflictError: the id holds other content, which was not touched.
            SourceChangedError: a file changed meanwhile; nothing was committed.
            IntegrityError: the stored bytes do not match the checksum; they were removed.
            OSError, google.api_core.exceptions.GoogleAPICallError: the store failed permanently.
        """
        from audiostore.ingest import (  # noqa: PLC0415  (readers need no inspection)
            GivenId,
            NewId,
            ResumableIds,
            Upload,
            UploadOptions,
            spooled,
        )

        options = UploadOptions.of(options, **keywords)
        given = None
        if audio_id is not None:
            given = GivenId(require_audio_id(audio_id), is_new=options.id_is_new)
        ready = partial(spooled, max_bytes=options.max_size_bytes, cleanup=bool(options.cleanup))
        with ExitStack() as files:
            audio = files.enter_context(
                ready(audio_path, "audio", filename=filename, size_bytes=size_bytes)
            )
            thumbnail = None
            if thumbnail_path is not None:
                thumbnail = files.enter_context(ready(thumbnail_path, "thumbnail"))
            upload = Upload(audio, thumbnail, options, filename=filename)
            if given is not None:
                return self._uploads.run(upload, given)
            # Nothing shows that a stream is that of an upload that was interrupted.
            are_paths = not any(isinstance(file, FetchedFile) for file in (audio, thumbnail))
            ids = ResumableIds(self._resume_folder) if are_paths else NewId()
            return self._uploads.run(upload, ids)

    def upload_thumbnail_file(
        self,
        path: "AudioInput",
        audio_id: AudioId,
        *,
        filename: str | None = None,
        size_bytes: int | None = None,
        if_unchanged: StorageResult | None = None,
        options: "UploadOptions | None" = None,
        **keywords: "Unpack[ThumbnailKeywords]",
    ) -> StorageResult:
        """Attach artwork to an asset, replacing what it has, or store it ahead of the audio.

        Stored ahead, it waits until `upload_audio_file` stores the audio under the same id.

        Args:
            path: the image file: its path, its bytes, a binary file object, or an iterable of
                bytes.
            audio_id: the asset's id, or one generated beforehand.
            filename: the user's name for the file; None: that of the path.
            size_bytes: how many bytes a source has that is not a path, if that is known.
            if_unchanged: the asset as it was read: fail if its audio object or its artwork was
                changed since.
            options: how to inspect, prepare and store the file. The fields for audio (`artwork`,
                `faststart`, `supersedes`, `trash_superseded`, `id_is_new`) have no effect.
            **keywords: fields of `UploadOptions` that concern artwork; each overrides `options`.

        Raises:
            SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: the file cannot be
                stored. Nothing was uploaded.
            InvalidImageError: the image is cut short, damaged or too large. Nothing was uploaded.
            InvalidAudioIdError, InvalidMetadataError, TypeError, ValueError: an argument is not
                valid. Nothing was uploaded.
            AssetConflictError: other artwork waits for the same audio, or the artwork was replaced
                by another writer at the same time, or the asset is not as `if_unchanged` has it.
            HeldError: the asset is under a hold.
            SourceChangedError: the file changed meanwhile; nothing was committed.
            IntegrityError: the stored bytes do not match the checksum; they were removed.
            OSError, google.api_core.exceptions.GoogleAPICallError: the store failed permanently.
        """
        from audiostore.ingest import (  # noqa: PLC0415  (readers need no inspection)
            ThumbnailKeywords,
            UploadOptions,
            spooled,
        )

        unknown = keywords.keys() - ThumbnailKeywords.__annotations__.keys()
        if unknown:
            raise TypeError(
                f"upload_thumbnail_file() got an unexpected keyword argument {min(unknown)!r}"
            )
        options = UploadOptions.of(options, **keywords)
        with spooled(
            path,
            "thumbnail",
            filename=filename,
            size_bytes=size_bytes,
            max_bytes=options.max_size_bytes,
            cleanup=bool(options.cleanup),
        ) as image:
            audio_id = require_audio_id(audio_id)
            return self._uploads.attach(
                image, audio_id, options, filename=filename, if_unchanged=if_unchanged
            )

    def attach(
        self,
        asset: "AudioId | StorageResult",
        part: PartName,
        source: "AudioInput",
        *,
        filename: str | None = None,
    ) -> StorageResult:
        """Attach a file to an asset, such as a transcript, instead of the one that it has.

        It belongs to the very bytes of the audio that the asset has now: if other audio is ever
        stored under this id, the file does not count with that.

        Args:
            asset: its id; or a result of `get` or `list`: then only if it still has that audio.
            part: "transcript": a ``.txt``, ``.vtt``, ``.srt`` or ``.json`` file, in UTF-8.
            source: the file, of at most 16 MiB: its path, its bytes, a binary file object, or an
                iterable of bytes.
            filename: its name, whose extension says what it is; None: that of the path.

        Raises:
            SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: the file cannot be
                attached. Nothing was uploaded.
            ValueError: `part` is not the name of a part to attach.
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the asset does not exist, or was deleted meanwhile.
            AssetConflictError: another writer attached a file at the same time, or the asset has
                other audio.
            HeldError: the asset has such a file, and is under a hold.
            SourceChangedError: the file changed while it was read; nothing was stored.
            IntegrityError: the stored bytes do not match the checksum; they were removed.
            OSError, google.api_core.exceptions.GoogleAPICallError: the store failed permanently.
        """
        from audiostore.ingest import prepare_attachment  # noqa: PLC0415  (not for readers)

        found = asset if isinstance(asset, StorageResult) else None
        audio_id = require_audio_id(found.audio_id if found else asset)
        file = prepare_attachment(source, require_attachable(part), filename=filename)
        outcome = self._marked.store(audio_id, file, of=found.audio if found else None)
        self._notify(Attached(audio_id, self._store.uri(outcome.blob.name), waiting=False))
        return self._found(outcome.asset, created=outcome.created)

    def detach(self, audio_id: AudioId, part: PartName) -> StorageResult:
        """Delete a derived or an attached part of an asset: it does not need it.

        `restore` does not bring it back.

        Args:
            audio_id: the asset's id.
            part: "waveform", "preview" or "transcript".

        Raises:
            ValueError: `part` is not the name of such a part.
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the asset does not exist, or does not have this part.
            HeldError: it is under a hold; nothing was deleted.
        """
        return self._found(self._marked.remove(require_audio_id(audio_id), require_part(part)))

    def analyse(
        self,
        audio_id: AudioId,
        *,
        true_peak: bool = False,
        preview: "PreviewChoice" = False,
        preview_kbps: int = 128,
        again: bool = False,
    ) -> StorageResult:
        """Measure the loudness of stored audio and make its waveform, if it lacks them.

        The figures and the overview are stored in the metadata of the audio (`loudness`,
        `overview`), the waveform is a derived part. The audio is fetched to a temporary file and
        decoded in the sandbox. Calls for many assets, in threads, keep all cores busy::

            ids = (asset.audio_id for asset in manager.list())
            for outcome in manager.bulk.apply(manager.analyse, ids):
                print(outcome.item, outcome.error or "analysed")

        Args:
            audio_id: the asset's id.
            true_peak: also measure the true peak, which takes twice as long.
            preview: make a version that every browser plays, in MP3 (the part "preview"), of what
                some browser does not play as it is stored; "all": whatever it is.
            preview_kbps: the bit rate of the preview, if it is stereo: 64, 96, 128, 160, 192, 224,
                256 or 320. Mono gets half of it.
            again: analyse it even if it has all this.

        Returns:
            The asset, with a warning if not all of its sound decodes, or if no preview could be
            made; `created` is False if it had all this already.

        Raises:
            ValueError: `preview` or `preview_kbps` is not valid.
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the asset does not exist, or was deleted meanwhile.
            AssetConflictError: other audio was stored under its id meanwhile.
            UnplayableAudioError: it has no sound that can be decoded.
            InspectionLimitError: analysing it takes too much time or memory.
            InvalidMetadataError: the metadata of the audio has no room for the figures.
            HeldError: it has a waveform to replace, and is under a hold.
            UnreadableBlobError: the store does not tell the checksum of the audio.
            IntegrityError: the stored bytes do not match the checksum.
            OSError, google.api_core.exceptions.GoogleAPICallError: the store failed permanently.
        """
        from audiostore.ingest import AnalysisChoice  # noqa: PLC0415  (readers need no inspection)

        wanted = AnalysisChoice(true_peak, preview, preview_kbps, again)
        return self._analyses.run(require_audio_id(audio_id), wanted)

    def get(self, audio_id: AudioId) -> StorageResult:
        """Return the asset under an id.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: no complete asset has this id.
        """
        return self._found(require_asset(self._store, require_audio_id(audio_id)))

    def exists(self, audio_id: AudioId) -> bool:
        """Say whether a complete asset has an id.

        Raises:
            InvalidAudioIdError: the id is malformed.
        """
        return find_asset(self._store, require_audio_id(audio_id)) is not None

    def list(self, *, after: "AudioId | None" = None) -> Iterator[StorageResult]:
        """Yield all complete assets in the order of their ids, in constant memory.

        Args:
            after: only assets with a greater id: the last one of a page begins the next. What lies
                before is not read.

        Raises:
            InvalidAudioIdError: `after` is malformed.
        """
        place = None if after is None else require_audio_id(after)
        return map(self._found, walk(self._store, after=place))

    def count(self) -> int:
        """Return the number of complete assets; all of the store is listed (see `catalog`)."""
        return sum(1 for _ in walk(self._store))

    def download(
        self, asset: "AudioId | StorageResult", destination: PathLike, *, part: PartName = "audio"
    ) -> Path:
        """Download a part of an asset to a file, which appears only complete and verified.

        Args:
            asset: its id; or a result of `get` or `list`, which saves a lookup.
            destination: the file, which is replaced in one step if it exists; or a directory, in
                which the file gets the object's name, such as ``audio.mp3``.
            part: "audio", "thumbnail", "waveform", "preview" or "transcript".

        Returns:
            The path of the file.

        Raises:
            AssetNotFoundError: the asset does not exist, or does not have this part.
            UnsupportedFormatError: the object's extension is none of audiostore's.
            ValueError: `part` is not the name of a part.
            UnreadableBlobError: its bytes cannot be read and verified.
            IntegrityError: the bytes received do not match the checksum; no file was left.
            OSError: the file cannot be written.
        """
        if isinstance(asset, StorageResult):
            audio_id, blob = asset.audio_id, self._part_of(asset, part)
        else:
            audio_id = require_audio_id(asset)
            blob = self._part(audio_id, part)
        path = Path(destination)
        if path.is_dir():
            path /= blob.name.rpartition("/")[2]
        try:
            self._download(blob, path)
        except BlobNotFoundError:  # replaced, or deleted, since it was looked up
            self._download(self._part(audio_id, part), path)
        self._notify(Downloaded(audio_id, path))
        return path

    def open(self, audio_id: AudioId, *, part: PartName = "audio") -> BinaryIO:
        """Open a part of an asset as a buffered, seekable binary file.

        It reads the content found at opening, even if the asset changes later. If it is read in
        order from its first byte to its last, its checksum is verified.

        Raises:
            AssetNotFoundError: the asset does not exist, or does not have this part.
            UnsupportedFormatError: the object's extension is none of audiostore's.
            ValueError: `part` is not the name of a part.
            UnreadableBlobError: its bytes cannot be read and verified.
            IntegrityError: raised by the last read if the checksum differs.
        """
        return open_blob(self._store, self._part(audio_id, part))

    def read_bytes(self, audio_id: AudioId, *, part: PartName = "audio") -> bytes:
        """Return all bytes of a part of an asset, verified.

        Raises:
            AssetNotFoundError: the asset does not exist, or does not have this part.
            UnsupportedFormatError: the object's extension is none of audiostore's.
            ValueError: `part` is not the name of a part.
            UnreadableBlobError: its bytes cannot be read and verified.
            IntegrityError: the bytes received do not match the checksum.
        """
        with self.open(audio_id, part=part) as stream:
            return stream.read()

    def waveform(self, audio_id: AudioId) -> "Waveform":
        """Return the waveform of an asset, which `analyse` or an upload has made.

        Raises:
            AssetNotFoundError: the asset does not exist, or does not have one.
            InvalidAudioIdError: the id is malformed.
            IntegrityError: the bytes received do not match the checksum.
            AudioStoreError: it is not a waveform: another program has stored it.
        """
        from audiostore.analysis import InvalidWaveformError, Waveform  # noqa: PLC0415  (for few programs)

        blob = self._part(audio_id, "waveform")
        with open_blob(self._store, blob) as stream:
            data = stream.read(-1 if blob.size_bytes <= MAX_WAVEFORM_BYTES else 1)
        try:
            return Waveform.from_dat(data)
        except InvalidWaveformError as error:
            raise AudioStoreError(
                f"{self._store.uri(blob.name)} is not a waveform of audiostore ({error}): analyse "
                "the asset again",
                audio_id=str(audio_id),
            ) from error

    def signed_url(
        self,
        audio_id: AudioId,
        *,
        part: PartName = "audio",
        expires_s: int = 3600,
        download_as: str | None = None,
    ) -> str:
        """Return a URL with which anyone can read a part of an asset until it expires.

        It names the object that is stored now: the asset is looked up each time (one request). If
        the part is replaced or deleted later, the URL gets a 404 response: request a new one. For
        an object that has not changed, a URL is reused until a tenth of its life is left.

        Args:
            audio_id: the asset's id.
            part: "audio", "thumbnail", "waveform", "preview" or "transcript".
            expires_s: its lifetime in seconds, at most seven days.
            download_as: the file name that browsers save it under; None: they play or show it.

        Raises:
            AssetNotFoundError: the asset does not exist, or does not have this part.
            UnsupportedFormatError: the object's extension or content type is none of audiostore's.
            ValueError: `part` is not the name of a part.
            CredentialsError: these credentials cannot sign; the message says what to do.
            UnsupportedByStoreError: the store has no signed URLs (a directory).
            UnreadableBlobError: the object cannot be read, so the URL would not work.
            ValueError: `expires_s` is out of range.
        """
        check_expires_s(expires_s)
        blob = self._part(audio_id, part)
        require_servable(blob)
        require_checksum(self._store, blob)
        return self._signed_urls.get(
            blob,
            expires_s,
            download_as,
            lambda: self._store.signed_url(blob, expires_s=expires_s, download_as=download_as),
        )

    def update_metadata(
        self,
        audio_id: AudioId,
        changes: Mapping[str, str | None],
        *,
        replace: bool = False,
        if_unchanged: StorageResult | None = None,
    ) -> StorageResult:
        """Change the caller's metadata of an asset.

        A key that is a tag of the file, such as title, is the caller's once it is set.

        Args:
            audio_id: the asset's id.
            changes: keys to set; None removes one.
            replace: also remove all of the caller's metadata that is not in `changes`; the tags of
                the file stay.
            if_unchanged: the asset as it was read: fail if its audio object was changed since.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the asset does not exist.
            InvalidMetadataError: not text, too large, one of audiostore's own keys, or one that
                cannot be the name of an HTTP header. Nothing was changed.
            AssetConflictError: the asset was changed meanwhile.
            ValueError: `if_unchanged` has no audio.
        """
        return self._found(
            self._changes.update_metadata(
                require_audio_id(audio_id),
                changes,
                replace=replace,
                if_unchanged=_audio_of(if_unchanged),
            )
        )

    def hold(self, audio_id: AudioId) -> StorageResult:
        """Protect an asset from deletion, and its artwork from replacement, until `release`.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the asset does not exist.
        """
        return self._found(self._changes.hold(require_audio_id(audio_id)))

    def release(self, audio_id: AudioId) -> StorageResult:
        """Release an asset from its hold, so it can be deleted and its artwork replaced.

        Holds of other kinds, and retention periods, stay: a warning of the result names them.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the asset does not exist.
        """
        result = self._found(self._changes.release(require_audio_id(audio_id)))
        kept = next((blob for blob in result.parts.values() if blob.kept_by), None)
        if kept is None:
            return result
        warning = f"{kept.name} is still protected by {kept.kept_by}"
        return replace(result, warnings=(*result.warnings, warning))

    def expire(self, audio_id: AudioId, on: datetime) -> StorageResult:
        """Let the store delete an asset at a given time (a bucket does so within a day of it).

        This needs a lifecycle rule on the custom time of objects (see `lifecycle`). The time can
        move later, but never earlier, and it cannot be removed.

        Args:
            audio_id: the asset's id.
            on: the time, with a time zone.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the asset does not exist.
            ValueError: the time has no time zone, or is earlier than the one set before, or than
                the asset was stored.
        """
        return self._found(self._changes.expire(require_audio_id(audio_id), on))

    def set_class(self, audio_id: AudioId, storage_class: StorageClass) -> StorageResult:
        """Move the audio of an asset to another storage class; its other parts keep theirs.

        The audio object gets a new generation, and its age in the new class starts at zero.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the asset does not exist.
            HeldError: it is under a hold.
            UnsupportedByStoreError: the bucket decides on storage classes itself (Autoclass).
            ValueError: `storage_class` is not a storage class.
        """
        return self._found(self._changes.set_class(require_audio_id(audio_id), storage_class))

    def delete(
        self,
        audio_id: AudioId,
        *,
        permanent: bool = False,
        if_unchanged: StorageResult | None = None,
    ) -> None:
        """Delete an asset: the audio object first, then the rest of its folder.

        A bucket with soft delete, and a directory, keep deleted objects for a while, so that the
        asset can be restored (see `trash`). A bucket with Object Versioning alone does not: each
        deletion names its generation, and old versions are deleted as well.

        Args:
            audio_id: the asset's id.
            permanent: also delete it from the trash. This has no effect on a bucket, which keeps
                deleted objects for the whole time that its soft delete policy sets.
            if_unchanged: the asset as it was read: fail if its audio object was changed since. If
                an earlier call was killed once that was deleted, delete what is left of the asset.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: no objects exist under the id.
            AssetConflictError: other writers keep writing to it; or it is not as `if_unchanged`
                has it, and nothing was deleted.
            HeldError: it is under a hold; nothing was deleted.
            ValueError: `if_unchanged` has no audio.
        """
        audio_id = require_audio_id(audio_id)
        try:
            delete_asset(self._store, audio_id, if_unchanged=_blobs_of(if_unchanged))
        except AssetNotFoundError:
            if not permanent:
                raise
            with suppress(UnsupportedByStoreError):  # a bucket
                self.trash.purge(audio_id)  # deleted before, perhaps by a call that was killed
        else:
            if permanent:
                with suppress(UnsupportedByStoreError, AssetNotFoundError):  # a bucket, or no trash
                    self.trash.purge(audio_id)
        self._notify(Deleted(audio_id))

    def restore(self, audio_id: AudioId) -> StorageResult:
        """Restore a deleted asset, complete.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: it is not in the trash.
            AssetConflictError: the id has been used for other content since.
        """
        result = self._found(self.trash.restore(require_audio_id(audio_id)))
        expires_at = result.audio.custom_time if result.audio else None
        if expires_at is None or expires_at > datetime.now(UTC):
            return result
        warning = (
            f"it expired at {expires_at:%Y-%m-%d %H:%M} UTC: a lifecycle rule can delete it again, "
            "unless expire() sets a later time"
        )
        return replace(result, warnings=(*result.warnings, warning))

    def _part(self, audio_id: AudioId, part: PartName) -> BlobInfo:
        require_part(part)
        return self._part_of(require_asset(self._store, require_audio_id(audio_id)), part)

    def _part_of(self, asset: Asset | StorageResult, part: PartName) -> BlobInfo:
        blob = asset.parts.get(require_part(part).name)
        if blob is None:
            raise AssetNotFoundError(
                f"asset {asset.audio_id} in {self.url} has no {part}", audio_id=asset.audio_id
            )
        require_known(blob)
        return blob

    def _download(self, blob: BlobInfo, path: Path) -> None:
        def report(received_bytes: int) -> None:
            self._notify(Progress(blob.name, received_bytes, blob.size_bytes))

        damaged: list[Retry] = []

        def repeat(retry: Retry) -> None:
            damaged.append(retry)
            self._report_retry(retry)

        try:
            get_checked(self._store, blob, path, on_received=report, on_retry=repeat)
        finally:
            if damaged:
                self._notify(RetriesEnded(damaged[0].operation))

    def _found(self, asset: Asset, *, created: bool = False) -> StorageResult:
        return result_of(self._store, asset, created=created)

    def _report_repeated(self, operation: str, error: Exception) -> None:
        """Report that an operation, if it failed for a moment only, is done again at once."""
        if self._retry_config.is_retryable(error):
            self._report_retry(Retry(operation, 1, 0.0, error))
            self._notify(RetriesEnded(operation))

    def _report_retry(self, retry: Retry) -> None:
        self._notify(
            Retried(
                retry.operation,
                retry.attempt,
                retry.delay_s,
                retry.error,
                self.url,
                retry.left_s,
            )
        )


def _audio_of(asset: StorageResult | None) -> BlobInfo | None:
    if asset is not None and asset.audio is None:
        raise ValueError(f"if_unchanged has no audio: {asset.audio_id} is only artwork")
    return None if asset is None else asset.audio


def _blobs_of(asset: StorageResult | None) -> list[BlobInfo] | None:
    """Return the objects of an asset, the audio first."""
    return None if asset is None or _audio_of(asset) is None else list(asset.parts.values())


def _opened_again(arguments: dict[str, Any]) -> AudioStorageManager:
    return AudioStorageManager(**arguments)


def store_audio_file(
    local_audio_path: PathLike,
    local_thumbnail_path: PathLike | None = None,
    *,
    cleanup: "Cleanup" = False,
) -> StorageResult:
    """Store an audio file with its artwork in the bucket that GCS_BUCKET_NAME names.

    Raises:
        ConfigurationError: GCS_BUCKET_NAME is not set, or does not name a bucket.
        SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: a file cannot be
            stored. Nothing was uploaded.
        UnplayableAudioError, InvalidImageError: a file is cut short, damaged or too large.
        InspectionLimitError: inspecting a file takes too much time or memory.
            Nothing was uploaded.
        InvalidAudioIdError, InvalidMetadataError, TypeError, ValueError: an argument is not
            valid. Nothing was uploaded.
        AssetConflictError: the id holds other content, which was not touched.
        SourceChangedError: a file changed meanwhile; nothing was committed.
        IntegrityError: the stored bytes do not match the checksum; they were removed.
        OSError, google.api_core.exceptions.GoogleAPICallError: the store failed permanently.
    """
    with AudioStorageManager() as manager:
        return manager.upload_audio_with_thumbnail(
            local_audio_path, local_thumbnail_path, cleanup=cleanup
        )
