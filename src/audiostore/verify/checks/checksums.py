"""Checksums: a bucket stores what was meant to be stored, or nothing.

Reference: cloud.google.com/storage/docs/data-validation.
"""

from audiostore.dataclass import dataclass
from audiostore.errors import AudioStoreError, IntegrityError
from audiostore.sources import BytesSource, SourceReader
from audiostore.verify.scratch import CONTENT, Scratch, refused
from audiostore.verify.values import BrokenPromiseError, check

_OTHER_CRC32C = BytesSource(CONTENT[::-1]).crc32c


@dataclass(frozen=True, slots=True)
class _Damaged:
    """Bytes that are not those that their checksum was computed of."""

    size_bytes: int = len(CONTENT)
    crc32c: str = _OTHER_CRC32C

    def open(self) -> SourceReader:
        return BytesSource(CONTENT).open()


@check("bytes that are not those of their crc32c are refused, and not stored", class_a=2, class_b=1)
def damaged_bytes(scratch: Scratch) -> str:
    """Write an object, in one request, whose crc32c is another's."""
    spec = scratch.spec("object")
    try:
        refused(lambda: scratch.store.put(spec, _Damaged()), IntegrityError, "a wrong crc32c")
    except BrokenPromiseError:
        raise
    except AudioStoreError as error:
        if error.status != 400:
            raise
        raise BrokenPromiseError(
            f"it was refused, but audiostore does not recognise why: {error}"
        ) from error
    scratch.require_absent("object", "after the refused write")
    return "HTTP 400, which audiostore knows as damage on the way; nothing was stored"


@check(
    "an upload session whose bytes have another crc32c is refused with its last byte",
    class_a=2,
    class_b=1,
)
def damaged_session(scratch: Scratch) -> str:
    """Write an object, in a session, whose crc32c is another's."""
    session = scratch.open_session("object", len(CONTENT), _OTHER_CRC32C)
    response = scratch.send_chunk(session, CONTENT, 0, len(CONTENT))
    scratch.require_status(response, range(400, 500), "the last byte of a wrong crc32c")
    scratch.require_absent("object", "after the refused upload")
    return f"{scratch.client.describe(response)}; nothing was stored"
