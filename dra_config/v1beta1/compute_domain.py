"""ComputeDomainChannelConfig and ComputeDomainDaemonConfig: a claim's part in a ComputeDomain."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

from dra_config import hub
from dra_config.catalogue.compute_domain import DRA801, DRA802
from dra_config.v1beta1.choices import AllocationMode
from dra_config.violations import Target
from dra_config.wire import Findings, WireConfig, shown

UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""The text form of RFC 4122 in lower case, as Kubernetes writes UIDs."""
_UUID = re.compile(UUID_PATTERN[1:-1], re.ASCII)

DomainId: TypeAlias = Annotated[
    str,
    Field(
        examples=["0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"],
        json_schema_extra={"pattern": UUID_PATTERN, "maxLength": 36},
    ),
]
_MODES: Mapping[str, hub.ChannelAllocationMode] = MappingProxyType(
    {str(mode): mode for mode in hub.ChannelAllocationMode}
)
_REQUIRED = ConfigDict(json_schema_extra={"required": ["apiVersion", "kind", "domainID"]})


class ComputeDomainChannelConfig(WireConfig):
    """Access of a workload to the IMEX channels of its ComputeDomain."""

    model_config = _REQUIRED

    api_version: Literal["resource.nvidia.com/v1beta1"]
    """The version of this shape."""
    kind: Literal["ComputeDomainChannelConfig"]
    """The kind of this config."""
    domain_id: DomainId | None = Field(default=None, alias="domainID")
    """The UID of the ComputeDomain object: metadata.uid, not its name."""
    allocation_mode: AllocationMode | None = Field(default=None, examples=["All"])
    """Single (if absent or empty): channel 0. All: every channel of the node."""

    def to_hub(self, found: Findings) -> hub.ComputeDomainChannel:
        """Return the settled config."""
        mode = _MODES[self.allocation_mode or "Single"]
        return hub.ComputeDomainChannel(_settle_domain_id(self.domain_id, found), mode)

    def string_count(self) -> int:
        """Return how many strings the JSON of this config holds, keys included."""
        values = (self.domain_id is not None) + (self.allocation_mode is not None)
        return len(self.__pydantic_fields_set__) + 2 + values


class ComputeDomainDaemonConfig(WireConfig):
    """The IMEX daemon of a ComputeDomain on one node; written by the driver's own controller."""

    model_config = _REQUIRED

    api_version: Literal["resource.nvidia.com/v1beta1"]
    """The version of this shape."""
    kind: Literal["ComputeDomainDaemonConfig"]
    """The kind of this config."""
    domain_id: DomainId | None = Field(default=None, alias="domainID")
    """The UID of the ComputeDomain object: metadata.uid, not its name."""

    def to_hub(self, found: Findings) -> hub.ComputeDomainDaemon:
        """Return the settled config."""
        return hub.ComputeDomainDaemon(_settle_domain_id(self.domain_id, found))

    def string_count(self) -> int:
        """Return how many strings the JSON of this config holds, keys included."""
        return len(self.__pydantic_fields_set__) + 2 + (self.domain_id is not None)


def _settle_domain_id(domain_id: str | None, found: Findings) -> str:
    if not domain_id:
        message = "domainID is missing; write the UID of the ComputeDomain (its metadata.uid)"
        target = Target.PARENT if domain_id is None else Target.VALUE
        found.add(DRA801, ("domainID",), message, target=target)
        return ""
    if _UUID.fullmatch(domain_id) is None:
        hint = ""
        if _UUID.fullmatch(domain_id.strip().lower()):
            hint = f", here '{domain_id.strip().lower()}'"
        message = (
            f"{shown(domain_id)} is not a UID of a ComputeDomain; write its metadata.uid, in "
            f"lower case like '0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376'{hint}"
        )
        found.add(DRA802, ("domainID",), message)
    return domain_id
