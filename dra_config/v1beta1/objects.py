"""ComputeDomain and ComputeDomainClique: objects of their own, never opaque parameters.

Every field is optional here, also where the API server requires it, because who judges an object
reports what is missing together with everything else.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

from dra_config.catalogue.compute_domain import DRA843, DRA852
from dra_config.wire import Judged, Unit, WireModel
from dra_config.wire.values import whole

MAX_NAME_CHARACTERS = 253
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""What the name of most Kubernetes objects looks like: a DNS-1123 subdomain."""

DOMAIN_LABEL = "resource.nvidia.com/computeDomain"
"""The label that holds the UID of the ComputeDomain."""
CLIQUE_LABEL = "resource.nvidia.com/computeDomain.cliqueID"
"""The label that holds the id of the clique."""

_INT64_MAX = 2**63 - 1
_BY_NODE: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["nodeName"],
}
_BY_NAME: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
_IMMUTABLE: dict[str, Any] = {
    "x-kubernetes-validations": [
        {
            "rule": "self == oldSelf",
            "message": "spec cannot be changed; delete the ComputeDomain and make a new one",
        }
    ]
}


def _required(*names: str) -> ConfigDict:
    return ConfigDict(json_schema_extra={"required": list(names)})


Readiness: TypeAlias = Annotated[
    Literal["Ready", "NotReady"], Field(json_schema_extra={"default": "NotReady"})
]
NodeIndex: TypeAlias = Annotated[int, Field(ge=-(2**63), le=_INT64_MAX)]
MemberIndex: TypeAlias = Annotated[
    int, Field(ge=0, le=_INT64_MAX), Judged(DRA852, "an index, a whole number from 0")
]


class ObjectMetadata(WireModel):
    """The metadata that every Kubernetes object has; only what is read here has a type."""

    model_config = ConfigDict(extra="allow")

    name: str | None = Field(default=None, examples=["training"])
    """The name of the object, unique in its namespace."""
    namespace: str | None = Field(default=None, examples=["team-a"])
    """The namespace of the object."""
    labels: dict[str, str] | None = None
    """Labels by their keys."""


class ResourceClaimTemplateReference(WireModel):
    """The claim template that the controller makes for the workload."""

    model_config = _required("name")

    name: str | None = Field(
        default=None,
        examples=["training-channel"],
        json_schema_extra={"maxLength": MAX_NAME_CHARACTERS, **whole(NAME_PATTERN)},
    )
    """The name of the template, which nobody else may use in the namespace."""


class Channel(WireModel):
    """How workloads get at the IMEX channels of the domain."""

    model_config = _required("resourceClaimTemplate")

    resource_claim_template: ResourceClaimTemplateReference | None = None
    """The claim template that the controller makes for the workload."""
    allocation_mode: Annotated[
        Literal["Single", "All"] | None,
        Field(examples=["All"], json_schema_extra={"default": "Single"}),
        Judged(DRA843, "an allocation mode of channels"),
    ] = None
    """Single (if absent): channel 0. All: every channel of the node."""


class ComputeDomainSpec(WireModel):
    """What is asked for; it cannot be changed."""

    model_config = _required("channel")

    num_nodes: Annotated[
        int | None,
        Field(ge=0, le=_INT64_MAX, examples=[0], json_schema_extra={"default": 0}),
        Judged(DRA843, "a number of nodes, a whole number from 0"),
        Unit("nodes"),
    ] = None
    """How many nodes must be there before the status says Ready; 0 if absent. It holds no pod
    back and leaves with the next version, so write 0."""
    channel: Channel | None = None
    """How workloads get at the IMEX channels of the domain."""


class ComputeDomainNode(WireModel):
    """One node that has joined the domain."""

    model_config = _required("name", "ipAddress", "cliqueID")

    name: str | None = None
    """The name of the node."""
    ip_address: str | None = None
    """The IP address of the daemon's pod."""
    clique_id: str | None = Field(default=None, alias="cliqueID")
    """The clique that the node belongs to; empty for a node without NVLink fabric."""
    index: NodeIndex | None = None
    """The node's place in its clique, from 0; -1 for a node without NVLink fabric."""
    status: Readiness | None = None
    """Whether the IMEX daemon of the node answers; NotReady if absent."""


class ComputeDomainStatus(WireModel):
    """What the driver has seen; nobody else writes it."""

    status: Readiness | None = None
    """Whether the domain can be used; NotReady if absent."""
    nodes: Annotated[list[ComputeDomainNode] | None, Field(json_schema_extra=_BY_NAME)] = None
    """The nodes that have joined, each once."""


class ComputeDomain(WireModel):
    """A set of nodes between which workloads share GPU memory over NVLink (IMEX)."""

    model_config = _required("apiVersion", "kind", "spec")

    api_version: Literal["resource.nvidia.com/v1beta1"]
    """The version of this shape."""
    kind: Literal["ComputeDomain"]
    """The kind of this object."""
    metadata: ObjectMetadata | None = None
    """Name, namespace, labels and the rest that every object has."""
    spec: ComputeDomainSpec | None = Field(default=None, json_schema_extra=_IMMUTABLE)
    """What is asked for; it cannot be changed."""
    status: ComputeDomainStatus | None = None
    """What the driver has seen; nobody else writes it."""


class ComputeDomainDaemon(WireModel):
    """The IMEX daemon of one node of the clique."""

    model_config = _required("nodeName", "ipAddress", "cliqueID")

    node_name: str | None = None
    """The name of the node."""
    ip_address: str | None = Field(default=None, examples=["10.0.4.11"])
    """The IP address of the daemon's pod."""
    clique_id: str | None = Field(default=None, alias="cliqueID")
    """The clique of the node, the same as the object's own."""
    index: Annotated[MemberIndex | None, Field(examples=[0])] = None
    """The node's place in the clique, which becomes the daemon's host name: from 0 to one less
    than the size of a clique, each once; 0 if absent."""
    status: Readiness | None = None
    """Whether the daemon answers; NotReady if absent."""


class ComputeDomainClique(WireModel):
    """The nodes of a ComputeDomain that one NVLink fabric connects; the daemons write it."""

    model_config = _required("apiVersion", "kind")

    api_version: Literal["resource.nvidia.com/v1beta1"]
    """The version of this shape."""
    kind: Literal["ComputeDomainClique"]
    """The kind of this object."""
    metadata: ObjectMetadata | None = None
    """The name joins the domain's UID and the clique's id with a dot; two labels repeat them."""
    daemons: Annotated[list[ComputeDomainDaemon] | None, Field(json_schema_extra=_BY_NODE)] = None
    """The daemons that have joined, each once."""


OBJECTS = (ComputeDomain, ComputeDomainClique)
"""The kinds that are objects of their own."""
