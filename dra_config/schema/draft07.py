"""A JSON Schema of draft 2020-12 -> the same one in draft-07, with what editors show beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from dra_config.schema.tidy import Schema

DRAFT_07: Final = "http://json-schema.org/draft-07/schema#"

_OLD_POINTER, _POINTER = "#/$defs/", "#/definitions/"
_GATES: Final = "x-feature-gates"


def as_draft07(schema: Mapping[str, Any]) -> Schema:
    """Return *schema* in draft-07; it accepts the same.

    Draft-07 ignores what stands beside ``$ref``, so a reference with neighbours moves into an
    ``allOf``. Language servers show ``enumDescriptions`` and
    ``patternErrorMessage`` and heed ``doNotSuggest``. They would show a ``deprecationMessage`` as
    an error, and an old version is none.
    """
    changed: Schema = {}
    for key, value in schema.items():
        match key:
            case "$defs":
                changed["definitions"] = _converted(value)
            case "$ref":
                reference = {"$ref": value.replace(_OLD_POINTER, _POINTER)}
                if len(schema) == 1:
                    return reference
                changed["allOf"] = [reference, *changed.get("allOf", ())]
            case "allOf":
                changed["allOf"] = [*changed.get("allOf", ()), *_converted(value)]
            case "const" | "enum" | "default" | "examples":
                changed[key] = value
            case _:
                changed[key] = _converted(value)
    return {**changed, **_shown(schema)}


def _converted(value: Any) -> Any:
    if isinstance(value, dict):
        return as_draft07(cast("Schema", value))
    if isinstance(value, list):
        return [_converted(entry) for entry in cast("Sequence[Any]", value)]
    return value


def _shown(schema: Mapping[str, Any]) -> Schema:
    shown: Schema = {}
    gates = schema.get(_GATES)
    if isinstance(gates, dict) and "enum" in schema:
        named = cast("Mapping[str, str]", gates)
        shown["enumDescriptions"] = [
            f"Needs feature gate {named[value]}." if value in named else ""
            for value in schema["enum"]
        ]
    if "pattern" in schema and schema.get("examples"):
        written = schema["examples"][0]
        shown["patternErrorMessage"] = f"This is not of the right form; write it like {written}."
    if schema.get("deprecated") is True and "properties" not in schema:
        shown["doNotSuggest"] = True
    return shown
