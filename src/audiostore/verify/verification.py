"""Runs the checks on a scratch prefix, and deletes what they have written."""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from audiostore.config import emulator_endpoint, parse_bucket
from audiostore.errors import (
    AudioStoreError,
    BlobNotFoundError,
    ConfigurationError,
    redacted,
)
from audiostore.retry import CONSERVATIVE_CONFIG, retry_operation
from audiostore.stores import (
    Store,
    StoreFacts,
    complete,
    open_bucket_client,
    open_store,
)
from audiostore.values import BlobInfo
from audiostore.verify.checks import CHECKS
from audiostore.verify.cost import VerifyCost, cost_of
from audiostore.verify.scratch import Access, Scratch
from audiostore.verify.values import Check, NotShownError, Outcome, Row

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

T = TypeVar("T")

_PREFIX = "audiostore-verify-"
_NEEDED = tuple(f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update"))
_NOT_TOLD = (404, 501)
_ROUNDS = 3
"""What a write that was interrupted stores after all is found by another listing."""
_ACCOUNT = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_RESOURCE = re.compile(r"\b(projects|locations|keyRings|cryptoKeys)/[^/\s'\",;]+")


class Verification:
    """A run of the checks on a bucket, under a prefix that nothing else uses.

    Nothing is written before `rows` is called. Call `clean` in any case afterwards.

    Example::

        with closing(Verification("gs://my-bucket")) as verification:
            try:
                for row in verification.rows():
                    print(row.outcome, row.check, row.detail)
            finally:
                print(verification.clean().detail)
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: "Credentials | None" = None,
        project: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read what can be known of a bucket.

        Args:
            url: ``gs://bucket``, or a prefix in it, under which the checks use one of their own.
            credentials: of google-auth; Application Default Credentials if None.
            project: Google Cloud project billed for the requests.
            sleep: waits so many seconds before a check is repeated.

        Raises:
            ConfigurationError: the URL does not name a bucket; or what is written to it could not
                be deleted.
            AudioStoreError: the bucket cannot be read.
        """
        location = parse_bucket(url)
        self._access = Access(credentials, project)
        self._sleep = sleep
        self._sessions: list[str] = []
        self._names = (location.bucket, location.prefix)
        self.url = f"{location.url}/{_PREFIX}{secrets.token_hex(4)}"
        """All that is written is under this prefix."""
        self._client = open_bucket_client(self.url, credentials=credentials, project=project)
        self._store = self._open()
        self.facts: StoreFacts = retry_operation(self._store.facts, sleep=sleep)
        self._require_deletable(is_whole=not location.prefix)

    @property
    def is_emulated(self) -> bool:
        """Whether it is no bucket of Google's."""
        return emulator_endpoint() is not None

    @property
    def cost(self) -> VerifyCost:
        """What all checks cost at most."""
        return cost_of(CHECKS, self.facts)

    def rows(self) -> Iterator[Row]:
        """Run the checks, one after the other, and yield what they find."""
        return map(self.run, CHECKS)

    def run(self, check: Check) -> Row:
        """Run one check; again, in another folder, if the bucket cannot be reached."""
        attempts = count(1)

        def attempt() -> str:
            number = next(attempts)
            folder = check.name if number == 1 else f"{check.name}-{number}"
            scratch = Scratch(
                self._store, self._client, self.facts, f"{folder}/", self._sessions, self._access
            )
            return check.run(scratch)

        outcome: Outcome
        try:
            detail = retry_operation(attempt, CONSERVATIVE_CONFIG, check.name, sleep=self._sleep)
            outcome = "passed"
        except NotShownError as error:
            outcome, detail = "skipped", str(error)
        except AudioStoreError as error:
            outcome, detail = "failed", str(error)
        return Row(check.name, check.promise, outcome, self._without_names(detail))

    def clean(self) -> Row:
        """Delete all that was written, each object by its generation, and say what stays."""
        self._store.close()  # a write that was interrupted ends, or is found
        self._store = self._open()
        kept: dict[tuple[str, int], str] = {}
        deleted = 0
        try:
            for session in self._sessions:
                self._retried(partial(self._client.call, "DELETE", session))
            for _ in range(_ROUNDS):
                found = [b for b in self._retried(self._written) if _key(b) not in kept]
                for blob in found:
                    try:
                        self._retried(partial(self._delete, blob))
                        deleted += 1
                    except AudioStoreError as error:
                        kept[_key(blob)] = str(error)
                if not found:
                    break
            self._retried(self._remove_folders)
            stays = self._retried(self._in_trash)
        except AudioStoreError as error:
            return self._cleaned("failed", f"{deleted} objects were deleted, then: {error}")
        if kept:
            (name, generation), why = next(iter(kept.items()))
            more = f"{len(kept)} objects stay, the first one {name} (generation {generation})"
            return self._cleaned("failed", f"{deleted} objects were deleted, {more}: {why}")
        return self._cleaned("passed", f"{deleted} objects were deleted by generation{stays}")

    def close(self) -> None:
        """Close all connections."""
        self._store.close()
        self._client.close()

    def _cleaned(self, outcome: Outcome, detail: str) -> Row:
        promise = "all that was written is deleted"
        return Row("cleaned-up", promise, outcome, self._without_names(detail))

    def _open(self) -> Store:
        access = self._access
        return complete(
            open_store(self.url, credentials=access.credentials, project=access.project)
        )

    def _retried(self, action: Callable[[], T]) -> T:
        return retry_operation(action, CONSERVATIVE_CONFIG, "cleaning up", sleep=self._sleep)

    def _written(self) -> list[BlobInfo]:
        return [*self._store.list(""), *self._store.noncurrent("")]

    def _delete(self, blob: BlobInfo) -> None:
        with suppress(BlobNotFoundError):  # an attempt before has deleted it
            free = blob
            if blob.temporary_hold:
                free = self._store.update(blob, {}, temporary_hold=False)
            self._store.delete(free)

    def _remove_folders(self) -> None:
        for folder in self._store.foreign_files(""):
            self._store.remove_foreign_file(folder)

    def _in_trash(self) -> str:
        if not self.facts.keeps_deleted:
            return ""
        ends = [each.gone_at for each in self._store.list_deleted("")]
        if not ends:
            return ""
        return (
            f"; soft delete keeps {len(ends)} generations until {max(ends):%Y-%m-%d}, and nothing "
            "deletes them earlier"
        )

    def _require_deletable(self, *, is_whole: bool) -> None:
        """Refuse a bucket in which what is written would stay.

        Raises:
            ConfigurationError: it would.
        """
        settings = self.facts.settings
        reason = None
        if settings is not None:
            if settings.retention_s:
                reason = f"it keeps every object for {settings.retention_s} seconds (retention)"
            elif self._holds_all():
                reason = "it puts every new object under an event-based hold"
        if is_whole and reason is None:
            missing = sorted(frozenset(_NEEDED) - self._granted())
            reason = f"the account lacks {', '.join(missing)}" if missing else None
        if reason is not None:
            raise ConfigurationError(
                f"gs://{self._names[0]} cannot be verified: {reason}, so that what is written to "
                "try it could not be deleted again. Nothing was written: use another bucket"
            )

    def _holds_all(self) -> bool:
        url = self._client.url_of(self._client.bucket_path(), fields="defaultEventBasedHold")
        response = self._client.call("GET", url)
        return response.status == 200 and b"true" in response.body

    def _granted(self) -> frozenset[str]:
        try:
            return self._retried(lambda: self._store.granted(_NEEDED))
        except AudioStoreError as error:
            if error.status in _NOT_TOLD:
                return frozenset(_NEEDED)  # an emulator that cannot be asked
            raise

    def _without_names(self, text: str) -> str:
        """Return a text without what names the bucket, the account, the project or a key."""
        bucket, prefix = self._names
        text = redacted(text).replace(f"{self.url}/", "")
        text = text.replace(self._client.full_name(""), "")
        for name, word in ((bucket, "BUCKET"), (prefix, "PREFIX")):
            if name:
                text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", word, text)
        return _RESOURCE.sub(r"\1/…", _ACCOUNT.sub("ACCOUNT", text))


def _key(blob: BlobInfo) -> tuple[str, int]:
    return blob.name, blob.generation
