"""The way back: a settled config as v1beta1, which settles to the same config again."""

from typing import Any, assert_never

from dra_config import hub
from dra_config.v1beta1.compute_domain import (
    ComputeDomainChannelConfig,
    ComputeDomainDaemonConfig,
)
from dra_config.v1beta1.fabric import FabricTopologyConfig
from dra_config.v1beta1.gpu import GpuConfig
from dra_config.v1beta1.mig import MigDeviceConfig
from dra_config.v1beta1.version import API_VERSION
from dra_config.v1beta1.vfio import VfioDeviceConfig
from dra_config.wire import WireConfig


def from_hub(config: hub.Config) -> WireConfig:
    """Return *config* as a v1beta1 config that leaves out what absence already says."""
    match config:
        case hub.Gpu():
            return _model(GpuConfig, **_gpu(config))
        case hub.Mig(sharing):
            return _model(MigDeviceConfig, **_only(sharing=_mig_sharing(sharing)))
        case hub.Vfio():
            return _model(VfioDeviceConfig, **_only(iommu=_iommu(config)))
        case hub.FabricTopology(fabric):
            return _model(FabricTopologyConfig, **_fabric(fabric))
        case hub.ComputeDomainChannel(domain_id, mode):
            given = None if mode is hub.ChannelAllocationMode.SINGLE else str(mode)
            fields = _only(domainID=domain_id, allocationMode=given)
            return _model(ComputeDomainChannelConfig, **fields)
        case hub.ComputeDomainDaemon(domain_id):
            return _model(ComputeDomainDaemonConfig, domainID=domain_id)
        case _:
            assert_never(config)


def _model(kind: type[WireConfig], **fields: Any) -> WireConfig:
    return kind.model_validate({"apiVersion": API_VERSION, "kind": kind.__name__, **fields})


def _only(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _gpu(config: hub.Gpu) -> dict[str, Any]:
    fabric = None if isinstance(config.fabric, hub.Unspecified) else _fabric(config.fabric)
    return _only(sharing=_gpu_sharing(config.sharing), fabricTopologyConfig=fabric)


def _gpu_sharing(sharing: hub.TimeSlicing | hub.Mps | None) -> dict[str, Any] | None:
    match sharing:
        case None:
            return None
        case hub.TimeSlicing(interval):
            settings = {"interval": str(interval)}
            given = None if interval is hub.TimeSliceInterval.DEFAULT else settings
            return {"strategy": "TimeSlicing", **_only(timeSlicingConfig=given)}
        case hub.Mps():
            return _mps(sharing)
        case _:
            assert_never(sharing)


def _mig_sharing(sharing: hub.MigTimeSlicing | hub.Mps | None) -> dict[str, Any] | None:
    match sharing:
        case None:
            return None
        case hub.MigTimeSlicing.WITHOUT_EFFECT:
            return {"strategy": "TimeSlicing"}
        case hub.Mps():
            return _mps(sharing)
        case _:
            assert_never(sharing)


def _mps(mps: hub.Mps) -> dict[str, Any]:
    limit = mps.pinned_memory_limit_bytes
    limits = mps.pinned_memory_limit_bytes_by_device
    settings = _only(
        defaultActiveThreadPercentage=mps.active_thread_percent,
        defaultPinnedDeviceMemoryLimit=None if limit is None else render_bytes(limit),
        defaultPerDevicePinnedMemoryLimit={k: render_bytes(v) for k, v in limits.items()} or None,
        multiUser=True if mps.multi_user else None,
    )
    return {"strategy": "MPS", **_only(mpsConfig=settings or None)}


def render_bytes(count: int) -> str:
    """Return *count* bytes as a quantity with the largest binary suffix that loses nothing."""
    for power, suffix in ((60, "Ei"), (50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")):
        if count and count % 2**power == 0:
            return f"{count >> power}{suffix}"
    return str(count)


def _iommu(vfio: hub.Vfio) -> dict[str, Any] | None:
    policy = vfio.iommu_backend_policy
    fields = _only(
        backendPolicy=None if policy is hub.IommuBackendPolicy.LEGACY_ONLY else str(policy),
        enableAPIDevice=True if vfio.api_device_enabled else None,
    )
    return fields or None


def _fabric(fabric: hub.Fabric) -> dict[str, Any]:
    model = fabric.virtualization_model
    return {
        **_fabric_strategy(fabric.strategy),
        **_only(
            virtualizationModel=None
            if model is hub.VirtualizationModel.BARE_METAL
            else str(model),
            minBandwidth=fabric.min_bandwidth_gigabytes_per_second,
            maxLatency=fabric.max_latency_milliseconds,
            preferNVLink=None if fabric.nvlink_preferred else False,
        ),
    }


def _fabric_strategy(
    strategy: hub.FabricAuto | hub.FabricManual | hub.FabricDisabled,
) -> dict[str, Any]:
    match strategy:
        case hub.FabricAuto(size):
            return {"strategy": "Auto", **_only(partitionSize=size)}
        case hub.FabricManual(ids):
            return {"strategy": "Manual", "partitionIDs": list(ids)}
        case hub.FabricDisabled.DISABLED:
            return {"strategy": "Disabled"}
        case _:
            assert_never(strategy)
