"""Rules DRA101 to DRA124: sharing one device between several processes."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import ALLOCATION, GATES, PLUGIN, config, error, gpu, warning

_GPU_UUID: Final = "GPU-3b1f6c02-7d8e-4a55-9f10-c2d4e6a8b0f1"
_MIG_UUID: Final = "MIG-3b1f6c02-7d8e-4a55-9f10-c2d4e6a8b0f1"


def _mps(settings: str) -> str:
    """Return the YAML of a GpuConfig that shares by MPS with *settings*."""
    return gpu("sharing:", "  strategy: MPS", f"  mpsConfig: {{{settings}}}")


def _per_device(limits: str) -> str:
    """Return the YAML of a GpuConfig with *limits* by device."""
    return _mps(f"defaultPerDevicePinnedMemoryLimit: {{{limits}}}")


DRA101: Final = error(
    id="DRA101",
    name="sharing-strategy-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="The driver knows two ways to share a device and compares their names letter by letter; "
    "with any other name, or none, it prepares nothing.",
    fix="Write strategy: TimeSlicing or strategy: MPS, or leave sharing out altogether.",
    bad=gpu("sharing: {strategy: mps}"),
    good=gpu("sharing: {strategy: MPS}"),
)
DRA102: Final = error(
    id="DRA102",
    name="sharing-strategy-gate-off",
    needs=GATES,
    cause=Cause.FORBIDDEN,
    why="The strategy stands behind a feature gate that is off on this cluster, so every claim "
    "with it fails on the node.",
    fix="Switch on the gate that the message names, or leave sharing out.",
    bad=gpu("sharing: {strategy: TimeSlicing}"),
    good=gpu(),
)
DRA103: Final = error(
    id="DRA103",
    name="mps-settings-under-time-slicing",
    cause=Cause.FORBIDDEN,
    why="Time slicing has no use for MPS settings, not even empty ones: a full GPU fails to "
    "prepare and a MIG device drops them without a word.",
    fix="Remove mpsConfig, or choose strategy: MPS.",
    bad=gpu("sharing: {strategy: TimeSlicing, mpsConfig: {defaultActiveThreadPercentage: 30}}"),
    good=gpu("sharing: {strategy: TimeSlicing, timeSlicingConfig: {interval: Long}}"),
)
DRA104: Final = error(
    id="DRA104",
    name="time-slicing-settings-under-mps",
    cause=Cause.FORBIDDEN,
    why="MPS has no time slices to set, so the claim passes admission and then fails on the node.",
    fix="Remove timeSlicingConfig, or choose strategy: TimeSlicing.",
    bad=gpu("sharing: {strategy: MPS, timeSlicingConfig: {interval: Long}}"),
    good=gpu("sharing: {strategy: MPS, mpsConfig: {defaultActiveThreadPercentage: 30}}"),
)
DRA105: Final = error(
    id="DRA105",
    name="time-slicing-settings-on-mig",
    cause=Cause.FORBIDDEN,
    why="A time slice belongs to the physical GPU and not to one of its MIG devices, so a "
    "MigDeviceConfig has no field for it.",
    fix="Remove timeSlicingConfig; to set the interval, claim the full GPU with a GpuConfig.",
    bad=config("MigDeviceConfig", "sharing: {strategy: MPS, timeSlicingConfig: {interval: Long}}"),
    good=config("MigDeviceConfig", "sharing: {strategy: MPS}"),
)
DRA106: Final = warning(
    id="DRA106",
    name="time-slicing-on-mig-has-no-effect",
    cause=Cause.INVALID,
    why="The driver accepts the strategy for a MIG device and then sets nothing.",
    fix="Leave sharing out, or choose strategy: MPS.",
    bad=config("MigDeviceConfig", "sharing: {strategy: TimeSlicing}"),
    good=config("MigDeviceConfig"),
)
DRA107: Final = error(
    id="DRA107",
    name="time-slice-interval-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="The GPU driver offers four lengths of a time slice, and this is the name of none of "
    "them.",
    fix="Write interval: Default, Short, Medium or Long.",
    bad=gpu("sharing: {strategy: TimeSlicing, timeSlicingConfig: {interval: short}}"),
    good=gpu("sharing: {strategy: TimeSlicing, timeSlicingConfig: {interval: Short}}"),
)
DRA108: Final = error(
    id="DRA108",
    name="thread-percentage-out-of-range",
    cause=Cause.INVALID,
    why="A share of the GPU's threads below nothing or above all of them cannot be given to "
    "anyone, and the claim fails on the node.",
    fix="Write a whole number from 0 to 100.",
    bad=_mps("defaultActiveThreadPercentage: 120"),
    good=_mps("defaultActiveThreadPercentage: 100"),
)
DRA109: Final = warning(
    id="DRA109",
    name="thread-percentage-zero",
    cause=Cause.INVALID,
    why="Zero is passed on as it is, and leaves the processes that share the GPU no thread to "
    "run on.",
    fix="Write at least 1, or leave the field out for the default of the MPS daemon.",
    bad=_mps("defaultActiveThreadPercentage: 0"),
    good=_mps("defaultActiveThreadPercentage: 10"),
)
DRA110: Final = error(
    id="DRA110",
    name="memory-limit-not-a-quantity",
    cause=Cause.INVALID,
    why="Memory is written as a Kubernetes quantity; units such as GB, a lower-case gi or a "
    "space inside make it unreadable, and the config is refused.",
    fix="Write a number followed by Mi or Gi, such as 512Mi.",
    bad=_mps("defaultPinnedDeviceMemoryLimit: 10GB"),
    good=_mps("defaultPinnedDeviceMemoryLimit: 10Gi"),
)
DRA111: Final = error(
    id="DRA111",
    name="memory-limit-below-one-mebibyte",
    cause=Cause.INVALID,
    why="The MPS daemon counts memory in whole mebibytes and does not start with a limit of less "
    "than one; a small m, by the way, means a thousandth.",
    fix="Write at least 1Mi, or leave the limit out.",
    bad=_mps("defaultPinnedDeviceMemoryLimit: 1m"),
    good=_mps("defaultPinnedDeviceMemoryLimit: 1Mi"),
)
DRA112: Final = warning(
    id="DRA112",
    name="memory-limit-rounded-down",
    cause=Cause.INVALID,
    why="The daemon counts in whole mebibytes, so the limit in force is a little lower than the "
    "one that is written.",
    fix="Write a whole number of Mi.",
    bad=_mps("defaultPinnedDeviceMemoryLimit: 1500M"),
    good=_mps("defaultPinnedDeviceMemoryLimit: 1430Mi"),
)
DRA113: Final = warning(
    id="DRA113",
    name="memory-limit-beyond-int64",
    cause=Cause.INVALID,
    why="No device has 8Ei of memory, so the limit limits nothing; arithmetic in 64 bits even "
    "turns some such numbers into 0.",
    fix="Write the limit that is meant, or leave it out.",
    bad=_mps("defaultPinnedDeviceMemoryLimit: 8Ei"),
    good=_mps("defaultPinnedDeviceMemoryLimit: 8Gi"),
)
DRA115: Final = error(
    id="DRA115",
    name="device-key-malformed",
    cause=Cause.INVALID,
    why="A limit finds its device by position or by UUID; a key that is neither reaches no "
    "device, and the claim fails on the node.",
    fix="Write a position from 0 without sign or leading zero, or the UUID in lower case as "
    "nvidia-smi -L prints it.",
    bad=_per_device('"01": 2Gi'),
    good=_per_device('"1": 2Gi'),
)
DRA116: Final = error(
    id="DRA116",
    name="device-key-of-other-device-type",
    cause=Cause.INVALID,
    why="A GpuConfig is only ever applied to full GPUs and a MigDeviceConfig only to MIG "
    "devices, so a UUID of the other type matches nothing and the claim fails on the node.",
    fix="Write GPU- UUIDs in a GpuConfig and MIG- UUIDs in a MigDeviceConfig.",
    bad=_per_device(f"{_MIG_UUID}: 2Gi"),
    good=_per_device(f"{_GPU_UUID}: 2Gi"),
)
DRA118: Final = warning(
    id="DRA118",
    name="device-keys-may-collide",
    cause=Cause.DUPLICATE,
    why="A position and a UUID may turn out to be the same device, and which of the two limits "
    "then holds is left to chance.",
    fix="Name all devices by position or all by UUID.",
    bad=_per_device(f'"0": 4Gi, {_GPU_UUID}: 2Gi'),
    good=_per_device('"0": 4Gi, "1": 2Gi'),
)
DRA120: Final = error(
    id="DRA120",
    name="mps-with-consumable-shares",
    needs=GATES,
    cause=Cause.FORBIDDEN,
    why="While ConsumableShares is on, several claims may hold one GPU, and the driver refuses "
    "to start the MPS daemon of one claim on a GPU that others use too.",
    fix="Choose strategy: TimeSlicing, or switch ConsumableShares off.",
    bad=_mps("defaultActiveThreadPercentage: 50"),
    good=gpu("sharing: {strategy: TimeSlicing}"),
)
DRA121: Final = error(
    id="DRA121",
    name="mps-with-dynamic-mig",
    needs=GATES,
    cause=Cause.FORBIDDEN,
    why="Under DynamicMIG the driver cuts GPUs up and joins them while claims come and go, which "
    "an MPS daemon on the same GPU would not survive.",
    fix="Choose strategy: TimeSlicing or leave sharing out, or switch DynamicMIG off.",
    bad=gpu("sharing: {strategy: MPS}"),
    good=gpu(),
)
DRA123: Final = warning(
    id="DRA123",
    name="mps-multi-user-shares-one-daemon",
    cause=Cause.INVALID,
    why="With multiUser the processes of different users run under one privileged daemon and are "
    "not protected from each other's memory faults.",
    fix="Leave multiUser out unless all users of the claim trust each other.",
    bad=_mps("multiUser: true"),
    good=_mps("multiUser: false"),
)
DRA124: Final = error(
    id="DRA124",
    name="sharing-on-admin-access",
    needs=ALLOCATION,
    judges=PLUGIN,
    cause=Cause.FORBIDDEN,
    why="A device with admin access may be in use by others, and sharing settings would change "
    "its compute mode and time slice under them.",
    fix="Leave sharing out of the configs that reach the request with admin access.",
    bad="",
    good="",
)

RULES: Final[tuple[Rule, ...]] = (
    *(DRA101, DRA102, DRA103, DRA104, DRA105, DRA106, DRA107, DRA108, DRA109, DRA110, DRA111),
    *(DRA112, DRA113, DRA115, DRA116, DRA118, DRA120, DRA121, DRA123, DRA124),
)
