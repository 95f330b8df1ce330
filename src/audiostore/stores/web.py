"""Fetches files from web servers: over https, resumed at the byte, compared with stated hashes.

No credentials, cookies or referrers are sent, and redirects lead to https only. So a URL from a
stranger reaches only servers that hold a certificate for the name in it: not a metadata service,
nor an address behind a name of the stranger's own.
"""

import re
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from audiostore.errors import (
    IntegrityError,
    InvalidSourceError,
    SourceNotFoundError,
    StoreConnectionError,
    shown,
)
from audiostore.files import NewFile
from audiostore.remotefiles import RemoteFile
from audiostore.retry import RETRYABLE_STATUS_CODES, Budget, Retry, RetryConfig, retry_operation
from audiostore.stores.webhashes import HASHES, Hash, stated_hashes

if TYPE_CHECKING:
    from audiostore.stores.gcs import ConnectionOptions
    from audiostore.stores.gcs.download import Pipe
    from audiostore.stores.gcs.messages import Response
    from audiostore.stores.gcs.transfers import Transfer
    from audiostore.stores.gcs.transport import Transport

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_GONE = frozenset({404, 410})
_PIECE_BYTES = 1 << 20
_DAMAGED_ROUNDS = 3
_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)")


class WebClient:
    """Fetches files over https. Safe to use from many threads."""

    def __init__(
        self,
        options: "ConnectionOptions",
        config: RetryConfig,
        *,
        on_retry: Callable[[Retry], None] | None = None,
        on_retries_ended: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect with the first request.

        Args:
            options: how connections are made.
            config: how often to try again; progress renews the attempts.
            on_retry: called before each repetition.
            on_retries_ended: called with the name of an operation that was repeated, when it has
                succeeded or is given up.
            sleep: waits that many seconds.
        """
        from audiostore.stores.gcs.transport import Transport  # noqa: PLC0415  (libcurl)

        self._transport = Transport(options)
        self._config = config
        self._on_retry = on_retry
        self._on_retries_ended = on_retries_ended
        self._sleep = sleep

    def fetch(self, remote: RemoteFile, file: NewFile, *, max_bytes: int) -> None:
        """Write a remote file to a local one.

        Raises:
            SourceNotFoundError: the server does not have it.
            InvalidSourceError: it is empty, or larger than `max_bytes`; the server refuses it, or
                does not say where it ends.
            IntegrityError: the bytes received never had the hash that the server states.
            StoreConnectionError, StoreTimeoutError, StoreTlsError: it could not be fetched.
            OSError: the file cannot be written.
        """
        operation = f"fetch {remote}"
        has_retried = False

        def report(retry: Retry) -> None:
            nonlocal has_retried
            has_retried = True
            if self._on_retry:
                self._on_retry(retry)

        try:
            self._fetch(operation, remote, file, max_bytes, report)
        finally:
            if has_retried and self._on_retries_ended:
                self._on_retries_ended(operation)

    def _fetch(
        self,
        operation: str,
        remote: RemoteFile,
        file: NewFile,
        max_bytes: int,
        report: Callable[[Retry], None],
    ) -> None:
        for attempt in count(1):
            file.clear()
            budget = Budget(self._config)
            fetch = _Fetch(self._transport, remote, file, max_bytes, budget.renew)
            retry_operation(
                fetch.go_on,
                self._config,
                operation,
                budget=budget,
                on_retry=report,
                sleep=self._sleep,
            )
            wrong = fetch.wrong_hash()
            if wrong is None:
                return
            error = IntegrityError(
                f"{remote} was received with another {wrong} than the server states: nothing was "
                "kept. Try again; if that repeats, the file on the server is damaged"
            )
            if attempt == _DAMAGED_ROUNDS:
                raise error
            report(Retry(operation, attempt, 0.0, error))

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()


class _Fetch:
    """One file that is being fetched, with as many requests as it takes."""

    def __init__(
        self,
        transport: "Transport",
        remote: RemoteFile,
        file: NewFile,
        max_bytes: int,
        on_progress: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._remote = remote
        self._file = file
        self._max_bytes = max_bytes
        self._on_progress = on_progress
        self._position = self._furthest = 0
        self._total: int | None = None
        self._validator = ""
        """Identifies these very bytes; "": the server has nothing that does."""
        self._stated: dict[str, bytes] = {}
        self._hashes: dict[str, Hash] = {}

    def go_on(self) -> None:
        """Fetch the rest of the file; after an error, call it again."""
        transfer, pipe = self._request()
        try:
            self._begin(transfer.response, transfer.head)
            while True:
                piece, is_drained = pipe.take(_PIECE_BYTES)
                if is_drained:
                    transfer.resume()
                if not piece:
                    break
                self._take(piece)
            transfer.result()  # raises what ended it early
        finally:
            transfer.cancel()
        if self._total not in (None, self._position):
            raise StoreConnectionError(
                f"{self._remote}: {self._position} bytes were received, not {self._total}"
            )
        if not self._position:
            raise InvalidSourceError(f"{self._remote} is empty: there is nothing to store")

    def wrong_hash(self) -> str | None:
        """Return the name of a hash that is not the stated one; None if all are right."""
        for name, stated in self._stated.items():
            if self._hashes[name].digest() != stated:
                return name
        return None

    def _request(self) -> "tuple[Transfer, Pipe]":
        from audiostore.stores.gcs.download import Pipe  # noqa: PLC0415
        from audiostore.stores.gcs.messages import Request  # noqa: PLC0415

        headers = {"Accept-Encoding": "identity", "User-Agent": "audiostore"}
        if self._position and self._validator:
            headers |= {"Range": f"bytes={self._position}-", "If-Range": self._validator}
        place = self._remote
        for _ in range(_MOST_REDIRECTS + 1):
            pipe = Pipe()
            transfer = self._transport.start(Request("GET", place.url, headers, None, pipe))
            try:
                pipe.wait()
                if transfer.response.status == 0:
                    transfer.result()  # raises why there was no response
                if transfer.response.status not in _REDIRECTS:
                    return transfer, pipe
                location = transfer.result().headers.get("location", "")
            except BaseException:
                transfer.cancel()
                raise
            place = self._redirected(place, location)
        raise InvalidSourceError(f"{self._remote} is redirected more than {_MOST_REDIRECTS} times")

    def _redirected(self, place: RemoteFile, location: str) -> RemoteFile:
        target = urljoin(place.url, location).partition("#")[0]
        if not target.startswith("https://"):
            raise InvalidSourceError(
                f"{self._remote} is redirected to {shown(target.partition('?')[0])}: only https is "
                "followed"
            )
        return RemoteFile(target)

    def _begin(self, response: "Response", head: Sequence[bytes]) -> None:
        """Look at the head of a response.

        Raises:
            SourceNotFoundError, InvalidSourceError: it is final.
            StoreConnectionError: another attempt may succeed.
        """
        if response.status in (206, 412, 416) and self._position:
            match = _RANGE.fullmatch(response.headers.get("content-range", ""))
            if (
                match
                and response.status == 206
                and int(match[1]) == self._position
                and match[2] in ("*", str(self._total))
                and _validator(response) == self._validator
            ):
                return
            self._start_again()
            raise StoreConnectionError(f"{self._remote} changed while it was fetched")
        if response.status != 200:
            raise self._refusal(response)
        self._start_again()
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.lower() not in ("identity", ""):
            raise InvalidSourceError(
                f"{self._remote} is sent with the encoding {shown(encoding)}, which was not asked "
                "for"
            )
        length = response.headers.get("content-length", "")
        self._total = int(length) if re.fullmatch(r"\d{1,19}", length, re.ASCII) else None
        self._validator = _validator(response)
        self._stated = dict(stated_hashes(head))
        self._hashes = {name: HASHES[name][1]() for name in self._stated}
        is_chunked = "chunked" in response.headers.get("transfer-encoding", "").lower()
        if self._total is None and not is_chunked and not self._stated:
            raise InvalidSourceError(
                f"{self._remote}: the server states neither length nor checksum, so a file that is "
                "cut off cannot be distinguished from a whole one"
            )
        if self._total is not None:
            self._require_size(self._total)

    def _refusal(self, response: "Response") -> Exception:
        status = response.status
        if status in _GONE:
            return SourceNotFoundError(f"no file at {self._remote}", status=status)
        text = f"{self._remote}: the server responds with status {status}"
        if status not in RETRYABLE_STATUS_CODES:
            return InvalidSourceError(text, status=status)
        error = StoreConnectionError(text, status=status)
        error.__dict__["response"] = response  # it may say when to try again
        return error

    def _start_again(self) -> None:
        self._file.clear()
        self._position = 0
        self._total = None

    def _take(self, piece: bytes) -> None:
        self._require_size(self._position + len(piece))
        self._file.write(piece)
        for each in self._hashes.values():
            each.update(piece)
        self._position += len(piece)
        if self._position > self._furthest:
            self._furthest = self._position
            self._on_progress()

    def _require_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise InvalidSourceError(
                f"{self._remote} has {size_bytes:,} bytes or more: the limit is "
                f"{self._max_bytes:,}; pass a larger max_size_bytes to store it"
            )


def _validator(response: "Response") -> str:
    """Return what If-Range takes (RFC 9110, section 13.1.5): a strong ETag, else a date."""
    tag = response.headers.get("etag", "")
    if tag.startswith('"'):
        return tag
    return response.headers.get("last-modified", "")
