"""Checks whether everything that storing needs is in place, with hints for what is missing."""

from collections.abc import Iterator

from google.api_core.exceptions import (
    Forbidden,
    MethodNotImplemented,
    NotFound,
)

from audiostore.errors import AudioStoreError, redacted
from audiostore.stores.capabilities import Finding
from audiostore.stores.gcs import advice, layout
from audiostore.stores.gcs.body import BytesBody
from audiostore.stores.gcs.bucket import granted, resource
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.objects import pages
from audiostore.stores.gcs.responses import error_of
from audiostore.stores.gcs.trash import keeps_deleted
from audiostore.stores.gcs.upload import session_of

_PROBE = "audio/.doctor"
# From a bucket that has just been listed: an emulator that does not implement the call.
_UNKNOWN = (MethodNotImplemented, NotFound)


def diagnose(client: Client) -> Iterator[Finding]:
    """Check the endpoint, the credentials, listing and writing; then the rest.

    When one of these fails, nothing more is checked. Writing is tested by opening an upload session
    and cancelling it: no object is created.
    """
    place = f"the bucket {client.bucket_url} at {redacted(client.endpoint)}"
    if client.prefix:
        place = f"the prefix {client.url}, in {place}, whose settings hold for all that is in it"
    yield Finding("store", ok=True, detail=place)
    for subject, attempt in (
        ("credentials", _credentials),
        ("list", _list),
        ("write", _write),
    ):
        try:
            yield Finding(subject, ok=True, detail=attempt(client))
        except AudioStoreError as error:
            yield _failed(client, subject, error)
            return
    yield from _permissions(client)
    yield from _settings(client)
    yield from _namespace(client)
    yield _links(client)


def _credentials(client: Client) -> str:
    client.authentication.headers("GET", client.endpoint)
    return client.authentication.describe()


def _list(client: Client) -> str:
    found = next(pages(client, "audio/", fields="items(name),nextPageToken"))
    return "the bucket can be listed" + ("" if found else "; no assets yet")


def _write(client: Client) -> str:
    url = client.upload_url("resumable", _PROBE, 0)
    response = client.call("POST", url, body=lambda: BytesBody(b""))
    if response.status not in (200, 201):
        raise error_of(response, f"{client.url}: objects cannot be written")
    client.call("DELETE", session_of(client, response))  # any response ends the session
    return "objects can be written"


def _permissions(client: Client) -> Iterator[Finding]:
    try:
        known = granted(client, advice.PERMISSIONS)
        if client.prefix and advice.missing(known):
            yield advice.granted_elsewhere(known)
        else:
            yield from advice.permissions(client.bucket_url, known)
    except _UNKNOWN:
        yield Finding("permissions", ok=True, detail="this server cannot be asked for them")
    except AudioStoreError as error:
        yield _failed(client, "permissions", error)


def _settings(client: Client) -> Iterator[Finding]:
    try:
        findings = list(advice.settings(client.bucket_url, resource(client), client.user_project))
    except Forbidden:
        yield Finding(
            "settings",
            ok=True,
            detail="the bucket's settings cannot be seen (storage.buckets.get is missing): unknown "
            "are its versioning, retention, lifecycle rules, CORS and public access",
            hint=advice.grant(client.bucket_url, "roles/storage.legacyBucketReader"),
        )
        yield from _without_settings(client)
        return
    except _UNKNOWN:
        yield Finding("settings", ok=True, detail="this server cannot be asked for them")
        return
    except AudioStoreError as error:
        yield _failed(client, "settings", error)
        return
    yield from findings


def _without_settings(client: Client) -> Iterator[Finding]:
    """Find out what an account that may not read the settings can know."""
    try:
        location = layout.read(client).location
        if location is not None:
            detail = f"{location}, the storage class of new objects cannot be seen"
            yield Finding("location", ok=True, detail=detail)
        yield advice.unseen_soft_delete(client.bucket_url, is_on=keeps_deleted(client))
    except AudioStoreError as error:
        yield _failed(client, "soft delete", error)


def _namespace(client: Client) -> Iterator[Finding]:
    try:
        found = layout.read(client)
        if found.is_hierarchical:
            known = granted(client, advice.FOLDER_PERMISSIONS)
            yield advice.namespace(client.bucket_url, known, is_prefix=bool(client.prefix))
    except AudioStoreError as error:
        yield _failed(client, "namespace", error)


def _links(client: Client) -> Finding:
    try:
        signer = client.authentication.signer()
        signer.sign(b"audiostore")
        return Finding("links", ok=True, detail=f"URLs are signed {signer.describe()}")
    except AudioStoreError as error:
        return Finding("links", ok=True, detail="URLs cannot be signed", hint=str(error))


def _failed(client: Client, subject: str, error: Exception) -> Finding:
    hints = [*getattr(error, "__notes__", [])]
    if isinstance(error, Forbidden):
        hints += _missing(client)
    return Finding(subject, ok=False, detail=str(error), hint="; ".join(hints))


def _missing(client: Client) -> list[str]:
    """Return all missing permissions, not only the one that failed; or how to grant a prefix."""
    if client.prefix:
        return [f"or on the prefix alone: {advice.grant_on_prefix(client.url)}"]
    try:
        missing = advice.missing(granted(client, advice.PERMISSIONS))
    except AudioStoreError:
        return []  # the error that led here is reported anyway
    return [f"missing in all: {', '.join(missing)}"] if missing else []
