"""How connections are made: options, libcurl's settings for a transfer, and its errors."""

import re

from audiostore.dataclass import dataclass
from audiostore.errors import (
    StoreConnectionError,
    StoreTimeoutError,
    StoreTlsError,
    server_text,
)
from audiostore.patterns import pattern
from audiostore.stores.gcs.libcurl import pycurl
from audiostore.stores.gcs.transfers import Transfer

_UPLOAD_BUFFER_BYTES = 1 << 20
_RECEIVE_BUFFER_BYTES = 1 << 18

# curl.se/libcurl/c/libcurl-errors.html
_UNTRUSTED = frozenset(
    {
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_CRL_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_INVALIDCERTSTATUS,
    }
)
# A handshake that fails, and one that is cut off or damaged on the way, have the same code.
_DISTURBED = pattern(
    "unexpected eof|bad record mac|decryption failed|internal error", re.IGNORECASE
)
# In TLS 1.3 a server looks at the client after the handshake.
_REJECTED = pattern("alert .*(certificate|unknown ca|access denied)")


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How connections are made and watched."""

    ca_bundle: str | None = None
    """File of trusted certificates; certifi's if None."""
    connect_timeout_s: float = 20.0
    stall_timeout_s: float = 60.0
    """A transfer fails when no byte has moved for that long."""
    response_timeout_s: float = 120.0
    """A response that is not the content of an object must be complete so long after its request
    was sent. The transfer of content has no such limit."""
    max_connections: int = 256


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
    if not _is_untrusted(code, message):
        return StoreConnectionError(text)
    error = StoreTlsError(text)
    if code == pycurl.E_SSL_CACERT_BADFILE:
        error.add_note("correct the name of the file with the trusted certificates")
    else:
        error.add_note(
            "check the clock of this machine; if a proxy inspects the traffic, name the file with "
            "its certificate in SSL_CERT_FILE"
        )
    return error


def _is_untrusted(code: int, message: str) -> bool:
    """Say whether trying again would fail in the same way."""
    if code in _UNTRUSTED:
        return True
    if code == pycurl.E_SSL_CONNECT_ERROR:
        return "SSL routines" in message and not _DISTURBED.search(message)
    return code in (pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR) and bool(_REJECTED.search(message))


def describe_failure(transfer: Transfer, reason: str) -> str:
    """Say what failed; without the path, which may hold the secret of an upload session."""
    return f"{transfer.request.method} to {transfer.request.host}: {reason}"


def certifi_bundle() -> str:
    """Return the file of trusted certificates that the package certifi brings."""
    import certifi  # noqa: PLC0415  (only where the environment names no bundle)

    return certifi.where()
