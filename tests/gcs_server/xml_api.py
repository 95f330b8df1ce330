"""The part of the XML API that signed URLs need: GET and HEAD of an object, path-style.

https://cloud.google.com/storage/docs/xml-api/get-object-download and
https://cloud.google.com/storage/docs/xml-api/reference-headers (response-content-disposition,
response-content-type, generation).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from email.utils import format_datetime
from xml.sax.saxutils import escape

from .accounts import Accounts
from .auth import Auth
from .calls import Call
from .clock import moment_of
from .errors import ApiError, invalid, no_bucket
from .media import media
from .objects import Preconditions
from .signed_urls import Asked, is_signed, verify
from .state import State
from .wire import Response

_CODES = {
    400: ("InvalidArgument", "Invalid argument."),
    401: ("AuthenticationRequired", "Authentication required."),
    403: ("AccessDenied", "Access denied."),
    404: ("NoSuchKey", "The specified key does not exist."),
    405: ("MethodNotAllowed", "The specified method is not allowed against this resource."),
    412: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold."),
    416: ("InvalidRange", "The requested range cannot be satisfied."),
    501: (
        "NotImplemented",
        "A header or query you provided requested a function that is not implemented.",
    ),
}
_OVERRIDES = (
    ("response-content-disposition", "Content-Disposition"),
    ("response-content-type", "Content-Type"),
)


@dataclass(frozen=True)
class XmlApi:
    """Object reads with a signed URL (or a token)."""

    state: State
    auth: Auth
    accounts: Accounts

    def read(self, call: Call) -> Response:
        """Send the object to an authorized caller."""
        route, query = call.route, call.route.query
        if is_signed(query):
            asked = Asked(call.method, f"/{route.bucket}/{route.name}", query, call.headers)
            email = verify(asked, self.accounts, self.state.clock.now())
            if not self.auth.may("storage.objects.get"):
                raise _denied(email)
        elif "authorization" in call.headers:
            self.auth.check("download", call.headers["authorization"])
        else:
            raise _denied("Anonymous caller")
        overrides = {header: query[key] for key, header in _OVERRIDES if query.get(key)}
        if any({"\r", "\n"} & set(value) for value in overrides.values()):
            raise invalid("A header of the response cannot have a line break.")
        record = self.state.get(
            route.bucket, route.name, route.number("generation"), Preconditions()
        )
        self.state.keys.require_readable(record.encryption, call.headers)
        response = media(self.state, record, call.headers)
        response.headers["ETag"] = f'"{binascii.hexlify(b64decode(record.md5_hash)).decode()}"'
        response.headers["Last-Modified"] = format_datetime(moment_of(record.updated), usegmt=True)
        response.headers.update(overrides)
        return response


def xml_error(error: ApiError) -> tuple[str, bytes]:
    """Format an error as the XML API does.

    https://cloud.google.com/storage/docs/xml-api/reference-status
    """
    if error.status == 304:
        return "text/plain; charset=utf-8", b""
    code, message = _CODES.get(error.status, (error.reason, error.message))
    details = dict(error.details)
    if error.reason[:1].isupper():
        code, message = error.reason, error.message
    elif error.message == no_bucket().message:
        code, message = "NoSuchBucket", error.message
    else:
        details.setdefault("Details", error.message)
    parts = [("Code", code), ("Message", message), *details.items()]
    inner = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in parts)
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>"
    return "application/xml; charset=UTF-8", body.encode()


def _denied(who: str) -> ApiError:
    return ApiError(
        403,
        "AccessDenied",
        "Access denied.",
        details={
            "Details": f"{who} does not have storage.objects.get access to the Google Cloud "
            "Storage object. Permission 'storage.objects.get' denied on resource (or it may not "
            "exist)."
        },
    )
