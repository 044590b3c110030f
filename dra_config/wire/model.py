"""The foundation of every wire shape: closed, frozen, strict, camel case."""

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from dra_config import hub
from dra_config.wire.docstrings import field_texts
from dra_config.wire.findings import Findings
from dra_config.wire.markers import Elsewhere


class WireModel(BaseModel):
    """A shape as it stands in JSON; unknown and snake_case fields are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    elsewhere: ClassVar[Mapping[str, Elsewhere]] = MappingProxyType({})
    """Fields that users look for here although they belong to another kind, by their JSON name."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe every field with the text that stands below it."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        texts = field_texts(cls)
        for name, info in cls.model_fields.items():
            field = properties.get(info.alias or name)
            if field is not None and name in texts:
                field.setdefault("description", texts[name])
        return schema


class WireConfig(WireModel):
    """A whole config of some version.

    Those of the served version also count the strings of their JSON, keys included, in
    ``string_count()``: a text that holds more has a key twice.
    """

    @abstractmethod
    def to_hub(self, found: Findings) -> hub.Config:
        """Return the settled config, every default filled in, and note what breaks a rule.

        The result is meaningful only if *found* holds no error afterwards.
        """
