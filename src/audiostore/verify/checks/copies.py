"""Copies within the service.

Reference: cloud.google.com/storage/docs/json_api/v1/objects/rewrite.
"""

from functools import partial

from audiostore.dataclass import replace
from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.sources import BytesSource
from audiostore.verify.scratch import CONTENT, Scratch, refused
from audiostore.verify.values import BrokenPromiseError, NotShownError, check

_STEP_BYTES = 1 << 20
_LARGE = (CONTENT * (3 * _STEP_BYTES // len(CONTENT) + 1))[: 3 * _STEP_BYTES]
_MAX_CALLS = 20
_SAME = ("size_bytes", "crc32c", "content_type", "metadata", "cache_control", "custom_time")


@check(
    "a copy has the bytes and metadata of one generation, and replaces nothing",
    class_a=4,
    class_b=5,
)
def copied_object(scratch: Scratch) -> str:
    """Copy an object; copy it onto another; copy a generation that is gone."""
    spec = replace(scratch.spec("object", {"title": "Dvořák"}), cache_control="private, max-age=60")
    blob = scratch.store.put(spec, BytesSource(CONTENT))
    target = scratch.folder + "copy"
    copy = scratch.store.copy(blob, target)
    if wrong := [field for field in _SAME if getattr(copy, field) != getattr(blob, field)]:
        raise BrokenPromiseError(f"the copy has another {', '.join(wrong)}")
    error = refused(
        lambda: scratch.store.copy(blob, target), PreconditionFailedError, "a copy onto an object"
    )
    scratch.store.delete(blob)
    refused(
        lambda: scratch.store.copy(blob, scratch.folder + "late"),
        BlobNotFoundError,
        "a copy of a deleted object",
    )
    scratch.require_unchanged(copy, "after the refused copies")
    return f"a copy onto an object got HTTP {error.status}, one of a deleted generation 404"


@check(
    "a copy that takes several calls is continued by its token",
    class_a=4,
    class_b=1,
    sent_bytes=len(_LARGE) + (16 << 10),
)
def copied_in_steps(scratch: Scratch) -> str:
    """Copy 3 MiB to another storage class, 1 MiB at a time."""
    settings = scratch.facts.settings
    if settings is not None and settings.autoclass:
        raise NotShownError("the bucket chooses storage classes itself (Autoclass)")
    blob = scratch.put("object", _LARGE)
    other = "NEARLINE" if blob.storage_class == "STANDARD" else "STANDARD"
    target = scratch.folder + "copy"
    path = scratch.client.rewrite_path(scratch.store.uri(blob.name), target)
    token = None
    for calls in range(1, _MAX_CALLS):
        url = scratch.client.url_of(
            path, maxBytesRewrittenPerCall=_STEP_BYTES, ifGenerationMatch=0, rewriteToken=token
        )
        body = {"storageClass": other}
        response = scratch.ask(partial(scratch.client.call_json, "POST", url, body))
        progress = scratch.json_of(response, f"call {calls} of a copy")
        if progress.get("done"):
            break
        token = progress.get("rewriteToken")
    else:
        raise BrokenPromiseError(f"a copy of 3 MiB is not done after {_MAX_CALLS} calls")
    copy = scratch.store.stat(target)
    if (copy.crc32c, copy.storage_class) != (blob.crc32c, other):
        raise BrokenPromiseError("the copy has other bytes, or another storage class")
    if calls == 1:
        raise NotShownError("the bucket copied 3 MiB in one call, though 1 MiB was asked for")
    return f"3 MiB in {calls} calls, to {other}"
