"""What hypothesis makes up: settled configs, the texts that stand for them, and near misses."""

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st

from dra_config import hub
from dra_config.gates import FeatureGates
from dra_config.scheme import COMPUTE_DOMAIN_DRIVER, GPU_DRIVER

Tree: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str | int, ...]

GATES = FeatureGates.parse(
    "TimeSlicingSettings=true,MPSSupport=true,PassthroughSupport=true,FabricTopologySupport=true"
)
"""Gates under which every kind may be used."""
V1BETA1 = "resource.nvidia.com/v1beta1"
MEBIBYTE_BYTES = 2**20
MAX_BYTES = 2**63 - 1


def driver_of(kind: object) -> str:
    """Return the driver that carries the kind."""
    is_domain = isinstance(kind, str) and kind.startswith("ComputeDomain")
    return COMPUTE_DOMAIN_DRIVER if is_domain else GPU_DRIVER


# ------------------------------------------------------------------------ settled configs

uuids = st.uuids(version=None).map(str)
indices = st.integers(0, 10**6).map(str)
limits_bytes = (
    st.integers(MEBIBYTE_BYTES, MAX_BYTES)
    | st.integers(1, 2**43 - 1).map(MEBIBYTE_BYTES.__mul__)
    | st.sampled_from([MEBIBYTE_BYTES, MEBIBYTE_BYTES + 1, 2**62, MAX_BYTES])
)
characters = st.characters(exclude_categories=["Cs"])
partition_ids = st.text(characters, min_size=1, max_size=20).filter(str.strip)
"""Ids as users write them, with characters that JSON escapes."""
thresholds = st.none() | st.floats(0, allow_nan=False, allow_infinity=False)


def device_keys(uuid_type: str) -> st.SearchStrategy[str]:
    return indices | uuids.map(f"{uuid_type}-{{}}".format)


def mps(uuid_type: str) -> st.SearchStrategy[hub.Mps]:
    return st.builds(
        hub.Mps,
        st.none() | st.integers(0, 100),
        st.none() | limits_bytes,
        st.dictionaries(device_keys(uuid_type), limits_bytes, max_size=4),
        st.booleans(),
    )


lists_of_ids = st.lists(partition_ids, min_size=1, max_size=4, unique=True).map(tuple)
strategies_with_a_partition = st.builds(
    hub.FabricAuto, st.sampled_from([None, 2, 4, 8])
) | st.builds(hub.FabricManual, lists_of_ids)
models_with_partitions = st.sampled_from(
    [model for model in hub.VirtualizationModel if model is not hub.VirtualizationModel.VGPU]
)


def fabrics(
    strategy: st.SearchStrategy[Any], model: st.SearchStrategy[hub.VirtualizationModel]
) -> st.SearchStrategy[hub.Fabric]:
    return st.builds(hub.Fabric, strategy, model, thresholds, thresholds, st.booleans())


disabled_fabrics = fabrics(
    st.just(hub.FabricDisabled.DISABLED), st.sampled_from(hub.VirtualizationModel)
)
every_fabric = fabrics(strategies_with_a_partition, models_with_partitions) | disabled_fabrics
unspecified = st.just(hub.UNSPECIFIED)

hub_configs: st.SearchStrategy[hub.Config] = st.one_of(
    st.builds(
        hub.Gpu,
        st.none() | st.builds(hub.TimeSlicing, st.sampled_from(hub.TimeSliceInterval)),
        unspecified | every_fabric,
    ),
    st.builds(hub.Gpu, mps("GPU"), unspecified | disabled_fabrics),
    st.builds(hub.Mig, st.none() | st.sampled_from(hub.MigTimeSlicing) | mps("MIG")),
    st.builds(hub.Vfio, st.sampled_from(hub.IommuBackendPolicy), st.booleans()),
    st.builds(hub.FabricTopology, every_fabric),
    st.builds(hub.ComputeDomainChannel, uuids, st.sampled_from(hub.ChannelAllocationMode)),
    st.builds(hub.ComputeDomainDaemon, uuids),
)
"""Every settled config that a text can stand for."""

# --------------------------------------------------------------------- trees of the wire


