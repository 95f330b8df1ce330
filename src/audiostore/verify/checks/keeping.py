"""What a bucket keeps, and what it protects: soft delete, versions, holds, custom time, rules.

Reference: cloud.google.com/storage/docs/soft-delete, …/docs/object-versioning,
…/docs/object-holds, …/docs/metadata#custom-time, …/docs/lifecycle.
"""

from datetime import UTC, datetime, timedelta
from functools import partial

from audiostore.dataclass import replace
from audiostore.errors import HeldError
from audiostore.lifecycle import describe_rules
from audiostore.sources import BytesSource
from audiostore.values import DeletedBlob
from audiostore.verify.scratch import CONTENT, Scratch, refused
from audiostore.verify.values import BrokenPromiseError, NotShownError, check

_METADATA = {"title": "Dvořák"}
_TIME = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
_HOUR_S = 3600


@check(
    "a deleted object can be restored, with its metadata, as a new generation", class_a=4, class_b=4
)
def deleted_and_restored(scratch: Scratch) -> str:
    """Delete an object, find it among the deleted ones, and restore it."""
    if not scratch.facts.keeps_deleted:
        raise NotShownError("the bucket's soft delete is off")
    blob = scratch.store.put(scratch.spec("object", _METADATA), BytesSource(CONTENT))
    scratch.store.delete(blob)
    deleted = _find_deleted(scratch)
    if deleted is None or deleted.blob.generation != blob.generation:
        raise BrokenPromiseError("the deleted object is not among those that can be restored")
    restored = scratch.store.restore(deleted)
    if restored.generation == blob.generation:
        raise BrokenPromiseError("the restored object has the generation of the deleted one")
    same = ("size_bytes", "crc32c", "metadata", "content_type")
    if any(getattr(restored, field) != getattr(blob, field) for field in same):
        raise BrokenPromiseError("the restored object has other bytes or metadata")
    scratch.require_unchanged(restored, "after it was restored")
    days = (deleted.gone_at - deleted.deleted_at) / timedelta(days=1)
    stays = "stays" if _find_deleted(scratch) else "does not stay"
    return f"it can be for {days:g} days; a restored generation {stays} among the deleted ones"


def _find_deleted(scratch: Scratch) -> DeletedBlob | None:
    return next(iter(scratch.store.list_deleted(scratch.folder)), None)


@check(
    "a replaced version stays readable, and a deleted generation is not kept as one",
    class_a=4,
    class_b=3,
)
def old_versions(scratch: Scratch) -> str:
    """Replace an object, read the version before, and delete the newer one."""
    settings = scratch.facts.settings
    if settings is None:
        raise NotShownError("the account may not see whether Object Versioning is on")
    if not settings.versioning:
        raise NotShownError("Object Versioning is off")
    first = scratch.put("object")
    second = scratch.put("object", CONTENT * 2, over=first)
    if [blob.generation for blob in scratch.store.noncurrent(scratch.folder)] != [first.generation]:
        raise BrokenPromiseError("the replaced generation is not the one noncurrent version")
    reader = scratch.store.open(first)
    try:
        if reader.read(len(CONTENT)) != CONTENT:
            raise BrokenPromiseError("the noncurrent version has other bytes")
    finally:
        reader.close()
    scratch.store.delete(second)
    if [blob.generation for blob in scratch.store.noncurrent(scratch.folder)] != [first.generation]:
        raise BrokenPromiseError("a deleted generation became a noncurrent version")
    return "the noncurrent version is listed and read; deletion by generation leaves no other"


@check("an object under a hold can be neither deleted nor replaced", class_a=5, class_b=4)
def held_object(scratch: Scratch) -> str:
    """Hold an object, try both, release it, and delete it."""
    blob = scratch.put("object")
    held = scratch.store.update(blob, {}, temporary_hold=True)
    refused(lambda: scratch.store.delete(held), HeldError, "the deletion of a held object")
    refused(
        lambda: scratch.put("object", CONTENT * 2, over=held),
        HeldError,
        "the replacement of a held object",
    )
    scratch.require_unchanged(held, "after both were refused")
    released = scratch.store.update(held, {}, temporary_hold=False)
    scratch.store.delete(released)
    scratch.require_absent("object", "after its release and deletion")
    return "both were refused, and audiostore knows why; a released object can be deleted"


@check("a custom time can move later, but not earlier, and cannot be removed", class_a=4, class_b=2)
def custom_time(scratch: Scratch) -> str:
    """Set a custom time; try to move it back, and to remove it; move it on."""
    spec = replace(scratch.spec("object"), custom_time=_TIME)
    blob = scratch.store.put(spec, BytesSource(CONTENT))
    answers = []
    for value in ((_TIME - timedelta(days=1)).isoformat(), None):
        url = scratch.client.object_url(blob.name)
        change = {"customTime": value}
        response = scratch.ask(partial(scratch.client.call_json, "PATCH", url, change))
        answers.append(f"HTTP {response.status}")
        found = scratch.store.stat(blob.name)
        if found.custom_time != _TIME:
            raise BrokenPromiseError(f"{_TIME} was changed to {found.custom_time}")
    later = scratch.store.update(found, {}, custom_time=_TIME + timedelta(seconds=_HOUR_S))
    if later.custom_time == _TIME:
        raise BrokenPromiseError("it could not be moved later")
    return f"moving it earlier got {answers[0]}, removing it {answers[1]}; it stayed"


@check("the bucket's lifecycle rules and settings can be read", class_a=0, class_b=1)
def lifecycle_rules(scratch: Scratch) -> str:
    """Read the settings again; nothing is changed."""
    if scratch.facts.settings is None:
        raise NotShownError("the account may not read the bucket's settings")
    settings = scratch.store.settings()
    before = scratch.facts.settings
    if settings != before and settings.metageneration == before.metageneration:
        raise BrokenPromiseError("settings of one metageneration were read in two ways")
    if not settings.lifecycle_rules:
        raise NotShownError("the bucket has no lifecycle rules")
    rules = describe_rules(settings)
    ours = sum(rule.is_ours for rule in rules)
    return f"{len(settings.lifecycle_rules)} rules, {ours} of them audiostore's"
