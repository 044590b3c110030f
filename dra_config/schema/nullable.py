"""Definitions that take null themselves, so that a validator's errors lead into the object.

Of an anyOf a validator only says that no branch fits. Where every use of a definition allows null
beside it, the definition says so, and no use needs an anyOf.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from dra_config.schema.tidy import Schema, ordered

_NULL: Final = {"type": "null"}
_POINTER: Final = "#/$defs/"


def with_nullable_definitions(schema: Schema) -> Schema:
    """Return *schema*, which accepts what it did, with null moved into its definitions.

    The keywords of a definition must let every value pass that is no object.
    """
    strict = {name for name, nullable in _uses(schema) if not nullable}
    loose = schema.get("$defs", {}).keys() - strict
    moved: Schema = _moved(schema, loose)
    for name in loose:
        moved["$defs"][name]["type"] = ["object", "null"]
    return moved


def _uses(value: Any, *, nullable: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield each definition that *value* refers to, and whether null may stand there, too."""
    if isinstance(value, dict):
        schema = cast("Schema", value)
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(_POINTER), nullable
        for key, inner in schema.items():
            yield from _uses(inner, nullable=key == "anyOf" and _NULL in inner)
    elif isinstance(value, list):
        for entry in cast("Sequence[Any]", value):
            yield from _uses(entry, nullable=nullable)


def _moved(value: Any, loose: set[str]) -> Any:
    if isinstance(value, list):
        return [_moved(entry, loose) for entry in cast("Sequence[Any]", value)]
    if not isinstance(value, dict):
        return value
    schema = {key: _moved(inner, loose) for key, inner in cast("Schema", value).items()}
    match schema:
        case {"anyOf": [{"$ref": reference}, {"type": "null"}]} if _is_loose(reference, loose):
            return ordered({**_without(schema, "anyOf"), "$ref": reference})
        case _:
            return schema


def _is_loose(reference: str, loose: set[str]) -> bool:
    return reference.removeprefix(_POINTER) in loose


def _without(schema: Mapping[str, Any], key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}
