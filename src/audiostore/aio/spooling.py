"""Asynchronous streams as sources: written to a file without a name as they come."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from concurrent.futures import Future
from typing import Protocol, cast, runtime_checkable

from audiostore.aio.running import Threads
from audiostore.errors import shown
from audiostore.files import explained
from audiostore.ingest import AudioInput, Spool, UploadOptions, require_streamable
from audiostore.localfiles import FetchedFile

_PIECE_BYTES = 256 << 10


@runtime_checkable
class AsyncReadableStream(Protocol):
    """A binary stream whose `read` is awaited, such as Starlette's `UploadFile`."""

    def read(self, size: int, /) -> Awaitable[bytes]:
        """Return up to `size` bytes; b"" at the end."""
        ...


AsyncAudioInput = AudioInput | AsyncReadableStream | AsyncIterable[bytes]
"""What a file may come from: what `AudioInput` names, or a stream that is awaited."""


class SpooledFile:
    """A file without a name that a stream is written to, piece by piece, in threads.

    When its await is cancelled, a thread may still be writing: the file is closed after that.
    """

    def __init__(
        self, threads: Threads, what: str, *, size_bytes: int | None, max_bytes: int
    ) -> None:
        self._threads = threads
        folder = tempfile.gettempdir()
        with explained(folder):
            self._stream = tempfile.TemporaryFile(prefix="audiostore-", dir=folder)  # noqa: SIM115
        try:
            self._spool = Spool(
                self._stream, folder, what, size_bytes=size_bytes, max_bytes=max_bytes
            )
        except BaseException:
            self._stream.close()
            raise
        self._writing: Future[None] | None = None

    async def fill(self, pieces: AsyncIterable[object]) -> None:
        """Write all pieces of a stream.

        Raises:
            InvalidSourceError: it gives no bytes, or too many.
        """
        collected = bytearray()
        async for piece in pieces:
            if not isinstance(piece, bytes | bytearray | memoryview):
                self._spool.add(piece)  # says what is wrong
            collected += cast("bytes", piece)
            if len(collected) >= _PIECE_BYTES:
                await self._write(bytes(collected))
                collected.clear()
        if collected:
            await self._write(bytes(collected))

    def finished(self, name: str, *, is_named: bool) -> FetchedFile:
        """Return the file, complete.

        Raises:
            InvalidSourceError: it is empty, or not as large as was announced.
        """
        return self._spool.finish(name, is_named=is_named)

    def close(self) -> None:
        """Close the file, after what a thread writes to it at this moment."""
        if self._writing is None or self._writing.done():
            self._stream.close()
        else:
            self._writing.add_done_callback(lambda _: self._stream.close())

    async def _write(self, data: bytes) -> None:
        self._writing = self._threads.submit(self._spool.add, data)
        await asyncio.wrap_future(self._writing)


def is_asynchronous(source: object) -> bool:
    """Say whether a source is to be awaited."""
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        return False
    read = getattr(source, "read", None)
    return asyncio.iscoroutinefunction(read) or isinstance(source, AsyncIterable)


class Inputs:
    """The sources of one upload, those that are awaited as files; closed once it has ended.

    Args:
        threads: where the files are written.
        options: of the upload.
    """

    def __init__(self, threads: Threads, options: UploadOptions) -> None:
        self._threads = threads
        self._options = options
        self._files: list[SpooledFile] = []

    async def ready(
        self,
        source: AsyncAudioInput,
        part: str,
        *,
        filename: str | None = None,
        size_bytes: int | None = None,
    ) -> tuple[AudioInput, int | None]:
        """Return a source that the synchronous library takes, and the size that is to be checked.

        Args:
            source: the bytes; what is not awaited is returned as it is.
            part: the part that they become, such as "audio".
            filename: the user's name for the file.
            size_bytes: how many bytes there must be, if that is known.

        Raises:
            InvalidSourceError: it gives no bytes, too few or too many.
            ValueError: the options are for local files.
        """
        if not is_asynchronous(source):
            return cast("AudioInput", source), size_bytes
        require_streamable(part, filename, cleanup=bool(self._options.cleanup))
        what = f"the {part}" if filename is None else shown(filename)
        file = SpooledFile(
            self._threads, what, size_bytes=size_bytes, max_bytes=self._options.max_size_bytes
        )
        self._files.append(file)
        await file.fill(_pieces(source))
        return file.finished(filename or part, is_named=filename is not None), None

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()


async def collected(source: AsyncAudioInput, *, max_bytes: int) -> AudioInput:
    """Return a small source that the synchronous library takes: pieces of what is awaited.

    Args:
        source: the bytes; what is not awaited is returned as it is.
        max_bytes: how many there may be; of more, so many are returned that it shows.
    """
    if not is_asynchronous(source):
        return cast("AudioInput", source)
    pieces: list[object] = []
    size_bytes = 0
    async for piece in _pieces(source):
        pieces.append(piece)
        size_bytes += len(piece) if isinstance(piece, bytes | bytearray | memoryview) else 0
        if size_bytes > max_bytes:
            break
    return cast("AudioInput", pieces)


async def _pieces(source: object) -> AsyncIterator[object]:
    if not asyncio.iscoroutinefunction(getattr(source, "read", None)):
        async for piece in cast("AsyncIterable[object]", source):
            yield piece
        return
    stream = cast("AsyncReadableStream", source)
    while piece := await stream.read(_PIECE_BYTES):
        yield piece
