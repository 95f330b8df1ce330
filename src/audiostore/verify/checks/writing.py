"""Preconditions: who writes, changes or deletes something names what it was.

Reference: cloud.google.com/storage/docs/request-preconditions.
"""

from contextlib import suppress

from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.verify.scratch import CONTENT, Scratch, refused
from audiostore.verify.values import BrokenPromiseError, check


@check("a writer that creates an object never replaces another's", class_a=2, class_b=1)
def create_once(scratch: Scratch) -> str:
    """Create an object twice."""
    first = scratch.put("object")
    error = refused(
        lambda: scratch.put("object", b"of a second writer"),
        PreconditionFailedError,
        "a second write with ifGenerationMatch=0",
    )
    scratch.require_unchanged(first, "after the second write")
    return f"the second writer got HTTP {error.status}, the first one's bytes are there"


@check("a writer replaces the generation that it has seen, and no other", class_a=3, class_b=1)
def replace_once(scratch: Scratch) -> str:
    """Replace one generation twice."""
    first = scratch.put("object")
    second = scratch.put("object", CONTENT * 2, over=first)
    if second.generation <= first.generation:
        raise BrokenPromiseError("a replaced object has no higher generation")
    error = refused(
        lambda: scratch.put("object", CONTENT * 3, over=first),
        PreconditionFailedError,
        "a write over a generation that was replaced",
    )
    scratch.require_unchanged(second, "after the refused write")
    return f"the second writer got HTTP {error.status}, generations rise"


@check("metadata is changed only by a writer that has seen its present state", class_a=3, class_b=1)
def change_once(scratch: Scratch) -> str:
    """Change the metadata of one metageneration twice."""
    blob = scratch.put("object")
    changed = scratch.store.update(blob, {"writer": "first"})
    error = refused(
        lambda: scratch.store.update(blob, {"writer": "second"}),
        PreconditionFailedError,
        "a change with the metageneration of before",
    )
    scratch.require_unchanged(changed, "after the refused change")
    return f"the second change got HTTP {error.status}, the metageneration counts"


@check("deleting a generation never deletes a newer one", class_a=3, class_b=2)
def delete_the_one_seen(scratch: Scratch) -> str:
    """Delete a generation that was replaced, then the live one."""
    first = scratch.put("object")
    second = scratch.put("object", CONTENT * 2, over=first)
    with suppress(BlobNotFoundError):  # unless the bucket keeps versions
        scratch.store.delete(first)
    scratch.require_unchanged(second, "after the deletion of the generation before")
    scratch.store.delete(second)
    scratch.require_absent("object", "after its own deletion")
    return "the newer generation outlived the deletion of the older one"
