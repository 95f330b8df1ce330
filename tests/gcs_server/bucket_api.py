"""The operations on buckets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .auth import Auth
from .buckets import BUCKET_SCHEMA, bucket_json
from .calls import Call, answer_json, json_of, mask_of
from .errors import ApiError, invalid
from .objects import Json
from .state import State
from .wire import Response

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class BucketApi:
    """Buckets: get, insert, patch, lockRetentionPolicy, testIamPermissions."""

    state: State
    auth: Auth

    def get(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/buckets/get."""
        bucket = self.state.bucket(call.route.bucket)
        call.route.conditions().check_meta(bucket.metageneration, reading=True)
        return answer_json(bucket_json(bucket, call.base), mask_of(call, BUCKET_SCHEMA))

    def create(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/buckets/insert."""
        value = json_of(call)
        if not call.route.query.get("project"):
            raise ApiError(400, "required", "Required parameter: project")
        name = value.get("name")
        if not isinstance(name, str) or not _BUCKET_NAME.fullmatch(name):
            raise invalid(f"Invalid bucket name: '{name}'")
        made = self.state.create_bucket(name, value)
        return answer_json(bucket_json(made, call.base), mask_of(call, BUCKET_SCHEMA))

    def patch(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/buckets/patch.

        412 for ifMetagenerationNotMatch is unverified (a user reports 304).
        """
        mask = mask_of(call, BUCKET_SCHEMA)
        changes = json_of(call)
        made = self.state.patch_bucket(call.route.bucket, changes, call.route.conditions())
        return answer_json(bucket_json(made, call.base), mask)

    def lock(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/buckets/lockRetentionPolicy."""
        conditions = call.route.conditions()
        if conditions.metageneration_match is None:
            raise ApiError(400, "required", "Required parameter: ifMetagenerationMatch")
        made = self.state.lock_retention(call.route.bucket, conditions)
        return answer_json(bucket_json(made, call.base), mask_of(call, BUCKET_SCHEMA))

    def permissions(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions.

        That a permission of another service is refused is unverified.
        """
        self.state.bucket(call.route.bucket)
        asked = call.route.repeated.get("permissions", [])
        if not asked:
            raise ApiError(400, "required", "Required parameter: permissions")
        for permission in asked:
            if not permission.startswith("storage.") or "*" in permission:
                raise invalid(f"Invalid permission: {permission}")
        response: Json = {"kind": "storage#testIamPermissionsResponse"}
        if granted := [permission for permission in asked if self.auth.may(permission)]:
            response["permissions"] = granted
        return answer_json(response, mask_of(call, {"kind": None, "permissions": None}))
