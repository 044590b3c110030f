"""Configs that are surely right, recognised and settled without any model.

Building the models takes longer than most runs of the command line. What is recognised here
settles to what the models settle it to, and no violation is found in it but for those that the
gates decide. The reverse need not hold: what looks odd is left to the models, which explain it.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar, cast

from dra_config import hub, scheme
from dra_config.v1beta1 import API_VERSION
from dra_config.v1beta1.memory_limit import NO_LIMITS, settle_device_limits, settle_limit
from dra_config.wire import Findings

Tree: TypeAlias = Mapping[str, Any]

_MOST: Final = 16
"""Entries of one list or map; with `_LONGEST` no config comes near to the 10240 bytes of JSON."""
_LONGEST: Final = 64
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PARTITION_ID: Final = re.compile(r"[A-Za-z0-9._/-]{1,64}")
_WHOLE: Final = 100
_EMPTY: Final[dict[str, Any]] = {}
_PARTITION_SIZES: Final = frozenset({2, 4, 8})
_MODES: Final = {mode.value: mode for mode in hub.ChannelAllocationMode}
_POLICIES: Final = {policy.value: policy for policy in hub.IommuBackendPolicy}
_VIRTUALIZATION: Final = {model.value: model for model in hub.VirtualizationModel}
_SLICES: Final = {each.value: hub.TimeSlicing(each) for each in hub.TimeSliceInterval}

_HEADER: Final = frozenset({"apiVersion", "kind"})
_GPU_FIELDS: Final = _HEADER | {"sharing", "fabricTopologyConfig"}
_MIG_FIELDS: Final = _HEADER | {"sharing"}
_VFIO_FIELDS: Final = _HEADER | {"iommu"}
_CHANNEL_FIELDS: Final = _HEADER | {"domainID", "allocationMode"}
_DAEMON_FIELDS: Final = _HEADER | {"domainID"}
_IOMMU_FIELDS: Final = frozenset({"backendPolicy", "enableAPIDevice"})
_SHARING_FIELDS: Final = frozenset({"strategy", "timeSlicingConfig", "mpsConfig"})
_SLICING_FIELDS: Final = frozenset({"interval"})
_MPS_FIELDS: Final = frozenset(
    {
        "defaultActiveThreadPercentage",
        "defaultPinnedDeviceMemoryLimit",
        "defaultPerDevicePinnedMemoryLimit",
        "multiUser",
    }
)
_FABRIC_FIELDS: Final = frozenset(
    {"strategy", "virtualizationModel", "partitionSize", "partitionIDs", "preferNVLink"}
)

_Word = TypeVar("_Word")


class _Odd(Exception):  # noqa: N818 - no fault of ours, and perhaps none at all
    """Something that is for the models to read."""


def recognise(parameters: object, driver: str) -> hub.Config | None:
    """Return the settled config that *parameters* surely stand for, or None if they look odd.

    Args:
        parameters: Plain values as JSON has them, made from a text that repeats no key.
        driver: The driver that they are addressed to.
    """
    if not isinstance(parameters, dict):
        return None
    tree = cast("Tree", parameters)
    kind = tree.get("kind")
    if not isinstance(kind, str) or tree.get("apiVersion") != API_VERSION:
        return None
    settle = _SETTLED.get(kind)
    if settle is None or kind not in scheme.DRIVERS[driver].kinds:
        return None
    try:
        return settle(tree)
    except _Odd:
        return None


def _closed(value: object, fields: frozenset[str]) -> Tree:
    """Return *value* if it is an object with no other fields than *fields*, none of them null."""
    if type(value) is not dict:
        raise _Odd
    tree = cast("dict[str, Any]", value)
    if not fields.issuperset(tree) or None in tree.values():
        raise _Odd
    return tree


def _text(value: object) -> str:
    if type(value) is not str or len(value) > _LONGEST:
        raise _Odd
    return value


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise _Odd
    return value


def _texts(value: object) -> Mapping[str, str]:
    if type(value) is not dict or len(cast("Tree", value)) > _MOST:
        raise _Odd
    return {_text(key): _text(text) for key, text in cast("Tree", value).items()}


def _word(words: Mapping[str, _Word], value: object) -> _Word:
    if type(value) is not str or value not in words:
        raise _Odd
    return words[value]


def _gpu(tree: Tree) -> hub.Config:
    _closed(tree, _GPU_FIELDS)
    sharing = _gpu_sharing(tree["sharing"]) if "sharing" in tree else None
    if "fabricTopologyConfig" not in tree:
        return hub.Gpu(sharing, hub.UNSPECIFIED)
    fabric = _fabric(_closed(tree["fabricTopologyConfig"], _FABRIC_FIELDS))
    if isinstance(sharing, hub.Mps) and not isinstance(fabric.strategy, hub.FabricDisabled):
        raise _Odd
    return hub.Gpu(sharing, fabric)


def _gpu_sharing(value: object) -> hub.TimeSlicing | hub.Mps:
    sharing = _closed(value, _SHARING_FIELDS)
    if sharing.get("strategy") != "TimeSlicing":
        return _mps(sharing, "GPU")
    if "mpsConfig" in sharing:
        raise _Odd
    slicing = _closed(sharing.get("timeSlicingConfig", _EMPTY), _SLICING_FIELDS)
    return _word(_SLICES, slicing.get("interval", "Default"))


def _mps(sharing: Tree, uuid_type: str) -> hub.Mps:
    if sharing.get("strategy") != "MPS" or "timeSlicingConfig" in sharing:
        raise _Odd
    settings = _closed(sharing.get("mpsConfig", _EMPTY), _MPS_FIELDS)
    percent = settings.get("defaultActiveThreadPercentage")
    if percent is not None and (type(percent) is not int or not 0 < percent <= _WHOLE):
        raise _Odd
    limits = NO_LIMITS
    found = Findings()
    limit = settings.get("defaultPinnedDeviceMemoryLimit")
    count = None if limit is None else settle_limit(_text(limit), (), found)
    by_device = settings.get("defaultPerDevicePinnedMemoryLimit")
    if by_device is not None:
        limits = settle_device_limits(_texts(by_device), uuid_type, (), found)
    # A warning about users who share a daemon is the models' to give.
    if found.violations or settings.get("multiUser", False) is not False:
        raise _Odd
    return hub.Mps(percent, count, limits, False)  # noqa: FBT003 - a named tuple


def _mig(tree: Tree) -> hub.Config:
    _closed(tree, _MIG_FIELDS)
    if "sharing" not in tree:
        return hub.Mig(None)
    return hub.Mig(_mps(_closed(tree["sharing"], _SHARING_FIELDS), "MIG"))


def _vfio(tree: Tree) -> hub.Config:
    _closed(tree, _VFIO_FIELDS)
    iommu = _closed(tree.get("iommu", _EMPTY), _IOMMU_FIELDS)
    policy = _word(_POLICIES, iommu.get("backendPolicy", "LegacyOnly"))
    return hub.Vfio(policy, _flag(iommu.get("enableAPIDevice", False)))


def _fabric_topology(tree: Tree) -> hub.Config:
    return hub.FabricTopology(_fabric(_closed(tree, _FABRIC_FIELDS | _HEADER)))


def _fabric(block: Tree) -> hub.Fabric:
    model = _word(_VIRTUALIZATION, block.get("virtualizationModel", "BareMetal"))
    size, ids = block.get("partitionSize"), block.get("partitionIDs")
    strategy: hub.FabricAuto | hub.FabricManual | hub.FabricDisabled
    match block.get("strategy", "Auto"):
        case "Auto" if ids is None and (size is None or _is_partition_size(size)):
            strategy = hub.FabricAuto(size)
        case "Manual" if size is None:
            strategy = hub.FabricManual(_partition_ids(ids))
        case "Disabled" if size is None and ids is None and "preferNVLink" not in block:
            strategy = hub.FabricDisabled.DISABLED
        case _:
            raise _Odd
    is_virtual = model is hub.VirtualizationModel.VGPU
    if is_virtual and not isinstance(strategy, hub.FabricDisabled):
        raise _Odd
    return hub.Fabric(strategy, model, None, None, _flag(block.get("preferNVLink", True)))


def _is_partition_size(value: object) -> bool:
    return type(value) is int and value in _PARTITION_SIZES


def _partition_ids(value: object) -> tuple[str, ...]:
    if type(value) is not list:
        raise _Odd
    ids = tuple(map(_text, cast("list[object]", value)))
    if not 0 < len(ids) <= _MOST or len({*ids}) < len(ids) or not all(map(_is_partition, ids)):
        raise _Odd
    return ids


def _is_partition(name: str) -> bool:
    return _PARTITION_ID.fullmatch(name) is not None


def _channel(tree: Tree) -> hub.Config:
    _closed(tree, _CHANNEL_FIELDS)
    mode = _word(_MODES, tree.get("allocationMode", "Single"))
    return hub.ComputeDomainChannel(_domain_id(tree), mode)


def _daemon(tree: Tree) -> hub.Config:
    return hub.ComputeDomainDaemon(_domain_id(_closed(tree, _DAEMON_FIELDS)))


def _domain_id(tree: Tree) -> str:
    domain_id = _text(tree.get("domainID"))
    if _UUID.fullmatch(domain_id) is None:
        raise _Odd
    return domain_id


_SETTLED: Final[Mapping[str, Callable[[Tree], hub.Config]]] = MappingProxyType(
    {
        "GpuConfig": _gpu,
        "MigDeviceConfig": _mig,
        "VfioDeviceConfig": _vfio,
        "FabricTopologyConfig": _fabric_topology,
        "ComputeDomainChannelConfig": _channel,
        "ComputeDomainDaemonConfig": _daemon,
    }
)
