"""Feature gates as a value that callers pass in; there is no global registry."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from dra_config.catalogue.installation import DRA980, DRA981, DRA982, DRA983, DRA990
from dra_config.spelling import nearest
from dra_config.violations import Violation


class FeatureGate(StrEnum):
    """Every gate, by its name on the command line."""

    TIME_SLICING_SETTINGS = "TimeSlicingSettings"
    MPS_SUPPORT = "MPSSupport"
    PASSTHROUGH_SUPPORT = "PassthroughSupport"
    DYNAMIC_MIG = "DynamicMIG"
    NVML_DEVICE_HEALTH_CHECK = "NVMLDeviceHealthCheck"
    DEVICE_METADATA = "DeviceMetadata"
    DRA_LIST_TYPE_ATTRIBUTES = "DRAListTypeAttributes"
    FABRIC_MANAGER_PARTITIONING = "FabricManagerPartitioning"
    CONSUMABLE_SHARES = "ConsumableShares"
    HOST_MANAGED_IMEX_DAEMON = "HostManagedIMEXDaemon"
    IMEX_DAEMONS_WITH_DNS_NAMES = "IMEXDaemonsWithDNSNames"
    COMPUTE_DOMAIN_CLIQUES = "ComputeDomainCliques"
    CRASH_ON_NVLINK_FABRIC_ERRORS = "CrashOnNVLinkFabricErrors"
    FABRIC_TOPOLOGY_SUPPORT = "FabricTopologySupport"


class Stage(StrEnum):
    """How far a gate has come; an alpha gate is off by default and a beta gate is on."""

    ALPHA = "Alpha"
    BETA = "Beta"


@dataclass(frozen=True, slots=True)
class GateSpec:
    """What holds for a gate until someone says otherwise."""

    stage: Stage
    default: bool
    switches: str
    """What the gate switches on, as half a sentence."""
    requires: frozenset[FeatureGate] = frozenset()
    """Gates without which this one cannot be on."""
    excludes: frozenset[FeatureGate] = frozenset()
    """Gates that cannot be on beside this one; the relation is symmetric."""


def _alpha(
    switches: str, *, requires: Iterable[FeatureGate] = (), excludes: Iterable[FeatureGate] = ()
) -> GateSpec:
    return GateSpec(Stage.ALPHA, False, switches, frozenset(requires), frozenset(excludes))  # noqa: FBT003


def _beta(switches: str, *, requires: Iterable[FeatureGate] = ()) -> GateSpec:
    return GateSpec(Stage.BETA, True, switches, frozenset(requires))  # noqa: FBT003


_G = FeatureGate
SPECS: Mapping[FeatureGate, GateSpec] = MappingProxyType(
    {
        _G.TIME_SLICING_SETTINGS: _alpha("sharing strategy TimeSlicing"),
        _G.MPS_SUPPORT: _alpha("sharing strategy MPS", excludes=[_G.DYNAMIC_MIG]),
        _G.PASSTHROUGH_SUPPORT: _alpha(
            "VFIO devices and VfioDeviceConfig", excludes=[_G.DYNAMIC_MIG]
        ),
        _G.DYNAMIC_MIG: _alpha(
            "MIG devices created on demand", excludes=[_G.MPS_SUPPORT, _G.PASSTHROUGH_SUPPORT]
        ),
        _G.NVML_DEVICE_HEALTH_CHECK: _alpha("taints on unhealthy devices"),
        _G.DEVICE_METADATA: _alpha(
            "metadata files for VFIO devices", requires=[_G.PASSTHROUGH_SUPPORT]
        ),
        _G.DRA_LIST_TYPE_ATTRIBUTES: _alpha("attribute numaNode as a list"),
        _G.FABRIC_MANAGER_PARTITIONING: _alpha(
            "NVLink partitions through attributes and constraints"
        ),
        _G.CONSUMABLE_SHARES: _alpha("several claims on one device"),
        _G.HOST_MANAGED_IMEX_DAEMON: _alpha("IMEX daemons that the host runs"),
        _G.IMEX_DAEMONS_WITH_DNS_NAMES: _beta("host names for IMEX daemons"),
        _G.COMPUTE_DOMAIN_CLIQUES: _beta(
            "ComputeDomainClique objects", requires=[_G.IMEX_DAEMONS_WITH_DNS_NAMES]
        ),
        _G.CRASH_ON_NVLINK_FABRIC_ERRORS: _beta("a strict look at the NVLink fabric at start"),
        _G.FABRIC_TOPOLOGY_SUPPORT: _alpha("fabric settings and FabricTopologyConfig"),
    }
)
"""Every gate; stages and defaults are the reference driver's, FabricTopologySupport is ours."""


class InvalidGates(ValueError):  # noqa: N818 - named like InvalidConfig
    """A list of gates that no program can start with; it carries every reason."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Keep all *violations*."""
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{v.message} ({v.rule})" for v in self.violations))


