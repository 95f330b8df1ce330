"""The strict server: a listening socket, its threads, and the interface for tests."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from threading import Event, Lock, Thread, current_thread
from types import TracebackType
from typing import Any, cast

from .accounts import Accounts, ServiceAccount
from .app import App, Settings
from .auth import Auth
from .billing import Billing
from .bucket_api import BucketApi
from .buckets import bucket_json
from .connection import Connection, Recorder, Request, Shared
from .encryption import DEFAULT, Encryption, Keys
from .faults import Fault, Faults, Head, Rule
from .folders import FolderApi
from .lifecycle import Verdict
from .objects import Preconditions, StoredObject
from .resources import check_name, inserted
from .rewrites import Rewrites
from .sessions import Session
from .state import State
from .uploads import Uploads
from .xml_api import XmlApi

Hook = Callable[[Request], object]


class StrictServer:
    """Serves the JSON API of Google Cloud Storage on 127.0.0.1, strictly, and records all requests.

    The constructor starts it; `close`, or leaving the `with` block, stops it. A body is never in
    memory as a whole: it is kept in a temporary directory, or with `discard` not at all.

    `bucket_settings` are fields of the bucket resource that every bucket has from the start.
    Without them soft delete is off; `AS_NEW` has the defaults of the service for a new bucket: 7
    days of soft delete. Callers have the `permissions` (None: all) that are not `denied`.
    """

    def __init__(
        self,
        *buckets: str,
        port: int = 0,
        tokens: Iterable[str] | None = None,
        denied: Iterable[str] = (),
        page_size: int | None = None,
        rewrite_step: int | None = None,
        discard: bool = False,
        validate_checksums: bool = True,
        directory: Path | None = None,
        bucket_settings: Mapping[str, Any] | None = None,
        permissions: Iterable[str] | None = None,
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="gcs-server-", dir=directory)
        self.state = State(
            Path(self._directory.name),
            buckets or ("bucket",),
            discard=discard,
            validate_checksums=validate_checksums,
            bucket_settings=bucket_settings,
        )
        self.auth = Auth(tokens, denied, permissions)
        self.accounts = Accounts()
        self.settings = Settings(page_size, rewrite_step)
        self.billing = Billing(self.state)
        self._uploads = Uploads(self.state, lambda: self.auth.may("storage.objects.delete"))
        app = App(
            self.state,
            self.auth,
            self._uploads,
            self.settings,
            Rewrites(self.state, self.auth),
            BucketApi(self.state, self.auth),
            XmlApi(self.state, self.auth, self.accounts),
            self.billing,
            FolderApi(self.state),
        )
        self._shared = Shared(app, Faults(), Recorder(), Event())
        self._lock = Lock()
        self._live: dict[Thread, socket.socket] = {}
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self._acceptor = Thread(target=self._accept, name="gcs-accept", daemon=True)
        self._acceptor.start()

    # -- control -------------------------------------------------------------------------------

    def fault(
        self,
        when: Callable[[Head], bool],
        action: Fault,
        times: int | None = 1,
        after: int = 0,
    ) -> Rule:
        """Apply `action` to matching requests, `times` times, starting `after` this many matches.

        The oldest rule that is due decides; the rule counts how often it `matched` and `fired`.
        """
        return self._shared.faults.add(when, action, times, after)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._shared.faults.clear()

    def expire_sessions(self, status: int = 410) -> None:
        """Make every unfinished session return 410 (or 404) from now on."""
        self._uploads.expire(status)

    def put(self, bucket: str, name: str, data: bytes, **fields: Any) -> StoredObject:
        """Store an object without a request; `fields` by their JSON names, and `encryption`."""
        encryption = fields.pop("encryption", DEFAULT)
        checked = inserted({"contentType": "application/octet-stream", **fields})
        writer = self.state.writer()
        writer.write(data)
        return self.state.store(
            bucket,
            check_name(name),
            writer.finish(),
            checked,
            Preconditions(),
            encryption=encryption,
        )

    def encrypt(self, bucket: str, encryption: Encryption | None, name: str = "") -> None:
        """Have the objects of a name, or all, as if they had been stored under this key."""
        self.state.encrypt(bucket, encryption, name)

    def remove(self, bucket: str, name: str) -> None:
        """Delete an object without a request."""
        self.state.delete(bucket, name, None, Preconditions())

    def configure(self, bucket: str, **settings: Any) -> None:
        """Patch the settings of a bucket without a request, by their JSON names."""
        self.state.patch_bucket(bucket, settings, Preconditions())

    def stop_clock(self) -> None:
        """Stop the clock; only `advance` moves it from now on."""
        self.state.clock.stop()

    def advance(self, seconds: float) -> None:
        """Move the server's clock ahead; soft-deleted objects whose time is over are removed."""
        self.state.clock.advance(seconds)

    def run_lifecycle(self, bucket: str | None = None) -> list[tuple[StoredObject, Verdict]]:
        """Apply the lifecycle rules of a bucket (or of all) once; return the objects and actions.

        A deleted object is returned as it was, a reclassified one with its new class.
        """
        buckets = self.state.bucket_names() if bucket is None else [bucket]
        return [done for name in buckets for done in self.state.run_lifecycle(name)]

    def service_account(self, email: str, private_key_pem: str | None = None) -> ServiceAccount:
        """Create a service account, with a new key or the given one; it can sign URLs at once."""
        return self.accounts.add(email, private_key_pem)

    @property
    def keys(self) -> Keys:
        """The Cloud KMS keys that are disabled or denied; can be changed in place."""
        return self.state.keys

    @property
    def tokens(self) -> set[str] | None:
        """The valid bearer tokens (None: no authentication); can be changed in place."""
        return self.auth.tokens

    @tokens.setter
    def tokens(self, tokens: Iterable[str] | None) -> None:
        with self.auth.lock:
            self.auth.tokens = None if tokens is None else set(tokens)

    @property
    def denied(self) -> set[str]:
        """The permissions that no caller has; can be changed in place."""
        return self.auth.denied

    @property
    def permissions(self) -> set[str] | None:
        """The permissions that callers have (None: all); can be changed in place."""
        return self.auth.granted

    @permissions.setter
    def permissions(self, permissions: Iterable[str] | None) -> None:
        with self.auth.lock:
            self.auth.granted = None if permissions is None else set(permissions)

    @property
    def on_request(self) -> Hook | None:
        """A hook called when a request's head was received, before anything else."""
        return self._shared.on_request

    @on_request.setter
    def on_request(self, hook: Hook | None) -> None:
        self._shared.on_request = hook

    @property
    def on_response(self) -> Hook | None:
        """A hook called just before a response is sent (or lost), after the state changed."""
        return self._shared.on_response

    @on_response.setter
    def on_response(self, hook: Hook | None) -> None:
        self._shared.on_response = hook

    # -- inspection ----------------------------------------------------------------------------

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order."""
        return self._shared.recorder.all()

    def object(self, bucket: str, name: str) -> StoredObject | None:
        """Return the live object."""
        return self.state.find(bucket, name)

    def objects(self, bucket: str) -> list[StoredObject]:
        """Return the live objects in order of names."""
        return self.state.objects(bucket)

    def noncurrent(self, bucket: str, name: str) -> list[StoredObject]:
        """Return the noncurrent generations of a name, oldest first."""
        return list(self.state.bucket(bucket).noncurrent.get(name, ()))

    def soft_deleted(self, bucket: str, name: str) -> list[StoredObject]:
        """Return the soft-deleted generations of a name, oldest first."""
        return list(self.state.bucket(bucket).deleted.get(name, ()))

    def folders(self, bucket: str) -> list[str]:
        """Return the names of the folders of a bucket with a hierarchical namespace, in order."""
        return sorted(self.state.bucket(bucket).folders)

    def bucket(self, name: str) -> dict[str, Any]:
        """Return the resource of a bucket, as GET does."""
        return bucket_json(self.state.bucket(name), self.url)

    def now(self) -> datetime:
        """Return the time of the server's clock."""
        return self.state.clock.now()

    def read(self, bucket: str, name: str) -> bytes:
        """Return the bytes of the live object; KeyError if it does not exist."""
        with self.state.lock:
            record = self.state.find(bucket, name)
            if record is None:
                raise KeyError(f"{bucket}/{name}")
            stream = self.state.open(record)
        with stream:
            return cast("bytes", stream.read())

    def generations(self, bucket: str, name: str) -> list[int]:
        """Return every generation ever finalized (or put) under this name."""
        return self.state.generations(bucket, name)

    def sessions(self) -> list[Session]:
        """Return every resumable session: upload_id, name, persisted, received, result, failure."""
        return self._uploads.all()

    @property
    def bytes_received(self) -> dict[str, int]:
        """How many bytes the chunks of each session carried, by upload_id."""
        return {session.upload_id: session.received for session in self._uploads.all()}

    # -- running -------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop: connections and stalls end at once, and the bytes are removed."""
        if self._shared.closing.is_set():
            return
        self._shared.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5)
        with self._lock:
            live = dict(self._live)
        for sock in live.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in live:
            thread.join(5)
        for session in self._uploads.all():
            session.discard()
        self._directory.cleanup()

    def __enter__(self) -> StrictServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._shared.closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = Thread(target=self._serve, args=(sock,), name="gcs-client", daemon=True)
            with self._lock:
                self.connections += 1
                self._live[thread] = sock
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            Connection(self._shared, sock).run()
        finally:
            with self._lock:
                self._live.pop(current_thread(), None)
