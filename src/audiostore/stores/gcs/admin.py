"""The bucket's settings, and whether all that storing needs is there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from google.api_core.exceptions import GoogleAPICallError

from audiostore.errors import AudioStoreError
from audiostore.store import Finding
from audiostore.stores.gcs.answers import error_of
from audiostore.stores.gcs.body import BytesBody

if TYPE_CHECKING:
    from audiostore.stores.gcs.store import GcsStore

_PROBE = "audio/.doctor"


def diagnose(store: "GcsStore") -> Iterator[Finding]:
    """Say what the store talks to, as whom, and whether it may list and write.

    Writing is tried by opening an upload session and cancelling it: no object is ever made.
    """
    yield Finding("store", ok=True, detail=f"the bucket {store.url} at {store.endpoint}")
    for subject, attempt in (
        ("credentials", _credentials),
        ("list", _list),
        ("write", _write),
    ):
        try:
            yield Finding(subject, ok=True, detail=attempt(store))
        except (AudioStoreError, GoogleAPICallError) as error:
            notes = getattr(error, "__notes__", [])
            yield Finding(subject, ok=False, detail=str(error), remedy="; ".join(notes))
            return


def _credentials(store: "GcsStore") -> str:
    store.authentication.headers("GET", store.endpoint)
    return store.authentication.describe()


def _list(store: "GcsStore") -> str:
    found = next(iter(store.list("audio/")), None)
    return "the bucket can be listed" + ("" if found else "; no assets yet")


def _write(store: "GcsStore") -> str:
    path = f"/upload/storage/v1/b/{quote(store.bucket, safe='')}/o"
    url = store.url_of(path, uploadType="resumable", name=_PROBE, ifGenerationMatch=0)
    response = store.call("POST", url, body=lambda: BytesBody(b""))
    if response.status not in (200, 201):
        raise error_of(response, f"{store.url}: objects cannot be written")
    store.call("DELETE", response.headers.get("location", ""))  # any answer ends the session
    return "objects can be written"
