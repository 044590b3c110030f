"""VfioDeviceConfig: how to hand a GPU over to a virtual machine."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field

from dra_config import hub
from dra_config.catalogue.decode import DRA010
from dra_config.v1beta1.choices import BackendPolicy, OffIfAbsent, VfioKind
from dra_config.wire import Elsewhere, Findings, WireConfig, WireModel

_POLICIES: Mapping[str, hub.IommuBackendPolicy] = MappingProxyType(
    {str(policy): policy for policy in hub.IommuBackendPolicy}
)


class Iommu(WireModel):
    """Which interface of the IOMMU the device is handed over through."""

    backend_policy: BackendPolicy | None = Field(default=None, examples=["PreferIommuFD"])
    """LegacyOnly (if absent or empty): the device node of the VFIO group. PreferIommuFD: the
    device's own node where the host has /dev/iommu."""
    enable_api_device: OffIfAbsent | None = Field(
        default=None, alias="enableAPIDevice", examples=[True]
    )
    """Whether the container gets the IOMMU's API node, too: /dev/iommu, or /dev/vfio/vfio on the
    legacy path; false if absent."""


class VfioDeviceConfig(WireConfig):
    """How to hand a GPU over to a virtual machine. Needs feature gate PassthroughSupport."""

    elsewhere: ClassVar[Mapping[str, Elsewhere]] = MappingProxyType(
        {
            "sharing": Elsewhere(
                DRA010,
                "a VFIO device belongs to one virtual machine and is not shared; remove sharing",
            )
        }
    )

    api_version: Literal["resource.nvidia.com/v1beta1"]
    """The version of this shape."""
    kind: VfioKind
    """The kind of this config."""
    iommu: Iommu | None = None
    """Which interface of the IOMMU is used; LegacyOnly without the API node if absent."""

    def to_hub(self, found: Findings) -> hub.Vfio:  # noqa: ARG002 - the shape decides every rule
        """Return the settled config."""
        iommu = self.iommu
        if iommu is None:
            return hub.Vfio(hub.IommuBackendPolicy.LEGACY_ONLY, api_device_enabled=False)
        policy = _POLICIES[iommu.backend_policy or "LegacyOnly"]
        return hub.Vfio(policy, iommu.enable_api_device is True)

    def string_count(self) -> int:
        """Return how many strings the JSON of this config holds, keys included."""
        count = len(self.__pydantic_fields_set__) + 2
        if self.iommu is not None:
            count += len(self.iommu.__pydantic_fields_set__) + (
                self.iommu.backend_policy is not None
            )
        return count
