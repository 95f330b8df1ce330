"""The folders of a bucket with a hierarchical namespace, which stay when their objects are gone.

Reference: cloud.google.com/storage/docs/folders-overview and …/json_api/v1/folders. Storing an
object creates its folders. Only an empty folder can be deleted: else, 409. In a flat bucket a
folder is only a part of names, and nothing here is requested but the layout, once.
"""

from collections.abc import Iterator

from audiostore.errors import BlobNotFoundError, StoreConnectionError, shown
from audiostore.forking import ForkSafeLock
from audiostore.log import logger
from audiostore.stores.capabilities import ForeignFile
from audiostore.stores.gcs import layout
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.objects import pages
from audiostore.stores.gcs.responses import Fields, error_of

_GONE, _NOT_EMPTY, _FORBIDDEN = 404, 409, 403


class Folders:
    """Deletes folders that are empty. Safe to use from many threads, and after a fork."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_hierarchical: bool | None = None
        self._lock = ForkSafeLock()

    def tidy(self, name: str) -> None:
        """Delete the folder of an object that was deleted, unless something else is in it.

        A top-level folder stays, as all assets share it.
        """
        folder = name[: name.rfind("/") + 1]
        if _is_top_level(folder) or not self._has_folders():
            return
        status = self._delete(folder)
        if status == _FORBIDDEN:  # the object is deleted: that is what was asked for
            logger.warning(
                "the empty folder %s stays: the account may not delete it "
                "(storage.folders.delete is missing)",
                self._client.uri(folder),
            )

    def empty(self, prefix: str) -> Iterator[ForeignFile]:
        """Yield the folders under a prefix with no object below them, the innermost first.

        Names of folders and objects are compared page by page, in constant memory. Top-level
        folders are left out.
        """
        if not self._has_folders():
            return
        names = self._names(prefix)
        name = next(names, None)
        outer: list[ForeignFile] = []
        for folder in self._list(prefix):
            inside = f"{folder.path}/"
            while name is not None and name.encode() < inside.encode():
                name = next(names, None)
            if _is_top_level(inside) or (name is not None and name.startswith(inside)):
                continue
            while outer and not inside.startswith(f"{outer[-1].path}/"):
                yield outer.pop()
            outer.append(folder)
        yield from reversed(outer)

    def remove(self, file: ForeignFile) -> None:
        """Delete a folder that `empty` found (see `SupportsForeignFiles.remove_foreign_file`)."""
        status = self._delete(f"{file.path}/")
        if status in (_GONE, _NOT_EMPTY):
            raise BlobNotFoundError(
                f"{self._client.uri(file.path)} is no longer {file.description}: it was not removed"
            )

    def _has_folders(self) -> bool:
        with self._lock:  # one request, however many threads delete
            if self._is_hierarchical is None:
                self._is_hierarchical = layout.read(self._client).is_hierarchical
            return self._is_hierarchical

    def _delete(self, folder: str) -> int:
        """Try to delete a folder; return the status: a success, or why it is not deleted."""
        url = self._client.url_of(self._client.folder_path(folder))
        response = self._client.call("DELETE", url)
        if response.status not in (200, 204, _GONE, _NOT_EMPTY, _FORBIDDEN):
            raise error_of(response, self._client.uri(folder))
        return response.status

    def _names(self, prefix: str) -> Iterator[str]:
        for page in pages(self._client, prefix, fields="items(name),nextPageToken"):
            for resource in page:
                yield self._listed(_name(resource), prefix)

    def _list(self, prefix: str) -> Iterator[ForeignFile]:
        for page in pages(self._client, prefix, collection="folders"):
            for resource in page:
                yield self._described(resource, prefix)

    def _listed(self, found: str, prefix: str) -> str:
        """Return our name of what a listing holds: only names with this prefix can be in it."""
        name = self._client.own_name(found)
        if not name.startswith(prefix):
            what = f"the listing of {self._client.uri(prefix)} is out of order"
            raise StoreConnectionError(f"{what} at {shown(name)}", status=200)
        return name

    def _described(self, resource: object, prefix: str) -> ForeignFile:
        try:
            fields = Fields(resource)
            return ForeignFile(
                self._listed(fields.text("name"), prefix).removesuffix("/"),
                "an empty folder",
                is_removable=True,
                changed_at=fields.moment("updateTime"),
            )
        except ValueError as error:
            raise StoreConnectionError(f"the response is not a folder: {error}") from None


def _is_top_level(folder: str) -> bool:
    return folder.count("/") < 2


def _name(resource: object) -> str:
    try:
        return Fields(resource).text("name")
    except ValueError as error:
        raise StoreConnectionError(f"the response is not an object: {error}") from None
