"""The peer of the library: what pydantic makes of the same shapes when nobody asks for more.

One model for each kind, told apart by ``kind``, with unknown fields refused. Quantities stay text;
nothing is settled, no key is looked for twice, no rule is judged, no gate asked.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel


class _Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class _Config(_Shape):
    api_version: Literal["resource.nvidia.com/v1beta1"]


class _TimeSlicing(_Shape):
    interval: Literal["Default", "Short", "Medium", "Long"] | None = None


class _Mps(_Shape):
    default_active_thread_percentage: int | None = None
    default_pinned_device_memory_limit: str | None = None
    default_per_device_pinned_memory_limit: dict[str, str] | None = None
    multi_user: bool | None = None


class _Sharing(_Shape):
    strategy: Literal["TimeSlicing", "MPS"]
    time_slicing_config: _TimeSlicing | None = None
    mps_config: _Mps | None = None


class _MigSharing(_Shape):
    strategy: Literal["TimeSlicing", "MPS"]
    mps_config: _Mps | None = None


class _FabricFields(_Shape):
    strategy: Literal["Auto", "Manual", "Disabled"] | None = None
    virtualization_model: (
        Literal["BareMetal", "FullPassthrough", "SharedNVSwitch", "VGPU"] | None
    ) = None
    partition_size: int | None = None
    partition_ids: Annotated[list[str] | None, Field(alias="partitionIDs")] = None
    min_bandwidth: float | None = None
    max_latency: float | None = None
    prefer_nvlink: Annotated[bool | None, Field(alias="preferNVLink")] = None


class _Iommu(_Shape):
    backend_policy: Literal["LegacyOnly", "PreferIommuFD"] | None = None
    enable_api_device: Annotated[bool | None, Field(alias="enableAPIDevice")] = None


class _Gpu(_Config):
    kind: Literal["GpuConfig"]
    sharing: _Sharing | None = None
    fabric_topology_config: _FabricFields | None = None


class _Mig(_Config):
    kind: Literal["MigDeviceConfig"]
    sharing: _MigSharing | None = None


class _Vfio(_Config):
    kind: Literal["VfioDeviceConfig"]
    iommu: _Iommu | None = None


class _Fabric(_FabricFields, _Config):
    kind: Literal["FabricTopologyConfig"]


class _Channel(_Config):
    kind: Literal["ComputeDomainChannelConfig"]
    domain_id: Annotated[str, Field(alias="domainID")]
    allocation_mode: Literal["Single", "All"] | None = None


class _Daemon(_Config):
    kind: Literal["ComputeDomainDaemonConfig"]
    domain_id: Annotated[str, Field(alias="domainID")]


_Any = _Gpu | _Mig | _Vfio | _Fabric | _Channel | _Daemon

UNION: TypeAdapter[_Config] = TypeAdapter(Annotated[_Any, Field(discriminator="kind")])
"""Reads one config with ``UNION.validate_json(bytes)``."""
UNTAGGED: TypeAdapter[_Config] = TypeAdapter(_Any)
"""The same for whoever writes no discriminator: every model is tried, and the best one taken."""
