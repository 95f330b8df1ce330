"""Signed URLs of objects: anyone who holds one can read the object for a while.

They use the XML API, path-style (cloud.google.com/storage/docs/request-endpoints); its
parameters are in cloud.google.com/storage/docs/xml-api/reference-headers.
"""

from datetime import datetime
from typing import Literal

from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.signing import UrlRequest, check_expiry
from audiostore.stores.headers import content_disposition
from audiostore.values import BlobInfo


def signed_url(
    client: Client,
    blob: BlobInfo,
    *,
    now: datetime,
    expires_s: int,
    download_as: str | None,
    method: Literal["GET", "HEAD"],
) -> str:
    """Return a signed URL of one generation of an object (see `StoreAdmin.signed_url`).

    It grants what the signing account may do at the time of use; nothing is checked now.
    """
    check_expiry(expires_s)
    query = {"generation": str(blob.generation)}
    if download_as is not None:
        disposition = content_disposition(download_as, kind="attachment")
        query["response-content-disposition"] = disposition
    if client.user_project is not None:
        query["userProject"] = client.user_project
    signer = client.authentication.signer()
    request = UrlRequest(
        method=method,
        endpoint=client.endpoint,
        bucket=client.bucket,
        name=client.full_name(blob.name),
        signer=signer.email,
        signed_at=now,
        expires_s=expires_s,
        query=query,
    )
    return request.url(signer.sign(request.string_to_sign.encode()))
