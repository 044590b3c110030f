"""A schema as pydantic writes it -> the same schema as a person would write it.

What a schema accepts does not change here, with one exception: a required field takes no null,
because null means absent.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema object."""

_FIRST: Final = (
    *("$schema", "$id", "$ref", "title", "description", "deprecated", "x-unit"),
    *("type", "const", "enum", "default", "examples", "required", "properties"),
)
_LAST: Final = ("if", "then", "else", "not", "allOf", "anyOf", "$comment", "$defs")
_ORDER: Final = {
    **{name: place for place, name in enumerate(_FIRST)},
    **{name: 1000 + place for place, name in enumerate(_LAST)},
}
_SCHEMAS: Final = ("items", "additionalProperties", "propertyNames", "if", "then", "else", "not")
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_MAPS: Final = ("properties", "$defs")
_HEADER: Final = ("apiVersion", "kind")
_NULL: Final = {"type": "null"}


def tidied(schema: Schema) -> Schema:
    """Return *schema* with one-line descriptions, without needless titles, nulls and nesting.

    Keywords stand in one order everywhere, and the fields of an object in the order of the model,
    apiVersion and kind first.
    """
    tidy = {key: _inner(key, value) for key, value in schema.items()}
    if "description" in tidy:
        tidy["description"] = " ".join(tidy["description"].split())
    if tidy.get("default", ...) is None:
        del tidy["default"]
    if "anyOf" in tidy:
        tidy = _merged(tidy)
    if "properties" in tidy:
        tidy["properties"] = _fields(tidy["properties"], tidy.get("required", ()))
    return ordered(tidy)


def ordered(schema: Mapping[str, Any]) -> Schema:
    """Return *schema* with its own keywords in the order of this house."""
    return dict(sorted(schema.items(), key=lambda entry: (_ORDER.get(entry[0], 500), entry[0])))


def _inner(key: str, value: Any) -> Any:
    if key in _SCHEMAS and isinstance(value, dict):
        return tidied(cast("Schema", value))
    if key in _LISTS:
        return [tidied(entry) for entry in value]
    if key in _MAPS:
        return {name: tidied(entry) for name, entry in value.items()}
    return value


def _fields(properties: Mapping[str, Schema], required: Iterable[str]) -> dict[str, Schema]:
    names = [*(name for name in _HEADER if name in properties), *properties]
    fields: dict[str, Schema] = {}
    for name in names:
        field = {key: value for key, value in properties[name].items() if key != "title"}
        fields[name] = _without_null(field) if name in required else field
    return fields


def _without_null(field: Schema) -> Schema:
    """Return *field* without the null that it takes beside its own type."""
    match field:
        case {"type": [*types]}:
            left = [name for name in types if name != "null"]
            field = {**field, "type": left[0] if len(left) == 1 else left}
        case {"anyOf": [*branches]}:
            left = [branch for branch in branches if branch != _NULL]
            rest = {key: value for key, value in field.items() if key != "anyOf"}
            field = {**left[0], **rest} if len(left) == 1 else {**rest, "anyOf": left}
        case _:
            pass
    if "enum" in field:
        field["enum"] = [value for value in field["enum"] if value is not None]
    return ordered(field)


def _merged(schema: Schema) -> Schema:
    """Return *schema* with the branches of its anyOf made one, where they tell types apart."""
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    branches = [*_flat(schema["anyOf"])]
    merged = _one_enum(branches) or _one_of_types(branches)
    if merged is None or merged.keys() & rest.keys() - {"x-unit"}:
        return {**rest, "anyOf": branches}
    return {**merged, **rest}


def _flat(branches: Iterable[Schema]) -> Iterable[Schema]:
    """Yield *branches*, those of an inner anyOf in its place and equal ones once."""
    seen: list[Schema] = []
    for branch in branches:
        inner = branch["anyOf"] if branch.keys() == {"anyOf"} else [branch]
        for entry in inner:
            if entry not in seen:
                seen.append(entry)
                yield entry


def _one_enum(branches: Iterable[Schema]) -> Schema | None:
    """Return one list of values in place of several, or None where a branch is no such list."""
    values: list[Any] = []
    merged: Schema = {}
    for branch in branches:
        if branch == _NULL:
            values.append(None)
        elif "const" in branch:
            values.append(branch["const"])
        elif "enum" in branch:
            values.extend(branch["enum"])
            merged.update(branch)
        else:
            return None
    merged.pop("type", None)
    return {**merged, "enum": values}


def _one_of_types(branches: Iterable[Schema]) -> Schema | None:
    """Return one schema with several types, or None where keywords would get in each other's way.

    Most keywords speak of one type and let every other one pass, so they can share a schema.
    """
    types: list[str] = []
    merged: Schema = {}
    for branch in branches:
        name = branch.get("type")
        keywords = {key: value for key, value in branch.items() if key != "type"}
        if not isinstance(name, str) or name in types or keywords.keys() & merged.keys():
            return None
        types.append(name)
        merged.update(keywords)
    return {**merged, "type": types}
