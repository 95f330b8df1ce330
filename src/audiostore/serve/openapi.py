"""The contract of the service: OpenAPI 3.1, written by hand. A test holds routes and it equal.

The members of an asset are the columns of an export, which `catalog.columns` alone defines.
"""

import re
from typing import Any, Final, get_args

from audiostore import __version__
from audiostore.asset import PartName
from audiostore.catalog import COLUMNS, SORT_KEYS
from audiostore.serve.documents import LEFT_OUT
from audiostore.serve.parameters import FILTERS, MOST_ITEMS, USUAL_ITEMS
from audiostore.stores import StorageClass

Json = dict[str, Any]

_PROBLEM: Final = "application/problem+json"
_COLUMN_TYPES: Final[dict[str, Json]] = {
    "text": {"type": ["string", "null"]},
    "integer": {"type": ["integer", "null"]},
    "real": {"type": ["number", "null"]},
    "truth": {"type": ["boolean", "null"]},
    "time": {"type": ["string", "null"], "format": "date-time"},
}
_TEXTS: Final[Json] = {"type": "object", "additionalProperties": {"type": "string"}}
_ERRORS: Final = {
    "304": "The client has the current version.",
    "400": "The request is malformed: a parameter, the form, the JSON.",
    "401": "No valid token, or no user named by the proxy.",
    "403": "Not permitted: a token that may only read, or a page of another site.",
    "404": "No such asset, or it has no such part. Malformed ids are not found, either.",
    "408": "The body arrived too slowly.",
    "409": "The id holds other content, which was not touched.",
    "410": "The link has expired or was revoked, or what it led to was deleted.",
    "412": "The asset was changed since the version that If-Match names.",
    "413": "The body is too large.",
    "415": "The media type, or the format of the file, is not supported.",
    "416": "No byte is in the range.",
    "422": "The file is damaged or empty, or the values in the body are not valid.",
    "423": "A hold, or a retention period, forbids it.",
    "429": "Too many requests: Retry-After says when to try again.",
    "501": "The store cannot do it, or its settings do not allow it.",
    "502": "The bucket failed, or sent an invalid response.",
    "503": "Overloaded, or shutting down: Retry-After says when to try again.",
    "504": "The bucket did not answer in time.",
    "507": "The disk is full.",
}
_EVERYWHERE: Final = ("400", "401", "403", "429", "500", "502", "503", "504")
_UPLOAD_ERRORS: Final = ("408", "413", "415", "422", "507")
_ID: Final[Json] = {
    "name": "audio_id",
    "in": "path",
    "required": True,
    "description": "The id of the asset.",
    "schema": {"type": "string", "format": "uuid"},
}