def fields(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    """Return objects in which each field is absent, null or drawn."""
    optional = {name: st.none() | strategy for name, strategy in strategies.items()}
    return st.fixed_dictionaries({}, optional=optional)


def joined(first: Tree, second: Tree) -> Tree:
    return first | second


plain_ids = st.text("abcXYZ019-_. é", min_size=1, max_size=12).filter(str.strip)
"""Ids without a character that JSON escapes."""
plain_lists = st.lists(plain_ids, min_size=1, max_size=4, unique=True)
quantities = st.sampled_from(
    ["1Mi", "8Gi", "1.5Gi", "1500M", "+2Gi", "007Gi", "1e9", " 4Gi ", "2147483648", "8Ei", "1e99"]
) | st.integers(1, 2**20).map("{}Mi".format)
wire_thresholds = st.floats(0, 1e6, allow_nan=False) | st.integers(0, 10**6)


def wire_mps(uuid_type: str) -> st.SearchStrategy[Tree]:
    settings = fields(
        defaultActiveThreadPercentage=st.integers(0, 100),
        defaultPinnedDeviceMemoryLimit=quantities,
        defaultPerDevicePinnedMemoryLimit=st.dictionaries(
            device_keys(uuid_type), quantities, max_size=3
        ),
        multiUser=st.booleans(),
    )
    return st.builds(joined, st.just({"strategy": "MPS"}), fields(mpsConfig=settings))


intervals = fields(interval=st.sampled_from(["Default", "Short", "Medium", "Long"]))
wire_time_slicing = st.builds(
    joined,
    st.just({"strategy": "TimeSlicing"}),
    fields(timeSlicingConfig=intervals, mpsConfig=st.none()),
)
models = st.sampled_from(["BareMetal", "FullPassthrough", "SharedNVSwitch"])
other_fabric_fields = fields(
    virtualizationModel=models,
    minBandwidth=wire_thresholds,
    maxLatency=wire_thresholds,
    preferNVLink=st.booleans(),
)
auto = fields(
    strategy=st.just("Auto"), partitionSize=st.sampled_from([2, 4, 8]), partitionIDs=st.just([])
)
manual = st.fixed_dictionaries(
    {"strategy": st.just("Manual"), "partitionIDs": plain_lists},
    optional={"partitionIds": st.none(), "partitionSize": st.none()},
) | st.fixed_dictionaries({"strategy": st.just("Manual"), "partitionIds": plain_lists})
disabled = st.fixed_dictionaries(
    {"strategy": st.just("Disabled")},
    optional={"virtualizationModel": st.just("VGPU"), "partitionIDs": st.just([])},
)
wire_fabric = st.builds(joined, other_fabric_fields, auto | manual | disabled)


def configs(kind: str, content: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.builds(joined, st.just({"apiVersion": V1BETA1, "kind": kind}), content)


domain_ids = st.builds(lambda uid: {"domainID": uid}, uuids)
wire_configs: st.SearchStrategy[Tree] = st.one_of(
    configs("GpuConfig", fields(sharing=wire_time_slicing, fabricTopologyConfig=wire_fabric)),
    configs("GpuConfig", fields(sharing=wire_mps("GPU"), fabricTopologyConfig=disabled)),
    configs(
        "MigDeviceConfig",
        fields(sharing=wire_mps("MIG") | st.just({"strategy": "TimeSlicing"})),
    ),
    configs(
        "VfioDeviceConfig",
        fields(
            iommu=fields(
                backendPolicy=st.sampled_from(["LegacyOnly", "PreferIommuFD"]),
                enableAPIDevice=st.booleans(),
            )
        ),
    ),
    configs("FabricTopologyConfig", wire_fabric),
    configs(
        "ComputeDomainChannelConfig",
        st.builds(joined, domain_ids, fields(allocationMode=st.sampled_from(["Single", "All"]))),
    ),
    configs("ComputeDomainDaemonConfig", domain_ids),
)
"""Accepted parameters of the served version, nulls included."""

legacy_configs: st.SearchStrategy[Tree] = st.one_of(
    st.builds(
        lambda sharing, wrap: {
            "apiVersion": "gpu.resource.nvidia.com/v1alpha1",
            "kind": "GpuConfiguration",
            "sharing": [sharing] if wrap else sharing,
        },
        wire_mps("GPU") | wire_time_slicing,
        st.booleans(),
    ),
    st.builds(
        lambda sharing: {
            "apiVersion": "gpu.nvidia.com/v1alpha1",
            "kind": "GpuConfig",
            "sharing": sharing,
        },
        wire_time_slicing,
    ),
    st.builds(
        lambda fabric: {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "GpuConfig",
            "fabricTopologyConfig": fabric,
        },
        wire_fabric,
    ),
)
"""Accepted parameters of older versions."""

# ------------------------------------------------------------------------- any JSON at all

NAMES = [
    *("apiVersion", "kind", "sharing", "fabricTopologyConfig", "strategy", "mpsConfig"),
    *("timeSlicingConfig", "interval", "defaultActiveThreadPercentage", "multiUser"),
    *("defaultPinnedDeviceMemoryLimit", "defaultPerDevicePinnedMemoryLimit", "iommu"),
    *("backendPolicy", "enableAPIDevice", "partitionSize", "partitionIDs", "partitionIds"),
    *("minBandwidth", "maxLatency", "preferNVLink", "virtualizationModel", "domainID"),
    *("allocationMode", "Sharing", "KIND", "apiversion", "domainId", "metadata", "profile", ""),
]
WORDS = [
    *(V1BETA1, "gpu.nvidia.com/v1alpha1", "gpu.resource.nvidia.com/v1alpha1", "v1", "GpuConfig"),
    *("MigDeviceConfig", "VfioDeviceConfig", "FabricTopologyConfig", "GpuConfiguration", "List"),
    *("ComputeDomain", "ComputeDomainChannelConfig", "gpuconfig", "MPS", "TimeSlicing", "Manual"),
    *("Auto", "Disabled", "VGPU", "Short", "8Gi", "10GB", "512Ki", "1e999999999", "Ki", "0", "01"),
    *("GPU-3b1f6c02-7d8e-4a55-9f10-c2d4e6a8b0f1", "All", "LegacyOnly", "", " ", "\u2028", "\x00"),
]
texts = st.sampled_from(WORDS) | st.text(characters, max_size=20)
numbers = (
    st.integers(-3, 120)
    | st.sampled_from([2**63 - 1, 2**63, -(2**63) - 1, 10**400, 50.0, 1.5, -0.0, 1e300])
    | st.floats(allow_nan=False, allow_infinity=False)
)
leaves = st.none() | st.booleans() | numbers | texts
keys = st.sampled_from(NAMES) | texts
any_json: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=15,
)
"""JSON of any shape, in words that the library knows and others."""


def paths(tree: Any, at: Path = ()) -> list[Path]:
    """Return the path of every value below the root of *tree*."""
    if not isinstance(tree, dict | list):
        return []
    found: list[Path] = []
    for part, child in tree.items() if isinstance(tree, dict) else enumerate(tree):
        found += [(*at, part), *paths(child, (*at, part))]
    return found


@st.composite
def spoiled(draw: st.DrawFn) -> Tree:
    """Return an accepted config in which one to three values or keys are replaced."""
    tree: Tree = json.loads(json.dumps(draw(wire_configs | legacy_configs)))
    for _ in range(draw(st.integers(1, 3))):
        left = paths(tree)
        if not left:
            break
        path = draw(st.sampled_from(left))
        parent: Any = tree
        for part in path[:-1]:
            parent = parent[part]
        change = draw(st.sampled_from(["value", "key", "more", "less"]))
        if change == "less":
            del parent[path[-1]]
        elif change == "value" or isinstance(parent, list):
            parent[path[-1]] = draw(any_json)
        elif change == "key":
            parent[draw(keys)] = parent.pop(path[-1])
        else:
            parent[draw(keys)] = draw(any_json)
    return tree


# --------------------------------------------------------------------------------- texts


@dataclass(frozen=True)
class Repetition:
    """A key that stands in an object once more than it should."""

    path: Path
    """The object."""
    key: str
    value: Any
    first: bool
    """Whether the added member comes before all others."""


def dumps(tree: Any, *, again: Repetition | None = None, at: Path = ()) -> str:
    """Return *tree* as compact JSON, with one repeated key if *again* says so."""
    if isinstance(tree, dict):
        members = [
            f"{json.dumps(key, ensure_ascii=False)}:{dumps(value, again=again, at=(*at, key))}"
            for key, value in tree.items()
        ]
        if again is not None and again.path == at:
            member = f"{json.dumps(again.key, ensure_ascii=False)}:{dumps(again.value)}"
            members.insert(0 if again.first else len(members), member)
        return "{" + ",".join(members) + "}"
    if isinstance(tree, list):
        entries = [dumps(value, again=again, at=(*at, i)) for i, value in enumerate(tree)]
        return "[" + ",".join(entries) + "]"
    return json.dumps(tree, ensure_ascii=False)


@st.composite
def repetitions(draw: st.DrawFn) -> tuple[Tree, Repetition]:
    """Return an accepted config and a key of it that is to stand there twice."""
    tree: Tree = draw(wire_configs | legacy_configs)
    path = draw(st.sampled_from(paths(tree)).filter(lambda path: isinstance(path[-1], str)))
    value: Any = tree
    for part in path:
        value = value[part]
    again = draw(st.just(value) | any_json)
    return tree, Repetition(path[:-1], str(path[-1]), again, draw(st.booleans()))


@st.composite
def reordered(draw: st.DrawFn, tree: Any) -> Any:
    """Return *tree* with the members of every object in another order."""
    if isinstance(tree, dict):
        order = draw(st.permutations(list(tree)))
        return {key: draw(reordered(tree[key])) for key in order}
    if isinstance(tree, list):
        return [draw(reordered(value)) for value in tree]
    return tree


layouts = st.fixed_dictionaries(
    {
        "indent": st.none() | st.integers(0, 3) | st.just("\t"),
        "separators": st.sampled_from([(",", ":"), (" , ", " : "), (",\n", ":\r\n\t")]),
        "ensure_ascii": st.booleans(),
    }
)
"""Ways to write one tree, as `json.dumps` takes them."""
