"""The page of the HTTP API, from its OpenAPI document."""

from collections.abc import Iterator
from typing import Any, Final

from audiostore.serve.openapi import document

_HEAD: Final = """\
# HTTP API

Generated from the OpenAPI document, which a running service has at `/openapi.json`.
[Serving a store over HTTP](../serve.md) explains how to run the service, who may use it, and
uploads in steps.

"""
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_USUAL: Final = ("400", "401", "403", "429", "500", "502", "503", "504")


def page() -> str:
    """Return the page."""
    described = document()
    lines = [_HEAD, "| request | does |\n|---|---|\n"]
    operations = [
        (method, path, operations[method])
        for path, operations in described["paths"].items()
        for method in _METHODS
        if method in operations
    ]
    for method, path, operation in operations:
        name = f"{method.upper()} {path}"
        lines.append(f"| [`{name}`](#{operation['operationId']}) | {operation['summary']} |\n")
    lines.append(
        "\n## Requests\n\nMost requests may also be answered with:\n\n| status | |\n|---|---|\n"
    )
    listing = described["paths"]["/v1/assets"]["get"]["responses"]
    lines += [f"| {code} | {listing[code]['description']} |\n" for code in _USUAL]
    for method, path, operation in operations:
        lines += _operation(method, path, operation)
    lines.append("\n## Documents\n")
    for name, schema in described["components"]["schemas"].items():
        lines += _schema(name, schema)
    return "".join(lines)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    name = operation["operationId"]
    yield f"\n### `{method.upper()} {path}` {{ #{name} }}\n\n{operation['summary']}"
    yield " No token is needed.\n" if operation.get("security") == [] else "\n"
    if parameters := operation.get("parameters"):
        yield "\n| parameter | in | type | |\n|---|---|---|---|\n"
        for each in parameters:
            told = _cell(each.get("description", ""))
            name = f"`{each['name']}`"
            if each.get("required") and each["in"] != "path":
                name += " (required)"
            yield f"| {name} | {each['in']} | {_type(each['schema'])} | {told} |\n"
    if body := operation.get("requestBody"):
        yield "\nThe body is one of:\n\n" if len(body["content"]) > 1 else "\nThe body:\n\n"
        for media_type, content in body["content"].items():
            yield f"- `{media_type}`: {_type(content['schema'])}\n"
    yield "\n| status | body | |\n|---|---|---|\n"
    for code, response in operation["responses"].items():
        if code not in _USUAL:
            yield f"| {code} | {_contents(response)} | {_cell(response['description'])} |\n"


def _contents(response: dict[str, Any]) -> str:
    return ", ".join(
        _type(content["schema"]) if "json" in media_type else f"`{media_type}`"
        for media_type, content in response.get("content", {}).items()
    )


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"\n### {name} {{ #document-{name.lower()} }}\n\n"
    properties = schema.get("properties")
    if not properties:
        yield f"{schema.get('description') or _type(schema)}\n"
        return
    yield "| member | type | |\n|---|---|---|\n"
    for member, value in properties.items():
        required = " (required)" if member in schema.get("required", ()) else ""
        yield f"| `{member}`{required} | {_type(value)} | {_cell(value.get('description', ''))} |\n"


def _type(schema: dict[str, Any]) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#document-{name.lower()})"
    if "enum" in schema:
        return " \\| ".join(f"`{each}`" for each in schema["enum"])
    kinds = schema.get("type", "anything")
    if kinds == "array":
        return f"list of {_type(schema['items'])}"
    if kinds == "object" and "properties" in schema:
        members = ", ".join(
            f"`{name}` ({_type(each)})" for name, each in schema["properties"].items()
        )
        return f"object of {members}"
    if kinds == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object, each value: {_type(schema['additionalProperties'])}"
    text = kinds if isinstance(kinds, str) else " or ".join(kinds)
    more = [str(schema[key]) for key in ("format", "contentMediaType") if key in schema]
    more += [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "at least"), ("maximum", "at most"), ("default", "default"))
        if key in schema
    ]
    return f"{text} ({', '.join(more)})" if more else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
