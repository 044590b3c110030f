"""The words that a field takes, each list once: what is meant if absent, and the gates needed."""

from typing import Annotated, Literal, TypeAlias

from dra_config.catalogue.compute_domain import DRA806
from dra_config.catalogue.fabric import DRA402, DRA410
from dra_config.catalogue.sharing import DRA101, DRA107
from dra_config.catalogue.vfio import DRA302
from dra_config.gates import FeatureGate
from dra_config.wire import EmptyIsAbsent, IfAbsent, Judged, NeedsGate

SharingStrategy: TypeAlias = Annotated[
    Literal["TimeSlicing", "MPS"],
    Judged(DRA101, "a sharing strategy"),
    NeedsGate("TimeSlicing", FeatureGate.TIME_SLICING_SETTINGS),
    NeedsGate("MPS", FeatureGate.MPS_SUPPORT),
]
Interval: TypeAlias = Annotated[
    Literal["Default", "Short", "Medium", "Long"],
    Judged(DRA107, "a time-slice interval"),
    IfAbsent("Default"),
]
FabricStrategy: TypeAlias = Annotated[
    Literal["Auto", "Manual", "Disabled"],
    Judged(DRA402, "a fabric strategy"),
    IfAbsent("Auto"),
    NeedsGate("Auto", FeatureGate.FABRIC_TOPOLOGY_SUPPORT),
    NeedsGate("Manual", FeatureGate.FABRIC_TOPOLOGY_SUPPORT),
]
VirtualizationModel: TypeAlias = Annotated[
    Literal["BareMetal", "FullPassthrough", "SharedNVSwitch", "VGPU"],
    Judged(DRA410, "a virtualization model"),
    IfAbsent("BareMetal"),
]
BackendPolicy: TypeAlias = Annotated[
    Literal["LegacyOnly", "PreferIommuFD"],
    Judged(DRA302, "an IOMMU backend policy"),
    EmptyIsAbsent(),
    IfAbsent("LegacyOnly"),
]
VfioKind: TypeAlias = Annotated[
    Literal["VfioDeviceConfig"],
    NeedsGate("VfioDeviceConfig", FeatureGate.PASSTHROUGH_SUPPORT),
]
AllocationMode: TypeAlias = Annotated[
    Literal["Single", "All"],
    Judged(DRA806, "an allocation mode of channels"),
    EmptyIsAbsent(),
    IfAbsent("Single"),
]
OffIfAbsent: TypeAlias = Annotated[bool, IfAbsent(value=False)]
"""A switch that is off unless it says true."""
OnIfAbsent: TypeAlias = Annotated[bool, IfAbsent(value=True)]
"""A switch that is on unless it says false."""
