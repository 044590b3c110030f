"""GpuConfig: how to set up a full GPU."""

from typing import Literal

from pydantic import ConfigDict, Field

from dra_config import hub
from dra_config.catalogue.fabric import DRA414
from dra_config.v1beta1.fabric import FabricSettings
from dra_config.v1beta1.sharing import GpuSharing
from dra_config.violations import Target
from dra_config.wire import Findings, WireConfig

_MPS_BESIDE_PARTITION = (
    "one MPS daemon serves all processes of a GPU, which rules out a fabric partition; write "
    "strategy Disabled here, or share by TimeSlicing"
)


class GpuSettings(WireConfig):
    """The fields of GpuConfig, whatever the apiVersion."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {
                "properties": {
                    "sharing": {
                        "type": "object",
                        "properties": {"strategy": {"const": "MPS"}},
                        "required": ["strategy"],
                    },
                    "fabricTopologyConfig": {"type": "object"},
                },
                "required": ["sharing", "fabricTopologyConfig"],
            },
            "then": {
                "properties": {
                    "fabricTopologyConfig": {
                        "properties": {"strategy": {"const": "Disabled"}},
                        "required": ["strategy"],
                    }
                }
            },
            "$comment": "MPS goes with no fabric partition",
        }
    )

    sharing: GpuSharing | None = None
    """How the GPU is shared; no sharing setting is touched if absent."""
    fabric_topology_config: FabricSettings | None = Field(default=None)
    """What is asked of the NVLink fabric. Needs feature gate FabricTopologySupport unless its
    strategy is Disabled."""

    def to_hub(self, found: Findings) -> hub.Gpu:
        """Return the settled config."""
        sharing = None if self.sharing is None else self.sharing.to_hub(found)
        block = self.fabric_topology_config
        if block is None:
            return hub.Gpu(sharing, hub.UNSPECIFIED)
        fabric = block.settle(("fabricTopologyConfig",), found)
        if isinstance(sharing, hub.Mps) and not isinstance(fabric.strategy, hub.FabricDisabled):
            where = ("fabricTopologyConfig", "strategy")
            target = Target.VALUE if block.strategy is not None else Target.PARENT
            leaning = [("sharing", "strategy")]
            found.add(DRA414, where, _MPS_BESIDE_PARTITION, leaning_on=leaning, target=target)
        return hub.Gpu(sharing, fabric)

    def string_count(self) -> int:
        """Return how many strings the JSON of this config holds, keys included."""
        count = len(self.__pydantic_fields_set__) + 2
        if self.sharing is not None:
            count += self.sharing.string_count()
        if self.fabric_topology_config is not None:
            count += self.fabric_topology_config.string_count()
        return count


class GpuConfig(GpuSettings):
    """How to set up a full GPU."""

    api_version: Literal["resource.nvidia.com/v1beta1"]
    """The version of this shape."""
    kind: Literal["GpuConfig"]
    """The kind of this config."""
