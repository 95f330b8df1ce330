"""That a store under a prefix leaves the rest of its bucket alone, by the requests it sends."""

from urllib.parse import unquote

from tests.gcs_server import StrictServer

_OF_NAMES = {
    *("upload", "session_start", "session_chunk", "session_status", "session_cancel"),
    *("stat", "download", "patch", "delete", "rewrite", "restore", "folder_delete", "xml"),
}
_OF_LISTINGS = {"list", "folder_list", "layout"}
_OF_THE_BUCKET = {"bucket_get", "bucket_patch", "permissions"}
_OF_NOTHING = {"token", "sign_blob"}
NEIGHBOURS = ("audio/a", "music/audio/a", "music/prod", "music/prod-2/audio/a", "music/q", "z")
"""Objects around the prefix ``music/prod``."""


def put_neighbours(server: StrictServer, bucket: str) -> None:
    """Store objects around the prefix, and the one by which others show it as a folder."""
    for name in (*NEIGHBOURS, "music/prod/"):
        server.put(bucket, name, name.encode())


def require_within(server: StrictServer, bucket: str, prefix: str) -> set[str]:
    """Fail if any request named something outside of the prefix; return the operations seen."""
    for request in server.requests:
        asked = request.query
        if request.operation in _OF_NAMES:
            target = unquote(request.path.partition(f"/rewriteTo/b/{bucket}/o/")[2])
            names = [request.name, *([target] if request.operation == "rewrite" else [])]
        elif request.operation in _OF_LISTINGS:
            names = [asked["prefix"]]
            names += [asked[key] for key in ("startOffset", "endOffset") if key in asked]
        else:
            assert request.operation in _OF_THE_BUCKET | _OF_NOTHING, request
            names = []
        for name in names:
            assert name.startswith(f"{prefix}/"), request
    assert {found.name for found in server.objects(bucket)} >= {*NEIGHBOURS, f"{prefix}/"}
    return {request.operation for request in server.requests}