def document(root: str = "") -> Json:
    """Return the document.

    Args:
        root: the path under which the service is mounted.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "audiostore",
            "version": __version__,
            "summary": "Audio and its artwork, stored complete and verified.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root or "/"}],
        "security": [{"token": []}, {"cookie": []}],
        "paths": {**_storewide(), **_single(), **_direct()},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "subscription": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Signed by Google for the account of a push subscription.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "audiostore-8080",
                    "description": "Named after the port; set when a page is opened with a token.",
                },
            },
        },
    }


def _storewide() -> Json:
    return {
        "/v1/assets": {
            "get": _operation(
                "listAssets",
                "Find assets: all filters must match.",
                {"200": _json("A page of assets.", "Page")},
                parameters=[*_filters(), *_paging()],
            ),
            "post": _operation(
                "createAsset",
                "Store a file under a new id.",
                {"201": _json("Stored, complete and verified.", "Asset", "ETag", "Location")},
                errors=_UPLOAD_ERRORS,
                parameters=_upload_parameters(),
                body=_upload_body(with_audio=True),
            ),
        },
        "/v1/trash": {
            "get": _operation(
                "listTrash",
                "List the deleted assets that can be restored.",
                {"200": _json("Deleted assets, by id.", "Trash")},
                errors=("501",),
            )
        },
        "/v1/stats": {
            "get": _operation(
                "showStatistics",
                "Count assets, bytes and hours, and what they cost a month.",
                {"200": _json("The totals.", "Statistics")},
                parameters=_filters(),
            )
        },
        "/v1/check": {
            "get": _operation(
                "checkStore",
                "Look for problems; nothing is changed.",
                {
                    "200": {
                        "description": "A line of JSON for each problem; the last is "
                        '{"problems": N}, or {"error": …} if the check failed.',
                        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
                    }
                },
            )
        },
        "/v1/feeds": {
            "post": _operation(
                "createFeed",
                "Make the URL of a podcast feed of a search, for anyone who has it.",
                {"201": _json("The URL.", "Url")},
                errors=("408", "413", "415", "422", "501"),
                body={
                    "required": True,
                    "content": {"application/json": {"schema": _ref("FeedRequest")}},
                },
            )
        },
        "/v1/notifications": {
            "post": {
                **_operation(
                    "noticeChange",
                    "Receive a notification of the bucket from a Pub/Sub push subscription.",
                    {"204": {"description": "The object that it names was read again."}},
                    errors=("408", "413", "415", "422", "501"),
                    body={
                        "required": True,
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    },
                ),
                "security": [{"subscription": []}],
            }
        },
        **_linked(),
        "/healthz": {"get": _public("showHealth", "Report that the process is running.", "Health")},
        "/readyz": {
            "get": _public(
                "showReadiness", "Report whether the store can be read.", "Health", "503"
            )
        },
        "/openapi.json": {"get": _public("showContract", "This document.", "Any")},
        "/metrics": {
            "get": {
                **_operation(
                    "showMetrics",
                    "Count requests, transfers, uploads and retries, for Prometheus.",
                    {
                        "200": {
                            "description": "Prometheus's text format, version 0.0.4.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        }
                    },
                ),
                "security": [{}, {"token": []}, {"cookie": []}],  # on this machine, without
            }
        },
    }


def _linked() -> Json:
    """Return what needs no token but that of a link, in the URL."""
    token = {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
    part = {"enum": ["audio", "preview", "thumbnail"], "type": "string"}

    def operation(name: str, summary: str, kind: str, parameters: list[Json], *more: str) -> Json:
        found = _operation(
            name,
            summary,
            {
                "200": {
                    "description": summary,
                    "content": {kind: {"schema": {"type": "string"}}},
                }
            },
            errors=("404", "410", "501", *more),
            parameters=parameters,
        )
        return {"get": {**found, "security": []}}

    shown = operation("showShared", "A page with a player.", "text/html", [token])
    for status in ("404", "410", "501"):  # people read them
        shown["get"]["responses"][status]["content"]["text/html"] = {"schema": {"type": "string"}}
    read = _bytes("readShared", "shared part")["parameters"]
    names = {"name": "part", "in": "path", "required": True, "schema": part}
    ranged = [token, names, *(each for each in read if each["in"] == "header")]
    content = operation("readShared", "The bytes of a part.", "*/*", ranged, "304", "416")
    content["get"]["responses"]["206"] = {"description": "A range of them."}
    pixels: Json = {"type": "integer", "minimum": 1, "maximum": 10**6 - 1}
    about = [
        {**_query("url", "Of the page of a link."), "required": True},
        _query("maxwidth", "Pixels.", pixels),
        _query("maxheight", "Pixels.", pixels),
        _query("format", "json", {"const": "json"}),
    ]
    described = operation("describeShared", "oEmbed 1.0.", "application/json", about)
    described["get"]["responses"]["200"] = _json("How to embed the page.", "Embed")
    return {
        "/s/{token}": shown,
        "/s/{token}/{part}": content,
        "/oembed": described,
        "/feed/{token}": operation("readFeed", "RSS 2.0.", "application/rss+xml", [token]),
    }


def _single() -> Json:
    at = "/v1/assets/{audio_id}"
    conditional = _header("If-Match", "The entity tag of the version to change.")
    return {
        at: {
            "get": _operation(
                "showAsset",
                "Show an asset.",
                {"200": _json("The asset.", "Asset", "ETag")},
                errors=("304", "404"),
                parameters=[_ID, _header("If-None-Match", "The version that the client has.")],
            ),
            "patch": _operation(
                "changeAsset",
                "Change the metadata of the caller, by a merge patch (RFC 7396).",
                {"200": _json("The asset as it is now.", "Asset", "ETag")},
                errors=("404", "408", "409", "412", "413", "415", "422"),
                parameters=[_ID, conditional],
                body={
                    "required": True,
                    "content": {
                        kind: {"schema": _ref("Patch")}
                        for kind in ("application/merge-patch+json", "application/json")
                    },
                },
            ),
            "delete": _operation(
                "deleteAsset",
                "Delete an asset; the store may keep it in its trash.",
                {"204": {"description": "Deleted."}},
                errors=("404", "409", "412", "423"),
                parameters=[_ID, conditional],
            ),
        },
        f"{at}/restore": {
            "post": _operation(
                "restoreAsset",
                "Restore a deleted asset, complete.",
                {"200": _json("The asset.", "Asset", "ETag")},
                errors=("404", "409", "501"),
                parameters=[_ID],
            )
        },
        f"{at}/links": {
            "post": _operation(
                "createLink",
                "Make a URL with which anyone can read a part until it expires.",
                {"201": _json("The link.", "Link")},
                errors=("404", "408", "413", "415", "422", "501"),
                parameters=[_ID],
                body={
                    "required": True,
                    "content": {"application/json": {"schema": _ref("LinkRequest")}},
                },
            )
        },
        f"{at}/shares": {
            "post": _operation(
                "createShare",
                "Make a link with which anyone can hear the asset, without any other token.",
                {"201": _json("The link, and a frame for other pages.", "Share")},
                errors=("404", "408", "409", "413", "415", "422", "501"),
                parameters=[_ID],
                body={
                    "required": True,
                    "content": {"application/json": {"schema": _ref("ShareRequest")}},
                },
            ),
            "delete": _operation(
                "revokeShares",
                "Revoke all links to the asset.",
                {"204": {"description": "Revoked."}},
                errors=("404", "409", "501"),
                parameters=[_ID],
            ),
        },
        f"{at}/analysis": {
            "post": _operation(
                "analyseAsset",
                "Measure the loudness and make the waveform, if the asset lacks them.",
                {"200": _json("The asset.", "Asset", "ETag")},
                errors=("404", "409", "422", "423"),
                parameters=[_ID],
            )
        },
        f"{at}/audio": {
            "get": _bytes("readAudio", "audio"),
            "put": _operation(
                "putAudio",
                "Store a file under an id that the client has made; a repeated request stores it "
                "only once.",
                {
                    "200": _json("Already stored, with the same content.", "Asset", "ETag"),
                    "201": _json("Stored.", "Asset", "ETag", "Location"),
                },
                errors=("404", "409", "423", *_UPLOAD_ERRORS),
                parameters=[_ID, *_upload_parameters()],
                body=_upload_body(with_audio=True),
            ),
        },
        f"{at}/thumbnail": {
            "get": _bytes("readThumbnail", "artwork"),
            "put": _operation(
                "putThumbnail",
                "Set or replace the artwork of an asset.",
                {"200": _json("The asset.", "Asset", "ETag")},
                errors=("404", "409", "412", "423", *_UPLOAD_ERRORS),
                parameters=[
                    _ID,
                    *_upload_parameters()[:2],
                    _header("If-Match", "The entity tag of the asset, or of its artwork."),
                ],
                body=_upload_body(with_audio=False),
            ),
        },
        f"{at}/waveform": {"get": _bytes("readWaveform", "waveform, as audiowaveform writes it")},
        f"{at}/preview": {"get": _bytes("readPreview", "preview, which browsers play")},
        f"{at}/transcript": {"get": _bytes("readTranscript", "transcript")},
    }


def _direct() -> Json:
    """Return uploads in steps, of which a bucket takes the bytes itself."""
    at = "/v1/uploads/{upload_id}"
    upload = {
        **_ID,
        "name": "upload_id",
        "description": "The id of the upload, and of the asset that it becomes.",
    }
    return {
        "/v1/uploads": {
            "post": _operation(
                "beginUpload",
                "Announce a file, and get the URL of a resumable session to send it to.",
                {"201": _json("Where to send it.", "Upload", "Location")},
                errors=("408", "409", "413", "415", "422", "507"),
                body={
                    "required": True,
                    "content": {"application/json": {"schema": _ref("UploadRequest")}},
                },
            )
        },
        at: {
            "delete": _operation(
                "endUpload",
                "Cancel an upload, and remove what was sent.",
                {"204": {"description": "Removed."}},
                errors=("404", "409", "423"),
                parameters=[upload],
            )
        },
        f"{at}/content": {
            "put": _operation(
                "sendContent",
                "Send bytes to a session of the service, or ask how many have arrived.",
                {
                    "200": _json("All bytes have arrived.", "Arrived"),
                    "308": {
                        "description": "The bytes in Range have arrived (without Range: none); "
                        "continue after them.",
                        "headers": _headers("Range"),
                    },
                },
                errors=("404", "408", "409", "413", "422", "507"),
                parameters=[
                    upload,
                    _header(
                        "Content-Range",
                        "bytes FIRST-LAST/SIZE, or bytes */SIZE to ask.",
                        r"^bytes ([0-9]{1,15}-[0-9]{1,15}|\*)/[0-9]{1,15}$",
                    ),
                ],
                body={
                    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
                },
            )
        },
        f"{at}/complete": {
            "post": _operation(
                "completeUpload",
                "Inspect what was sent, and store it; what is refused is removed.",
                {
                    "200": _json("It was completed before.", "Asset", "ETag"),
                    "201": _json("Stored, complete and verified.", "Asset", "ETag", "Location"),
                },
                errors=("404", "409", "415", "422", "507"),
                parameters=[upload],
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    responses: Json,
    *,
    errors: tuple[str, ...] = (),
    parameters: list[Json] | None = None,
    body: Json | None = None,
) -> Json:
    found: Json = {"operationId": name, "summary": summary}
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = body
    return {**found, "responses": {**responses, **_problems(*errors, *_EVERYWHERE)}}


def _public(name: str, summary: str, schema: str, *errors: str) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": _json("Yes.", schema), **_problems("400", *errors)},
    }


def _bytes(name: str, what: str) -> Json:
    content: Json = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    headers = _headers("ETag", "Accept-Ranges")
    parameters = [
        _ID,
        _query("v", "Any text: makes a distinct URL, whose response a client may cache."),
        _header("Range", "One range of bytes. Without an end, it ends after 8 MiB."),
        _header(
            "If-Range",
            "Send the range only if the entity tag is still this one, otherwise all bytes.",
        ),
        _header("If-None-Match", "The version that the client has."),
    ]
    whole = {"description": f"The whole {what}.", "headers": headers, "content": content}
    part = {
        "description": "The range.",
        "headers": {**headers, **_headers("Content-Range")},
        "content": content,
    }
    moved = {
        "description": "A signed URL to read it from, if the service redirects.",
        "headers": _headers("Location"),
    }
    return _operation(
        name,
        f"Read the {what}.",
        {"200": whole, "206": part, "302": moved},
        errors=("304", "404", "415", "416", "501"),
        parameters=parameters,
    )


def _json(description: str, schema: str, *headers: str) -> Json:
    found: Json = {
        "description": description,
        "content": {"application/json": {"schema": _ref(schema)}},
    }
    return {**found, "headers": _headers(*headers)} if headers else found


def _problems(*statuses: str) -> Json:
    found: Json = {}
    for status in sorted(set(statuses)):
        found[status] = {
            "description": _ERRORS.get(status, "The service failed: its log says why.")
        }
        if status != "304":
            found[status]["content"] = {_PROBLEM: {"schema": _ref("Problem")}}
    return found


def _headers(*names: str) -> Json:
    return {name: {"schema": {"type": "string"}} for name in names}


def _ref(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _header(name: str, description: str, pattern: str | None = None) -> Json:
    schema = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _query(name: str, description: str, schema: Json | None = None) -> Json:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema or {"type": "string"},
    }


def _filters() -> list[Json]:
    from audiostore.media import AUDIO_FORMATS  # noqa: PLC0415  (imports every format)

    truth, number = {"type": "boolean"}, {"type": "number"}
    whole: Json = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
    moment = {"type": "string", "format": "date-time"}
    words = {"type": "string", "pattern": r"^$|\S"}
    names = [extension[1:] for each in AUDIO_FORMATS for extension in each.extensions]
    formats = {"type": "array", "items": {"enum": names}}
    classes = {"type": "array", "items": {"enum": list(get_args(StorageClass))}}
    return [
        _query("text", "Words in title, artist, album, album artist, file name or path.", words),
        _query("title", "A text in the title, ignoring case."),
        _query("artist", "A text in the artist."),
        _query("album", "A text in the album."),
        _query("format", "Any of them.", formats),
        _query("contains.{key}", "A text in the metadata of this key."),
        _query("meta.{key}", "Exactly the metadata of this key."),
        _query("min_duration_s", "Seconds.", number),
        _query("max_duration_s", "Seconds.", number),
        _query("min_size_bytes", "Of the audio.", whole),
        _query("max_size_bytes", "Of the audio.", whole),
        _query("created_from", "Stored at this time or later.", moment),
        _query("created_before", "Stored before this time.", moment),
        _query("storage_class", "Any of them.", classes),
        _query("has_thumbnail", "Whether it has artwork.", truth),
        _query("artwork_is_missing", "Whether artwork that should be there is missing.", truth),
        _query("superseded", "Whether another asset supersedes it.", truth),
        _query("held", "Whether it is under a hold.", truth),
    ]


def _query_pattern() -> str:
    """Return what a search is like where it is one text: the filters and their values."""
    names = [re.escape(name) + ("[^&=]*" if name.endswith(".") else "") for name in FILTERS]
    return f"^(&|({'|'.join(names)})(=[^&]*)?(&|$))*$"


def _paging() -> list[Json]:
    orders = [sign + key for key in SORT_KEYS for sign in ("", "-")]
    return [
        _query("sort", "The order; with -, reversed.", {"enum": orders, "default": "-created"}),
        _query(
            "limit",
            "The maximum number.",
            {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS, "default": USUAL_ITEMS},
        ),
        _query("cursor", "The `next` of the page before, in the same order."),
    ]


def _upload_parameters() -> list[Json]:
    return [
        _query("filename", "The file's own name, where the body is the file."),
        _query(
            "fix_extension",
            "Accept a name whose extension is not that of the content.",
            {"type": "boolean"},
        ),
        _query("meta.{key}", "Metadata to store, where the body is the file."),
    ]


def _upload_body(*, with_audio: bool) -> Json:
    binary: Json = {"type": "string", "format": "binary"}
    fields: Json = {"thumbnail": binary}
    if with_audio:
        metadata: Json = {"type": "string", "contentMediaType": "application/json"}
        fields = {"audio": binary, **fields, "metadata": metadata}
    form = {
        "type": "object",
        "properties": fields,
        "required": ["audio" if with_audio else "thumbnail"],
        "additionalProperties": False,
    }
    kind = "audio/*" if with_audio else "image/*"
    return {
        "required": True,
        "content": {"multipart/form-data": {"schema": form}, kind: {"schema": binary}},
    }


def _schemas() -> Json:
    freshness: Json = {
        "is_complete": {
            "type": "boolean",
            "description": "Whether the store has been listed to its end.",
        },
        "as_of": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When the latest complete listing began; own writes are newer.",
        },
    }
    text, whole, maybe = {"type": "string"}, {"type": "integer"}, {"type": ["string", "null"]}
    moment: Json = {"type": "string", "format": "date-time"}
    printable = r"[^\x00-\x1f\x7f-\x9f]"
    return {
        "Any": {"type": "object"},
        "Health": _object({"status": text}),
        "Problem": _object(
            {"type": text, "title": text, "status": whole, "detail": text},
            {"audio_id": text},
            description="RFC 9457. The type is urn:audiostore:error: and the class of the error.",
        ),
        "Asset": _object(
            {
                **{
                    name: _COLUMN_TYPES[kind]
                    for name, kind in COLUMNS.items()
                    if name not in LEFT_OUT
                },
                "etag": text,
                "loudness": {
                    "type": ["object", "null"],
                    "description": "EBU R 128, in LUFS, LU, dB.",
                },
                "overview": {
                    "type": ["string", "null"],
                    "description": "A waveform of 200 bars: digits of base64url, 0 to 63.",
                },
                "tags": _TEXTS,
                "custom": _TEXTS,
                "warnings": {"type": "array", "items": text},
                "links": _TEXTS,
            }
        ),
        "Page": _object(
            {
                "items": {"type": "array", "items": _ref("Asset")},
                "next": maybe,
                "total": {
                    "type": ["integer", "null"],
                    "description": "How many match; null on pages after the first.",
                },
                **freshness,
            }
        ),
        "Patch": {
            "type": "object",
            "properties": {
                "custom": {
                    "type": "object",
                    "additionalProperties": {"type": ["string", "null"]},
                    "description": "Keys to set; null removes one.",
                }
            },
            "additionalProperties": False,
        },
        "LinkRequest": {
            "type": "object",
            "properties": {
                "kind": {"const": "signed"},
                "part": {"enum": list(get_args(PartName)), "default": "audio"},
                "expires_s": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 604800,
                    "default": 3600,
                },
                "download_as": {
                    "type": ["string", "null"],
                    "minLength": 1,
                    "maxLength": 200,
                    "pattern": rf"^{printable}*[^\x00-\x20\x7f-\xa0]{printable}*$",
                    "description": "A file name, of printable characters.",
                },
            },
            "additionalProperties": False,
        },
        "Link": _object({"kind": text, "url": text, "expires_at": moment}),
        "ShareRequest": {
            "type": "object",
            "properties": {
                "expires_s": {
                    "type": ["integer", "null"],
                    "minimum": 1,
                    "maximum": 100 * 365 * 24 * 3600,
                    "description": "Seconds; without it, the link does not expire.",
                }
            },
            "additionalProperties": False,
        },
        "Share": _object({"url": text, "expires_at": {"type": ["integer", "null"]}, "html": text}),
        "Embed": _object(
            {
                **dict.fromkeys(("version", "type", "provider_name", "title", "html"), text),
                **dict.fromkeys(("width", "height", "cache_age"), whole),
            },
            {"author_name": text},
        ),
        "FeedRequest": {
            "type": "object",
            "properties": {
                "title": {**text, "minLength": 1, "maxLength": 200},
                "query": {
                    **text,
                    "maxLength": 1000,
                    "pattern": _query_pattern(),
                    "description": "The filters of a search, as /v1/assets takes them.",
                },
            },
            "additionalProperties": False,
        },
        "Url": _object({"url": text}),
        "UploadRequest": {
            "type": "object",
            "properties": {
                "filename": {**text, "minLength": 1, "description": "The file's own name."},
                "size_bytes": {"type": "integer", "minimum": 1},
                "content_type": {
                    **maybe,
                    "pattern": "^([A-Za-z0-9_.+-]{1,60}/[A-Za-z0-9_.+-]{1,60})?$",
                    "description": "The media type, according to the browser.",
                },
                "crc32c": {
                    **maybe,
                    "pattern": "^[A-Za-z0-9+/]{6}==$",
                    "description": "4 bytes in base64; other content is refused.",
                },
                "metadata": {**_TEXTS, "type": ["object", "null"]},
                "fix_extension": {"type": "boolean", "default": False},
            },
            "required": ["filename", "size_bytes"],
            "additionalProperties": False,
        },
        "Upload": _object({"upload_id": text, "session_url": text, "complete_url": text}),
        "Arrived": _object({"size_bytes": whole, "crc32c": maybe}),
        "Trash": _object(
            {
                "items": {"type": "array", "items": _ref("Deleted")},
                "is_complete": {"type": "boolean"},
            }
        ),
        "Deleted": _object(
            {
                "audio_id": text,
                "deleted_at": moment,
                "gone_at": moment,
                "size_bytes": whole,
                "content_type": text,
                "original_filename": maybe,
                "title": maybe,
                "artist": maybe,
                "has_thumbnail": {"type": "boolean"},
            }
        ),
        "Statistics": {"type": "object", "properties": freshness, "required": list(freshness)},
    }


def _object(required: Json, more: Json | None = None, *, description: str = "") -> Json:
    found: Json = {
        "type": "object",
        "properties": {**required, **(more or {})},
        "required": list(required),
        "additionalProperties": False,
    }
    return {**found, "description": description} if description else found
