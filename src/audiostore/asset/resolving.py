"""Finds the asset that the first characters of an id mean, as git finds a commit."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice

from audiostore.asset.layout import FilenameGenerator, FileOrganizer, id_prefix
from audiostore.asset.reading import find_asset
from audiostore.errors import AmbiguousAudioIdError, AssetNotFoundError, shown
from audiostore.stores import ObjectStore, Store
from audiostore.values import BlobInfo

_Candidate = tuple[str, str]
"""An id, and what a person calls the asset."""

_MOST_SHOWN = 4


def resolve_id(store: ObjectStore, prefix: str) -> str:
    """Return the id, of any asset or folder of one, that begins with a prefix.

    A full id is returned as it is, without a request; any other prefix costs one listing.

    Raises:
        InvalidAudioIdError: the prefix is not the beginning of an id, or shorter than 4 digits.
        AmbiguousAudioIdError: several ids begin with it.
        AssetNotFoundError: none does.
    """
    begun = id_prefix(prefix)
    if FilenameGenerator.validate_uuid(begun):
        return begun
    found = _only(begun, _live(store, begun), store.url)
    if found is None:
        raise _not_found(begun, f"no asset in {store.url} has")
    return found


def resolve_deleted_id(store: Store, prefix: str) -> str:
    """Return the id that begins with a prefix: of what is deleted, else of what is stored.

    Where several assets that begin with it left something in the trash, those that are stored and
    complete are not meant: a bucket keeps the deleted objects of a restored asset.

    Raises:
        InvalidAudioIdError: the prefix is not the beginning of an id, or shorter than 4 digits.
        AmbiguousAudioIdError: several ids begin with it.
        AssetNotFoundError: none does.
    """
    begun = id_prefix(prefix)
    if FilenameGenerator.validate_uuid(begun):
        return begun

    def is_gone(audio_id: str) -> bool:
        asset = find_asset(store, audio_id)
        return asset is None or asset.thumbnail_missing

    name = f"{FileOrganizer.AUDIO_ROOT}/{begun}"
    found = (
        _only(begun, _candidates(d.blob for d in store.list_deleted(name)), store.url, is_gone)
        or _only(begun, _candidates(store.noncurrent(name)), store.url, is_gone)
        or _only(begun, _live(store, begun), store.url)
    )
    if found is None:
        raise _not_found(begun, f"no asset in {store.url}, and none in its trash, has")
    return found


def _live(store: ObjectStore, begun: str) -> Iterator[_Candidate]:
    return _candidates(store.list(f"{FileOrganizer.AUDIO_ROOT}/{begun}"))


def _candidates(blobs: Iterable[BlobInfo]) -> Iterator[_Candidate]:
    """Yield each id in a listing, with the title or the file name that its first object has."""
    for folder, group in groupby(blobs, lambda blob: blob.name.split("/", 2)[1]):
        if FilenameGenerator.validate_uuid(folder):
            metadata = next(group).metadata  # of its audio: that is first by name
            yield folder, metadata.get("title") or metadata.get("original_filename", "")


def _only(
    begun: str,
    candidates: Iterator[_Candidate],
    url: str,
    is_meant: Callable[[str], bool] | None = None,
) -> str | None:
    """Return the only candidate, or None if there is none.

    Args:
        begun: what their ids begin with.
        candidates: in the order of their ids; no more are read than are needed.
        url: of the store, for the message.
        is_meant: chooses between several.

    Raises:
        AmbiguousAudioIdError: there are several.
    """
    first = list(islice(candidates, 2))
    if len(first) == 2 and is_meant is not None:
        meant = (each for each in chain(first, candidates) if is_meant(each[0]))
        first, candidates = list(islice(meant, 2)), meant
    if len(first) < 2:
        return first[0][0] if first else None
    several = [*first, *islice(candidates, _MOST_SHOWN - 1)]
    listed = [f"{audio_id} ({shown(name)})" if name else audio_id for audio_id, name in several]
    more = " and more" if len(listed) > _MOST_SHOWN else ""
    error = AmbiguousAudioIdError(
        f"several assets in {url} have an id that begins with {begun}: "
        f"{', '.join(listed[:_MOST_SHOWN])}{more}; give more characters"
    )
    error.candidates = tuple(audio_id for audio_id, _ in several[:_MOST_SHOWN])
    raise error


def _not_found(begun: str, nothing: str) -> AssetNotFoundError:
    return AssetNotFoundError(f"{nothing} an id that begins with {begun}")