@dataclass(frozen=True, slots=True)
class FeatureGates:
    """The gates that are on; without arguments those that are on by default."""

    enabled: frozenset[FeatureGate] = frozenset(
        gate for gate, spec in SPECS.items() if spec.default
    )

    def __contains__(self, gate: FeatureGate) -> bool:
        return gate in self.enabled

    def __str__(self) -> str:
        """Return the difference from the defaults as ``Name=true,Other=false``; it parses back."""
        differing = (
            gate for gate, spec in SPECS.items() if (gate in self.enabled) != spec.default
        )
        return ",".join(f"{gate}={str(gate in self.enabled).lower()}" for gate in differing)

    @classmethod
    def parse(cls, text: str) -> "FeatureGates":
        """Return the defaults with *text* on top.

        Args:
            text: ``Name=true,Other=false`` as Kubernetes components take it. ``AllAlpha`` and
                ``AllBeta`` stand for every gate of their stage. An entry for a single gate beats
                them wherever it stands, and of two equal names the later one counts.

        Raises:
            InvalidGates: If a gate is unknown, a value is no boolean, or the gates that would be
                on exclude or miss each other.
        """
        return resolve(text).gates


@dataclass(frozen=True, slots=True)
class Resolved:
    """What settings come to: the gates, and what the operator should know about them."""

    gates: FeatureGates
    warnings: tuple[Violation, ...] = ()


_ALL_OF_STAGE: Mapping[str, Stage] = MappingProxyType(
    {"AllAlpha": Stage.ALPHA, "AllBeta": Stage.BETA}
)
_BOOLEANS: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})


def resolve(text: str, fabric_topology_support: str | None = None) -> Resolved:
    """Return the gates that a gate list and the variable beside it come to.

    Args:
        text: A gate list as `FeatureGates.parse` takes it.
        fabric_topology_support: The value of the environment variable
            ``FABRIC_TOPOLOGY_SUPPORT``. ``true`` switches FabricTopologySupport on unless the gate
            list names the gate; None, an empty text and ``false`` say nothing.

    Raises:
        InvalidGates: With every reason why no program can start with these settings.
    """
    wrong: list[Violation] = []
    given = dict(_entries(text, wrong))
    wanted = _variable(fabric_topology_support, wrong)
    warnings: tuple[Violation, ...] = ()
    if wanted and given.setdefault(_G.FABRIC_TOPOLOGY_SUPPORT, True) is False:
        warnings = (Violation.of(DRA990, _DISAGREE),)
    enabled = frozenset(gate for gate, spec in SPECS.items() if _is_on(gate, spec, given))
    wrong.extend(_conflicts(enabled, all_alpha=given.get("AllAlpha", False)))
    if wrong:
        raise InvalidGates(wrong)
    return Resolved(FeatureGates(enabled), warnings)


_DISAGREE = (
    "FABRIC_TOPOLOGY_SUPPORT=true says on and the gate list says FabricTopologySupport=false; "
    "the gate list wins, so set only one of them"
)


def _entries(text: str, wrong: list[Violation]) -> Iterator[tuple[str, bool]]:
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in entry.partition("="))
        on = _BOOLEANS.get(value.lower())
        if name not in _ALL_OF_STAGE and name not in SPECS:
            wrong.append(Violation.of(DRA980, f"{name!r} is not a feature gate{_hint(name)}"))
        elif on is None:
            shown = repr(value) if equals else "nothing"
            wrong.append(
                Violation.of(DRA980, f"feature gate {name} takes true or false, not {shown}")
            )
        else:
            yield name, on


def _hint(name: str) -> str:
    names = [*SPECS, *_ALL_OF_STAGE]
    close = nearest(name, names)
    if close:
        return f"; the nearest one is {close}"
    return f"; there are {', '.join(names)}"


def _variable(value: str | None, wrong: list[Violation]) -> bool:
    if value is None or not value.strip():
        return False
    on = _BOOLEANS.get(value.strip().lower())
    if on is None:
        message = f"FABRIC_TOPOLOGY_SUPPORT takes true or false, not {value!r}"
        wrong.append(Violation.of(DRA980, message))
    return bool(on)


def _is_on(gate: FeatureGate, spec: GateSpec, given: Mapping[str, bool]) -> bool:
    of_stage = next(name for name, stage in _ALL_OF_STAGE.items() if stage is spec.stage)
    return given.get(gate, given.get(of_stage, spec.default))


def _conflicts(enabled: frozenset[FeatureGate], *, all_alpha: bool) -> Iterator[Violation]:
    pairs = [
        (a, b)
        for a in SPECS
        for b in SPECS
        if a < b and {a, b} <= enabled and b in SPECS[a].excludes
    ]
    if all_alpha and pairs:
        listed = " and ".join(f"{a} with {b}" for a, b in pairs)
        message = (
            f"AllAlpha=true switches on gates that exclude each other: {listed}; name the gates "
            "that you want"
        )
        yield Violation.of(DRA983, message)
    else:
        for a, b in pairs:
            message = f"feature gates {a} and {b} exclude each other; switch one of them off"
            yield Violation.of(DRA981, message)
    for gate in SPECS:
        for needed in sorted(SPECS[gate].requires - enabled) if gate in enabled else ():
            message = f"feature gate {gate} needs {needed}; switch it on, too, or {gate} off"
            yield Violation.of(DRA982, message)
