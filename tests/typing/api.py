"""Typed uses of the whole public API. `mypy --strict` reads this; nothing runs it."""

from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from datetime import datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Literal, assert_type
from uuid import UUID

import audiostore
from audiostore import (
    AGGRESSIVE_CONFIG,
    CONSERVATIVE_CONFIG,
    PATIENT_CONFIG,
    AssetConflictError,
    AssetNotFoundError,
    Attached,
    AudioStorageManager,
    AudioStoreError,
    Begun,
    BlobInfo,
    BlobNotFoundError,
    BulkItem,
    CleanedUp,
    CleanupFailed,
    ConfigurationError,
    CopyOutcome,
    CoverNames,
    CredentialsError,
    Deleted,
    Downloaded,
    DownloadOutcome,
    Event,
    FilenameGenerator,
    FileOrganizer,
    IntegrityError,
    InvalidAudioIdError,
    InvalidMetadataError,
    InvalidSourceError,
    Journal,
    LocalStore,
    MemoryStore,
    NameTemplate,
    ObjectStore,
    PreconditionFailedError,
    Progress,
    Retried,
    RetryConfig,
    SourceChangedError,
    SourceNotFoundError,
    StorageResult,
    StoreConnectionError,
    Stored,
    StoreLockedError,
    StoreTimeoutError,
    UnsupportedFormatError,
    UploadKeywords,
    UploadOptions,
    UploadOutcome,
    name_by_source_path,
    retry_operation,
    store_audio_file,
    with_retry,
)
from audiostore.localfiles import LocalFile
from audiostore.retry import Budget, Retry
from audiostore.sources import BytesSource, Source, SourceReader
from audiostore.stores.capabilities import Finding, StoreAdmin, complete
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.protocol import BlobReader, BlobSpec, Transferred
from audiostore.stores.retrying import RetryingStore


def managers(path: Path) -> None:
    AudioStorageManager()
    AudioStorageManager("bucket")
    AudioStorageManager(bucket_name="gs://bucket", project="p", retry_config=PATIENT_CONFIG)
    AudioStorageManager(store=MemoryStore(), on_event=print)
    AudioStorageManager(store=LocalStore(path), retry_config=AGGRESSIVE_CONFIG)
    with AudioStorageManager("bucket", on_event=listen) as manager:
        assert_type(manager, AudioStorageManager)
        assert_type(manager.url, str)
    manager.close()
    AudioStorageManager(store=object())  # type: ignore[arg-type]
    AudioStorageManager(on_event=lambda: None)  # type: ignore[arg-type, misc]


def assets(manager: AudioStorageManager, path: Path) -> None:
    assert_type(manager.upload_audio_file("a.mp3"), StorageResult)
    assert_type(
        manager.upload_audio_file(path, audio_id="x", metadata={"k": "v"}, cleanup="always"),
        StorageResult,
    )
    assert_type(manager.upload_audio_with_thumbnail(path, "c.jpg", cleanup=True), StorageResult)
    assert_type(manager.upload_audio_with_thumbnail(path, None), StorageResult)
    assert_type(manager.upload_thumbnail_file(path, "x", metadata=None), StorageResult)
    assert_type(manager.get("x"), StorageResult)
    assert_type(manager.list(), Iterator[StorageResult])
    assert_type(manager.download("x", path), Path)
    assert_type(manager.download(manager.get("x"), path), Path)
    assert_type(manager.download("x", "out.jpg", part="thumbnail"), Path)
    assert_type(store_audio_file("a.mp3", path, cleanup=False), StorageResult)
    manager.delete("x")
    manager.upload_audio_file(b"a.mp3", filename="a.mp3", size_bytes=5)
    manager.upload_audio_file(BytesIO(b"a"), audio_id=UUID(int=1))
    manager.upload_audio_with_thumbnail(iter([b"a"]), b"c", filename="a.mp3")
    assert_type(manager.read_bytes(UUID(int=1), part="thumbnail"), bytes)
    assert_type(manager.exists("x"), bool)
    assert_type(manager.count(), int)
    manager.list(after=UUID(int=1))
    manager.upload_audio_file(17)  # type: ignore[arg-type]
    manager.upload_audio_file(StringIO("a"))  # type: ignore[arg-type]
    manager.upload_audio_file("a.mp3", metadata={"k": 1})  # type: ignore[dict-item]
    manager.upload_audio_file("a.mp3", cleanup="never")  # type: ignore[arg-type]
    manager.download("x", path, part="video")  # type: ignore[arg-type]
    manager.upload_thumbnail_file(path)  # type: ignore[call-arg]


