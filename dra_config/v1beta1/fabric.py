"""What a config asks of the NVLink fabric, as a block of GpuConfig and as a kind of its own."""

import sys
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, WithJsonSchema

from dra_config import hub
from dra_config.catalogue.decode import DRA011
from dra_config.catalogue.fabric import (
    DRA403,
    DRA404,
    DRA405,
    DRA406,
    DRA407,
    DRA408,
    DRA409,
    DRA411,
    DRA412,
    DRA413,
    DRA415,
    DRA418,
)
from dra_config.v1beta1.choices import FabricStrategy, OnIfAbsent, VirtualizationModel
from dra_config.violations import FieldPath, Target
from dra_config.wire import Findings, Judged, Unit, WireConfig, WireModel, shown

PARTITION_SIZES = (2, 4, 8)
"""How many GPUs an NVLink partition can hold, beside a single one."""
PartitionSize: TypeAlias = Annotated[
    int,
    Field(ge=-(2**63), le=2**63 - 1),
    WithJsonSchema({"enum": list(PARTITION_SIZES), "type": "integer"}),
    Unit("GPUs"),
]
_NOT_BLANK = "[^\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""A character that `str.strip` keeps; every engine has its own idea of white space."""
PartitionIds: TypeAlias = Annotated[
    list[str | None],
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "pattern": _NOT_BLANK},
            "uniqueItems": True,
        }
    ),
]
_WITHIN_FLOATS: dict[str, Any] = {"maximum": sys.float_info.max}
_MODELS: Mapping[str, hub.VirtualizationModel] = MappingProxyType(
    {str(model): model for model in hub.VirtualizationModel}
)
_FIELDS_WITHOUT_EFFECT = ("minBandwidth", "maxLatency", "preferNVLink")


def _absent(*names: str) -> dict[str, Any]:
    return {
        "properties": {
            name: {"anyOf": [{"type": "null"}, {"maxItems": 0, "type": "array"}]} for name in names
        }
    }


_SCHEMA_RULES: dict[str, Any] = {
    "allOf": [
        {
            "if": {"properties": {"strategy": {"enum": ["Auto", None]}}},
            "then": _absent("partitionIDs", "partitionIds"),
            "$comment": "Auto chooses the partition itself",
        },
        {
            "if": {"properties": {"strategy": {"const": "Manual"}}, "required": ["strategy"]},
            "then": {
                "properties": {"partitionSize": {"type": "null"}},
                "anyOf": [
                    {"required": [name], "properties": {name: {"type": "array", "minItems": 1}}}
                    for name in ("partitionIDs", "partitionIds")
                ],
            },
            "$comment": "Manual names partitions, and a named one has its size",
        },
        {
            "if": {"properties": {"strategy": {"const": "Disabled"}}, "required": ["strategy"]},
            "then": {
                "properties": {
                    "partitionSize": {"type": "null"},
                    **_absent("partitionIDs", "partitionIds")["properties"],
                }
            },
            "else": {"properties": {"virtualizationModel": {"not": {"const": "VGPU"}}}},
            "$comment": "Disabled asks for nothing, and nothing else goes with vGPU",
        },
        {
            "not": {
                "type": "object",
                "properties": {
                    "partitionIDs": {"type": "array"},
                    "partitionIds": {"type": "array"},
                },
                "required": ["partitionIDs", "partitionIds"],
            },
            "$comment": "two spellings of one field",
        },
    ]
}


