"""Deliberate faults of the server: for which requests, and which faults.

A matcher is a predicate over the head of a request; matchers combine with `&`, `|` and `~`.
A `Fault` describes what goes wrong; faults can be combined (`Fault(stall=0.1, lose="rst")`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal


class Head:
    """What a matcher sees of a request.

    `operation` is one of upload, session_start, session_chunk, session_status, session_cancel,
    stat, download, list, patch, delete, rewrite, restore, bucket_get, bucket_create, bucket_lock,
    bucket_patch, permissions, token, sign_blob, xml (a read by a signed URL), preflight, other.
    `name` is the object's name, from the path, the query, the JSON or the session. `last` is true
    for the chunk that completes a session.
    """

    def __init__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        operation: str = "other",
        last: bool = False,
        name: Callable[[], str] = str,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.operation = operation
        self.last = last
        self._find_name = name
        self._name: str | None = None

    @property
    def name(self) -> str:
        """The object's name, "" if the request has none."""
        if self._name is None:
            self._name = self._find_name()
        return self._name

    def found_name(self, name: str) -> None:
        """Set the name, once enough of the request was read."""
        self._name = name

    @property
    def known_name(self) -> str:
        """The name if it is known without reading further."""
        return self._name or ""


class Matcher:
    """A predicate over a `Head`."""

    def __init__(self, test: Callable[[Head], bool]) -> None:
        self._test = test

    def __call__(self, head: Head) -> bool:
        return self._test(head)

    def __and__(self, other: Callable[[Head], bool]) -> Matcher:
        return Matcher(lambda head: self(head) and other(head))

    def __or__(self, other: Callable[[Head], bool]) -> Matcher:
        return Matcher(lambda head: self(head) or other(head))

    def __invert__(self) -> Matcher:
        return Matcher(lambda head: not self(head))


def operation(*names: str) -> Matcher:
    """Match requests of these operations."""
    return Matcher(lambda head: head.operation in names)


def named(part: str) -> Matcher:
    """Match requests on an object whose name contains `part`."""
    return Matcher(lambda head: part in head.name)


any_request = Matcher(lambda _head: True)
session_start = operation("session_start")
session_chunk = operation("session_chunk")
last_chunk = session_chunk & (lambda head: head.last)
status_query = operation("session_status")
any_upload = operation("upload", "session_start", "session_chunk")
simple_upload = operation("upload")
download = operation("download")
listing = operation("list")
delete = operation("delete")
patch = operation("patch")
stat = operation("stat")
rewrite = operation("rewrite")
restore = operation("restore")
bucket_patch = operation("bucket_patch")
sign_blob = operation("sign_blob")
signed_read = operation("xml")
token = operation("token")


def upload_of(part: str) -> Matcher:
    """Match requests that start or carry an upload of an object whose name contains `part`."""
    return any_upload & named(part)


