"""Values of the wire that JSON has no type for: quantities."""

from typing import Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dra_config import quantity
from dra_config.quantity import WHITE_SPACE
from dra_config.wire.quoting import JsonFloat

_QUANTITY_PATTERN = quantity.PATTERN.replace(r"\s", f"[{WHITE_SPACE}]")
"""Every engine has its own idea of white space, so the pattern lists the characters."""
_SMALLEST_NUMBER = 2**20 - 1
"""A number of bytes above this one is rounded up to at least one mebibyte."""


class _QuantityText:
    """A quantity: on the wire a text, or a number that is read by its text."""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Take text from JSON; explain numbers and everything else in Python."""
        return _quantity_schema()

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the text's grammar, white space around it included, and the number."""
        text = {"type": "string", **whole(_QUANTITY_PATTERN)}
        return {"anyOf": [text, {"type": "number", "minimum": _SMALLEST_NUMBER}]}


class _DeviceLimitText(_QuantityText):
    """A quantity whose absence is impossible, so that null is judged like any wrong value."""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let null through to whoever settles the value; the schema refuses it."""
        return core_schema.nullable_schema(_quantity_schema())


def _quantity_schema() -> CoreSchema:
    return core_schema.json_or_python_schema(
        json_schema=core_schema.str_schema(strict=True),
        python_schema=core_schema.no_info_plain_validator_function(_quantity_text),
    )


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
DeviceLimitText: TypeAlias = Annotated[str | None, _DeviceLimitText()]
"""The same below a key that the user chose, where null is a mistake."""


def whole(pattern: str) -> JsonSchemaValue:
    """Return the keywords of JSON Schema that hold a text to *pattern*, which ends in ``$``.

    Some engines let a line break stand behind the ``$``, so one is excluded.
    """
    return {"pattern": pattern, "not": {"type": "string", "pattern": "\n"}}
