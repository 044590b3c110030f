"""Rules DRA980 to DRA990: the feature gates that an installation sets."""

from functools import partial
from typing import Final

from dra_config.catalogue.rule import Cause, Judge, Need, Rule, Severity
from dra_config.catalogue.shorthand import block

_setting = partial(
    Rule,
    severity=Severity.ERROR,
    needs=frozenset({Need.GATES}),
    judges=frozenset({Judge.SETTINGS}),
)


def _gates(gates: str) -> str:
    """Return the YAML of an environment that sets *gates*."""
    return block(f'FEATURE_GATES: "{gates}"')


DRA980: Final = _setting(
    id="DRA980",
    name="gate-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="No feature has this gate, so the one that was meant would stay as it is; the program "
    "stops at start to say so.",
    fix="Write a name from the list that dra-config gates prints.",
    bad=_gates("MPSSuport=true"),
    good=_gates("MPSSupport=true"),
)
DRA981: Final = _setting(
    id="DRA981",
    name="gates-exclusive",
    cause=Cause.FORBIDDEN,
    why="The two features would work on the same GPU against each other, so the program does not "
    "start with both of them on.",
    fix="Switch one of the two gates off.",
    bad=_gates("DynamicMIG=true,MPSSupport=true"),
    good=_gates("DynamicMIG=true"),
)
DRA982: Final = _setting(
    id="DRA982",
    name="gate-requirement-missing",
    cause=Cause.REQUIRED,
    why="The feature is built on another one that is off, and the program does not start without "
    "it.",
    fix="Switch on the gate that the message names, too.",
    bad=_gates("DeviceMetadata=true"),
    good=_gates("DeviceMetadata=true,PassthroughSupport=true"),
)
DRA983: Final = _setting(
    id="DRA983",
    name="all-alpha-cannot-start",
    cause=Cause.FORBIDDEN,
    why="AllAlpha switches on gates that exclude each other, so no program can start with it "
    "alone.",
    fix="Name the gates that are wanted, or switch the excluding ones off beside AllAlpha.",
    bad=_gates("AllAlpha=true"),
    good=_gates("AllAlpha=true,DynamicMIG=false"),
)
DRA990: Final = _setting(
    id="DRA990",
    name="fabric-gate-set-twice",
    severity=Severity.WARNING,
    cause=Cause.DUPLICATE,
    why="The variable FABRIC_TOPOLOGY_SUPPORT and the list of gates say different things about "
    "fabric settings; the list wins.",
    fix="Remove FABRIC_TOPOLOGY_SUPPORT, and keep the entry in the list.",
    bad=block('FABRIC_TOPOLOGY_SUPPORT: "true"', 'FEATURE_GATES: "FabricTopologySupport=false"'),
    good=block('FEATURE_GATES: "FabricTopologySupport=true"'),
)

RULES: Final[tuple[Rule, ...]] = (DRA980, DRA981, DRA982, DRA983, DRA990)
