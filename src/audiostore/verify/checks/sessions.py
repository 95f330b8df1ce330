"""Upload sessions: large files in pieces, continued after a break.

Reference: cloud.google.com/storage/docs/performing-resumable-uploads.
"""

from collections.abc import Callable
from contextlib import suppress

from audiostore.dataclass import dataclass
from audiostore.sources import BytesSource, SourceReader
from audiostore.stores import Transferred
from audiostore.verify.scratch import CONTENT, Scratch
from audiostore.verify.values import BrokenPromiseError, check

_CHUNK_BYTES = 256 << 10
_CHUNK = (CONTENT * (_CHUNK_BYTES // len(CONTENT) + 1))[:_CHUNK_BYTES]
_DONE = range(200, 202)
_INCOMPLETE = range(308, 309)
_REFUSED = range(400, 500)
_LARGE = _CHUNK * 36
"""9 MiB: what is larger than 8 MiB is sent in a session."""
_BREAKS_AFTER_BYTES = 8 << 20


@check(
    "an upload in pieces becomes visible whole, with its last byte",
    class_a=2,
    class_b=2,
    sent_bytes=300 << 10,
)
def upload_in_pieces(scratch: Scratch) -> str:
    """Send two pieces, and ask in between and in the end how much has arrived."""
    whole = BytesSource(_CHUNK + CONTENT)
    size = whole.size_bytes
    session = scratch.open_session("object", size, whole.crc32c)
    for data in (_CHUNK, b""):  # the second time it only asks
        response = scratch.send_chunk(session, data, 0, size)
        scratch.require_status(response, _INCOMPLETE, "the first piece")
        said = response.headers.get("range", "")
        if said != f"bytes=0-{_CHUNK_BYTES - 1}":
            raise BrokenPromiseError(
                f"after {_CHUNK_BYTES} bytes, the session says Range: {said!r}"
            )
    scratch.require_absent("object", "after the first piece")
    response = scratch.send_chunk(session, CONTENT, _CHUNK_BYTES, size)
    scratch.require_status(response, _DONE, "the last piece")
    response = scratch.send_chunk(session, b"", 0, size)
    scratch.require_status(response, _DONE, "the question whether it is complete")
    stored = scratch.store.stat(scratch.folder + "object")
    if (stored.size_bytes, stored.crc32c) != (size, whole.crc32c):
        raise BrokenPromiseError("the object has other bytes than were sent")
    return "308 with Range after a piece, 200 after the last and when asked again"


@check("of two uploads of one new object, one is stored", class_a=2, class_b=1)
def two_sessions(scratch: Scratch) -> str:
    """Open two sessions for one name, and complete both."""
    texts = (b"of the first writer", b"of the second writer")
    first, second = (scratch.open_session("object", len(text)) for text in texts)
    response = scratch.send_chunk(first, texts[0], 0, len(texts[0]))
    scratch.require_status(response, _DONE, "the first of two uploads")
    response = scratch.send_chunk(second, texts[1], 0, len(texts[1]))
    stored = scratch.store.stat(scratch.folder + "object")
    if stored.crc32c != BytesSource(texts[0]).crc32c:
        raise BrokenPromiseError(
            f"the second upload replaced the first one ({scratch.client.describe(response)})"
        )
    scratch.require_status(response, range(412, 413), "the second of two uploads")
    return "the second one got HTTP 412 with its last byte"


@check(
    "a cancelled upload stores nothing",
    class_a=2,
    class_b=1,
    sent_bytes=600 << 10,
)
def cancelled_upload(scratch: Scratch) -> str:
    """Cancel a session after its first piece."""
    size = 2 * _CHUNK_BYTES
    session = scratch.open_session("object", size)
    response = scratch.send_chunk(session, _CHUNK, 0, size)
    scratch.require_status(response, _INCOMPLETE, "the first piece")
    cancelled = scratch.ask(lambda: scratch.client.call("DELETE", session))
    scratch.require_status(cancelled, (*_DONE, 204, *_REFUSED), "the cancellation")
    response = scratch.send_chunk(session, _CHUNK, _CHUNK_BYTES, size)
    scratch.require_status(response, _REFUSED, "the last piece after a cancellation")
    scratch.require_absent("object", "after the cancellation")
    return f"HTTP {cancelled.status}; the rest got HTTP {response.status}; nothing was stored"


class _BreakError(Exception):
    """Stands for the end of a connection."""


@dataclass(frozen=True, slots=True)
class _Breaking:
    """A large source whose reading fails, once, near its end."""

    whole: BytesSource
    breaks: Callable[[], bool]

    @property
    def size_bytes(self) -> int:
        return self.whole.size_bytes

    @property
    def crc32c(self) -> str:
        return self.whole.crc32c

    def open(self) -> SourceReader:
        return _BreakingReader(self.whole.open()) if self.breaks() else self.whole.open()


class _BreakingReader:
    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader
        self._left = _BREAKS_AFTER_BYTES

    def read(self, size: int) -> bytes:
        if not self._left:
            raise _BreakError
        data = self._reader.read(min(size, self._left))
        self._left -= len(data)
        return data

    def seek(self, offset: int) -> None:
        self._reader.seek(offset)

    def close(self) -> None:
        self._reader.close()


@check(
    "a large upload that broke off continues after the last byte that the bucket has",
    class_a=1,
    class_b=0,
    sent_bytes=2 * len(_LARGE),
)
def continued_upload(scratch: Scratch) -> str:
    """Break a large upload off, and repeat it."""
    breaks = iter([True])
    source = _Breaking(BytesSource(_LARGE), lambda: next(breaks, False))
    spec = scratch.spec("object")
    with suppress(_BreakError):
        scratch.store.put(spec, source)
    progress: list[Transferred] = []
    stored = scratch.store.put(spec, source, on_transfer=progress.append)
    if (stored.size_bytes, stored.crc32c) != (source.size_bytes, source.crc32c):
        raise BrokenPromiseError("the object has other bytes than were sent")
    kept = progress[0].accepted_bytes
    if not kept:
        raise BrokenPromiseError(f"of {_BREAKS_AFTER_BYTES} bytes that were sent, none was kept")
    return f"continued after byte {kept:,} of {source.size_bytes:,}"
