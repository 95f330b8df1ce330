"""AsyncAudioStorageManager: the entry point of the library for asyncio."""

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from audiostore.aio.facade import Facade, awaited, iterated
from audiostore.aio.rooms import AsyncAudit, AsyncBulk, AsyncCatalog, AsyncLifecycle, AsyncTrash
from audiostore.aio.running import Threads
from audiostore.aio.spooling import AsyncAudioInput, Inputs, collected
from audiostore.aio.streams import stream
from audiostore.asset import AudioId, BlobRanges, PartName
from audiostore.events import EventListener
from audiostore.ingest import (
    MAX_ATTACHMENT_BYTES,
    ThumbnailKeywords,
    UploadKeywords,
    UploadOptions,
)
from audiostore.lazyproperty import lazy_property
from audiostore.manager import AudioStorageManager
from audiostore.retry import RetryConfig
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo, StorageResult

if TYPE_CHECKING:
    from typing import Unpack

    from google.auth.credentials import Credentials

_WIDTH = 64
"""As many calls at once as a bucket's store has connections (`ConnectionOptions`)."""


class AsyncAudioStorageManager(Facade[AudioStorageManager]):
    """Stores audio files with their artwork, complete and verified, for asyncio.

    It has the methods of `AudioStorageManager`, to be awaited; its iterators are async iterators.
    All of them call that one implementation, in a thread pool of their own.

    **Cancellation.** A write whose await is cancelled is complete or undone, never half: if it had
    not begun it does not happen; if it had, it runs to its end in its thread, and `close` waits for
    that. A read that is cancelled delivers nothing more. A stream that was being received for an
    upload is dropped, and nothing of it is stored.

    Example::

        async with AsyncAudioStorageManager("my-bucket") as manager:
            result = await manager.upload_audio_file(upload, filename="song.mp3")
            async for piece in manager.stream(result.audio_id):
                await send(piece)
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
        concurrency: int = _WIDTH,
    ) -> None:
        """Create a manager; it connects with the first request.

        Args:
            bucket_name: as for `AudioStorageManager`, and so are all others.
            store: the store to use instead.
            project: Google Cloud project billed for the requests.
            credentials: google-auth credentials.
            retry_config: how often to retry.
            on_event: called with each event, in a thread.
            concurrency: how many calls run at once; more wait.

        Raises:
            ConfigurationError: no store is configured, or its URL is not valid.
            ValueError: `concurrency` is not at least 1.
        """
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}: it must be at least 1")
        manager = AudioStorageManager(
            bucket_name,
            store=store,
            project=project,
            credentials=credentials,
            retry_config=retry_config,
            on_event=on_event,
        )
        super().__init__(Threads(concurrency), manager)

    @classmethod
    def of(cls, manager: AudioStorageManager, *, concurrency: int = _WIDTH) -> Self:
        """Return the asynchronous face of a manager; closing it closes the manager."""
        face = cls.__new__(cls)
        Facade.__init__(face, Threads(concurrency), manager)
        return face

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait for the calls that have begun, and close all connections."""
        # A default thread of the loop: the pool cannot wait for itself.
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.close()
        self._wrapped.close()

    @property
    def sync(self) -> AudioStorageManager:
        """The manager that does the work."""
        return self._wrapped

    @property
    def url(self) -> str:
        """Where assets are stored: ``gs://my-bucket`` or ``file:///some/dir``."""
        return self._wrapped.url

    @lazy_property
    def catalog(self) -> AsyncCatalog:
        """Finds, counts and exports assets."""
        return AsyncCatalog(self._threads, self._wrapped.catalog)

    @lazy_property
    def trash(self) -> AsyncTrash:
        """Deleted assets that can be restored."""
        return AsyncTrash(self._threads, self._wrapped.trash)

    @lazy_property
    def bulk(self) -> AsyncBulk:
        """Uploads, downloads and copies many assets."""
        return AsyncBulk(self._threads, self._wrapped.bulk)

    @lazy_property
    def audit(self) -> AsyncAudit:
        """Finds problems in the store, and repairs them."""
        return AsyncAudit(self._threads, self._wrapped.audit)

    @lazy_property
    def lifecycle(self) -> AsyncLifecycle:
        """The lifecycle rules: what the store does with assets as they age."""
        return AsyncLifecycle(self._threads, self._wrapped.lifecycle)

    async def upload_audio_file(
        self,
        path: AsyncAudioInput,
        *,
        audio_id: "AudioId | None" = None,
        filename: str | None = None,
        size_bytes: int | None = None,
        options: UploadOptions | None = None,
        **keywords: "Unpack[UploadKeywords]",
    ) -> StorageResult:
        """Store an audio file (see `AudioStorageManager.upload_audio_file`).

        Args:
            path: the audio file, as there; or an asynchronous iterable of bytes, or a stream whose
                `read` is awaited.
            audio_id: the id to store it under.
            filename: the user's name for the file.
            size_bytes: how many bytes a source has that is not a path, if that is known.
            options: how to inspect, prepare and store the file.
            **keywords: fields of `UploadOptions`; each overrides `options`.

        Raises:
            AudioStoreError, OSError, TypeError, ValueError: as there.
        """
        return await self.upload_audio_with_thumbnail(
            path,
            audio_id=audio_id,
            filename=filename,
            size_bytes=size_bytes,
            options=options,
            **keywords,
        )

    async def upload_audio_with_thumbnail(
        self,
        audio_path: AsyncAudioInput,
        thumbnail_path: AsyncAudioInput | None = None,
        *,
        audio_id: "AudioId | None" = None,
        filename: str | None = None,
        size_bytes: int | None = None,
        options: UploadOptions | None = None,
        **keywords: "Unpack[UploadKeywords]",
    ) -> StorageResult:
        """Store an audio file with its artwork (see `AudioStorageManager`).

        Args:
            audio_path: the audio file, as there; or an asynchronous iterable of bytes, or a stream
                whose `read` is awaited.
            thumbnail_path: its artwork, if any: the same.
            audio_id: the id to store it under.
            filename: the user's name for the audio file.
            size_bytes: how many bytes the audio has, if that is known and it is not a path.
            options: how to inspect, prepare and store the files.
            **keywords: fields of `UploadOptions`; each overrides `options`.

        Raises:
            AudioStoreError, OSError, TypeError, ValueError: as there.
        """
        chosen = UploadOptions.of(options, **keywords)
        inputs = Inputs(self._threads, chosen)
        try:
            audio, size_bytes = await inputs.ready(
                audio_path, "audio", filename=filename, size_bytes=size_bytes
            )
            thumbnail = None
            if thumbnail_path is not None:
                thumbnail, _ = await inputs.ready(thumbnail_path, "thumbnail")
            storing = self._threads.submit(
                self._wrapped.upload_audio_with_thumbnail,
                audio,
                thumbnail,
                audio_id=audio_id,
                filename=filename,
                size_bytes=size_bytes,
                options=chosen,
            )
        except BaseException:
            inputs.close()
            raise
        # Whether or not it is still awaited then.
        storing.add_done_callback(lambda _: inputs.close())
        return await asyncio.wrap_future(storing)

    async def upload_thumbnail_file(
        self,
        path: AsyncAudioInput,
        audio_id: AudioId,
        *,
        filename: str | None = None,
        size_bytes: int | None = None,
        if_unchanged: StorageResult | None = None,
        options: UploadOptions | None = None,
        **keywords: "Unpack[ThumbnailKeywords]",
    ) -> StorageResult:
        """Attach artwork to an asset (see `AudioStorageManager.upload_thumbnail_file`).

        Args:
            path: the image file, as there; or an asynchronous iterable of bytes, or a stream whose
                `read` is awaited.
            audio_id: the asset's id, or one generated beforehand.
            filename: the user's name for the file.
            size_bytes: how many bytes a source has that is not a path, if that is known.
            if_unchanged: the asset as it was read: fail if audio object or artwork was changed.
            options: how to inspect, prepare and store the file.
            **keywords: fields of `UploadOptions` that concern artwork; each overrides `options`.

        Raises:
            AudioStoreError, OSError, TypeError, ValueError: as there.
        """
        inputs = Inputs(self._threads, UploadOptions.of(options, **keywords))
        try:
            image, size_bytes = await inputs.ready(
                path, "thumbnail", filename=filename, size_bytes=size_bytes
            )
            storing = self._threads.submit(
                self._wrapped.upload_thumbnail_file,
                image,
                audio_id,
                filename=filename,
                size_bytes=size_bytes,
                if_unchanged=if_unchanged,
                options=options,
                **keywords,
            )
        except BaseException:
            inputs.close()
            raise
        storing.add_done_callback(lambda _: inputs.close())
        return await asyncio.wrap_future(storing)

    async def attach(
        self,
        asset: "AudioId | StorageResult",
        part: PartName,
        source: AsyncAudioInput,
        *,
        filename: str | None = None,
    ) -> StorageResult:
        """Attach a file to an asset (see `AudioStorageManager.attach`).

        Args:
            asset: its id; or a result of `get` or `list`.
            part: "transcript".
            source: the file, as there; or an asynchronous iterable of bytes, or a stream whose
                `read` is awaited.
            filename: its name, whose extension says what it is.

        Raises:
            AudioStoreError, OSError, ValueError: as there.
        """
        file = await collected(source, max_bytes=MAX_ATTACHMENT_BYTES)
        return await self._threads.run(self._wrapped.attach, asset, part, file, filename=filename)

    async def stream(
        self,
        asset: "AudioId | StorageResult",
        *,
        part: PartName = "audio",
        start: int = 0,
        stop: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a part of an asset, in pieces of up to 512 KiB.

        It is what `AudioStorageManager.open` is for threads. It reads the content found at the
        beginning, even if the asset changes later. Between two pieces neither a thread nor a
        connection is held, however slowly they are taken. If all bytes are read, the checksum is
        verified.

        Args:
            asset: its id; or a result of `get` or `list`, which saves a lookup.
            part: the part, such as "audio".
            start: offset of the first byte.
            stop: offset after the last one; None: to the end.

        Raises:
            AssetNotFoundError: the asset does not exist, or does not have this part.
            UnsupportedFormatError: the object's extension is none of audiostore's.
            UnreadableBlobError: its bytes cannot be read and verified.
            IntegrityError: raised instead of the last piece if the checksum differs.
            ValueError: `part` is not the name of a part, or the range is not one.
        """
        if start < 0 or (stop is not None and stop < start):
            raise ValueError(f"invalid byte range: {start} to {stop}")
        blob = await self._threads.run(self._find, asset, part)
        end = blob.size_bytes if stop is None else min(stop, blob.size_bytes)
        async for piece in stream(self._threads, BlobRanges(self._wrapped.store, blob), start, end):
            yield piece

    def _find(self, asset: "AudioId | StorageResult", part: PartName) -> BlobInfo:
        if isinstance(asset, StorageResult):
            return self._wrapped._part_of(asset, part)
        return self._wrapped._part(asset, part)

    detach = awaited(AudioStorageManager.detach)
    analyse = awaited(AudioStorageManager.analyse)
    waveform = awaited(AudioStorageManager.waveform)
    get = awaited(AudioStorageManager.get)
    exists = awaited(AudioStorageManager.exists)
    list = iterated(AudioStorageManager.list)
    count = awaited(AudioStorageManager.count)
    download = awaited(AudioStorageManager.download)
    read_bytes = awaited(AudioStorageManager.read_bytes)
    signed_url = awaited(AudioStorageManager.signed_url)
    update_metadata = awaited(AudioStorageManager.update_metadata)
    hold = awaited(AudioStorageManager.hold)
    release = awaited(AudioStorageManager.release)
    expire = awaited(AudioStorageManager.expire)
    set_class = awaited(AudioStorageManager.set_class)
    delete = awaited(AudioStorageManager.delete)
    restore = awaited(AudioStorageManager.restore)
