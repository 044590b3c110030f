"""gpu.resource.nvidia.com/v1alpha1: GpuConfiguration, whose sharing may be a list of one."""

from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from dra_config import hub
from dra_config.catalogue.decode import DRA016
from dra_config.v1beta1.sharing import GpuSharing
from dra_config.wire import Findings, Judged, WireConfig

API_VERSION = "gpu.resource.nvidia.com/v1alpha1"


def _single(value: object) -> object:
    if not isinstance(value, list):
        return value
    entries = cast("list[object]", value)
    if len(entries) == 1 and entries[0] is not None:
        return entries[0]
    raise PydanticCustomError("not_convertible", "not a list of one")


class _ListOfOne:
    """Lets the schema take the list of one that `_single` takes."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Accept the value itself, and a list that holds nothing else."""
        single = handler(core_schema)
        entry = {**single, "not": {"type": "null"}}
        listed = {"type": "array", "items": entry, "minItems": 1, "maxItems": 1}
        return {"anyOf": [single, listed]}


class GpuConfiguration(WireConfig):
    """How to set up a full GPU; today this is GpuConfig of resource.nvidia.com/v1beta1."""

    api_version: Literal["gpu.resource.nvidia.com/v1alpha1"]
    """The former version of this shape."""
    kind: Literal["GpuConfiguration"]
    """The former name of GpuConfig."""
    sharing: Annotated[
        GpuSharing | None,
        BeforeValidator(_single),
        _ListOfOne(),
        Judged(
            DRA016, "one strategy with its settings; keep exactly one entry, or leave sharing out"
        ),
    ] = None
    """How the GPU is shared: an object, or a list of exactly one."""

    def to_hub(self, found: Findings) -> hub.Gpu:
        """Return the settled config."""
        given = self.sharing
        return hub.Gpu(given.to_hub(found) if given else None, hub.UNSPECIFIED)


KINDS = (GpuConfiguration,)
