"""Whatever a client sends, the service answers what its contract says, and never fails."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

import pytest
from hypothesis import given, settings, strategies as st
from starlette.applications import Starlette
from starlette.routing import Match, Route

from audiostore import AudioStorageManager, MemoryStore
from audiostore.serve import Limits, create_app, openapi
from audiostore.testing import cover
from tests.assets import tone
from tests.fuzzing import examples

PROBLEM: Final = "application/problem+json"
DOCUMENT: Final = openapi.document()
OPERATIONS: Final = [
    (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
ID: Final = "11111111-1111-4111-8111-111111111111"
WORDS: Final = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["true", "false", "0", "-1", "1e9", "nan", "2026-01-31", "id", "-title"]),
    st.sampled_from([ID, "..", "%", "\0", "9" * 30, "W10", "bytes=0-", "bytes=-1", '"a"', "*"]),
)
TYPES: Final = st.sampled_from(
    [
        "application/json",
        "application/merge-patch+json",
        "multipart/form-data; boundary=B",
        "audio/wav",
        "",
    ]
)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["custom", "kind", "part", "expires_s", "title", "a"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
BODIES: Final = st.one_of(
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([tone(0.01), cover(1, 1), tone(0.01)[:50]]),
    st.lists(
        st.tuples(st.sampled_from(["audio", "thumbnail", "metadata", "x"]), st.binary(max_size=30)),
        max_size=3,
    ).map(
        lambda fields: (
            b"".join(
                b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
                % (name.encode(), data)
                for name, data in fields
            )
            + b"--B--\r\n"
        )
    ),
)


@pytest.fixture(scope="module")
def app() -> Iterator[Starlette]:
    """A service of a store with one asset."""
    with AudioStorageManager(store=MemoryStore()) as manager:
        manager.upload_audio_with_thumbnail(tone(0.1), cover(), audio_id=ID)
        yield create_app(manager, limits=Limits(requests_per_s=1e9, burst=10**9))


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, str, list[tuple[bytes, bytes]], bytes]:
    """A method, a path, a query, headers and a body, near to what the contract describes."""
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    audio_id = draw(st.one_of(st.just(ID), st.just(ID), WORDS))
    query, headers = {}, {"host": "localhost", "origin": "http://localhost"}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" or draw(st.integers(0, 3)):
            continue
        name = parameter["name"].replace("{key}", draw(st.sampled_from(["title", "a b", ""])))
        if parameter["in"] == "query":
            query[name] = draw(WORDS)
        else:
            headers[name.lower()] = draw(WORDS)
    headers["content-type"] = draw(TYPES)
    # A server refuses other characters in headers.
    pairs = [
        (name.encode(), bytes(each for each in value.encode() if 32 <= each != 127))
        for name, value in headers.items()
    ]
    path = path.replace("{audio_id}", quote(audio_id, safe="", errors="surrogatepass"))
    text = urlencode(query, errors="surrogatepass")
    return method.upper(), path, text, pairs, draw(BODIES)


async def answer(
    app: Starlette,
    method: str,
    path: str,
    query: str,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> tuple[int, dict[str, str], bytes]:
    """Call the application as a server does."""
    status, given_headers, received = 0, {}, b""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: Any) -> None:
        nonlocal status, received
        if message["type"] == "http.response.start":
            status = message["status"]
            given_headers.update({k.decode(): v.decode() for k, v in message["headers"]})
        received += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return status, given_headers, received


def template(app: Starlette, path: str, method: str) -> str | None:
    """Return the path of the contract that a request is for; None for none."""
    scope = {"type": "http", "path": path, "method": method}
    for route in app.routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            return route.path
    return None


@settings(max_examples=examples(150))
@given(request=requests())
def test_every_answer_is_one_of_the_contract(
    app: Starlette, request: tuple[str, str, str, list[tuple[bytes, bytes]], bytes]
) -> None:
    method, path, query, headers, body = request
    status, given_headers, received = asyncio.run(answer(app, method, path, query, headers, body))
    meant = template(app, unquote(path), method)
    described = DOCUMENT["paths"].get(meant, {}).get(method.lower(), {}).get("responses")
    if described is None:
        assert status in (404, 405)
    else:
        assert str(status) in described, (request, received[:500])
    assert status not in (500, 502, 503, 504), (request, received[:500])
    if status >= 400:
        kinds = (described or {}).get(str(status), {}).get("content", [PROBLEM])
        kind = given_headers["content-type"].partition(";")[0]
        assert kind in kinds
        if kind == PROBLEM:
            assert json.loads(received)["status"] == status
