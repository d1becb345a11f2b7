"""/docs: the API's document as one HTML page, written by the server. It loads nothing, so that it works offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #999}"
    "code{font-family:ui-monospace,monospace}"
)
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


def docs_page(document: Mapping[str, Any]) -> str:
    """The HTML of an OpenAPI document: every path with what it does and the fields that it takes."""
    schemas = document.get("components", {}).get("schemas", {})
    title = escape(str(document["info"]["title"]))
    parts = [f"<h1>{title}</h1><p>{escape(str(document['info'].get('summary', '')))}</p>"]
    parts.append('<p>The same for programs: <a href="openapi.json">openapi.json</a></p>')
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(str(operation.get('description', operation.get('summary', ''))))}</p>")
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if body:
                parts += _fields(body, schemas)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: API</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>"
    )


def _fields(body: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    schema = schemas.get(str(body.get("$ref", "")).rpartition("/")[2], body)
    yield "<table><tr><th>Field</th><th>Type</th><th>Default</th></tr>"
    for name, field in schema.get("properties", {}).items():
        needed = "required" if name in schema.get("required", ()) else str(field.get("default", ""))
        yield f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(field))}</td><td>{escape(needed)}</td></tr>"
    yield "</table>"


def _kind(field: Mapping[str, Any]) -> str:
    """The type of a field in a few words."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_kind(f) for f in field["anyOf"])
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    kind = str(field.get("type", "anything"))
    return f"list of {_kind(field.get('items', {}))}" if kind == "array" else kind
