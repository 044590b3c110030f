"""The model that reads each apiVersion and kind of opaque parameters."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, TypeAlias

from pydantic import Field

from dra_config import v1beta1
from dra_config.legacy.versions import VERSIONS
from dra_config.wire import WireConfig

ServedConfig: TypeAlias = Annotated[
    v1beta1.GpuConfig
    | v1beta1.MigDeviceConfig
    | v1beta1.VfioDeviceConfig
    | v1beta1.FabricTopologyConfig
    | v1beta1.ComputeDomainChannelConfig
    | v1beta1.ComputeDomainDaemonConfig,
    Field(discriminator="kind"),
]
"""Every config of the version that is served today."""

MODELS: Mapping[tuple[str, str], type[WireConfig]] = MappingProxyType(
    {
        (version.API_VERSION, model.__name__): model
        for version in (v1beta1, *VERSIONS)
        for model in version.KINDS
    }
)
"""The model of each apiVersion and kind, the served version first."""
