"""Folders: resources of a bucket with a hierarchical namespace, and the bucket's storage layout.

https://cloud.google.com/storage/docs/folders-overview and
https://cloud.google.com/storage/docs/json_api/v1/folders: storing an object creates the folders in
its name that do not exist; they stay when their objects are gone. Only an empty folder can be
deleted. The messages and the status of the refusals (409) are those that the acceptance tests of
hashicorp/terraform-provider-google expect. Unverified: that soft-deleted objects do not keep a
folder from being empty, and that restoring one creates its folder again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .buckets import Bucket, Folder
from .calls import Call, answer_json, json_of, mask_of
from .clock import written
from .errors import ApiError, invalid
from .objects import Json
from .state import State
from .wire import Response

FOLDER_SCHEMA: dict[str, Any] = dict.fromkeys(
    ("bucket", "createTime", "id", "kind", "metageneration", "name", "selfLink", "updateTime")
)
_LIST_SCHEMA = {"kind": None, "nextPageToken": None, "items": FOLDER_SCHEMA}
_LAYOUT_SCHEMA = dict.fromkeys(
    ("bucket", "hierarchicalNamespace", "kind", "location", "locationType")
)


@dataclass(frozen=True)
class FolderApi:
    """Folders: list, get, insert, delete; getStorageLayout."""

    state: State

    def layout(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/buckets/getStorageLayout."""
        home = self.state.bucket(call.route.bucket)
        layout = {
            "kind": "storage#storageLayout",
            "bucket": home.name,
            "location": home.location,
            "locationType": home.location_type,
            "hierarchicalNamespace": {"enabled": home.hierarchical},
        }
        return answer_json(layout, mask_of(call, _LAYOUT_SCHEMA))

    def list(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/folders/list."""
        query = call.route.query
        delimiter, prefix = query.get("delimiter"), query.get("prefix", "")
        if delimiter not in (None, "/"):
            raise invalid("Invalid value for: delimiter", "invalidParameter")
        limit = min(call.route.number("pageSize") or 1000, 1000)
        with self.state.lock:
            home = self._home(call)
            found = [
                name
                for name in sorted(home.folders)
                if name.startswith(prefix)
                and name >= query.get("startOffset", "")
                and name > query.get("pageToken", "")
                and not (query.get("endOffset") and name >= query["endOffset"])
                and not (delimiter and name[len(prefix) :].count("/") > 1)
            ]
            items = [_json(home, home.folders[name], call.base) for name in found[:limit]]
        response: Json = {"kind": "storage#folders"}
        if items:
            response["items"] = items
        if len(found) > limit:
            response["nextPageToken"] = found[limit - 1]
        return answer_json(response, mask_of(call, _LIST_SCHEMA))

    def get(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/folders/get."""
        with self.state.lock:
            home = self._home(call)
            return self._answer(call, home, _found(home, call.route.name))

    def insert(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/folders/insert."""
        name = json_of(call).get("name")
        if not isinstance(name, str) or not name.strip("/"):
            raise ApiError(400, "required", "Required parameter: name")
        name = f"{name.rstrip('/')}/"
        with self.state.lock:
            home = self._home(call)
            if name in home.folders:
                raise ApiError(409, "conflict", "The folder you tried to create already exists.")
            parent = name[: name.rstrip("/").rfind("/") + 1]
            if (
                parent
                and parent not in home.folders
                and call.route.query.get("recursive") != "true"
            ):
                raise ApiError(409, "conflict", "The parent folder does not exist.")
            home.make_folders(name, written(self.state.clock.now()))
            return self._answer(call, home, home.folders[name])

    def delete(self, call: Call) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/folders/delete."""
        with self.state.lock:
            home = self._home(call)
            folder = _found(home, call.route.name)
            call.route.conditions().check_meta(folder.metageneration)
            inside = (*home.names, *home.folders)
            if any(name.startswith(folder.name) and name != folder.name for name in inside):
                raise ApiError(409, "conflict", "The folder you tried to delete is not empty.")
            del home.folders[folder.name]
        return Response(204)

    def _home(self, call: Call) -> Bucket:
        home = self.state.bucket(call.route.bucket)
        if not home.hierarchical:
            raise ApiError(409, "conflict", "The bucket does not support hierarchical namespace.")
        return home

    def _answer(self, call: Call, home: Bucket, folder: Folder) -> Response:
        return answer_json(_json(home, folder, call.base), mask_of(call, FOLDER_SCHEMA))


def _found(home: Bucket, name: str) -> Folder:
    folder = home.folders.get(f"{name.rstrip('/')}/")
    if folder is None:
        raise ApiError(404, "notFound", "The folder does not exist.")
    return folder


def _json(home: Bucket, folder: Folder, base: str) -> Json:
    return {
        "kind": "storage#folder",
        "id": f"{home.name}/{folder.name}",
        "selfLink": f"{base}/storage/v1/b/{home.name}/folders/{quote(folder.name, safe='')}",
        "name": folder.name,
        "bucket": home.name,
        "createTime": folder.created,
        "updateTime": folder.created,
        "metageneration": str(folder.metageneration),
    }
