"""Copies within the service: rewrites, of which a large object may take several.

Reference: cloud.google.com/storage/docs/json_api/v1/objects/rewrite. In one location and class, one
request copies any object. Others take more: each response has a token that continues the copy. The
token is noted, so that what was copied is not lost with a response.
"""

import json
from collections.abc import Mapping

from audiostore.dataclass import dataclass
from audiostore.errors import BlobNotFoundError, StoreConnectionError, UnreadableBlobError
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.described import FIELDS, described_again
from audiostore.stores.gcs.messages import Response
from audiostore.stores.gcs.objects import resource, resource_of
from audiostore.stores.gcs.responses import (
    Fields,
    blob_info,
    error_message,
    error_of,
    json_body,
    kms_key,
    not_understood,
)
from audiostore.stores.gcs.sessions import SessionNote, Sessions
from audiostore.stores.protocol import BlobSpec, StorageClass, TransferListener, Transferred
from audiostore.stores.stored import StoredSource
from audiostore.values import BlobInfo

_MAX_IDLE_CALLS = 100
"""Of a copy, in a row, that copy nothing."""
_NO_TOKEN = (400, 410)
"""The statuses of a token that is not, or no longer, known: it is valid for a week."""
_PASSING = (401, 408, 429)
# The fields that a copy has from its source. If the request has a body, a rewrite copies none of
# them by itself.
_COPIED = (
    "contentType",
    "contentEncoding",
    "contentLanguage",
    "contentDisposition",
    "cacheControl",
    "metadata",
    "customTime",
    "storageClass",
)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One attempt to copy one object."""

    client: Client
    tokens: Sessions
    source_uri: str
    target: str
    body: Mapping[str, object]
    """What the copy has, all of it: the source gives nothing but its bytes."""
    query: Mapping[str, object]
    on_transfer: TransferListener | None = None

    def run(self) -> BlobInfo | Response:
        """Copy it, and return the server's description of the copy; or how it was refused."""
        with self.tokens.claim(self._key) as note:
            return self._run(note)

    def _run(self, note: SessionNote) -> BlobInfo | Response:
        path = self.client.rewrite_path(self.source_uri, self.target)
        token = note.get()
        rewritten = idle = 0
        while True:
            url = self.client.url_of(path, **self.query, rewriteToken=token)
            response = self.client.call_json("POST", url, self.body)
            if response.status >= 500 or response.status in _PASSING:
                return response
            note.forget()
            if response.status in _NO_TOKEN and token is not None:
                raise StoreConnectionError(
                    f"{self.what} has to start again (HTTP {response.status}): "
                    f"{error_message(response)[0]}"
                )
            if response.status != 200:
                return response
            try:
                progress = Fields(json_body(response))
                if progress.truth("done"):
                    return described_again(self.client, progress.value("resource"), self.target)
                token, before = progress.text("rewriteToken"), rewritten
                rewritten = progress.integer("totalBytesRewritten")
            except ValueError as error:
                raise not_understood(response, f"is not the state of a copy: {error}") from None
            idle = 0 if rewritten > before else idle + 1
            if idle > _MAX_IDLE_CALLS:
                raise not_understood(response, f"to a copy of {self.source_uri} never ends")
            note.remember(token)
            if self.on_transfer:
                self.on_transfer(Transferred(rewritten, rewritten))

    @property
    def what(self) -> str:
        """What is copied, for messages."""
        return f"{self.source_uri} to {self.client.uri(self.target)}"

    @property
    def _key(self) -> str:
        return json.dumps([self.source_uri, self.target, self.body, self.query])


def put_stored(
    client: Client,
    tokens: Sessions,
    spec: BlobSpec,
    source: StoredSource,
    *,
    if_generation_match: int,
    on_transfer: TransferListener | None,
) -> BlobInfo:
    """Write an object with the bytes of another one of the service (see `ObjectStore.put`).

    Its metadata is that of `spec` alone, for the body is never empty. One request, in most cases:
    the source is not looked at first.

    Raises:
        SourceChangedError: this generation of the source is gone.
    """
    generation = source.blob.generation
    rewrite = Rewrite(
        client,
        tokens,
        source.uri,
        spec.name,
        resource_of(spec),
        {
            "sourceGeneration": generation,
            "ifSourceGenerationMatch": generation,
            "ifGenerationMatch": if_generation_match,
            "destinationKmsKeyName": spec.kms_key,
        },
        on_transfer,
    )
    outcome = rewrite.run()
    if isinstance(outcome, BlobInfo):
        if on_transfer:
            on_transfer(Transferred(outcome.size_bytes, outcome.size_bytes))
        return outcome
    if outcome.status == 404:  # the source, or the bucket
        path = client.path_of(source.uri)
        url = client.url_of(path, generation=generation, fields="generation")
        if client.call("GET", url).status == 404:
            raise source.changed()
        raise error_of(outcome, rewrite.what)
    raise error_of(outcome, rewrite.what, of_object=True)


def copy(
    client: Client,
    tokens: Sessions,
    source: BlobInfo,
    target: str,
    *,
    if_generation_match: int,
    storage_class: StorageClass | None,
) -> BlobInfo:
    """Copy an object (see `ObjectStore.copy`).

    The body of a rewrite replaces all metadata of the source, and without one the copy gets the
    bucket's default class: so the body says everything, as the source says it now, and the
    source's metageneration is demanded. Holds are not among it: they do not go with a copy
    (cloud.google.com/storage/docs/json_api/v1/objects/rewrite, …/docs/object-holds). A Cloud KMS
    key is named, or the copy would get the bucket's default one.
    """
    uri = client.uri(source.name)
    mask = f"{FIELDS},contentEncoding,contentLanguage"
    found = resource(client, source.name, mask, generation=source.generation)
    present = blob_info(found, client.prefix, name=source.name)
    if present.generation != source.generation:
        raise BlobNotFoundError(
            f"no {uri} of generation {source.generation}: it was replaced or deleted"
        )
    fields = Fields(found)
    if fields.value("customerEncryption"):
        raise UnreadableBlobError(
            f"{uri} is encrypted with a customer-supplied key, which audiostore does not have: it "
            "cannot be copied, or moved to another storage class. Give it a Cloud KMS key first "
            "(gcloud storage objects update)"
        )
    body = {field: found[field] for field in _COPIED if field in found}
    if storage_class is not None:
        body["storageClass"] = storage_class
    query = {
        "sourceGeneration": source.generation,
        "ifSourceGenerationMatch": source.generation,
        "ifSourceMetagenerationMatch": present.metageneration,
        "ifGenerationMatch": if_generation_match,
        "destinationKmsKeyName": kms_key(fields),
    }
    rewrite = Rewrite(client, tokens, uri, target, body, query)
    outcome = rewrite.run()
    if isinstance(outcome, BlobInfo):
        return outcome
    raise error_of(outcome, rewrite.what, of_object=True)
