"""What a claim wants of this node: its devices, and how each of them is to be set up."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dra_config import hub
from dra_config.allocation import (
    AllocationResult,
    DeviceType,
    Resolution,
    SettledConfig,
    SettledDevice,
    resolve,
    settle,
)
from dra_config.catalogue import Severity
from dra_config.catalogue.requests import DRA507
from dra_config.gates import FeatureGates
from dra_config.v1beta1 import from_hub
from dra_config.violations import FieldPath, Violation
from plugin.checkpoint import Holding
from plugin.hardware.facts import Gpu, MigDevice
from plugin.prepare.allocated_claim import AllocatedClaim, AllocatedDevice
from plugin.prepare.failures import ConfigRefused
from plugin.preparer import ClaimReference, PrepareFailed

_RESULTS: Final[FieldPath] = ("status", "allocation", "devices", "results")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """The hardware behind a published name."""

    gpu: Gpu
    mig: MigDevice | None
    """None for the whole GPU."""


class Devices(Protocol):
    """The devices that this node has published."""

    def find(self, name: str) -> FoundDevice | None:
        """Return the hardware of that name; None if nothing is called so.

        Raises:
            MachineError: The machine cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the installation decides."""

    driver: str
    """The name of this driver."""
    pool: str
    """The pool of this node's devices."""
    gates: FeatureGates
    served_drivers: Collection[str]
    """Those whose configs are judged, as the webhook's setting has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One device that a claim wants."""

    holding: Holding
    sharing: hub.TimeSlicing | hub.MigTimeSlicing | hub.Mps | None
    """None if no sharing setting is touched, as with admin access."""
    config_position: int | None
    """Devices with equal positions are set up together; None is the default of their type."""


def wanted_devices(
    claim: ClaimReference,
    allocated: AllocatedClaim,
    devices: Devices,
    policy: Policy,
    tell: Callable[[ClaimReference, str], None],
) -> tuple[Wanted, ...]:
    """Return the devices that a claim wants, in the order of its allocation.

    Args:
        claim: The claim.
        allocated: What was allocated to it.
        devices: Knows the hardware.
        policy: Decides what is allowed.
        tell: Is told what does not do what it seems to do.

    Raises:
        ConfigRefused: A config breaks a rule; the first to know, since its author can repair it.
        PrepareFailed: A device is not on this node, or wants what this plugin does not do.
        MachineError: The machine cannot be asked.
    """
    settled = settle(allocated.configs, gates=policy.gates, drivers=policy.served_drivers)
    _refuse_errors(claim, settled.violations)
    found = [_found(claim, one, devices, policy) for one in allocated.devices]
    resolved = _resolved(claim, allocated, found, settled.configs, policy)
    remarks = _parts_of_one_gpu(allocated, found)
    for violation in (*settled.violations, *resolved.violations, *remarks):
        tell(claim, f"{violation.field}: {violation.message} ({violation.rule})")
    return tuple(
        _wanted(claim, one, hardware, device)
        for one, hardware, device in zip(allocated.devices, found, resolved.devices, strict=True)
    )


def _resolved(
    claim: ClaimReference,
    allocated: AllocatedClaim,
    found: Sequence[FoundDevice],
    configs: Sequence[SettledConfig],
    policy: Policy,
) -> Resolution:
    results = [
        AllocationResult(
            one.request,
            DeviceType.GPU if hardware.mig is None else DeviceType.MIG,
            one.admin_access,
        )
        for one, hardware in zip(allocated.devices, found, strict=True)
    ]
    resolution = resolve(results, configs, gates=policy.gates)
    _refuse_errors(claim, resolution.violations)
    return resolution


def _parts_of_one_gpu(
    allocated: AllocatedClaim, found: Sequence[FoundDevice]
) -> Iterator[Violation]:
    """Yield a remark on each GPU of which the claim has several MIG devices to compute on."""
    parts_by_gpu: dict[str, dict[str, str]] = {}
    for one, hardware in zip(allocated.devices, found, strict=True):
        if hardware.mig is not None and not one.admin_access:
            parts_by_gpu.setdefault(hardware.gpu.uuid, {})[hardware.mig.uuid] = one.request
    for gpu_uuid, parts in parts_by_gpu.items():
        if len(parts) > 1:
            message = (
                f"{len(parts)} MIG devices of GPU {gpu_uuid} were allocated for "
                f"{' and '.join(sorted({*parts.values()}))}; a program sees one MIG device of "
                "a GPU, so give each container its own request, or ask for a larger one"
            )
            yield Violation.of(DRA507, message, _RESULTS)


def _refuse_errors(claim: ClaimReference, violations: tuple[Violation, ...]) -> None:
    if any(one.severity is Severity.ERROR for one in violations):
        raise ConfigRefused(claim, violations)


def _found(
    claim: ClaimReference, one: AllocatedDevice, devices: Devices, policy: Policy
) -> FoundDevice:
    if one.pool != policy.pool:
        message = (
            f"Device '{one.device}' of claim {claim} is of pool '{one.pool}', and the devices of "
            f"this node are of pool '{policy.pool}'."
        )
        raise PrepareFailed(message, permanent=True)
    found = devices.find(one.device)
    if found is None:
        message = (
            f"This node has no device '{one.device}' (any more), which was allocated to claim "
            f"{claim}. If it does not come back, delete the pod and its claim."
        )
        raise PrepareFailed(message, permanent=False)
    return found


def _wanted(
    claim: ClaimReference, one: AllocatedDevice, found: FoundDevice, settled: SettledDevice
) -> Wanted:
    _refuse_partition(claim, one, settled)
    return Wanted(
        holding=Holding(
            request=one.request,
            pool=one.pool,
            device=one.device,
            share_id=one.share_id,
            admin_access=one.admin_access,
            gpu_uuid=found.gpu.uuid,
            device_uuid=found.gpu.uuid if found.mig is None else found.mig.uuid,
            pci_address=found.gpu.pci_address,
            config=from_hub(settled.config).model_dump_json(exclude_unset=True),
        ),
        sharing=None if isinstance(settled.config, hub.Vfio) else settled.config.sharing,
        config_position=settled.position,
    )


def _refuse_partition(claim: ClaimReference, one: AllocatedDevice, settled: SettledDevice) -> None:
    """Refuse what was asked for in writing; an implied wish is a preference, and nothing more."""
    fabric = settled.fabric
    if fabric is None or fabric.implied:
        return
    if not isinstance(fabric.fabric.strategy, hub.FabricDisabled):
        message = (
            f"Request {one.request} of claim {claim} asks for an NVLink partition, and this "
            "node activates none. Leave fabricTopologyConfig out, or write strategy Disabled."
        )
        raise PrepareFailed(message, permanent=True)
