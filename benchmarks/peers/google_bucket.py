"""A google-cloud-storage bucket on the benchmark server, with a connection for each thread."""

import google.auth.transport.requests
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Bucket, Client
from requests.adapters import HTTPAdapter

from benchmarks.peers.job import Job


def open_bucket(job: Job, *, connections: int) -> Bucket:
    """Return the bucket; its client keeps up to `connections` connections open."""
    client = Client(
        project="bench",
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=job.endpoint),
    )
    session: google.auth.transport.requests.AuthorizedSession = client._http
    session.mount("https://", HTTPAdapter(pool_maxsize=connections))
    return client.bucket(job.bucket)
