"""Listings: at once, in order, in pages, and with checksums.

Reference: cloud.google.com/storage/docs/json_api/v1/objects/list, …/docs/consistency.
"""

from collections.abc import Iterator
from functools import partial

from audiostore.dataclass import dataclass
from audiostore.verify.scratch import Scratch
from audiostore.verify.values import BrokenPromiseError, NotShownError, check

_PAGE_OBJECTS = 2
_MAX_PAGES = 20
# In the order of their bytes in UTF-8. In UTF-16, as many languages compare, the last two change.
_NAMES = ("a", "b/1", "b/2", "b0", "ﬁ", "😀")


@check("a listing shows what was just written, and not what was just deleted", class_a=3, class_b=1)
def listed_at_once(scratch: Scratch) -> str:
    """List after a write, and after a deletion."""
    blob = scratch.put("object")
    if list(scratch.store.list(scratch.folder)) != [blob]:
        raise BrokenPromiseError("a listing right after a write does not show the object")
    scratch.store.delete(blob)
    if list(scratch.store.list(scratch.folder)):
        raise BrokenPromiseError("a listing right after a deletion still shows the object")
    return "right after the write and the deletion"


@check(
    "listings are complete, in the order of the bytes of names, page by page",
    class_a=11,
    class_b=0,
)
def listed_in_order(scratch: Scratch) -> str:
    """List names in pages of two; from one on, up to another; and one level of folders."""
    for name in reversed(_NAMES):
        scratch.put(name)
    pages = list(_pages(scratch, maxResults=_PAGE_OBJECTS))
    if any(len(page.names) > _PAGE_OBJECTS for page in pages):
        raise BrokenPromiseError(f"a page has more than {_PAGE_OBJECTS} objects")
    _require("pages of all names", _names(pages), _NAMES)
    start, end = (scratch.client.full_name(scratch.folder + name) for name in ("b/2", "😀"))
    some = list(_pages(scratch, startOffset=start, endOffset=end))
    _require("from startOffset to endOffset", _names(some), ("b/2", "b0", "ﬁ"))
    level = list(_pages(scratch, delimiter="/"))
    _require("with a delimiter", _names(level), ("a", "b0", "ﬁ", "😀"))
    _require("folders", [folder for page in level for folder in page.folders], ("b/",))
    return f"{len(_NAMES)} names in {len(pages)} pages; startOffset, endOffset, delimiter"


@check(
    "audiostore lists objects under a customer-managed key with their checksums",
    class_a=3,
    class_b=1,
)
def listed_under_a_key(scratch: Scratch) -> str:
    """List an object that the bucket encrypts with a key of its owner."""
    blob = scratch.put("object")
    if blob.kms_key is None:
        raise NotShownError("the bucket has no default Cloud KMS key")
    if list(scratch.store.list(scratch.folder)) != [blob] or blob.crc32c is None:
        raise BrokenPromiseError("audiostore lists the object without its checksum")
    page = next(_pages(scratch, fields="items(name,crc32c)"))
    return f"the listing itself has {'a' if page.has_checksums else 'no'} checksum"


@dataclass(frozen=True, slots=True)
class _Page:
    """What one page lists, without what stands before all names."""

    names: list[str]
    folders: list[str]
    has_checksums: bool


def _names(pages: list[_Page]) -> list[str]:
    return [name for page in pages for name in page.names]


def _require(what: str, found: list[str], wanted: tuple[str, ...]) -> None:
    if tuple(found) != wanted:
        raise BrokenPromiseError(f"{what}: {found} instead of {list(wanted)}")


def _pages(scratch: Scratch, **query: object) -> Iterator[_Page]:
    prefix = scratch.client.full_name(scratch.folder)
    token: object = None
    for _ in range(_MAX_PAGES):
        url = scratch.client.url_of(
            f"{scratch.client.bucket_path()}/o", prefix=prefix, pageToken=token, **query
        )
        response = scratch.ask(partial(scratch.client.call, "GET", url))
        page = scratch.json_of(response, "a listing")
        items = page.get("items", [])
        yield _Page(
            [item.get("name", "").removeprefix(prefix) for item in items],
            [folder.removeprefix(prefix) for folder in page.get("prefixes", [])],
            all("crc32c" in item for item in items),
        )
        token = page.get("nextPageToken")
        if not token:
            return
    raise BrokenPromiseError(f"a listing does not end after {_MAX_PAGES} pages")
