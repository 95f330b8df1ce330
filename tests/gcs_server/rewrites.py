"""Rewrites: copies within the service, in one call or in several.

https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from threading import Lock

from . import resources
from .auth import Auth
from .calls import JSON_LIMIT, Call, demand_json
from .encryption import Chosen, named
from .errors import ApiError, invalid, no_object
from .objects import Json, Preconditions, StoredObject
from .resources import check_name
from .routing import Route
from .state import State

_MIB = 1024 * 1024
_STAYS_BEHIND = ("eventBasedHold", "retention", "storageClass", "temporaryHold")


@dataclass
class Progress:
    """A rewrite in progress: source, target, metadata and progress."""

    source: StoredObject
    target: tuple[str, str]
    fields: Json | None
    encryption: Chosen
    done: int = 0


@dataclass(frozen=True)
class Outcome:
    """The result of one call: a token to continue with, or the new object."""

    progress: Progress
    token: str | None = None
    made: StoredObject | None = None


@dataclass
class Rewrites:
    """All unfinished rewrites of the service."""

    state: State
    auth: Auth
    _under_way: dict[str, Progress] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def go_on(self, call: Call, step: int | None) -> Outcome:
        """Copy all, or at most `step` bytes; the last call makes the new generation.

        The body's metadata replaces the source's. Without a body, the source's metadata is copied
        except holds, retention and class (the bucket's default applies). That these are not
        copied is unverified.
        """
        route = call.route
        name = check_name(route.to_name)
        raw = call.body.all(JSON_LIMIT)
        if raw:
            demand_json(call)
        given = resources.inserted(resources.parse_json(raw))
        given.pop("name", None)
        per_call = route.number("maxBytesRewrittenPerCall")
        if per_call is not None and (per_call == 0 or per_call % _MIB):
            raise invalid("maxBytesRewrittenPerCall must be a multiple of 1 MiB.")
        conditions = route.conditions()
        source = self.state.get(
            route.bucket,
            route.name,
            route.number("sourceGeneration"),
            route.conditions("ifSource"),
            reading=False,
        )
        self.state.check(route.to_bucket, name, conditions)
        self.state.keys.require_readable(source.encryption, call.headers, copying=True)
        token, progress = self._progress(route, source, (route.to_bucket, name), given)
        steps = [size for size in (step, per_call) if size is not None]
        progress.done += min([source.size - progress.done, *steps])
        if progress.done < source.size:
            return Outcome(progress, token=token)
        with self._lock:
            self._under_way.pop(token, None)
        return Outcome(progress, made=self._copy(source, progress, conditions))

    def _progress(
        self, route: Route, source: StoredObject, target: tuple[str, str], given: Json
    ) -> tuple[str, Progress]:
        token = route.query.get("rewriteToken")
        encryption = named(route.query.get("destinationKmsKeyName"))
        self.state.keys.require(encryption)
        with self._lock:
            if token is None:
                token = secrets.token_urlsafe(24)
                self._under_way[token] = Progress(source, target, given or None, encryption)
            progress = self._under_way.get(token)
        if (
            progress is None
            or progress.target != target
            or progress.fields != (given or None)
            or progress.encryption != encryption
            or progress.source.generation != source.generation
        ):
            raise invalid("Invalid rewrite token.", "invalidArgument")
        return token, progress

    def _copy(
        self, source: StoredObject, progress: Progress, conditions: Preconditions
    ) -> StoredObject:
        copied = {k: v for k, v in source.fields.items() if k not in _STAYS_BEHIND}
        fields = copied if progress.fields is None else dict(progress.fields)
        try:
            blob = source.blob.clone()
        except FileNotFoundError:
            raise no_object(source.bucket, source.name) from None
        try:
            return self.state.store(
                *progress.target,
                blob,
                fields,
                conditions,
                may_overwrite=self.auth.may("storage.objects.delete"),
                encryption=progress.encryption,
            )
        except ApiError:
            blob.remove()
            raise
