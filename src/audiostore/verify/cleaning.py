"""Deletes what the checks have written: all versions, and folders; cancels sessions."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from audiostore.dataclass import dataclass, field
from audiostore.errors import AudioStoreError, BlobNotFoundError
from audiostore.retry import CONSERVATIVE_CONFIG, retry_operation
from audiostore.stores import Store
from audiostore.values import BlobInfo
from audiostore.verify.scratch import ask
from audiostore.verify.values import Outcome, Row

if TYPE_CHECKING:
    from audiostore.stores import Client, Response

T = TypeVar("T")

_ROUNDS = 3
"""What a write that was interrupted stores after all is found by another listing."""
_OK, _GONE = 200, (200, 204, 404)


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Cleans one scratch prefix up."""

    store: Store
    """What lies under the prefix."""
    client: "Client" = field(repr=False)
    sessions: Iterable[str] = field(repr=False)
    """Upload sessions, complete or not."""
    keeps_deleted: bool
    sleep: Callable[[float], None] = field(repr=False)

    def clean(self) -> Row:
        """Delete each object by its generation, and say what stays."""
        deleted = 0
        kept: dict[tuple[str, int], str] = {}
        try:
            for session in self.sessions:
                self._ask("DELETE", session)
            for _ in range(_ROUNDS):
                found = [blob for blob in self._retried(self._written) if _key(blob) not in kept]
                for blob in found:
                    try:
                        self._retried(partial(self._delete, blob))
                        deleted += 1
                    except AudioStoreError as error:
                        kept[_key(blob)] = str(error)
                if not found:
                    break
            self._remove_folders()
            in_trash = self._retried(self._in_trash)
        except AudioStoreError as error:
            return _row(f"{deleted} objects were deleted, then: {error}", failed=True)
        if kept:
            (name, generation), why = next(iter(kept.items()))
            return _row(
                f"{deleted} objects were deleted, {len(kept)} stay, the first one {name} "
                f"(generation {generation}): {why}",
                failed=True,
            )
        return _row(f"{deleted} objects were deleted by generation{in_trash}")

    def _written(self) -> list[BlobInfo]:
        return [*self.store.list(""), *self.store.noncurrent("")]

    def _delete(self, blob: BlobInfo) -> None:
        with suppress(BlobNotFoundError):  # an attempt before has deleted it
            free = blob
            if blob.temporary_hold:
                free = self.store.update(blob, {}, temporary_hold=False)
            self.store.delete(free)

    def _remove_folders(self) -> None:
        """Delete the folders that objects leave behind in a hierarchical namespace.

        Raises:
            AudioStoreError: one stays.
        """
        client = self.client
        path = f"{client.bucket_path()}/folders"
        url = client.url_of(path, prefix=client.full_name(""), fields="items(name)")
        response = self._ask("GET", url)
        if response.status != _OK:
            return  # the namespace is flat
        names = [item["name"] for item in json.loads(response.body).get("items", [])]
        for name in sorted(names, reverse=True):  # the innermost first
            url = client.url_of(client.folder_path(client.own_name(name)))
            response = self._ask("DELETE", url)
            if response.status not in _GONE:
                raise AudioStoreError(f"the folder {name} stays: {client.describe(response)}")

    def _in_trash(self) -> str:
        if not self.keeps_deleted:
            return ""
        ends = [each.gone_at for each in self.store.list_deleted("")]
        if not ends:
            return ""
        return (
            f"; soft delete keeps {len(ends)} generations until {max(ends):%Y-%m-%d}, and nothing "
            "deletes them earlier"
        )

    def _ask(self, method: str, url: str) -> "Response":
        request = partial(self.client.call, method, url)
        return self._retried(lambda: ask(self.client, request, self.sleep))

    def _retried(self, action: Callable[[], T]) -> T:
        return retry_operation(action, CONSERVATIVE_CONFIG, "cleaning up", sleep=self.sleep)


def _key(blob: BlobInfo) -> tuple[str, int]:
    return blob.name, blob.generation


def _row(detail: str, *, failed: bool = False) -> Row:
    outcome: Outcome = "failed" if failed else "passed"
    return Row("cleaned-up", "all that was written is deleted", outcome, detail)
