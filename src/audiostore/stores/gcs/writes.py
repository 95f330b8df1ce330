"""Writes many small objects from one thread, which inspects the next ones meanwhile.

A request handed to another thread, and its response handed back, cost more processor time than the
request itself. Here nothing is handed over, and nothing is repeated: the caller looks at each
error, and writes the object again in the careful way.
"""

from contextlib import ExitStack

from audiostore.lazyproperty import lazy_property
from audiostore.sources import Source
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.sessions import SessionsInMemory
from audiostore.stores.gcs.transfer_loop import TransferLoop
from audiostore.stores.gcs.transfers import Transfer
from audiostore.stores.gcs.upload import ONE_REQUEST_BYTES, Upload
from audiostore.stores.protocol import BlobSpec, TransferListener
from audiostore.values import BlobInfo


class GcsWrites:
    """Objects that are being written (see `ConcurrentWrites`)."""

    max_bytes = ONE_REQUEST_BYTES

    def __init__(self, client: Client, options: ConnectionOptions) -> None:
        """Open nothing yet: a process that is forked before the first write has its own."""
        self._client = client
        self._options = options
        self._ended: list[_Write] = []

    def begin(
        self,
        key: int,
        spec: BlobSpec,
        source: Source,
        on_transfer: TransferListener | None = None,
    ) -> None:
        """Start writing a new object (see `ConcurrentWrites.begin`)."""
        if source.size_bytes > self.max_bytes:
            raise ValueError(f"{spec.name} has more than the {self.max_bytes} bytes of one request")
        upload = Upload(self._client, SessionsInMemory(), spec, source, 0, on_transfer)
        with ExitStack() as stack:
            headers, body = stack.enter_context(upload.one_request())
            request = self._client.signed("POST", upload.url, headers, body=body)
            write = _Write(key, upload, stack.pop_all(), Transfer(self._client.transport, request))
        write.transfer.on_end = lambda: self._ended.append(write)
        self._loop.begin(write.transfer)

    def turn(self, timeout_s: float) -> list[tuple[int, BlobInfo | Exception]]:
        """Let all writes go on (see `ConcurrentWrites.turn`)."""
        if not self._ended:
            own_s = self._loop.timeout_s
            self._loop.wait(timeout_s if own_s is None else min(own_s, timeout_s))
        self._loop.go_on()
        ended, self._ended = self._ended, []
        return [(write.key, write.outcome()) for write in ended]

    def watch(self, descriptor: int) -> None:
        """Let `turn` return, too, when this can be read."""
        self._loop.watch(descriptor)

    @lazy_property
    def _loop(self) -> TransferLoop:
        return TransferLoop(self._options)


class _Write:
    """An object that is being written."""

    def __init__(self, key: int, upload: Upload, source: ExitStack, transfer: Transfer) -> None:
        self.key = key
        self.transfer = transfer
        self._upload = upload
        self._source = source
        """Closes what the body is read from."""

    def outcome(self) -> BlobInfo | Exception:
        """Return what was written, or why it may not have been. Asks the server nothing."""
        try:
            with self._source:
                return self._upload.written(self.transfer.result())
        except Exception as error:  # noqa: BLE001  (the caller looks at it)
            return error
