"""Which config reaches which device of an allocated claim, and what each device gets."""

from collections.abc import Iterator, Sequence
from typing import Final

from dra_config import hub
from dra_config.allocation.reach import fits, kind_of, reaches
from dra_config.allocation.shapes import (
    AllocationResult,
    DeviceType,
    OfDevice,
    Resolution,
    SettledConfig,
    SettledDevice,
    SettledFabric,
    Source,
    parameters_of,
)
from dra_config.allocation.together import judge_together
from dra_config.catalogue import Severity
from dra_config.catalogue.allocation import DRA201
from dra_config.catalogue.fabric import DRA414
from dra_config.catalogue.sharing import DRA124
from dra_config.gates import FeatureGate, FeatureGates
from dra_config.violations import Violation

_DEFAULTS: Final[dict[DeviceType, OfDevice]] = {
    DeviceType.GPU: hub.Gpu(None, hub.UNSPECIFIED),
    DeviceType.MIG: hub.Mig(None),
    DeviceType.VFIO: hub.Vfio(hub.IommuBackendPolicy.LEGACY_ONLY, api_device_enabled=False),
}
_IMPLIED: Final = hub.Fabric(
    strategy=hub.FabricAuto(None),
    virtualization_model=hub.VirtualizationModel.BARE_METAL,
    min_bandwidth_gigabytes_per_second=None,
    max_latency_milliseconds=None,
    nvlink_preferred=True,
)
_IMPLIED_WITH_MPS: Final = _IMPLIED._replace(strategy=hub.FabricDisabled.DISABLED)


def resolve(
    results: Sequence[AllocationResult], settled: Sequence[SettledConfig], *, gates: FeatureGates
) -> Resolution:
    """Return what each device gets.

    A config of the claim beats those of classes, and a later one an earlier one; the winner counts
    as a whole. One that names the request, or the request above its subrequest, has to fit the
    device. One that names none applies where it fits. The fabric is settled apart: a
    FabricTopologyConfig competes with the block of the GpuConfig that wins.

    Args:
        results: Devices of the GPU driver.
        settled: Its configs, from `settle`.
        gates: The feature gates of the installation.
    """
    # Several devices of one request show the same; it is said once.
    found: dict[Violation, None] = {}
    devices: list[SettledDevice] = []
    for result in results:
        winner = _winner(result, settled, found)
        fabric = _fabric(result, winner, settled, gates, found)
        position = None if winner is None else winner.position
        devices.append(SettledDevice(_settled(result, winner, fabric), position, fabric))
        found |= dict.fromkeys(_conflicts(result, winner, fabric))
    found |= dict.fromkeys(judge_together(results, settled, devices))
    violations = tuple(found)
    if any(one.severity is Severity.ERROR for one in violations):
        return Resolution((), violations)
    return Resolution(tuple(devices), violations)


def _winner(
    result: AllocationResult, settled: Sequence[SettledConfig], found: dict[Violation, None]
) -> SettledConfig | None:
    """Return the config that sets up a device, or None if it is the default."""
    for one in reversed(settled):
        if isinstance(one.config, hub.FabricTopology) or not reaches(one, result):
            continue
        if fits(one, result):
            return one
        if one.requests:
            found[_misfit(one, result)] = None
            return None
    return None


def _fabric(
    result: AllocationResult,
    winner: SettledConfig | None,
    settled: Sequence[SettledConfig],
    gates: FeatureGates,
    found: dict[Violation, None],
) -> SettledFabric | None:
    asked = [*_asked(result, winner, settled, found)]
    if result.admin_access:
        return None
    if asked:
        return asked[0]
    is_gpu = result.device_type is DeviceType.GPU
    if not is_gpu or FeatureGate.FABRIC_TOPOLOGY_SUPPORT not in gates:
        return None
    mps = (
        winner is not None
        and isinstance(winner.config, hub.Gpu)
        and isinstance(winner.config.sharing, hub.Mps)
    )
    return SettledFabric(_IMPLIED_WITH_MPS if mps else _IMPLIED, None)


def _asked(
    result: AllocationResult,
    winner: SettledConfig | None,
    settled: Sequence[SettledConfig],
    found: dict[Violation, None],
) -> Iterator[SettledFabric]:
    """Yield what configs ask of the fabric for a device, the strongest first."""
    for one in reversed(settled):
        match one.config:
            case hub.Gpu(fabric=hub.Fabric() as block) if one is winner:
                yield SettledFabric(block, one.position)
            case hub.FabricTopology(fabric) if reaches(one, result):
                if fits(one, result):
                    yield SettledFabric(fabric, one.position)
                elif one.requests:
                    found[_misfit(one, result)] = None
            case _:
                pass


def _settled(
    result: AllocationResult, winner: SettledConfig | None, fabric: SettledFabric | None
) -> OfDevice:
    if winner is None or isinstance(winner.config, hub.FabricTopology):
        config = _DEFAULTS[result.device_type]
    else:
        config = winner.config
    if isinstance(config, hub.Vfio):
        return config
    if isinstance(config, hub.Gpu):
        written = None if fabric is None or fabric.implied else fabric.fabric
        config = config._replace(fabric=written or hub.UNSPECIFIED)
    return config._replace(sharing=None) if result.admin_access else config


def _conflicts(
    result: AllocationResult, winner: SettledConfig | None, fabric: SettledFabric | None
) -> Iterator[Violation]:
    if winner is None or not isinstance(winner.config, hub.Gpu | hub.Mig):
        return
    sharing = winner.config.sharing
    if result.admin_access and sharing is not None:
        yield _sharing_on_admin_access(result, winner)
    if (
        isinstance(sharing, hub.Mps)
        and fabric is not None
        and fabric.position is not None
        and not isinstance(fabric.fabric.strategy, hub.FabricDisabled)
    ):
        message = (
            f"request {result.request} is shared through MPS, whose one daemon serves all "
            "processes of a GPU, which rules out a fabric partition; write strategy Disabled "
            "here, or share by TimeSlicing"
        )
        yield Violation.of(DRA414, message, (*parameters_of(fabric.position), "strategy"))


def _sharing_on_admin_access(result: AllocationResult, winner: SettledConfig) -> Violation:
    of_class = winner.source is Source.FROM_CLASS
    message = f"request {result.request} has admin access, which never changes how a device is "
    message += (
        "shared; the sharing settings of its class are ignored"
        if of_class
        else "shared; name the other requests in this config, or leave sharing out"
    )
    return Violation(
        DRA124.id,
        Severity.WARNING if of_class else Severity.ERROR,
        (*parameters_of(winner.position), "sharing"),
        message,
    )


def _misfit(one: SettledConfig, result: AllocationResult) -> Violation:
    message = (
        f"{kind_of(one)} names request {result.request}, which got a {result.device_type}; name "
        "only requests that this kind is for"
    )
    path = (*parameters_of(one.position), "kind")
    return Violation.of(DRA201, message, path)
