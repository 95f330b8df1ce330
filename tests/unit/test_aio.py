"""The asynchronous manager: the same verbs, cancelled writes, streams of bytes."""

import asyncio
import inspect
import io
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from audiostore import (
    AssetNotFoundError,
    AsyncAudioStorageManager,
    AsyncAudit,
    AsyncBulk,
    AsyncCatalog,
    AsyncLifecycle,
    AsyncTrash,
    AudioStorageManager,
    Audit,
    BlobInfo,
    BlobReader,
    BlobSpec,
    Bulk,
    BulkItem,
    Catalog,
    IntegrityError,
    InvalidSourceError,
    Lifecycle,
    MemoryStore,
    Source,
    TransferListener,
    Trash,
)
from audiostore.testing import cover
from tests.assets import JPG, MP3, opened, tone

R = TypeVar("R")
AUDIO, COVER = MP3.read_bytes(), JPG.read_bytes()


def run(main: Callable[[], Coroutine[Any, Any, R]]) -> R:
    return asyncio.run(main())


async def pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        await asyncio.sleep(0)
        yield data[at : at + size]


class Upload:
    """As Starlette's UploadFile is read."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    async def read(self, size: int = -1, /) -> bytes:
        return self._data.read(size)


# -- parity ----------------------------------------------------------------------------------------

FACES = {
    AudioStorageManager: AsyncAudioStorageManager,
    Catalog: AsyncCatalog,
    Trash: AsyncTrash,
    Audit: AsyncAudit,
    Bulk: AsyncBulk,
    Lifecycle: AsyncLifecycle,
}
OTHERWISE = {
    "open": "a file for threads: `stream` and `read_bytes` are awaited",
    "from_config": "of(AudioStorageManager.from_config())",
    "store": "for threads: `sync.store`",
    "admin": "for threads: `sync.admin`",
}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("kind", FACES)
def test_every_verb_is_there(kind: type) -> None:
    own = {"stream", "sync", "of"} if kind is AudioStorageManager else set[str]()
    missing = set(OTHERWISE) if kind is AudioStorageManager else set[str]()
    hung = {"lifecycle", "catalog", "audit", "bulk", "trash"}
    assert public(FACES[kind]) - own - hung == public(kind) - missing - hung


@pytest.mark.parametrize("kind", FACES)
def test_every_verb_takes_the_same_arguments(kind: type) -> None:
    for name in public(kind) & public(FACES[kind]):
        of, face = getattr(kind, name), inspect.getattr_static(FACES[kind], name)
        if not inspect.isfunction(of) or not inspect.isfunction(face):
            continue
        expected = inspect.signature(of).parameters
        found = inspect.signature(face).parameters
        assert [*found] == [*expected], name
        for key, parameter in expected.items():
            assert (found[key].kind, found[key].default) == (parameter.kind, parameter.default)
        assert face.__doc__
        is_iterator = name in ("list", "find", "find_deleted", "duplicates", "check", "run")
        if is_iterator:
            assert not inspect.iscoroutinefunction(face)


# -- the verbs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "local", "gcs"])
def test_a_life_is_awaited(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        with opened(kind, tmp_path) as store:
            store.change_settings(store.settings(), soft_delete_s=604_800)
            async with AsyncAudioStorageManager(store=store) as manager:
                stored = await manager.upload_audio_with_thumbnail(
                    pieces(AUDIO), Upload(COVER), filename="a song.mp3", size_bytes=len(AUDIO)
                )
                audio_id = stored.audio_id
                assert (await manager.get(audio_id)).audio == stored.audio
                assert stored.metadata["original_filename"] == "a song.mp3"
                assert await manager.read_bytes(audio_id) == AUDIO
                assert b"".join([p async for p in manager.stream(audio_id)]) == AUDIO
                found = [p async for p in manager.stream(stored, start=10, stop=20)]
                assert found == [AUDIO[10:20]]
                assert [p async for p in manager.stream(stored, start=len(AUDIO) + 5)] == []
                cover_bytes = [p async for p in manager.stream(audio_id, part="thumbnail")]
                assert b"".join(cover_bytes) == COVER
                assert [a.audio_id async for a in manager.list()] == [audio_id]
                assert [a.audio_id async for a in manager.catalog.find()] == [audio_id]
                assert (await manager.catalog.statistics()).total.assets == 1
                assert [p async for p in manager.audit.check()] == []
                path = await manager.download(audio_id, tmp_path)
                assert path.read_bytes() == AUDIO
                changed = await manager.update_metadata(audio_id, {"mood": "calm"})
                assert changed.custom == {"mood": "calm"}
                await manager.upload_thumbnail_file(pieces(cover()), audio_id)
                assert await manager.read_bytes(audio_id, part="thumbnail") == cover()
                text = b"WEBVTT\n\nhello\n"
                await manager.attach(audio_id, "transcript", pieces(text, 3), filename="t.vtt")
                assert await manager.read_bytes(audio_id, part="transcript") == text
                long = pieces(bytes(17 << 20), 1 << 20)
                with pytest.raises(InvalidSourceError, match="limit"):
                    await manager.attach(audio_id, "transcript", long, filename="t.txt")
                with pytest.raises(ValueError, match="folder"):
                    await manager.attach(audio_id, "transcript", text, filename="../t.vtt")
                await manager.detach(audio_id, "transcript")
                await manager.delete(audio_id)
                assert [t.audio_id async for t in manager.trash.list()] == [audio_id]
                await manager.restore(audio_id)
                outcomes = [o async for o in manager.bulk.upload([BulkItem(MP3), BulkItem(MP3)])]
                assert [o.error for o in outcomes] == [None, None]
                assert await manager.count() == 3
                with pytest.raises(AssetNotFoundError):
                    await manager.get("00000000-0000-4000-8000-000000000000")

    run(main)


def test_sources_that_are_not_awaited_are_taken_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncAudioStorageManager(store=MemoryStore()) as manager:
            for source in (MP3, str(MP3), AUDIO, io.BytesIO(AUDIO), [AUDIO[:5], AUDIO[5:]]):
                stored = await manager.upload_audio_file(source)
                assert await manager.read_bytes(stored.audio_id) == AUDIO

    run(main)


async def texts() -> AsyncIterator[str]:
    yield "text"


@pytest.mark.parametrize(
    ("source", "options", "why"),
    [
        (lambda: pieces(b""), {}, "empty"),
        (lambda: Upload(b""), {}, "empty"),
        (texts, {}, "not bytes"),
        (lambda: pieces(AUDIO), {"size_bytes": 10}, "more than the 10 bytes"),
        (lambda: pieces(AUDIO), {"size_bytes": 10**9}, "of 1,000,000,000 bytes"),
        (lambda: pieces(AUDIO), {"max_size_bytes": 5000}, "the limit is 5,000"),
        (lambda: pieces(AUDIO), {"cleanup": True}, "not given as a path"),
        (lambda: pieces(AUDIO), {"filename": "../a.mp3"}, "without a folder"),
    ],
)
def test_a_stream_that_cannot_be_stored_is_refused(
    source: Callable[[], Any], options: dict[str, Any], why: str
) -> None:
    async def main() -> None:
        async with AsyncAudioStorageManager(store=MemoryStore()) as manager:
            with pytest.raises((InvalidSourceError, ValueError), match=why):
                await manager.upload_audio_file(source(), **options)
            assert await manager.count() == 0

    run(main)


# -- cancellation ----------------------------------------------------------------------------------


class Held(MemoryStore):
    """Lets no object be written, or read, until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_reached = threading.Event()
        self.goes_on = threading.Event()

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        self._wait()
        return super().put(
            spec, source, if_generation_match=if_generation_match, on_transfer=on_transfer
        )

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        self._wait()
        return super().open(blob, start=start, stop=stop)

    def _wait(self) -> None:
        self.is_reached.set()
        assert self.goes_on.wait(60)


