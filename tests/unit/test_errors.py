"""The tree of errors is what its docstring draws."""

import builtins
import inspect
import pickle
import re

import pytest
from google.api_core.exceptions import GoogleAPICallError, from_http_status

from audiostore import errors
from audiostore.retry import retry_after_s
from audiostore.stores.gcs import responses
from audiostore.stores.gcs.messages import Response

DRAWN = dict(re.findall(r"[├└]── (\w+) +\((\w+)\)", errors.__doc__ or ""))
DEFINED = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, Exception)
}


def test_the_drawing_is_complete() -> None:
    assert {*DRAWN, "AudioStoreError"} == set(DEFINED)


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_error_is_ours_and_the_builtin_that_it_refines(name: str) -> None:
    kind = DEFINED[name]
    assert kind.__mro__[1] is errors.AudioStoreError
    assert issubclass(kind, vars(builtins)[DRAWN[name]])
    assert str(kind("what failed")) == "what failed"


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_error_says_what_it_means(name: str) -> None:
    assert DEFINED[name].__doc__


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, errors.BlobNotFoundError), (412, errors.PreconditionFailedError), (408, TimeoutError)],
)
def test_an_error_response_is_our_class_and_googles(status: int, kind: type[Exception]) -> None:
    body = b'{"error": {"message": "No such object: b/x"}}'
    error = responses.error_of(Response(status, {}, body), "gs://b/x", of_object=True)
    assert isinstance(error, kind)
    assert isinstance(error, GoogleAPICallError)
    assert error.code == status
    assert "gs://b/x: No such object: b/x" in str(error)


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 408, 409, 411, 412, 416, 418, 429, 499, 500, 501, 502, 503, 504]
)
def test_every_error_of_a_bucket_is_ours_and_googles_and_can_be_pickled(status: int) -> None:
    response = Response(status, {"retry-after": "7"}, b'{"error": {"message": "no"}}')
    error = responses.error_of(response, "gs://b/x")
    assert isinstance(error, errors.AudioStoreError)
    assert isinstance(error, GoogleAPICallError)
    assert type(error).__mro__.index(errors.AudioStoreError)
    if status != 408:  # google.api_core has none
        assert isinstance(error, type(from_http_status(status, "")))
    assert (error.status, error.code) == (status, status)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert (copy.status, copy.code) == (status, status)
    assert getattr(copy, "__notes__", []) == getattr(error, "__notes__", [])
    assert retry_after_s(copy) == 7
