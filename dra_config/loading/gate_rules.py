"""The rules that only the installation's feature gates decide."""

from typing import assert_never

from dra_config import hub
from dra_config.catalogue import Rule, Severity
from dra_config.catalogue.compute_domain import DRA808, DRA822
from dra_config.catalogue.fabric import DRA401
from dra_config.catalogue.sharing import DRA102, DRA120, DRA121
from dra_config.catalogue.vfio import DRA301
from dra_config.gates import FeatureGate, FeatureGates
from dra_config.violations import FieldPath, Target, Violation
from dra_config.wire import Findings

_STRATEGY = ("sharing", "strategy")
_TIME_SLICING = FeatureGate.TIME_SLICING_SETTINGS
_MPS = FeatureGate.MPS_SUPPORT
_EXCLUDE_MPS = frozenset({FeatureGate.DYNAMIC_MIG, FeatureGate.CONSUMABLE_SHARES})
_NONE: frozenset[FeatureGate] = frozenset()


def judge_gates(config: hub.Config, gates: FeatureGates | None, found: Findings) -> None:
    """Note in *found* what the settled *config* needs and *gates* lack, or what they exclude.

    With gates of None every need is a note, and nothing is said of what gates exclude.
    """
    match config:
        case hub.Gpu():
            if config.sharing is not None:
                _judge_sharing(config.sharing, gates, found)
            if config.fabric is not hub.UNSPECIFIED:
                _judge_fabric(config.fabric, ("fabricTopologyConfig",), gates, found)
        case hub.Mig():
            if config.sharing is not None:
                _judge_sharing(config.sharing, gates, found)
        case hub.Vfio():
            what = "a VFIO device"
            _need(FeatureGate.PASSTHROUGH_SUPPORT, DRA301, ("kind",), what, gates, found)
        case hub.FabricTopology():
            _judge_fabric(config.fabric, (), gates, found)
        case hub.ComputeDomainChannel() | hub.ComputeDomainDaemon():
            if gates is not None and FeatureGate.HOST_MANAGED_IMEX_DAEMON in gates:
                _judge_host_managed_imex(config, found)
        case _:
            assert_never(config)


def _judge_sharing(
    sharing: hub.TimeSlicing | hub.MigTimeSlicing | hub.Mps,
    gates: FeatureGates | None,
    found: Findings,
) -> None:
    enabled = _NONE if gates is None else gates.enabled
    if not isinstance(sharing, hub.Mps):
        if _TIME_SLICING not in enabled:
            what = "strategy TimeSlicing"
            _need(_TIME_SLICING, DRA102, _STRATEGY, what, gates, found)
        return
    if enabled.isdisjoint(_EXCLUDE_MPS):
        if _MPS not in enabled:
            _need(_MPS, DRA102, _STRATEGY, "strategy MPS", gates, found)
        return
    for gate, rule in ((FeatureGate.DYNAMIC_MIG, DRA121), (FeatureGate.CONSUMABLE_SHARES, DRA120)):
        if gate in enabled:
            message = (
                f"feature gate {gate} is on, and MPS does not go with it; share by TimeSlicing, "
                f"or run the claim where {gate} is off"
            )
            found.add(rule, _STRATEGY, message)
    if _MPS not in enabled and FeatureGate.DYNAMIC_MIG not in enabled:
        _need(_MPS, DRA102, _STRATEGY, "strategy MPS", gates, found)


def _judge_host_managed_imex(
    config: hub.ComputeDomainChannel | hub.ComputeDomainDaemon, found: Findings
) -> None:
    if isinstance(config, hub.ComputeDomainDaemon):
        message = (
            "with HostManagedIMEXDaemon the host runs the IMEX daemon and there is no daemon "
            "device to configure; remove this config"
        )
        found.add(DRA822, ("kind",), message)
    elif config.allocation_mode is hub.ChannelAllocationMode.ALL:
        message = (
            "with HostManagedIMEXDaemon a claim gets one channel whatever the mode says; leave "
            "allocationMode out"
        )
        found.add(DRA808, ("allocationMode",), message)


def _judge_fabric(
    fabric: hub.Fabric, at: FieldPath, gates: FeatureGates | None, found: Findings
) -> None:
    if not isinstance(fabric.strategy, hub.FabricDisabled) and found.readable((*at, "strategy")):
        what = "a fabric strategy other than Disabled"
        _need(FeatureGate.FABRIC_TOPOLOGY_SUPPORT, DRA401, at or ("kind",), what, gates, found)


def _need(
    gate: FeatureGate,
    rule: Rule,
    path: FieldPath,
    what: str,
    gates: FeatureGates | None,
    found: Findings,
) -> None:
    if gates is None:
        message = f"{what} needs feature gate {gate} on the cluster"
        found.violations.append(Violation(rule.id, Severity.NOTE, path, message))
    elif gate not in gates:
        message = (
            f"{what} needs feature gate {gate}, which is off; switch it on, or leave this out"
        )
        target = Target.KEY if path == ("fabricTopologyConfig",) else Target.VALUE
        found.add(rule, path, message, target=target)
