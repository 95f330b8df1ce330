"""Resumable upload sessions: what each has persisted, and who may append to it."""

from __future__ import annotations

import secrets
import time
from threading import Condition

from .blobs import BlobWriter
from .encryption import Chosen
from .errors import ApiError
from .objects import Json, Preconditions, StoredObject
from .state import State

QUANTUM = 256 * 1024
_PATIENCE = 0.25


class Session:
    """One session; it persists whole quanta, and the rest only when the upload is complete."""

    def __init__(
        self,
        bucket: str,
        name: str,
        fields: Json,
        conditions: Preconditions,
        total: int | None,
        writer: BlobWriter,
        encryption: Chosen,
        origin: str | None = None,
    ) -> None:
        self.origin = origin
        self.upload_id = secrets.token_urlsafe(48)
        self.bucket = bucket
        self.name = name
        self.fields = fields
        self.conditions = conditions
        self.total = total
        self.received = 0
        self.result: StoredObject | None = None
        self.failure: ApiError | None = None
        self._writer = writer
        self._encryption = encryption
        self._pending: list[bytes] = []
        self._held = 0
        self._epoch = 0
        self._busy = False
        self._changed = Condition()

    @property
    def persisted(self) -> int:
        """How many bytes the client need not send again."""
        return self._writer.size

    def wait_until_idle(self) -> None:
        """Wait briefly for a request in progress, whose connection may just have died."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, _PATIENCE)

    def begin(self) -> int:
        """Become the appending request; an earlier one still in progress loses its turn."""
        deadline = time.monotonic() + _PATIENCE
        with self._changed:
            while self._busy and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            self._epoch += 1
            self._busy = True
            self._drop_pending()
            return self._epoch

    def append(self, epoch: int, piece: bytes) -> None:
        """Append the next bytes."""
        with self._changed:
            self._mine(epoch)
            self._pending.append(piece)
            self._held += len(piece)
            if self._held >= QUANTUM:
                data = b"".join(self._pending) if len(self._pending) > 1 else self._pending[0]
                whole = len(data) // QUANTUM * QUANTUM
                self._writer.write(data if whole == len(data) else data[:whole])
                rest = data[whole:]
                self._pending = [rest] if rest else []
                self._held = len(rest)

    def finish(self, epoch: int, state: State, *, may_overwrite: bool) -> StoredObject:
        """Persist the rest and make the object visible; an error here ends the session."""
        with self._changed:
            self._mine(epoch)
            if self._pending:
                self._writer.write(b"".join(self._pending))
                self._drop_pending()
            blob = self._writer.finish()
            try:
                self.result = state.store(
                    self.bucket,
                    self.name,
                    blob,
                    self.fields,
                    self.conditions,
                    may_overwrite=may_overwrite,
                    encryption=self._encryption,
                )
            except ApiError as refusal:
                self.failure = refusal
                blob.remove()
                raise
            return self.result

    def complete(self, epoch: int, total: int) -> bool:
        """Return whether all `total` bytes were received."""
        with self._changed:
            self._mine(epoch)
            return self.persisted + self._held == total

    def end(self, epoch: int) -> None:
        """Stop appending; an incomplete quantum is lost."""
        with self._changed:
            if epoch == self._epoch:
                self._busy = False
                self._drop_pending()
                self._changed.notify_all()

    def kill(self, failure: ApiError) -> None:
        """End the session: cancelled or expired. A finished one stays finished."""
        with self._changed:
            if self.failure is None and self.result is None:
                self.failure = failure
                self._epoch += 1
                self._busy = False
                self._drop_pending()
                self._writer.abort()
                self._changed.notify_all()

    def discard(self) -> None:
        """Release the resources of an unfinished session."""
        with self._changed:
            self._writer.abort()

    def _mine(self, epoch: int) -> None:
        if self.failure is not None:
            raise self.failure
        if epoch != self._epoch:
            raise ApiError(
                503,
                "backendError",
                "Invalid request.  The upload was continued by another request than this earlier "
                "request.",
                plain=True,
            )

    def _drop_pending(self) -> None:
        self._pending = []
        self._held = 0


def gone(status: int) -> ApiError:
    """Return the error for an expired session."""
    if status == 404:
        return ApiError(404, "notFound", "Not Found", plain=True)
    return ApiError(status, "gone", "The upload session expired; start a new one.", plain=True)


def cancelled() -> ApiError:
    """Return the error for a deleted session."""
    return ApiError(499, "clientClosedRequest", "")
