"""Rules DRA301 and DRA302: handing a whole device to a virtual machine."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import GATES, config, error

DRA301: Final = error(
    id="DRA301",
    name="vfio-gate-off",
    needs=GATES,
    cause=Cause.FORBIDDEN,
    why="While PassthroughSupport is off no node offers a VFIO device, so a claim with this "
    "config waits for ever.",
    fix="Switch PassthroughSupport on, or claim the GPU with a GpuConfig.",
    bad=config("VfioDeviceConfig"),
    good=config("GpuConfig"),
)
DRA302: Final = error(
    id="DRA302",
    name="iommu-backend-policy-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="The driver knows two ways to reach the IOMMU and does not guess at a third; preparing "
    "the claim fails.",
    fix="Write backendPolicy: LegacyOnly or PreferIommuFD, or leave it out for LegacyOnly.",
    bad=config("VfioDeviceConfig", "iommu: {backendPolicy: IommuFDOnly}"),
    good=config("VfioDeviceConfig", "iommu: {backendPolicy: PreferIommuFD}"),
)

RULES: Final[tuple[Rule, ...]] = (DRA301, DRA302)