def options(manager: AudioStorageManager, path: Path, keywords: UploadKeywords) -> None:
    options = UploadOptions(metadata={"k": "v"}, cleanup="always", check="full", supersedes="x")
    assert_type(UploadOptions.of(options, cleanup=False), UploadOptions)
    assert_type(manager.upload_audio_file(path, options=options, check="none"), StorageResult)
    assert_type(manager.upload_audio_file(path, **keywords), StorageResult)
    assert_type(manager.upload_thumbnail_file(path, "x", thumbnail_max_px=600), StorageResult)
    manager.upload_audio_file(path, clenup=True)  # type: ignore[call-arg]
    manager.upload_audio_file(path, options={"cleanup": True})  # type: ignore[arg-type]
    manager.upload_thumbnail_file(path, "x", faststart=True)  # type: ignore[call-arg]
    UploadOptions(clenup=True)  # type: ignore[call-arg]


def results(result: StorageResult, blob: BlobInfo) -> None:
    assert_type(result.audio_id, str)
    assert_type(result.audio, BlobInfo | None)
    assert_type(result.thumbnail, BlobInfo | None)
    assert_type(result.audio_path, str | None)
    assert_type(result.thumbnail_path, str | None)
    assert_type(result.created, bool)
    assert_type(result.warnings, tuple[str, ...])
    assert_type(result.metadata, Mapping[str, object])
    assert_type(result.custom, dict[str, str])
    assert_type(result.tags, dict[str, str])
    assert_type(result.source_path, str | None)
    assert_type(result.title, str | None)
    assert_type(result.track, int | None)
    assert_type(result.year, int | None)
    assert_type(result.is_compilation, bool)
    assert_type(result.duration_s, float | None)
    assert_type(result.channels, int | None)
    assert_type(result.size_bytes, int)
    assert_type(result.created_at, datetime)
    assert_type(result.derived, Mapping[str, BlobInfo])
    assert_type(result.to_dict(), dict[str, object])
    assert_type(blob.name, str)
    assert_type(blob.size_bytes, int)
    assert_type(blob.md5_hash, str | None)
    assert_type(blob.created_at, datetime)
    assert_type(blob.metadata, Mapping[str, str])
    assert_type(blob.to_dict(), dict[str, object])
    blob.generation = 1  # type: ignore[misc]


def listen(event: Event) -> None:
    match event:
        case Progress(name, done_bytes, total_bytes):
            assert_type((name, done_bytes, total_bytes), tuple[str, int, int])
        case Retried(operation, attempt, delay_s, error):
            assert_type((operation, attempt, delay_s, error), tuple[str, int, float, Exception])
        case Begun(audio_id, path):
            assert_type((audio_id, path), tuple[str, Path])
        case Stored(audio_id, uri, created):
            assert_type((audio_id, uri, created), tuple[str, str, bool])
        case Attached(audio_id, uri, waiting):
            assert_type((audio_id, uri, waiting), tuple[str, str, bool])
        case Downloaded(audio_id, destination):
            assert_type((audio_id, destination), tuple[str, Path])
        case Deleted(audio_id):
            assert_type(audio_id, str)
        case CleanedUp(path):
            assert_type(path, Path)
        case CleanupFailed(path, reason):
            assert_type((path, reason), tuple[Path, str])


def many(manager: AudioStorageManager, path: Path) -> None:
    items = [BulkItem(path), BulkItem(path, path, metadata={"k": "v"}, keeps_thumbnail=True)]
    items.append(BulkItem.of("gs://bucket/song.mp3", "https://host/cover.jpg", metadata={"k": "v"}))
    assert_type(manager.bulk.upload(items), Generator[UploadOutcome, None, None])
    with Journal("run.journal") as journal:
        manager.bulk.upload(iter(items), journal=journal, concurrency=8, cleanup=True)
    for outcome in manager.bulk.upload(items, journal=path, skip_stored=True, in_order=True):
        assert_type(outcome.audio_id, str | None)
        assert_type(outcome.result, StorageResult | None)
        assert_type(outcome.error, Exception | None)
    assert_type(
        manager.bulk.download(["x"], path, part="thumbnail"), Generator[DownloadOutcome, None, None]
    )
    names = NameTemplate("{artist}/{track:02} {title}")
    covers = CoverNames(names)
    manager.bulk.download(manager.list(), path, names=covers.of_audio, overwrite=True)
    manager.bulk.download(covers.select(manager.list()), path, part="thumbnail", names=covers)
    manager.bulk.download(manager.list(), path, names=name_by_source_path)
    assert_type(
        manager.bulk.copy(manager, max_rate_bytes_s=1e6), Generator[CopyOutcome, None, None]
    )
    manager.bulk.upload([path])  # type: ignore[list-item]


