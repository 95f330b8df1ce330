"""Responses of the JSON API as values; `errors` turns error responses into exceptions.

A response is not trusted: it may be damaged, of a proxy, or hostile. It is read here alone, by
readers that take nothing but what they expect. A response that cannot be understood is a
StoreConnectionError with the status of the response: what it answers may have been done, as when a
response is lost.

Object resources: cloud.google.com/storage/docs/json_api/v1/objects#resource.
"""

import json
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from audiostore.dataclass import replace
from audiostore.errors import AudioStoreError, StoreConnectionError, server_text, shown
from audiostore.stores.clock import utc_now
from audiostore.stores.gcs.messages import MAX_RESPONSE_BYTES, Response
from audiostore.values import BlobInfo

_SHOWN_CHARACTERS = 80
_READ_BYTES = 4096
"""Of a body that is shown: more than is shown, so that no part of a secret stands at the end."""
_LARGEST = (1 << 63) - 1  # the API's integers are of 64 bits
_CRC32C = re.compile(r"[A-Za-z0-9+/]{6}==")
_MD5 = re.compile(r"[A-Za-z0-9+/]{22}==")


class Fields:
    """The fields of a JSON object, each read as one type; anything else is a ValueError."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{_kind(value)} instead of an object")  # noqa: TRY004
        self._fields: dict[str, Any] = value

    def value(self, name: str) -> object:
        """Return a value of any type, None for a field that is missing."""
        return self._fields.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; the default, if there is one, for a field that is missing."""
        value = self._fields.get(name, default)
        if isinstance(value, str):
            return value
        raise _wrong(name, value)

    def optional_text(self, name: str) -> str | None:
        """Return a text, None for a field that is missing."""
        return self.text(name) if name in self._fields else None

    def checked(self, types: Mapping[str, tuple[type, ...]]) -> Mapping[str, Any]:
        """Return all fields, of which some must have certain types, if they are there."""
        for name, value in self._fields.items():
            if name in types and type(value) not in types[name]:
                raise _wrong(name, value)
        return self._fields

    def has(self, name: str) -> bool:
        """Say whether there is such a field."""
        return name in self._fields

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a number from 0 to 2^63-1, as the API writes it: in decimal, mostly as text."""
        return _integer(name, self._fields.get(name, default))

    def truth(self, name: str) -> bool:
        """Return true or false; False for a field that is missing."""
        value = self._fields.get(name, False)
        if isinstance(value, bool):
            return value
        raise _wrong(name, value)

    def moment(self, name: str) -> datetime:
        """Return a point in time (RFC 3339)."""
        return _moment(name, self._fields.get(name))

    def optional_moment(self, name: str) -> datetime | None:
        """Return a point in time, None for a field that is missing."""
        value = self._fields.get(name)
        return None if value is None or value == "" else _moment(name, value)

    def texts(self, name: str) -> dict[str, str]:
        """Return an object whose values are texts; empty for a field that is missing."""
        value = self._fields.get(name, {})
        if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
            return value
        raise _wrong(name, value)

    def items(self, name: str) -> list[Any]:
        """Return a list; empty for a field that is missing."""
        value = self._fields.get(name, [])
        if isinstance(value, list):
            return value
        raise _wrong(name, value)

    def fields(self, name: str) -> "Fields":
        """Return the fields of an object within; none for a field that is missing."""
        value = self._fields.get(name, {})
        if isinstance(value, dict):
            return Fields(value)
        raise _wrong(name, value)


# The JSON types of the fields of an object that are read. Checked in one pass: a listing has
# thousands of objects.
_TEXT, _TRUTH, _NUMBER = (str,), (bool,), (str, int)
_OPTIONAL_TEXT = (str, type(None))
_OBJECT_FIELDS: Mapping[str, tuple[type, ...]] = {
    "name": _TEXT,
    "size": _NUMBER,
    "contentType": _TEXT,
    "crc32c": _OPTIONAL_TEXT,
    "md5Hash": _OPTIONAL_TEXT,
    "generation": _NUMBER,
    "metageneration": _NUMBER,
    "storageClass": _TEXT,
    "timeCreated": _TEXT,
    "timeStorageClassUpdated": _OPTIONAL_TEXT,
    "metadata": (dict,),
    "cacheControl": _TEXT,
    "contentDisposition": _TEXT,
    "temporaryHold": _TRUTH,
    "eventBasedHold": _TRUTH,
    "customTime": _OPTIONAL_TEXT,
    "retention": (dict,),
    "retentionExpirationTime": _OPTIONAL_TEXT,
    "kmsKeyName": _TEXT,
}
_ONLY_TEXT = frozenset({str})


def blob_info(resource: object, prefix: str, *, name: str | None = None) -> BlobInfo:
    """Return an object resource as a value.

    Args:
        resource: of the JSON API.
        prefix: that of all objects that were asked for; our names do not have it.
        name: our name of the object that it must be of, if only one can be right.

    Raises:
        StoreConnectionError: the response is not an object resource, or of another object.
    """
    try:
        fields = Fields(resource)
        given = fields.checked(_OBJECT_FIELDS)
        full = given.get("name", "")
        found = full[len(prefix) :]
        if not found or not full.startswith(prefix) or name not in (None, found):
            raise _wrong("name", full or None)
        metadata = given.get("metadata", {})
        if not _ONLY_TEXT.issuperset(map(type, metadata.values())):
            raise _wrong("metadata", metadata)
        crc32c = _of_form("crc32c", given.get("crc32c"), _CRC32C)
        created = given.get("timeCreated")
        retained_until, retention_mode = _retention(fields)
        return BlobInfo(
            name=found,
            size_bytes=_integer("size", given.get("size")),
            content_type=given.get("contentType", "application/octet-stream"),
            crc32c=crc32c,
            generation=_integer("generation", given.get("generation")),
            metageneration=_integer("metageneration", given.get("metageneration")),
            storage_class=given.get("storageClass", "STANDARD"),
            created_at=_moment("timeCreated", created),
            md5_hash=_of_form("md5Hash", given.get("md5Hash"), _MD5),
            metadata=metadata,
            cache_control=given.get("cacheControl"),
            content_disposition=given.get("contentDisposition"),
            temporary_hold=given.get("temporaryHold", False),
            custom_time=fields.optional_moment("customTime"),
            # Until it is changed, the field holds the creation time, as for nearly all objects.
            class_changed_at=None
            if given.get("timeStorageClassUpdated") == created
            else _class_changed_at(fields),
            event_based_hold=given.get("eventBasedHold", False),
            retained_until=retained_until,
            retention_mode=retention_mode,
            unreadable=_unreadable(fields) if crc32c is None else None,
            kms_key=kms_key(fields) if "kmsKeyName" in given else None,
        )
    except ValueError as error:
        raise StoreConnectionError(f"the response is not an object resource: {error}") from None


def json_body(response: Response) -> dict[str, Any]:
    """Return the JSON object in a response.

    A name that occurs twice counts the last time. Text that is not valid Unicode is refused: it
    could not be sent back, written or printed.

    Raises:
        StoreConnectionError: there is none (it was cut short, or came from a proxy).
    """
    body = response.body
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
        if b"\\ud" in body or b"\\uD" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair fails
    except (ValueError, RecursionError):
        raise not_understood(response, _what_it_is(response)) from None
    if not isinstance(value, dict):
        raise not_understood(response, f"is {_kind(value)}, not a JSON object")
    return value


def decompressed(response: Response) -> Response:
    """Return a response to a request that accepts gzip, with its body as it was before.

    A hostile server could make a few bytes grow without end: the limit of all responses holds.

    Raises:
        StoreConnectionError: it is damaged, cut short, or larger than any response may be.
    """
    if response.headers.get("content-encoding", "").lower() != "gzip":
        return response
    decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = decoder.decompress(response.body, MAX_RESPONSE_BYTES + 1)
    except zlib.error:
        raise not_understood(response, "is compressed, but damaged") from None
    if len(body) > MAX_RESPONSE_BYTES:
        raise not_understood(response, f"has more than {MAX_RESPONSE_BYTES >> 20} MiB")
    if not decoder.eof or decoder.unused_data:
        raise not_understood(response, "is compressed, but not complete")
    headers = {k: v for k, v in response.headers.items() if k != "content-encoding"}
    return replace(response, headers=headers, body=body)


def not_understood(response: Response, reason: str) -> StoreConnectionError:
    """Return the error for a response that makes no sense.

    Args:
        response: the response.
        reason: the rest of a sentence on it: "is not JSON".
    """
    return StoreConnectionError(f"the response {reason}", status=response.status)


def error_of(
    response: Response,
    what: str,
    *,
    of_object: bool = False,
    of_settings: bool = False,
    of_trash: bool = False,
    checksum: str = "",
    permission: str = "",
) -> AudioStoreError:
    """Return the exception for a response that is not a success.

    Args:
        response: the response.
        what: what failed, and on what, for the message.
        of_object: whether the request named one object, so that 404 can mean the object.
        of_settings: whether it would have changed settings, so that 400 can mean one of them.
        of_trash: whether it was about soft-deleted objects, so that 400 can mean that the bucket
            keeps none.
        checksum: that of the bytes it carried; a 400 that names it means that they are others.
        permission: what the caller lacks on 403, if the role objectUser does not include it.
    """
    from audiostore.stores.gcs.errors import error_for  # noqa: PLC0415  (google.api_core)

    return error_for(
        response,
        what,
        of_object=of_object,
        of_settings=of_settings,
        of_trash=of_trash,
        checksum=checksum,
        permission=permission,
    )


def error_message(response: Response) -> tuple[str, frozenset[str]]:
    """Return the message of an error response, ready to be shown, and its reasons.

    The message is the service's own, if there is one, else the beginning of the body.
    """
    text: object = ""
    reasons = frozenset[str]()
    try:
        error = json_body(response).get("error")
        if isinstance(error, dict):
            text = error.get("message")
            reasons = frozenset(_reasons(error))
        elif isinstance(error, str):
            text = error
    except StoreConnectionError:
        return _start_of(response) or f"HTTP status {response.status}", reasons
    shown_text = server_text(text, *response.secrets) if isinstance(text, str) else ""
    return shown_text or f"HTTP status {response.status}", reasons


def _reasons(error: dict[str, Any]) -> list[str]:
    entries = error.get("errors")
    entries = entries if isinstance(entries, list) else []
    found = (entry.get("reason") for entry in entries if isinstance(entry, dict))
    return [reason for reason in found if isinstance(reason, str)]


def _integer(name: str, value: object) -> int:
    if type(value) is str and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is int and 0 <= value <= _LARGEST:
        return value
    raise _wrong(name, value)


def _moment(name: str, value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is UTC:
            return moment
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _wrong(name, value)


def _of_form(name: str, value: str | None, pattern: re.Pattern[str]) -> str | None:
    if not value or pattern.fullmatch(value):
        return value or None
    raise _wrong(name, value)


def _retention(fields: Fields) -> tuple[datetime | None, str | None]:
    """Return when the retention of an object ends, and the mode of its own.

    The time is that of its own or of the bucket's, None if it is over. Documented is that
    `retentionExpirationTime` is the later one of both.
    """
    if not (fields.has("retention") or fields.has("retentionExpirationTime")):
        return None, None  # as for nearly all objects
    own = fields.fields("retention")
    ends = (
        fields.optional_moment("retentionExpirationTime"),
        own.optional_moment("retainUntilTime"),
    )
    until = max((end for end in ends if end), default=None)
    return until if until and until > utc_now() else None, own.optional_text("mode")


def kms_key(fields: Fields) -> str | None:
    """Return the Cloud KMS key of an object, as requests name it: without its version."""
    name = fields.optional_text("kmsKeyName")
    return name.partition("/cryptoKeyVersions/")[0] if name else None


def _unreadable(fields: Fields) -> str:
    """Return why an object's resource shows no checksum.

    Its key encrypts that, too; a key of Cloud KMS may be disabled, or not granted to the bucket
    (cloud.google.com/storage/docs/encryption/customer-managed-keys, …/customer-supplied-keys).
    """
    if fields.value("customerEncryption"):
        return (
            "it is encrypted with a customer-supplied key, which audiostore does not have: give it "
            "another with 'gcloud storage objects update'"
        )
    if key := kms_key(fields):
        return (
            f"the bucket cannot use the Cloud KMS key {server_text(key)}: enable it, and let the "
            "bucket's service agent use it"
        )
    return "the bucket does not report its checksum"


def _class_changed_at(fields: Fields) -> datetime | None:
    """Return when the class was changed; until then the field holds the creation time."""
    changed_at = fields.optional_moment("timeStorageClassUpdated")
    return None if changed_at == fields.moment("timeCreated") else changed_at


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON (RFC 8259)


def _what_it_is(response: Response) -> str:
    body = response.body
    start = _start_of(response)[:_SHOWN_CHARACTERS]
    if not body:
        return "is not JSON: it is empty"
    if body.startswith(b"\x1f\x8b") or response.headers.get("content-encoding"):
        return "is not JSON: it is compressed, which was not asked for"
    if start[:5].lower() in ("<!doc", "<html"):
        return "is not JSON but a web page: a proxy or a login page has answered instead"
    return f'is not JSON: "{start}"'


def _start_of(response: Response) -> str:
    """Return the beginning of a body, ready to be shown; cut off only after secrets are removed."""
    return server_text(response.body[:_READ_BYTES].decode("utf-8", "replace"), *response.secrets)


def _wrong(name: str, value: object) -> ValueError:
    return ValueError(f"it has no {name}" if value is None else f"its {name} is {shown(value)}")


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(
        type(value), "a number" if isinstance(value, int | float) else "something else"
    )
