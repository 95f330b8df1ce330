"""Runs the checks on a scratch prefix, and deletes what they have written."""

import secrets
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

from audiostore.config import emulator_endpoint, parse_bucket
from audiostore.dataclass import replace
from audiostore.errors import AudioStoreError, ConfigurationError
from audiostore.retry import CONSERVATIVE_CONFIG, retry_operation
from audiostore.stores import (
    RetryingStore,
    Store,
    StoreFacts,
    open_bucket_client,
    open_store,
)
from audiostore.verify.anonymity import Anonymity
from audiostore.verify.checks import CHECKS
from audiostore.verify.cleaning import Cleaner
from audiostore.verify.cost import VerifyCost, cost_of
from audiostore.verify.scratch import THROTTLED, Access, Scratch, ask
from audiostore.verify.values import Check, NotShownError, Outcome, Row

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_PREFIX = "audiostore-verify-"
_NEEDED = tuple(f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update"))
_OK = 200
_NOT_TOLD = (404, 501)


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
        self.url = f"{location.url}/{_PREFIX}{secrets.token_hex(4)}"
        """All that is written is under this prefix."""
        self._client = open_bucket_client(self.url, credentials=credentials, project=project)
        names = location.bucket, location.prefix, self._client.full_name("")
        self._anonymity = Anonymity(*names)
        self._store = self._open()
        self.facts: StoreFacts = retry_operation(self._store.facts, sleep=sleep)
        self._require_deletable(is_whole=not location.prefix)

    @property
    def is_emulated(self) -> bool:
        """Whether it is not one of Google's buckets."""
        return emulator_endpoint() is not None

    @property
    def cost(self) -> VerifyCost:
        """What all checks cost at most."""
        return cost_of(CHECKS, self.facts)

    def rows(self, *, on_check: Callable[[Check], None] | None = None) -> Iterator[Row]:
        """Run the checks, one after the other, and yield what they find.

        Args:
            on_check: called before each.
        """
        for check in CHECKS:
            if on_check is not None:
                on_check(check)
            yield self.run(check)

    def run(self, check: Check) -> Row:
        """Run one check; again, in another folder, if the bucket cannot be reached."""
        attempts = count(1)

        def attempt() -> str:
            number = next(attempts)
            folder = check.name if number == 1 else f"{check.name}-{number}"
            scratch = Scratch(
                self._store,
                self._client,
                self.facts,
                f"{folder}/",
                self._sessions,
                self._access,
                self._sleep,
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
        return self._shown(Row(check.name, check.promise, outcome, detail))

    def clean(self) -> Row:
        """Delete all that was written, each object by its generation, and say what stays."""
        self._store.close()  # a write that was interrupted ends, or is found
        self._store = self._open()
        cleaner = Cleaner(
            self._store, self._client, self._sessions, self.facts.keeps_deleted, self._sleep
        )
        return self._shown(cleaner.clean())

    def close(self) -> None:
        """Close all connections."""
        self._store.close()
        self._client.close()

    def _shown(self, row: Row) -> Row:
        return replace(row, detail=self._anonymity.of(row.detail))

    def _open(self) -> Store:
        access = self._access
        store = open_store(self.url, credentials=access.credentials, project=access.project)
        return RetryingStore(store, THROTTLED, sleep=self._sleep)

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
                f"gs://{self._anonymity.bucket} cannot be verified: {reason}, so that what is "
                "written to try it could not be deleted again. Nothing was written: use another "
                "bucket"
            )

    def _holds_all(self) -> bool:
        url = self._client.url_of(self._client.bucket_path(), fields="defaultEventBasedHold")
        response = ask(self._client, lambda: self._client.call("GET", url), self._sleep)
        return response.status == _OK and b"true" in response.body

    def _granted(self) -> frozenset[str]:
        try:
            return retry_operation(lambda: self._store.granted(_NEEDED), sleep=self._sleep)
        except AudioStoreError as error:
            if error.status in _NOT_TOLD:
                return frozenset(_NEEDED)  # an emulator that cannot be asked
            raise
