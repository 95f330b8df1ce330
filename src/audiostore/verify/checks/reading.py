"""Reading: the bytes of one generation, under any name.

Reference: cloud.google.com/storage/docs/json_api/v1/objects/get, …/docs/objects#naming.
"""

from contextlib import closing

from audiostore.errors import BlobNotFoundError
from audiostore.sources import BytesSource
from audiostore.stores import BlobSpec
from audiostore.values import BlobInfo
from audiostore.verify.scratch import CONTENT, Scratch
from audiostore.verify.values import BrokenPromiseError, check

_NAME = "Ünïcødé 音 😀 50%25 a+b?c#d & e=f;'\"(1).bin"
_METADATA = {"title": "Dvořák: 新世界より 😀", "empty": "", "quotes": "\"'\\"}
_DISPOSITION = "inline; filename=\"n__.bin\"; filename*=UTF-8''n%C3%A4%C3%A4.bin"


@check("a reader gets the bytes of the generation that it asked for", class_a=3, class_b=3)
def one_generation(scratch: Scratch) -> str:
    """Read an object, a range of it, and the rest after it was replaced."""
    first = scratch.put("object")
    for start, stop in ((0, None), (5, 17)):
        if _read(scratch, first, start, stop) != CONTENT[start:stop]:
            raise BrokenPromiseError(f"bytes {start} to {stop or 'the end'} are others")
    scratch.put("object", CONTENT[::-1], over=first)
    try:
        kept = _read(scratch, first)
    except BlobNotFoundError:
        return "ranges are right; the replaced generation got HTTP 404"
    if kept != CONTENT:
        raise BrokenPromiseError("the replaced generation has the bytes of the newer one")
    return "ranges are right; the replaced generation is kept, and has its own bytes"


@check("names, metadata and headers come back exactly as they were stored", class_a=2, class_b=3)
def names_and_metadata(scratch: Scratch) -> str:
    """Store an object whose name and metadata need escaping wherever they are written."""
    spec = BlobSpec(
        scratch.folder + _NAME,
        "audio/ogg; codecs=opus",
        _METADATA,
        "private, max-age=3600, no-transform",
        _DISPOSITION,
    )
    put = scratch.store.put(spec, BytesSource(CONTENT))
    listed = list(scratch.store.list(scratch.folder))
    found = scratch.store.stat(spec.name)
    if listed != [found] or found != put:
        raise BrokenPromiseError("put, stat and list describe it differently")
    for field in ("name", "content_type", "metadata", "cache_control", "content_disposition"):
        if getattr(found, field) != getattr(spec, field):
            raise BrokenPromiseError(f"its {field} became {getattr(found, field)!r}")
    if _read(scratch, found) != CONTENT:
        raise BrokenPromiseError("it has other bytes")
    return f"{len(_NAME)} characters of a name, {len(_METADATA)} keys, 3 headers"


def _read(scratch: Scratch, blob: BlobInfo, start: int = 0, stop: int | None = None) -> bytes:
    with closing(scratch.store.open(blob, start=start, stop=stop)) as reader:
        return b"".join(iter(lambda: reader.read(1 << 16), b""))