def names() -> None:
    assert_type(FilenameGenerator.generate_audio_id(), str)
    assert_type(FilenameGenerator.generate_blob_name("x", Path("a.mp3")), str)
    assert_type(FilenameGenerator.generate_blob_name("x", "c.jpg", "thumbnail"), str)
    assert_type(FilenameGenerator.generate_thumbnail_blob_name("x", ".png"), str)
    assert_type(FilenameGenerator.parse_audio_id_from_blob_name("x"), str | None)
    assert_type(FilenameGenerator.validate_uuid(object()), bool)
    assert_type(FileOrganizer.get_folder_structure("x"), dict[str, str])
    assert_type(FileOrganizer.get_expected_files("x", has_thumbnail=False), dict[str, str])
    assert_type(FileOrganizer.format_gcs_uri("b", "x"), str)


@with_retry()
def fetch(number: int, *, text: str) -> bytes:
    return text.encode() * number


@with_retry(RetryConfig(max_attempts=2, retryable_exceptions=(KeyError,)), "fetching")
async def fetch_later(number: int) -> str:
    return str(number)


async def retries() -> None:
    assert_type(fetch(1, text="x"), bytes)
    fetch("1", text="x")  # type: ignore[arg-type]
    fetch(1)  # type: ignore[call-arg]
    assert_type(await fetch_later(1), str)
    later: Callable[[int], Awaitable[str]] = fetch_later
    assert_type(await later(1), str)
    assert_type(retry_operation(lambda: 3), int)
    assert_type(retry_operation(dict[str, int], CONSERVATIVE_CONFIG, "name"), dict[str, int])
    waits: list[float] = []
    retries_seen: list[Retry] = []
    retry_operation(
        lambda: None,
        budget=Budget(AGGRESSIVE_CONFIG),
        on_retry=retries_seen.append,
        sleep=waits.append,
    )
    assert_type(PATIENT_CONFIG.calculate_delay(0), float)
    assert_type(PATIENT_CONFIG.is_retryable(OSError()), bool)


def stores(path: Path) -> None:
    memory, local, gcs = MemoryStore(), LocalStore(path), GcsStore("b", emulator="http://x")
    every: list[ObjectStore] = [memory, local, gcs, RetryingStore(gcs, PATIENT_CONFIG)]
    admins: list[StoreAdmin] = [complete(memory), complete(local), complete(gcs)]
    sources: list[Source] = [BytesSource(b"x"), LocalFile.snapshot(path)]
    for admin in admins:
        assert_type(admin.diagnose(), Iterator[Finding])
    for store in every:
        use(store, sources[0])


def use(store: ObjectStore, source: Source) -> None:
    transfers: list[Transferred] = []
    blob = store.put(BlobSpec("n", "a/b", {"k": "v"}), source, on_transfer=transfers.append)
    assert_type(blob, BlobInfo)
    assert_type(store.put(BlobSpec("n", "a/b"), source, if_generation_match=3), BlobInfo)
    assert_type(store.open(blob, start=3), BlobReader)
    assert_type(store.open(blob).read(3), bytes)
    assert_type(store.stat("n"), BlobInfo)
    assert_type(store.list("n", start_after="m"), Iterator[BlobInfo])
    assert_type(store.update(blob, {"k": None, "l": "v"}), BlobInfo)
    assert_type(store.copy(blob, "m", if_generation_match=3), BlobInfo)
    assert_type((store.url, store.uri("n")), tuple[str, str])
    assert_type(source.open(), SourceReader)
    store.delete(blob)
    store.close()
    store.delete("n")  # type: ignore[arg-type]


def errors() -> None:
    value_errors: list[type[ValueError]] = [
        ConfigurationError,
        InvalidAudioIdError,
        InvalidMetadataError,
        InvalidSourceError,
        UnsupportedFormatError,
    ]
    lookup_errors: list[type[LookupError]] = [AssetNotFoundError, BlobNotFoundError]
    runtime_errors: list[type[RuntimeError]] = [
        IntegrityError,
        PreconditionFailedError,
        SourceChangedError,
    ]
    os_errors: list[type[OSError]] = [
        AssetConflictError,
        CredentialsError,
        SourceNotFoundError,
        StoreConnectionError,
        StoreLockedError,
        StoreTimeoutError,
    ]
    ours: list[type[AudioStoreError]] = [ConfigurationError, AssetConflictError]
    assert_type(len([*value_errors, *lookup_errors, *runtime_errors, *os_errors, *ours]), int)
    assert_type(audiostore.__version__, str)


def cleanup_values(manager: AudioStorageManager) -> None:
    choice: Literal["always"] | bool = "always"
    manager.upload_audio_file("a.mp3", cleanup=choice)
