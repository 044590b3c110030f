"""Rules DRA401 to DRA420: NVLink partitions of the GPUs of a claim."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import ALLOCATION, GATES, PLUGIN, error, gpu, warning


def _fabric(settings: str) -> str:
    """Return the YAML of a GpuConfig with fabric *settings*."""
    return gpu(f"fabricTopologyConfig: {{{settings}}}")


DRA401: Final = error(
    id="DRA401",
    name="fabric-gate-off",
    needs=GATES,
    cause=Cause.FORBIDDEN,
    why="While FabricTopologySupport is off nobody activates a partition, so the claim would run "
    "without the links that it asks for.",
    fix="Switch FabricTopologySupport on, or write strategy: Disabled.",
    bad=_fabric("strategy: Auto"),
    good=_fabric("strategy: Disabled"),
)
DRA402: Final = error(
    id="DRA402",
    name="fabric-strategy-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="How a partition is found must be said in one of three words, spelt exactly; the driver "
    "fails the claim on any other.",
    fix="Write strategy: Auto, Manual or Disabled, or leave it out for Auto.",
    bad=_fabric("strategy: auto"),
    good=_fabric("strategy: Auto"),
)
DRA403: Final = error(
    id="DRA403",
    name="fabric-auto-with-partition-ids",
    cause=Cause.FORBIDDEN,
    why="Auto lets the driver look for a partition while the list names one, and only one of the "
    "two can decide.",
    fix="Remove partitionIDs, or write strategy: Manual and remove partitionSize.",
    bad=_fabric("strategy: Auto, partitionSize: 4, partitionIDs: [partition-1]"),
    good=_fabric("strategy: Auto, partitionSize: 4"),
)
DRA404: Final = error(
    id="DRA404",
    name="fabric-manual-without-partition-ids",
    cause=Cause.REQUIRED,
    why="Manual takes a partition from the list in partitionIDs; without an entry there is "
    "nothing to take, and the claim fails on the node.",
    fix="Name at least one partition in partitionIDs, or write strategy: Auto.",
    bad=_fabric("strategy: Manual"),
    good=_fabric("strategy: Manual, partitionIDs: [partition-1]"),
)
DRA405: Final = error(
    id="DRA405",
    name="fabric-partition-id-blank",
    cause=Cause.INVALID,
    why="An entry that is null, empty or only white space can be the name of no partition.",
    fix="Write the name of a partition, or remove the entry.",
    bad=_fabric('strategy: Manual, partitionIDs: [partition-1, "  "]'),
    good=_fabric("strategy: Manual, partitionIDs: [partition-1, partition-2]"),
)
DRA406: Final = error(
    id="DRA406",
    name="fabric-partition-id-duplicate",
    cause=Cause.DUPLICATE,
    why="Naming a partition again adds no alternative; most likely another name was meant in its "
    "place.",
    fix="Name each partition once.",
    bad=_fabric("strategy: Manual, partitionIDs: [p7, p7]"),
    good=_fabric("strategy: Manual, partitionIDs: [p7, p8]"),
)
DRA407: Final = error(
    id="DRA407",
    name="fabric-manual-with-partition-size",
    cause=Cause.FORBIDDEN,
    why="A partition that is named has the size it has, which a second figure can only repeat or "
    "contradict.",
    fix="Remove partitionSize, or write strategy: Auto and remove partitionIDs.",
    bad=_fabric("strategy: Manual, partitionIDs: [p7], partitionSize: 2"),
    good=_fabric("strategy: Manual, partitionIDs: [p7]"),
)
DRA408: Final = error(
    id="DRA408",
    name="fabric-disabled-with-partition-fields",
    cause=Cause.FORBIDDEN,
    why="Disabled asks for no partition while its size or name asks for one, and the driver "
    "cannot do both.",
    fix="Remove partitionSize and partitionIDs, or choose another strategy.",
    bad=_fabric("strategy: Disabled, partitionSize: 2"),
    good=_fabric("strategy: Disabled"),
)
DRA409: Final = error(
    id="DRA409",
    name="fabric-partition-size-unsupported",
    cause=Cause.NOT_SUPPORTED,
    why="Fabric Manager builds partitions of two, four or eight GPUs, so no node can ever offer "
    "another size.",
    fix="Write partitionSize: 2, 4 or 8, or leave it out for the number of GPUs in the claim.",
    bad=_fabric("partitionSize: 3"),
    good=_fabric("partitionSize: 4"),
)
DRA410: Final = error(
    id="DRA410",
    name="fabric-virtualization-model-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="Who switches the partition, the node or a guest, follows from the model; with a name "
    "that means no model nobody does.",
    fix="Write BareMetal, FullPassthrough, SharedNVSwitch or VGPU, or leave it out for BareMetal.",
    bad=_fabric("virtualizationModel: Baremetal"),
    good=_fabric("virtualizationModel: BareMetal"),
)
DRA411: Final = error(
    id="DRA411",
    name="fabric-vgpu-not-disabled",
    cause=Cause.INVALID,
    why="A virtual GPU has no NVLink partitions, and every strategy but Disabled, the default "
    "Auto among them, asks for one.",
    fix="Write strategy: Disabled beside virtualizationModel: VGPU.",
    bad=_fabric("virtualizationModel: VGPU"),
    good=_fabric("virtualizationModel: VGPU, strategy: Disabled"),
)
DRA412: Final = error(
    id="DRA412",
    name="fabric-bandwidth-invalid",
    cause=Cause.INVALID,
    why="A bandwidth below zero or beyond all numbers is a threshold that no partition can be "
    "held against.",
    fix="Write the lowest bandwidth per GPU in GB/s, 0 or more, or leave it out.",
    bad=_fabric("minBandwidth: -1"),
    good=_fabric("minBandwidth: 450"),
)
DRA413: Final = error(
    id="DRA413",
    name="fabric-latency-invalid",
    cause=Cause.INVALID,
    why="A latency below zero or beyond all numbers cannot be met by any partition.",
    fix="Write the highest latency in milliseconds, 0 or more, or leave it out.",
    bad=_fabric("maxLatency: -0.1"),
    good=_fabric("maxLatency: 0.1"),
)
DRA414: Final = error(
    id="DRA414",
    name="fabric-with-mps",
    cause=Cause.FORBIDDEN,
    why="One MPS daemon serves all processes on the claim's GPUs, and moving those GPUs in and "
    "out of NVLink partitions pulls them from under it.",
    fix="Write strategy: Disabled in fabricTopologyConfig, or choose strategy: TimeSlicing.",
    bad=gpu("sharing: {strategy: MPS}", "fabricTopologyConfig: {strategy: Auto}"),
    good=gpu("sharing: {strategy: TimeSlicing}", "fabricTopologyConfig: {strategy: Auto}"),
)
DRA415: Final = warning(
    id="DRA415",
    name="fabric-partition-ids-old-spelling",
    cause=Cause.NOT_SUPPORTED,
    why="partitionIds is how an early version of the setting spelt the field; we still read it, "
    "newer documentation does not mention it.",
    fix="Write partitionIDs.",
    bad=_fabric("strategy: Manual, partitionIds: [partition-1]"),
    good=_fabric("strategy: Manual, partitionIDs: [partition-1]"),
)
DRA416: Final = error(
    id="DRA416",
    name="fabric-partition-too-small",
    needs=ALLOCATION,
    judges=PLUGIN,
    cause=Cause.INVALID,
    why="The config reaches more GPUs than its partition has places, so no partition of that size "
    "connects them all.",
    fix="Leave partitionSize out for the number of GPUs in the claim, or name fewer requests.",
    bad="",
    good="",
)
DRA417: Final = error(
    id="DRA417",
    name="fabric-partition-larger-than-claim",
    needs=ALLOCATION,
    judges=PLUGIN,
    cause=Cause.INVALID,
    why="A partition with GPUs outside the claim is never activated, because that would touch "
    "devices that other claims may hold.",
    fix="Leave partitionSize out, or ask for as many GPUs as the partition is to have.",
    bad="",
    good="",
)
DRA418: Final = warning(
    id="DRA418",
    name="fabric-settings-without-effect",
    cause=Cause.INVALID,
    why="Under Disabled nobody reads what a partition should be like, and no library reports a"
    " latency under any strategy, so a setting that looks like a demand decides nothing.",
    fix="Remove maxLatency; under Disabled remove minBandwidth and preferNVLink, too.",
    bad=_fabric("strategy: Disabled, minBandwidth: 450"),
    good=_fabric("strategy: Auto, minBandwidth: 450"),
)
DRA420: Final = warning(
    id="DRA420",
    name="fabric-config-displaced",
    needs=ALLOCATION,
    judges=PLUGIN,
    cause=Cause.INVALID,
    why="A FabricTopologyConfig and the fabricTopologyConfig of a GpuConfig reach one request; "
    "only the stronger one counts, and nothing of the other is merged into it.",
    fix="Keep the fabric settings of a request in one place.",
    bad="",
    good="",
)

RULES: Final[tuple[Rule, ...]] = (
    *(DRA401, DRA402, DRA403, DRA404, DRA405, DRA406, DRA407, DRA408, DRA409, DRA410, DRA411),
    *(DRA412, DRA413, DRA414, DRA415, DRA416, DRA417, DRA418, DRA420),
)
