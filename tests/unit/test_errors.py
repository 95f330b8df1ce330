"""The tree of errors is what its docstring draws."""

import builtins
import inspect
import re

import pytest
from google.api_core.exceptions import GoogleAPICallError

from audiostore import errors
from audiostore.stores.gcs import answers
from audiostore.stores.gcs.transport import Response

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
def test_what_the_bucket_answers_is_ours_and_googles(status: int, kind: type[Exception]) -> None:
    body = b'{"error": {"message": "No such object: b/x"}}'
    error = answers.error_of(Response(status, {}, body), "gs://b/x", of_object=True)
    assert isinstance(error, kind)
    assert isinstance(error, GoogleAPICallError)
    assert error.code == status
    assert "gs://b/x: No such object: b/x" in str(error)


def test_a_missing_bucket_is_no_missing_object() -> None:
    body = b'{"error": {"message": "The specified bucket does not exist."}}'
    error = answers.error_of(Response(404, {}, body), "gs://b/x", of_object=True)
    assert not isinstance(error, errors.BlobNotFoundError)
