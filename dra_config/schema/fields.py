"""The kinds and their fields as a person asks for them, read out of the JSON Schemas."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dra_config.schema.documents import OPAQUE_PARAMETERS, documents

Shape = Mapping[str, Any]

_NAMES: Final = {"array": "list", "string": "text"}
_POINTER: Final = "#/$defs/"
_LARGEST_BOUND: Final = 2**62
"""A bound beyond it only says that the number fits into 64 bits."""


@dataclass(frozen=True, slots=True)
class Value:
    """One of the values that a field takes."""

    value: Any
    """As it stands in JSON."""
    feature_gate: str | None
    """The gate without which the value is refused, if it needs one."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind, with the fields below it."""

    name: str
    """As it stands in JSON."""
    path: str
    """From the root of the kind; ``[]`` behind the name of a list of objects."""
    type: str
    """What the field holds, in a few words, with the bounds of a number."""
    required: bool
    """Whether it has to be there."""
    deprecated: bool
    """Whether it is an old spelling."""
    unit: str
    """The unit of a number, or empty."""
    description: str
    """What it means, and what holds without it."""
    default: Any
    """What holds without it, or None where no value says so."""
    values: tuple[Value, ...]
    """The values that it takes; empty where they cannot be listed."""
    examples: tuple[Any, ...]
    """Values as somebody would write them."""
    fields: tuple["Field", ...]
    """The fields of the object, or of each object of the list."""
    is_list: bool
    """Whether the fields are those of the objects of a list."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of one apiVersion."""

    api_version: str
    """Group and version."""
    kind: str
    """The name of the kind."""
    schema_path: str
    """The path of its JSON Schema below ``schemas/``."""
    description: str
    """What it is for."""
    deprecated: bool
    """Whether the apiVersion is an old one."""
    examples: tuple[Any, ...]
    """Whole configs or objects."""
    fields: tuple[Field, ...]
    """Its fields, apiVersion and kind first."""


@functools.cache
def kinds() -> tuple[Kind, ...]:
    """Return every kind of every apiVersion, the served configs first and the objects last."""
    return tuple(
        _kind(path, document)
        for path, document in documents().items()
        if path != OPAQUE_PARAMETERS
    )


def walk(fields: tuple[Field, ...]) -> Iterator[Field]:
    """Yield *fields*, each followed by everything below it."""
    for field in fields:
        yield field
        yield from walk(field.fields)


def _kind(path: str, document: Shape) -> Kind:
    api_version, _, kind = path.removesuffix(".json").rpartition("/")
    return Kind(
        api_version=api_version,
        kind=kind,
        schema_path=path,
        description=document["description"],
        deprecated=document.get("deprecated", False),
        examples=tuple(document["examples"]),
        fields=tuple(_fields(document, _Below(document.get("$defs", {}), _ruled_out(document)))),
    )


@dataclass(frozen=True, slots=True)
class _Below:
    """Where in a document the walk is."""

    definitions: Shape
    ruled_out: frozenset[str]
    prefix: str = ""


def _ruled_out(document: Shape) -> frozenset[str]:
    """Return the paths of the fields that a definition has and this version has not."""
    rules = (rule for rule in document.get("allOf", ()) if "if" not in rule)
    return frozenset(path for rule in rules for path in _null_paths(rule, ""))


def _null_paths(rule: Shape, prefix: str) -> Iterator[str]:
    for name, field in rule.get("properties", {}).items():
        if field == {"type": "null"}:
            yield f"{prefix}{name}"
        yield from _null_paths(field, f"{prefix}{name}.")


def _fields(shape: Shape, at: _Below) -> Iterator[Field]:
    required = shape.get("required", ())
    for name, field in shape.get("properties", {}).items():
        path = f"{at.prefix}{name}"
        if path in at.ruled_out:
            continue
        inner = _inner(field, at.definitions)
        entry = _inner(field.get("items", {}), at.definitions)
        below = replace(at, prefix=f"{path}[]." if entry else f"{path}.")
        yield Field(
            name=name,
            path=path,
            type=_type(field, inner, entry),
            required=name in required,
            deprecated=field.get("deprecated", False),
            unit=field.get("x-unit", ""),
            description=field["description"],
            default=field.get("default"),
            values=tuple(_values(field)),
            examples=tuple(field.get("examples", ())),
            fields=tuple(_fields(inner or entry, below)),
            is_list=bool(entry),
        )


def _inner(field: Shape, definitions: Shape) -> Shape:
    """Return the object that *field* holds, or nothing if it holds none."""
    branches = [field, *field.get("anyOf", ())]
    names = [branch["$ref"].removeprefix(_POINTER) for branch in branches if "$ref" in branch]
    return definitions[names[0]] if names else {}


def _values(field: Shape) -> Iterator[Value]:
    gates = field.get("x-feature-gates", {})
    listed = [field["const"]] if "const" in field else field.get("enum", ())
    yield from (Value(value, gates.get(value)) for value in listed if value not in (None, ""))


def _type(field: Shape, inner: Shape, entry: Shape) -> str:
    if inner:
        return "object"
    if entry:
        return "list of objects"
    if "type" not in field:
        listed = field.get("enum", ())
        return "integer" if any(isinstance(value, int) for value in listed) else "text"
    types = [field["type"]] if isinstance(field["type"], str) else field["type"]
    return _plain_type(field, types)


def _plain_type(field: Shape, types: Sequence[str]) -> str:
    if {"string", "number"} <= {*types}:
        return "quantity"
    (name,) = (name for name in types if name != "null")
    if name == "object":
        of = field.get("additionalProperties", {})
        values = "quantity" if "number" in of.get("type", ()) else "text"
        return f"map of text to {values}"
    if name == "array":
        return "list of text"
    return f"{_NAMES.get(name, name)}{_bounds(field)}"


def _bounds(field: Shape) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    if least is None or least < 0:
        return ""
    if most is None or most > _LARGEST_BOUND:
        return f", at least {least}"
    return f", {least} to {most}"