Mangle = Callable[[int, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]


@dataclass(frozen=True)
class Fault:
    """The faults of one request. Fields that are not set have no effect.

    - `status`, `headers`, `body`: send this response instead of handling; `read_body`: whether the
      body is read first (if not, the connection closes after the response).
    - `reset_after`: reset (RST) once this many bytes of the body were received; 0: before any.
    - `stall` seconds before handling, `stall_after` seconds between handling and responding.
    - `lose`: handle, then send nothing: end with an RST ("rst") or a clean close ("close").
    - `truncate`: send only this many bytes of the response's body, then close; `flip_response`:
      flip a bit of that byte of it.
    - `flip_request`: flip a bit of that byte of the request's body, as if in transit.
    - `accept`: persist only this many bytes of the chunk (a multiple of 256 KiB), and
      respond with 308.
    - `expire`: expire the session at that moment, and respond with 404 or 410.
    - `rate`: read the request and send the response at this many bytes per second.
    - `mangle`: handle, then send what this function makes of the response (its status, headers and
      body), as a broken proxy or a hostile server would.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    read_body: bool = True
    reset_after: int | None = None
    stall: float = 0.0
    stall_after: float = 0.0
    lose: Literal["rst", "close"] | None = None
    truncate: int | None = None
    flip_request: int | None = None
    flip_response: int | None = None
    accept: int | None = None
    expire: int | None = None
    rate: float | None = None
    mangle: Mangle | None = None

    def __post_init__(self) -> None:
        if self.accept is not None and self.accept % (256 * 1024):
            raise ValueError(f"accept={self.accept} is not a multiple of 256 KiB")
        if self.expire not in (None, 404, 410):
            raise ValueError(f"expire={self.expire} is neither 404 nor 410")


def respond(
    status: int,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | Mapping[str, object] | None = None,
    *,
    read_body: bool = True,
) -> Fault:
    """Send this response instead of handling; without `body`, an error in the service's JSON."""
    if isinstance(body, Mapping):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    return Fault(status=status, headers=dict(headers or {}), body=raw, read_body=read_body)


def reset(after: int = 0) -> Fault:
    """Reset (RST) after this many bytes of the body; 0 is before reading any."""
    return Fault(reset_after=after)


def lose_response(how: Literal["rst", "close"] = "rst") -> Fault:
    """Handle the request, then send no response."""
    return Fault(lose=how)


def stall(seconds: float) -> Fault:
    """Wait before handling."""
    return Fault(stall=seconds)


def stall_after(seconds: float) -> Fault:
    """Wait after handling, before responding."""
    return Fault(stall_after=seconds)


def truncate_response(after: int) -> Fault:
    """Send only the first bytes of the response's body."""
    return Fault(truncate=after)


def flip_request(offset: int) -> Fault:
    """Change one byte of the request's body."""
    return Fault(flip_request=offset)


def flip_response(offset: int) -> Fault:
    """Change one byte of the response's body."""
    return Fault(flip_response=offset)


def accept_only(size: int) -> Fault:
    """Persist only this many bytes of a chunk."""
    return Fault(accept=size)


def expire(status: int = 410) -> Fault:
    """Expire the session."""
    return Fault(expire=status)


def throttle(bytes_per_second: float) -> Fault:
    """Read and send slowly."""
    return Fault(rate=bytes_per_second)


def mangle(how: Mangle) -> Fault:
    """Handle the request, and send another response."""
    return Fault(mangle=how)


def replace_body(body: bytes) -> Fault:
    """Handle the request, and send another body, as JSON."""
    return mangle(lambda status, headers, _: (status, headers, body))


class Rule:
    """One active rule: `matched` and `fired` count, `cancel` ends it."""

    def __init__(
        self, when: Callable[[Head], bool], fault: Fault, times: int | None, after: int
    ) -> None:
        self._when = when
        self.fault = fault
        self._times = times
        self._after = after
        self.matched = 0
        self.fired = 0

    def cancel(self) -> None:
        """Never fire again."""
        self._times = self.fired

    def matches(self, head: Head) -> bool:
        """Return whether the rule is about this request; may read ahead for the object's name."""
        return self._when(head)

    def consider(self, *, free: bool) -> bool:
        """Count a request that matches; return whether the rule fires, only if `free`."""
        if self._times is not None and self.fired >= self._times:
            return False
        self.matched += 1
        if not free or self.matched <= self._after:
            return False
        self.fired += 1
        return True


class Faults:
    """All rules, oldest first; the first that is due decides about a request."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = Lock()

    def add(
        self, when: Callable[[Head], bool], fault: Fault, times: int | None, after: int
    ) -> Rule:
        """Add a rule."""
        rule = Rule(when, fault, times, after)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """End every rule."""
        with self._lock:
            self._rules.clear()

    def pick(self, head: Head) -> Fault:
        """Return the faults of this request, usually none."""
        with self._lock:
            rules = list(self._rules)
        matching = [rule for rule in rules if rule.matches(head)]
        chosen: Fault | None = None
        with self._lock:
            for rule in matching:
                if rule.consider(free=chosen is None):
                    chosen = rule.fault
        return chosen or NOTHING


NOTHING = Fault()
