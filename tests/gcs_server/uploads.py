"""The resumable protocol: starting, continuing, querying, completing and ending sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from .encryption import Chosen
from .errors import ApiError, invalid
from .faults import Fault
from .objects import Json, Preconditions, StoredObject
from .resources import hashes_of
from .routing import ContentRange, Route, content_range
from .sessions import QUANTUM, Session, cancelled, gone
from .state import State
from .wire import Body, Response

_LIFETIME = timedelta(days=7)

Outcome = tuple[Response, StoredObject | None]


class Uploads:
    """All sessions of the service."""

    def __init__(self, state: State, may_overwrite: Callable[[], bool]) -> None:
        self._state = state
        self._may_overwrite = may_overwrite
        self._sessions: dict[str, Session] = {}
        self._ends: dict[str, datetime] = {}
        self._lock = Lock()

    def start(
        self,
        bucket: str,
        name: str,
        fields: Json,
        conditions: Preconditions,
        total: int | None,
        encryption: Chosen,
        origin: str | None = None,
    ) -> Session:
        """Open a session."""
        session = Session(
            bucket, name, fields, conditions, total, self._state.writer(), encryption, origin
        )
        with self._lock:
            self._sessions[session.upload_id] = session
            self._ends[session.upload_id] = self._state.clock.now() + _LIFETIME
        return session

    def find(self, upload_id: str) -> Session | None:
        """Return a session; an unfinished one expires after a week.

        https://cloud.google.com/storage/docs/resumable-uploads
        """
        with self._lock:
            found = self._sessions.get(upload_id)
            over = found is not None and self._state.clock.now() >= self._ends[upload_id]
        if found is not None and over:
            found.kill(gone(410))
        return found

    def cors(self, route: Route) -> dict[str, str]:
        """Return the CORS headers of every response of a session that a web page uses.

        They are for the origin of the request that opened it, whatever that of later ones is
        (cloud.google.com/storage/docs/cross-origin); without one, a page cannot read how the
        session ends (googleapis/google-cloud-python#1240, googleapis/google-cloud-dotnet#2755).
        """
        upload_id = route.query.get("upload_id")
        session = self.find(upload_id) if upload_id else None
        if session is None or session.origin is None:
            return {}
        return {
            "Access-Control-Allow-Origin": session.origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Content-Length, Content-Type, Date, Range, Server, "
            "X-GUploader-UploadID",
            "Vary": "Origin",
        }

    def preflight(self, route: Route, headers: dict[str, str]) -> Response:
        """Answer what a browser asks before a page's request that is not a simple one."""
        found = self.cors(route)
        if not found or headers.get("origin") != found["Access-Control-Allow-Origin"]:
            return Response(200)
        return Response(
            200,
            {
                "Access-Control-Allow-Methods": "DELETE,GET,PATCH,POST,PUT",
                "Access-Control-Allow-Headers": headers.get("access-control-request-headers", ""),
                "Access-Control-Max-Age": "3600",
            },
        )

    def all(self) -> list[Session]:
        """Return every session ever opened, in order."""
        with self._lock:
            return list(self._sessions.values())

    def expire(self, status: int) -> None:
        """Expire all unfinished sessions."""
        for session in self.all():
            session.kill(gone(status))

    def handle(self, route: Route, headers: dict[str, str], body: Body, fault: Fault) -> Outcome:
        """Serve a PUT or DELETE on a session: a response, or the object when it is complete."""
        session = self.find(route.query["upload_id"])
        if session is None or session.bucket != route.bucket:
            raise ApiError(404, "notFound", "Not Found", plain=True)
        if fault.expire is not None:
            session.kill(gone(fault.expire))
        if session.failure is not None:
            raise session.failure
        if route.operation == "session_cancel":
            session.kill(cancelled())
            if session.result is not None:
                raise ApiError(404, "notFound", "Not Found", plain=True)
            raise cancelled()
        if route.operation == "session_status":
            return self._status(session, headers, body)
        return self._chunk(session, headers, body, fault)

    def _status(self, session: Session, headers: dict[str, str], body: Body) -> Outcome:
        wanted = content_range(headers["content-range"])
        if body.read():
            raise invalid("A status query has no body.", "badRequest")
        session.wait_until_idle()
        if session.failure is not None:
            raise session.failure
        if session.result is not None:
            return Response(200), session.result
        _check_total(session, wanted.total)
        if wanted.total is not None and wanted.total == session.persisted:
            epoch = session.begin()
            try:
                if session.complete(epoch, wanted.total):
                    return self._finish(session, epoch, headers)
            finally:
                session.end(epoch)
        return _incomplete(session, headers), None

    def _chunk(
        self, session: Session, headers: dict[str, str], body: Body, fault: Fault
    ) -> Outcome:
        text = headers.get("content-range")
        wanted = None if text is None else content_range(text)
        epoch = session.begin()
        try:
            if session.result is not None:
                body.drain()
                return Response(200), session.result
            first, total = _checked(session, wanted, body)
            received, limit = self._take(session, epoch, first, body, fault)
            if wanted is None:
                total = received
                if session.total not in (None, total):
                    raise _wrong_size(session, total)
            elif received != wanted.end - first:
                raise invalid("The body is not as long as its Content-Range says.", "badRequest")
            if limit is None and total is not None and session.complete(epoch, total):
                return self._finish(session, epoch, headers)
        finally:
            session.end(epoch)
        return _incomplete(session, headers), None

    def _take(
        self, session: Session, epoch: int, first: int, body: Body, fault: Fault
    ) -> tuple[int, int | None]:
        """Append what the session does not have yet; return how much came, and any limit."""
        skip = session.persisted - first
        limit = None if fault.accept is None else fault.accept + max(skip, 0)
        received = 0
        while piece := body.read():
            start, received = received, received + len(piece)
            session.received += len(piece)
            fresh = piece if skip <= start else piece[skip - start :]
            if limit is not None and received > limit:
                fresh = fresh[: max(len(fresh) - (received - limit), 0)]
            if fresh:
                session.append(epoch, fresh)
        return received, limit if limit is not None and received > limit else None

    def _finish(self, session: Session, epoch: int, headers: dict[str, str]) -> Outcome:
        session.fields.update(hashes_of(headers))
        record = session.finish(epoch, self._state, may_overwrite=self._may_overwrite())
        return Response(200), record


def _checked(session: Session, wanted: ContentRange | None, body: Body) -> tuple[int, int | None]:
    """Check the position of a chunk before its bytes are read; return its start and the total."""
    if wanted is None or wanted.first is None:
        return 0, None
    size = wanted.end - wanted.first
    if body.length is not None and body.length != size:
        raise invalid(
            f"Content-Length {body.length} does not match the {size} bytes of the Content-Range.",
            "badRequest",
        )
    _check_total(session, wanted.total)
    if session.total is not None and wanted.end > session.total:
        raise _wrong_size(session, wanted.end)
    if wanted.first > session.persisted:
        raise ApiError(
            503,
            "backendError",
            "Invalid request.  According to the Content-Range header, the upload offset is "
            f"{wanted.first} byte(s), which exceeds already uploaded size of "
            f"{session.persisted} byte(s).",
            plain=True,
        )
    if wanted.total is not None:
        session.total = wanted.total
    if wanted.end != wanted.total and size % QUANTUM:
        raise ApiError(
            400,
            "badRequest",
            "Invalid request.  The number of bytes uploaded is required to be equal or greater "
            f"than {QUANTUM}, except for the final request (it's recommended to be the exact "
            f"multiple of {QUANTUM}).  The received request contained {size} bytes, which does "
            "not meet this requirement.",
            plain=True,
        )
    return wanted.first, wanted.total if wanted.end == wanted.total else None


def _check_total(session: Session, total: int | None) -> None:
    if total is None:
        return
    if session.total is not None and session.total != total:
        raise _wrong_size(session, total)


def _wrong_size(session: Session, total: int) -> ApiError:
    return invalid(
        f"Invalid request.  {total} byte(s) does not match the {session.total} byte(s) that the "
        "upload was started with.",
        "badRequest",
    )


def _incomplete(session: Session, headers: dict[str, str]) -> Response:
    progress = {"X-GUploader-UploadID": session.upload_id}
    if session.persisted:
        progress["Range"] = f"bytes=0-{session.persisted - 1}"
    if headers.get("x-guploader-no-308", "").lower() == "yes":
        progress["X-HTTP-Status-Code-Override"] = "308"
        return Response(200, progress)
    return Response(308, progress)
