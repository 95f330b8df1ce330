"""Answers are told apart by their reasons and by facts, whatever their words."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from google.api_core import exceptions

from audiostore import (
    BlobNotFoundError,
    ConfigurationError,
    IntegrityError,
    RetryConfig,
    UnsupportedByStoreError,
)
from audiostore.stores.gcs.store import GcsStore
from tests.gcs_server import AS_NEW, StrictServer, faults
from tests.unit.test_gcs_store import LARGE, SMALL, SPEC


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket", bucket_settings=AS_NEW) as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    with closing(GcsStore("bucket", emulator=server.url)) as store:
        yield store


def _answer(status: int, reason: str, message: str = "Nein.") -> Any:
    entry = {"domain": "global", "reason": reason, "message": message}
    body = {"error": {"code": status, "message": message, "errors": [entry]}}
    return faults.respond(status, body=json.dumps(body).encode())


CASES: dict[str, tuple[Callable[[GcsStore], object], int, str, type[Exception]]] = {
    "no project": (lambda s: next(s.list(""), None), 400, "required", ConfigurationError),
    "no soft delete, as documented": (
        lambda s: s.restore(next(s.list_deleted(""))),
        400,
        "SoftDeletePolicyRequired",
        UnsupportedByStoreError,
    ),
    "a setting": (
        lambda s: s.change_settings(s.settings(), soft_delete_s=0),
        400,
        "invalid",
        ValueError,
    ),
    "too many requests": (
        lambda s: s.delete(s.stat(SPEC.name)),
        403,
        "rateLimitExceeded",
        exceptions.TooManyRequests,
    ),
}
WHICH = {
    "no project": faults.listing,
    "no soft delete, as documented": faults.restore,
    "a setting": faults.bucket_patch,
    "too many requests": faults.delete,
}


@pytest.mark.parametrize("case", CASES)
def test_a_reason_counts_whatever_the_words(
    server: StrictServer, store: GcsStore, case: str
) -> None:
    call, status, reason, kind = CASES[case]
    store.put(SPEC, SMALL)
    store.delete(store.stat(SPEC.name))
    store.put(SPEC, SMALL)
    server.fault(WHICH[case], _answer(status, reason), times=None)
    with pytest.raises(kind) as caught:
        call(store)
    assert caught.value.status in (status, 429)  # type: ignore[attr-defined]
    assert RetryConfig().is_retryable(caught.value) == (case == "too many requests")


@pytest.mark.parametrize("source", [SMALL, LARGE], ids=["one request", "session"])
def test_a_checksum_is_refused_in_any_words_that_name_it(
    server: StrictServer, store: GcsStore, source: Any
) -> None:
    """The reason is that of any value that is not valid; but only one is quoted."""
    is_last = faults.simple_upload if source is SMALL else faults.last_chunk
    server.fault(is_last, _answer(400, "invalid", f'"{source.crc32c}" passt nicht.'))
    with pytest.raises(IntegrityError) as caught:
        store.put(SPEC, source)
    assert RetryConfig().is_retryable(caught.value)
    server.fault(is_last, _answer(400, "invalid", "CRC32C: metadata does not match."))
    with pytest.raises(exceptions.BadRequest) as refused:
        store.put(SPEC, source)
    assert not isinstance(refused.value, IntegrityError)
    assert not RetryConfig().is_retryable(refused.value)


@pytest.mark.parametrize("reason", ["SoftDeletePolicyRequired", "invalid"])
def test_a_bucket_without_soft_delete_has_an_empty_trash(
    server: StrictServer, store: GcsStore, reason: str
) -> None:
    server.fault(faults.listing, _answer(400, reason))
    assert list(store.list_deleted("")) == []
    server.fault(faults.listing, _answer(400, reason))
    with pytest.raises(exceptions.BadRequest):
        list(store.list(""))


def test_a_missing_bucket_has_no_objects_to_find(server: StrictServer) -> None:
    with closing(GcsStore("nowhere", emulator=server.url)) as store:
        for call in (
            lambda: store.stat("x"),
            lambda: store.put(SPEC, SMALL),
            lambda: store.put(SPEC, LARGE),
            lambda: list(store.list("")),
        ):
            with pytest.raises(exceptions.NotFound) as caught:
                call()
            assert not isinstance(caught.value, BlobNotFoundError)
            assert "create the bucket" in "".join(caught.value.__notes__)
