"""Maps a request to its operation, bucket, object and parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from .errors import ApiError, invalid
from .objects import Preconditions

_COMMON = "alt fields key prettyPrint quotaUser userIp userProject uploadType"
_CONDITIONS = (
    "ifGenerationMatch ifGenerationNotMatch ifMetagenerationMatch ifMetagenerationNotMatch"
)
_INSERT = f"{_CONDITIONS} name contentEncoding kmsKeyName predefinedAcl projection"

_ALLOWED = {
    operation: frozenset(f"{_COMMON} {more}".split())
    for operation, more in {
        "upload": _INSERT,
        "session_start": _INSERT,
        "session_chunk": f"{_INSERT} upload_id",
        "session_status": f"{_INSERT} upload_id",
        "session_cancel": f"{_INSERT} upload_id",
        "session_preflight": f"{_INSERT} upload_id",
        "list": "prefix delimiter startOffset endOffset pageToken maxResults "
        "includeFoldersAsPrefixes includeTrailingDelimiter projection softDeleted versions",
        "stat": f"{_CONDITIONS} generation projection softDeleted",
        "download": f"{_CONDITIONS} generation projection softDeleted",
        "patch": f"{_CONDITIONS} generation predefinedAcl projection",
        "delete": f"{_CONDITIONS} generation",
        "rewrite": f"{_CONDITIONS} ifSourceGenerationMatch ifSourceGenerationNotMatch "
        "ifSourceMetagenerationMatch ifSourceMetagenerationNotMatch sourceGeneration "
        "rewriteToken maxBytesRewrittenPerCall projection destinationPredefinedAcl "
        "destinationKmsKeyName",
        "restore": f"{_CONDITIONS} generation projection copySourceAcl restoreToken",
        "bucket_get": "ifMetagenerationMatch ifMetagenerationNotMatch projection",
        "bucket_create": "project projection predefinedAcl predefinedDefaultObjectAcl",
        "bucket_lock": "ifMetagenerationMatch",
        "bucket_patch": "ifMetagenerationMatch ifMetagenerationNotMatch projection predefinedAcl "
        "predefinedDefaultObjectAcl",
        "permissions": "permissions",
        "layout": "prefix",
        "folder_list": "prefix delimiter startOffset endOffset pageSize pageToken",
        "folder_insert": "recursive",
        "folder_get": "ifMetagenerationMatch ifMetagenerationNotMatch",
        "folder_delete": "ifMetagenerationMatch ifMetagenerationNotMatch",
        "token": "",
        "sign_blob": "",
    }.items()
}

_BOOLEANS = (
    "copySourceAcl",
    "includeFoldersAsPrefixes",
    "includeTrailingDelimiter",
    "prettyPrint",
    "softDeleted",
    "versions",
)
_ROOTS = frozenset(["", "download", "resumable", "storage", "token", "upload", "v1"])
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Route:
    """One parsed request. `query` keeps the last of a repeated parameter; `repeated` all."""

    operation: str
    query: dict[str, str]
    repeated: dict[str, list[str]]
    bucket: str = ""
    name: str = ""
    to_bucket: str = ""
    to_name: str = ""

    def check(self) -> None:
        """Refuse parameters that the operation does not have, or that are repeated.

        The XML API accepts any parameter, so it can be signed.
        """
        if self.operation in ("xml", "preflight"):
            if any(len(values) > 1 for values in self.repeated.values()):
                raise invalid("Repeated query parameter", "invalidParameter")
            return
        for key, values in self.repeated.items():
            if key not in _ALLOWED[self.operation]:
                raise invalid(f"Unknown query parameter: {key}", "invalidParameter")
            if len(values) > 1 and key != "permissions":
                raise invalid(f"Repeated query parameter: {key}", "invalidParameter")
        alt = self.query.get("alt", "json")
        if alt != ("media" if self.operation == "download" else "json"):
            raise invalid(f"Invalid value for: alt={alt}", "invalidParameter")
        if self.query.get("projection", "noAcl") not in ("noAcl", "full"):
            raise invalid("Invalid value for: projection", "invalidParameter")
        for key in _BOOLEANS:
            # gcloud sends "True".
            if self.query.get(key, "true") not in ("true", "false", "True", "False"):
                raise invalid(f"Invalid value for: {key}", "invalidParameter")

    def flag(self, key: str) -> bool:
        """Return a boolean parameter, false if it is absent."""
        return self.query.get(key) in ("true", "True")

    def number(self, key: str) -> int | None:
        """Return an int64 parameter, None if it is absent."""
        text = self.query.get(key)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
            raise invalid(f'Invalid value "{text}" for: {key}', "invalidParameter")
        return int(text)

    def conditions(self, prefix: str = "if") -> Preconditions:
        """Return the preconditions, `prefix` being "if" or "ifSource"."""
        return Preconditions(
            self.number(f"{prefix}GenerationMatch"),
            self.number(f"{prefix}GenerationNotMatch"),
            self.number(f"{prefix}MetagenerationMatch"),
            self.number(f"{prefix}MetagenerationNotMatch"),
        )


@dataclass(frozen=True)
class ContentRange:
    """A Content-Range of a session: `first` None is a status query, `total` None is unknown."""

    first: int | None
    end: int
    total: int | None


def content_range(text: str) -> ContentRange:
    """Parse a Content-Range; refuse a malformed one."""
    found = _RANGE.fullmatch(text)
    if found is None:
        raise _bad_range(text)
    total = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return ContentRange(None, 0, total)
    first, end = int(found[1]), int(found[2]) + 1
    if end <= first or (total is not None and end > total):
        raise _bad_range(text)
    return ContentRange(first, end, total)


def _bad_range(text: str) -> ApiError:
    return ApiError(400, "badRequest", f"Failed to parse Content-Range header: {text}", plain=True)


def route(method: str, target: str, headers: dict[str, str]) -> Route:
    """Parse a request line; 404 or 405 for what the service does not support."""
    path, _, raw_query = target.partition("?")
    repeated = _query(raw_query)
    query = {key: values[-1] for key, values in repeated.items()}
    parts = [_segment(part) for part in path.split("/")[1:]]
    if parts[:2] == ["resumable", "upload"] and query.get("uploadType") == "resumable":
        parts = parts[1:]  # the other path of sessions in the discovery document
    upload = parts[:1] == ["upload"]
    media = parts[:1] == ["download"]
    rest = parts[1:] if upload or media else parts
    if parts == ["token"] and method == "POST":
        return Route("token", query, repeated)
    if parts[:4] == ["v1", "projects", "-", "serviceAccounts"] and len(parts) == 5:
        email, colon, verb = parts[4].rpartition(":")
        if not colon or verb != "signBlob":
            raise _unknown()
        if method != "POST":
            raise _not_allowed()
        return Route("sign_blob", query, repeated, name=email)
    if parts[0] not in _ROOTS and len(parts) > 1 and parts[1]:
        if method == "OPTIONS":
            return Route("preflight", query, repeated, parts[0], "/".join(parts[1:]))
        if method not in ("GET", "HEAD"):
            raise _not_allowed()
        return Route("xml", query, repeated, parts[0], "/".join(parts[1:]))
    if rest[:3] != ["storage", "v1", "b"]:
        raise _unknown()
    rest = rest[3:]
    if upload:
        if len(rest) != 2 or rest[1] != "o":
            raise _unknown()
        return Route(_upload(method, query, headers), query, repeated, rest[0])
    operation, bucket, name, to_bucket, to_name = _plain(method, rest, query)
    if media:
        if operation not in ("stat", "download"):
            raise _unknown()
        operation = "download" if query.get("alt") == "media" else "stat"
    return Route(operation, query, repeated, bucket, name, to_bucket, to_name)


def _upload(method: str, query: dict[str, str], headers: dict[str, str]) -> str:
    kind = query.get("uploadType")
    if method == "POST" and "upload_id" not in query:
        if kind in ("multipart", "media"):
            return "upload"
        if kind == "resumable":
            return "session_start"
        raise invalid(
            "Upload requests must include an uploadType URL parameter and a URL path beginning "
            "with /upload/",
            "wrongUrlForUpload",
        )
    if "upload_id" in query and kind in (None, "resumable"):
        if method == "PUT":
            query_only = headers.get("content-range", "").startswith("bytes */")
            return "session_status" if query_only else "session_chunk"
        if method == "DELETE":
            return "session_cancel"
        if method == "OPTIONS":
            return "session_preflight"
    raise _not_allowed()


def _plain(method: str, rest: list[str], query: dict[str, str]) -> tuple[str, str, str, str, str]:
    match rest:
        case []:
            operations = {"POST": "bucket_create"}
        case [bucket]:
            operations = {"GET": "bucket_get", "PATCH": "bucket_patch"}
        case [bucket, "lockRetentionPolicy"]:
            operations = {"POST": "bucket_lock"}
        case [bucket, "storageLayout"]:
            operations = {"GET": "layout"}
        case [bucket, "folders"]:
            operations = {"GET": "folder_list", "POST": "folder_insert"}
        case [bucket, "folders", name]:
            operations = {"GET": "folder_get", "DELETE": "folder_delete"}
        case [bucket, "iam", "testPermissions"]:
            operations = {"GET": "permissions"}
        case [bucket, "o"]:
            if method == "POST":
                raise invalid(
                    "Upload requests must include an uploadType URL parameter and a URL path "
                    "beginning with /upload/",
                    "wrongUrlForUpload",
                )
            operations = {"GET": "list"}
        case [bucket, "o", name]:
            get = "download" if query.get("alt") == "media" else "stat"
            operations = {"GET": get, "PATCH": "patch", "DELETE": "delete"}
        case [bucket, "o", name, "restore"]:
            if method != "POST":
                raise _not_allowed()
            return "restore", bucket, name, "", ""
        case [bucket, "o", name, "rewriteTo", "b", to_bucket, "o", to_name]:
            if method != "POST":
                raise _not_allowed()
            return "rewrite", bucket, name, to_bucket, to_name
        case _:
            raise _unknown()
    if method not in operations:
        raise _not_allowed()
    bucket = rest[0] if rest else ""
    name = rest[2] if len(rest) == 3 and rest[1] in ("o", "folders") else ""
    return operations[method], bucket, name, "", ""


def _query(raw: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in raw.split("&") if raw else []:
        key, _, value = pair.partition("=")
        found.setdefault(_segment(key), []).append(_segment(value.replace("+", " ")))
    return found


def _segment(text: str) -> str:
    if "%" not in text and text.isascii():
        return text
    try:
        unquote_to_bytes(text).decode("utf-8")
        text.encode("ascii")
    except UnicodeError:
        raise invalid("The URL is not percent-encoded UTF-8.") from None
    return unquote(text)


def _unknown() -> ApiError:
    return ApiError(404, "notFound", "Not Found")


def _not_allowed() -> ApiError:
    return ApiError(405, "methodNotAllowed", "Method Not Allowed")
