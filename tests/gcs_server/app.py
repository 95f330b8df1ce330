"""The operations of the JSON API on a `State`: one understood request in, one response out."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import quote

from . import fields as masks
from . import resources
from .auth import Auth
from .errors import ApiError, invalid, no_object
from .faults import Fault
from .multipart import Parts, boundary_of
from .resources import LIST_SCHEMA, OBJECT_SCHEMA, REWRITE_SCHEMA, check_name
from .routing import Route
from .state import Json, Preconditions, State, StoredObject
from .uploads import Uploads
from .wire import Body, Response

_JSON_LIMIT = 1024 * 1024
_MIB = 1024 * 1024
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass
class Settings:
    """What may be changed about the service while it runs."""

    page_size: int | None = None
    rewrite_step: int | None = None


@dataclass(frozen=True)
class Call:
    """One request, understood, with its unread body and what is to go wrong with it."""

    route: Route
    headers: dict[str, str]
    body: Body
    base: str
    fault: Fault
    found_name: Callable[[str], None]


@dataclass
class _Rewrite:
    source: StoredObject
    target: tuple[str, str]
    fields: Json | None
    done: int = 0


@dataclass
class App:
    """The service behind the wire."""

    state: State
    auth: Auth
    uploads: Uploads
    settings: Settings
    _rewrites: dict[str, _Rewrite] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def handle(self, call: Call) -> Response:
        """Answer one request; refusals come as `ApiError`."""
        route = call.route
        route.check()
        self.auth.check(route.operation, call.headers.get("authorization"))
        if route.operation == "token":
            return self.auth.mint(call.body.all(_JSON_LIMIT) or b"")
        handlers: dict[str, Callable[[Call], Response]] = {
            "upload": self._upload,
            "session_start": self._session_start,
            "session_chunk": self._session,
            "session_status": self._session,
            "session_cancel": self._session,
            "list": self._list,
            "stat": self._stat,
            "download": self._download,
            "patch": self._patch,
            "delete": self._delete,
            "rewrite": self._rewrite,
            "bucket_get": self._bucket,
            "bucket_create": self._create_bucket,
            "permissions": self._permissions,
        }
        return handlers[route.operation](call)

    # -- uploads -------------------------------------------------------------------------------

    def _upload(self, call: Call) -> Response:
        route = call.route
        self.state.bucket(route.bucket)
        conditions = route.conditions()
        _mask_of(call, OBJECT_SCHEMA)
        content_type = call.headers.get("content-type", "")
        writer = self.state.writer()
        try:
            if route.query["uploadType"] == "media":
                fields: Json = {"contentType": content_type} if content_type else {}
                pieces = iter(call.body.read, b"")
            else:
                parts = Parts(call.body, boundary_of(content_type))
                fields = resources.inserted(resources.parse_json(parts.json_part()))
                given = parts.media_headers().get("content-type")
                if given:
                    fields.setdefault("contentType", given)
                pieces = parts.media()
            name = self._prepare(call, fields)
            for piece in pieces:
                writer.write(piece)
            call.body.drain()
            blob = writer.finish()
            try:
                record = self.state.store(
                    route.bucket,
                    name,
                    blob,
                    fields,
                    conditions,
                    may_overwrite=self.auth.may("storage.objects.delete"),
                )
            except ApiError:
                blob.remove()
                raise
        except BaseException:
            writer.abort()
            raise
        return self._object(call, record)

    def _prepare(self, call: Call, fields: Json) -> str:
        """Complete the fields of an upload from its query and headers; give the name."""
        query = call.route.query
        name = check_name(query.get("name") or str(fields.get("name", "")))
        call.found_name(name)
        fields.pop("name", None)
        if "contentEncoding" in query:
            fields["contentEncoding"] = query["contentEncoding"]
        fields.setdefault("contentType", "application/octet-stream")
        fields.update(resources.hashes_of(call.headers))
        return name

    def _session_start(self, call: Call) -> Response:
        self.state.bucket(call.route.bucket)
        raw = call.body.all(_JSON_LIMIT)
        media = call.headers.get("content-type", "").partition(";")[0].strip()
        if raw and media != "application/json":
            raise invalid(f"Unsupported content with type: {media}", "badContent")
        fields = resources.inserted(resources.parse_json(raw))
        if "x-upload-content-type" in call.headers:
            fields.setdefault("contentType", call.headers["x-upload-content-type"])
        name = self._prepare(call, fields)
        text = call.headers.get("x-upload-content-length")
        if text is not None and not (text.isascii() and text.isdigit()):
            raise invalid(f"Invalid value for: X-Upload-Content-Length {text}")
        _mask_of(call, OBJECT_SCHEMA)
        conditions = call.route.conditions()
        self.state.check(call.route.bucket, name, conditions)
        session = self.uploads.start(
            call.route.bucket, name, fields, conditions, None if text is None else int(text)
        )
        location = (
            f"{call.base}/upload/storage/v1/b/{call.route.bucket}/o?uploadType=resumable"
            f"&name={quote(name, safe='')}&upload_id={session.upload_id}"
        )
        return Response(200, {"Location": location, "X-GUploader-UploadID": session.upload_id})

    def _session(self, call: Call) -> Response:
        response, record = self.uploads.handle(call.route, call.headers, call.body, call.fault)
        return response if record is None else self._object(call, record)

    # -- objects -------------------------------------------------------------------------------

    def _list(self, call: Call) -> Response:
        route, query = call.route, call.route.query
        mask = _mask_of(call, LIST_SCHEMA)
        if query.get("versions") == "true":
            raise invalid("This server keeps no versions.", "invalidArgument")
        asked = route.number("maxResults")
        if asked == 0:
            raise invalid('Invalid value "0" for: maxResults', "invalidParameter")
        limit = min(asked or 1000, 1000, self.settings.page_size or 1000)
        page = self.state.page(
            route.bucket,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start=query.get("startOffset", ""),
            end=query.get("endOffset", ""),
            after=_untoken(query.get("pageToken")),
            limit=limit,
            trailing=query.get("includeTrailingDelimiter") == "true",
        )
        answer: Json = {"kind": "storage#objects"}
        if page.last is not None:
            answer["nextPageToken"] = _token(page.last)
        if page.prefixes:
            answer["prefixes"] = page.prefixes
        if page.items:
            answer["items"] = [resources.object_json(item, call.base) for item in page.items]
        return _json(answer, mask)

    def _stat(self, call: Call) -> Response:
        return self._object(call, self._get(call))

    def _get(self, call: Call) -> StoredObject:
        route = call.route
        return self.state.get(
            route.bucket, route.name, route.number("generation"), route.conditions()
        )

    def _download(self, call: Call) -> Response:
        record = self._get(call)
        headers = {
            "Content-Type": record.content_type or "application/octet-stream",
            "ETag": record.etag,
            "Accept-Ranges": "bytes",
            "Cache-Control": record.cache_control or "private, max-age=0",
            "x-goog-generation": str(record.generation),
            "x-goog-metageneration": str(record.metageneration),
            "x-goog-hash": f"crc32c={record.crc32c},md5={record.md5_hash}",
            "x-goog-stored-content-encoding": record.fields.get("contentEncoding", "identity"),
            "x-goog-stored-content-length": str(record.size),
            "x-goog-storage-class": record.storage_class,
        }
        if record.content_disposition:
            headers["Content-Disposition"] = record.content_disposition
        for key, value in record.metadata.items():
            if value.isascii() and key.isascii() and not {"\r", "\n"} & set(key + value):
                headers[f"x-goog-meta-{key}"] = value
        span = _span(call.headers.get("range", ""), record.size)
        stream = self.state.open(record)
        if span is None:
            return Response(200, headers, stream=stream, length=record.size)
        first, end = span
        stream.seek(first)
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{record.size}"
        return Response(206, headers, stream=stream, length=end - first)

    def _patch(self, call: Call) -> Response:
        route = call.route
        _mask_of(call, OBJECT_SCHEMA)
        _demand_json(call)
        changes = resources.patched(resources.parse_json(call.body.all(_JSON_LIMIT)))
        record = self.state.patch(
            route.bucket, route.name, route.number("generation"), route.conditions(), changes
        )
        return self._object(call, record)

    def _delete(self, call: Call) -> Response:
        route = call.route
        self.state.delete(route.bucket, route.name, route.number("generation"), route.conditions())
        return Response(204)

    def _rewrite(self, call: Call) -> Response:
        route = call.route
        mask = _mask_of(call, REWRITE_SCHEMA)
        name = check_name(route.to_name)
        raw = call.body.all(_JSON_LIMIT)
        if raw:
            _demand_json(call)
        given = resources.inserted(resources.parse_json(raw))
        given.pop("name", None)
        per_call = route.number("maxBytesRewrittenPerCall")
        if per_call is not None and (per_call == 0 or per_call % _MIB):
            raise invalid("maxBytesRewrittenPerCall must be a multiple of 1 MiB.")
        conditions = route.conditions()
        source = self._source(route)
        self.state.check(route.to_bucket, name, conditions)
        token, progress = self._progress(call, source, (route.to_bucket, name), given)
        steps = [step for step in (self.settings.rewrite_step, per_call) if step is not None]
        left = source.size - progress.done
        progress.done += min([left, *steps])
        answer: Json = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(progress.done),
            "objectSize": str(source.size),
            "done": progress.done == source.size,
        }
        if progress.done < source.size:
            answer["rewriteToken"] = token
            return _json(answer, mask)
        with self._lock:
            self._rewrites.pop(token, None)
        record = self._copy(source, progress, conditions)
        answer["resource"] = resources.object_json(record, call.base)
        return _json(answer, mask)

    def _source(self, route: Route) -> StoredObject:
        with self.state.lock:
            source = self.state.find(route.bucket, route.name)
            if source is None or route.number("sourceGeneration") not in (None, source.generation):
                raise no_object(route.bucket, route.name)
            route.conditions("ifSource").check(source)
            return source

    def _progress(
        self, call: Call, source: StoredObject, target: tuple[str, str], given: Json
    ) -> tuple[str, _Rewrite]:
        token = call.route.query.get("rewriteToken")
        with self._lock:
            if token is None:
                token = secrets.token_urlsafe(24)
                self._rewrites[token] = _Rewrite(source, target, given or None)
            progress = self._rewrites.get(token)
        if (
            progress is None
            or progress.target != target
            or progress.fields != (given or None)
            or progress.source.generation != source.generation
        ):
            raise invalid("Invalid rewrite token.", "invalidArgument")
        return token, progress

    def _copy(
        self, source: StoredObject, progress: _Rewrite, conditions: Preconditions
    ) -> StoredObject:
        fields = dict(source.fields if progress.fields is None else progress.fields)
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
            )
        except ApiError:
            blob.remove()
            raise

    # -- buckets -------------------------------------------------------------------------------

    def _bucket(self, call: Call) -> Response:
        bucket = self.state.bucket(call.route.bucket)
        call.route.conditions()
        return _json(resources.bucket_json(bucket, call.base), _mask_of(call, {}))

    def _create_bucket(self, call: Call) -> Response:
        _demand_json(call)
        value = resources.parse_json(call.body.all(_JSON_LIMIT))
        if not call.route.query.get("project"):
            raise ApiError(400, "required", "Required parameter: project")
        name = value.get("name")
        if not isinstance(name, str) or not _BUCKET_NAME.fullmatch(name):
            raise invalid(f"Invalid bucket name: '{name}'")
        return _json(resources.bucket_json(self.state.create_bucket(name), call.base), None)

    def _permissions(self, call: Call) -> Response:
        self.state.bucket(call.route.bucket)
        asked = call.route.repeated.get("permissions", [])
        if not asked:
            raise ApiError(400, "required", "Required parameter: permissions")
        answer: Json = {"kind": "storage#testIamPermissionsResponse"}
        if granted := [permission for permission in asked if self.auth.may(permission)]:
            answer["permissions"] = granted
        return _json(answer, _mask_of(call, {}))

    # -- answers -------------------------------------------------------------------------------

    def _object(self, call: Call, record: StoredObject) -> Response:
        mask = _mask_of(call, OBJECT_SCHEMA)
        response = _json(resources.object_json(record, call.base), mask)
        response.headers["ETag"] = record.etag
        return response


def _demand_json(call: Call) -> None:
    media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise invalid(f"Unsupported content with type: {media}", "badContent")


def _mask_of(call: Call, schema: masks.Mask) -> masks.Mask | None:
    text = call.route.query.get("fields")
    return None if text is None else masks.parse(text, schema or {"*": None})


def _json(value: Json, mask: masks.Mask | None) -> Response:
    kept = value if mask is None else masks.apply(mask, value)
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
        "X-GUploader-UploadID": secrets.token_urlsafe(16),
    }
    return Response(200, headers, json.dumps(kept, indent=2, ensure_ascii=False).encode())


def _span(text: str, size: int) -> tuple[int, int] | None:
    """Read a Range; None means the whole, as for anything that is not one byte range."""
    found = _RANGE.fullmatch(text.strip())
    if found is None or found[0] == "bytes=-":
        return None
    if found[1]:
        first, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
        if found[2] and int(found[2]) < first:
            return None
    else:
        first, end = max(size - int(found[2]), 0), size
    if first >= size:
        raise ApiError(
            416,
            "requestedRangeNotSatisfiable",
            "The requested range cannot be satisfied.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return first, end


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(b"\x0a" + last.encode()).decode()


def _untoken(token: str | None) -> str | None:
    if not token:
        return None
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        if raw[:1] == b"\x0a":
            return raw[1:].decode()
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise invalid("Invalid argument.", "invalid")
