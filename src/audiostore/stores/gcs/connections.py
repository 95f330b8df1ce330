"""How connections are made: options, libcurl's settings for a transfer, and its errors."""

from dataclasses import dataclass

import pycurl

from audiostore.errors import StoreConnectionError, StoreTimeoutError, server_text
from audiostore.stores.gcs.transfers import Transfer

_UPLOAD_BUFFER_BYTES = 1 << 20
_RECEIVE_BUFFER_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How connections are made and watched."""

    ca_bundle: str | None = None
    """File of trusted certificates; certifi's if None."""
    connect_timeout_s: float = 20.0
    stall_timeout_s: float = 60.0
    """A transfer fails when no byte has moved for that long; its whole duration has no limit."""
    max_connections: int = 64


def configure(
    handle: pycurl.Curl, transfer: Transfer, options: ConnectionOptions, ca_bundle: str
) -> None:
    """Set a handle up for a transfer."""
    request = transfer.request
    handle.setopt(pycurl.URL, request.url)
    handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    handle.setopt(pycurl.FOLLOWLOCATION, 0)
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.CAINFO, ca_bundle)
    handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(options.connect_timeout_s * 1000))
    handle.setopt(pycurl.TCP_KEEPALIVE, 1)
    handle.setopt(pycurl.BUFFERSIZE, _RECEIVE_BUFFER_BYTES)
    handle.setopt(pycurl.HEADERFUNCTION, transfer.head.append)
    handle.setopt(pycurl.WRITEFUNCTION, transfer.on_write)
    headers = {"Expect": "", "Accept": "*/*", **request.headers}
    if request.body is not None:
        handle.setopt(pycurl.UPLOAD, 1)
        handle.setopt(pycurl.UPLOAD_BUFFERSIZE, _UPLOAD_BUFFER_BYTES)
        handle.setopt(pycurl.INFILESIZE_LARGE, request.body.size_bytes)
        handle.setopt(pycurl.READFUNCTION, transfer.on_read)
    elif request.method == "GET":
        handle.setopt(pycurl.HTTPGET, 1)
    handle.setopt(pycurl.CUSTOMREQUEST, request.method)
    lines = [f"{name}: {value}" if value else f"{name}:" for name, value in headers.items()]
    handle.setopt(pycurl.HTTPHEADER, lines)


def curl_error(transfer: Transfer, code: int, message: str) -> Exception:
    """Return the error for a transfer that libcurl gave up."""
    # The reason may quote the response.
    reason = server_text(message, *transfer.request.secrets) or "no reason given"
    text = describe_failure(transfer, f"{reason} (curl error {code})")
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return StoreTimeoutError(text)
    return StoreConnectionError(text)


def describe_failure(transfer: Transfer, reason: str) -> str:
    """Say what failed; without the path, which may hold the secret of an upload session."""
    return f"{transfer.request.method} to {transfer.request.host}: {reason}"


def certifi_bundle() -> str:
    """Return the file of trusted certificates that the package certifi brings."""
    import certifi  # noqa: PLC0415  (only where the environment names no bundle)

    return certifi.where()
