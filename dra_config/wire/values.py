"""Values of the wire that JSON has no type for, and how a value is quoted in a sentence."""

import json
from typing import Annotated, Any, Self, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dra_config import quantity

_SHOWN_CHARACTERS = 60


class JsonFloat(float):
    """A JSON number that is no integer of ordinary length, together with its text."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Self:
        """Read *text*; a number too large for a float becomes infinite."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


class _QuantityText:
    """A quantity: on the wire a text, or a number that is read by its text."""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Take text from JSON; explain numbers and everything else in Python."""
        return core_schema.json_or_python_schema(
            json_schema=core_schema.str_schema(strict=True),
            python_schema=core_schema.no_info_plain_validator_function(_quantity_text),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the text's grammar, white space around it included, and the number."""
        return {"anyOf": [{"type": "string", "pattern": quantity.PATTERN}, {"type": "number"}]}


def _quantity_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, JsonFloat):
        return value.text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise PydanticCustomError("quantity_type", "no quantity")


QuantityText: TypeAlias = Annotated[str, _QuantityText()]
"""The text of a Kubernetes quantity; whether it is one is judged when it is settled."""


def shown(value: object) -> str:
    """Return *value* as it stands in a sentence: single quotes, at most 60 characters."""
    if isinstance(value, JsonFloat):
        text = value.text
    elif isinstance(value, str) and value.isprintable() and "\\" not in value:
        text = f"'{value}'"
    elif isinstance(value, str):
        text = "'" + json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"') + "'"
    else:
        text = json.dumps(value, ensure_ascii=False)
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[: _SHOWN_CHARACTERS - 1]}…"
