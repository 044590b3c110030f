"""Marks on wire fields: what pydantic cannot know of a field and the explanation needs."""

from dataclasses import dataclass

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from dra_config.catalogue import Rule
from dra_config.gates import FeatureGate


@dataclass(frozen=True, slots=True)
class Judged:
    """The rule that a value of the right type and the wrong content breaks."""

    rule: Rule
    accepted: str
    """What would be accepted, with its article, such as ``a sharing strategy``."""


@dataclass(frozen=True, slots=True)
class EmptyIsAbsent:
    """An empty text counts as no value at all."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Let the schema accept the empty text, as the models do."""
        schema = handler(core_schema)
        return {"anyOf": [schema, {"const": ""}]}


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number, shown in the schema as ``x-unit``."""

    name: str

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the unit to the schema."""
        return {**handler(core_schema), "x-unit": self.name}


@dataclass(frozen=True, slots=True)
class IfAbsent:
    """What a field that is left out means, shown in the schema as its default."""

    value: str | bool

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the value to the schema."""
        return {**handler(core_schema), "default": self.value}


@dataclass(frozen=True, slots=True)
class NeedsGate:
    """The feature gate that one value of a field needs, shown in ``x-feature-gates``."""

    value: str
    gate: FeatureGate

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the gate to the schema."""
        schema = handler(core_schema)
        gates = {**schema.get("x-feature-gates", {}), self.value: str(self.gate)}
        return {**schema, "x-feature-gates": gates}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A field that another kind has and this one lacks on purpose."""

    rule: Rule
    message: str
    """The whole sentence that is shown instead of calling the field unknown."""
