"""The operations of the JSON API on a `State`: one understood request in, one response out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from . import resources
from .auth import Auth
from .billing import Billing
from .bucket_api import BucketApi
from .calls import JSON_LIMIT, Call, answer_json, json_of, mask_of
from .cors import preflight
from .encryption import Chosen, encryption_json, named, refuse_supplied_key
from .errors import ApiError, invalid
from .folders import FolderApi
from .listing import Page, Wanted
from .media import media
from .multipart import Parts, boundary_of
from .objects import Json, StoredObject
from .protection import protection_json
from .resources import LIST_SCHEMA, OBJECT_SCHEMA, REWRITE_SCHEMA, check_name
from .rewrites import Rewrites
from .routing import Route
from .state import State
from .uploads import Uploads
from .wire import Response
from .xml_api import XmlApi


@dataclass
class Settings:
    """Settings of the service that can change while it runs."""

    page_size: int | None = None
    rewrite_step: int | None = None


@dataclass
class App:
    """The service without its transport."""

    state: State
    auth: Auth
    uploads: Uploads
    settings: Settings
    rewrites: Rewrites
    buckets: BucketApi
    xml: XmlApi
    billing: Billing
    folders: FolderApi

    def handle(self, call: Call) -> Response:
        """Handle one request; errors are raised as `ApiError`."""
        route = call.route
        route.check()
        self.auth.check(route.operation, call.headers.get("authorization"))
        self.billing.check(call)
        if route.operation == "token":
            return self.auth.mint(call.body.all(JSON_LIMIT) or b"")
        if route.operation == "sign_blob":
            return self.xml.accounts.sign_blob(route.name, call.body.all(JSON_LIMIT) or b"")
        if route.operation == "xml":
            return self.xml.read(call)
        handlers: dict[str, Callable[[Call], Response]] = {
            "upload": self._upload,
            "session_start": self._session_start,
            "session_chunk": self._session,
            "session_status": self._session,
            "session_cancel": self._session,
            "session_preflight": lambda call: self.uploads.preflight(call.route, call.headers),
            "preflight": self._preflight,
            "list": self._list,
            "stat": self._stat,
            "download": self._download,
            "patch": self._patch,
            "delete": self._delete,
            "rewrite": self._rewrite,
            "restore": self._restore,
            "bucket_get": self.buckets.get,
            "bucket_create": self.buckets.create,
            "bucket_lock": self.buckets.lock,
            "bucket_patch": self.buckets.patch,
            "permissions": self.buckets.permissions,
            "layout": self.folders.layout,
            "folder_list": self.folders.list,
            "folder_insert": self.folders.insert,
            "folder_get": self.folders.get,
            "folder_delete": self.folders.delete,
        }
        return handlers[route.operation](call)

    # -- uploads -------------------------------------------------------------------------------

    def _upload(self, call: Call) -> Response:
        route = call.route
        self.state.bucket(route.bucket)
        conditions = route.conditions()
        mask_of(call, OBJECT_SCHEMA)
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
            encryption = self._key(route)
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
                    encryption=encryption,
                )
            except ApiError:
                blob.remove()
                raise
        except BaseException:
            writer.abort()
            raise
        return self._object(call, record)

    def _key(self, route: Route) -> Chosen:
        """Return the key that an upload names, if it can be used."""
        encryption = named(route.query.get("kmsKeyName"))
        self.state.keys.require(encryption)
        return encryption

    def _prepare(self, call: Call, fields: Json) -> str:
        """Complete the fields of an upload from its query and headers; return the name."""
        query = call.route.query
        refuse_supplied_key(call.headers)
        given = str(fields.get("name", ""))
        name = check_name(query.get("name") or given)
        if given not in ("", name):  # which one counts is not documented
            raise invalid(f"Two names for one object: {name}, {given}")
        call.found_name(name)
        fields.pop("name", None)
        if "contentEncoding" in query:
            fields["contentEncoding"] = query["contentEncoding"]
        fields.setdefault("contentType", "application/octet-stream")
        fields.update(resources.hashes_of(call.headers))
        return name

    def _session_start(self, call: Call) -> Response:
        self.state.bucket(call.route.bucket)
        raw = call.body.all(JSON_LIMIT)
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
        mask_of(call, OBJECT_SCHEMA)
        conditions = call.route.conditions()
        self.state.check(call.route.bucket, name, conditions)
        session = self.uploads.start(
            call.route.bucket,
            name,
            fields,
            conditions,
            None if text is None else int(text),
            self._key(call.route),
            call.headers.get("origin"),
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
        mask = mask_of(call, LIST_SCHEMA)
        views = [key for key in ("softDeleted", "versions") if route.flag(key)]
        if len(views) > 1:
            raise invalid("softDeleted and versions cannot both be true.")
        if route.flag("includeFoldersAsPrefixes") and self.state.bucket(route.bucket).hierarchical:
            raise invalid("This server does not list folders as prefixes")
        asked = route.number("maxResults")
        if asked == 0:
            raise invalid('Invalid value "0" for: maxResults', "invalidParameter")
        limit = min(asked or 1000, 1000, self.settings.page_size or 1000)
        after, after_generation = _untoken(query.get("pageToken"))
        wanted = Wanted(
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start=query.get("startOffset", ""),
            end=query.get("endOffset", ""),
            after=after,
            after_generation=after_generation,
            limit=limit,
            trailing=route.flag("includeTrailingDelimiter"),
        )
        pages = {
            "softDeleted": self.state.page_of_deleted,
            "versions": self.state.page_of_versions,
        }
        page = pages.get(views[0] if views else "", self.state.page)(route.bucket, wanted)
        response: Json = {"kind": "storage#objects"}
        if page.last is not None:
            response["nextPageToken"] = _token(page)
        if page.prefixes:
            response["prefixes"] = page.prefixes
        if page.items:
            response["items"] = [self._resource(call, item) for item in page.items]
        return answer_json(response, mask)

    def _preflight(self, call: Call) -> Response:
        return preflight(self.state.bucket(call.route.bucket).settings, call.headers)

    def _stat(self, call: Call) -> Response:
        return self._object(call, self._get(call))

    def _get(self, call: Call) -> StoredObject:
        route = call.route
        if route.flag("softDeleted"):
            generation = route.number("generation")
            if generation is None:
                raise ApiError(400, "required", "Required parameter: generation")
            return self.state.get_deleted(route.bucket, route.name, generation, route.conditions())
        return self.state.get(
            route.bucket, route.name, route.number("generation"), route.conditions()
        )

    def _download(self, call: Call) -> Response:
        if call.route.flag("softDeleted"):
            raise invalid("The media of a soft-deleted object cannot be read.")
        record = self._get(call)
        self.state.keys.require_readable(record.encryption, call.headers)
        return media(self.state, record, call.headers)

    def _patch(self, call: Call) -> Response:
        route = call.route
        mask_of(call, OBJECT_SCHEMA)
        changes = resources.patched(json_of(call))
        record = self.state.patch(
            route.bucket, route.name, route.number("generation"), route.conditions(), changes
        )
        return self._object(call, record)

    def _delete(self, call: Call) -> Response:
        route = call.route
        self.state.delete(route.bucket, route.name, route.number("generation"), route.conditions())
        return Response(204)

    def _rewrite(self, call: Call) -> Response:
        mask = mask_of(call, REWRITE_SCHEMA)
        outcome = self.rewrites.go_on(call, self.settings.rewrite_step)
        progress = outcome.progress
        response: Json = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(progress.done),
            "objectSize": str(progress.source.size),
            "done": outcome.made is not None,
        }
        if outcome.token is not None:
            response["rewriteToken"] = outcome.token
        if outcome.made is not None:
            response["resource"] = self._resource(call, outcome.made)
        return answer_json(response, mask)

    def _restore(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/restore."""
        route = call.route
        generation = route.number("generation")
        if generation is None:
            raise ApiError(400, "required", "Required parameter: generation")
        bucket = self.state.bucket(route.bucket)
        access = bucket.settings["iamConfiguration"].get("uniformBucketLevelAccess") or {}
        if route.flag("copySourceAcl") and access.get("enabled"):
            raise invalid("ACLs cannot be copied: uniform bucket-level access is enabled.")
        mask_of(call, OBJECT_SCHEMA)
        record = self.state.restore(
            route.bucket,
            route.name,
            generation,
            route.conditions(),
            may_overwrite=self.auth.may("storage.objects.delete"),
        )
        return self._object(call, record)

    # -- responses -----------------------------------------------------------------------------

    def _object(self, call: Call, record: StoredObject) -> Response:
        mask = mask_of(call, OBJECT_SCHEMA)
        response = answer_json(self._resource(call, record), mask)
        response.headers["ETag"] = record.etag
        return response

    def _resource(self, call: Call, record: StoredObject) -> Json:
        more = protection_json(self.state.bucket(record.bucket), record)
        shown = self.state.keys.shown(record.encryption, call.route.operation, call.headers)
        resource = resources.object_json(record, call.base, **more)
        return encryption_json(resource, record.encryption, shown=shown)


def _token(page: Page) -> str:
    """Encode where a listing continues: after a name, or after one generation of it."""
    last = (page.last or "").encode()
    raw = b"\x12" + page.generation.to_bytes(8, "big") if page.generation else b"\x0a"
    return base64.urlsafe_b64encode(raw + last).decode()


def _untoken(token: str | None) -> tuple[str | None, int]:
    if not token:
        return None, 0
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        if raw[:1] == b"\x0a":
            return raw[1:].decode(), 0
        if raw[:1] == b"\x12" and len(raw) > 9:
            return raw[9:].decode(), int.from_bytes(raw[1:9], "big")
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise invalid("Invalid argument.", "invalid")
