"""MigDeviceConfig: how to set up a MIG device."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from dra_config import hub
from dra_config.catalogue.decode import DRA010
from dra_config.v1beta1.sharing import MigDeviceSharing
from dra_config.wire import Elsewhere, Findings, WireConfig


class MigDeviceSettings(WireConfig):
    """The fields of MigDeviceConfig, whatever the apiVersion."""

    elsewhere: ClassVar[Mapping[str, Elsewhere]] = MappingProxyType(
        {
            "fabricTopologyConfig": Elsewhere(
                DRA010,
                "a MIG device is never part of a fabric partition; fabricTopologyConfig belongs "
                "to GpuConfig",
            ),
            "profile": Elsewhere(
                DRA010,
                "a MIG profile is chosen by a selector of the request, not by its config; remove "
                "profile",
            ),
        }
    )

    sharing: MigDeviceSharing | None = None
    """How the device is shared; no sharing setting is touched if absent."""

    def to_hub(self, found: Findings) -> hub.Mig:
        """Return the settled config."""
        return hub.Mig(None if self.sharing is None else self.sharing.to_hub(found))

    def string_count(self) -> int:
        """Return how many strings the JSON of this config holds, keys included."""
        nested = 0 if self.sharing is None else self.sharing.string_count()
        return len(self.__pydantic_fields_set__) + 2 + nested


class MigDeviceConfig(MigDeviceSettings):
    """How to set up a MIG device."""

    api_version: Literal["resource.nvidia.com/v1beta1"]
    """The version of this shape."""
    kind: Literal["MigDeviceConfig"]
    """The kind of this config."""
