"""Renders docs/reference/kinds.md: the fields of every kind, from the JSON Schemas."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from dra_config import schema
from tools.markdown import GENERATED, code, table

_INTRODUCTION = """
Every kind with its fields, as the JSON Schemas in `schemas/` have them. A field without *required*
may be left out or null, which is the same; what then holds stands in its description. Kinds of an
old apiVersion are read, converted and reported with a warning; below their own fields they have
those of today's kind.
"""
_NAMES = {"array": "list", "string": "text"}


def render() -> str:
    """Return the text of the page."""
    documents = {
        path: document
        for path, document in schema.documents().items()
        if path != schema.OPAQUE_PARAMETERS
    }
    pages = "\n".join("\n".join(_page(path, document)) for path, document in documents.items())
    return f"{GENERATED}\n# Kinds\n{_INTRODUCTION}\n{pages}"


def _page(path: str, document: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {document['title']}\n"
    old = " An old version." if document.get("deprecated") else ""
    yield f"{document['description']}{old} Schema: `schemas/{path}`.\n"
    rows = [*_rows(document, document.get("$defs", {}), "")]
    if old:
        rows = [row for row in rows if "." not in row[0]]
    yield table(["Field", "Type", "Unit", "Description"], rows)
    for example in document["examples"]:
        yield code(yaml.safe_dump(example, sort_keys=False, default_flow_style=None), "yaml")


def _rows(
    shape: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str
) -> Iterator[list[str]]:
    required = shape.get("required", ())
    for name, field in shape.get("properties", {}).items():
        path = f"{prefix}{name}"
        inner = _inner(field, definitions)
        listed = field.get("items", {})
        entry = _inner(listed, definitions)
        kind = _type(field, inner) + (", required" if name in required else "")
        if field.get("deprecated"):
            kind += ", old"
        yield [f"`{path}`", kind, field.get("x-unit", ""), field.get("description", "")]
        if inner:
            yield from _rows(inner, definitions, f"{path}.")
        elif entry:
            yield from _rows(entry, definitions, f"{path}[].")


def _inner(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object that *field* holds, or nothing if it holds none."""
    branches = [field, *field.get("anyOf", ())]
    names = [branch["$ref"].removeprefix("#/$defs/") for branch in branches if "$ref" in branch]
    return definitions[names[0]] if names else {}


def _type(field: Mapping[str, Any], inner: Mapping[str, Any]) -> str:
    if inner:
        return "object"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"] if value not in (None, ""))
    types = [field["type"]] if isinstance(field["type"], str) else field["type"]
    if {"string", "number"} <= {*types}:
        return "quantity"
    (name,) = (name for name in types if name != "null")
    if name == "object":
        of = field.get("additionalProperties", {})
        values = "quantity" if "number" in of.get("type", ()) else "text"
        return f"map of text to {values}"
    bounds = _bounds(field)
    return f"{_NAMES.get(name, name)}{bounds}"


def _bounds(field: Mapping[str, Any]) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    if least is None or least < 0:
        return ""
    if most is None or most > 2**62:
        return f", at least {least}"
    return f", {least} to {most}"