class FabricSettings(WireModel):
    """What is asked of the NVLink fabric."""

    model_config = ConfigDict(json_schema_extra=_SCHEMA_RULES)

    strategy: FabricStrategy | None = Field(default=None, examples=["Auto"])
    """Auto (if absent): the partition that equals the claim's GPUs. Manual: one of the named
    partitions. Disabled: none."""
    virtualization_model: VirtualizationModel | None = Field(default=None, examples=["BareMetal"])
    """Who activates partitions; BareMetal, the node itself, if absent. VGPU goes with Disabled
    only."""
    partition_size: PartitionSize | None = Field(default=None, examples=[4])
    """How many GPUs the partition holds: 2, 4 or 8; as many as the claim has if absent. Only with
    Auto."""
    partition_ids: PartitionIds | None = Field(
        default=None, alias="partitionIDs", examples=[["partition-1"]]
    )
    """Partitions to choose from, the first that fits; compared as written. Required with Manual,
    and only there."""
    partition_ids_in_old_spelling: PartitionIds | None = Field(
        default=None, alias="partitionIds", json_schema_extra={"deprecated": True}
    )
    """The former spelling of partitionIDs."""
    min_bandwidth: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False, examples=[450], json_schema_extra=_WITHIN_FLOATS),
        Judged(DRA412, "a bandwidth in GB/s, a finite number of at least 0"),
        Unit("GB/s"),
    ] = None
    """Bandwidth that a GPU must have within the partition, both directions together, in GB/s; no
    threshold if absent."""
    max_latency: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False, examples=[0.2], json_schema_extra=_WITHIN_FLOATS),
        Judged(DRA413, "a latency in milliseconds, a finite number of at least 0"),
        Unit("ms"),
    ] = None
    """Latency that the partition may have, in milliseconds; no threshold if absent. No library
    reports one today."""
    prefer_nvlink: OnIfAbsent | None = Field(default=None, alias="preferNVLink", examples=[True])
    """Whether NVLink is preferred over PCIe; true if absent."""

    def settle(self, at: FieldPath, found: Findings) -> hub.Fabric:
        """Return the settled wish, and note at *at* and below what breaks a rule."""
        if self.partition_size is not None and self.partition_size not in PARTITION_SIZES:
            message = f"{self.partition_size} GPUs make no partition; write one of 2, 4, 8"
            found.add(DRA409, (*at, "partitionSize"), message)
        strategy = self._strategy(at, self._partition_ids(at, found), found)
        self._warn_without_effect(at, found)
        model = _MODELS[self.virtualization_model or "BareMetal"]
        if model is hub.VirtualizationModel.VGPU and self.strategy != "Disabled":
            message = (
                f"vGPU has no fabric partitions, and the strategy is {self._strategy_shown()}; "
                "write strategy Disabled, or another virtualization model"
            )
            found.add(
                DRA411,
                (*at, "virtualizationModel"),
                message,
                leaning_on=[(*at, "strategy")],
            )
        return hub.Fabric(
            strategy,
            model,
            self.min_bandwidth,
            self.max_latency,
            self.prefer_nvlink is not False,
        )

    def _strategy_shown(self) -> str:
        return self.strategy or "Auto, since none is given"

    def _partition_ids(self, at: FieldPath, found: Findings) -> tuple[str, ...]:
        name, ids = "partitionIDs", self.partition_ids
        if self.partition_ids_in_old_spelling is not None:
            where = (*at, "partitionIds")
            if ids is not None:
                message = (
                    "partitionIds is the old spelling of partitionIDs, which is given, too; keep "
                    "partitionIDs"
                )
                found.add(DRA011, where, message, target=Target.KEY)
            else:
                name, ids = "partitionIds", self.partition_ids_in_old_spelling
                message = "partitionIds is an old spelling; write partitionIDs"
                found.add(DRA415, where, message, target=Target.KEY, suggestion="partitionIDs")
        listed = tuple(ids or ())
        for index, partition_id in enumerate(listed):
            if partition_id is None or not partition_id.strip():
                message = (
                    f"{shown(partition_id)} names no partition; write its id, or remove the entry"
                )
                found.add(DRA405, (*at, name, index), message)
        for partition_id, count in Counter(listed).items():
            if count > 1 and partition_id is not None and partition_id.strip():
                second = [i for i, listed_id in enumerate(listed) if listed_id == partition_id][1]
                message = f"{shown(partition_id)} stands {count} times; name each partition once"
                found.add(DRA406, (*at, name, second), message)
        return tuple(partition_id for partition_id in listed if partition_id is not None)

    def _strategy(
        self, at: FieldPath, partition_ids: tuple[str, ...], found: Findings
    ) -> hub.FabricAuto | hub.FabricManual | hub.FabricDisabled:
        ids_name = "partitionIDs" if self.partition_ids is not None else "partitionIds"
        ids_at, size_at = (*at, ids_name), (*at, "partitionSize")
        leaning = [(*at, "strategy")]
        match self.strategy:
            case "Manual":
                if not partition_ids:
                    message = (
                        "strategy Manual needs the partitions to choose from; name at least one "
                        "in partitionIDs, or write Auto"
                    )
                    missing = Target.PARENT if self.partition_ids is None else Target.VALUE
                    where = (*at, "partitionIDs")
                    found.add(DRA404, where, message, leaning_on=leaning, target=missing)
                if self.partition_size is not None:
                    message = (
                        "a named partition has its size, so strategy Manual takes no "
                        "partitionSize; remove it, or write Auto"
                    )
                    found.add(DRA407, size_at, message, leaning_on=leaning, target=Target.KEY)
                return hub.FabricManual(partition_ids)
            case "Disabled":
                message = "strategy Disabled asks for no partition; remove {}, or write {}"
                if self.partition_size is not None:
                    text = message.format("partitionSize", "Auto")
                    found.add(DRA408, size_at, text, leaning_on=leaning, target=Target.KEY)
                if partition_ids:
                    text = message.format(ids_name, "Manual")
                    found.add(DRA408, ids_at, text, leaning_on=leaning, target=Target.KEY)
                return hub.FabricDisabled.DISABLED
            case "Auto" | None:
                if partition_ids:
                    message = (
                        f"strategy {self._strategy_shown()}, chooses the partition itself"
                        if self.strategy is None
                        else "strategy Auto chooses the partition itself"
                    )
                    text = f"{message}; write Manual to choose by name, or remove {ids_name}"
                    found.add(DRA403, ids_at, text, leaning_on=leaning, target=Target.KEY)
                return hub.FabricAuto(self.partition_size)

    def _warn_without_effect(self, at: FieldPath, found: Findings) -> None:
        given = (self.min_bandwidth, self.max_latency, self.prefer_nvlink)
        for name, value in zip(_FIELDS_WITHOUT_EFFECT, given, strict=True):
            where = (*at, name)
            if value is not None and self.strategy == "Disabled":
                message = f"{name} has no effect under strategy Disabled; remove it, or write Auto"
                found.add(DRA418, where, message, target=Target.KEY)
            elif value is not None and name == "maxLatency":
                message = "no library reports a latency, so maxLatency decides nothing; remove it"
                found.add(DRA418, where, message, target=Target.KEY)

    def string_count(self) -> int:
        """Return how many strings the JSON of this object holds, keys included."""
        return (
            len(self.__pydantic_fields_set__)
            + (self.strategy is not None)
            + (self.virtualization_model is not None)
            + sum(entry is not None for entry in self.partition_ids or ())
            + sum(entry is not None for entry in self.partition_ids_in_old_spelling or ())
        )


class FabricTopologyConfig(FabricSettings, WireConfig):
    """The fabric half of a request, for full GPUs and VFIO devices; it leaves sharing alone."""

    api_version: Literal["resource.nvidia.com/v1beta1"]
    """The version of this shape."""
    kind: Literal["FabricTopologyConfig"]
    """The kind of this config."""

    def to_hub(self, found: Findings) -> hub.FabricTopology:
        """Return the settled config."""
        return hub.FabricTopology(self.settle((), found))

    def string_count(self) -> int:
        """Return how many strings the JSON of this config holds, keys included."""
        return super().string_count() + 2
