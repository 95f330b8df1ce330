"""Objects that a hold or a retention period protects, and the errors about them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from audiostore.dataclass import replace
from audiostore.errors import HeldError, UnsupportedByStoreError
from audiostore.stores.protocol import BlobSpec, ObjectStore
from audiostore.values import BlobInfo

_Error = TypeVar("_Error", bound=HeldError)


def require_free(
    store: ObjectStore, blobs: Iterable[BlobInfo], outcome: str, *, audio_id: str
) -> None:
    """Require that objects of an asset can be deleted and replaced.

    Args:
        store: which describes them.
        blobs: the objects.
        outcome: what was not done, for the message.
        audio_id: of the asset.

    Raises:
        HeldError: a hold or a retention period protects one of them.
    """
    for blob in blobs:
        if blob.kept_by:
            raise held_error(blob, store.uri(blob.name), outcome, audio_id=audio_id)


def refuse_kms_key(spec: BlobSpec, url: str) -> None:
    """Refuse a key, in a store that has none.

    Raises:
        UnsupportedByStoreError: the object is to have one.
    """
    if spec.kms_key is not None:
        raise UnsupportedByStoreError(
            f"{url} has no Cloud KMS keys: {spec.name} was not stored. Only a bucket has them"
        )


def held_error(blob: BlobInfo, uri: str, outcome: str, *, audio_id: str | None = None) -> HeldError:
    """Return the error about a protected object."""
    message = f"{uri} is protected by {blob.kept_by}: {outcome}"
    return described(HeldError(message, audio_id=audio_id), blob)


def described(error: _Error, blob: BlobInfo) -> _Error:
    """Return the error with what protects the object, and with what to do about it."""
    error.temporary_hold = blob.temporary_hold
    error.event_based_hold = blob.event_based_hold
    error.retained_until = blob.retained_until
    if blob.temporary_hold:
        error.add_note("release it first")
    if blob.event_based_hold:
        error.add_note("the program that set the event-based hold must release it first")
    return error


def retained(blob: BlobInfo, retention_s: int, now: datetime) -> BlobInfo:
    """Return the description of an object in a store that keeps every object for a while."""
    until = blob.created_at + timedelta(seconds=retention_s)
    return replace(blob, retained_until=until) if retention_s and now < until else blob
