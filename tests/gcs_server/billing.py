"""Requester pays: which project is billed for a request.

https://cloud.google.com/storage/docs/requester-pays: the project is named by the parameter
userProject or the header x-goog-user-project; a named project is billed, and the caller must be
allowed to bill it, on any bucket. The bucket's owners, who need to name none, are not modelled.

https://cloud.google.com/storage/docs/json_api/v1/status-codes has the reason UserProjectMissing;
users report `required` instead, which is also the reason of a missing parameter (`reason`: a test
can choose). The reason of a project that the caller must not bill, and that the parameter wins over
the header, are users' reports as well; the XML API's codes are those of
https://cloud.google.com/storage/docs/xml-api/reference-status.
"""

from __future__ import annotations

from dataclasses import dataclass

from .calls import Call
from .errors import ApiError
from .state import State

_UNBILLED = frozenset(
    [
        "bucket_create",
        "preflight",
        "session_cancel",
        "session_chunk",
        "session_status",
        "sign_blob",
        "token",
    ]
)
"""What is on no bucket, a session (its start was billed), and a preflight (unverified)."""


@dataclass
class Billing:
    """Which projects callers may bill (None: any), and the reason where none is named."""

    state: State
    payers: set[str] | None = None
    reason: str = "required"

    def check(self, call: Call) -> None:
        """Refuse a request that names no project to bill where one is needed, or a wrong one."""
        route = call.route
        if route.operation in _UNBILLED:
            return
        is_xml = route.operation == "xml"
        header = call.headers.get("x-goog-user-project")
        project = route.query.get("userProject") or header
        if not project:
            if self.state.bucket(route.bucket).requester_pays:
                raise ApiError(
                    400,
                    "UserProjectMissing" if is_xml else self.reason,
                    "Bucket is a requester pays bucket but no user project provided.",
                )
        elif self.payers is not None and project not in self.payers:
            raise ApiError(
                403,
                "UserProjectAccessDenied" if is_xml else "forbidden",
                "robot@project.iam.gserviceaccount.com does not have serviceusage.services.use "
                "access to the Google Cloud project. Permission 'serviceusage.services.use' denied "
                "on resource (or it may not exist).",
            )