async def cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("source", [lambda: pieces(AUDIO), lambda: MP3])
def test_a_write_that_is_cancelled_is_complete(source: Callable[[], Any]) -> None:
    store = Held()

    async def main() -> None:
        async with AsyncAudioStorageManager(store=store) as manager:
            task = asyncio.create_task(manager.upload_audio_with_thumbnail(source(), COVER))
            await asyncio.to_thread(store.is_reached.wait, 60)
            await cancelled(task)
            store.goes_on.set()
        # Closing has waited for it.

    run(main)
    with AudioStorageManager(store=store) as manager:
        (asset,) = manager.list()
        assert manager.read_bytes(asset.audio_id) == AUDIO
        assert manager.read_bytes(asset.audio_id, part="thumbnail") == COVER
        assert list(manager.audit.check()) == []


def test_a_write_that_has_not_begun_does_not_happen() -> None:
    store = Held()

    async def main() -> None:
        async with AsyncAudioStorageManager(store=store, concurrency=1) as manager:
            first = asyncio.create_task(manager.upload_audio_file(MP3))
            await asyncio.to_thread(store.is_reached.wait, 60)
            second = asyncio.create_task(manager.upload_audio_file(tone()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await cancelled(second)
            store.goes_on.set()
            await first
            assert await manager.count() == 1

    run(main)


def test_a_stream_that_breaks_off_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(300_000)
            begun.set()
            await asyncio.sleep(0)

    async def broken() -> AsyncIterator[bytes]:
        yield AUDIO[:1000]
        raise ConnectionResetError("the browser left")

    async def main() -> None:
        async with AsyncAudioStorageManager(store=MemoryStore()) as manager:
            task = asyncio.create_task(manager.upload_audio_file(endless()))
            await begun.wait()
            await cancelled(task)
            with pytest.raises(ConnectionResetError):
                await manager.upload_audio_file(broken())
            assert await manager.count() == 0

    run(main)
    assert list(tmp_path.iterdir()) == []


def test_a_listing_that_is_left_is_closed_in_its_thread() -> None:
    threads: set[int] = set()
    closed: list[int] = []

    def generator() -> Iterator[int]:
        try:
            for number in range(10_000):
                threads.add(threading.get_ident())
                yield number
        finally:
            closed.append(threading.get_ident())

    async def main() -> None:
        async with AsyncAudioStorageManager(store=MemoryStore()) as manager:
            numbers = manager._threads.iterate(generator)
            assert [await anext(numbers) for _ in range(3)] == [0, 1, 2]
            await numbers.aclose()
            assert [n async for n in manager._threads.iterate(lambda: iter(range(700)))] == [
                *range(700)
            ]

    run(main)
    assert closed == [*threads]


def test_closing_ends_a_listing_that_was_left_open() -> None:
    closed: list[int] = []

    def generator() -> Iterator[int]:
        try:
            yield from range(10_000)
        finally:
            closed.append(threading.get_ident())

    async def main() -> None:
        async with AsyncAudioStorageManager(store=MemoryStore()) as manager:
            numbers = manager._threads.iterate(generator)
            await anext(numbers)
        assert len(closed) == 1
        await numbers.aclose()
        assert len(closed) == 1

    run(main)


def test_an_error_of_a_listing_is_the_callers() -> None:
    def generator() -> Iterator[int]:
        yield 1
        raise StopAsyncIteration

    async def main() -> None:
        async with AsyncAudioStorageManager(store=MemoryStore()) as manager:
            with pytest.raises(ValueError, match="limit is -1"):
                [a async for a in manager.catalog.find(limit=-1)]
            with pytest.raises(RuntimeError):
                [n async for n in manager._threads.iterate(generator)]

    run(main)


# -- streams ---------------------------------------------------------------------------------------


class Counting(MemoryStore):
    """Counts the readers that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[tuple[int, int | None]] = []
        self.damages = False

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        self.ranges.append((start, stop))
        if self.damages and start:
            return io.BytesIO(bytes((stop or 0) - start))
        return super().open(blob, start=start, stop=stop)


def test_a_stream_asks_for_what_is_taken() -> None:
    store, data = Counting(), tone(20.0)
    assert len(data) > 1_500_000

    async def main() -> None:
        async with AsyncAudioStorageManager(store=store) as manager:
            stored = await manager.upload_audio_file(data)
            stream = manager.stream(stored)
            assert store.ranges == []
            first = await anext(stream)
            assert store.ranges == [(0, 256 << 10)]
            assert first == data[: 256 << 10]
            await stream.aclose()
            assert b"".join([p async for p in manager.stream(stored)]) == data
            assert max((stop or 0) - start for start, stop in store.ranges) == 512 << 10
            store.damages = True
            with pytest.raises(IntegrityError):
                [p async for p in manager.stream(stored)]

    run(main)


@pytest.mark.slow
def test_a_slow_listener_gets_small_pieces() -> None:
    store, data = Counting(), tone(20.0)

    async def main() -> None:
        async with AsyncAudioStorageManager(store=store) as manager:
            stored = await manager.upload_audio_file(data)
            async for piece in manager.stream(stored):
                assert len(piece) <= 256 << 10
                await asyncio.sleep(0.02)  # 13 MB/s at most

    run(main)


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (5, 4)])
def test_a_range_that_is_none_is_refused(start: int, stop: int | None) -> None:
    async def main() -> None:
        async with AsyncAudioStorageManager(store=MemoryStore()) as manager:
            stored = await manager.upload_audio_file(MP3)
            with pytest.raises(ValueError, match="invalid byte range"):
                [p async for p in manager.stream(stored, start=start, stop=stop)]

    run(main)


def test_a_closed_manager_says_so() -> None:
    async def main() -> None:
        manager = AsyncAudioStorageManager.of(AudioStorageManager(store=MemoryStore()))
        assert manager.url == manager.sync.url
        await manager.close()
        with pytest.raises(RuntimeError, match="closed"):
            await manager.count()
        with pytest.raises(ValueError, match="concurrency"):
            AsyncAudioStorageManager(store=MemoryStore(), concurrency=0)

    run(main)
