"""The library's front door: store an asset, attach artwork, find it, fetch it, delete it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, Self

from audiostore import verified
from audiostore.assets import Assets
from audiostore.cleanup import Cleanup
from audiostore.config import parse_location, require_configured_bucket, state_directory
from audiostore.errors import AssetNotFoundError, BlobNotFoundError
from audiostore.events import (
    Deleted,
    Downloaded,
    EventListener,
    Progress,
    Retried,
)
from audiostore.headers import CacheScope
from audiostore.intake import (
    ArtworkChoice,
    CheckLevel,
    Intake,
    PathLike,
)
from audiostore.model import BlobInfo, StorageResult
from audiostore.naming import require_audio_id
from audiostore.notify import Notifier
from audiostore.record import Asset
from audiostore.retry import CONSERVATIVE_CONFIG, Retry, RetryConfig
from audiostore.store import ObjectStore
from audiostore.stores.opening import open_store
from audiostore.stores.retrying import RetryingStore
from audiostore.unfinished import UploadIds
from audiostore.uploads import GivenId, Upload, Uploads, result_of

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

Part = Literal["audio", "thumbnail"]


class AudioStorageManager:
    """Stores audio files with their artwork, complete and verified. Safe to use from many threads.

    Example::

        with AudioStorageManager("my-bucket") as manager:
            result = manager.upload_audio_with_thumbnail("song.mp3", "cover.jpg", cleanup=True)
        print(result.audio_id, result.audio_path)
    """

    def __init__(
        self,
        bucket_name: str | None = None,
        *,
        store: ObjectStore | None = None,
        project: str | None = None,
        credentials: "Credentials | None" = None,
        retry_config: RetryConfig = CONSERVATIVE_CONFIG,
        on_event: EventListener | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            bucket_name: ``my-bucket``, ``gs://my-bucket`` or ``file:///some/dir``; None reads
                the environment variable GCS_BUCKET_NAME.
            store: used instead of `bucket_name`; it is closed with the manager.
            project: Google Cloud project billed for the requests (requester-pays buckets).
            credentials: of google-auth; Application Default Credentials if None.
            retry_config: how often and how patiently to try again.
            on_event: told what happens (see `audiostore.events`).

        Raises:
            ConfigurationError: nothing is configured, or it names no store.
        """
        self._notify = Notifier(on_event)
        self._ids = UploadIds(None)
        if store is None:
            location = parse_location(bucket_name or require_configured_bucket())
            store = open_store(location, credentials=credentials, project=project)
            self._ids = UploadIds(state_directory() / "ids")
        self._store = RetryingStore(store, retry_config, on_retry=self._tell_retry)
        self._assets = Assets(self._store, self._notify)
        self.uploads = Uploads(self._store, self._assets, self._notify)
        """What `audiostore.bulk` stores many assets through."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an AudioStorageManager holds connections and cannot be sent to another process: "
            "make one there (one that exists before os.fork works on in the child)"
        )

    def close(self) -> None:
        """Close all connections; the manager is not used after this."""
        self._store.close()

    @property
    def url(self) -> str:
        """Where assets are stored: ``gs://my-bucket`` or ``file:///some/dir``."""
        return self._store.url

    def upload_audio_file(
        self,
        path: PathLike,
        *,
        audio_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        cleanup: Cleanup = False,
        check: CheckLevel = "quick",
        artwork: ArtworkChoice = "embedded",
        thumbnail_max_px: int | None = None,
        fix_extension: bool = False,
        faststart: bool = False,
        cache: CacheScope = "private",
    ) -> StorageResult:
        """Store an audio file; as `upload_audio_with_thumbnail` without artwork.

        Artwork that was uploaded ahead under the same id becomes part of the asset.
        """
        return self.upload_audio_with_thumbnail(
            path,
            audio_id=audio_id,
            metadata=metadata,
            cleanup=cleanup,
            check=check,
            artwork=artwork,
            thumbnail_max_px=thumbnail_max_px,
            fix_extension=fix_extension,
            faststart=faststart,
            cache=cache,
        )

    def upload_audio_with_thumbnail(
        self,
        audio_path: PathLike,
        thumbnail_path: PathLike | None = None,
        *,
        audio_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        cleanup: Cleanup = False,
        check: CheckLevel = "quick",
        artwork: ArtworkChoice = "embedded",
        thumbnail_max_px: int | None = None,
        fix_extension: bool = False,
        faststart: bool = False,
        cache: CacheScope = "private",
    ) -> StorageResult:
        """Store an audio file with its artwork. When this returns, all of it is stored.

        Args:
            audio_path: the audio file.
            thumbnail_path: its artwork, if any.
            audio_id: the id to store it under (a UUID). If None, a new one; or that of the same
                call for the same unchanged files, if it was interrupted.
            metadata: the caller's own keys and values, kept with the audio object.
            cleanup: True deletes the local files once they are stored; "always" deletes them also
                if storing fails (but not if the call is refused for bad input). With
                `thumbnail_max_px` or `faststart`, what was made of a file is stored in its place,
                and the file deleted.
            check: "quick" looks inside, and refuses audio with cheap signs of damage; "full" also
                decodes all of it; "none" looks at the files' first bytes only.
            artwork: "embedded" takes artwork from inside the audio file if none is given; "none"
                leaves it there.
            thumbnail_max_px: artwork is scaled down to this many pixels on its longer side; None
                stores it as it is.
            fix_extension: go by the files' contents, whatever their names say.
            faststart: put the index of an MP4 file before its sound, without loss, so that it plays
                before all of it has come.
            cache: who may keep copies of what is served: "private" (the listener's own player), or
                "public" (shared caches too).

        Raises:
            SourceNotFoundError, InvalidSourceError, UnsupportedFormatError: a file cannot be
                stored. Nothing was uploaded.
            UnplayableAudioError, InvalidImageError: a file is cut short, damaged or too large.
                Nothing was uploaded.
            InvalidAudioIdError, InvalidMetadataError: bad arguments. Nothing was uploaded.
            AssetConflictError: the id holds other content, which was not touched.
            SourceChangedError: a file changed meanwhile; nothing was committed.
            IntegrityError: the store kept wrong bytes; they were removed.
            OSError, google.api_core.exceptions.GoogleAPICallError: the store failed for good.
        """
        ids = self._ids if audio_id is None else GivenId(require_audio_id(audio_id))
        intake = Intake(check, artwork, thumbnail_max_px, fix_extension, faststart)
        upload = Upload(audio_path, thumbnail_path, metadata, cleanup, intake, cache)
        return self.uploads.run(upload, ids)

    def upload_thumbnail_file(
        self,
        path: PathLike,
        audio_id: str,
        *,
        metadata: Mapping[str, str] | None = None,
        cleanup: Cleanup = False,
        check: CheckLevel = "quick",
        thumbnail_max_px: int | None = None,
        fix_extension: bool = False,
        cache: CacheScope = "private",
    ) -> StorageResult:
        """Attach artwork to an asset, replacing what it has; or store it ahead of its audio.

        Ahead of the audio, it waits until `upload_audio_file` names the same id.

        Args:
            path: the image file.
            audio_id: the asset's id, or one made beforehand.
            metadata: the caller's own keys and values, kept with the thumbnail object.
            cleanup: as in `upload_audio_with_thumbnail`.
            check: likewise; "none" does not decode the image.
            thumbnail_max_px: likewise.
            fix_extension: likewise.
            cache: likewise.

        Raises:
            As `upload_audio_with_thumbnail`.
        """
        return self.uploads.attach(
            path,
            audio_id,
            metadata=metadata,
            cleanup=cleanup,
            intake=Intake(check, "none", thumbnail_max_px, fix_extension),
            cache=cache,
        )

    def get(self, audio_id: str) -> StorageResult:
        """Return the asset under an id.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: there is no complete asset under it.
        """
        return self._found(self._require(audio_id))

    def list(self) -> Iterator[StorageResult]:
        """Yield all complete assets in the order of their ids, page by page."""
        return map(self._found, self._assets.all())

    def download(self, audio_id: str, destination: PathLike, *, part: Part = "audio") -> Path:
        """Fetch a part of an asset into a file, which appears only whole and verified.

        Args:
            audio_id: the asset's id.
            destination: the file, which is replaced in one step if it exists; or a directory, in
                which the file gets the object's name, such as ``audio.mp3``.
            part: "audio" or "thumbnail".

        Returns:
            The path of the file.

        Raises:
            AssetNotFoundError: there is no such asset, or it has no such part.
            IntegrityError: wrong bytes came; no file was left.
            OSError: the file cannot be written.
        """
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

    def delete(self, audio_id: str) -> None:
        """Delete an asset: the audio object first, then the rest of its folder.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: there is nothing under it.
        """
        self._assets.delete(require_audio_id(audio_id))
        self._notify(Deleted(audio_id))

    def _require(self, audio_id: str) -> Asset:
        asset = self._assets.find(require_audio_id(audio_id))
        if asset is None:
            raise AssetNotFoundError(f"no asset {audio_id} in {self.url}")
        return asset

    def _part(self, audio_id: str, part: Part) -> BlobInfo:
        if part not in ("audio", "thumbnail"):
            raise ValueError(f"part is {part!r}: it must be 'audio' or 'thumbnail'")
        asset = self._require(audio_id)
        blob = asset.audio if part == "audio" else asset.thumbnail
        if blob is None:
            raise AssetNotFoundError(f"asset {audio_id} in {self.url} has no thumbnail")
        return blob

    def _download(self, blob: BlobInfo, path: Path) -> None:
        def tell(received_bytes: int) -> None:
            self._notify(Progress(blob.name, received_bytes, blob.size_bytes))

        verified.download(self._store, blob, path, on_received=tell)

    def _found(self, asset: Asset) -> StorageResult:
        warnings = ("the artwork that the audio names is missing",)
        return result_of(
            self._store,
            asset.audio_id,
            asset.audio,
            asset.thumbnail,
            created=False,
            warnings=warnings if asset.thumbnail_missing else (),
        )

    def _tell_retry(self, retry: Retry) -> None:
        self._notify(Retried(retry.operation, retry.attempt, retry.delay_s, retry.error))


def store_audio_file(
    local_audio_path: PathLike,
    local_thumbnail_path: PathLike | None = None,
    *,
    cleanup: Cleanup = False,
) -> StorageResult:
    """Store an audio file with its artwork in the bucket that GCS_BUCKET_NAME names.

    Raises:
        As `AudioStorageManager` and `AudioStorageManager.upload_audio_with_thumbnail`.
    """
    with AudioStorageManager() as manager:
        return manager.upload_audio_with_thumbnail(
            local_audio_path, local_thumbnail_path, cleanup=cleanup
        )
