"""/openapi.json describes the routes there are, all of them, and what they answer."""

from collections.abc import Iterator
from typing import Any

import pytest

from audiostore.serve import openapi
from audiostore.serve.app import endpoints
from audiostore.serve.parameters import FILTERS, PAGING
from audiostore.testing import cover
from tests.assets import tone
from tests.serve.conftest import Running

DOCUMENT = openapi.document()


def test_routes_and_contract_name_the_same() -> None:
    served = {path: set(by_method) for path, by_method in endpoints().items()}
    described = {path: set(map(str.upper, item)) for path, item in DOCUMENT["paths"].items()}
    assert described == served


def test_the_parameters_of_a_search_are_those_that_are_read() -> None:
    described = [each["name"] for each in DOCUMENT["paths"]["/v1/assets"]["get"]["parameters"]]
    assert [name.replace("{key}", "") for name in described] == [*FILTERS, *PAGING]


def test_every_reference_leads_somewhere() -> None:
    def references(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, each in value.items():
                if key == "$ref":
                    yield each
                else:
                    yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    used = set(references(DOCUMENT))
    assert used == {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
    ]
    assert len(names) == len(set(names))


def faults(value: object, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """What is wrong with a value, by the part of JSON Schema that the document uses."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema.get("type", [])
    python = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": (int, float),
        "null": type(None),
    }
    allowed = [kinds] if isinstance(kinds, str) else kinds
    if allowed and not any(isinstance(value, python[kind]) for kind in allowed):  # type: ignore[arg-type]
        yield f"{at} is {value!r}, not {kinds}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        yield from (
            f"{at} has no {name}" for name in schema.get("required", ()) if name not in value
        )
        for name, each in value.items():
            if name in known:
                yield from faults(each, known[name], f"{at}.{name}")
            elif more is False:
                yield f"{at} has {name}"
            elif isinstance(more, dict):
                yield from faults(each, more, f"{at}.{name}")
    if isinstance(value, list):
        for each in value:
            yield from faults(each, schema.get("items", {}), f"{at}[]")


def test_answers_are_what_the_contract_says(service: Running) -> None:
    audio_id = service.store(tone(title="A"), filename="a.wav")
    at = f"/v1/assets/{audio_id}"
    service("PUT", f"{at}/thumbnail", cover(), content_type="image/png")
    deleted = service.store(tone(hz=450))
    service("DELETE", f"/v1/assets/{deleted}")
    requests = [
        ("GET", "/v1/assets", "/v1/assets", None),
        ("GET", at, "/v1/assets/{audio_id}", None),
        ("PATCH", at, "/v1/assets/{audio_id}", {"custom": {"mood": "calm"}}),
        ("GET", f"{at}/audio?x", "/v1/assets/{audio_id}/audio", None),
        ("GET", "/v1/trash", "/v1/trash", None),
        ("GET", "/v1/stats", "/v1/stats", None),
        ("GET", "/healthz", "/healthz", None),
        ("GET", "/readyz", "/readyz", None),
        ("GET", "/openapi.json", "/openapi.json", None),
        ("POST", f"{at}/links", "/v1/assets/{audio_id}/links", {}),
        ("POST", f"/v1/assets/{deleted}/restore", "/v1/assets/{audio_id}/restore", None),
        ("DELETE", f"/v1/assets/{deleted}", "/v1/assets/{audio_id}", None),
        ("DELETE", f"/v1/assets/{deleted}", "/v1/assets/{audio_id}", None),
    ]
    for method, path, template, body in requests:
        answer = service(method, path, body)
        described = DOCUMENT["paths"][template][method.lower()]["responses"]
        assert str(answer.status) in described, (method, path, answer)
        content = described[str(answer.status)].get("content", {})
        kind = answer.headers.get("content-type", "").partition(";")[0]
        assert (kind in content) == bool(content), (method, path, kind, answer.status)
        if content:
            assert list(faults(answer.json, content[kind]["schema"])) == []


def test_a_whole_number_may_be_written_with_a_point(service: Running) -> None:
    """JSON Schema takes 60.0 for an integer, and so some clients write it."""
    audio_id = service.store(tone())
    for seconds, status in ((b"60.0", 501), (b"60", 501), (b"60.5", 422), (b"true", 422)):
        body = b'{"expires_s": %s}' % seconds
        path = f"/v1/assets/{audio_id}/shares"
        answer = service("POST", path, body, content_type="application/json")
        assert answer.status == status, (seconds, answer)  # these tests sign no links
    begun = service(
        "POST",
        "/v1/uploads",
        b'{"filename": "a.wav", "size_bytes": 7.0}',
        content_type="application/json",
    )
    assert begun.status == 201


@pytest.mark.parametrize("root", ["", "/audio"])
def test_the_document_says_where_the_service_is(root: str) -> None:
    assert openapi.document(root)["servers"] == [{"url": root or "/"}]
